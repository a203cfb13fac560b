//! Waking a loop that waits, from any thread.

use std::io;
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
use std::os::fd::OwnedFd;
use std::sync::Arc;

use polling::Poller;
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
use {
    super::WAKER_KEY,
    polling::{Event, PollMode},
    rustix::event::{EventfdFlags, eventfd},
};

use super::PollerKind;

/// Wakes a loop from any thread.
#[derive(Clone)]
pub(crate) struct Waker {
    how: How,
}

#[derive(Clone)]
enum How {
    /// Nobody sleeps.
    Not,
    /// An event descriptor of our own: a source like any other.
    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    Event(Arc<Registered>),
    /// The poller's own notifier, which only its own wait clears.
    Notify(Arc<Poller>),
}

/// An event descriptor in a poller; it leaves that before it is closed.
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
struct Registered {
    poller: Arc<Poller>,
    descriptor: OwnedFd,
}

impl Waker {
    pub(super) const NONE: Self = Self { how: How::Not };

    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    pub(super) fn new(poller: &Arc<Poller>, kind: PollerKind) -> io::Result<Self> {
        let poller = Arc::clone(poller);
        if kind == PollerKind::Portable {
            let how = How::Notify(poller);
            return Ok(Self { how });
        }
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let descriptor = eventfd(0, flags)?;
        // SAFETY: `Registered` owns the descriptor and deletes it before it
        // closes it.
        unsafe {
            let event = Event::readable(WAKER_KEY);
            poller.add_with_mode(&descriptor, event, PollMode::Level)?;
        }
        let how = How::Event(Arc::new(Registered { poller, descriptor }));
        Ok(Self { how })
    }

    #[cfg(not(all(target_os = "linux", not(polling_test_poll_backend))))]
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the other way of waiting can fail here"
    )]
    pub(super) fn new(poller: &Arc<Poller>, _kind: PollerKind) -> io::Result<Self> {
        let how = How::Notify(Arc::clone(poller));
        Ok(Self { how })
    }

    pub(crate) fn wake(&self) {
        match &self.how {
            How::Not => {}
            // It can only fail if the counter is full: then the loop is awake.
            #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
            How::Event(registered) => {
                let _ = rustix::io::write(&registered.descriptor, &1_u64.to_ne_bytes());
            }
            How::Notify(poller) => {
                let _ = poller.notify();
            }
        }
    }

    /// Its event was seen.
    pub(super) fn clear(&self) {
        #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
        if let How::Event(registered) = &self.how {
            let _ = rustix::io::read(&registered.descriptor, &mut [0_u8; 8]);
        }
    }
}

#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
impl Drop for Registered {
    fn drop(&mut self) {
        let _ = self.poller.delete(&self.descriptor);
    }
}
