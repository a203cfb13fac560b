//! State machine of one cooperative task.
//!
//! Nothing is borrowed while the iterator or a Deferred is called or dropped: each may stop
//! this task, or any other.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::{CooperatorStopped, NotPaused, TaskFinished, TaskStopped};
use super::turns::{Step, Turns};
use crate::error::Abandoned;
use crate::failure::{Failure, Result};
use crate::local::Deferred;
use crate::local::DeferredHandle;
use crate::local::Trigger;
use crate::panics::drop_contained;
use crate::stage_trace::CallSite;
use crate::time::timeout::is_cancelled;

/// The iterator: each call is a step, `None` is the end.
pub(super) type Steps = Box<dyn FnMut() -> Option<Deferred<()>>>;

pub(super) struct Task {
    turns: Rc<Turns>,
    /// The place where the task was added to the cooperator.
    made_at: CallSite,
    state: RefCell<State>,
    /// How many pauses have not been resumed. Waiting for a Deferred is no pause.
    pauses: Cell<usize>,
    /// Triggers of the Deferreds of `when_done`, fired at the end in the order in which they were
    /// made. If the Deferred is cancelled, its trigger is removed.
    observers: RefCell<BTreeMap<u64, Trigger<()>>>,
    next_observer: Cell<u64>,
}

enum State {
    /// Ready to make a step: in the queue, unless it is paused.
    Ready(Steps),
    /// The iterator is making a step. Left when that returns, or by a stop.
    Stepping,
    /// The Deferred of a step is pending. Left when that has fired, or by a stop.
    Waiting {
        steps: Steps,
        waits_for: DeferredHandle,
    },
    Finished {
        how: TaskFinished,
        result: Result<()>,
        /// A failure that no `when_done` has returned yet: its drop, with the task, reports it.
        unseen: Option<Deferred<()>>,
    },
}

impl Task {
    pub(super) fn new(turns: Rc<Turns>, steps: Steps, made_at: CallSite) -> Rc<Self> {
        Rc::new(Self {
            turns,
            made_at,
            state: RefCell::new(State::Ready(steps)),
            pauses: Cell::new(0),
            observers: RefCell::default(),
            next_observer: Cell::new(0),
        })
    }

    /// Adds the task to the run queue, unless it is paused.
    pub(super) fn join(self: &Rc<Self>) {
        if self.pauses.get() == 0 {
            self.turns.add(Rc::<Self>::clone(self));
        }
    }

