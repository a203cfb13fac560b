//! One task: what it is doing, and all that can happen to it.
//!
//! Nothing is borrowed while the iterator or a Deferred is called or dropped:
//! each may stop the task, or any other.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::{CooperatorStopped, NotPaused, TaskFinished, TaskStopped};
use super::turns::Turns;
use crate::error::Abandoned;
use crate::failure::{Failure, Result};
use crate::local::Deferred;
use crate::local::DeferredHandle;
use crate::local::Trigger;
use crate::panics::drop_contained;
use crate::stage_trace::CallSite;
use crate::time::timeout::is_cancelled;

/// The iterator: each call is a step, `None` the end.
pub(super) type Steps = Box<dyn FnMut() -> Option<Deferred<()>>>;

pub(super) struct Task {
    turns: Rc<Turns>,
    /// Where it was given to the cooperator.
    made_at: CallSite,
    state: RefCell<State>,
    /// Pauses that were asked for; to wait is none of them.
    pauses: Cell<usize>,
    /// To be fired at the end, in the order in which they came. One that is cancelled
    /// leaves.
    observers: RefCell<BTreeMap<u64, Trigger<()>>>,
    next_observer: Cell<u64>,
}

enum State {
    /// It can go on: in the queue, unless it is paused.
    Ready(Steps),
    /// Its iterator makes a step. Left when that returns, or by a stop.
    Stepping,
    /// What the iterator gave is waited for. Left when that has its result, or by
    /// a stop.
    Waiting {
        steps: Steps,
        waits_for: DeferredHandle,
    },
    Finished {
        how: TaskFinished,
        result: Result<()>,
        /// A failure that nobody has asked for yet: reported with the task.
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

    /// Has it take part in the turns.
    pub(super) fn join(self: &Rc<Self>) {
        if self.pauses.get() == 0 {
            self.turns.add(Rc::clone(self));
        }
    }

    /// A Deferred for the end. Cancelling it calls `on_cancel`, when it has left.
    #[track_caller]
    pub(super) fn observe(
        self: &Rc<Self>,
        on_cancel: impl FnOnce(&Rc<Self>) + 'static,
    ) -> Deferred<()> {
        let number = self.next_observer.get();
        self.next_observer.set(number + 1);
        // Weak: the task has the trigger, which has the canceller.
        let weak = Rc::downgrade(self);
        let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
            if let Some(task) = weak.upgrade() {
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

    pub(super) fn stop(self: &Rc<Self>) -> Result<(), TaskFinished> {
        self.check_unfinished()?;
        self.finish(TaskFinished::Stopped, Err(Failure::new(TaskStopped)));
        Ok(())
    }

    /// As `stop`, with another failure; if it is over, nothing happens.
    pub(super) fn stop_with(self: &Rc<Self>, failure: Failure) {
        self.finish(TaskFinished::Stopped, Err(failure));
    }

    pub(super) fn cooperator_stopped(self: &Rc<Self>) {
        let failure = Failure::new(CooperatorStopped);
        self.finish(TaskFinished::CooperatorStopped, Err(failure));
    }

    /// The clock has ended. The triggers go unfired, so that it is safe also while
    /// the thread panics.
    pub(super) fn abandon(self: &Rc<Self>) {
        let observers = self.observers.take();
        let before = self.state.replace(State::Finished {
            how: TaskFinished::Failed,
            result: Err(Failure::new(Abandoned::new())),
            unseen: None,
        });
        self.turns.remove(self);
        drop_contained(before);
        drop(observers);
    }

    fn is_ready(&self) -> bool {
        matches!(*self.state.borrow(), State::Ready(_))
    }

    fn check_unfinished(&self) -> Result<(), TaskFinished> {
        self.finished().map_or(Ok(()), Err)
    }

    /// Asks the iterator for its next item.
    pub(super) fn step(self: &Rc<Self>) {
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

    fn go_on(self: &Rc<Self>, steps: Steps) {
        if self.finished().is_some() {
            return drop_contained(steps);
        }
        self.state.replace(State::Ready(steps));
        self.join();
    }

    fn wait_for(self: &Rc<Self>, steps: Steps, mut item: Deferred<()>) {
        let handle = item.handle();
        let was_stopped = self.finished().is_some();
        if was_stopped {
            drop_contained(steps);
        } else {
            self.state.replace(State::Waiting {
                steps,
                waits_for: handle.clone(),
            });
        }
        let this = Rc::clone(self);
        item.add_both(move |result| this.arrived(result)).detach();
        if was_stopped {
            handle.cancel();
        }
    }

    /// What was waited for has its result.
    fn arrived(self: &Rc<Self>, result: Result<()>) {
        let is_waiting = matches!(*self.state.borrow(), State::Waiting { .. });
        if !is_waiting {
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

    /// The iterator is at its end.
    fn end(self: &Rc<Self>, steps: Steps, how: TaskFinished, result: Result<()>) {
        drop_contained(steps);
        if self.finished().is_some() {
            // Its own step has stopped it.
            return report(result);
        }
        self.finish(how, result);
    }

    fn finish(self: &Rc<Self>, how: TaskFinished, result: Result<()>) {
        if self.finished().is_some() {
            return;
        }
        let observers = self.observers.take();
        let is_seen = observers.values().any(|observer| !observer.is_fired());
        let is_news = how == TaskFinished::Failed && !is_seen;
        let unseen = is_news.then(|| Deferred::from(result.clone()));
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
            // Cancelled meanwhile, at the worst.
            let _ = observer.fire(result.clone());
        }
    }
}

/// Nobody waits for this any more: a failure goes to the hook, unless it is the
/// answer to having been cancelled.
fn report(result: Result<()>) {
    match result {
        Err(failure) if !is_cancelled(&failure) => Deferred::<()>::from(Err(failure)).detach(),
        _ => {}
    }
}
