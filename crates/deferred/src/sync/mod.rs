//! Deferreds that any thread may fire: the same types, with everything `Send`.
//!
//! The names and the rules are those of the crate root. Values, callbacks and cancellers must
//! be `Send`. Both flavours run on the same algorithm, but a chain is of one flavour: mixing
//! them does not compile.
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
//! assert_eq!(length.wait().unwrap(), 14);
//! # assert!(reader.join().unwrap());
//! ```
//!
//! # Threads
//!
//! - Callbacks run on the thread that fires the Deferred. A callback that is added to a
//!   Deferred with a result runs on the thread that adds it. Two callbacks of one Deferred
//!   never run at the same time: if a callback is added while another thread runs the chain,
//!   that thread runs it.
//! - No lock is held while a callback, a canceller, a waker or a drop runs, so they may do
//!   anything to any Deferred, their own included. No thread ever locks two chains at once.
//! - A pause from another thread takes effect when the callback that is running has returned;
//!   one more callback may begin before the running thread sees it.
//! - If several threads at the same moment make Deferreds wait for one another in a circle,
//!   each of those that closed it may fail with [`WaitCycle`](crate::errors::WaitCycle).
//!
//! # Waiting on a plain thread
//!
//! [`wait`](Deferred::wait) blocks a thread until the result is there, and
//! [`wait_timeout`](Deferred::wait_timeout) does so with a limit.
//!
//! # Timeouts, clocks and `async` bodies
//!
//! Clocks, timeouts, loops and [`inline_callbacks`](crate::inline_callbacks) belong to one
//! thread: a clock to the thread whose loop drives it, an `async` body to the thread that
//! began it. A callback here runs on whichever thread fires. So a thread that has these things
//! takes the Deferred over: [`into_local`](Deferred::into_local) makes one of that thread, with
//! timeouts, and a body there awaits either kind.
//!
//! ```
//! use deferred::{driver::run_woken, inline_callbacks, sync};
//! use std::thread;
//!
//! let (trigger, shared) = sync::Deferred::pair();
//! let answer = inline_callbacks(async move { Ok(format!("{}, at last", shared.await?)) });
//! thread::spawn(move || trigger.callback("from afar")).join().unwrap().unwrap();
//! run_woken(); // a reactor does this itself
//! assert_eq!(answer.into_result().unwrap().unwrap(), "from afar, at last");
//! ```
//!
//! A body that is cancelled while it awaits a Deferred of this module drops that Deferred. While
//! it awaits the Deferred of `into_local`, both are cancelled. Under an executor of several
//! threads, a Deferred is awaited as any other future, with the timeouts of the executor.

// All but `future`, `into_local` and `wait` is generated from `crate::local`.
mod cancel_on_drop;
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
mod share;
mod short_forms;
mod start;
mod trigger;
mod tuple;
mod wait;

pub use self::cancel_on_drop::CancelOnDrop;
pub use self::deferred::Deferred;
pub use self::handle::{DeferredHandle, Pause};
pub use self::in_span::InSpan;
pub use self::list::{DeferredList, gather_results, race, settled};
pub use self::lock::{DeferredLock, LockGuard};
pub use self::outcome::Outcome;
pub use self::queue::DeferredQueue;
pub use self::ready::{fail, maybe_deferred, succeed};
pub use self::semaphore::{DeferredSemaphore, Permit};
pub use self::share::SharedDeferred;
pub use self::trigger::{Trigger, WeakTrigger};
pub use self::tuple::{DeferredTuple, gather};
