//! Timer descriptor (`timerfd`): ends a wait when the next delayed call is due.
//!
//! A timeout of `epoll_wait` makes the kernel set up and take down a timer for each wait,
//! and the loop read the clock to find the timeout. A timer descriptor stays set while
//! other descriptors are ready, so a turn with a delayed call pending costs no more than
//! one without. It is set when the next call is due earlier than it fires; if that call is
//! cancelled or put off, it fires in vain once, and is set to the next one then.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use polling::{PollMode, Poller};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::TIMER_KEY;
use super::own::OwnDescriptor;

/// The longest time it is set to: it fires in vain then, and is set again.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct Timer {
    own: OwnDescriptor,
    /// The time of the loop at which it fires; `Duration::MAX` if it does not.
    fires_at: Cell<Duration>,
}

impl Timer {
    pub(super) fn new(poller: &Arc<Poller>) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Edge-triggered: one event, and no read.
        Ok(Self {
            own: OwnDescriptor::new(poller, descriptor, TIMER_KEY, PollMode::Edge)?,
            fires_at: Cell::new(Duration::MAX),
        })
    }

    /// Whether it fires at `time`, or before.
    #[inline]
    pub(super) fn fires_by(&self, time: Duration) -> bool {
        self.fires_at.get() <= time
    }

    /// Its event was seen.
    pub(super) fn has_fired(&self) {
        self.fires_at.set(Duration::MAX);
    }

    /// Has it fire at `time` of the loop, which is `delay` from now, and more than zero.
    pub(super) fn set(&self, time: Duration, delay: Duration) -> io::Result<()> {
        let delay = delay.min(LONGEST);
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: delay.as_secs().cast_signed(),
                tv_nsec: delay.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.own.descriptor, TimerfdTimerFlags::empty(), &once)?;
        self.fires_at.set(time);
        Ok(())
    }
}
