//! `Filter`: the trait of types that change the bytes of a connection.

use deferred::Result;

use super::info::InfoRequest;
use super::link::Link;

/// Changes the bytes of a connection on their way in and out.
///
/// The connection calls these methods, one at a time. The filter answers through the [`Link`]:
/// [`deliver`](Link::deliver) passes bytes on towards the protocol, [`send`](Link::send) towards
/// the network. Until the filter has called [`Link::open`], the connection keeps the bytes that
/// the protocol writes; and if the connection has had the filter from the start,
/// [`connection_made`](crate::Protocol::connection_made) is called only after `open`.
///
/// An error of any method, or a panic, ends the connection. Bytes that the filter has passed to
/// [`Link::send`] are still sent; bytes of the protocol that the filter has not taken are
/// discarded. If the filter was not open yet, no handler of the protocol is called, and the
/// Deferred of the connect fails with the error.
///
/// # Examples
///
/// A filter that rotates each letter by thirteen places, in both directions:
///
/// ```
/// use reactor::filter::{Filter, Link};
/// use reactor::testing::FilterDriver;
///
/// struct Rot13;
///
/// fn turn(byte: u8) -> u8 {
///     match byte {
///         b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
///         b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
///         other => other,
///     }
/// }
///
/// impl Filter for Rot13 {
///     fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> deferred::Result<usize> {
///         link.up().extend(input.iter().copied().map(turn));
///         Ok(input.len())
///     }
///
///     fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> deferred::Result<usize> {
///         link.down().extend(bytes.iter().copied().map(turn));
///         Ok(bytes.len())
///     }
/// }
///
/// let mut driver = FilterDriver::new(Rot13)?;
/// driver.receive(b"Uryyb")?;
/// assert_eq!(driver.delivered(), b"Hello");
/// driver.send(b"Goodbye")?;
/// assert_eq!(driver.sent(), b"Tbbqolr");
/// # Ok::<(), deferred::Failure>(())
/// ```
pub trait Filter: 'static {
    /// Called once, before all other methods. The default implementation opens the filter.
    ///
    /// # Errors
    ///
    /// An error refuses the connection.
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.open();
        Ok(())
    }

    /// Gets at least one byte from the network, and returns the number of bytes that it has
    /// consumed. The next call gets the remaining bytes again, followed by those that have arrived
    /// since. While 64 KiB or more remain, the connection is not read.
    ///
    /// The bytes may be changed in place.
    ///
    /// # Errors
    ///
    /// If the input is invalid for this filter. The error ends the connection.
    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize>;

    /// Called when the network has ended its input. The default implementation calls
    /// [`Link::end`], which passes the end on towards the protocol.
    ///
    /// # Errors
    ///
    /// If the input was cut off. Then the connection is [lost](crate::ConnectionClosed::Lost), with
    /// this error as the source.
    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.end();
        Ok(())
    }

    /// Gets at least one byte from the protocol, and returns the number of bytes that it has taken.
    /// A later call gets the remaining bytes again: after the next [`wake`](Self::wake), or after
    /// more bytes were received or sent. Not called before the filter is open.
    ///
    /// # Errors
    ///
    /// An error ends the connection.
    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize>;

    /// Called when the protocol will send no more bytes. The filter sends its own last bytes with
    /// [`Link::send`], and returns `true` when there are no more. If it returns `false`, `finish`
    /// is called again after the next [`wake`](Self::wake).
    ///
    /// # Errors
    ///
    /// An error ends the connection.
    fn finish(&mut self, link: &mut Link<'_>) -> Result<bool> {
        let _ = link;
        Ok(true)
    }

    /// Called when the time of [`Link::wake_after`] has come, or after a
    /// [`FilterWaker::wake`](super::FilterWaker::wake). Spurious calls are possible.
    ///
    /// # Errors
    ///
    /// An error ends the connection. For example, the filter may err because the peer has taken too
    /// long.
    fn wake(&mut self, link: &mut Link<'_>) -> Result<()> {
        let _ = link;
        Ok(())
    }

    /// Answers a request for facts about the connection, such as the header that the filter has
    /// read: see [`InfoRequest`].
    fn info(&self, request: &mut InfoRequest<'_>) {
        let _ = request;
    }
}

impl<F: Filter + ?Sized> Filter for Box<F> {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        (**self).start(link)
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        (**self).receive(input, link)
    }

    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        (**self).receive_end(link)
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        (**self).send(bytes, link)
    }

    fn finish(&mut self, link: &mut Link<'_>) -> Result<bool> {
        (**self).finish(link)
    }

    fn wake(&mut self, link: &mut Link<'_>) -> Result<()> {
        (**self).wake(link)
    }

    fn info(&self, request: &mut InfoRequest<'_>) {
        (**self).info(request);
    }
}
