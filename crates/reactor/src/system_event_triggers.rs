//! System event triggers: the methods of a handle that add and remove them, and fire events.

use std::error::Error;
use std::fmt;

use deferred::{Deferred, Outcome, maybe_deferred};

use crate::handle::ReactorHandle;
use crate::panics::contain;
use crate::system_event::{Phase, SystemEvent, SystemEventTrigger, UnknownTrigger};

impl ReactorHandle {
    /// Calls `f` once, in the `phase` of the next `event`. Triggers of one phase are called in the
    /// order in which they were added.
    ///
    /// `f` returns what a callback returns: `()`, a `Result`, or a Deferred. The Deferreds of the
    /// phase `Before` are waited for, while the loop continues to run; those of the other phases
    /// are not waited for. A failure or a panic is logged, and the next trigger is called.
    ///
    /// If the reactor is gone, `f` is dropped.
    ///
    /// # Examples
    ///
    /// A server that finishes its last work before it stops:
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
    /// reactor.call_when_running(move || handle.stop());
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "addSystemEventTrigger")]
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
        match self.core_for(f) {
            Ok((core, f)) => core
                .system_events
                .add(phase, event, Box::new(|| maybe_deferred(f))),
            Err(_) => SystemEventTrigger::NONE,
        }
    }

    /// Removes a trigger, so that it is not called. A trigger of the running phase can be removed,
    /// too, if it was not called yet.
    ///
    /// # Errors
    ///
    /// If the trigger was called or removed before, or the reactor is gone.
    #[doc(alias = "removeSystemEventTrigger")]
    pub fn remove_system_event_trigger(
        &self,
        trigger: SystemEventTrigger,
    ) -> Result<(), UnknownTrigger> {
        let core = self.core().map_err(|_| UnknownTrigger)?;
        let removed = core.system_events.remove(trigger)?;
        contain("the drop of a trigger", || drop(removed));
        Ok(())
    }

    /// Calls the triggers of `event`, in the three phases. The Deferred fires when
    /// all of them were called.
    ///
    /// Only for events of your own. If there are no triggers, the Deferred has fired already.
    ///
    /// # Errors
    ///
    /// The Deferred fails for `Startup` and `Shutdown`, which are fired only by running and
    /// [stopping](Self::stop) the reactor, and if the reactor is gone.
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
    #[doc(alias = "fireSystemEvent")]
    pub fn fire_system_event(&self, event: SystemEvent) -> Deferred<()> {
        match (event, self.core()) {
            (SystemEvent::Custom(_), Ok(core)) => core.fire_system_event(event),
            (_, Ok(_)) => deferred::fail(NotCustom(event)),
            (_, Err(gone)) => deferred::fail(gone),
        }
    }
}

/// Error of `fire_system_event` for `Startup` and `Shutdown`.
#[derive(Clone, Copy, Debug)]
struct NotCustom(SystemEvent);

impl fmt::Display for NotCustom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.0;
        write!(
            f,
            "{event:?} is fired by running and stopping the reactor, not by hand"
        )
    }
}

impl Error for NotCustom {}
