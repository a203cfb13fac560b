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
//! The guide in `docs/` of the repository teaches the idea from zero, with pictures;
//! `docs/words.md` lists the terms, with those of Twisted and Tokio.
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
//! - [`DeferredList`], [`gather_results`], [`race`] and [`settled`] make several
//!   Deferreds one.
//! - [`DeferredLock`], [`DeferredSemaphore`] and [`DeferredQueue`] say who may go
//!   next.
//! - [`Clock`], [`TimerQueue`] and [`VirtualClock`] are time, without saying whose;
//!   [`defer_later`], [`sleep`], [`Deferred::add_timeout`], [`LoopingCall`] and
//!   [`Cooperator`] make use of it.
//! - [`inline_callbacks`] runs an `async` body, with no executor.
//! - `deferred::sync`, behind the feature `sync`, has Deferreds that may be fired
//!   from any thread.
//! - A failure that nobody handles is reported when it is let go of: see
//!   [`set_unhandled_hook`], which WebAssembly in a browser needs for that.
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
//! ## Take the first that succeeds
//!
//! The others are cancelled.
//!
//! ```
//! use deferred::{Deferred, Failure, race};
//!
//! let (mirrors, pages): (Vec<_>, Vec<_>) = (0..3).map(|_| Deferred::pair()).unzip();
//! let page = race(pages);
//! mirrors[0].errback(Failure::msg("no route")).unwrap();
//! mirrors[2].callback("the page").unwrap();
//! assert!(mirrors[1].is_fired(), "cancelled");
//! assert_eq!(page.into_result().unwrap().unwrap(), (2, "the page"));
//! ```
//!
//! ## Run at most so many at a time
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
//! # Ok::<(), deferred::ZeroTokens>(())
//! ```
//!
//! ## Hand work from a producer to a consumer
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
//! ## Give up after a while
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
//! ## Do it every second
//!
//! ```
//! use deferred::{LoopingCall, VirtualClock};
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let ticks = LoopingCall::new(|| println!("tick"));
//! let over = ticks.start(&clock, Duration::from_secs(1))?;
//! clock.advance(Duration::from_secs(3)); // the fourth tick
//! ticks.stop()?;
//! assert!(over.into_result().unwrap().is_ok());
//! # Ok::<(), deferred::LoopingCallError>(())
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
//! ## Write it as async
//!
//! The body runs at once until it waits, and the fire that it waits for resumes it.
//! Under an executor, a Deferred can be awaited, too.
//!
//! ```
//! use deferred::{Deferred, inline_callbacks};
//!
//! let (trigger, answer) = Deferred::pair();
//! let doubled = inline_callbacks(async move {
//!     let number: i32 = answer.await?;
//!     Ok(number * 2)
//! });
//! trigger.callback(21).unwrap();
//! assert_eq!(doubled.into_result().unwrap().unwrap(), 42);
//! ```
//!
//! ## Fire it from another thread
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
//! - The end of a chain has one owner, and what was acquired is a guard.
//! - Nothing waits for ever where that can be known: a Deferred whose triggers are all
//!   gone fails with [`Abandoned`], one that would wait for itself with [`WaitCycle`],
//!   and the first of nothing with [`FailureGroup`].
//! - Pauses are tokens; waiting is not a pause. A returned Deferred that is in the
//!   middle of its own callbacks is waited for.
//! - Unhandled failures are reported at once, also those that a paused Deferred held;
//!   one that moved into a combined result was handled.
//! - Cancelling the Deferred of a [`LoopingCall`] stops the loop.
//!
//! The page "Coming from Twisted" in `docs/` of the repository has every name and every
//! difference, with the reason and a test. "Coming from async/await" is beside it.
//!
#![doc(test(attr(deny(warnings), allow(dead_code))))]

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
mod stage_trace;
mod state;
#[cfg(feature = "sync")]
pub mod sync;
pub mod testing;
mod time;
mod unhandled;

pub use self::concurrency::{QueueClosed, QueueOverflow, QueueUnderflow, ZeroTokens};
pub use self::error::{Abandoned, AlreadyCalled, Cancelled, Panicked, ResultTaken, WaitCycle};
pub use self::failure::{Failure, FailureError, FailureGroup, FirstError, Result};
pub use self::inline_callbacks::{inline_callbacks, reset_wake_hook, run_woken, set_wake_hook};
pub use self::local::{
    CancelOnDrop, Deferred, DeferredHandle, DeferredList, DeferredLock, DeferredQueue,
    DeferredSemaphore, DeferredTuple, InSpan, LockGuard, Outcome, Pause, Permit, SharedDeferred,
    Trigger, WeakTrigger, fail, gather, gather_results, maybe_deferred, race, settled, succeed,
};
pub use self::stage_trace::StageTrace;
pub use self::state::State;
pub use self::time::{
    Clock, CooperativeTask, Cooperator, CooperatorStopped, DelayedCall, DelayedCallError,
    LoopingCall, LoopingCallError, NotPaused, TaskFinished, TaskStopped, TimedOut, TimerQueue,
    ToClock, VirtualClock, Wakeup, defer_later, sleep,
};
pub use self::unhandled::{
    Unhandled, reset_unhandled_hook, set_unhandled_hook, with_unhandled_hook,
};
