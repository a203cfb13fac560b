//! Results that are not there yet, with a chain of callback/errback **pairs** over
//! each: Twisted's Deferred, in Rust.
//!
//! ```
//! use deferred::Deferred;
//!
//! let (trigger, deferred) = Deferred::pair();
//!
//! // Say what is to be done with the result ...
//! let page = deferred
//!     .add_callback(|text: String| Ok(text.trim().parse::<u32>()?))
//!     .add_callback(|number| Ok(format!("{number} visitors")))
//!     .add_errback(|failure| Ok(format!("nobody counted: {failure}")));
//!
//! // ... and, whenever it comes, give it.
//! trigger.callback(" 42 \n".to_owned())?;
//! assert_eq!(page.into_result().unwrap()?, "42 visitors");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! There is no loop in this crate, no thread, no executor and no system call. It
//! works wherever something calls back: in a GUI or game loop, in a protocol
//! library, under any async runtime, and in the `reactor` crate beside it.
//!
//! # The parts
//!
//! - [`Deferred`] is the consuming end: callbacks are added to it. It moves through
//!   the `add` methods, so the type of the result is checked at every stage.
//! - [`Trigger`] is the firing end. Firing twice is an [`AlreadyCalled`] error,
//!   which hands the value back.
//! - [`succeed`], [`fail`] and [`maybe_deferred`] make Deferreds that have their
//!   result.
//! - [`Failure`] is any error on its way through a chain, with the place it was
//!   raised at and the stages it passed. `?` makes one of every error.
//! - [`DeferredHandle`] and [`Pause`] act on a Deferred that has moved on.
//! - [`Clock`], [`defer_later`], [`TimerQueue`] and [`VirtualClock`] are time,
//!   without saying whose.
//! - [`DeferredList`], [`gather_results`], [`race`] and [`settled`] make several
//!   Deferreds one.
//! - [`DeferredLock`], [`DeferredSemaphore`] and [`DeferredQueue`] say who may go
//!   next.
//! - A failure that nobody handles is reported when it is let go of: see
//!   [`set_unhandled_hook`].
//!
//! # Recipes
//!
//! ## Recover from one kind of error, pass the others on
//!
//! ```
//! use deferred::{Cancelled, Deferred};
//!
//! let (_trigger, deferred) = Deferred::<u32>::pair();
//! deferred.cancel();
//! let count = deferred.add_errback(|failure| {
//!     failure.trap::<Cancelled>()?;
//!     Ok(0)
//! });
//! assert_eq!(count.into_result().unwrap().unwrap(), 0);
//! ```
//!
//! ## Wait for another Deferred in the middle of a chain
//!
//! Return it: the chain goes on when it has its result, with that result.
//!
//! ```
//! use deferred::{Deferred, succeed};
//!
//! let (trigger, answer) = Deferred::pair();
//! let chain = succeed("question")
//!     .add_callback(move |_question| answer)
//!     .add_callback(|answer: &str| Ok(answer.len()));
//! trigger.callback("answer").unwrap();
//! assert_eq!(chain.into_result().unwrap().unwrap(), 6);
//! ```
//!
//! ## Do something in any case, and leave the result as it is
//!
//! ```
//! use deferred::succeed;
//!
//! let deferred = succeed(1).add_both(|result| {
//!     println!("the connection is given back");
//!     result
//! });
//! # deferred.ignore();
//! ```
//!
//! ## Let the work be stopped
//!
//! ```
//! use deferred::{Cancelled, Deferred};
//! use std::cell::Cell;
//! use std::rc::Rc;
//!
//! let is_stopped = Rc::new(Cell::new(false));
//! let stop = Rc::clone(&is_stopped);
//! let (_trigger, download) = Deferred::<Vec<u8>>::with_canceller(move |_trigger| {
//!     stop.set(true);
//! });
//! download.cancel();
//! assert!(is_stopped.get());
//! assert!(download.into_result().unwrap().unwrap_err().is::<Cancelled>());
//! ```
//!
//! ## Test what takes time, without taking it
//!
//! ```
//! use deferred::{VirtualClock, defer_later};
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let report = defer_later(&clock, Duration::from_secs(3600), || Ok("an hour has passed"));
//! clock.advance(Duration::from_secs(3600));
//! assert_eq!(report.into_result().unwrap().unwrap(), "an hour has passed");
//! ```
//!
//! ## Await it
//!
//! ```
//! use deferred::Deferred;
//!
//! async fn sum(a: Deferred<i32>, b: Deferred<i32>) -> deferred::Result<i32> {
//!     Ok(a.await? + b.await?)
//! }
//! ```
//!
//! # What runs when
//!
//! - Firing runs the callbacks that were added so far, before it returns. Adding to
//!   a Deferred that has its result runs the callback before the add returns.
//! - Runs of one Deferred never nest: what is added from inside its own callback
//!   waits until that returns. Runs of different Deferreds do: a callback that
//!   fires another one has that one's callbacks run inside it.
//! - However many Deferreds wait for one another, the stack does not grow. It does
//!   when callbacks fire further Deferreds themselves, as with any function that
//!   calls another; locks, semaphores and queues see to that it stays bounded with
//!   them. Values inside values are dropped as Rust drops them.
//! - A panic in a callback becomes a [`Failure`] for the next errback
//!   ([`Panicked`]); with `panic = "abort"` nothing can be caught.
//!
//! # Where it differs from Twisted
//!
//! - The end of a chain has one owner. A Deferred that was returned from a callback
//!   or chained cannot be added to behind anybody's back.
//! - Pauses are tokens, so a stray unpause cannot release somebody else's; waiting
//!   is not a pause.
//! - A returned Deferred that is in the middle of its own callbacks is waited for.
//! - A Deferred that would wait for itself fails with [`WaitCycle`].
//! - One whose triggers are all gone fails with [`Abandoned`].
//! - Unhandled failures are reported at once, also those that a paused Deferred
//!   held.
//! - What goes into a combination moves there, failures too: one that the combined
//!   result holds was handled. The first value of nothing, or of failures only, is a
//!   [`FailureGroup`] and neither a list nor silence.
//! - What was acquired is a guard, which gives it back when it is dropped.
//!
#![doc(test(attr(deny(warnings), allow(dead_code))))]

