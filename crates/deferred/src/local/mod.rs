//! The public types for Deferreds of one thread.
//!
//! These types are thin wrappers: the mechanism is in `chain`, `combinators` and `concurrency`,
//! written once for both flavours.

mod cancel_on_drop;
mod deferred;
mod handle;
mod in_span;
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

pub use self::cancel_on_drop::CancelOnDrop;
pub use self::deferred::Deferred;
pub use self::handle::{DeferredHandle, Pause};
pub use self::in_span::InSpan;
pub use self::list::{DeferredList, gather_results, race, settled};
pub use self::lock::{DeferredLock, LockGuard};
pub use self::outcome::Outcome;
pub use self::queue::DeferredQueue;
pub(crate) use self::ready::maybe_deferred_at;
pub use self::ready::{fail, maybe_deferred, succeed};
pub use self::semaphore::{DeferredSemaphore, Permit};
pub use self::share::SharedDeferred;
pub use self::trigger::{Trigger, WeakTrigger};
pub use self::tuple::{DeferredTuple, gather};
