//! Chains of callback/errback pairs over a result that is not there yet.
#![doc(test(attr(deny(warnings), allow(dead_code))))]

mod catch;
mod chain;
mod contain;
mod deferred;
mod error;
mod failure;
mod future;
mod handle;
mod outcome;
mod pair;
mod time;
mod trail;
mod trigger;
mod unhandled;

pub use self::deferred::{Deferred, State, fail, maybe_deferred, succeed};
pub use self::error::{Abandoned, AlreadyCalled, Cancelled, Panicked, ResultTaken, WaitCycle};
pub use self::failure::{Failure, Result};
pub use self::handle::{DeferredHandle, Pause};
pub use self::outcome::Outcome;
pub use self::time::{Clock, DelayedCall, DelayedCallError, TimerQueue, VirtualClock, defer_later};
pub use self::trail::Trail;
pub use self::trigger::{Trigger, WeakTrigger};
pub use self::unhandled::{
    Unhandled, reset_unhandled_hook, set_unhandled_hook, with_unhandled_hook,
};
