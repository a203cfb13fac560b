//! Time without a loop: the [`Clock`] trait, calls that are due later, and a
//! clock that a test turns by hand; on them, timeouts, loops, and work in slices.

mod call;
mod clock;
mod cooperator;
mod delayed_call;
mod later;
mod looping;
mod near;
mod records;
mod timeout;
mod timer_queue;
mod timers;
mod virtual_clock;
mod wakeup;
mod wheel;

pub use self::clock::{Clock, ToClock};
pub use self::cooperator::{
    CooperativeTask, Cooperator, CooperatorStopped, NotPaused, TaskFinished, TaskStopped,
};
pub use self::delayed_call::{DelayedCall, DelayedCallError};
pub use self::later::{defer_later, sleep};
pub use self::looping::{LoopingCall, LoopingCallError};
pub use self::timeout::TimedOut;
pub use self::timer_queue::TimerQueue;
pub use self::virtual_clock::VirtualClock;
pub use self::wakeup::Wakeup;
