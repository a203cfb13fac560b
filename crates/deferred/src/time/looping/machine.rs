//! State machine of a looping call.
//!
//! Nothing is borrowed while the function, the clock or the Deferred of the loop is called:
//! each may stop the loop, or start it again.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use super::error::LoopingCallError;
use super::timetable::Timetable;
use crate::failure::Result;
use crate::local::Deferred;
use crate::local::DeferredHandle;
use crate::local::Trigger;
use crate::state::State as DeferredState;
use crate::time::clock::Clock;
use crate::time::timeout::is_cancelled;
use crate::time::timer_queue::DelayedCall;

/// The function of the loop. It gets the number of intervals since its last call (see
/// [`LoopingCall::with_count`](super::LoopingCall::with_count)), and returns a Deferred of its
/// outcome.
pub(super) type Function = Box<dyn FnMut(&Rc<Machine>, u64) -> Deferred<()>>;

pub(super) struct Machine {
    /// `None` while it is being called.
    function: Cell<Option<Function>>,
    /// The loop was made by `with_count`: a call at which no interval has passed is skipped, so
    /// that the function never gets 0.
    is_counting: bool,
    state: RefCell<State>,
    /// Number of the latest scheduled call. Earlier ones do nothing.
    scheduled: Cell<u64>,
}

enum State {
    /// Not started, or ended. Left by a start.
    Idle,
    /// Between two calls. Entered from `Calling`, or by a start; left when the
    /// call is due, by a stop, or when the clock ends.
    Scheduled {
        run: Run,
        number: u64,
        /// `None` until the clock has given it.
        call: Option<DelayedCall>,
    },
    /// The function is being called, or the Deferred that it returned is pending. Left when
    /// that has fired.
    Calling {
        run: Run,
        waits_for: Option<DeferredHandle>,
    },
    /// As `Calling`, after a stop: this is the last call.
    Stopping {
        run: Run,
        waits_for: Option<DeferredHandle>,
    },
}

/// The data of a loop between a start and its end.
struct Run {
    clock: Rc<dyn Clock>,
    timetable: Timetable,
    /// Fires the Deferred that the start has returned.
    trigger: Trigger<()>,
}

impl Run {
    /// Fires the Deferred. If it was cancelled before, a failure is reported as unhandled,
    /// unless it is the `Cancelled` of the call that was cancelled along with it.
    fn end(self, result: Result<()>) {
        if let Err(refused) = self.trigger.fire(result)
            && let Err(failure) = refused.into_inner()
            && !is_cancelled(&failure)
        {
            Deferred::<()>::from(Err(failure)).detach();
        }
    }
}

impl Machine {
    pub(super) fn new(function: Function, is_counting: bool) -> Rc<Self> {
        Rc::new(Self {
            function: Cell::new(Some(function)),
            is_counting,
            state: RefCell::new(State::Idle),
            scheduled: Cell::new(0),
        })
    }

    #[track_caller]
    pub(super) fn start(
        self: &Rc<Self>,
        clock: Rc<dyn Clock>,
        interval: Duration,
        is_due_at_start: bool,
    ) -> Result<Deferred<()>, LoopingCallError> {
        // Before the state is borrowed: the clock is code of the user.
        let now = clock.now();
        match &*self.state.borrow() {
            State::Idle => {}
            State::Scheduled { .. } | State::Calling { .. } => {
                return Err(LoopingCallError::AlreadyRunning);
            }
            State::Stopping { .. } => return Err(LoopingCallError::StillCalling),
        }
        // Weak, to avoid a reference cycle: machine, trigger, canceller.
        let weak = Rc::downgrade(self);
        let (trigger, deferred) = Deferred::with_canceller(move |_trigger| cancelled(&weak));
        let run = Run {
            clock,
            timetable: Timetable::new(now, interval, is_due_at_start),
            trigger,
        };
        if is_due_at_start {
            self.call(run, now);
        } else {
            self.schedule(run, now);
        }
        Ok(deferred)
    }

    pub(super) fn stop(&self) -> bool {
        match self.take() {
            State::Scheduled { run, call, .. } => {
                cancel_call(call);
                run.end(Ok(()));
                true
            }
            State::Calling { run, waits_for } => {
                self.state.replace(State::Stopping { run, waits_for });
                true
            }
            other => {
                self.state.replace(other);
                false
            }
        }
    }

    pub(super) fn reset(&self) -> Result<(), LoopingCallError> {
        self.reschedule(|timetable, is_calling, now| {
            // The next call is scheduled when this one has ended.
            if !is_calling {
                timetable.restart(now);
            }
        })
    }

    pub(super) fn set_interval(&self, interval: Duration) -> Result<(), LoopingCallError> {
        self.reschedule(|timetable, _is_calling, _now| timetable.set_interval(interval))
    }

    /// Changes the timetable of a running loop, and the due time of a scheduled call.
    fn reschedule(
        &self,
        change: impl FnOnce(&mut Timetable, bool, Duration),
    ) -> Result<(), LoopingCallError> {
        let clock = match &*self.state.borrow() {
            State::Scheduled { run, .. } | State::Calling { run, .. } => Rc::clone(&run.clock),
            State::Idle | State::Stopping { .. } => return Err(LoopingCallError::NotRunning),
        };
        let now = clock.now();
        let scheduled = match &mut *self.state.borrow_mut() {
            State::Scheduled { run, call, .. } => {
                change(&mut run.timetable, false, now);
                // A clone, because `reset` asks the clock, which is code of the user: the borrow
                // has to end first.
                call.clone()
                    .map(|call| (call, run.timetable.until_next(now)))
            }
            State::Calling { run, .. } => {
                change(&mut run.timetable, true, now);
                None
            }
            State::Idle | State::Stopping { .. } => None,
        };
        if let Some((call, delay)) = scheduled {
            // Errs if the clock has ended; the drop of the call then ends the loop.
            let _ = call.reset(delay);
        }
        Ok(())
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(
            *self.state.borrow(),
            State::Scheduled { .. } | State::Calling { .. }
        )
    }

