//! Unhandled failures: their reports, and hooks that receive them.
//!
//! A failure is reported when it reaches the end of a chain whose Deferred was dropped, or when
//! the Deferred that holds it is dropped. The report goes to the first of these that exists:
//!
//! 1. the innermost hook of this thread ([`with_hook`]);
//! 2. [`capture_unhandled_anywhere`](crate::assertions::capture_unhandled_anywhere), in a test;
//! 3. the hook of the process ([`set_hook`]);
//! 4. `tracing`, as one event; without a subscriber, standard error (see [`reset_hook`]).
//!
//! Hooks and subscribers may leave failures unhandled themselves. A report from inside a hook
//! goes to the log, and one from inside the log to standard error, so that no report calls
//! itself.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::Abandoned;
use crate::event::FailureEvent;
use crate::failure::Failure;
use crate::panics::{drop_contained, run_contained};

/// A failure that reached the end of its chain, whose Deferred was dropped before or after that.
///
/// # Examples
///
/// ```
/// use deferred::assertions::capture_unhandled;
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
    /// Whether no consumer could have waited for the failed Deferred: see `is_minor`.
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
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// The place where the Deferred was made; `None` if it was made with its result, as by
    /// [`fail`](crate::fail).
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::assertions::capture_unhandled;
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

    /// Whether the failure is minor:
    ///
    /// - The last trigger was dropped unfired, and no consumer could have waited for the
    ///   Deferred: either the Deferred was dropped before, or it was inside of a callback that an
    ///   earlier failure skipped, and that failure has a report of its own.
    /// - The Deferred was a part of another one, such as that of
    ///   [`gather_results`](crate::gather_results), or a body of
    ///   [`inline_callbacks`](crate::inline_callbacks) awaited it; and that Deferred or body was
    ///   cancelled, as its own result shows.
    ///
    /// Minor failures are logged at DEBUG level, the others at ERROR.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::assertions::capture_unhandled;
    /// use deferred::{Deferred, Failure};
    ///
    /// let ((), unhandled) = capture_unhandled(|| {
    ///     let (trigger, deferred) = Deferred::<()>::pair();
    ///     deferred.detach();
    ///     drop(trigger); // abandoned, but no consumer is left
    ///     let (trigger, deferred) = Deferred::<()>::pair();
    ///     deferred.detach();
    ///     trigger.errback(Failure::msg("lost")).unwrap();
    /// });
    /// assert!(unhandled[0].is_minor());
    /// assert!(!unhandled[1].is_minor());
    /// ```
    pub fn is_minor(&self) -> bool {
        (self.is_moot && self.failure.downcast_ref::<Abandoned>().is_some())
            || self.failure.is_from_enclosing_cancel()
    }

    /// Reports the failure, unless `log_error` has logged it.
    pub(crate) fn report(self) {
        if self.failure.is_logged() {
            return;
        }
        // The report that this one runs inside of, if any.
        let outer = Reporting::current();
        if outer < Reporting::InHook && self.call_hook() {
            return;
        }
        let level = if outer < Reporting::InLog {
            Reporting::InLog
        } else {
            Reporting::InPrint
        };
        let _entered = Reporting::enter(level);
        run_contained("the report of an unhandled failure", || match outer {
            Reporting::Not | Reporting::InHook => self.event().log(),
            Reporting::InLog => self.event().print(),
            // The `Display` of the printed failure has left this one unhandled. It is not
            // printed, because its own `Display` could do the same, without end.
            Reporting::InPrint => {}
        });
    }

    /// Calls the hook; returns whether there is one.
    fn call_hook(&self) -> bool {
        let _entered = Reporting::enter(Reporting::InHook);
        let call = |hook: &dyn Fn(&Self)| {
            run_contained("the hook for unhandled failures", || hook(self));
        };
        // Errs at the end of the thread, when its hooks are gone; then the hooks of the process
        // are called.
        let local = LOCAL.try_with(|hooks| hooks.borrow().last().cloned());
        if let Ok(Some(hook)) = local {
            call(&*hook);
            return true;
        }
        // Cloned: no lock is held while a hook runs, since the hook may set another one.
        let hooks = read_global(|global| match &*global.captures {
            [] => global.hook.iter().cloned().collect(),
            captures => captures.to_vec(),
        });
        for hook in &hooks {
            call(&**hook);
        }
        !hooks.is_empty()
    }

    fn event(&self) -> FailureEvent<'_> {
        FailureEvent {
            what: "unhandled failure in a deferred",
            failure: &self.failure,
            made_at: self.made_at,
            logged_by: None,
            is_minor: self.is_minor(),
        }
    }
}

