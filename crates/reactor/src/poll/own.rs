//! A descriptor of the loop's own in its poller.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use polling::{Event, PollMode, Poller};

use super::Key;
use crate::sys::HomeProcess;

/// A descriptor that the loop made for itself, watched for reading; it leaves the poller
/// before it is closed.
pub(super) struct OwnDescriptor {
    poller: Arc<Poller>,
    home: HomeProcess,
    pub(super) descriptor: OwnedFd,
}

impl OwnDescriptor {
    pub(super) fn new(
        poller: &Arc<Poller>,
        descriptor: OwnedFd,
        key: Key,
        mode: PollMode,
    ) -> io::Result<Self> {
        // SAFETY: the value that is made here owns the descriptor, and deletes it from the
        // poller before it closes it.
        unsafe {
            poller.add_with_mode(&descriptor, Event::readable(key), mode)?;
        }
        Ok(Self {
            poller: Arc::clone(poller),
            home: HomeProcess::current(),
            descriptor,
        })
    }
}

impl Drop for OwnDescriptor {
    fn drop(&mut self) {
        if !self.home.is_current() {
            return;
        }
        // Errs only if the poller no longer knows the descriptor, which is what is wanted.
        let _ = self.poller.delete(&self.descriptor);
    }
}
