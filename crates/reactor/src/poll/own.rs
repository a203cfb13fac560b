//! `OwnDescriptor`: a descriptor that the loop has made for itself, the event descriptor of its
//! waker or its timer descriptor.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use polling::{Event, PollMode, Poller};

use super::Key;
use crate::sys::HomeProcess;

/// A descriptor that the loop has made for itself, registered for reading. The drop deletes it from
/// the poller, then closes it.
pub(super) struct OwnDescriptor {
    poller: Arc<Poller>,
    /// The process that has made the descriptor. A process that is forked from it shares the poller
    /// with it.
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
        // In a forked process, the delete would take the descriptor out of the parent's poller.
        if !self.home.is_current() {
            return;
        }
        // Errs only if the poller does not know the descriptor any more, which has the same result.
        let _ = self.poller.delete(&self.descriptor);
    }
}
