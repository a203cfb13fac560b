//! Waiting for descriptors to be ready: the one place that names `polling`, and
//! the one module of the crate with unsafe code.
//!
//! Descriptors are registered with a `polling::Poller`, once, level-triggered.
//! How they are waited for is chosen by target: on Linux by a wait of our own on
//! the poller's epoll descriptor ([`epoll`]), elsewhere by the poller's wait
//! ([`portable`]), which costs several more system calls a turn.

#![expect(
    unsafe_code,
    reason = "polling::Poller::add asks for a promise about the descriptor's lifetime"
)]

#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
mod epoll;
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
use self::epoll as waiting;

#[cfg(not(all(target_os = "linux", not(polling_test_poll_backend))))]
mod portable;
#[cfg(not(all(target_os = "linux", not(polling_test_poll_backend))))]
use self::portable as waiting;

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use polling::{Event, PollMode};

pub(crate) use self::waiting::{Events, Waker};

/// What a source is registered under. The poller keeps the highest for itself,
/// the next one is ours.
pub(crate) type Key = usize;

/// The key of the loop's own waker.
pub(crate) const WAKER_KEY: Key = Key::MAX - 1;

/// The highest key a source may have.
pub(crate) const MAX_KEY: Key = WAKER_KEY - 1;

/// What a source wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

impl Interest {
    pub(crate) const READABLE: Self = Self {
        readable: true,
        writable: false,
    };
    pub(crate) const WRITABLE: Self = Self {
        readable: false,
        writable: true,
    };
    pub(crate) const NONE: Self = Self {
        readable: false,
        writable: false,
    };

    fn event(self, key: Key) -> Event {
        Event::new(key, self.readable, self.writable)
    }
}

/// What a source hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// An error, or both directions at their end. It is told whatever the
    /// interest, again and again for as long as the descriptor is registered.
    pub(crate) hung_up: bool,
}

pub(crate) struct Poll {
    poller: Arc<polling::Poller>,
    waker: Waker,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        let poller = Arc::new(polling::Poller::new()?);
        if !poller.supports_level() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system's poller knows no level-triggered mode",
            ));
        }
        let waker = Waker::new(&poller)?;
        Ok(Self { poller, waker })
    }

    /// What wakes the loop from any thread.
    pub(crate) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Registers `descriptor`, which the registration then owns.
    pub(crate) fn register(
        &self,
        descriptor: OwnedFd,
        key: Key,
        interest: Interest,
    ) -> io::Result<Registration> {
        debug_assert!(key <= MAX_KEY);
        // SAFETY: the registration owns the descriptor and deletes it from the
        // poller before it closes it.
        unsafe {
            self.poller
                .add_with_mode(&descriptor, interest.event(key), PollMode::Level)?;
        }
        Ok(Registration {
            poller: Arc::clone(&self.poller),
            key,
            interest: Cell::new(Some(interest)),
            descriptor: Some(descriptor),
        })
    }
}

/// A registered descriptor, owned: it is deleted from the poller, then closed,
/// when this is dropped.
pub(crate) struct Registration {
    poller: Arc<polling::Poller>,
    key: Key,
    /// `None` while the poller does not know the descriptor.
    interest: Cell<Option<Interest>>,
    /// `None` only while it is being given back.
    descriptor: Option<OwnedFd>,
}

impl Registration {
    pub(crate) fn key(&self) -> Key {
        self.key
    }

    fn descriptor(&self) -> &OwnedFd {
        self.descriptor
            .as_ref()
            .unwrap_or_else(|| unreachable!("it is only taken when this goes"))
    }

    /// Gives the descriptor back, which is no longer registered.
    pub(crate) fn into_descriptor(mut self) -> OwnedFd {
        self.leave();
        self.descriptor
            .take()
            .unwrap_or_else(|| unreachable!("it is only taken when this goes"))
    }

    fn leave(&self) {
        if let Err(error) = self.mask() {
            tracing::warn!(target: "reactor", %error, "a descriptor could not be deleted");
        }
    }

    /// Says what to wait for from now on; a call that changes nothing costs
    /// nothing.
    pub(crate) fn set_interest(&self, interest: Interest) -> io::Result<()> {
        match self.interest.get() {
            Some(current) if current == interest => return Ok(()),
            Some(_) => self.poller.modify_with_mode(
                self.descriptor(),
                interest.event(self.key),
                PollMode::Level,
            )?,
            // SAFETY: as in `Poll::register`.
            None => unsafe {
                self.poller.add_with_mode(
                    self.descriptor(),
                    interest.event(self.key),
                    PollMode::Level,
                )?;
            },
        }
        self.interest.set(Some(interest));
        Ok(())
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.interest.get().is_none()
    }

    /// Takes the descriptor out of the poller until an interest is set again:
    /// the one way not to hear of a hang-up.
    pub(crate) fn mask(&self) -> io::Result<()> {
        if self.interest.take().is_some() {
            self.poller.delete(self.descriptor())?;
        }
        Ok(())
    }
}

impl AsFd for Registration {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor().as_fd()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.descriptor.is_some() {
            self.leave();
        }
    }
}
