//! System events: triggers that run when the reactor starts or stops.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;

use deferred::Deferred;

/// An event of a reactor as a whole, for which triggers can be added.
///
/// # Examples
///
/// ```
/// use reactor::{Phase, SystemEvent, testing::TestReactor};
/// use std::{cell::Cell, rc::Rc};
///
/// let reactor = TestReactor::new();
/// let saved = Rc::new(Cell::new(0));
/// for event in [SystemEvent::Shutdown, SystemEvent::Custom("save")] {
///     let saved = Rc::clone(&saved);
///     reactor.add_system_event_trigger(Phase::During, event, move || saved.set(saved.get() + 1));
/// }
/// reactor.fire_system_event(SystemEvent::Custom("save")).into_result().unwrap()?;
/// assert_eq!(saved.get(), 1);
/// reactor.shut_down();
/// assert_eq!(saved.get(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SystemEvent {
    /// The reactor starts.
    Startup,
    /// [`stop`](crate::ReactorHandle::stop) was called.
    Shutdown,
    /// An event of your own, fired by
    /// [`fire_system_event`](crate::ReactorHandle::fire_system_event).
    Custom(&'static str),
}

/// The phase of an event in which a trigger is called.
///
/// # Examples
///
/// ```
/// use reactor::{Phase, SystemEvent, testing::TestReactor};
/// use std::{cell::RefCell, rc::Rc};
///
/// let reactor = TestReactor::new();
/// let order = Rc::new(RefCell::new(Vec::new()));
/// for phase in [Phase::After, Phase::Before, Phase::During] {
///     let order = Rc::clone(&order);
///     reactor.add_system_event_trigger(phase, SystemEvent::Shutdown, move || {
///         order.borrow_mut().push(phase);
///     });
/// }
/// reactor.shut_down();
/// assert_eq!(*order.borrow(), [Phase::Before, Phase::During, Phase::After]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The first phase. The event continues when the Deferreds of these triggers have fired.
    Before,
    /// The second phase. At a shutdown, connections and ports are closed before it.
    During,
    /// The last phase.
    After,
}

/// Identifies a trigger, for
/// [`remove_system_event_trigger`](crate::ReactorHandle::remove_system_event_trigger).
///
/// # Examples
///
/// ```
/// use reactor::{Phase, SystemEvent, SystemEventTrigger, testing::TestReactor};
///
/// let reactor = TestReactor::new();
/// let save = || println!("saving");
/// let trigger: SystemEventTrigger =
///     reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, save);
/// // The file was saved by hand.
/// reactor.remove_system_event_trigger(trigger)?;
/// reactor.shut_down();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemEventTrigger(u64);

impl SystemEventTrigger {
    /// A trigger that does not exist.
    // Triggers are numbered from 0, so no trigger gets this number.
    pub(crate) const NONE: Self = Self(u64::MAX);
}

/// There is no such trigger, because it was called or removed before.
///
/// # Examples
///
/// ```
/// use reactor::{Phase, SystemEvent, testing::TestReactor};
///
/// let reactor = TestReactor::new();
/// let trigger = reactor.add_system_event_trigger(Phase::After, SystemEvent::Shutdown, || ());
/// reactor.shut_down();
/// // It has been called.
/// let error = reactor.remove_system_event_trigger(trigger).unwrap_err();
/// assert_eq!(error.to_string(), "the system event trigger was called or removed before");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownTrigger;

impl fmt::Display for UnknownTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system event trigger was called or removed before")
    }
}

impl Error for UnknownTrigger {}

pub(crate) type Call = Box<dyn FnOnce() -> Deferred<()>>;

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

    pub(crate) fn remove(&self, trigger: SystemEventTrigger) -> Result<Call, UnknownTrigger> {
        let mut triggers = self.triggers.borrow_mut();
        let at = triggers.iter().position(|other| other.id == trigger.0);
        at.map(|at| triggers.remove(at).call).ok_or(UnknownTrigger)
    }

    /// Takes out the first trigger for this phase and event. Taken one by one, because a trigger
    /// may remove later ones.
    pub(crate) fn take_next(&self, phase: Phase, event: SystemEvent) -> Option<Call> {
        let mut triggers = self.triggers.borrow_mut();
        let at = triggers
            .iter()
            .position(|trigger| trigger.phase == phase && trigger.event == event)?;
        // Not by `swap_remove`, so that the others keep their order.
        Some(triggers.remove(at).call)
    }

    /// Number of triggers that were not called yet.
    pub(crate) fn len(&self) -> usize {
        self.triggers.borrow().len()
    }

    pub(crate) fn take_all(&self) -> impl IntoIterator {
        self.triggers.take()
    }
}
