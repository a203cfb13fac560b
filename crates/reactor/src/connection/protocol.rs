//! `Protocol`: what a user writes.

use std::os::fd::OwnedFd;

use deferred::{Failure, Result};

use super::context::Context;
use crate::error::ConnectionClosed;
use crate::framing::Framing;

/// What the protocol `P` gets in [`Protocol::received`].
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

/// One side of one connection: what is to happen when something comes in.
///
/// The reactor owns it and calls its handlers, one at a time, with a
/// [`Context`] through which it writes, closes, waits and schedules. No handler
/// is ever called while another one of the same protocol runs.
///
/// A handler that returns an `Err` or panics closes its connection (what was
/// written before is still sent) and no other. The failure is the reason that
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
pub trait Protocol: Sized + 'static {
    /// How the incoming bytes are cut into frames: [`Raw`](crate::Raw) for bytes
    /// as they come, [`Lines`](crate::Lines), or one of your own.
    type Framing: Framing + Default;

    /// The framing of this connection, if it is to be other than the default.
    ///
    /// Called before everything else. If it panics, the connection is closed, and
    /// [`connection_lost`](Self::connection_lost) is all that is called after it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Lines, Protocol, testing};
    /// struct Strict {
    ///     longest_line: usize,
    /// }
    ///
    /// impl Protocol for Strict {
    ///     type Framing = Lines;
    ///
    ///     fn framing(&self) -> Lines {
    ///         Lines::with_max_length(self.longest_line)
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (_strict, peer) = reactor.connect_to_peer(Strict { longest_line: 10 });
    ///     peer.send("0123456789\r\n");
    ///     assert!(!peer.is_closed());
    ///     peer.send("0123456789a\r\n");
    ///     assert!(peer.is_closed());
    /// });
    /// ```
    fn framing(&self) -> Self::Framing {
        Self::Framing::default()
    }

    /// The connection is there. Called once, first.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol, testing};
    /// # struct Mail;
    /// # impl Protocol for Mail {
    /// #     type Framing = Lines;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     cx.send_line("220 ready");
    ///     Ok(())
    /// }
    /// # }
    /// # testing::run(|reactor| {
    /// #     let (_mail, peer) = reactor.connect_to_peer(Mail);
    /// #     assert_eq!(peer.received(), b"220 ready\r\n");
    /// # });
    /// ```
    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// A frame came in. What the handler asks for takes effect when it returns,
    /// before the next frame: after `lose_connection` there is no further one.
    ///
    /// Unless this is overridden, what comes in is ignored.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol, testing};
    /// # struct Adder;
    /// # impl Protocol for Adder {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///     // What is no number ends the connection.
    ///     let number: u64 = std::str::from_utf8(line)?.parse()?;
    ///     cx.send_line((number + 1).to_string());
    ///     Ok(())
    /// }
    /// # }
    /// # testing::run(|reactor| {
    /// #     let (_adder, peer) = reactor.connect_to_peer(Adder);
    /// peer.send("41\r\nfish\r\n41\r\n");
    /// assert_eq!(peer.received(), b"42\r\n");
    /// assert!(peer.is_closed());
    /// # });
    /// ```
    fn received(&mut self, cx: &mut Context<'_, Self>, frame: Frame<'_, Self>) -> Result<()> {
        let _ = (cx, frame);
        Ok(())
    }

    /// What came in is no frame: a line that is too long, for one. The connection is
    /// closed for that; what is written here is still sent. It is logged at WARN level,
    /// since it is the peer's doing. (Twisted: `lineLengthExceeded`.)
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::Failure;
    /// # use reactor::{Context, LineTooLong, Lines, Protocol};
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Lines;
    /// fn framing_failed(&mut self, cx: &mut Context<'_, Self>, failure: &Failure) {
    ///     if failure.is::<LineTooLong>() {
    ///         cx.send_line("500 keep it short");
    ///     }
    /// }
    /// # }
    /// ```
    fn framing_failed(&mut self, cx: &mut Context<'_, Self>, failure: &Failure) {
        let _ = (cx, failure);
    }

    /// The peer has finished sending; it may still be reading. Unless this is
    /// overridden, the connection is closed, after what was written is sent: a
    /// [`PullProducer`](crate::PullProducer) may finish, a
    /// [`PushProducer`](crate::PushProducer), which might never, is stopped.
    ///
    /// If this is overridden and the connection not closed, it is over when this side
    /// has finished sending, too. (Twisted: `IHalfCloseableProtocol`.)
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    ///
    /// # Examples
    ///
    /// Answers when the peer has said everything, rather than hanging up:
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

    /// This side has finished sending, as somebody asked for with
    /// [`lose_write_connection`](Context::lose_write_connection): all was handed to
    /// the system. The peer may still be sending.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    ///
    /// # Examples
    ///
    /// Gives the peer ten seconds for its answer, once the whole question has gone:
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, testing};
    /// # use std::time::Duration;
    /// # struct Question;
    /// # impl Protocol for Question {
    /// #     type Framing = Raw;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     cx.write("how are you?");
    ///     cx.lose_write_connection();
    ///     Ok(())
    /// }
    /// fn write_closed(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     cx.call_later(Duration::from_secs(10), |_this, cx| cx.abort());
    ///     Ok(())
    /// }
    /// # }
    /// # testing::run(|reactor| {
    /// #     let (question, _peer) = reactor.connect_to_peer(Question);
    /// #     reactor.advance(Duration::from_secs(9));
    /// #     assert!(!question.is_gone());
    /// #     reactor.advance(Duration::from_secs(1));
    /// #     assert!(question.is_gone());
    /// # });
    /// ```
    fn write_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// A descriptor came in, through a UNIX socket: before the bytes that it was sent
    /// with, or even before some that were sent before them. Unless this is
    /// overridden, it is closed.
    ///
    /// If the process has too many descriptors open to receive one, the connection ends
    /// ([`ConnectionClosed::Lost`], which says so): a later one might be taken for it.
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
    ///     Ok(cx.reactor().stop()?)
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
        tracing::warn!(target: "reactor", peer = %cx.peer(), "a descriptor that nobody wants is closed");
        drop(descriptor);
        Ok(())
    }

    /// The connection is over. Called once, last, whatever happened, also after
    /// a panic, of [`framing`](Self::framing) too. What is written here is dropped.
    ///
    /// What had arrived was delivered before, also if the connection broke while something
    /// was sent; unless reading was [paused](Context::pause_reading).
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{ConnectionClosed, Context, Protocol, Raw, testing};
    /// # use std::{cell::Cell, rc::Rc};
    /// struct Guest {
    ///     guests: Rc<Cell<u32>>,
    /// }
    ///
    /// impl Protocol for Guest {
    ///     type Framing = Raw;
    ///
    ///     fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
    ///         self.guests.set(self.guests.get() - 1);
    ///         assert!(!reason.is_clean());
    ///         println!("{reason}");
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let guests = Rc::new(Cell::new(1));
    ///     let (_, peer) = reactor.connect_to_peer(Guest { guests: Rc::clone(&guests) });
    ///     peer.reset();
    ///     assert_eq!(guests.get(), 0);
    /// });
    /// ```
    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let _ = (cx, reason);
    }
}

/// What a closure that is called with the protocol may return: `()` or a
/// `Result`, whose `Err` closes the connection.
///
/// The trait is sealed.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// testing::run(|reactor| {
///     let (connection, peer) = reactor.connect_to_peer(Quiet);
///     connection.post(|_this, cx| cx.write("x")).unwrap();
///     connection.post(|_this, _cx| Err(deferred::Failure::msg("no more"))).unwrap();
///     assert_eq!(peer.received(), b"x");
///     assert!(peer.is_closed());
/// });
/// ```
pub trait Handled: sealed::Sealed {
    #[doc(hidden)]
    fn into_result(self) -> Result<()>;
}

impl Handled for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl Handled for Result<(), Failure> {
    fn into_result(self) -> Self {
        self
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "it seals the trait")]
    pub trait Sealed {}
    impl Sealed for () {}
    impl Sealed for deferred::Result<()> {}
}
