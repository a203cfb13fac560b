//! Lifecycle of a loop: starting, stopping and running again. All transitions are here and
//! in `draining`.
//!
//! ```text
//!           startup                 stop                at the end of the turn
//!   Idle ────────────▶ Running ────────────▶ Stopping ─────────────────────────▶ ShuttingDown
//!    ▲                    │                                                           │
//!    └────────────────────┴── crash ──────── the last trigger of shutdown ────────────┘
//! ```
//!
//! The loop turns in every state except `Idle`. In `ShuttingDown`, it turns while it waits for the
//! Deferred of a trigger. After the triggers of the phase `Before`, it is `Draining` while unsent
//! output of connections and children is sent, then `Drained` until the end of the turn, and then
//! `ShuttingDown` again (see `draining`).

use std::rc::Rc;

use deferred::{Deferred, DeferredList, Outcome, succeed};

use super::Core;
use super::state::Lifecycle;
use crate::error::RunError;
use crate::panics::{contain, log_failure};
use crate::poll::Entered;
use crate::system_event::{Phase, SystemEvent};
use crate::tasks;

/// Guard: the loop is turning as long as this value lives.
pub(super) struct Turning<'a> {
    core: &'a Core,
    _entered: Entered,
}

impl Drop for Turning<'_> {
    fn drop(&mut self) {
        self.core.is_turning.set(false);
        if !self.core.is_running() {
            // The loop was stopped or has crashed, so no further turn would answer the threads that
            // wait.
            self.core.shared.blocking_calls.stop();
        }
    }
}

impl Core {
    pub(crate) fn is_running(&self) -> bool {
        self.state.get() != Lifecycle::Idle
    }

    /// Whether the loop was stopped, and has not shut down yet.
    pub(crate) fn is_stopping(&self) -> bool {
        !matches!(self.state.get(), Lifecycle::Idle | Lifecycle::Running)
    }

    /// Whether the loop is in a turn. Turns do not nest.
    pub(crate) fn is_turning(&self) -> bool {
        self.is_turning.get()
    }

    /// Begins to turn; starts the loop if it was idle.
    #[inline]
    pub(super) fn begin(self: &Rc<Self>) -> Result<Turning<'_>, RunError> {
        // Set already if a handler has called `run`, `turn` or `block_on` of its own loop.
        if self.is_turning.replace(true) {
            return Err(RunError::AlreadyRunning);
        }
        if self.poll.is_of_other_process() {
            self.is_turning.set(false);
            return Err(RunError::OtherProcess);
        }
        let turning = Turning {
            core: self,
            _entered: Entered::new(),
        };
        // From here on, this loop runs the async bodies of its thread.
        tasks::activate(self.id(), || self.poll.waker());
        if !self.is_running() {
            self.start_up();
        }
        Ok(turning)
    }

    #[cold]
    fn start_up(self: &Rc<Self>) {
        self.skips_wait.set(false);
        self.state.set(Lifecycle::Running);
        // Before the triggers, because a trigger may start threads that call into the loop.
        self.shared.blocking_calls.resume();
        self.fire_system_event(SystemEvent::Startup).detach();
    }

    pub(crate) fn stop(&self) {
        match self.state.get() {
            Lifecycle::Idle => {
                tracing::warn!(target: "reactor", "a stop of a reactor that does not run has no effect");
                return;
            }
            Lifecycle::Running => {}
            // The loop is stopping already, so the request is fulfilled.
            _ => return,
        }
        // The shutdown begins at the end of this turn, not inside of the handler that has called
        // `stop`.
        self.state.set(Lifecycle::Stopping);
        self.skips_wait.set(true);
    }

    pub(crate) fn crash(&self) {
        self.state.set(Lifecycle::Idle);
        self.skips_wait.set(true);
        // A shutdown that waits for closing connections is given up; they stay as they are.
        self.forget_draining();
    }

    /// Begins the shutdown if the loop was stopped; resumes it if draining is over.
    #[inline(always)]
    pub(super) fn shut_down_if_stopped(self: &Rc<Self>) {
        if self.state.get().ends_with_the_turn() {
            self.end_turn();
        }
    }

    #[cold]
    fn end_turn(self: &Rc<Self>) {
        match self.state.get() {
            Lifecycle::Drained => self.end_draining(),
            _ => self.shut_down(),
        }
    }

    #[cold]
    fn shut_down(self: &Rc<Self>) {
        self.state.set(Lifecycle::ShuttingDown);
        // Weak: a Deferred of a trigger may outlive the reactor, and must not keep it.
        let core = Rc::downgrade(self);
        self.fire_system_event(SystemEvent::Shutdown)
            .add_both(move |_| {
                // `crash` may have ended the shutdown by then, and the loop may run again.
                if let Some(core) = core.upgrade()
                    && core.state.get() == Lifecycle::ShuttingDown
                {
                    core.state.set(Lifecycle::Idle);
                    core.skips_wait.set(true);
                    core.shared.blocking_calls.stop();
                }
            })
            .detach();
    }

    /// Calls the triggers of `event`. The Deferred fires after the last of them.
    pub(crate) fn fire_system_event(self: &Rc<Self>, event: SystemEvent) -> Deferred<()> {
        let mut waited_for = Vec::new();
        while let Some(trigger) = self.system_events.take_next(Phase::Before, event) {
            contain("a system event trigger", || {
                waited_for.push(trigger().log_error());
            });
        }
        // Weak, as in `shut_down`.
        let core = Rc::downgrade(self);
        // If the reactor was dropped, its triggers were dropped, too.
        let go_on = move || match core.upgrade() {
            Some(core) => core.finish_system_event(event),
            None => succeed(()),
        };
        if waited_for.is_empty() {
            return go_on();
        }
        DeferredList::new(waited_for)
            .consume_errors()
            .into_deferred()
            .add_both(move |_| go_on())
    }

    fn finish_system_event(self: &Rc<Self>, event: SystemEvent) -> Deferred<()> {
        if event != SystemEvent::Shutdown {
            self.run_last_phases(event);
            return succeed(());
        }
        if self.state.get() != Lifecycle::ShuttingDown {
            // The loop has crashed while the triggers before were waited for.
            return succeed(());
        }
        let core = Rc::downgrade(self);
        self.disconnect_all().add_callback(move |()| {
            if let Some(core) = core.upgrade() {
                core.run_last_phases(event);
            }
        })
    }

    fn run_last_phases(&self, event: SystemEvent) {
        for phase in [Phase::During, Phase::After] {
            while let Some(trigger) = self.system_events.take_next(phase, event) {
                // Only the triggers of the phase `Before` are waited for, as in Twisted.
                contain("a system event trigger", || {
                    trigger().log_error().ignore();
                });
            }
        }
    }

    /// Calls `f` when the loop has started, or now if it is running.
    pub(crate) fn call_when_running<F, O>(&self, f: F)
    where
        F: FnOnce() -> O + 'static,
        O: Outcome<Value = ()>,
    {
        if self.is_running() {
            contain("a function to be called when running", || log_failure(f()));
        } else if !self.is_gone() {
            let f = Box::new(move || deferred::maybe_deferred(f));
            self.system_events
                .add(Phase::After, SystemEvent::Startup, f);
        } else {
            contain("the drop of a function to be called when running", || {
                drop(f);
            });
        }
    }
}
