//! Time without a loop: the [`Clock`] trait, calls that are due later, and a
//! clock that a test turns by hand; on them, timeouts, loops, and work in slices.

mod clock;
mod cooperator;
mod later;
mod looping;
mod timeout;
mod timer_queue;
mod virtual_clock;

pub use self::clock::{Clock, ToClock};
pub use self::cooperator::{
    CooperativeTask, Cooperator, CooperatorStopped, NotPaused, TaskFinished, TaskStopped,
};
pub use self::later::{defer_later, sleep};
pub use self::looping::{LoopingCall, LoopingCallError};
pub use self::timeout::TimedOut;
pub use self::timer_queue::{DelayedCall, DelayedCallError, TimerQueue, Wakeup};
pub use self::virtual_clock::VirtualClock;
