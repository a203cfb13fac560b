//! Event source of a listening port: a listener with its factory, which can be closed and opened
//! again.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{Deferred, DelayedCall, Failure};

use super::acceptor::{Accepted, Acceptor};
use super::handle::{Control, ListeningPort, closed};
use super::serve::{AnyServe, Serve};
use crate::address::Address;
use crate::core::{Core, Runnable};
use crate::error::ReactorGone;
use crate::panics::contain;
use crate::poll::{Interest, Ready};
use crate::registry::EventSource;
use crate::report::{Of, report};
use crate::sys::{SocketFile, socket};
use crate::system_event::{Phase, SystemEvent, SystemEventTrigger};

/// Most connections that a port accepts in one turn before the loop calls other sources.
const ACCEPTS_PER_TURN: usize = 64;

/// First pause of accepting when there are no descriptors left. The pause doubles each time, up to
/// `LONGEST_PAUSE`.
// The first is too short for a person to notice. A descriptor that this loop closes ends any pause
// (`after_close`), so the longest is for descriptors that others free: a client then waits about as
// long as for a lost SYN, which TCP sends again after 1 s, and the log has one warning in that time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An open listener, registered under the key that the next inserted source will get.
pub(crate) struct Opened<A> {
    /// The file of a UNIX socket, dropped when the port is closed, before its socket.
    pub(crate) cleanup: Option<SocketFile>,
    pub(crate) acceptor: Acceptor,
    pub(crate) address: A,
}

/// Function that opens the listener, and opens it again at the same address after a close.
pub(crate) type Reopen<A> = Box<dyn Fn(&Core) -> io::Result<Opened<A>>>;

/// Opens a port on the listener that `reopen` opens.
pub(crate) fn open<A: Clone + 'static>(
    core: &Rc<Core>,
    serve: impl Serve,
    reopen: Reopen<A>,
) -> io::Result<ListeningPort<A>> {
    open_any(core, Box::new(RefCell::new(serve)), reopen)
}

fn open_any<A: Clone + 'static>(
    core: &Rc<Core>,
    serve: Box<dyn AnyServe>,
    reopen: Reopen<A>,
) -> io::Result<ListeningPort<A>> {
    let opened = reopen(core)?;
    let address = opened.address.clone();
    core.reserved_fd.fill();
    // The key is reserved before the factory is called, because the factory may listen or connect
    // itself, and so use the next key.
    let opened = {
        let key = opened.acceptor.key();
        let place = core.reserve_key();
        debug_assert_eq!(key, place);
        opened
    };
    contain("a factory", || serve.started());
    let port = Rc::new(Port {
        // Weak, because the registry of the core owns the port.
        core: Rc::downgrade(core),
        open: RefCell::default(),
        serve,
        reopen,
        next_pause: Cell::new(FIRST_PAUSE),
        back_off: RefCell::default(),
        waits_for_close: Cell::new(false),
        is_paused: Cell::new(false),
        starting: RefCell::default(),
        failed_to_stop: RefCell::default(),
        stops_early: Cell::new(false),
        trigger: Cell::new(None),
    });
    port.begin(core, opened);
    let weak: Weak<dyn Control<A>> = {
        let weak: Weak<Port<A>> = Rc::downgrade(&port);
        weak
    };
    Ok(ListeningPort::new(core, address, weak))
}

struct Port<A> {
    core: Weak<Core>,
    /// `None` while the port is closed.
    open: RefCell<Option<Open>>,
    serve: Box<dyn AnyServe>,
    reopen: Reopen<A>,
    /// Length of the next pause because of a lack of descriptors.
    next_pause: Cell<Duration>,
    /// Timer of the end of that pause, while it lasts.
    back_off: RefCell<Option<DelayedCall>>,
    /// Whether the loop will run the port when it has closed a descriptor.
    // Set when accepting pauses, cleared when the loop runs the port.
    waits_for_close: Cell<bool>,
    /// `pause_accepting` was called.
    // Cleared by `resume_accepting` only: a port that is closed and opened again stays paused.
    is_paused: Cell<bool>,
    /// The address of a port that is opened again, while `start_factory` runs. Set by `start`;
    /// taken by `stop`, after which the port stays closed.
    starting: RefCell<Option<A>>,
    /// Failure of `stop_factory` after the factory has closed its own port; returned by the next
    /// `stop`.
    failed_to_stop: RefCell<Option<Failure>>,
    /// Set by `stop_before_shutdown`, and not cleared.
    stops_early: Cell<bool>,
    /// The trigger that closes the port before the shutdown.
    // Set while the port is open if `stops_early` is set. Taken by `close`, because the trigger owns
    // the port, which would stay in the memory until the reactor stops.
    trigger: Cell<Option<SystemEventTrigger>>,
}

