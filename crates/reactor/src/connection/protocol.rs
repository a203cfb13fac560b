//! `Protocol`: what a user writes.

use std::os::fd::OwnedFd;

use deferred::{Failure, Result};

use super::context::Context;
use crate::error::ConnectionClosed;
use crate::framing::Framing;

/// What the protocol `P` gets in [`Protocol::received`].
pub type Frame<'a, P> = <<P as Protocol>::Framing as Framing>::Frame<'a>;

/// One side of one connection: what is to happen when something comes in.
///
/// The reactor owns it and calls its handlers, one at a time, with a
/// [`Context`] through which it writes, closes, waits and schedules. No handler
/// is ever called while another one of the same protocol runs.
///
/// A handler that returns an `Err` or panics closes its connection (what was
/// written before is still sent) and no other. The failure is the reason that
/// [`connection_lost`](Self::connection_lost) gets.
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
    /// Called before everything else. If it panics, there is no connection, and
    /// no other method is called.
    fn framing(&self) -> Self::Framing {
        Self::Framing::default()
    }

    /// The connection is there. Called once, first.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
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
    fn received(&mut self, cx: &mut Context<'_, Self>, frame: Frame<'_, Self>) -> Result<()> {
        let _ = (cx, frame);
        Ok(())
    }

    /// What came in is no frame: a line that is too long, for one. The connection is
    /// closed for that; what is written here is still sent. (Twisted:
    /// `lineLengthExceeded`.)
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
    fn write_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// A descriptor came in, through a UNIX socket: before the bytes that it was sent
    /// with, or even before some that were sent before them. Unless this is
    /// overridden, it is closed.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
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
    /// a panic. What is written here is dropped.
    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let _ = (cx, reason);
    }
}

/// What a closure that is called with the protocol may return: `()` or a
/// `Result`, whose `Err` closes the connection.
///
/// The trait is sealed.
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
