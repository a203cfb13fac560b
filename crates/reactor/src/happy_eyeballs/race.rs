//! Race of connection attempts, in the order of a `Schedule`: the first success cancels the others.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, DeferredHandle, DelayedCall, Trigger, succeed};

use super::schedule::{Schedule, Step};
use crate::connecting::{Connected, Target, attempt};
use crate::core::Core;
use crate::error::ConnectErrorKind;

/// Each address that was tried, in order, and the error of its attempt.
type Lost = Vec<(SocketAddr, io::Error)>;

type Outcome = Result<Connected, Lost>;

/// Connects to the first of `addresses` that answers; each attempt takes `timeout` at most. The
/// Deferred itself fails only if it is cancelled; that cancels all attempts and the timer.
pub(crate) fn race(
    core: &Rc<Core>,
    addresses: &[SocketAddr],
    bind_address: Option<SocketAddr>,
    timeout: Duration,
) -> Deferred<Outcome> {
    // One address needs no race.
    if let [address] = *addresses {
        let attempting = attempt(core, &Target::Inet(address, bind_address), timeout);
        return attempting
            .add_callback(move |outcome| succeed(outcome.map_err(|error| vec![(address, error)])));
    }
    let race = Rc::new(Race {
        core: Rc::clone(core),
        bind_address,
        timeout,
        schedule: RefCell::new(Schedule::new(addresses)),
        attempts: RefCell::default(),
        next: RefCell::default(),
        outcome: RefCell::default(),
        is_driven: Cell::new(false),
    });
    let to_cancel = Rc::downgrade(&race);
    let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
        if let Some(race) = to_cancel.upgrade() {
            // Taken first, so that callbacks of attempts which end now find the race decided.
            race.outcome.take();
            race.end_attempts();
        }
    });
    race.outcome.replace(Some(trigger));
    race.drive();
    deferred
}

/// A race, owned by its attempts and its timer, and dropped with the last of them.
struct Race {
    core: Rc<Core>,
    bind_address: Option<SocketAddr>,
    timeout: Duration,
    schedule: RefCell<Schedule>,
    attempts: RefCell<Vec<Attempt>>,
    /// Timer of the next attempt.
    next: RefCell<Option<DelayedCall>>,
    /// Trigger of the Deferred; `None` once the race is decided.
    outcome: RefCell<Option<Trigger<Outcome>>>,
    /// Set while `drive` runs. An attempt that fails at once calls `finished` inside of `drive`,
    /// and that must not start a second `drive`.
    is_driven: Cell<bool>,
}

struct Attempt {
    address: SocketAddr,
    state: AttemptState,
}

enum AttemptState {
    Running(Option<DeferredHandle>),
    Failed(io::Error),
}

impl Race {
    /// Executes the steps of the schedule, until it has to wait.
    fn drive(self: &Rc<Self>) {
        if self.is_driven.replace(true) {
            return;
        }
        self.cancel_timer();
        while self.outcome.borrow().is_some() {
            let step = self.schedule.borrow_mut().next(self.core.timers.now());
            match step {
                Step::Attempt(address) => self.begin(address),
                Step::WaitUntil(time) => {
                    let delay = time.saturating_sub(self.core.timers.now());
                    // The timer owns the race until it fires, or until `end_attempts` cancels it.
                    let race = Rc::clone(self);
                    let next = self.core.timers.call_later(delay, move || race.drive());
                    self.next.replace(Some(next));
                    break;
                }
                Step::Wait => break,
                Step::GiveUp => self.give_up(),
            }
        }
        self.is_driven.set(false);
    }

    fn begin(self: &Rc<Self>, address: SocketAddr) {
        let index = self.attempts.borrow().len();
        self.attempts.borrow_mut().push(Attempt {
            address,
            state: AttemptState::Running(None),
        });
        let race = Rc::clone(self);
        let target = Target::Inet(address, self.bind_address);
        let mut attempting = attempt(&self.core, &target, self.timeout).add_callbacks(
            move |outcome| race.finished(index, outcome),
            // `end_attempts` has cancelled this attempt: the race is decided.
            |_cancelled| Ok(()),
        );
        let handle = attempting.handle();
        attempting.detach();
        // Not stored if the attempt has failed inside of `attempt` already.
        if let Some(attempt) = self.attempts.borrow_mut().get_mut(index)
            && let AttemptState::Running(running) = &mut attempt.state
        {
            *running = Some(handle);
        }
    }

    fn finished(self: &Rc<Self>, index: usize, outcome: io::Result<Connected>) {
        match outcome {
            Ok(connected) => {
                // If the race is decided, the connection is dropped, which closes it.
                if let Some(trigger) = self.outcome.take() {
                    self.end_attempts();
                    // Errs only if the Deferred was cancelled; then `outcome` is `None` already.
                    let _ = trigger.callback(Ok(connected));
                }
            }
            Err(error) => {
                let kind = ConnectErrorKind::of(&error);
                if let Some(attempt) = self.attempts.borrow_mut().get_mut(index) {
                    attempt.state = AttemptState::Failed(error);
                }
                self.schedule.borrow_mut().failed();
                let is_over = matches!(
                    kind,
                    ConnectErrorKind::ReactorStopped | ConnectErrorKind::ReactorGone
                );
                // The loop ends, so each further attempt would fail, too.
                if is_over {
                    self.give_up();
                } else {
                    self.drive();
                }
            }
        }
    }

    fn give_up(&self) {
        if let Some(trigger) = self.outcome.take() {
            self.end_attempts();
            let attempts = self.attempts.take().into_iter();
            let failed = attempts.filter_map(|attempt| match attempt.state {
                AttemptState::Failed(error) => Some((attempt.address, error)),
                AttemptState::Running(_) => None,
            });
            // Errs only if the Deferred was cancelled; then `outcome` is `None` already.
            let _ = trigger.callback(Err(failed.collect()));
        }
    }

    /// Cancels the running attempts, and the timer of the next one.
    fn end_attempts(&self) {
        self.cancel_timer();
        let mut running = Vec::new();
        for attempt in &mut *self.attempts.borrow_mut() {
            if let AttemptState::Running(handle) = &mut attempt.state {
                running.extend(handle.take());
            }
        }
        for handle in running {
            handle.cancel();
        }
    }

    fn cancel_timer(&self) {
        if let Some(next) = self.next.take() {
            next.cancel();
        }
    }
}