struct Open {
    // Dropped before the socket: see `SocketFile`.
    file: Option<SocketFile>,
    acceptor: Acceptor,
}

impl<A: Clone + 'static> Port<A> {
    /// Accepts from `opened`, whose key is reserved in the registry.
    fn begin(self: &Rc<Self>, core: &Core, opened: Opened<A>) {
        let key = opened.acceptor.key();
        self.open.replace(Some(Open {
            file: opened.cleanup,
            acceptor: opened.acceptor,
        }));
        // Replaces the `Placeholder` that has kept the key while `start_factory` ran.
        core.registry.replace(key, Rc::<Self>::clone(self));
        self.next_pause.set(FIRST_PAUSE);
        self.end_back_off();
        self.update_interest();
        if self.stops_early.get() {
            self.add_trigger(core);
        }
    }

    /// Adds the trigger that closes the port before the shutdown, if there is none.
    fn add_trigger(self: &Rc<Self>, core: &Core) {
        if self.trigger.get().is_some() {
            return;
        }
        let port = Rc::clone(self);
        let stop = Box::new(move || Deferred::from(port.stop()));
        let (phase, event) = (Phase::Before, SystemEvent::Shutdown);
        self.trigger
            .set(Some(core.system_events.add(phase, event, stop)));
    }

    fn accept(&self) -> io::Result<Option<(Accepted, Address)>> {
        match &*self.open.borrow() {
            Some(open) => open.acceptor.accept(),
            None => Ok(None),
        }
    }

    fn connected(&self, core: &Rc<Core>, accepted: Accepted, peer: Address) {
        self.serve
            .connected(core, accepted, peer, &|| self.after_call());
    }

    /// After a call of the factory: calls `stopped`, if the factory has closed its own port.
    fn after_call(&self) {
        if !self.is_open() {
            self.failed_to_stop.replace(self.stop_factory().err());
        }
    }

    /// Calls `stopped` of the factory. Does nothing while the factory builds a protocol or hears
    /// that accepting has failed; then the caller of the factory calls `after_call`.
    fn stop_factory(&self) -> deferred::Result<()> {
        Failure::catch(|| self.serve.stopped())
    }

    /// Pauses accepting until a descriptor of this loop is closed, or the pause is over, because
    /// there is no descriptor left, and the system would report the waiting clients again and
    /// again.
    #[cold]
    fn back_off(self: &Rc<Self>, core: &Rc<Core>, error: &io::Error) {
        // Without a descriptor, `accept` fails, and the listener stays readable. So the waiting
        // connections are accepted with the reserved descriptor, and closed, so that clients are
        // not kept waiting.
        let turned_away = match &*self.open.borrow() {
            Some(open) if socket::is_exhaustion(error) => core
                .reserved_fd
                .turn_away(|| matches!(open.acceptor.accept(), Ok(Some(_)))),
            _ => 0,
        };
        let pause = self.next_pause.get();
        // Reset by the next connection that is accepted.
        self.next_pause.set((pause * 2).min(LONGEST_PAUSE));
        tracing::warn!(target: "reactor", %error, ?pause, turned_away, "accepting pauses");
        let port = Rc::downgrade(self);
        let end = core.timers.call_later(pause, move || {
            if let Some(port) = port.upgrade() {
                port.resume();
            }
        });
        self.back_off.replace(Some(end));
        self.update_interest();
        // The pause ends early when a descriptor of this loop is closed, because then one is free.
        if !self.waits_for_close.replace(true) {
            let port: Rc<dyn Runnable> = Rc::<Self>::clone(self);
            core.run_after_close(Rc::downgrade(&port));
        }
        contain("a factory", || {
            self.serve.accept_failed(error, pause);
        });
        self.after_call();
    }

    fn end_back_off(&self) {
        if let Some(end) = self.back_off.take() {
            end.cancel();
        }
    }

    /// Accepts again, unless `pause_accepting` was called.
    fn resume(&self) {
        self.end_back_off();
        self.update_interest();
    }

    /// Tells the poller whether to report waiting clients.
    fn update_interest(&self) {
        let accepts = !self.is_paused.get() && self.back_off.borrow().is_none();
        let interest = if accepts {
            Interest::READABLE
        } else {
            Interest::NONE
        };
        if let Some(open) = &*self.open.borrow()
            && let Err(error) = open.acceptor.set_interest(interest)
        {
            tracing::error!(target: "reactor", %error, "a port cannot be watched");
        }
    }

    fn close(&self) -> bool {
        let Some(open) = self.open.take() else {
            return false;
        };
        let trigger = self.trigger.take();
        if let Some(core) = self.core.upgrade() {
            drop(core.registry.remove(open.acceptor.key()));
            if let Some(trigger) = trigger {
                // Errs if the trigger was called: then it is what closes the port.
                drop(core.system_events.remove(trigger));
            }
        }
        self.end_back_off();
        // Drops the file first, and then the socket.
        drop(open);
        true
    }
}

