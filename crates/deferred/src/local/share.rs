//! `SharedDeferred`: one result for any number of waiters.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::{Rc, Weak};

use super::deferred::Deferred;
use super::handle::DeferredHandle;
use super::ready::fail;
use super::trigger::Trigger;
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
/// shared Deferred is cancelled, since its result is of no use to anything. Dropping a
/// waiter's Deferred does not cancel it, as with any Deferred: see
/// [`cancel_on_drop`](Deferred::cancel_on_drop).
///
/// # Unhandled failures
///
/// A failure that no waiter ever got is reported when the last clone of the
/// `SharedDeferred` is dropped.
///
/// # Examples
///
/// Requests for the same page, while it is being fetched, wait for the same answer:
///
/// ```
/// use deferred::{Deferred, SharedDeferred, Trigger};
/// use std::cell::RefCell;
/// use std::collections::HashMap;
/// use std::rc::Rc;
///
/// #[derive(Clone, Default)]
/// struct Pages {
///     in_flight: Rc<RefCell<HashMap<String, SharedDeferred<String>>>>,
///     requests: Rc<RefCell<Vec<Trigger<String>>>>,
/// }
///
/// impl Pages {
///     fn get(&self, path: &str) -> Deferred<String> {
///         if let Some(page) = self.in_flight.borrow().get(path) {
///             return page.get();
///         }
///         let (pages, key) = (self.clone(), path.to_owned());
///         let page = self.fetch().add_both(move |page| {
///             pages.in_flight.borrow_mut().remove(&key);
///             page
///         });
///         let page = page.share();
///         self.in_flight.borrow_mut().insert(path.to_owned(), page.clone());
///         page.get()
///     }
///
///     fn fetch(&self) -> Deferred<String> {
///         let (trigger, page) = Deferred::pair();
///         self.requests.borrow_mut().push(trigger);
///         page
///     }
/// }
///
/// let pages = Pages::default();
/// let (first, second) = (pages.get("/"), pages.get("/"));
/// let request = pages.requests.borrow_mut().pop().unwrap();
/// assert!(pages.requests.borrow().is_empty(), "there was one request");
/// request.callback("welcome".to_owned())?;
/// assert_eq!(first.into_result().unwrap()?, "welcome");
/// assert_eq!(second.into_result().unwrap()?, "welcome");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedDeferred<T: Clone + 'static> {
    shared: Rc<Shared<T>>,
}

struct Shared<T: Clone + 'static> {
    /// Refers to the chain that was shared; weak.
    source: DeferredHandle,
    outcome: RefCell<Outcome<T>>,
}

/// What is known of the result.
enum Outcome<T: 'static> {
    /// It has not come. The waiters, in the order in which they asked.
    Pending {
        waiters: BTreeMap<u64, Trigger<T>>,
        next_id: u64,
    },
    /// It has come. Behind an `Rc`, so that a clone of it runs `T::clone` while nothing is
    /// borrowed. `is_seen`: a waiter got it, or all of them had left.
    Settled {
        result: Rc<Result<T>>,
        is_seen: bool,
    },
}

impl<T: Clone + 'static> Deferred<T> {
    /// Shares the result among any number of waiters: each
    /// [`get`](SharedDeferred::get) is one.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Deferred;
    ///
    /// let (trigger, config) = Deferred::pair();
    /// let config = config.share();
    /// let name = config.get().add_callback(|text: &str| Ok(text.len()));
    /// let copy = config.get();
    /// trigger.callback("verbose").unwrap();
    /// assert_eq!(name.into_result().unwrap().unwrap(), 7);
    /// assert_eq!(copy.into_result().unwrap().unwrap(), "verbose");
    /// ```
    #[track_caller]
    pub fn share(mut self) -> SharedDeferred<T> {
        let shared = Rc::new(Shared {
            source: self.handle(),
            outcome: RefCell::new(Outcome::Pending {
                waiters: BTreeMap::new(),
                next_id: 0,
            }),
        });
        let settled = Rc::clone(&shared);
        // Its result is `()`: there is nothing to report.
        self.add_both(move |result| settled.settle(result)).ignore();
        SharedDeferred { shared }
    }
}

