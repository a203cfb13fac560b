//! Two descriptors that together are a connection, each for one direction.

use std::cell::RefCell;
use std::io;

use rustix::io::{Errno, Result};

use crate::poll::{Interest, Registration};

/// What a pipe may be made to hold by a process without privileges (`pipe-max-size`).
const LARGEST_PIPE: u64 = 1024 * 1024;

pub(crate) struct Pipes {
    input: Registration,
    /// `None` once nothing more will be written.
    output: RefCell<Option<Registration>>,
}

impl Pipes {
    pub(crate) fn new(input: Registration, output: Registration) -> Self {
        Self {
            input,
            output: RefCell::new(Some(output)),
        }
    }

    pub(super) fn set_interest(&self, interest: Interest) -> io::Result<()> {
        if interest.readable {
            self.input.set_interest(Interest::READABLE)?;
        } else {
            // Or it would tell of its end again and again.
            self.input.mask()?;
        }
        match &*self.output.borrow() {
            Some(output) if interest.writable => output.set_interest(Interest::WRITABLE),
            Some(output) => output.set_interest(Interest::NONE),
            None => Ok(()),
        }
    }

    pub(super) fn mask(&self) -> io::Result<()> {
        self.input.mask()?;
        self.output
            .borrow()
            .as_ref()
            .map_or(Ok(()), Registration::mask)
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        rustix::io::read(&self.input, buffer)
    }

    /// How many bytes have arrived and were not read: in a file, that are all that are left,
    /// of which no more is promised than of a pipe.
    pub(super) fn arrived(&self) -> Result<u64> {
        Ok(rustix::io::ioctl_fionread(&self.input)?.min(LARGEST_PIPE))
    }

    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize> {
        match &*self.output.borrow() {
            Some(output) => rustix::io::write(output, bytes),
            None => Err(Errno::PIPE),
        }
    }

    pub(super) fn finish_writing(&self) {
        self.output.take();
    }
}
