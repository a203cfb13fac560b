//! Pollers: the waker of the executor that polls for what bodies come to.
//!
//! A body that waits for some other future is woken by a waker, from any thread, and goes
//! on when an executor calls [`run_woken`](crate::run_woken). Which executor is to be
//! woken is decided far above the body: it polls the Deferred that waits for the body,
//! through any number of chains and bodies. All bodies of such a tree share one poller. It
//! is a union-find structure: when two trees are joined, their pollers are, so that an
//! await costs the same whatever hangs above or below.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::panics::{drop_contained, run_contained};

/// One of the pollers of a tree, all of which lead to the same root.
pub(crate) struct Poller {
    state: Mutex<State>,
}

enum State {
    Root(Root),
    /// Joined with another one, which is nearer to the root.
    Joined(Arc<Poller>),
}

#[derive(Default)]
struct Root {
    /// Whom to wake; taken by waking it.
    waker: Option<Waker>,
    /// A body was woken while there was no waker.
    is_due: bool,
    /// The longest way to this root is no longer: the lower one is joined to the higher.
    rank: u8,
}

impl Root {
    /// The waker, if it is to be woken now.
    fn take_due(&mut self) -> Option<Waker> {
        if !self.is_due {
            return None;
        }
        let waker = self.waker.take();
        self.is_due = waker.is_none();
        waker
    }
}

/// Nothing of a user's runs under this lock.
fn lock(poller: &Poller) -> MutexGuard<'_, State> {
    poller.state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        run_contained("a waker", || waker.wake());
    }
}

impl Poller {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::Root(Root::default())),
        })
    }

    /// Calls `f` with the root that it leads to.
    fn with_root<R>(self: &Arc<Self>, f: impl FnOnce(&Arc<Self>, &mut Root) -> R) -> R {
        let mut at = Arc::clone(self);
        loop {
            let next = match &mut *lock(&at) {
                State::Root(root) => return f(&at, root),
                State::Joined(next) => Arc::clone(next),
            };
            at = next;
        }
    }

    fn root(self: &Arc<Self>) -> Arc<Self> {
        let root = self.with_root(|root, _| Arc::clone(root));
        if !Arc::ptr_eq(self, &root) {
            let shorter = State::Joined(Arc::clone(&root));
            let longer = std::mem::replace(&mut *lock(self), shorter);
            drop(longer);
        }
        root
    }

    /// Wakes the executor, whose waker is used up by that.
    pub(crate) fn wake(self: &Arc<Self>) {
        wake(self.with_root(|_, root| {
            root.is_due = true;
            root.take_due()
        }));
    }

    /// Has `waker` woken when one of the bodies is.
    pub(crate) fn set(self: &Arc<Self>, waker: &Waker) {
        let is_set = self.with_root(|_, root| {
            let old = root.waker.as_ref();
            old.is_some_and(|old| old.will_wake(waker))
        });
        if is_set {
            return;
        }
        let waker = waker.clone();
        let (old, due) = self.with_root(|_, root| (root.waker.replace(waker), root.take_due()));
        drop_contained(old);
        wake(due);
    }

    /// Joins two trees: what is polled for is above, so the waker is that of `above`.
    ///
    /// Only the thread of the bodies does so; no other takes two locks.
    pub(crate) fn join(above: &Arc<Self>, waits_on: &Arc<Self>) {
        let (upper, lower) = (above.root(), waits_on.root());
        if Arc::ptr_eq(&upper, &lower) {
            return;
        }
        let (old, due) = {
            let (mut upper_state, mut lower_state) = (lock(&upper), lock(&lower));
            let (State::Root(upper_root), State::Root(lower_root)) =
                (&mut *upper_state, &mut *lower_state)
            else {
                unreachable!("only this thread joins them");
            };
            let old = lower_root.waker.take();
            let mut root = Root {
                waker: upper_root.waker.take(),
                is_due: upper_root.is_due || lower_root.is_due,
                rank: upper_root.rank.max(lower_root.rank),
            };
            if upper_root.rank == lower_root.rank {
                root.rank = root.rank.saturating_add(1);
            }
            let due = root.take_due();
            if upper_root.rank >= lower_root.rank {
                *upper_root = root;
                *lower_state = State::Joined(Arc::clone(&upper));
            } else {
                *lower_root = root;
                *upper_state = State::Joined(Arc::clone(&lower));
            }
            (old, due)
        };
        drop_contained(old);
        wake(due);
    }
}
