//! One body: being polled, resumed, cancelled.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use smallvec::SmallVec;

use super::wake::{self, BodyWaker};
use crate::chain::{
    self, Body, Canceller, CoreRef, CoreWeak, End, EndState, Local, OwnedClaim, SharedBody, Source,
    WeakBody, closes_a_cycle,
};
use crate::contain::{catch, drop_contained};
use crate::error::WaitCycle;
use crate::failure::{Failure, Result};
use crate::trail::Place;

/// What is polled: the body and the fire at its end.
type Driven = Pin<Box<dyn Future<Output = Option<OwnedClaim<Local>>>>>;

/// A body, kept alive by what may resume it: the Deferreds it awaits, and, while it is
/// asleep, its thread.
pub(super) struct Task {
    phase: Cell<Phase>,
    /// There in `Idle`.
    driven: Cell<Option<Driven>>,
    /// The chain that it fires in the end.
    result: CoreWeak<Local>,
    /// What it polled in the last poll, and found pending.
    awaited: RefCell<SmallVec<[CoreWeak<Local>; 1]>>,
    /// A cancel that came while it was being polled.
    cancelled_at: Cell<Option<Place>>,
    /// What it is polled with, until somebody else keeps a clone of that.
    waker: Cell<Option<OwnWaker>>,
    /// The one that somebody else keeps.
    given_away: RefCell<Weak<BodyWaker>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    /// It is being polled.
    Polled,
    /// And is to be polled once more.
    PolledAgain,
    Over,
}

struct OwnWaker {
    shared: Arc<BodyWaker>,
    waker: Waker,
}

impl Task {
    /// A task that fires the chain of `source`, and is what cancels that.
    pub(super) fn of<T: 'static>(source: &Source<Local, T>) -> Rc<Self> {
        let task = Rc::new(Self {
            phase: Cell::new(Phase::Idle),
            driven: Cell::new(None),
            result: source.downgrade(),
            awaited: RefCell::default(),
            cancelled_at: Cell::new(None),
            waker: Cell::new(None),
            given_away: RefCell::default(),
        });
        let shared: SharedBody = task.clone();
        let weak: WeakBody = Rc::downgrade(&shared);
        source.set_canceller(Canceller::Body(weak));
        task
    }

    /// Polls it for the first time.
    pub(super) fn start(
        self: Rc<Self>,
        driven: impl Future<Output = Option<OwnedClaim<Local>>> + 'static,
    ) -> Option<OwnedClaim<Local>> {
        self.driven.set(Some(Box::pin(driven)));
        self.run()
    }

    /// Polls it until it waits.
    pub(super) fn run(self: Rc<Self>) -> Option<OwnedClaim<Local>> {
        match self.phase.get() {
            Phase::Idle => {}
            Phase::Polled | Phase::PolledAgain => {
                self.phase.set(Phase::PolledAgain);
                return None;
            }
            Phase::Over => return None,
        }
        let mut driven = self.driven.take()?;
        let polled = loop {
            self.phase.set(Phase::Polled);
            self.awaited.borrow_mut().clear();
            let polled = self.poll_once(&mut driven);
            if polled.is_ready() || self.phase.get() != Phase::PolledAgain {
                break polled;
            }
        };
        match polled {
            Poll::Ready(claim) => {
                self.phase.set(Phase::Over);
                drop_contained(driven);
                claim
            }
            Poll::Pending => {
                self.driven.set(Some(driven));
                self.phase.set(Phase::Idle);
                if let Some(cancelled_at) = self.cancelled_at.take() {
                    self.cancel(cancelled_at);
                }
                None
            }
        }
    }

    fn poll_once(self: &Rc<Self>, driven: &mut Driven) -> Poll<Option<OwnedClaim<Local>>> {
        let own = self.waker.take().unwrap_or_else(|| {
            let shared = wake::new_waker();
            let waker = Waker::from(Arc::clone(&shared));
            OwnWaker { shared, waker }
        });
        let polled = {
            let _entered = Entered::new(Rc::clone(self), &own.waker);
            catch(|| driven.as_mut().poll(&mut Context::from_waker(&own.waker)))
        };
        let polled = match polled {
            Ok(polled) => polled,
            // A panic of the body itself was caught: this is what dropping it said.
            Err(payload) => {
                drop_contained(payload);
                Poll::Ready(None)
            }
        };
        if polled.is_pending() {
            self.keep_waker(own);
        }
        polled
    }

    /// Keeps the waker for the next poll; but if somebody else has a clone of it, it is
    /// left to him, and the thread keeps the task for as long as he does.
    fn keep_waker(self: &Rc<Self>, own: OwnWaker) {
        // One is in the waker itself.
        let is_ours = Arc::strong_count(&own.shared) == 2;
        if is_ours {
            self.waker.set(Some(own));
            return;
        }
        *self.given_away.borrow_mut() = Arc::downgrade(&own.shared);
        wake::keep_asleep(&own.shared, Rc::clone(self));
        drop(own);
        if let Some(result) = self.result() {
            chain::wake_above(&result);
        }
    }

    /// Polls the end of a Deferred from inside of the body.
    /// `is_direct` says that it is polled with the body's own waker.
    pub(super) fn poll_end<T: 'static>(
        self: &Rc<Self>,
        end: &mut End<Local, T>,
        waker: &Waker,
        is_direct: bool,
    ) -> Poll<Option<Result<T>>> {
        let mut is_cycle = false;
        let polled = end.poll(|link| {
            if closes_a_cycle::<Local>(|| self.result(), link.core()) {
                is_cycle = true;
                return;
            }
            self.awaited
                .borrow_mut()
                .push(CoreRef::downgrade(link.core()));
            if is_direct {
                link.set_body(self.clone());
                self.tell_of_sleepers(link.core());
            } else {
                // It is polled by something inside of the body that wakes by its own
                // means.
                link.set_waker(waker);
            }
        });
        if is_cycle {
            end.take().let_go(EndState::Detached);
            return Poll::Ready(Some(Err(Failure::new(WaitCycle::new()))));
        }
        polled
    }

    /// If bodies that sleep are below `core`, whoever polls for this one is to hear of
    /// them.
    fn tell_of_sleepers(&self, core: &CoreRef<Local>) {
        if !chain::is_any_asleep() {
            return;
        }
        let mut has_bodies = false;
        chain::for_each_body::<Local>(core, |_| has_bodies = true);
        if let Some(result) = self.result().filter(|_| has_bodies) {
            chain::wake_above(&result);
        }
    }

    /// Drops the body; its result is `Cancelled`.
    fn give_up(&self, cancelled_at: Place) {
        self.phase.set(Phase::Over);
        let driven = self.driven.take();
        match self.result() {
            Some(result) => {
                chain::fail_core::<Local>(&result, cancelled_at, || drop_contained(driven));
            }
            None => drop_contained(driven),
        }
    }
}