/// The kind of report that this thread is making; an inner one compares greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reporting {
    Not,
    InHook,
    InLog,
    InPrint,
}

thread_local! {
    static REPORTING: Cell<Reporting> = const { Cell::new(Reporting::Not) };
}

impl Reporting {
    fn current() -> Self {
        REPORTING.get()
    }

    /// Sets the level until the guard is dropped.
    fn enter(level: Self) -> Entered {
        let outer = REPORTING.replace(level);
        Entered { outer }
    }
}

struct Entered {
    outer: Reporting,
}

impl Drop for Entered {
    fn drop(&mut self) {
        REPORTING.set(self.outer);
    }
}

impl fmt::Display for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.event(), f)
    }
}

impl fmt::Debug for Unhandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

type Hook = Arc<dyn Fn(&Unhandled) + Send + Sync>;
type LocalHook = Rc<dyn Fn(&Unhandled)>;

/// Hooks of the process.
struct Global {
    hook: Option<Hook>,
    /// Hooks of [`capture_everywhere`]; they replace `hook` while there are any.
    captures: Vec<Hook>,
}

static GLOBAL: RwLock<Global> = RwLock::new(Global {
    hook: None,
    captures: Vec::new(),
});

thread_local! {
    static LOCAL: RefCell<Vec<LocalHook>> = const { RefCell::new(Vec::new()) };
}

/// Calls `hook` for every unhandled failure of the process, in place of the log.
///
/// The hook runs on the thread that drops the failure, inside the drop. A panic in it is
/// contained. Failures that it leaves unhandled itself go to the log.
///
/// # WebAssembly
///
/// On `wasm32-unknown-unknown` there is no standard error: without a hook, and without a
/// `tracing` subscriber, an unhandled failure goes **nowhere**. This line, at the start of
/// the program, sends it to the console of the browser or of Node.js (with the crate
/// `web-sys` and its feature `console`):
///
/// ```
/// # mod web_sys {
/// #     pub mod console { pub fn error_1(_: &super::JsValue) {} }
/// #     pub struct JsValue;
/// #     impl From<String> for JsValue { fn from(_: String) -> Self { Self } }
/// # }
/// deferred::unhandled::set_hook(|unhandled| web_sys::console::error_1(&unhandled.to_string().into()));
/// # deferred::unhandled::reset_hook();
/// ```
///
/// # Examples
///
/// ```
/// use deferred::unhandled::{reset_hook, set_hook};
/// use deferred::{Failure, fail};
/// use std::sync::atomic::{AtomicUsize, Ordering};
/// use std::sync::Arc;
///
/// let count = Arc::new(AtomicUsize::new(0));
/// let counter = Arc::clone(&count);
/// set_hook(move |_unhandled| {
///     counter.fetch_add(1, Ordering::Relaxed);
/// });
/// drop(fail::<()>(Failure::msg("lost")));
/// assert_eq!(count.load(Ordering::Relaxed), 1);
/// reset_hook();
/// ```
#[doc(alias = "set_unhandled_hook")]
#[doc(alias = "unhandledrejection")]
pub fn set_hook(hook: impl Fn(&Unhandled) + Send + Sync + 'static) {
    replace_global(Some(Arc::new(hook)));
}

