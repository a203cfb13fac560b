//! Wait on Linux: one `epoll_wait` in each turn.
//!
//! `Poller::wait` makes four further system calls each time, for its timer and its notifier.
//! Neither is needed here: an event descriptor that is registered like any source wakes the loop,
//! and a timer descriptor ends the wait for delayed calls. The wait has a timeout only if the
//! caller of `turn` gives one, or if there is no timer descriptor.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use polling::Poller;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;

use super::{Key, Ready};

/// Maximum number of events that one wait returns.
// Further events stay with the system, and come with the next wait.
const BATCH: usize = 1024;

const NANOS_PER_MILLI: u32 = 1_000_000;

/// Buffer for the events of one wait.
#[derive(Default)]
pub(super) struct Events {
    events: Vec<epoll::Event>,
}

impl Events {
    #[inline]
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Key, Ready)> {
        self.events.iter().map(|event| {
            // Copied out, as the structure is packed.
            let (data, flags) = (event.data, event.flags);
            (data.u64() as Key, ready(flags))
        })
    }
}

#[inline]
fn ready(flags: EventFlags) -> Ready {
    // The usual case takes one comparison.
    if flags == EventFlags::IN {
        return Ready::READABLE;
    }
    Ready::new(
        // The end of the peer's output (`RDHUP`) is reported as readable, because a read finds it.
        // `Ready::new` makes a hang-up ready in both directions.
        flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::PRI),
        flags.contains(EventFlags::OUT),
        flags.intersects(EventFlags::HUP | EventFlags::ERR),
    )
}

/// Waits until a descriptor is ready, the loop is woken, or `timeout` has passed.
#[inline]
pub(super) fn wait(
    poller: &Poller,
    events: &mut Events,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let events = &mut events.events;
    events.clear();
    if events.capacity() == 0 {
        events.reserve_exact(BATCH);
    }
    let timeout = timeout.map(to_timespec);
    let room = rustix::buffer::spare_capacity(events);
    match epoll::wait(poller.as_fd(), room, timeout.as_ref()) {
        // A signal counts as a wait without events: the loop looks at its state, and waits again.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Rounds up to milliseconds: up, so that a timer is never early; milliseconds, because kernels
/// without `epoll_pwait2` take no finer timeout.
fn to_timespec(timeout: Duration) -> Timespec {
    let millis = timeout.subsec_nanos().div_ceil(NANOS_PER_MILLI);
    let secs = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    // A longer timeout is cut to a day; the loop then waits again.
    let secs = secs.min(24 * 60 * 60);
    Timespec {
        tv_sec: secs + i64::from(millis / 1000),
        tv_nsec: i64::from(millis % 1000 * NANOS_PER_MILLI),
    }
}
