//! What is to be done when the reactor starts and stops.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;

use deferred::{Deferred, Outcome, maybe_deferred};

use crate::handle::ReactorHandle;

/// Something that happens to a reactor as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemEvent {
    /// The reactor begins to run.
    Startup,
    /// It was told to [`stop`](ReactorHandle::stop).
    Shutdown,
    /// One of your own, for [`ReactorHandle::fire_system_event`].
    Custom(&'static str),
}

/// When in an event a trigger is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// First. The event goes on when the Deferreds of these triggers have fired.
    Before,
    /// When nothing is to be waited for any more. At shutdown, connections were
    /// told and ports closed just before.
    During,
    /// Last.
    After,
}

/// A trigger that was added, to [remove](ReactorHandle::remove_system_event_trigger)
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemEventTrigger(u64);

/// There is no such trigger: it was called, or removed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownTrigger;

impl fmt::Display for UnknownTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system event trigger was called or removed before")
    }
}

impl Error for UnknownTrigger {}

type Call = Box<dyn FnOnce() -> Deferred<()>>;

/// The triggers that were not called yet.
#[derive(Default)]
pub(crate) struct SystemEvents {
    next: Cell<u64>,
    triggers: RefCell<Vec<Trigger>>,
}

struct Trigger {
    id: u64,
    event: SystemEvent,
    phase: Phase,
    call: Call,
}

impl SystemEvents {
    pub(crate) fn add(&self, phase: Phase, event: SystemEvent, call: Call) -> SystemEventTrigger {
        let id = self.next.replace(self.next.get() + 1);
        self.triggers.borrow_mut().push(Trigger {
            id,
            event,
            phase,
            call,
        });
        SystemEventTrigger(id)
    }

    fn remove(&self, trigger: SystemEventTrigger) -> Result<Call, UnknownTrigger> {
        let mut triggers = self.triggers.borrow_mut();
        let at = triggers.iter().position(|other| other.id == trigger.0);
        at.map(|at| triggers.remove(at).call).ok_or(UnknownTrigger)
    }

    /// The first trigger for this, which is no longer there: each is called once,
    /// and one may remove those behind it.
    pub(crate) fn take_next(&self, phase: Phase, event: SystemEvent) -> Option<Call> {
        let mut triggers = self.triggers.borrow_mut();
        let at = triggers
            .iter()
            .position(|trigger| trigger.phase == phase && trigger.event == event)?;
        Some(triggers.remove(at).call)
    }

    pub(crate) fn take_all(&self) -> impl Sized {
        self.triggers.take()
    }
}

impl ReactorHandle {
    /// Has `f` called once, when `event` comes to `phase`. Triggers of one phase
    /// are called in the order in which they were added.
    ///
    /// `f` returns what a callback returns: `()`, a `Result`, or a Deferred. The
    /// Deferreds of the `Before` phase are waited for, while the loop goes on;
    /// the others run on. A failure or a panic is logged and holds up nobody.
    ///
    /// If the reactor is gone, `f` is dropped.
    ///
    /// # Examples
    ///
    /// A server that lets its last customers finish:
    ///
    /// ```
    /// use deferred::defer_later;
    /// use reactor::{Phase, Reactor, SystemEvent};
    /// use std::time::Duration;
    ///
    /// let reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
    ///     println!("closing time");
    ///     defer_later(&handle, Duration::from_millis(10), || println!("the last one has left"))
    /// });
    /// let handle = reactor.handle();
    /// reactor.call_when_running(move || handle.stop().unwrap());
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_system_event_trigger<F, O>(
        &self,
        phase: Phase,
        event: SystemEvent,
        f: F,
    ) -> SystemEventTrigger
    where
        F: FnOnce() -> O + 'static,
        O: Outcome<Value = ()>,
    {
        match self.core() {
            Ok(core) => core
                .system_events
                .add(phase, event, Box::new(|| maybe_deferred(f))),
            Err(_) => SystemEventTrigger(u64::MAX),
        }
    }

    /// Sees to it that a trigger is not called; also one of the phase that is
    /// running, if its turn has not come.
    ///
    /// # Errors
    ///
    /// It was called, or removed before, or the reactor is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Phase, Reactor, SystemEvent};
    ///
    /// let reactor = Reactor::new()?;
    /// let goodbye = reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, || {
    ///     println!("goodbye");
    /// });
    /// reactor.remove_system_event_trigger(goodbye).unwrap();
    /// assert!(reactor.remove_system_event_trigger(goodbye).is_err());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remove_system_event_trigger(
        &self,
        trigger: SystemEventTrigger,
    ) -> Result<(), UnknownTrigger> {
        let core = self.core().map_err(|_| UnknownTrigger)?;
        let call = core.system_events.remove(trigger)?;
        crate::core::call("the drop of a trigger", || drop(call));
        Ok(())
    }

    /// Calls the triggers of `event`, in the three phases. The Deferred fires when
    /// all of them were called.
    ///
    /// It is for events of your own: that of another name has no triggers, and is
    /// over at once. To start and stop a reactor, run and [`stop`](Self::stop) it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Phase, Reactor, SystemEvent};
    ///
    /// let reactor = Reactor::new()?;
    /// let reload = SystemEvent::Custom("reload");
    /// reactor.add_system_event_trigger(Phase::During, reload, || println!("reading the settings"));
    /// reactor.fire_system_event(reload).into_result().unwrap().unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fire_system_event(&self, event: SystemEvent) -> Deferred<()> {
        match self.core() {
            Ok(core) => core.fire_system_event(event),
            Err(gone) => deferred::fail(gone),
        }
    }
}
