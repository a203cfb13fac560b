//! State machine of a client service: all transitions.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Failure, Result, fail, maybe_deferred, succeed};

use super::state::State;
use super::stopped::ServiceStopped;
use crate::connecting::from_the_loop;
use crate::connection::{Connection, Factory, Protocol};
use crate::endpoint::{ClientEndpoint, PendingConnection};
use crate::error::{ConnectionClosed, NoProtocol};
use crate::handle::ReactorHandle;
use crate::panics::contain;
use crate::poll::{Key, Ready};
use crate::registry::EventSource;
use crate::wait_list::WaitList;

/// The delay after a retry policy that has panicked.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// Function that makes a protocol for a connection. A box, so that a service has no type parameter
/// for the factory.
pub(super) type BuildFn<P> = Box<dyn FnMut(PendingConnection) -> Deferred<Connection<P>>>;
pub(super) type RetryFn = Box<dyn FnMut(u32) -> Duration>;
pub(super) type PrepareFn<P> = Box<dyn FnMut(&Connection<P>) -> Deferred<()>>;

/// Gives the connection to a protocol of `factory`, behind its filters.
pub(super) fn build_with<F: Factory>(mut factory: F) -> BuildFn<F::Protocol> {
    Box::new(move |mut pending| {
        if let Some(filter) = factory.filter(pending.peer()) {
            pending = pending.behind(filter);
        }
        match factory.build_protocol(pending.peer()) {
            Some(protocol) => pending.start(protocol),
            None => fail(NoProtocol),
        }
    })
}

/// A service: what it was made of, and its state. While the state is not `Stopped`, it is in the
/// loop's registry, so that the stop and the drop of the reactor stop it, too.
pub(super) struct Machine<P: Protocol> {
    reactor: ReactorHandle,
    endpoint: Box<dyn ClientEndpoint>,
    // The three functions of the user. Each is borrowed while it runs; the documentation of `State`
    // says why none runs inside itself.
    build: RefCell<BuildFn<P>>,
    retry: RefCell<RetryFn>,
    prepare: RefCell<Option<PrepareFn<P>>>,
    /// Never borrowed while a function of the user runs.
    state: RefCell<State<P>>,
    /// Number of attempts and connections that have failed since the last success.
    failures: Cell<u32>,
    /// Triggers of `when_connected`. Each has the number of failed attempts after which it fails;
    /// with 0, it never fails because of attempts.
    waiters: WaitList<Cell<u32>, Connection<P>>,
    /// Triggers of the Deferreds of `stop`.
    stopping: WaitList<()>,
    /// Set while the state is not `Stopped`.
    key: Cell<Option<Key>>,
}