/// Restores the default: one `tracing` event per unhandled failure; if the process has no
/// `tracing` subscriber, the error and all fields below go to standard error.
/// (`wasm32-unknown-unknown` has no standard error: see [`set_hook`].)
///
/// The event is at ERROR level, or at DEBUG level if the failure is
/// [minor](Unhandled::is_minor). It has the target `deferred`, and these fields, each on one
/// line, as far as they are known: `error` (the error and what caused it), `raised_at`,
/// `made_at` (where the Deferred was made), `stage_trace` (the stages that the failure has passed).
/// If `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` turns backtraces on, there is a field `backtrace`.
///
/// # Examples
///
/// ```
/// use deferred::unhandled::{reset_hook, set_hook};
/// use deferred::{Failure, fail};
/// use std::sync::{Arc, Mutex};
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let sink = Arc::clone(&seen);
/// set_hook(move |unhandled| {
///     sink.lock().unwrap().push(unhandled.failure().message());
/// });
/// drop(fail::<()>(Failure::msg("for the hook")));
/// reset_hook();
/// drop(fail::<()>(Failure::msg("for the log")));
/// assert_eq!(*seen.lock().unwrap(), ["for the hook"]);
/// ```
pub fn reset_hook() {
    replace_global(None);
}

fn replace_global(hook: Option<Hook>) {
    // Dropped without the lock: the hook may own values of the user.
    let replaced = change_global(|global| std::mem::replace(&mut global.hook, hook));
    drop_contained(replaced);
}

/// No user code runs under this lock, so it is never poisoned.
fn read_global<R>(f: impl FnOnce(&Global) -> R) -> R {
    f(&GLOBAL.read().unwrap_or_else(PoisonError::into_inner))
}

fn change_global<R>(f: impl FnOnce(&mut Global) -> R) -> R {
    f(&mut GLOBAL.write().unwrap_or_else(PoisonError::into_inner))
}

/// Runs `body` with `hook` called for every unhandled failure of this thread, and of all
/// threads that have no hook of their own.
pub(crate) fn capture_everywhere<R>(
    hook: impl Fn(&Unhandled) + Send + Sync + 'static,
    body: impl FnOnce() -> R,
) -> R {
    struct Captured(Hook);
    impl Drop for Captured {
        fn drop(&mut self) {
            change_global(|global| {
                global.captures.retain(|hook| !Arc::ptr_eq(hook, &self.0));
            });
        }
    }
    let hook: Hook = Arc::new(hook);
    change_global(|global| global.captures.push(Arc::clone(&hook)));
    let captured = Captured(hook);
    let of_this_thread = Arc::clone(&captured.0);
    with_hook(move |unhandled| of_this_thread(unhandled), body)
}

/// Runs `body` with `hook` called for every unhandled failure of this thread, in place of any
/// other hook and of the log. Failures that `hook` leaves unhandled itself go to the log.
///
/// # Examples
///
/// ```
/// use deferred::unhandled::with_hook;
/// use deferred::{Failure, fail};
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// let seen = Rc::new(RefCell::new(Vec::new()));
/// let sink = Rc::clone(&seen);
/// with_hook(
///     move |unhandled| sink.borrow_mut().push(unhandled.failure().message()),
///     || drop(fail::<()>(Failure::msg("lost"))),
/// );
/// assert_eq!(*seen.borrow(), ["lost"]);
/// ```
pub fn with_hook<R>(hook: impl Fn(&Unhandled) + 'static, body: impl FnOnce() -> R) -> R {
    let _hooked = Hooked::new(Rc::new(hook));
    body()
}

/// A hook of this thread, set until this is dropped.
pub(crate) struct Hooked {
    // Dropped first.
    _entered: Entered,
    _popped: Popped,
}

impl Hooked {
    pub(crate) fn new(hook: LocalHook) -> Self {
        LOCAL.with(|hooks| hooks.borrow_mut().push(hook));
        let popped = Popped;
        Self {
            // If a hook calls this, reports of the body still go to the new hook.
            _entered: Reporting::enter(Reporting::Not),
            _popped: popped,
        }
    }
}

/// Takes the last hook of this thread when it is dropped.
struct Popped;

impl Drop for Popped {
    fn drop(&mut self) {
        let hook = LOCAL.with(|hooks| hooks.borrow_mut().pop());
        drop_contained(hook);
    }
}
