//! Twisted's Deferred for Rust: callbacks and errbacks over a result that is not there yet,
//! without an executor.
//!
//! Use it where something *calls back*: a protocol, a GUI or game loop, a C library, a plugin.
//! A function returns a [`Deferred`] at once; its caller adds callbacks and errbacks in
//! **pairs**, and whatever finishes the work fires it.
//!
//! ```
//! use deferred::Deferred;
//!
//! let (trigger, deferred) = Deferred::pair();
//!
//! // The consumer adds what is to be done with the result ...
//! let page = deferred
//!     .add_callback(|text: String| Ok(text.trim().parse::<u32>()?))
//!     .add_callback(|number| Ok(format!("{number} visitors")))
//!     .add_errback(|failure| Ok(format!("no count: {failure}")));
//!
//! // ... and the producer fires it.
//! trigger.callback(" 42 \n".to_owned())?;
//! assert_eq!(page.into_result().unwrap()?, "42 visitors");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What you get
//!
//! - **A known order.** Firing runs the callbacks before it returns, in the order in which
//!   they were added. There is no executor, no thread, no `Send` bound and no system call.
//! - **Errors with a story.** `?` makes a [`Failure`] of any error. It keeps the place where
//!   it was raised and the stages that it passed. A failure that no errback handles is
//!   [reported](unhandled), never lost.
//! - **No wait for ever**, where that can be known: a dropped [`Trigger`] fails its Deferred
//!   with [`Abandoned`], one that would wait for itself fails with
//!   [`WaitCycle`](errors::WaitCycle).
//! - **Cancelling and timeouts** that reach the work: [`Deferred::cancel`],
//!   [`Deferred::start`], [`Deferred::add_timeout`].
//! - **Tests without sleeps**: a [`VirtualClock`] and [`assertions`].
//! - **Both ways to `async`**: a Deferred is a future, and [`inline_callbacks`] runs an
//!   `async` body as a Deferred.
//!
//! The crate is not for you if all your code is `async` already and one executor runs it.
//!
//! # What you need first
//!
//! | for | see |
//! |---|---|
//! | a result and its producer | [`Deferred`], [`Trigger`], [`succeed`], [`fail`], [`maybe_deferred`] |
//! | return values of callbacks | [`Outcome`], [`Deferred::flatten`], [`Deferred::map_ok`] |
//! | errors | [`Failure`], [`Result`], [`errors`], [`unhandled`] |
//! | several Deferreds | [`gather`], [`gather_results`], [`race`], [`settled`], [`DeferredList`] |
//! | one result for many | [`Deferred::share`] |
//! | cancelling | [`Deferred::cancel`], [`Deferred::start`], [`DeferredHandle`], [`CancelOnDrop`] |
//! | time | [`Clock`], [`sleep`], [`Deferred::add_timeout`], [`LoopingCall`], [`Cooperator`] |
//! | locks and queues | [`DeferredLock`], [`DeferredSemaphore`], [`DeferredQueue`] |
//! | `async` bodies | [`inline_callbacks`] |
//! | several threads | `deferred::sync`, with the feature `sync` |
//! | a loop of your own | [`TimerQueue`], [`driver`] |
//! | tests | [`VirtualClock`], [`assertions`] |
//!
//! The guide in `docs/` of the repository teaches the idea from zero, with pictures;
//! `docs/words.md` lists the terms, with those of Twisted and Tokio; `docs/your-own-loop.md` joins
//! the crate to Tokio, calloop, a game loop or a browser. The pages "Coming from
//! Twisted", "Coming from async/await" and "Coming from JavaScript" are beside them.
//!
//! # Recipes
//!
//! ## Handle one kind of error
//!
//! ```
//! use deferred::{Cancelled, Deferred};
//!
//! let (_trigger, deferred) = Deferred::<u32>::pair();
//! deferred.cancel();
//! let count = deferred.add_errback(|failure| {
//!     failure.trap::<Cancelled>()?; // the others go on
//!     Ok(0)
//! });
//! assert_eq!(count.into_result().unwrap().unwrap(), 0);
//! ```
//!
//! ## Wait for another Deferred
//!
//! Return it: the chain goes on with its result. After a `?` in the same callback, return it
//! as `Ok(deferred)` and add [`flatten`](Deferred::flatten).
//!
//! ```
//! use deferred::{Deferred, succeed};
//!
//! # fn square(number: i32) -> Deferred<i32> { succeed(number * number) }
//! let squared = succeed("12").add_callback(|text| Ok(square(text.parse()?))).flatten();
//! let root = squared.add_callback(|number| square(number));
//! assert_eq!(root.into_result().unwrap().unwrap(), 20736);
//! ```
//!
//! ## Clean up in any case
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
//! ## Cancellable work
//!
//! ```
//! use deferred::{Cancelled, Deferred, VirtualClock};
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let download = Deferred::<Vec<u8>>::start(|trigger| {
//!     let job = clock.call_later(Duration::from_secs(9), move || Ok(trigger.callback(vec![])?));
//!     move || job.cancel()
//! });
//! download.cancel();
//! assert!(download.into_result().unwrap().unwrap_err().is::<Cancelled>());
//! ```
//!
//! ## Run several and wait for all
//!
//! ```
//! use deferred::{Deferred, gather_results};
//!
//! let (triggers, pages): (Vec<_>, Vec<_>) = (0..2).map(|_| Deferred::pair()).unzip();
//! let book = gather_results(pages).add_callback(|pages: Vec<&str>| Ok(pages.join(" ")));
//! triggers[1].callback("page two").unwrap();
//! triggers[0].callback("page one").unwrap();
//! assert_eq!(book.into_result().unwrap().unwrap(), "page one page two");
//! ```
//!
//! ## Limit how many run at a time
//!
//! ```
//! use deferred::{DeferredSemaphore, VirtualClock, gather_results, sleep};
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let two = DeferredSemaphore::new(2)?;
//! let downloads = (0..4).map(|_| {
//!     let clock = clock.clone();
//!     two.run(move || sleep(&clock, Duration::from_secs(1)))
//! });
//! let all = gather_results(downloads);
//! clock.advance(Duration::from_secs(1));
//! let all = all.into_result().expect_err("two are done, two have begun");
//! clock.advance(Duration::from_secs(1));
//! assert!(all.into_result().unwrap().is_ok());
//! # Ok::<(), deferred::errors::ZeroTokens>(())
//! ```
//!
//! ## Producer and consumer
//!
//! ```
//! use deferred::{DeferredQueue, inline_callbacks};
//!
//! let jobs = DeferredQueue::new();
//! let queue = jobs.clone();
//! let printed = inline_callbacks(async move {
//!     let mut pages = 0;
//!     while let Some(job) = queue.get()?.await? {
//!         let count: u32 = job;
//!         pages += count;
//!     }
//!     Ok(pages)
//! });
//! for job in [Some(3), Some(4), None] {
//!     jobs.put(job)?;
//! }
//! assert_eq!(printed.into_result().unwrap()?, 7);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## Timeout
//!
//! ```
//! use deferred::{Deferred, TimedOut, VirtualClock};
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let (_trigger, answer) = Deferred::<u32>::pair();
//! let answer = answer.add_timeout(Duration::from_secs(30), &clock);
//! clock.advance(Duration::from_secs(30));
//! assert!(answer.into_result().unwrap().unwrap_err().is::<TimedOut>());
//! ```
//!
//! ## Repeat at an interval
//!
//! ```
//! use deferred::{LoopingCall, VirtualClock};
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let ticks = LoopingCall::new(|| println!("tick"));
//! let over = ticks.start(&clock, Duration::from_secs(1))?;
//! clock.advance(Duration::from_secs(3)); // the fourth tick
//! ticks.stop();
//! assert!(over.into_result().unwrap().is_ok());
//! # Ok::<(), deferred::errors::LoopingCallError>(())
//! ```
//!
//! ## Fire from another thread
//!
//! With the feature `sync`. Its callbacks run on the thread that fires.
//!
//! ```
//! # #[cfg(feature = "sync")] {
//! use deferred::sync::Deferred;
//! use std::thread;
//!
//! let (trigger, deferred) = Deferred::pair();
//! let length = deferred.add_callback(|text: &str| Ok(text.len()));
//! let worker = thread::spawn(move || trigger.callback("from afar").is_ok());
//! assert!(worker.join().unwrap());
//! assert_eq!(length.into_result().unwrap().unwrap(), 9);
//! # }
//! ```
//!
//! # What runs when
//!
//! - Firing runs the callbacks that were added so far, before it returns. Adding a callback to
//!   a Deferred that has its result runs the callback before the add returns.
//! - Runs of one Deferred never nest: a callback that is added from inside a callback of the
//!   same Deferred runs after that has returned. Runs of different Deferreds do nest: if a
//!   callback fires another Deferred, the callbacks of that one run inside it.
//! - However many Deferreds wait for one another, the stack does not grow. It grows if a callback
//!   fires a Deferred, a callback of which fires the next one, and so on, as with any function
//!   that calls another; locks, semaphores and queues limit how deep their own calls nest. It
//!   also grows, as always in Rust, with the drop of values that own one another in a long chain.
//! - A panic in a callback becomes a [`Failure`] for the next errback ([`Panicked`]); with
//!   `panic = "abort"` it ends the process.
//!
//! # Where it differs from Twisted
//!
//! - The end of a chain has one owner, and an acquired lock is a guard.
//! - Waits that cannot end fail: with [`Abandoned`], with [`WaitCycle`](errors::WaitCycle), or,
//!   if [`race`] gets an empty list, with [`FailureGroup`].
//! - Pauses are tokens; waiting is not a pause. A chain may wait for a Deferred that is running
//!   its own callbacks.
//! - Unhandled failures are reported at once, also those of a paused Deferred. A failure that
//!   moved into a combined result counts as handled.
//! - Cancelling the Deferred of a [`LoopingCall`] stops the loop.
//!
//! "Coming from Twisted" has every name and every difference, with the reason and a test.
//!
#![doc(test(attr(deny(warnings), allow(dead_code))))]

pub mod assertions;
mod chain;
mod combinators;
mod concurrency;
mod error;
mod event;
mod failure;
mod future;
#[cfg(doctest)]
mod guide;
mod inline_callbacks;
mod local;
mod log_error;
mod never;
mod pair;
mod panics;
mod single_flight;
mod stage_trace;
mod state;
#[cfg(feature = "sync")]
pub mod sync;
mod time;
pub mod unhandled;

pub use self::error::{Abandoned, AlreadyCalled, Cancelled, Panicked, Undelivered};
pub use self::failure::{Failure, FailureGroup, FirstError, Result};
pub use self::inline_callbacks::inline_callbacks;
pub use self::local::{
    CancelOnDrop, Deferred, DeferredHandle, DeferredList, DeferredLock, DeferredQueue,
    DeferredSemaphore, DeferredTuple, InSpan, LockGuard, Outcome, Pause, Permit, SharedDeferred,
    Trigger, WeakTrigger, fail, gather, gather_results, maybe_deferred, race, settled, succeed,
};
pub use self::single_flight::SingleFlight;
pub use self::stage_trace::StageTrace;
pub use self::state::State;
pub use self::time::{
    Clock, CooperativeTask, Cooperator, DelayedCall, LoopingCall, TimedOut, TimerQueue, ToClock,
    VirtualClock, WaitingCall, Wakeup, defer_later, sleep,
};

/// For a loop of your own: resume the `async` bodies of a thread when they are woken.
///
/// A body of [`inline_callbacks`] that awaits a foreign future, or a Deferred that another
/// thread fires, is resumed by [`run_woken`](driver::run_woken). A reactor calls it in each
/// turn, and a [`VirtualClock`] when it is advanced. A loop that sleeps sets a
/// [wake hook](driver::set_wake_hook), which is called when there is something to run.
///
/// A source of events that is polled, as a stream is, resumes the body that waits for it by a
/// [`BodyWaker`](driver::BodyWaker).
pub mod driver {
    pub use crate::inline_callbacks::{BodyWaker, reset_wake_hook, run_woken, set_wake_hook};
}

/// The errors that are not at the root of the crate: refused calls, and rare ends of a
/// Deferred.
pub mod errors {
    pub use crate::concurrency::{QueueClosed, QueueOverflow, QueueUnderflow, ZeroTokens};
    pub use crate::error::{ResultTaken, WaitCycle};
    pub use crate::failure::FailureError;
    pub use crate::time::{
        CooperatorStopped, DelayedCallError, LoopingCallError, NotPaused, TaskFinished, TaskStopped,
    };
}
