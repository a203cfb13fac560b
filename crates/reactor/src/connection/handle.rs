//! `Connection`: a connection from anywhere in its thread.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use deferred::{Deferred, Outcome, maybe_deferred};

use super::context::Context;
use super::protocol::{Handled, Protocol};
use super::source::ConnectionSource;
use crate::address::Address;
use crate::error::{ConnectionClosed, Gone, SendDescriptorError};
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
    source: Weak<ConnectionSource<P>>,
}

impl<P: Protocol> Connection<P> {
    pub(crate) fn new(source: Weak<ConnectionSource<P>>) -> Self {
        Self { source }
    }

    pub(super) fn source(&self) -> Result<Rc<ConnectionSource<P>>, Gone> {
        self.source
            .upgrade()
            .filter(|source| !source.transport().is_closed())
            .ok_or(Gone)
    }

    /// Whether the connection is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     assert!(!connection.is_gone());
    ///     peer.close();
    ///     assert!(connection.is_gone());
    /// });
    /// ```
    pub fn is_gone(&self) -> bool {
        self.source().is_err()
    }

    /// Sends `bytes`, in this turn of the loop: see [`Context::write`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over or on its way out; the bytes are not
    /// taken.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     connection.write("news").unwrap();
    ///     assert_eq!(peer.received(), b"news");
    ///     peer.close();
    ///     assert!(connection.write("more news").is_err());
    /// });
    /// ```
    pub fn write(&self, bytes: impl AsRef<[u8]>) -> Result<(), Gone> {
        self.write_sequence([bytes])
    }

