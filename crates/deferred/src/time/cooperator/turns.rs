//! Run queue of a cooperator, and the turns in which its tasks make steps.
//!
//! INVARIANT: a task is in the queue if and only if it is ready, not paused, and not making a
//! step. A delayed call for the next turn exists if and only if the queue is not empty and no
//! turn is running.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::time::clock::Clock;
use crate::time::timer_queue::DelayedCall;

/// Defaults of `slice` and `max_steps`.
// The slice is Twisted's (`_Timer.MAX_SLICE`).
pub(super) const DEFAULT_SLICE: Duration = Duration::from_millis(10);
pub(super) const DEFAULT_MAX_STEPS: usize = 1000;

/// A task, as the run queue knows it.
pub(super) trait Step {
    /// Makes one step; after it, the task adds itself again if it is ready.
    fn step(self: Rc<Self>);

    /// Ends because the cooperator was stopped.
    fn cooperator_stopped(self: Rc<Self>);

    /// Ends because the clock has ended.
    fn abandon(self: Rc<Self>);
}

pub(super) struct Turns {
    clock: Rc<dyn Clock>,
    pub(super) slice: Cell<Duration>,
    pub(super) max_steps: Cell<usize>,
    pub(super) delay: Cell<Duration>,
    queue: RefCell<VecDeque<Rc<dyn Step>>>,
    phase: RefCell<Phase>,
    /// Number of the latest scheduled turn. Delayed calls of earlier ones do nothing.
    scheduled: Cell<u64>,
}

enum Phase {
    /// No task is ready. Left when one is.
    Idle,
    /// The next turn is scheduled. Left when it begins, when no task is ready any more, by a
    /// stop, or when the clock ends.
    Scheduled {
        number: u64,
        /// `None` until the clock has given it.
        call: Option<DelayedCall>,
    },
    /// A turn is running. Left at its end, or by a stop.
    Turning,
    /// Tasks that are added end at once. Left by a start.
    Stopped,
}

impl Turns {
    pub(super) fn new(clock: Rc<dyn Clock>) -> Rc<Self> {
        Rc::new(Self {
            clock,
            slice: Cell::new(DEFAULT_SLICE),
            max_steps: Cell::new(DEFAULT_MAX_STEPS),
            delay: Cell::new(Duration::ZERO),
            queue: RefCell::default(),
            phase: RefCell::new(Phase::Idle),
            scheduled: Cell::new(0),
        })
    }

    /// Appends a task that is ready.
    pub(super) fn add(self: &Rc<Self>, task: Rc<dyn Step>) {
        if !self.is_running() {
            return task.cooperator_stopped();
        }
        self.queue.borrow_mut().push_back(task);
        self.schedule_if_idle();
    }

    /// Removes a task, if it is in the queue.
    pub(super) fn remove<S: Step>(&self, task: &Rc<S>) {
        let mut queue = self.queue.borrow_mut();
        let address = Rc::as_ptr(task).cast::<()>();
        // By address alone, since one type may have several vtables.
        let is_it = |other: &Rc<dyn Step>| Rc::as_ptr(other).cast::<()>() == address;
        let Some(at) = queue.iter().position(is_it) else {
            return;
        };
        let removed = queue.remove(at);
        let is_empty = queue.is_empty();
        drop(queue);
        // Without the borrow: a task owns the iterator of the user.
        drop(removed);
        if is_empty {
            self.cancel_turn(Phase::Idle);
        }
    }

    pub(super) fn start(&self) {
        let mut phase = self.phase.borrow_mut();
        if matches!(*phase, Phase::Stopped) {
            *phase = Phase::Idle;
        }
    }

    pub(super) fn stop(&self) {
        self.cancel_turn(Phase::Stopped);
        // If a step of the running turn has called this, the turn ends when the step returns.
        self.phase.replace(Phase::Stopped);
        for task in self.queue.take() {
            task.cooperator_stopped();
        }
    }

    pub(super) fn is_running(&self) -> bool {
        !matches!(*self.phase.borrow(), Phase::Stopped)
    }

    /// How many tasks are in the queue.
    pub(super) fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    /// If a turn is scheduled, cancels it and enters the phase `next`.
    fn cancel_turn(&self, next: Phase) {
        let mut phase = self.phase.borrow_mut();
        let Phase::Scheduled { call, .. } = &mut *phase else {
            return;
        };
        let call = call.take();
        *phase = next;
        drop(phase);
        if let Some(call) = call {
            call.cancel();
        }
    }

    fn schedule_if_idle(self: &Rc<Self>) {
        if !matches!(*self.phase.borrow(), Phase::Idle) || self.len() == 0 {
            return;
        }
        let number = self.scheduled.get() + 1;
        self.scheduled.set(number);
        self.phase.replace(Phase::Scheduled { number, call: None });
        let due = Due {
            turns: Rc::clone(self),
            number,
        };
        // A clock that has ended drops `due` in this call.
        let made = self
            .clock
            .schedule(self.delay.get(), Box::new(move || due.now()));
        match &mut *self.phase.borrow_mut() {
            Phase::Scheduled {
                number: current,
                call,
            } if *current == number => *call = Some(made),
            _ => {}
        }
    }

    /// Enters the phase `next` if the turn of this number is the scheduled one.
    fn leave_scheduled(&self, number: u64, next: Phase) -> bool {
        let mut phase = self.phase.borrow_mut();
        match *phase {
            Phase::Scheduled {
                number: current, ..
            } if current == number => {
                *phase = next;
                true
            }
            _ => false,
        }
    }

    /// Runs a turn: tasks make one step each, round robin, until the slice has passed.
    fn turn(self: &Rc<Self>) {
        let end = self.clock.now().saturating_add(self.slice.get());
        // At least one step, or a turn would get nowhere.
        for _ in 0..self.max_steps.get().max(1) {
            let Some(task) = self.next() else { break };
            task.step();
            // Looked at after each step: a slice is exceeded by one step at most.
            if self.clock.now() >= end {
                break;
            }
        }
        // Not if a step has stopped the cooperator.
        let is_over = matches!(*self.phase.borrow(), Phase::Turning);
        if is_over {
            self.phase.replace(Phase::Idle);
            self.schedule_if_idle();
        }
    }

    /// The next task of this turn; none if the turn was stopped.
    fn next(&self) -> Option<Rc<dyn Step>> {
        if !matches!(*self.phase.borrow(), Phase::Turning) {
            return None;
        }
        self.queue.borrow_mut().pop_front()
    }
}

/// The scheduled turn that the clock owns. A clock that ends drops it, and the tasks are
/// abandoned.
struct Due {
    turns: Rc<Turns>,
    number: u64,
}

impl Due {
    fn now(self) {
        if self.turns.leave_scheduled(self.number, Phase::Turning) {
            self.turns.turn();
        }
    }
}

impl Drop for Due {
    fn drop(&mut self) {
        if self.turns.leave_scheduled(self.number, Phase::Idle) {
            for task in self.turns.queue.take() {
                task.abandon();
            }
        }
    }
}
