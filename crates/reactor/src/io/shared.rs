//! `RegisteredFd`: a registered descriptor whose open file description may be shared with other
//! processes.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Result;

use crate::poll::Registration;
use crate::sys::shared_fd::{Access, SharedFd};

/// A registered descriptor, and the way to read and write it without blocking.
pub(crate) struct RegisteredFd {
    pub(super) registration: Registration,
    access: Access,
}

impl RegisteredFd {
    /// Registers `shared` with `register`.
    pub(crate) fn new(
        shared: SharedFd,
        register: impl FnOnce(OwnedFd) -> io::Result<Registration>,
    ) -> io::Result<Self> {
        let (descriptor, access) = shared.into_parts();
        Ok(Self {
            registration: register(descriptor)?,
            access,
        })
    }

    pub(crate) fn registration(&self) -> &Registration {
        &self.registration
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.access.read(&self.registration, buffer)
    }

    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize> {
        self.access.write(&self.registration, bytes)
    }
}
