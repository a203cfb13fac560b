//! `SingleFlight`: equal questions share one answer while it is being found.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::rc::{Rc, Weak};

use crate::failure::Failure;
use crate::local::{Deferred, DeferredHandle, SharedDeferred, Trigger};

/// Calls in flight, by key: a call with the key of another one, whose result has not come yet,
/// shares its result instead of starting anew.
///
/// For lookups, downloads and other questions whose answer is the same for all that ask at the
/// same time. It is no cache: when the result is there, the next call starts anew. The clones refer
/// to the same calls. The name is that of Go's `singleflight`.
///
/// # Cancelling
///
/// Cancelling a Deferred that [`get`](Self::get) gave removes that waiter. If it was the last one,
/// the Deferred of `start` is cancelled, since no waiter wants its result.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, SingleFlight, Trigger};
/// use std::cell::RefCell;
///
/// let requests = RefCell::new(Vec::<Trigger<String>>::new());
/// let fetch = || {
///     let (trigger, page) = Deferred::pair();
///     requests.borrow_mut().push(trigger);
///     page
/// };
///
/// let pages = SingleFlight::new();
/// let (first, second) = (pages.get("/", fetch), pages.get("/", fetch));
/// let other = pages.get("/other", fetch);
/// assert_eq!(requests.borrow().len(), 2);
///
/// requests.borrow_mut().remove(0).callback("welcome".to_owned())?;
/// assert_eq!(first.into_result().unwrap()?, "welcome");
/// assert_eq!(second.into_result().unwrap()?, "welcome");
/// assert_eq!(pages.len(), 1);
/// # drop(requests);
/// # other.ignore();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SingleFlight<K, T: Clone + 'static> {
    calls: Rc<Calls<K, T>>,
}

struct Calls<K, T: Clone + 'static> {
    in_flight: RefCell<HashMap<K, Call<T>>>,
    next_id: Cell<u64>,
}

struct Call<T: Clone + 'static> {
    /// Tells this call from a later one with the same key.
    id: u64,
    /// What `start` returned; cancelled when the last waiter leaves.
    started: DeferredHandle,
    /// Fires `result`: with the result of `start`, or with the failure of `fail_all`.
    trigger: Trigger<T>,
    result: SharedDeferred<T>,
}

impl<K: Eq + Hash + Clone + 'static, T: Clone + 'static> SingleFlight<K, T> {
    /// A `SingleFlight` with no call in flight.
    pub fn new() -> Self {
        Self {
            calls: Rc::new(Calls {
                in_flight: RefCell::default(),
                next_id: Cell::default(),
            }),
        }
    }

    /// The result of the call in flight with this key. If there is none, `start` begins one.
    ///
    /// When a waiter gets the result, the call is no longer in flight: a `get` in its callback
    /// starts anew. So does a `get` that is made while the last waiter is being cancelled.
    ///
    /// # Errors
    ///
    /// The Deferred fails with the failure of the Deferred of `start`. All waiters share that
    /// failure.
    #[track_caller]
    pub fn get(&self, key: K, start: impl FnOnce() -> Deferred<T>) -> Deferred<T> {
        let in_flight = self.calls.in_flight.borrow();
        let shared = in_flight.get(&key).map(|call| call.result.clone());
        // Before `get` and `start`, which run code of the caller.
        drop(in_flight);
        if let Some(shared) = shared {
            return shared.get();
        }
        match start().into_result() {
            Ok(result) => Deferred::from(result),
            Err(pending) => self.share(key, pending),
        }
    }

    #[track_caller]
    fn share(&self, key: K, mut pending: Deferred<T>) -> Deferred<T> {
        let id = self.calls.next_id.replace(self.calls.next_id.get() + 1);
        let (calls, started, abandoned) =
            (Rc::downgrade(&self.calls), pending.handle(), key.clone());
        let (trigger, result) = Deferred::with_canceller(move |_| {
            // First: a call that the canceller of `start` makes starts anew.
            Calls::forget(&calls, &abandoned, id);
            started.cancel();
        });
        let result = result.share();
        let first = result.get();
        let call = Call {
            id,
            started: pending.handle(),
            trigger: trigger.clone(),
            result,
        };
        // `start` itself may have made a call with the same key. This one replaces it in the map;
        // the waiters of the other still get its result.
        let replaced = self.calls.in_flight.borrow_mut().insert(key.clone(), call);
        drop(replaced);
        let calls = Rc::downgrade(&self.calls);
        pending
            .add_both(move |result| {
                Calls::forget(&calls, &key, id);
                // Errs if all waiters have left or have failed: then nothing wants the result.
                let _ = trigger.fire(result);
            })
            .detach();
        first
    }

    /// Ends all calls in flight: the waiters of each get what `failure` makes, and the Deferreds of
    /// `start` are cancelled. For a client whose connection is gone. The waiters' callbacks run
    /// before this returns; a call that one of them makes starts anew.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::{Deferred, Failure, SingleFlight};
    ///
    /// let (_trigger, page) = Deferred::<String>::pair();
    /// let pages = SingleFlight::new();
    /// let waiting = pages.get("/", || page);
    /// pages.fail_all(|| Failure::msg("disconnected"));
    /// assert_eq!(waiting.into_result().unwrap().unwrap_err().to_string(), "disconnected");
    /// assert!(pages.is_empty());
    /// ```
    pub fn fail_all(&self, mut failure: impl FnMut() -> Failure) {
        // Taken first: a waiter that asks again while the others fail starts a new call.
        for call in self.calls.in_flight.take().into_values() {
            // Errs if a waiter of another call has cancelled this one; harmless.
            let _ = call.trigger.fire(Err(failure()));
            call.started.cancel();
        }
    }

    /// Number of calls in flight.
    pub fn len(&self) -> usize {
        self.calls.in_flight.borrow().len()
    }

    /// Whether no call is in flight.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Eq + Hash, T: Clone + 'static> Calls<K, T> {
    fn forget(this: &Weak<Self>, key: &K, id: u64) {
        let Some(this) = this.upgrade() else {
            return;
        };
        let mut in_flight = this.in_flight.borrow_mut();
        let forgotten = match in_flight.get(key) {
            Some(call) if call.id == id => in_flight.remove_entry(key),
            _ => None,
        };
        drop(in_flight);
        // Not while the map is borrowed: keys and waiters are values of the caller's.
        drop(forgotten);
    }
}

impl<K: Eq + Hash + Clone + 'static, T: Clone + 'static> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, T: Clone + 'static> Clone for SingleFlight<K, T> {
    fn clone(&self) -> Self {
        Self {
            calls: Rc::clone(&self.calls),
        }
    }
}

impl<K, T: Clone + 'static> fmt::Debug for SingleFlight<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight")
            .field("in_flight", &self.calls.in_flight.borrow().len())
            .finish_non_exhaustive()
    }
}
