//! `Protocol`: the handlers of a connection, which a user writes.

use std::os::fd::OwnedFd;

use deferred::{Failure, Result};

use super::context::Context;
use crate::address::Address;
use crate::error::ConnectionClosed;
use crate::framing::Framing;

/// The type of the frames that the protocol `P` gets in [`Protocol::received`].
///
/// # Examples
///
/// A handler for frames that are numbers:
///
/// ```
/// use reactor::{Context, Decoded, Frame, Framing, Protocol, testing};
///
/// #[derive(Default)]
/// struct Bytes;
///
/// impl Framing for Bytes {
///     type Frame<'a> = u8;
///
///     fn decode<'a>(&mut self, input: &'a [u8]) -> deferred::Result<Decoded<u8>> {
///         Ok(match input.first() {
///             Some(&frame) => Decoded::Frame { frame, consumed: 1 },
///             None => Decoded::Incomplete,
///         })
///     }
/// }
///
/// struct Sum(u32);
///
/// impl Protocol for Sum {
///     type Framing = Bytes;
///
///     // The same as `number: u8`.
///     fn received(
///         &mut self,
///         cx: &mut Context<'_, Self>,
///         number: Frame<'_, Self>,
///     ) -> deferred::Result<()> {
///         self.0 += u32::from(number);
///         cx.write(format!("{} ", self.0));
///         Ok(())
///     }
/// }
///
/// testing::run(|reactor| {
///     let (_sum, peer) = reactor.connect_to_peer(Sum(0));
///     peer.send([1, 2, 3]);
///     assert_eq!(peer.received(), b"1 3 6 ");
/// });
/// ```
pub type Frame<'a, P> = <<P as Protocol>::Framing as Framing>::Frame<'a>;