impl<P: Protocol> Machine<P> {
    pub(super) fn new(
        reactor: &ReactorHandle,
        endpoint: Box<dyn ClientEndpoint>,
        build: BuildFn<P>,
        retry: RetryFn,
        prepare: Option<PrepareFn<P>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            reactor: reactor.clone(),
            endpoint,
            build: RefCell::new(build),
            retry: RefCell::new(retry),
            prepare: RefCell::new(prepare),
            state: RefCell::new(State::Stopped),
            failures: Cell::new(0),
            waiters: WaitList::default(),
            stopping: WaitList::default(),
            key: Cell::new(None),
        })
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures.get()
    }

    pub(super) fn look<R>(&self, f: impl FnOnce(&State<P>) -> R) -> R {
        f(&self.state.borrow())
    }

    fn set(&self, state: State<P>) {
        // The old state is dropped with nothing borrowed, because it may be the last handle of an
        // attempt.
        drop(self.state.replace(state));
    }

    fn is_disconnecting(&self) -> bool {
        self.look(State::starts_again).is_some()
    }

    // --- calls of the user ---

    pub(super) fn start(self: &Rc<Self>) {
        match &mut *self.state.borrow_mut() {
            State::Disconnecting { starts_again } => {
                *starts_again = true;
                return;
            }
            State::Stopped => {}
            _ => return,
        }
        // If the reactor is gone, the service stays stopped.
        if let Ok(core) = self.reactor.core() {
            self.key
                .set(Some(core.registry.insert(Rc::<Self>::clone(self))));
            self.failures.set(0);
            self.connect();
        }
    }

    pub(super) fn stop(self: &Rc<Self>) -> Deferred<()> {
        if matches!(&*self.state.borrow(), State::Stopped) {
            return succeed(());
        }
        let stopped = self.stopping.add((), || {});
        self.disconnect(Connection::lose_connection);
        stopped
    }

    pub(super) fn when_connected(&self, attempts: u32) -> Deferred<Connection<P>> {
        match &*self.state.borrow() {
            State::Connected(connection) => succeed(connection.clone()),
            State::Stopped
            | State::Disconnecting {
                starts_again: false,
            } => fail(ServiceStopped),
            _ => self.waiters.add(Cell::new(attempts), || {}),
        }
    }

    // --- an attempt ---

    /// Begins an attempt. To be called in the states `Stopped` and `Waiting`.
    fn connect(self: &Rc<Self>) {
        self.set(State::Connecting(None));
        let dial = || Failure::catch(|| self.endpoint.dial(&self.reactor)).unwrap_or_else(fail);
        let (opening, opened) = (Rc::clone(self), Rc::clone(self));
        // An attempt that fails at once is reported from the loop and not inside of `start`, whose
        // caller could not call `when_connected` before.
        let mut attempt = from_the_loop(&self.reactor, dial)
            .add_callback(move |pending| opening.open(pending))
            .add_both(move |outcome| opened.opened(outcome));
        let handle = attempt.handle();
        // `opened` takes each outcome, so nothing is left to report.
        attempt.ignore();
        match &mut *self.state.borrow_mut() {
            State::Connecting(attempt @ None) => {
                *attempt = Some(handle);
                return;
            }
            State::Disconnecting { .. } => {}
            // The attempt has ended already: the service is connected, or waits for the next one.
            _ => return,
        }
        // `dial` has stopped the service.
        handle.cancel();
    }

    fn open(&self, pending: PendingConnection) -> Deferred<Connection<P>> {
        if self.is_disconnecting() {
            return fail(ServiceStopped);
        }
        let build = || (self.build.borrow_mut())(pending);
        let mut opening = Failure::catch(build).unwrap_or_else(fail);
        if self.is_disconnecting() {
            // The factory or `connection_made` has stopped the service. If the connection is made,
            // this has no effect, and `opened` closes it.
            opening.handle().cancel();
        }
        opening
    }

    fn opened(self: &Rc<Self>, outcome: Result<Connection<P>>) {
        let connection = match outcome {
            Ok(connection) => connection,
            Err(failure) => return self.failed(failure, true),
        };
        let is_disconnecting = self.is_disconnecting();
        if is_disconnecting {
            connection.lose_connection();
        } else {
            self.set(State::Preparing(connection.clone(), None));
        }
        let me = Rc::clone(self);
        // Runs `closed` at once if the connection is over already.
        let closed = connection.closed();
        closed.add_both(move |reason| me.closed(reason)).detach();
        let is_current = matches!(
            &*self.state.borrow(),
            State::Preparing(current, None) if *current == connection
        );
        if is_current {
            self.run_prepare(connection);
        }
    }

    fn run_prepare(self: &Rc<Self>, connection: Connection<P>) {
        let preparing = match &mut *self.prepare.borrow_mut() {
            Some(prepare) => maybe_deferred(|| prepare(&connection)),
            None => succeed(()),
        };
        let (me, current) = (Rc::clone(self), connection.clone());
        let mut preparing = preparing.add_both(move |result| me.prepared(&current, result));
        let handle = preparing.handle();
        // `prepared` takes each outcome.
        preparing.ignore();
        if let State::Preparing(current, preparation @ None) = &mut *self.state.borrow_mut()
            && *current == connection
        {
            *preparation = Some(handle);
            return;
        }
        // Either the preparation is over, and this has no effect, or its function has stopped the
        // service.
        handle.cancel();
    }

    fn prepared(self: &Rc<Self>, connection: &Connection<P>, result: Result<()>) {
        match &*self.state.borrow() {
            State::Preparing(current, _) if current == connection => {}
            // Stopped or lost before it was done.
            _ => return,
        }
        match result {
            // The connection ended, and one of the protocol's last callbacks has finished the
            // preparation. `closed` follows, and counts the attempt as failed.
            Ok(()) if connection.is_gone() => {}
            Ok(()) => self.connected(connection),
            Err(failure) => {
                self.set(State::Vetoed(failure));
                connection.lose_connection();
            }
        }
    }

    fn connected(&self, connection: &Connection<P>) {
        self.failures.set(0);
        self.set(State::Connected(connection.clone()));
        for waiter in self.waiters.take_all() {
            // Errs only if another of these has just cancelled it.
            let _ = waiter.callback(connection.clone());
        }
    }

    // --- the end of an attempt or a connection ---

    /// The connection is over. `reason` is `Err` if it was over before `opened` got it.
    fn closed(self: &Rc<Self>, reason: Result<ConnectionClosed>) {
        if let Ok(ConnectionClosed::ReactorStopped) = reason {
            // The reactor may end this connection before it shuts down this service.
            self.disconnect(|_connection| {});
        }
        let mut failure = reason.map_or_else(|gone| gone, Failure::new);
        let (mut is_attempt, mut preparation) = (true, None);
        match &mut *self.state.borrow_mut() {
            State::Preparing(_, handle) => preparation = handle.take(),
            State::Vetoed(why) => failure = why.clone(),
            State::Connected(_) => is_attempt = false,
            _ => {}
        }
        self.failed(failure, is_attempt);
        if let Some(preparation) = preparation {
            preparation.cancel();
        }
    }

    /// An attempt has failed, or the connection was lost: the next attempt begins after a delay,
    /// unless the service was stopped.
    fn failed(self: &Rc<Self>, failure: Failure, is_attempt: bool) {
        let state = self.state.replace(State::Waiting(None));
        if let State::Disconnecting { starts_again } = state {
            return self.stopped(starts_again);
        }
        drop(state);
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        let mut delay = AFTER_PANIC;
        contain("a retry policy", || {
            delay = (self.retry.borrow_mut())(failures);
        });
        if let Some(starts_again) = self.look(State::starts_again) {
            // The policy has stopped the service.
            return self.stopped(starts_again);
        }
        tracing::info!(target: "reactor", %failure, ?delay, "a client service connects again");
        let me = Rc::downgrade(self);
        let timer = self.reactor.call_later(delay, move || {
            if let Some(me) = me.upgrade() {
                me.connect();
            }
        });
        self.set(State::Waiting(Some(timer)));
        if !is_attempt {
            return;
        }
        let due = self.waiters.take_due(|left| {
            let before = left.get();
            left.set(before.saturating_sub(1));
            before == 1
        });
        for waiter in due {
            // Errs only if another of these has just cancelled it.
            let _ = waiter.errback(failure.clone());
        }
    }

    // --- stopping ---

    /// Ends the timer, the attempt or the connection, whichever there is; the connection by
    /// `close`. In `Disconnecting`, takes back a `start`.
    fn disconnect(self: &Rc<Self>, close: impl FnOnce(&Connection<P>)) {
        let disconnecting = State::Disconnecting {
            starts_again: false,
        };
        // Taken before any other call, because user code may start the service and wait again.
        let waiters = self.waiters.take_all();
        match self.state.replace(disconnecting) {
            State::Stopped => self.set(State::Stopped),
            State::Waiting(Some(timer)) => {
                timer.cancel();
                self.stopped(false);
            }
            State::Connecting(Some(attempt)) => attempt.cancel(),
            State::Preparing(connection, preparation) => {
                close(&connection);
                if let Some(preparation) = preparation {
                    preparation.cancel();
                }
            }
            State::Connected(connection) => close(&connection),
            // Either a function of the user is running, and its caller looks at the state
            // afterwards, or the connection is closing already.
            State::Connecting(None)
            | State::Waiting(None)
            | State::Vetoed(_)
            | State::Disconnecting { .. } => {}
        }
        for waiter in waiters {
            // Errs only if another of these has just cancelled it.
            let _ = waiter.errback(ServiceStopped);
        }
    }

    /// The connection or attempt that the service had when it was stopped is over.
    fn stopped(self: &Rc<Self>, starts_again: bool) {
        self.set(State::Stopped);
        if let Some(key) = self.key.take()
            && let Ok(core) = self.reactor.core()
        {
            drop(core.registry.remove(key));
        }
        let stopping = self.stopping.take_all();
        if starts_again {
            self.start();
        }
        for waiter in stopping {
            // Errs only if another of these has just cancelled it.
            let _ = waiter.callback(());
        }
    }
}

/// A service has no descriptor, and so no events. It is a source so that the loop calls `shut_down`
/// and the drop of the reactor ends it.
impl<P: Protocol> EventSource for Machine<P> {
    fn ready(self: Rc<Self>, _ready: Ready) {}

    /// Does not close the connection: the reactor does that, so that the protocol gets the reason
    /// `ReactorStopped`.
    fn shut_down(self: Rc<Self>) {
        self.disconnect(|_connection| {});
    }
}
