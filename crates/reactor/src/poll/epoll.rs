//! Waiting on Linux: one `epoll_wait` a turn.
//!
//! `Poller::wait` makes four further system calls each time, for its timer and
//! its notifier. Neither is needed here: the timeout goes into the wait, and the
//! loop is woken by an event descriptor that is registered like any source.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use polling::{Event, PollMode, Poller};
use rustix::event::epoll::{self, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

use super::{Key, Poll, Ready, WAKER_KEY};

/// How many events one wait may give.
const BATCH: usize = 1024;

const NANOS_PER_MILLI: u32 = 1_000_000;

/// Room for the events of one wait.
pub(crate) struct Events {
    events: Vec<epoll::Event>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            events: Vec::with_capacity(BATCH),
        }
    }

    /// What became ready.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, Ready)> + '_ {
        self.events.iter().map(|event| {
            // Copied out, as the structure is packed.
            let flags = event.flags;
            (event.data.u64() as Key, ready(flags))
        })
    }
}

fn ready(flags: EventFlags) -> Ready {
    let hung_up = flags.intersects(EventFlags::HUP | EventFlags::ERR);
    let readable = EventFlags::IN | EventFlags::RDHUP | EventFlags::PRI;
    Ready {
        readable: hung_up || flags.intersects(readable),
        writable: hung_up || flags.contains(EventFlags::OUT),
        hung_up,
    }
}

impl Poll {
    /// Waits until something is ready, the loop is woken, or `timeout` is over.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.events.clear();
        let timeout = timeout.map(to_timespec);
        let room = rustix::buffer::spare_capacity(&mut events.events);
        match epoll::wait(self.poller.as_fd(), room, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Rounded up to milliseconds, so that a timer is never early and every kernel
/// knows the call.
fn to_timespec(timeout: Duration) -> Timespec {
    let millis = timeout.subsec_nanos().div_ceil(NANOS_PER_MILLI);
    let secs = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
    // A day is as good as any longer time: the loop asks again.
    let secs = secs.min(24 * 60 * 60);
    Timespec {
        tv_sec: secs + i64::from(millis / 1000),
        tv_nsec: i64::from(millis % 1000 * NANOS_PER_MILLI),
    }
}

/// Wakes the loop from any thread.
#[derive(Clone)]
pub(crate) struct Waker {
    registered: Arc<Registered>,
}

/// An event descriptor in a poller; it leaves that before it is closed.
struct Registered {
    poller: Arc<Poller>,
    descriptor: OwnedFd,
}

impl Waker {
    pub(super) fn new(poller: &Arc<Poller>) -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let descriptor = eventfd(0, flags)?;
        // SAFETY: `Registered` owns the descriptor and deletes it before it
        // closes it.
        unsafe {
            let event = Event::readable(WAKER_KEY);
            poller.add_with_mode(&descriptor, event, PollMode::Level)?;
        }
        let poller = Arc::clone(poller);
        Ok(Self {
            registered: Arc::new(Registered { poller, descriptor }),
        })
    }

    pub(crate) fn wake(&self) {
        // It can only fail if the counter is full: then the loop is awake.
        let _ = rustix::io::write(&self.registered.descriptor, &1_u64.to_ne_bytes());
    }

    /// The event of [`WAKER_KEY`] was seen.
    pub(crate) fn clear(&self) {
        let _ = rustix::io::read(&self.registered.descriptor, &mut [0_u8; 8]);
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let _ = self.poller.delete(&self.descriptor);
    }
}
