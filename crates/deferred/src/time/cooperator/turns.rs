//! The tasks that can go on, and the turns in which they do.
//!
//! A task is in the queue when it is ready and not paused; the one that makes
//! its step is out. There is a delayed call when there is a queue and no turn.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use super::Cooperator;
use super::task::Task;
use crate::time::clock::Clock;
use crate::time::timer_queue::DelayedCall;

pub(super) struct Turns {
    clock: Rc<dyn Clock>,
    pub(super) slice: Cell<Duration>,
    pub(super) max_steps: Cell<usize>,
    pub(super) delay: Cell<Duration>,
    queue: RefCell<VecDeque<Rc<Task>>>,
    phase: RefCell<Phase>,
    /// Numbers the turns, so that each delayed call knows whether it is still wanted.
    scheduled: Cell<u64>,
}

enum Phase {
    /// Nothing to do.
    Idle,
    /// The next turn is due. Left when it comes, when no task is left, by a stop,
    /// or when the clock ends.
    Scheduled {
        number: u64,
        /// `None` until the clock has given it.
        call: Option<DelayedCall>,
    },
    /// Tasks make their steps. Left at the end of the turn, or by a stop.
    Turning,
    /// Tasks that come end at once. Left by a start.
    Stopped,
}

impl Turns {
    pub(super) fn new(clock: Rc<dyn Clock>) -> Rc<Self> {
        Rc::new(Self {
            clock,
            slice: Cell::new(Cooperator::DEFAULT_SLICE),
            max_steps: Cell::new(Cooperator::DEFAULT_MAX_STEPS),
            delay: Cell::new(Duration::ZERO),
            queue: RefCell::default(),
            phase: RefCell::new(Phase::Idle),
            scheduled: Cell::new(0),
        })
    }

    /// Puts a task that can go on behind the others.
    pub(super) fn add(self: &Rc<Self>, task: Rc<Task>) {
        if !self.is_running() {
            return task.cooperator_stopped();
        }
        self.queue.borrow_mut().push_back(task);
        self.schedule_if_idle();
    }

    /// Takes a task out that cannot go on, if it is in the queue.
    pub(super) fn remove(&self, task: &Rc<Task>) {
        let mut queue = self.queue.borrow_mut();
        let Some(at) = queue.iter().position(|other| Rc::ptr_eq(other, task)) else {
            return;
        };
        let removed = queue.remove(at);
        let is_empty = queue.is_empty();
        drop(queue);
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
        // A turn ends when the step that has stopped it returns.
        self.phase.replace(Phase::Stopped);
        for task in self.queue.take() {
            task.cooperator_stopped();
        }
    }

    pub(super) fn is_running(&self) -> bool {
        !matches!(*self.phase.borrow(), Phase::Stopped)
    }

    /// How many tasks can go on.
    pub(super) fn len(&self) -> usize {
        self.queue.borrow().len()
    }

    /// If a turn is scheduled, cancels it, and goes to `next`.
    fn cancel_turn(&self, next: Phase) {
        let mut phase = self.phase.borrow_mut();
        let Phase::Scheduled { call, .. } = &mut *phase else {
            return;
        };
        let call = call.take();
        *phase = next;
        drop(phase);
        if let Some(call) = call {
            // It is active, or the phase would be another.
            let _ = call.cancel();
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
        // A clock that has ended drops it right here.
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

    /// Goes from waiting for the turn of this number to `next`, if it is waited for.
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

    /// Lets tasks make a step each, one after the other, until the slice is over.
    fn turn(self: &Rc<Self>) {
        let end = self.clock.now().saturating_add(self.slice.get());
        for _ in 0..self.max_steps.get().max(1) {
            let Some(task) = self.next() else { break };
            task.step();
            if self.clock.now() >= end {
                break;
            }
        }
        let is_over = matches!(*self.phase.borrow(), Phase::Turning);
        if is_over {
            self.phase.replace(Phase::Idle);
            self.schedule_if_idle();
        }
    }

    /// The next task of this turn; none if it was stopped.
    fn next(&self) -> Option<Rc<Task>> {
        if !matches!(*self.phase.borrow(), Phase::Turning) {
            return None;
        }
        self.queue.borrow_mut().pop_front()
    }
}

/// What a clock keeps. One that ends drops it, and the tasks are abandoned.
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
