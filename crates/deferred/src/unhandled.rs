//! What happens to a failure that nobody handled.
//!
//! It is told at once, when the end of the chain is let go of; there is no
//! collector to wait for. Who hears of it: the innermost hook of this thread,
//! else the hook of the process, else the log.

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::panic::Location;
use std::rc::Rc;
use std::sync::{Arc, RwLock};

use crate::contain::run_contained;
use crate::error::Abandoned;
use crate::failure::Failure;

/// A failure that reached the end of a chain which nobody holds any more.
///
/// # Examples
///
/// ```
/// use deferred::testing::capture_unhandled;
/// use deferred::{Failure, fail};
///
/// let ((), unhandled) = capture_unhandled(|| drop(fail::<()>(Failure::msg("lost"))));
/// let told = unhandled[0].to_string();
/// assert!(told.starts_with("unhandled failure in a deferred: lost\n"));
/// ```
#[derive(Clone)]
pub struct Unhandled {
    failure: Failure,
    made_at: Option<&'static Location<'static>>,
    /// Nobody could have waited for it.
    is_moot: bool,
}

impl Unhandled {
    pub(crate) fn new(
        failure: Failure,
        made_at: Option<&'static Location<'static>>,
        is_moot: bool,
    ) -> Self {
        Self {
            failure,
            made_at,
            is_moot,
        }
    }

    /// The failure.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::testing::capture_unhandled;
    /// use deferred::{Failure, fail};
    ///
    /// let ((), unhandled) = capture_unhandled(|| drop(fail::<()>(Failure::msg("lost"))));
    /// assert_eq!(unhandled[0].failure().message(), "lost");
    /// ```
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Where the chain was made, if it ever had to wait for its result.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::testing::capture_unhandled;
    /// use deferred::{Deferred, Failure};
    ///
    /// let ((), unhandled) = capture_unhandled(|| {
    ///     let (trigger, deferred) = Deferred::<()>::pair();
    ///     trigger.errback(Failure::msg("lost")).unwrap();
    ///     drop(deferred);
    /// });
    /// let place = unhandled[0].made_at().expect("it had to be fired");
    /// assert_eq!(place.line(), line!() - 5, "that of the `pair`");
    /// ```
    pub fn made_at(&self) -> Option<&'static Location<'static>> {
        self.made_at
    }

    /// Whether it is of little interest: the last trigger was dropped unfired,
    /// and nobody could have waited for it. Either nobody held the end of the
    /// chain any more, or a callback that was to wait for it was passed by, by a
    /// failure that is told in its own right.
    ///
    /// Such a one is logged at DEBUG level, the others at ERROR.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::testing::capture_unhandled;
    /// use deferred::{Deferred, Failure};
    ///
    /// let ((), unhandled) = capture_unhandled(|| {
    ///     let (trigger, deferred) = Deferred::<()>::pair();
    ///     deferred.detach();
    ///     drop(trigger); // nobody fires it, but nobody waits for it, either
    ///     let (trigger, deferred) = Deferred::<()>::pair();
    ///     deferred.detach();
    ///     trigger.errback(Failure::msg("lost")).unwrap();
    /// });
    /// assert!(unhandled[0].is_minor());
    /// assert!(!unhandled[1].is_minor());
    /// ```
    pub fn is_minor(&self) -> bool {
        self.is_moot && self.failure.downcast_ref::<Abandoned>().is_some()
    }

    /// Tells whoever listens.
    pub(crate) fn report(self) {
        let local = LOCAL.try_with(|hooks| hooks.borrow().last().cloned());
        if let Ok(Some(hook)) = local {
            return run_contained("the hook for unhandled failures", || hook(&self));
        }
        let global = GLOBAL.read().map(|hook| hook.clone());
        match global {
            Ok(Some(hook)) => run_contained("the hook for unhandled failures", || hook(&self)),
            _ => run_contained("the report of an unhandled failure", || self.log()),
        }
    }

