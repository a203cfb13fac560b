//! Clocks and delayed calls; on them, timeouts, looping calls and cooperative tasks.
//!
//! Nothing here waits or reads the time of the system: a [`Clock`] is driven by the loop that
//! owns it, and a [`VirtualClock`] by a test.

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
pub use self::timer_queue::{DelayedCall, DelayedCallError, TimerQueue, WaitingCall, Wakeup};
pub use self::virtual_clock::VirtualClock;