impl<A: Clone + 'static> EventSource for Port<A> {
    fn ready(self: Rc<Self>, _ready: Ready) {
        let Some(core) = self.core.upgrade() else {
            return;
        };
        // Accepts several connections in a turn, because each event costs a wait; but not all,
        // because a flood would keep the loop from its connections.
        for _ in 0..ACCEPTS_PER_TURN {
            match self.accept() {
                Ok(None) => return,
                Ok(Some((accepted, peer))) => {
                    self.next_pause.set(FIRST_PAUSE);
                    self.connected(&core, accepted, peer);
                    // A handler may have paused the port. If a handler has closed the port,
                    // `accept` returns `None`.
                    if self.is_paused.get() {
                        return;
                    }
                }
                // The waiting connection was ended by its peer; others may wait.
                Err(error) if socket::is_about_one(&error) => {
                    tracing::debug!(target: "reactor", %error, "a connection was not accepted");
                }
                Err(error) => return self.back_off(&core, &error),
            }
        }
    }

    fn shut_down(self: Rc<Self>) {
        if let Err(failure) = self.stop() {
            report(&Of::Factory, Some(self.serve.name()), failure);
        }
    }
}

impl<A: Clone + 'static> Control<A> for Port<A> {
    fn stop(&self) -> deferred::Result<()> {
        // `start` sees that when `start_factory` has returned.
        self.starting.take();
        if self.close() {
            return self.stop_factory();
        }
        // If its own factory has closed the port before, returns the failure of that.
        self.failed_to_stop.take().map_or(Ok(()), Err)
    }

    fn start(self: Rc<Self>) -> io::Result<A> {
        let core = self.core.upgrade().filter(|core| !core.is_gone());
        let core = core.ok_or_else(|| io::Error::other(ReactorGone))?;
        if let Some(address) = &*self.starting.borrow() {
            // Called by `start_factory`: the port is opened when that has returned.
            return Ok(address.clone());
        }
        let opened = (self.reopen)(&core)?;
        let address = opened.address.clone();
        let key = core.reserve_key();
        self.starting.replace(Some(address.clone()));
        contain("a factory", || self.serve.started());
        if self.starting.take().is_none() {
            drop(core.registry.remove(key));
            drop(opened);
            self.after_call();
            return Err(io::Error::other("`start_factory` has closed the port"));
        }
        self.begin(&core, opened);
        Ok(address)
    }

    fn is_open(&self) -> bool {
        self.open.borrow().is_some()
    }

    fn clone_socket(&self) -> io::Result<OwnedFd> {
        let mut open = self.open.borrow_mut();
        let open = open.as_mut().ok_or_else(closed)?;
        let socket = open.acceptor.try_clone_socket()?;
        // The clone is a listener on the same file, which must not be removed with this port.
        if let Some(file) = open.file.take() {
            file.leave();
        }
        Ok(socket)
    }

    fn stop_early(self: Rc<Self>) {
        self.stops_early.set(true);
        if let Some(core) = self.core.upgrade()
            && self.is_open()
        {
            self.add_trigger(&core);
        }
    }

    fn set_paused(&self, is_paused: bool) {
        self.is_paused.set(is_paused);
        if is_paused {
            self.update_interest();
        } else {
            self.resume();
        }
    }
}

/// Run when a descriptor of the loop was closed.
impl<A: Clone + 'static> Runnable for Port<A> {
    fn run_pending(self: Rc<Self>) {
        self.waits_for_close.set(false);
        self.resume();
    }
}
