//! Timer descriptor (`timerfd`): ends a wait when the next delayed call is due.
//!
//! With a timeout of `epoll_wait`, the kernel would set up a timer for each wait, and the loop
//! would read the clock to compute the timeout. A timer descriptor stays set while other
//! descriptors are ready, so a turn with a pending delayed call costs no more than a turn without.
//! The loop sets the timer if the next call is due before the timer fires. If that call is
//! cancelled or delayed, the timer fires once for nothing, and the loop then sets it to the next
//! call.

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

/// Maximum delay of the timer. A call that is due later makes the timer fire for nothing once a
/// day, and the loop sets it again.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct Timer {
    own: OwnDescriptor,
    /// Time on the loop's clock for which the timer is set; it fires earlier if `LONGEST` passes
    /// first. `Duration::MAX` if it is not set.
    fires_at: Cell<Duration>,
}

impl Timer {
    pub(super) fn new(poller: &Arc<Poller>) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let descriptor = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Edge-triggered, so that a firing is one event, and the loop need not read the descriptor.
        Ok(Self {
            own: OwnDescriptor::new(poller, descriptor, TIMER_KEY, PollMode::Edge)?,
            fires_at: Cell::new(Duration::MAX),
        })
    }

    /// Whether the timer fires at `time`, or before.
    #[inline]
    pub(super) fn fires_by(&self, time: Duration) -> bool {
        self.fires_at.get() <= time
    }

    /// Records that the timer has fired, when the loop gets its event.
    pub(super) fn has_fired(&self) {
        self.fires_at.set(Duration::MAX);
    }

    /// Sets the timer to `time` on the loop's clock. `delay` is the time from now until then, and
    /// must not be zero: that would turn the timer off.
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
