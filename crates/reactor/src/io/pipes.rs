//! `Pipes`: a connection with two descriptors, one for each direction.

use std::cell::RefCell;
use std::io;

use rustix::io::{Errno, Result};

use super::shared::RegisteredFd;
use crate::poll::Interest;

/// Largest capacity of a pipe that a process without privileges can set (`pipe-max-size`).
const LARGEST_PIPE: u64 = 1024 * 1024;

pub(crate) struct Pipes {
    input: RegisteredFd,
    /// `None` once the output was closed.
    output: RefCell<Option<RegisteredFd>>,
}

impl Pipes {
    pub(crate) fn new(input: RegisteredFd, output: RegisteredFd) -> Self {
        Self {
            input,
            output: RefCell::new(Some(output)),
        }
    }

    pub(super) fn set_interest(&self, interest: Interest) -> io::Result<()> {
        if interest.readable {
            self.input.registration.set_interest(Interest::READABLE)?;
        } else {
            // Masked, because the poller reports the hang-up of a pipe even without interest, and
            // would do so in each turn.
            self.input.registration.mask()?;
        }
        match &*self.output.borrow() {
            Some(output) => output.registration.set_interest(Interest {
                readable: false,
                writable: interest.writable,
            }),
            None => Ok(()),
        }
    }

    pub(super) fn mask(&self) -> io::Result<()> {
        self.input.registration.mask()?;
        match &*self.output.borrow() {
            Some(output) => output.registration.mask(),
            None => Ok(()),
        }
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.input.read(buffer)
    }

    /// Number of bytes that have arrived and were not read. For a regular file, these would be all
    /// remaining bytes, so the number is limited to the capacity of a pipe.
    pub(super) fn arrived(&self) -> Result<u64> {
        Ok(rustix::io::ioctl_fionread(&self.input.registration)?.min(LARGEST_PIPE))
    }

    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize> {
        match &*self.output.borrow() {
            Some(output) => output.write(bytes),
            None => Err(Errno::PIPE),
        }
    }

    pub(super) fn shut_write(&self) {
        // A pipe cannot be shut down: its reader sees the end when the last process that has the
        // writing end open has closed it. So this closes the descriptor.
        self.output.take();
    }
}
