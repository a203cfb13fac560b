//! `Registration`: a descriptor in a poller. It is deleted from the poller before it is closed, as
//! `Poller::add` requires.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use polling::{Event, PollMode};
use rustix::io::Errno;

use super::registrations::Registrations;
use crate::readiness::{Interest, Key};

/// Owner of a registered descriptor. The drop deletes the descriptor from the poller, and then
/// closes it.
pub(crate) struct Registration {
    shared: Rc<Registrations>,
    key: Key,
    /// `None` while the descriptor is not in the poller.
    interest: Cell<Option<Interest>>,
    /// Whether the poller has refused the descriptor, because it is a regular file, which is always
    /// ready.
    is_always_ready: bool,
    /// `None` only at the end of `into_descriptor` and of the drop.
    descriptor: Option<OwnedFd>,
}

impl Registration {
    pub(super) fn new(
        shared: Rc<Registrations>,
        descriptor: OwnedFd,
        key: Key,
        interest: Interest,
    ) -> io::Result<Self> {
        let mut registration = Self {
            shared,
            key,
            interest: Cell::new(None),
            is_always_ready: false,
            descriptor: Some(descriptor),
        };
        match registration.set_interest(interest) {
            Ok(()) => Ok(registration),
            // EPERM: `epoll` refuses regular files.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::PERM) => {
                registration.is_always_ready = true;
                registration.set_interest(interest)?;
                Ok(registration)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }

    #[inline(always)]
    fn descriptor(&self) -> &OwnedFd {
        self.descriptor
            .as_ref()
            .unwrap_or_else(|| unreachable!("it is only taken when this goes"))
    }

    /// Unregisters the descriptor and returns it.
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

    /// Sets the events to be reported. Makes no system call if they are the same as before.
    #[inline]
    pub(crate) fn set_interest(&self, interest: Interest) -> io::Result<()> {
        if self.is_for(interest) {
            return Ok(());
        }
        self.change_interest(interest)
    }

    /// Whether the poller waits for `interest`.
    #[inline]
    pub(crate) fn is_for(&self, interest: Interest) -> bool {
        self.interest.get() == Some(interest)
    }

    fn change_interest(&self, interest: Interest) -> io::Result<()> {
        if !self.shared.home.is_current() {
            // A forked process shares the poller with its parent, so a change here would change the
            // parent's poller.
            return Ok(());
        }
        if self.is_always_ready {
            let mut always_ready = self.shared.always_ready.borrow_mut();
            always_ready.retain(|&(key, _)| key != self.key);
            always_ready.push((self.key, interest));
        } else {
            let (event, descriptor) = (
                Event::new(self.key, interest.readable, interest.writable),
                self.descriptor(),
            );
            // A masked descriptor is not in the poller, so it has to be added and not changed.
            if self.is_masked() {
                // SAFETY: this owns the descriptor, and deletes it from the poller
                // before it is closed or given away.
                unsafe {
                    self.shared
                        .poller
                        .add_with_mode(descriptor, event, PollMode::Level)?;
                }
            } else {
                self.shared
                    .poller
                    .modify_with_mode(descriptor, event, PollMode::Level)?;
            }
        }
        self.interest.set(Some(interest));
        Ok(())
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.interest.get().is_none()
    }

    /// Takes the descriptor out of the poller until an interest is set again. That is the only way
    /// to get no event of a hang-up.
    pub(crate) fn mask(&self) -> io::Result<()> {
        if self.interest.take().is_none() || !self.shared.home.is_current() {
            return Ok(());
        }
        if self.is_always_ready {
            let mut always_ready = self.shared.always_ready.borrow_mut();
            always_ready.retain(|&(key, _)| key != self.key);
            Ok(())
        } else {
            self.shared.poller.delete(self.descriptor())
        }
    }
}

impl AsFd for Registration {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor().as_fd()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.descriptor.is_some() {
            self.leave();
            drop(self.descriptor.take());
            self.shared.closed();
        }
    }
}
