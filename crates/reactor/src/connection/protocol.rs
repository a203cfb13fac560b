//! What a user writes: protocols, and factories that make them.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use deferred::{Failure, Result};

use super::context::Context;
use crate::address::Address;
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

/// Makes a protocol for each connection that comes in.
///
/// Any closure without arguments that gives a protocol is one: `|| Echo`,
/// `Echo::default`. What the protocols share is captured by it, often as an
/// `Rc<RefCell<..>>`.
///
/// # Examples
///
/// Implement it to see the peer first, or to refuse it:
///
/// ```
/// use reactor::{Address, Factory};
/// # use reactor::{Context, Protocol, Raw};
/// # struct Admin;
/// # impl Protocol for Admin {
/// #     type Framing = Raw;
/// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
/// # }
///
/// struct LocalOnly;
///
/// impl Factory for LocalOnly {
///     type Protocol = Admin;
///
///     fn build_protocol(&mut self, peer: &Address) -> Option<Admin> {
///         peer.as_inet()?.ip().is_loopback().then_some(Admin)
///     }
/// }
/// # let peer = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 9)));
/// # assert!(LocalOnly.build_protocol(&peer).is_some());
/// ```
pub trait Factory: 'static {
    /// What it makes.
    type Protocol: Protocol;

    /// The protocol for the connection from `peer`; `None` refuses it, which
    /// closes it at once.
    fn build_protocol(&mut self, peer: &Address) -> Option<Self::Protocol>;

    /// A port begins to listen for it.
    fn start_factory(&mut self) {}

    /// Its port is closed.
    fn stop_factory(&mut self) {}

    /// Nobody can be accepted for a while: mostly because the process has too many
    /// descriptors open. Those who wait are turned away, and the port tries again
    /// after `pause`.
    fn accept_failed(&mut self, error: &io::Error, pause: Duration) {
        let _ = (error, pause);
    }
}

impl<F, P> Factory for F
where
    F: FnMut() -> P + 'static,
    P: Protocol,
{
    type Protocol = P;

    fn build_protocol(&mut self, _peer: &Address) -> Option<P> {
        Some(self())
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
