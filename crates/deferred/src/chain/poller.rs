//! Pollers: the waker of the executor above a tree of tasks.
//!
//! A task that waits for some other future is woken by a waker, from any thread, and goes on
//! when an executor calls [`run_woken`](crate::driver::run_woken). That executor polls the Deferred at
//! the top of the tree, which waits for the task through any number of chains and tasks. All
//! tasks of a tree share one poller. It is a union-find structure: joining two trees of tasks
//! joins their pollers, so that the cost of an await does not grow with the number of tasks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::panics::{drop_contained, run_contained};

/// A node of the union-find structure; all nodes of a tree lead to one root.
pub(crate) struct Poller {
    state: Mutex<State>,
}

enum State {
    Root(Root),
    /// Joined with this one, which is nearer to the root.
    Joined(Arc<Poller>),
}

#[derive(Default)]
struct Root {
    /// The waker of the executor; taken when the executor is woken.
    waker: Option<Waker>,
    /// Set when a task is woken, cleared when the executor is: so a task that is woken before
    /// there is a waker is not forgotten.
    is_due: bool,
    /// Bound for the length of the paths to this root: union by rank.
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

/// Locks a node. No code of users runs under the lock.
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

    /// Calls `f` with the root of this node.
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
            // Path compression: later calls reach the root in one step.
            let shorter = State::Joined(Arc::clone(&root));
            let longer = std::mem::replace(&mut *lock(self), shorter);
            // Without the lock: this may be the last reference to a node.
            drop(longer);
        }
        root
    }

    /// Wakes the executor, which takes its waker: it sets a new one when it polls.
    pub(crate) fn wake(self: &Arc<Self>) {
        wake(self.with_root(|_, root| {
            // Set first: without a waker it stays set, and `set` wakes the next executor at once.
            root.is_due = true;
            root.take_due()
        }));
    }

    /// Sets the waker that is woken when one of the tasks is.
    pub(crate) fn set(self: &Arc<Self>, waker: &Waker) {
        let is_set = self.with_root(|_, root| {
            let old = root.waker.as_ref();
            old.is_some_and(|old| old.will_wake(waker))
        });
        if is_set {
            return;
        }
        // Cloned without the lock, because it runs code of the executor.
        let waker = waker.clone();
        let (old, due) = self.with_root(|_, root| (root.waker.replace(waker), root.take_due()));
        drop_contained(old);
        wake(due);
    }

    /// Joins two trees. The executor polls at the top, so the waker is that of `above`.
    ///
    /// Two nodes are locked at once here and nowhere else, and only by the thread of the
    /// tasks: so there is no deadlock.
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
            // The waker of an executor that polled the lower tree before the trees were joined.
            // That executor polls no more.
            let old = lower_root.waker.take();
            let mut root = Root {
                waker: upper_root.waker.take(),
                is_due: upper_root.is_due || lower_root.is_due,
                rank: upper_root.rank.max(lower_root.rank),
            };
            if upper_root.rank == lower_root.rank {
                root.rank = root.rank.saturating_add(1);
            }
            // A wake that came to either tree before must reach the executor of the joined one.
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
