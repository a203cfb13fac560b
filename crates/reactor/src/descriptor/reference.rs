//! `DescriptorRef`: the descriptor, as passed to its callback.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;

use super::watched::Watched;

/// A descriptor that is ready, as its reader or writer callback gets it: to read, to write, or to
/// stop watching.
///
/// # Examples
///
/// ```
/// use reactor::Reactor;
/// use std::io::Read;
/// # use std::io::Write;
///
/// let reactor = Reactor::new()?;
/// let (pipe, writer) = std::io::pipe()?;
/// # let mut writer = writer;
/// # writer.write_all(b"a message")?;
/// # drop(writer);
/// let mut text = Vec::<u8>::new();
/// let handle = reactor.handle();
/// reactor.add_reader(pipe, move |mut pipe| {
///     let mut piece = [0; 1024];
///     match pipe.read(&mut piece) {
///         Ok(0) | Err(_) => {
///             println!("all {} bytes have come", text.len());
///             pipe.remove();
///             handle.stop();
///         }
///         Ok(length) => text.extend(&piece[..length]),
///     }
/// })?;
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DescriptorRef<'a> {
    pub(super) descriptor: BorrowedFd<'a>,
    pub(super) watched: &'a Rc<Watched>,
}

impl DescriptorRef<'_> {
    /// Stops watching the descriptor, and closes it when the callback returns.
    pub fn remove(&self) {
        // Returns `None`: the registration is borrowed while the callback runs, and
        // `Watched::ready` removes and closes it afterwards.
        drop(self.watched.remove());
    }
}

impl AsFd for DescriptorRef<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor
    }
}

impl Read for DescriptorRef<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(self.descriptor, buffer)?)
    }
}

impl Write for DescriptorRef<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(self.descriptor, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for DescriptorRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DescriptorRef")
            .field(&self.descriptor)
            .finish()
    }
}