mod catch;
mod chain;
mod combine;
mod contain;
mod coordinate;
mod deferred;
mod error;
mod failure;
mod future;
#[cfg(doctest)]
mod guide;
mod handle;
mod inline_callbacks;
mod log_error;
mod outcome;
mod pair;
mod ready;
mod state;
#[cfg(feature = "sync")]
pub mod sync;
mod time;
mod trail;
mod trigger;
mod unhandled;

pub use self::combine::{DeferredList, FailureGroup, FirstError, gather_results, race, settled};
pub use self::coordinate::{
    DeferredLock, DeferredQueue, DeferredSemaphore, LockGuard, Permit, QueueOverflow,
    QueueUnderflow, ZeroTokens,
};
pub use self::deferred::Deferred;
pub use self::error::{Abandoned, AlreadyCalled, Cancelled, Panicked, ResultTaken, WaitCycle};
pub use self::failure::{Failure, Result};
pub use self::handle::{DeferredHandle, Pause};
pub use self::inline_callbacks::{inline_callbacks, reset_wake_hook, run_woken, set_wake_hook};
pub use self::outcome::Outcome;
pub use self::ready::{fail, maybe_deferred, succeed};
pub use self::state::State;
pub use self::time::{
    Clock, CooperativeTask, Cooperator, CooperatorStopped, DelayedCall, DelayedCallError,
    LoopingCall, LoopingCallError, NotPaused, TaskFinished, TaskStopped, TimedOut, TimerQueue,
    VirtualClock, defer_later, sleep,
};
pub use self::trail::Trail;
pub use self::trigger::{Trigger, WeakTrigger};
pub use self::unhandled::{
    Unhandled, reset_unhandled_hook, set_unhandled_hook, with_unhandled_hook,
};
