//! Filters: what stands between the bytes of a connection and its framing.
//!
//! ```text
//!  socket ──bytes──▶ filter ──▶ filter ──bytes──▶ framing ──frames──▶ protocol
//!  socket ◀──bytes── filter ◀── filter ◀──────────write────────────── protocol
//! ```
//!
//! A [`Filter`] is pure (sans-IO): the connection shows it bytes, in both directions, and it
//! gives bytes. It knows no socket, so the same filter runs over TCP and UNIX sockets, pipes
//! and the memory network of [`testing`](crate::testing), and is tested by itself, with
//! [`FilterDriver`].
//!
//! Two filters come with the crate: [`proxy_protocol`], which reads the header that a load
//! balancer puts before a connection, and [`throttle`], which limits the rate of bytes. TLS
//! is the crate `reactor-tls`.
//!
//! [`FilterDriver`]: crate::testing::FilterDriver

mod engine;
mod info;
mod link;
mod pair;
pub mod proxy_protocol;
pub mod throttle;

pub(crate) use self::engine::{Engine, Environment, Sides};
pub use self::info::InfoRequest;
pub use self::link::{FilterWaker, Link};
pub use self::pair::Pair;

use std::fmt;

use deferred::Result;

/// Changes the bytes of a connection on their way in and out.
///
/// The connection calls these methods, one at a time, and does what the filter says through
/// the [`Link`]: [`deliver`](Link::deliver) gives bytes to the side of the protocol,
/// [`send`](Link::send) to the side of the network. Until the filter has called
/// [`Link::open`], what the protocol writes waits, and if the filter was there from the start,
/// [`connection_made`](crate::Protocol::connection_made) does, too.
///
/// An error of any method, or a panic, ends the connection: what waits to be sent is
/// discarded, what the filter has given to [`Link::send`] still goes out. If the filter
/// was not open yet, no protocol hears of it: the error fails the Deferred of the connect.
///
/// # Examples
///
/// A filter that turns each letter by thirteen places, both ways:
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
    /// Begins: called once, before everything else. Without an implementation, the filter is
    /// open at once.
    ///
    /// # Errors
    ///
    /// The connection is not wanted.
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.open();
        Ok(())
    }

    /// Takes bytes from the network, never none, and gives how many of them it has
    /// consumed. The rest comes again, with what has arrived behind it; while more than
    /// 64 KiB of such a rest waits, the connection is not read from.
    ///
    /// The bytes may be changed in place.
    ///
    /// # Errors
    ///
    /// The input is not what this filter reads.
    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize>;

    /// Hears that nothing more will come from the network. Without an implementation, it
    /// passes that on: [`Link::end`].
    ///
    /// # Errors
    ///
    /// The input was cut off: the connection is
    /// [lost](crate::ConnectionClosed::Lost), with the error inside.
    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        link.end();
        Ok(())
    }

    /// Takes bytes from the protocol, never none, and gives how many of them it has taken. The
    /// rest comes again after the next [`wake`](Self::wake), or when more was received or
    /// sent. Not called before the filter is open.
    ///
    /// # Errors
    ///
    /// The connection cannot go on.
    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize>;

    /// Hears that the protocol will send nothing more, and adds what has to stand at the end.
    /// Gives whether that is all: if not, it is called again after the next
    /// [`wake`](Self::wake).
    ///
    /// # Errors
    ///
    /// The connection cannot go on.
    fn finish(&mut self, link: &mut Link<'_>) -> Result<bool> {
        let _ = link;
        Ok(true)
    }

    /// Called when the time of [`Link::wake_after`] has come, or a [`FilterWaker`] was used;
    /// now and then it is called for neither reason.
    ///
    /// # Errors
    ///
    /// The connection cannot go on: for instance, the peer has taken too long.
    fn wake(&mut self, link: &mut Link<'_>) -> Result<()> {
        let _ = link;
        Ok(())
    }

    /// Tells what it knows of the connection, if asked for it: see [`InfoRequest`].
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

/// A filter cannot be put in while another one is being opened: put in a [`Pair`], or wait
/// for the first one.
///
/// # Examples
///
/// ```
/// # use reactor::{Context, Lines, Protocol, filter::throttle::Throttle, testing};
/// # struct Server;
/// # impl Protocol for Server {
/// #     type Framing = Lines;
/// fn received(&mut self, cx: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> {
///     let throttle = Throttle::new();
///     let first = cx.insert_filter(throttle.filter());
///     let second = cx.insert_filter(throttle.filter());
///     assert!(second.into_result().unwrap().unwrap_err().is::<reactor::filter::FilterBusy>());
///     first.detach();
///     Ok(())
/// }
/// # }
/// # testing::run(|reactor| {
/// #     let (server, peer) = reactor.connect_to_peer(Server);
/// #     peer.send("go\r\n");
/// #     assert!(!server.is_gone());
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterBusy;

impl fmt::Display for FilterBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another filter is being opened on this connection")
    }
}

impl std::error::Error for FilterBusy {}
