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
//! # Plain threads
//!
//! A thread that has nothing else to do blocks until the result is there:
//! [`wait`](Deferred::wait), or [`wait_timeout`](Deferred::wait_timeout) with a limit.
//!
//! # Time, and `async` bodies
//!
//! There are no timeouts here, no clocks and loops, and no
//! [`inline_callbacks`](crate::inline_callbacks). A clock belongs to the one thread whose
//! loop turns it, and an `async` body to the thread it began on, while a callback here
//! runs on whichever thread fires. So a Deferred is handed over to a thread that has
//! these things: [`into_local`](Deferred::into_local) gives one of that thread, with
//! timeouts and all, and a body there awaits either.
//!
//! ```
//! use deferred::{inline_callbacks, run_woken, sync};
//! use std::thread;
//!
//! let (trigger, shared) = sync::Deferred::pair();
//! let answer = inline_callbacks(async move { Ok(format!("{}, at last", shared.await?)) });
//! thread::spawn(move || trigger.callback("from afar")).join().unwrap().unwrap();
//! run_woken(); // a reactor does this itself
//! assert_eq!(answer.into_result().unwrap().unwrap(), "from afar, at last");
//! ```
//!
//! A body that is cancelled while it awaits a shared Deferred lets go of it; while it
//! awaits what `into_local` gave, it cancels it. Under an executor of several threads, a
//! Deferred is awaited as any other future, with the timeouts that come with the executor.

mod deferred;
mod future;
mod handle;
mod in_span;
mod into_local;
mod list;
mod lock;
mod outcome;
mod queue;
mod ready;
mod semaphore;
mod short_forms;
mod trigger;
mod wait;

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