    /// Sends several pieces, one after the other.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     let body = "<p>hello";
    ///     let head = format!("length: {}\n\n", body.len());
    ///     connection.write_sequence([head.as_str(), body]).unwrap();
    ///     assert_eq!(peer.received(), b"length: 8\n\n<p>hello");
    /// });
    /// ```
    pub fn write_sequence<I>(&self, pieces: I) -> Result<(), Gone>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let source = self.source()?;
        if !source.transport().takes_writes() {
            return Err(Gone);
        }
        for piece in pieces {
            source.write_from_elsewhere(piece.as_ref());
        }
        source.touch();
        Ok(())
    }

    /// Ends the connection as soon as everything written so far is sent: see
    /// [`Context::lose_connection`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     connection.write("goodbye").unwrap();
    ///     connection.lose_connection().unwrap();
    ///     assert!(connection.write("and another thing").is_err());
    ///     assert_eq!(peer.received(), b"goodbye");
    ///     assert!(peer.is_closed());
    /// });
    /// ```
    pub fn lose_connection(&self) -> Result<(), Gone> {
        self.act(|source| source.transport().lose())
    }

    /// Finishes sending as soon as everything written so far is sent: see
    /// [`Context::lose_write_connection`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     connection.write("that was my question").unwrap();
    ///     connection.lose_write_connection().unwrap();
    ///     assert!(peer.is_closed());
    ///     peer.send("and here is the answer");
    ///     assert!(!connection.is_gone());
    /// });
    /// ```
    pub fn lose_write_connection(&self) -> Result<(), Gone> {
        self.act(|source| source.transport().lose_write())
    }

    /// Sends `bytes`, and `descriptor` with the first of them: see
    /// [`Context::send_descriptor`].
    ///
    /// # Errors
    ///
    /// This is no UNIX socket, there are no bytes, or the connection is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use std::fs::File;
    /// use std::os::unix::net::UnixStream;
    ///
    /// # let reactor = Reactor::new()?;
    /// let (near, far) = UnixStream::pair()?;
    /// let connection = reactor.adopt_stream(near, Quiet)?;
    /// connection.send_descriptor(File::open("/dev/null")?, "here it is")?;
    /// // It has to go with at least one byte.
    /// assert!(connection.send_descriptor(File::open("/dev/null")?, "").is_err());
    /// # drop(far);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_descriptor(
        &self,
        descriptor: impl Into<OwnedFd>,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), SendDescriptorError> {
        let source = self.source().map_err(|_| SendDescriptorError::Gone)?;
        source.send_descriptor(descriptor.into(), bytes.as_ref())?;
        source.touch();
        Ok(())
    }

    /// Ends the connection at once: see [`Context::abort`]. `connection_lost` is
    /// called from the loop, not from here.
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     connection.abort().unwrap();
    ///     assert!(peer.was_reset());
    /// });
    /// ```
    pub fn abort(&self) -> Result<(), Gone> {
        self.act(|source| source.transport().abort(ConnectionClosed::Aborted))
    }

    pub(super) fn act(&self, f: impl FnOnce(&ConnectionSource<P>)) -> Result<(), Gone> {
        let source = self.source()?;
        f(&source);
        source.touch();
        Ok(())
    }

    /// Calls `f` with the protocol, from the loop, in this turn: after the handler
    /// that is running, if there is one.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over; `f` is dropped. If it ends before `f`
    /// was called, `f` is still called, before `connection_lost`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// struct Player {
    ///     score: u32,
    /// }
    /// # impl Protocol for Player { type Framing = Raw; }
    ///
    /// testing::run(|reactor| {
    ///     let (player, peer) = reactor.connect_to_peer(Player { score: 0 });
    ///     let award = |this: &mut Player, cx: &mut reactor::Context<'_, Player>| {
    ///         this.score += 10;
    ///         cx.write(format!("you have {}", this.score));
    ///     };
    ///     player.post(award).unwrap();
    ///     assert_eq!(peer.received(), b"you have 10");
    /// });
    /// ```
    pub fn post<F, H>(&self, f: F) -> Result<(), Gone>
    where
        F: FnOnce(&mut P, &mut Context<'_, P>) -> H + 'static,
        H: Handled,
    {
        let source = self.source()?;
        let cause = source.cause();
        source
            .post(Box::new(move |this, cx| f(this, cx).into_result()), cause)
            .map_err(|_job| Gone)
    }

    /// Calls `f` with the protocol, as [`post`](Self::post) does, and gives what it
    /// returns: a value, a failure, or what a Deferred comes to. A failure or a panic is
    /// the caller's, and does not close the connection.
    ///
    /// Cancelling goes to the Deferred that `f` returned. Cancelled before it was called, `f`
    /// is not called.
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
        let (trigger, answer) = Deferred::<Deferred<O::Value>>::pair();
        let posted = self.post(move |this, cx| {
            if trigger.is_fired() {
                return;
            }
            let came_to = maybe_deferred(|| f(this, cx));
            if trigger.is_fired() {
                // `f` has cancelled its own call.
                came_to.cancel();
                return came_to.ignore();
            }
            // It was not fired, and nothing else has the trigger.
            let _ = trigger.callback(came_to);
        });
        match posted {
            Ok(()) => answer.add_callback(|came_to| came_to),
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # let reactor = TestReactor::new();
    /// reactor.listen_tcp("192.0.2.1:80", || Quiet)?;
    /// let connecting = reactor.connect_tcp("192.0.2.1:80", Quiet);
    /// reactor.settle();
    /// let connection = connecting.into_result().unwrap()?;
    /// assert_eq!(connection.peer()?.to_string(), "192.0.2.1:80");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn peer(&self) -> Result<Address, Gone> {
        Ok(self.source()?.transport().peer().clone())
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # let reactor = TestReactor::new();
    /// reactor.listen_tcp("192.0.2.1:80", || Quiet)?;
    /// let connecting = reactor.connect_tcp("192.0.2.1:80", Quiet);
    /// reactor.settle();
    /// let connection = connecting.into_result().unwrap()?;
    /// println!("from {} to {}", connection.host()?, connection.peer()?);
    /// assert_ne!(connection.host()?, connection.peer()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn host(&self) -> Result<Address, Gone> {
        Ok(self.source()?.transport().host())
    }
}

impl<P: Protocol<Framing = Lines>> Connection<P> {
    /// Sends a line: `line`, and `\r\n` after it.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Lines, Protocol, testing};
    /// # struct Chat; impl Protocol for Chat { type Framing = Lines; }
    /// testing::run(|reactor| {
    ///     let (guest, peer) = reactor.connect_to_peer(Chat);
    ///     guest.send_line("dinner is served").unwrap();
    ///     assert_eq!(peer.received(), b"dinner is served\r\n");
    /// });
    /// ```
    pub fn send_line(&self, line: impl AsRef<[u8]>) -> Result<(), Gone> {
        self.write_sequence([line.as_ref(), b"\r\n"])
    }
}

impl<P: Protocol> Clone for Connection<P> {
    fn clone(&self) -> Self {
        Self {
            source: Weak::clone(&self.source),
        }
    }
}

/// Whether they are handles on the same connection.
impl<P: Protocol> PartialEq for Connection<P> {
    fn eq(&self, other: &Self) -> bool {
        self.source.ptr_eq(&other.source)
    }
}

impl<P: Protocol> Eq for Connection<P> {}

impl<P: Protocol> Hash for Connection<P> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.source.as_ptr().hash(state);
    }
}

impl<P: Protocol> fmt::Debug for Connection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer().ok())
            .finish_non_exhaustive()
    }
}