impl Body for Task {
    fn resume(self: Rc<Self>) -> Option<OwnedClaim<Local>> {
        self.run()
    }

    fn result(&self) -> Option<CoreRef<Local>> {
        self.result.upgrade()
    }

    fn cancel(self: Rc<Self>, cancelled_at: Place) {
        match self.phase.get() {
            Phase::Over => {}
            Phase::Polled | Phase::PolledAgain => self.cancelled_at.set(Some(cancelled_at)),
            Phase::Idle => {
                let (awaited, _) = self.awaited();
                if awaited.is_empty() {
                    return self.give_up(cancelled_at);
                }
                for core in awaited.iter().filter_map(CoreWeak::upgrade) {
                    chain::cancel_core::<Local>(&core, cancelled_at);
                }
            }
        }
    }

    fn awaited(&self) -> (Vec<CoreWeak<Local>>, bool) {
        let awaited = self.awaited.borrow().to_vec();
        let is_asleep = self.given_away.borrow().strong_count() > 0;
        (awaited, is_asleep)
    }

    fn polled_by(&self, waker: &Waker) {
        let given_away = self.given_away.borrow().upgrade();
        if let Some(given_away) = given_away {
            given_away.set_poller(waker.clone());
        }
    }
}

/// What is being polled on this thread.
struct Current {
    /// The innermost body.
    task: Cell<Option<Rc<Task>>>,
    /// Where its waker points to, which tells it from those of others.
    waker: Cell<*const ()>,
}

thread_local! {
    static CURRENT: Current = const {
        Current {
            task: Cell::new(None),
            waker: Cell::new(ptr::null()),
        }
    };
}

/// A body is being polled, for as long as this lives.
struct Entered {
    outer: Option<Rc<Task>>,
    outer_waker: *const (),
}

impl Entered {
    fn new(task: Rc<Task>, waker: &Waker) -> Self {
        let (outer, outer_waker) = replace_current(Some(task), waker.data());
        Self { outer, outer_waker }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        replace_current(self.outer.take(), self.outer_waker);
    }
}

fn replace_current(task: Option<Rc<Task>>, waker: *const ()) -> (Option<Rc<Task>>, *const ()) {
    let replace = |current: &Current| (current.task.replace(task), current.waker.replace(waker));
    // At the end of the thread there is none: bodies are polled as by an executor.
    CURRENT.try_with(replace).unwrap_or((None, ptr::null()))
}

/// The body that is being polled, if one is, and whether `waker` is its own.
pub(super) fn current(waker: &Waker) -> Option<(Rc<Task>, bool)> {
    let look = |current: &Current| {
        let task = current.task.take()?;
        let found = Rc::clone(&task);
        current.task.set(Some(task));
        Some((found, current.waker.get() == waker.data()))
    };
    CURRENT.try_with(look).ok()?
}