    /// A Deferred that fires at the end. Cancelling it removes its trigger, then calls
    /// `on_cancel`.
    #[track_caller]
    pub(super) fn observe(
        self: &Rc<Self>,
        on_cancel: impl FnOnce(&Rc<Self>) + 'static,
    ) -> Deferred<()> {
        let number = self.next_observer.get();
        self.next_observer.set(number + 1);
        // Weak, to avoid a reference cycle: task, trigger, canceller.
        let weak = Rc::downgrade(self);
        let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
            if let Some(task) = weak.upgrade() {
                // In two lines, so that the trigger is dropped when nothing is borrowed.
                let left = task.observers.borrow_mut().remove(&number);
                drop(left);
                on_cancel(&task);
            }
        });
        self.observers.borrow_mut().insert(number, trigger);
        deferred
    }

    #[track_caller]
    pub(super) fn when_done(self: &Rc<Self>) -> Deferred<()> {
        let finished = match &mut *self.state.borrow_mut() {
            State::Finished { result, unseen, .. } => Some((result.clone(), unseen.take())),
            _ => None,
        };
        if let Some((result, unseen)) = finished {
            if let Some(unseen) = unseen {
                // The caller gets the failure with the result, so its report is not due any more.
                unseen.ignore();
            }
            return Deferred::from(result);
        }
        self.observe(|_task| ())
    }

    pub(super) fn finished(&self) -> Option<TaskFinished> {
        match &*self.state.borrow() {
            State::Finished { how, .. } => Some(*how),
            _ => None,
        }
    }

    pub(super) fn pause(self: &Rc<Self>) -> Result<(), TaskFinished> {
        self.check_unfinished()?;
        self.pauses.set(self.pauses.get() + 1);
        if self.is_ready() {
            self.turns.remove(self);
        }
        Ok(())
    }

    pub(super) fn resume(self: &Rc<Self>) -> Result<(), NotPaused> {
        let pauses = self.pauses.get().checked_sub(1).ok_or(NotPaused)?;
        self.pauses.set(pauses);
        if self.is_ready() {
            self.join();
        }
        Ok(())
    }

    /// Stops the task; returns whether it was still running.
    pub(super) fn stop(self: &Rc<Self>) -> bool {
        let is_unfinished = self.finished().is_none();
        self.finish(TaskFinished::Stopped, Err(Failure::new(TaskStopped)));
        is_unfinished
    }

    /// The same as `stop`, with another failure.
    pub(super) fn stop_with(self: &Rc<Self>, failure: Failure) {
        self.finish(TaskFinished::Stopped, Err(failure));
    }

    fn is_ready(&self) -> bool {
        matches!(*self.state.borrow(), State::Ready(_))
    }

    fn check_unfinished(&self) -> Result<(), TaskFinished> {
        self.finished().map_or(Ok(()), Err)
    }

    fn go_on(self: &Rc<Self>, steps: Steps) {
        if self.finished().is_some() {
            return drop_contained(steps);
        }
        self.state.replace(State::Ready(steps));
        self.join();
    }

    fn wait_for(self: &Rc<Self>, steps: Steps, mut item: Deferred<()>) {
        let handle = item.handle();
        // The step may have stopped its own task. Its Deferred is then cancelled like one that a
        // stop finds.
        let was_stopped = self.finished().is_some();
        if was_stopped {
            drop_contained(steps);
        } else {
            self.state.replace(State::Waiting {
                steps,
                waits_for: handle.clone(),
            });
        }
        // After the state was set: the item may fire while the callback is added.
        let this = Rc::clone(self);
        item.add_both(move |result| this.arrived(result)).detach();
        if was_stopped {
            handle.cancel();
        }
    }

    /// The Deferred of a step has fired.
    fn arrived(self: &Rc<Self>, result: Result<()>) {
        let is_waiting = matches!(*self.state.borrow(), State::Waiting { .. });
        if !is_waiting {
            // A stop has ended the task in the meantime.
            return report(result);
        }
        let State::Waiting { steps, .. } = self.state.replace(State::Stepping) else {
            unreachable!("it was looked at")
        };
        match result {
            Ok(()) => self.go_on(steps),
            Err(failure) => self.end(steps, TaskFinished::Failed, Err(failure)),
        }
    }

    /// Ends the task when its iterator has ended, or a step has failed.
    fn end(self: &Rc<Self>, steps: Steps, how: TaskFinished, result: Result<()>) {
        drop_contained(steps);
        if self.finished().is_some() {
            // The step itself has stopped the task.
            return report(result);
        }
        self.finish(how, result);
    }

    fn finish(self: &Rc<Self>, how: TaskFinished, result: Result<()>) {
        if self.finished().is_some() {
            return;
        }
        let observers = self.observers.take();
        // An observer whose Deferred was cancelled is fired already, and sees nothing.
        let is_seen = observers.values().any(|observer| !observer.is_fired());
        let is_news = how == TaskFinished::Failed && !is_seen;
        let unseen = is_news.then(|| Deferred::from(result.clone()));
        // Finished before any code of users runs: a callback that stops the task again finds it so.
        let before = self.state.replace(State::Finished {
            how,
            result: result.clone(),
            unseen,
        });
        match before {
            State::Ready(steps) => {
                self.turns.remove(self);
                drop_contained(steps);
            }
            State::Waiting { steps, waits_for } => {
                drop_contained(steps);
                waits_for.cancel();
            }
            State::Stepping | State::Finished { .. } => {}
        }
        for observer in observers.into_values() {
            // Errs if a callback of an earlier observer has cancelled this one; harmless.
            let _ = observer.fire(result.clone());
        }
    }
}

impl Step for Task {
    /// Makes a step: calls the iterator.
    fn step(self: Rc<Self>) {
        let State::Ready(mut steps) = self.state.replace(State::Stepping) else {
            unreachable!("only those in the queue make a step, and they are ready")
        };
        match Failure::catch_at(self.made_at, &mut steps) {
            Ok(Some(item)) => match item.into_result() {
                Ok(Ok(())) => self.go_on(steps),
                Ok(Err(failure)) => self.end(steps, TaskFinished::Failed, Err(failure)),
                Err(pending) => self.wait_for(steps, pending),
            },
            Ok(None) => self.end(steps, TaskFinished::Done, Ok(())),
            Err(panicked) => self.end(steps, TaskFinished::Failed, Err(panicked)),
        }
    }

    fn cooperator_stopped(self: Rc<Self>) {
        let failure = Failure::new(CooperatorStopped);
        self.finish(TaskFinished::CooperatorStopped, Err(failure));
    }

    /// Ends the task because the clock has ended. The triggers are dropped unfired, which is
    /// safe also while the thread panics.
    fn abandon(self: Rc<Self>) {
        let observers = self.observers.take();
        let before = self.state.replace(State::Finished {
            how: TaskFinished::Failed,
            result: Err(Failure::new(Abandoned::new())),
            unseen: None,
        });
        self.turns.remove(&self);
        drop_contained(before);
        drop(observers);
    }
}

/// Reports the failure of a step whose task has ended, unless the failure is the `Cancelled`
/// of that end.
fn report(result: Result<()>) {
    match result {
        Err(failure) if !is_cancelled(&failure) => Deferred::<()>::from(Err(failure)).detach(),
        _ => {}
    }
}