/// State and handlers of one side of one connection.
///
/// The reactor owns the protocol and calls its handlers, one at a time, with a [`Context`]
/// through which the protocol writes, closes, waits and schedules. No handler is called while
/// another one of the same protocol runs.
///
/// A handler that returns an `Err` or panics closes its own connection and no other; what was
/// written before is still sent. The failure is the reason that
/// [`connection_lost`](Self::connection_lost) gets, and is logged at ERROR level; if the
/// process has no `tracing` subscriber, it is written to standard error.
///
/// # Examples
///
/// A server that answers each line with its length:
///
/// ```
/// use reactor::{Context, Lines, Protocol, Reactor};
///
/// struct Lengths;
///
/// impl Protocol for Lengths {
///     type Framing = Lines;
///
///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
///         cx.send_line(line.len().to_string());
///         Ok(())
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let port = reactor.listen_tcp("127.0.0.1:0", || Lengths)?;
/// println!("listening on {}", port.address());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a protocol",
    label = "does not implement `Protocol`",
    note = "a client takes the protocol itself, as `connect_tcp(address, Client)`; a server takes a closure that makes one for each connection, as `listen_tcp(address, || Echo)`"
)]
pub trait Protocol: Sized + 'static {
    /// Cuts the incoming bytes into frames: [`Raw`](crate::Raw) for bytes as they come,
    /// [`Lines`](crate::Lines), or a framing of your own.
    type Framing: Framing + Default;

    /// The framing of this connection. Implement this if the default of the framing does not fit.
    ///
    /// Called before all handlers. If this panics, the connection is closed, and
    /// [`connection_lost`](Self::connection_lost) is the only handler that is called.
    fn framing(&self) -> Self::Framing {
        Self::Framing::default()
    }

    /// Called when the connection is made: once, before the other handlers.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Called when a frame has arrived. The requests of the handler take effect when it returns,
    /// before the next frame: after `lose_connection`, no further frame is delivered.
    ///
    /// By default, the frame is ignored.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn received(&mut self, cx: &mut Context<'_, Self>, frame: Frame<'_, Self>) -> Result<()> {
        let _ = (cx, frame);
        Ok(())
    }

    /// Called when bytes have arrived that the framing does not cut into frames, as in the raw mode
    /// of [`Lines`](crate::Lines). Returns how many of the bytes it takes, from the beginning. The
    /// others are delivered again: as frames if this method changes the framing, otherwise together
    /// with the next input.
    ///
    /// By default, all of them are ignored.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Upload { left: usize, bytes: Vec<u8> }
    /// # impl Protocol for Upload {
    /// #     type Framing = Lines;
    /// fn raw_received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<usize> {
    ///     let taken = data.len().min(self.left);
    ///     self.bytes.extend_from_slice(&data[..taken]);
    ///     self.left -= taken;
    ///     if self.left == 0 {
    ///         // The rest is lines again.
    ///         cx.framing().set_line_mode();
    ///     }
    ///     Ok(taken)
    /// }
    /// # }
    /// ```
    #[doc(alias = "rawDataReceived")]
    fn raw_received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<usize> {
        let _ = cx;
        Ok(data.len())
    }

    /// Called when the framing has refused the beginning of `input`, such as a line that is too
    /// long. `input` is all input from there on that has arrived.
    ///
    /// By default, and whenever this returns a failure, the connection is closed; output that is
    /// written here is still sent. The failure is logged at WARN level, since the peer has caused
    /// it. If this returns `Ok`, decoding continues: [`Lines`](crate::Lines),
    /// [`Delimited`](crate::framing::Delimited) and
    /// [`LengthPrefixed`](crate::framing::LengthPrefixed) skip the frame that is too long, unless
    /// this method changes the framing, for example to raw mode, which then gets `input` from its
    /// beginning. A framing that refuses the same input again closes the connection. (Twisted:
    /// `lineLengthExceeded`.)
    ///
    /// # Errors
    ///
    /// Any failure closes the connection. Usually, it is the one that was passed in.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::Failure;
    /// use reactor::{Context, LineTooLong, Lines, Protocol, testing};
    ///
    /// struct Server;
    ///
    /// impl Protocol for Server {
    ///     type Framing = Lines;
    ///
    ///     fn framing(&self) -> Lines {
    ///         Lines::with_max_length(10)
    ///     }
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///         cx.send_line(line);
    ///         Ok(())
    ///     }
    ///
    ///     fn framing_failed(
    ///         &mut self,
    ///         cx: &mut Context<'_, Self>,
    ///         failure: Failure,
    ///         _input: &[u8],
    ///     ) -> deferred::Result<()> {
    ///         failure.trap::<LineTooLong>()?;
    ///         cx.send_line("500 line too long");
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (_server, peer) = reactor.connect_to_peer(Server);
    ///     peer.send("much too long a line\r\nshort\r\n");
    ///     assert_eq!(peer.received(), b"500 line too long\r\nshort\r\n");
    /// });
    /// ```
    #[doc(alias = "lineLengthExceeded")]
    #[doc(alias = "lengthLimitExceeded")]
    fn framing_failed(
        &mut self,
        cx: &mut Context<'_, Self>,
        failure: Failure,
        input: &[u8],
    ) -> Result<()> {
        let _ = (cx, input);
        Err(failure)
    }

    /// Called when the peer has finished sending; it may still be reading. By default, the
    /// connection is closed when all output is sent. A [`PullProducer`](crate::PullProducer) may
    /// finish before that; a [`PushProducer`](crate::PushProducer) is stopped, because it might
    /// never finish. An implementation can do the same with [`Context::close_after_peer`].
    ///
    /// If an implementation does not close the connection, the connection is over when this side
    /// has finished sending, too. (Twisted: `IHalfCloseableProtocol`.)
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    ///
    /// # Examples
    ///
    /// Answers when the peer has finished sending:
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, testing};
    /// # struct Count(usize);
    /// # impl Protocol for Count {
    /// #     type Framing = Raw;
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
    /// #         self.0 += data.len();
    /// #         Ok(())
    /// #     }
    /// fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     cx.write(format!("{} bytes", self.0));
    ///     cx.lose_connection();
    ///     Ok(())
    /// }
    /// # }
    /// # testing::run(|reactor| {
    /// #     let (_count, peer) = reactor.connect_to_peer(Count(0));
    /// peer.send("hello");
    /// peer.finish();
    /// assert_eq!(peer.received(), b"5 bytes");
    /// # });
    /// ```
    fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.close_after_peer();
        Ok(())
    }

    /// Called when this side has finished sending after
    /// [`lose_write_connection`](Context::lose_write_connection): all output was handed to the
    /// system. The peer may still be sending.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn write_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Called when a descriptor has arrived through a UNIX socket. It is delivered before the bytes
    /// with which it was sent, and perhaps before bytes that were sent earlier. By default, it is
    /// closed.
    ///
    /// If the process has too many descriptors open to receive one, the connection ends with a
    /// [`ConnectionClosed::Lost`] that says so, because the protocol might take a later descriptor
    /// for the missing one.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, Reactor};
    /// # use std::{io::Read, os::fd::OwnedFd, os::unix::net::UnixStream};
    /// # struct Reader;
    /// # impl Protocol for Reader {
    /// #     type Framing = Raw;
    /// fn descriptor_received(
    ///     &mut self,
    ///     cx: &mut Context<'_, Self>,
    ///     descriptor: OwnedFd,
    /// ) -> deferred::Result<()> {
    ///     let mut file = std::fs::File::from(descriptor);
    ///     let mut text = String::new();
    ///     file.read_to_string(&mut text)?;
    ///     println!("it says {text}");
    /// #   assert!(text.is_empty());
    ///     cx.reactor().stop();
    ///     Ok(())
    /// }
    /// # }
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # let reactor = Reactor::new()?;
    /// # let (near, far) = UnixStream::pair()?;
    /// # reactor.adopt_stream(far, Reader)?;
    /// # let near = reactor.adopt_stream(near, Quiet)?;
    /// # near.send_descriptor(std::fs::File::open("/dev/null")?, "x")?;
    /// # reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn descriptor_received(
        &mut self,
        cx: &mut Context<'_, Self>,
        descriptor: OwnedFd,
    ) -> Result<()> {
        refuse_descriptor(cx.peer(), descriptor);
        Ok(())
    }

    /// Called when the connection is over: once, as the last handler, in all cases, even after a
    /// panic of a handler or of [`framing`](Self::framing). Output that is written here is dropped.
    ///
    /// Bytes that had arrived were delivered before, even if sending has failed, unless reading was
    /// [paused](Context::pause_reading).
    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let _ = (cx, reason);
    }
}

/// Not in the default method, which is compiled for each protocol.
fn refuse_descriptor(peer: &Address, descriptor: OwnedFd) {
    tracing::warn!(target: "reactor", %peer, "a descriptor is closed: the protocol does not take any");
    drop(descriptor);
}
