//! `defer_later` and `sleep`: Deferreds that a clock fires.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::clock::Clock;
use super::timer_queue::DelayedCall;
use crate::local::Deferred;
use crate::local::Outcome;

/// Calls `f` after `delay` on `clock`; the result is the outcome of `f`.
///
/// Cancelling the Deferred before that cancels the call: `f` is dropped uncalled, and the Deferred
/// fails with [`Cancelled`](crate::Cancelled). If the clock ends first, it fails with
/// [`Abandoned`](crate::Abandoned).
///
/// # Examples
///
/// ```
/// use deferred::{Cancelled, VirtualClock, defer_later};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// let tea = defer_later(&clock, Duration::from_secs(180), || Ok("tea"));
/// let coffee = defer_later(&clock, Duration::from_secs(60), || Ok("coffee"));
/// coffee.cancel();
/// clock.advance(Duration::from_secs(200));
/// assert_eq!(tea.into_result().unwrap().unwrap(), "tea");
/// assert!(coffee.into_result().unwrap().unwrap_err().is::<Cancelled>());
/// ```
#[track_caller]
#[doc(alias = "deferLater")]
pub fn defer_later<C, F, O>(clock: &C, delay: Duration, f: F) -> Deferred<O::Value>
where
    C: Clock + ?Sized,
    F: FnOnce() -> O + 'static,
    O: Outcome,
{
    let scheduled = Rc::new(Cell::new(None::<DelayedCall>));
    let to_cancel = Rc::clone(&scheduled);
    let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
        if let Some(call) = to_cancel.take() {
            call.cancel();
        }
    });
    let call = clock.schedule(
        delay,
        Box::new(move || {
            // Errs if the Deferred was cancelled; harmless.
            let _ = trigger.callback(());
        }),
    );
    // After the call is scheduled, so a cancel finds it; the Deferred is not given out before.
    scheduled.set(Some(call));
    deferred.add_callback(move |()| f())
}

/// Waits for `delay` on `clock`. It is [`defer_later`] without a function.
///
/// # Examples
///
/// ```
/// use deferred::{VirtualClock, sleep};
/// use std::time::Duration;
///
/// async fn blink(clock: VirtualClock) -> deferred::Result<&'static str> {
///     println!("on");
///     sleep(&clock, Duration::from_millis(500)).await?;
///     Ok("off")
/// }
///
/// let clock = VirtualClock::new();
/// let slept = sleep(&clock, Duration::from_millis(500));
/// clock.advance(Duration::from_millis(500));
/// slept.into_result().unwrap().unwrap();
/// ```
#[track_caller]
#[doc(alias = "delay")]
pub fn sleep<C: Clock + ?Sized>(clock: &C, delay: Duration) -> Deferred<()> {
    defer_later(clock, delay, || Ok(()))
}
