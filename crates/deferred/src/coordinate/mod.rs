//! Who may go next: the mechanism under `DeferredLock`, `DeferredSemaphore` and
//! `DeferredQueue`, for either flavour.
//!
//! `waiters` is the line in which Deferreds wait, `tokens` what a lock and a
//! semaphore are made of, `items` a queue. The public types of each flavour are
//! thin wrappers: `lock`, `semaphore` and `queue` here, and those of `sync`.

mod error;
mod items;
mod lock;
mod queue;
mod semaphore;
mod tokens;
mod waiters;

pub use self::error::{QueueClosed, QueueOverflow, QueueUnderflow, ZeroTokens};
#[cfg(feature = "sync")]
pub(crate) use self::items::Items;
pub use self::lock::{DeferredLock, LockGuard};
pub use self::queue::DeferredQueue;
pub use self::semaphore::{DeferredSemaphore, Permit};
#[cfg(feature = "sync")]
pub(crate) use self::tokens::{Token, Tokens};
