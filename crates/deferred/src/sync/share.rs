// Generated from ../local/share.rs by tests/flavours: change that file, not this one.

//! `SharedDeferred`: one result for any number of waiters.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};

use super::deferred::Deferred;
use super::handle::DeferredHandle;
use super::ready::fail;
use super::trigger::Trigger;
use crate::chain::Flavour;
use crate::chain::Shared;
use crate::failure::{Failure, Result};
use crate::panics::drop_contained;

/// The result of one Deferred for any number of waiters, from [`Deferred::share`].
///
/// Clones refer to the same result. Each [`get`](Self::get) gives a Deferred of its own,
/// which gets a clone of the value or of the failure; so one cause is one failure, with
/// one story, in each of them.
///
/// # Cancelling
///
/// Cancelling a Deferred that `get` gave removes that waiter. If it was the last one, the
/// shared Deferred is cancelled, since no waiter wants its result. Dropping a waiter's
/// Deferred does not cancel it, as with any Deferred: see
/// [`cancel_on_drop`](Deferred::cancel_on_drop).
///
/// # Unhandled failures
///
/// A failure that no waiter ever got is reported when the last clone of the
/// `SharedDeferred` is dropped.
///
/// # Examples
///
/// Each thread waits for the same configuration:
///
/// ```
/// use deferred::sync::Deferred;
/// use std::thread;
///
/// let (trigger, config) = Deferred::pair();
/// let config = config.share();
/// let workers: Vec<_> = (0..3)
///     .map(|_| {
///         let config = config.get();
///         thread::spawn(move || config.wait().unwrap())
///     })
///     .collect();
/// trigger.callback("verbose").unwrap();
/// assert!(workers.into_iter().all(|worker| worker.join().unwrap() == "verbose"));
/// ```
#[doc(alias = "Shared")]
pub struct SharedDeferred<T: Clone + Send + Sync + 'static> {
    shared: <Shared as Flavour>::Handle<ShareState<T>>,
}

/// As [`SharedDeferred`], but it does not keep the result alive.
type WeakShared<T> = Weak<<Shared as Flavour>::Lock<ShareState<T>>>;

struct ShareState<T: Clone + Send + Sync + 'static> {
    /// Refers to the chain that was shared; weak.
    chain: DeferredHandle,
    outcome: Outcome<T>,
}

enum Outcome<T: Send + 'static> {
    /// The result has not come.
    Pending {
        /// In the order of asking.
        waiters: BTreeMap<u64, Trigger<T>>,
        /// How many calls of `get` have an id, but have not inserted their trigger yet.
        joining: usize,
        next_id: u64,
    },
    /// The result has come.
    Settled {
        /// Counted, so that `T::clone` runs while nothing is borrowed.
        result: Arc<Result<T>>,
        /// A waiter got the result, or all waiters had left.
        // Set by each `get`, and with the result if there was one before; never cleared.
        is_seen: bool,
    },
}

impl<T: Clone + Send + Sync + 'static> Deferred<T> {
    /// Shares the result among any number of waiters: each [`get`](SharedDeferred::get) is
    /// one.
    #[track_caller]
    #[doc(alias = "shared")]
    pub fn share(mut self) -> SharedDeferred<T> {
        let shared = Shared::handle(ShareState {
            // Weak: the stage below keeps the state alive, so a strong reference would be a cycle.
            chain: self.handle(),
            outcome: Outcome::Pending {
                waiters: BTreeMap::new(),
                joining: 0,
                next_id: 0,
            },
        });
        let settled = SharedDeferred {
            // For the stage below: waiters get the result also if all handles are dropped before.
            shared: shared.clone(),
        };
        // The result of this chain is `()`: there is no failure to report.
        self.add_both(move |result| settled.fire_waiters(result))
            .ignore();
        SharedDeferred { shared }
    }
}

