//! First come, first served: the mechanism under `DeferredLock`, `DeferredSemaphore` and
//! `DeferredQueue`, for both flavours.
//!
//! `waiters` is the FIFO queue in which Deferreds wait, `tokens` counts permits for lock and
//! semaphore, `items` holds the values of a queue. The public types are thin wrappers, in
//! `local` and `sync`.

mod error;
mod items;
mod tokens;
mod waiters;

pub use self::error::{QueueClosed, QueueOverflow, QueueUnderflow, ZeroTokens};
pub(crate) use self::items::Items;
pub(crate) use self::tokens::{Token, Tokens};