    /// Takes the state out, to be replaced; leaves `Idle`.
    fn take(&self) -> State {
        self.state.replace(State::Idle)
    }

    /// Calls the function.
    fn call(self: &Rc<Self>, mut run: Run, now: Duration) {
        let count = run.timetable.count(now);
        if count == 0 && self.is_counting {
            return self.schedule(run, now);
        }
        run.timetable.called(now);
        // Before the call: a `stop` or `reset` from inside the function finds this state.
        self.state.replace(State::Calling {
            run,
            waits_for: None,
        });
        let Some(mut function) = self.function.take() else {
            unreachable!("a second call is refused while one is made");
        };
        // Taken out of its cell for the call, since it is `FnMut` and may call methods of this
        // loop.
        let mut outcome = function(self, count);
        self.function.set(Some(function));

        let is_pending = outcome.state() != DeferredState::Done;
        let handle = is_pending.then(|| outcome.handle());
        let was_cancelled = self.note_waits_for(handle.clone());
        let this = Rc::clone(self);
        outcome
            .add_both(move |result| this.call_ended(result))
            .detach();
        // After `add_both`, so that `call_ended` gets the `Cancelled`.
        if let (Some(handle), true) = (handle, was_cancelled) {
            handle.cancel();
        }
    }

    /// Notes the Deferred that the call waits for; tells whether the loop was cancelled from
    /// inside the function.
    fn note_waits_for(&self, handle: Option<DeferredHandle>) -> bool {
        match &mut *self.state.borrow_mut() {
            State::Calling { run, waits_for } | State::Stopping { run, waits_for } => {
                *waits_for = handle;
                run.trigger.is_fired()
            }
            State::Idle | State::Scheduled { .. } => false,
        }
    }

    /// The outcome of the function is there.
    fn call_ended(self: &Rc<Self>, result: Result<()>) {
        let clock = match &*self.state.borrow() {
            State::Calling { run, .. } | State::Stopping { run, .. } => Rc::clone(&run.clock),
            State::Idle | State::Scheduled { .. } => unreachable!("a call is being made"),
        };
        // The clock is code of the user: nothing is borrowed while it is asked.
        let now = clock.now();
        match (self.take(), result) {
            (State::Calling { run, .. }, Ok(())) => self.schedule(run, now),
            (State::Calling { run, .. } | State::Stopping { run, .. }, result) => run.end(result),
            (State::Idle | State::Scheduled { .. }, _) => unreachable!("a call is being made"),
        }
    }

    /// Schedules the next call.
    fn schedule(self: &Rc<Self>, run: Run, now: Duration) {
        let (clock, delay) = (Rc::clone(&run.clock), run.timetable.until_next(now));
        // A number, because a stop and a start may happen before the clock drops the old call,
        // which must not end the new run.
        let number = self.scheduled.get() + 1;
        self.scheduled.set(number);
        self.state.replace(State::Scheduled {
            run,
            number,
            call: None,
        });
        let due = Due {
            machine: Rc::clone(self),
            number,
        };
        // A clock that has ended drops `due` in this call.
        let made = clock.schedule(delay, Box::new(move || due.now()));
        match &mut *self.state.borrow_mut() {
            State::Scheduled {
                number: current,
                call,
                ..
            } if *current == number => *call = Some(made),
            _ => {}
        }
    }

    /// The clock of the run that waits for the call of this number, if there is one.
    fn clock_of_scheduled(&self, number: u64) -> Option<Rc<dyn Clock>> {
        match &*self.state.borrow() {
            State::Scheduled {
                run,
                number: current,
                ..
            } if *current == number => Some(Rc::clone(&run.clock)),
            _ => None,
        }
    }

    /// Takes the run that waits for the call of this number, if there is one.
    fn take_scheduled(&self, number: u64) -> Option<Run> {
        match self.take() {
            State::Scheduled {
                run,
                number: current,
                ..
            } if current == number => Some(run),
            other => {
                self.state.replace(other);
                None
            }
        }
    }
}

/// The Deferred of the loop was cancelled: ends the loop, and cancels the Deferred that its
/// call waits for.
fn cancelled(machine: &Weak<Machine>) {
    let Some(machine) = machine.upgrade() else {
        return;
    };
    match machine.take() {
        State::Idle => {}
        // The run is dropped: the cancel ends its Deferred.
        State::Scheduled { call, .. } => cancel_call(call),
        State::Calling { run, waits_for } | State::Stopping { run, waits_for } => {
            let handle = waits_for.clone();
            machine.state.replace(State::Stopping { run, waits_for });
            if let Some(handle) = handle {
                handle.cancel();
            }
        }
    }
}

fn cancel_call(call: Option<DelayedCall>) {
    if let Some(call) = call {
        call.cancel();
    }
}

/// The scheduled call that the clock owns. A clock that ends drops it, and with it the run,
/// so that the Deferred of the loop is abandoned.
struct Due {
    machine: Rc<Machine>,
    number: u64,
}

impl Due {
    fn now(self) {
        let Some(clock) = self.machine.clock_of_scheduled(self.number) else {
            return;
        };
        // Before the run is taken: the clock is code of the user, and has to find the loop running.
        let now = clock.now();
        if let Some(run) = self.machine.take_scheduled(self.number) {
            self.machine.call(run, now);
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        drop(self.machine.take_scheduled(self.number));
    }
}
