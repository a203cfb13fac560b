//! `Connection`: a connection from anywhere in its thread.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use deferred::{Deferred, Outcome, maybe_deferred};

use super::context::Context;
use super::protocol::{Handled, Protocol};
use super::stream::Stream;
use crate::address::Address;
use crate::error::{ConnectionClosed, DescriptorError, Gone};
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

    pub(super) fn stream(&self) -> Result<Rc<Stream<P>>, Gone> {
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
        if !stream.transport().takes_writes() {
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

    /// Finishes sending as soon as everything written so far is sent: see
    /// [`Context::lose_write_connection`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn lose_write_connection(&self) -> Result<(), Gone> {
        self.act(|stream| stream.transport().lose_write())
    }

    /// Sends `bytes`, and `descriptor` with the first of them: see
    /// [`Context::send_descriptor`].
    ///
    /// # Errors
    ///
    /// This is no UNIX socket, there are no bytes, or the connection is over.
    pub fn send_descriptor(
        &self,
        descriptor: impl Into<OwnedFd>,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), DescriptorError> {
        let stream = self.stream().map_err(|_| DescriptorError::Gone)?;
        stream.send_descriptor(descriptor.into(), bytes.as_ref())?;
        stream.touch();
        Ok(())
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

    pub(super) fn act(&self, f: impl FnOnce(&Stream<P>)) -> Result<(), Gone> {
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

    /// Calls `f` with the protocol, as [`post`](Self::post) does, and gives what it
    /// returns: a value, a failure, or what a Deferred comes to. A failure or a panic is
    /// the caller's, and does not close the connection.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over, or ends before `f` was called.
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::Deferred;
    /// # use reactor::{Connection, Lines, Protocol};
    /// struct Player {
    ///     score: u32,
    /// }
    /// # impl Protocol for Player {
    /// #     type Framing = Lines;
    /// # }
    ///
    /// fn score_of(player: &Connection<Player>) -> Deferred<u32> {
    ///     player.call(|this, _cx| Ok(this.score))
    /// }
    /// ```
    pub fn call<F, O>(&self, f: F) -> Deferred<O::Value>
    where
        F: FnOnce(&mut P, &mut Context<'_, P>) -> O + 'static,
        O: Outcome,
    {
        let (trigger, answer) = Deferred::pair();
        let posted = self.post(move |this, cx| {
            maybe_deferred(|| f(this, cx))
                .chain_deferred(trigger)
                .ignore();
        });
        match posted {
            Ok(()) => answer,
            Err(gone) => {
                answer.ignore();
                deferred::fail(gone)
            }
        }
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

/// Whether they are handles on the same connection.
impl<P: Protocol> PartialEq for Connection<P> {
    fn eq(&self, other: &Self) -> bool {
        self.stream.ptr_eq(&other.stream)
    }
}

impl<P: Protocol> Eq for Connection<P> {}

impl<P: Protocol> Hash for Connection<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.stream.as_ptr().hash(state);
    }
}

impl<P: Protocol> fmt::Debug for Connection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer().ok())
            .finish_non_exhaustive()
    }
}