impl<T: Clone + Send + Sync + 'static> SharedDeferred<T> {
    /// A Deferred of the result. It has the result at once if that is there already.
    ///
    /// If `T::clone` panics, the Deferred fails with [`Panicked`](crate::Panicked).
    #[track_caller]
    pub fn get(&self) -> Deferred<T> {
        let id = match Shared::with(&self.shared, |shared| shared.outcome.draw_id()) {
            Ok(id) => id,
            Err(result) => return Deferred::from(copy(&result)),
        };
        // Weak, because the state owns the trigger, and with it this canceller.
        let shared = Arc::downgrade(&self.shared);
        let (trigger, waiter) = Deferred::with_canceller(move |_trigger| leave(&shared, id));
        let late = Shared::with(&self.shared, |shared| shared.outcome.insert(id, trigger));
        if let Some((trigger, result)) = late {
            // It cannot have been fired before: only this function has the trigger.
            let _ = trigger.fire(copy(&result));
        }
        waiter
    }

    /// Whether the result has come.
    pub fn is_settled(&self) -> bool {
        Shared::with(&self.shared, |shared| {
            matches!(shared.outcome, Outcome::Settled { .. })
        })
    }

    /// Fires the waiters in order, with the result. Their callbacks may add waiters, which get
    /// the result at once, and cancel others, which then have left.
    fn fire_waiters(&self, result: Result<T>) {
        let result = Arc::new(result);
        let kept = Arc::clone(&result);
        let waiters = Shared::with(&self.shared, |shared| shared.outcome.set_result(kept));
        for trigger in waiters.into_values() {
            // Errs if a callback of an earlier waiter has cancelled this one.
            let _ = trigger.fire(copy(&result));
        }
    }
}

impl<T: Send + 'static> Outcome<T> {
    /// The id of a new waiter, or the result.
    fn draw_id(&mut self) -> std::result::Result<u64, Arc<Result<T>>> {
        match self {
            Self::Pending {
                joining, next_id, ..
            } => {
                *joining += 1;
                *next_id += 1;
                Ok(*next_id)
            }
            Self::Settled { result, is_seen } => {
                *is_seen = true;
                Err(Arc::clone(result))
            }
        }
    }

    /// Adds the waiter that has drawn `id`; gives it back if the result has come since.
    fn insert(&mut self, id: u64, trigger: Trigger<T>) -> Option<(Trigger<T>, Arc<Result<T>>)> {
        match self {
            Self::Pending {
                waiters, joining, ..
            } => {
                *joining -= 1;
                waiters.insert(id, trigger);
                None
            }
            Self::Settled { result, .. } => Some((trigger, Arc::clone(result))),
        }
    }

    /// Removes the waiter that was cancelled; tells whether it was the last one.
    fn remove(&mut self, id: u64) -> Option<(Trigger<T>, bool)> {
        match self {
            Self::Pending {
                waiters, joining, ..
            } => {
                let trigger = waiters.remove(&id)?;
                Some((trigger, waiters.is_empty() && *joining == 0))
            }
            Self::Settled { .. } => None,
        }
    }

    /// Notes the result; gives the waiters.
    fn set_result(&mut self, result: Arc<Result<T>>) -> BTreeMap<u64, Trigger<T>> {
        match self {
            Self::Pending {
                waiters, next_id, ..
            } => {
                let waiters = std::mem::take(waiters);
                // If all waiters have left, the failure is that of their own cancel.
                let is_seen = *next_id > 0;
                *self = Self::Settled { result, is_seen };
                waiters
            }
            Self::Settled { .. } => unreachable!("a chain has one result"),
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Drop for ShareState<T> {
    fn drop(&mut self) {
        if let Outcome::Settled { result, is_seen } = &self.outcome
            && !is_seen
            && let Err(failure) = &**result
        {
            // Dropping a failed Deferred reports its failure.
            drop(fail::<()>(failure.clone()));
        }
    }
}

/// Removes the waiter that was cancelled; cancels the shared Deferred if it was the last one.
fn leave<T: Clone + Send + Sync + 'static>(shared: &WeakShared<T>, id: u64) {
    let Some(shared) = shared.upgrade() else {
        return;
    };
    let left = Shared::with(&shared, |shared| {
        let (trigger, is_last) = shared.outcome.remove(id)?;
        Some((trigger, is_last.then(|| shared.chain.clone())))
    });
    if let Some((trigger, chain)) = left {
        drop_contained(trigger);
        if let Some(chain) = chain {
            chain.cancel();
        }
    }
}

/// A clone of the result; a panic of `T::clone` is a failure.
fn copy<T: Clone>(result: &Result<T>) -> Result<T> {
    match result {
        // `clone` is code of the user: a panic in it fails this waiter only.
        Ok(value) => Failure::catch(|| value.clone()),
        Err(failure) => Err(failure.clone()),
    }
}

impl<T: Clone + Send + Sync + 'static> Clone for SharedDeferred<T> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
        }
    }
}

impl<T: Clone + Send + Sync + 'static> fmt::Debug for SharedDeferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = Shared::with(&self.shared, |shared| match &shared.outcome {
            Outcome::Pending { waiters, .. } => Ok(waiters.len()),
            Outcome::Settled { result, .. } => Err(result.is_ok()),
        });
        let mut debug = f.debug_struct("SharedDeferred");
        match state {
            Ok(waiters) => debug.field("waiters", &waiters),
            Err(is_ok) => debug.field("is_ok", &is_ok),
        };
        debug.finish()
    }
}