impl<T: Clone + 'static> SharedDeferred<T> {
    /// A Deferred of the result: one that has it, if it has come.
    ///
    /// If `T::clone` panics, the Deferred fails with [`Panicked`](crate::Panicked).
    ///
    /// # Examples
    ///
    /// The last waiter that is cancelled cancels what they waited for:
    ///
    /// ```
    /// use deferred::{Cancelled, Deferred};
    ///
    /// let (trigger, page) = Deferred::<String>::pair();
    /// let page = page.share();
    /// let (first, second) = (page.get(), page.get());
    /// first.cancel();
    /// assert!(!trigger.is_fired(), "the second one still waits");
    /// second.cancel();
    /// assert!(trigger.is_fired());
    /// for waiter in [first, second, page.get()] {
    ///     assert!(waiter.into_result().unwrap().unwrap_err().is::<Cancelled>());
    /// }
    /// ```
    #[track_caller]
    pub fn get(&self) -> Deferred<T> {
        let id = match &mut *self.shared.outcome.borrow_mut() {
            Outcome::Pending { next_id, .. } => {
                *next_id += 1;
                Ok(*next_id)
            }
            Outcome::Settled { result, is_seen } => {
                *is_seen = true;
                Err(Rc::clone(result))
            }
        };
        let id = match id {
            Ok(id) => id,
            Err(result) => return Deferred::from(copy(&result)),
        };
        let shared = Rc::downgrade(&self.shared);
        let (trigger, waiter) = Deferred::with_canceller(move |_| leave(&shared, id));
        if let Outcome::Pending { waiters, .. } = &mut *self.shared.outcome.borrow_mut() {
            waiters.insert(id, trigger);
        }
        waiter
    }

    /// Whether the result has come.
    ///
    /// # Examples
    ///
    /// ```
    /// let (trigger, deferred) = deferred::Deferred::pair();
    /// let shared = deferred.share();
    /// assert!(!shared.is_settled());
    /// trigger.callback(1).unwrap();
    /// assert!(shared.is_settled());
    /// ```
    pub fn is_settled(&self) -> bool {
        matches!(&*self.shared.outcome.borrow(), Outcome::Settled { .. })
    }
}

impl<T: Clone + 'static> Shared<T> {
    /// The result has come: fires the waiters in order. What they call may add waiters,
    /// which get the result at once, and cancel others, which then have left.
    fn settle(&self, result: Result<T>) {
        let result = Rc::new(result);
        let settled = Outcome::Settled {
            result: Rc::clone(&result),
            is_seen: false,
        };
        let Outcome::Pending { waiters, next_id } = self.outcome.replace(settled) else {
            return; // a chain has one result
        };
        // All of those that asked have left: the failure is the cancel that they wanted.
        let had_waiters = next_id > 0;
        if let Outcome::Settled { is_seen, .. } = &mut *self.outcome.borrow_mut() {
            *is_seen = had_waiters;
        }
        for trigger in waiters.into_values() {
            // Errs if the waiter was cancelled by one before it.
            let _ = trigger.fire(copy(&result));
        }
    }
}

impl<T: Clone + 'static> Drop for Shared<T> {
    fn drop(&mut self) {
        if let Outcome::Settled { result, is_seen } = self.outcome.get_mut()
            && !*is_seen
            && let Err(failure) = &**result
        {
            // Dropping a failed Deferred reports its failure.
            drop(fail::<()>(failure.clone()));
        }
    }
}

/// Removes a waiter that was cancelled; cancels the source if it was the last one.
fn leave<T: Clone + 'static>(shared: &Weak<Shared<T>>, id: u64) {
    let Some(shared) = shared.upgrade() else {
        return;
    };
    let (trigger, is_last) = match &mut *shared.outcome.borrow_mut() {
        Outcome::Pending { waiters, .. } => (waiters.remove(&id), waiters.is_empty()),
        Outcome::Settled { .. } => return,
    };
    drop_contained(trigger);
    if is_last {
        shared.source.cancel();
    }
}

/// A clone of the result, made while nothing is borrowed.
fn copy<T: Clone>(result: &Result<T>) -> Result<T> {
    match result {
        Ok(value) => Failure::catch(|| value.clone()),
        Err(failure) => Err(failure.clone()),
    }
}

impl<T: Clone + 'static> Clone for SharedDeferred<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Rc::clone(&self.shared),
        }
    }
}

impl<T: Clone + 'static> fmt::Debug for SharedDeferred<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("SharedDeferred");
        match &*self.shared.outcome.borrow() {
            Outcome::Pending { waiters, .. } => debug.field("waiters", &waiters.len()),
            Outcome::Settled { result, .. } => debug.field("is_ok", &result.is_ok()),
        };
        debug.finish()
    }
}
