//! `Connection`: a connection from anywhere in its thread.

use std::fmt;
use std::io;
use std::rc::{Rc, Weak};

use super::context::Context;
use super::protocol::{Handled, Protocol};
use super::stream::Stream;
use super::transport::WriteLimits;
use crate::address::Address;
use crate::error::{ConnectionClosed, Gone};
use crate::framing::Lines;

/// A handle on a connection, for whoever is not its protocol: other protocols,
/// callbacks, timers.
///
/// Cheap to clone, and weak: it does not keep the connection alive. Once that is
/// over, everything here gives [`Gone`]. From [`Context::connection`], or from
/// connecting.
///
/// # Examples
///
/// A room that everybody hears:
///
/// ```
/// use reactor::{Connection, Context, Lines, Protocol};
/// use std::cell::RefCell;
/// use std::rc::Rc;
///
/// #[derive(Clone, Default)]
/// struct Room(Rc<RefCell<Vec<Connection<Guest>>>>);
///
/// struct Guest {
///     room: Room,
/// }
///
/// impl Protocol for Guest {
///     type Framing = Lines;
///
///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
///         self.room.0.borrow_mut().push(cx.connection());
///         Ok(())
///     }
///
///     fn received(&mut self, _cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
///         // Those that are gone fall out.
///         self.room.0.borrow_mut().retain(|guest| guest.send_line(line).is_ok());
///         Ok(())
///     }
/// }
/// ```
pub struct Connection<P: Protocol> {
    stream: Weak<Stream<P>>,
}

impl<P: Protocol> Connection<P> {
    pub(crate) fn new(stream: Weak<Stream<P>>) -> Self {
        Self { stream }
    }

    fn stream(&self) -> Result<Rc<Stream<P>>, Gone> {
        self.stream
            .upgrade()
            .filter(|stream| !stream.transport().is_over())
            .ok_or(Gone)
    }

    /// Whether the connection is over.
    pub fn is_gone(&self) -> bool {
        self.stream().is_err()
    }

    /// Sends `bytes`, in this turn of the loop: see [`Context::write`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over or on its way out; the bytes are not
    /// taken.
    pub fn write(&self, bytes: impl AsRef<[u8]>) -> Result<(), Gone> {
        self.write_sequence([bytes])
    }

    /// Sends several pieces, one after the other.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn write_sequence<I>(&self, pieces: I) -> Result<(), Gone>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let stream = self.stream()?;
        if !stream.transport().is_open() {
            return Err(Gone);
        }
        for piece in pieces {
            stream.transport().write(piece.as_ref());
        }
        stream.touch();
        Ok(())
    }

    /// Ends the connection as soon as everything written so far is sent: see
    /// [`Context::lose_connection`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    pub fn lose_connection(&self) -> Result<(), Gone> {
        self.act(|stream| stream.transport().lose())
    }

    /// Ends the connection at once: see [`Context::abort`]. `connection_lost` is
    /// called from the loop, not from here.
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    pub fn abort(&self) -> Result<(), Gone> {
        self.act(|stream| stream.transport().abort(ConnectionClosed::Aborted))
    }

    /// Takes in nothing more: see [`Context::pause_reading`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    pub fn pause_reading(&self) -> Result<(), Gone> {
        self.act(|stream| stream.transport().set_paused(true))
    }

    /// Undoes [`pause_reading`](Self::pause_reading).
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    pub fn resume_reading(&self) -> Result<(), Gone> {
        self.act(|stream| stream.transport().set_paused(false))
    }

    /// How much may wait to be sent.
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    pub fn set_write_limits(&self, limits: WriteLimits) -> Result<(), Gone> {
        self.act(|stream| stream.transport().set_limits(limits))
    }

    fn act(&self, f: impl FnOnce(&Stream<P>)) -> Result<(), Gone> {
        let stream = self.stream()?;
        f(&stream);
        stream.touch();
        Ok(())
    }

    /// Calls `f` with the protocol, from the loop, in this turn: after the handler
    /// that is running, if there is one.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over; `f` is dropped. If it ends before `f`
    /// was called, `f` is still called, before `connection_lost`.
    pub fn post<F, H>(&self, f: F) -> Result<(), Gone>
    where
        F: FnOnce(&mut P, &mut Context<'_, P>) -> H + 'static,
        H: Handled,
    {
        self.stream()?
            .post(Box::new(move |protocol, cx| f(protocol, cx).into_result()))
            .map_err(|_job| Gone)
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn peer(&self) -> Result<Address, Gone> {
        Ok(self.stream()?.transport().peer().clone())
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn host(&self) -> Result<Address, Gone> {
        Ok(self.stream()?.transport().host())
    }

    /// Whether small writes are sent at once: see [`Context::nodelay`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn nodelay(&self) -> Result<bool, Gone> {
        Ok(self.stream()?.transport().nodelay())
    }

    /// Sets what [`nodelay`](Self::nodelay) tells.
    ///
    /// # Errors
    ///
    /// The connection is over, or the system refuses.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        let stream = self.stream().map_err(io::Error::other)?;
        stream.transport().set_nodelay(nodelay)
    }
}

impl<P: Protocol<Framing = Lines>> Connection<P> {
    /// Sends a line: `line`, and `\r\n` after it.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn send_line(&self, line: impl AsRef<[u8]>) -> Result<(), Gone> {
        self.write_sequence([line.as_ref(), b"\r\n"])
    }
}

impl<P: Protocol> Clone for Connection<P> {
    fn clone(&self) -> Self {
        Self {
            stream: Weak::clone(&self.stream),
        }
    }
}

impl<P: Protocol> fmt::Debug for Connection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer().ok())
            .finish_non_exhaustive()
    }
}