    /// The default hook: one `tracing` event, and a word on standard error if
    /// no subscriber could have seen it.
    fn log(&self) {
        if self.is_minor() {
            tracing::debug!(target: "deferred", "{self}");
        } else {
            tracing::error!(target: "deferred", "{self}");
            if !tracing::dispatcher::has_been_set() {
                // If even that cannot be written, there is nobody to tell.
                let _ = writeln!(std::io::stderr(), "{self}");
            }
        }
    }
}

impl fmt::Display for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unhandled failure in a deferred: {:?}", self.failure)?;
        if let Some(place) = self.made_at {
            write!(f, "\n  the deferred was made at {place}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

type Hook = Arc<dyn Fn(&Unhandled) + Send + Sync>;
type LocalHook = Rc<dyn Fn(&Unhandled)>;

static GLOBAL: RwLock<Option<Hook>> = RwLock::new(None);

thread_local! {
    static LOCAL: RefCell<Vec<LocalHook>> = const { RefCell::new(Vec::new()) };
}

/// Calls `hook` for every unhandled failure of the process, in place of the log.
///
/// The hook runs on the thread that let go of the failure, inside the drop; a
/// panic in it is contained. [`reset_unhandled_hook`] undoes it.
///
/// # Examples
///
/// ```
/// use deferred::{Failure, fail, set_unhandled_hook, reset_unhandled_hook};
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::sync::Arc;
///
/// let count = Arc::new(AtomicUsize::new(0));
/// let counter = Arc::clone(&count);
/// set_unhandled_hook(move |_unhandled| {
///     counter.fetch_add(1, Ordering::Relaxed);
/// });
/// drop(fail::<()>(Failure::msg("nobody cares")));
/// assert_eq!(count.load(Ordering::Relaxed), 1);
/// reset_unhandled_hook();
/// ```
pub fn set_unhandled_hook(hook: impl Fn(&Unhandled) + Send + Sync + 'static) {
    replace_global(Some(Arc::new(hook)));
}

/// Goes back to the default: one `tracing` event per unhandled failure, and a
/// line on standard error if the process has no `tracing` subscriber.
///
/// # Examples
///
/// ```
/// use deferred::{Failure, fail, reset_unhandled_hook, set_unhandled_hook};
/// use std::sync::{Arc, Mutex};
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let sink = Arc::clone(&seen);
/// set_unhandled_hook(move |unhandled| {
///     sink.lock().unwrap().push(unhandled.failure().message());
/// });
/// drop(fail::<()>(Failure::msg("for the hook")));
/// reset_unhandled_hook();
/// drop(fail::<()>(Failure::msg("for the log")));
/// assert_eq!(*seen.lock().unwrap(), ["for the hook"]);
/// ```
pub fn reset_unhandled_hook() {
    replace_global(None);
}

fn replace_global(hook: Option<Hook>) {
    let old = match GLOBAL.write() {
        Ok(mut global) => std::mem::replace(&mut *global, hook),
        Err(_) => unreachable!("nothing of a user's runs under this lock"),
    };
    drop(old);
}

/// Runs `body` with `hook` called for every unhandled failure of this thread,
/// in place of any other hook and of the log.
///
/// # Examples
///
/// ```
/// use deferred::{Failure, fail, with_unhandled_hook};
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// let sink = Rc::clone(&seen);
/// with_unhandled_hook(
///     move |unhandled| sink.borrow_mut().push(unhandled.failure().message()),
///     || drop(fail::<()>(Failure::msg("lost"))),
/// );
/// assert_eq!(*seen.borrow(), ["lost"]);
/// ```
pub fn with_unhandled_hook<R>(hook: impl Fn(&Unhandled) + 'static, body: impl FnOnce() -> R) -> R {
    struct Popped;
    impl Drop for Popped {
        fn drop(&mut self) {
            let hook = LOCAL.with(|hooks| hooks.borrow_mut().pop());
            drop(hook);
        }
    }
    LOCAL.with(|hooks| hooks.borrow_mut().push(Rc::new(hook)));
    let _popped = Popped;
    body()
}
