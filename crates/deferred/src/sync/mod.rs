//! The same, for several threads: Deferreds that may be fired from any of them.
//!
//! The names are those of the crate root, and so are the rules; what is different
//! is that everything is `Send`, and so must be what is put in: values, callbacks,
//! cancellers. Both kinds run on the same algorithm, but cannot be mixed in one
//! chain: that would not compile.
//!
//! It needs the cargo feature `sync`.
//!
//! ```
//! use deferred::sync::Deferred;
//! use std::thread;
//!
//! let (trigger, deferred) = Deferred::pair();
//! let length = deferred.add_callback(|text: String| Ok(text.len()));
//! let reader = thread::spawn(move || trigger.callback("read elsewhere".to_owned()).is_ok());
//!
//! // A Deferred is a future, too; here it is enough to wait for the thread.
//! assert!(reader.join().unwrap());
//! assert_eq!(length.into_result().unwrap().unwrap(), 14);
//! ```
//!
//! # What runs where
//!
//! - Callbacks run on the thread that fires the Deferred; one that is added when
//!   the result is there runs on the thread that adds it. Never two of one Deferred
//!   at a time: one that is added while another thread runs the chain is run by that
//!   thread.
//! - No lock is held while a callback, a canceller, a waker or a drop runs, so they
//!   may do anything to any Deferred, their own included. Never are two chains
//!   locked at once.
//! - A pause from another thread takes effect when the callback that is running has
//!   returned; one more may have begun before it is seen.
//! - Several threads that at the same moment make Deferreds wait for one another in
//!   a circle all hear of it: each of those that closed it may fail with
//!   [`WaitCycle`](crate::WaitCycle).
//!
//! # Time, and `async` bodies
//!
//! There are no timeouts here, no clocks and loops, and no
//! [`inline_callbacks`](crate::inline_callbacks). A clock belongs to the one thread whose
//! loop turns it, and an `async` body to the thread it began on, while a callback here
//! runs on whichever thread fires. So a Deferred is handed over to a thread that has
//! these things: a body awaits it there, and what comes of the body is a Deferred of that
//! thread.
//!
//! ```
//! use deferred::{inline_callbacks, run_woken, sync};
//! use std::thread;
//!
//! let (trigger, shared) = sync::Deferred::pair();
//! let answer: deferred::Deferred<&str> = inline_callbacks(shared);
//! thread::spawn(move || trigger.callback("from afar")).join().unwrap().unwrap();
//! run_woken(); // a reactor does this itself
//! assert_eq!(answer.into_result().unwrap().unwrap(), "from afar");
//! ```
//!
//! A time limit is a delayed call that cancels the Deferred through its handle: then the
//! thread that works on the result is told, too.
//!
//! ```
//! use deferred::{Cancelled, VirtualClock, inline_callbacks, run_woken, sync};
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let (trigger, mut shared) = sync::Deferred::<String>::pair();
//! let handle = shared.handle();
//! let limit = clock.call_later(Duration::from_secs(30), move || handle.cancel());
//! let answer = inline_callbacks(async move {
//!     let answer = shared.await;
//!     let _ = limit.cancel(); // it is over, if the answer comes too late
//!     answer
//! });
//!
//! clock.advance(Duration::from_secs(30));
//! run_woken();
//! assert!(trigger.is_fired(), "so the work can be given up");
//! assert!(answer.into_result().unwrap().unwrap_err().is::<Cancelled>());
//! ```
//!
//! [`add_timeout`](crate::Deferred::add_timeout) of what `inline_callbacks` gives would
//! only stop waiting: a body that is cancelled while it awaits something else than a
//! Deferred of its own thread is dropped, and that cancels nothing. Under an executor of
//! several threads, a Deferred is awaited as any other future, with the timeouts that
//! come with the executor.

mod deferred;
mod future;
mod handle;
mod in_span;
mod list;
mod lock;
mod outcome;
mod queue;
mod ready;
mod semaphore;
mod trigger;

pub use self::deferred::Deferred;
pub use self::handle::{DeferredHandle, Pause};
pub use self::in_span::InSpan;
pub use self::list::{DeferredList, gather_results, race, settled};
pub use self::lock::{DeferredLock, LockGuard};
pub use self::outcome::Outcome;
pub use self::queue::DeferredQueue;
pub use self::ready::{fail, maybe_deferred, succeed};
pub use self::semaphore::{DeferredSemaphore, Permit};
pub use self::trigger::{Trigger, WeakTrigger};
