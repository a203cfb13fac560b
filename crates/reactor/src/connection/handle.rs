//! `Connection`: handle on a connection, for all code of its thread except the handlers of its
//! protocol, which use a `Context`. The modules `backpressure`, `filtering` and `socket_options`
//! have more of its methods.

use std::fmt;
use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use deferred::{Deferred, fail};

use super::any_source::AnySource;
use super::context::Context;
use super::protocol::Protocol;
use super::source::ConnectionSource;
use crate::address::Address;
use crate::error::{ConnectionClosed, Gone, SendDescriptorError};
use crate::framing::Lines;
use crate::mailbox::{OwnerRef, handle_methods};

/// A handle on a connection, for other protocols, callbacks and timers, and with methods that a
/// [`Context`] does not have.
///
/// Cheap to clone, and weak: it does not keep the connection alive. When the connection is over,
/// methods fail with [`Gone`]; those that end the connection do nothing. Handles come from
/// [`Context::connection`] and from connecting.
///
/// # Examples
///
/// A chat room:
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
///         // Guests that are gone fall out.
///         self.room.0.borrow_mut().retain(|guest| guest.send_line(line).is_ok());
///         Ok(())
///     }
/// }
/// ```
#[doc(alias = "transport")]
#[doc(alias = "TcpStream")]
pub struct Connection<P: Protocol> {
    source: OwnerRef<ConnectionSource<P>>,
}

// `is_gone`, `post`, `call`, and equality by identity.
handle_methods! {
    Connection, Context, Protocol, "connection", Gone, "[`Gone`]"
}

impl<P: Protocol> Connection<P> {
    pub(crate) fn new(source: Weak<ConnectionSource<P>>) -> Self {
        Self {
            source: OwnerRef::new(source),
        }
    }

    pub(super) fn source(&self) -> Result<Rc<ConnectionSource<P>>, Gone> {
        self.source.get()
    }

    /// Calls `f` with the connection, and puts that into the run queue, so that the loop acts on
    /// what `f` has changed.
    pub(super) fn act(&self, f: impl FnOnce(&(dyn AnySource + 'static))) -> Result<(), Gone> {
        let source = self.source()?;
        f(source.any());
        source.any().touch();
        Ok(())
    }

    /// As [`act`](Self::act), for requests to end the connection. Ignores `Gone`: if the connection
    /// is over, the request is fulfilled.
    fn end(&self, f: impl FnOnce(&(dyn AnySource + 'static))) {
        let _ = self.act(f);
    }

    /// Sends `bytes`, in this turn of the loop: see [`Context::write`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over or closing. Then no byte is sent.
    #[doc(alias = "send")]
    pub fn write(&self, bytes: impl AsRef<[u8]>) -> Result<(), Gone> {
        self.write_sequence([bytes])
    }

    /// Sends several pieces, one after the other.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    #[doc(alias = "writeSequence")]
    pub fn write_sequence<I>(&self, pieces: I) -> Result<(), Gone>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let source = self.source()?;
        if !source.transport().takes_writes() {
            return Err(Gone);
        }
        let is_busy = source.mailbox.is_busy();
        for piece in pieces {
            source.base.write_by_handle(piece.as_ref(), is_busy);
        }
        source.any().touch();
        Ok(())
    }

    /// Sends the beginning of `bytes`: what the system takes at once. Of the rest, it buffers only
    /// until the unsent output is one byte longer than the
    /// [high-water mark](crate::WriteLimits::high_water). Returns the number of bytes sent or
    /// buffered: 0 if the unsent output is above the mark already.
    ///
    /// For a writer that keeps the rest itself, such as one with a large file in memory: only
    /// the buffered bytes are copied. Send the rest after [`ready`](Self::ready).
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over or closing; nothing is taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// use deferred::Result;
    /// use reactor::{Connection, Protocol, testing};
    /// # use reactor::Raw;
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    ///
    /// async fn send<P: Protocol>(connection: Connection<P>, bytes: Rc<[u8]>) -> Result<()> {
    ///     let mut sent = 0;
    ///     while sent < bytes.len() {
    ///         connection.ready().await?;
    ///         sent += connection.write_some(&bytes[sent..])?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     let bytes: Rc<[u8]> = vec![b'x'; 10_000_000].into();
    ///     reactor.spawn(send(connection, bytes)).detach();
    ///     assert_eq!(peer.received().len(), 10_000_000);
    /// });
    /// ```
    #[doc(alias = "try_write")]
    #[doc(alias = "poll_write")]
    pub fn write_some(&self, bytes: &[u8]) -> Result<usize, Gone> {
        self.write_some_sequence(&[IoSlice::new(bytes)])
    }

    /// As [`write_some`](Self::write_some), for several pieces, one after the other. Large output
    /// is sent by one vectored system call, without copying the pieces into one buffer.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over or closing; nothing is taken.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::IoSlice;
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    ///
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     let body = vec![b'x'; 40_000];
    ///     let answer = [IoSlice::new(b"40000\r\n"), IoSlice::new(&body)];
    ///     assert_eq!(connection.write_some_sequence(&answer).unwrap(), 40_007);
    ///     assert_eq!(peer.received().len(), 40_007);
    /// });
    /// ```
    #[doc(alias = "try_write_vectored")]
    #[doc(alias = "poll_write_vectored")]
    pub fn write_some_sequence(&self, pieces: &[IoSlice<'_>]) -> Result<usize, Gone> {
        let source = self.source()?;
        if !source.transport().takes_writes() {
            return Err(Gone);
        }
        let taken = source
            .base
            .write_some_by_handle(pieces, source.mailbox.is_busy());
        source.any().touch();
        Ok(taken)
    }

    /// Ends the connection as soon as everything written so far is sent: see
    /// [`Context::lose_connection`].
    #[doc(alias = "loseConnection")]
    #[doc(alias = "close")]
    pub fn lose_connection(&self) {
        self.end(|source| source.transport().lose());
    }

    /// Closes the sending direction as soon as everything written so far is sent (half-close): see
    /// [`Context::lose_write_connection`].
    #[doc(alias = "loseWriteConnection")]
    #[doc(alias = "half_close")]
    pub fn lose_write_connection(&self) {
        self.end(|source| source.transport().lose_write());
    }

    /// Ends the connection at once: unsent output is discarded, and the peer sees a reset. The loop
    /// calls `connection_lost` after this method has returned.
    #[doc(alias = "abortConnection")]
    pub fn abort(&self) {
        self.end(|source| source.transport().abort(ConnectionClosed::Aborted));
    }

    /// A Deferred with the result of `waits_for`, such as an answer of the peer. If the returned
    /// Deferred is cancelled, as by a timeout, it cancels `waits_for` and [aborts](Self::abort) the
    /// connection, which could otherwise receive an answer that nothing waits for. For a connection
    /// of its own for each question, see [`ask`](crate::ask).
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use deferred::Deferred;
    /// use std::time::Duration;
    ///
    /// reactor::testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     let (_trigger, answer) = Deferred::<u32>::pair();
    ///     let answer = connection
    ///         .abort_on_cancel(answer)
    ///         .add_timeout(Duration::from_secs(5), reactor);
    ///     reactor.advance(Duration::from_secs(5));
    ///     assert!(answer.into_result().unwrap().is_err());
    ///     assert!(peer.is_closed());
    /// });
    /// ```
    #[track_caller]
    pub fn abort_on_cancel<T: 'static>(&self, mut waits_for: Deferred<T>) -> Deferred<T> {
        let (connection, inner) = (self.clone(), waits_for.handle());
        let (trigger, outer) = Deferred::with_canceller(move |_trigger| {
            inner.cancel();
            connection.abort();
        });
        // `fire` errs if the outer Deferred was cancelled; then nothing waits for the result.
        waits_for
            .add_both(move |result| drop(trigger.fire(result)))
            .ignore();
        outer
    }

    /// Fires when the connection is over, with the reason, right after
    /// [`connection_lost`](Protocol::connection_lost). If the Deferred is cancelled, as by a
    /// timeout, its memory is freed at once.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over already.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::ConnectionClosedKind;
    ///
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     let closed = connection.closed();
    ///     peer.finish();
    ///     let reason = closed.into_result().unwrap().unwrap();
    ///     assert_eq!(reason.kind(), ConnectionClosedKind::Done);
    /// });
    /// ```
    #[doc(alias = "notifyFinish")]
    pub fn closed(&self) -> Deferred<ConnectionClosed> {
        match self.source() {
            Ok(source) => source.base.closed(),
            Err(gone) => fail(gone),
        }
    }

    /// Sends `bytes`, and `descriptor` with the first of them. Only UNIX sockets can carry
    /// descriptors. The protocol of the peer gets it in
    /// [`descriptor_received`](Protocol::descriptor_received).
    ///
    /// # Errors
    ///
    /// If the connection is not a UNIX socket, or is over, or `bytes` is empty, or 64 descriptors
    /// wait already. Then the descriptor is closed.
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
    /// # drop(far);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "sendFileDescriptor")]
    #[doc(alias = "SCM_RIGHTS")]
    pub fn send_descriptor(
        &self,
        descriptor: impl Into<OwnedFd>,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), SendDescriptorError> {
        let source = self.source().map_err(|Gone| SendDescriptorError::Gone)?;
        source
            .base
            .send_descriptor(descriptor.into(), bytes.as_ref())?;
        source.any().touch();
        Ok(())
    }

    /// The address of the other side.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    #[doc(alias = "getPeer")]
    #[doc(alias = "peer_addr")]
    pub fn peer(&self) -> Result<Address, Gone> {
        Ok(self.source()?.transport().peer().clone())
    }

    /// The address of this side.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    #[doc(alias = "getHost")]
    #[doc(alias = "local_addr")]
    pub fn host(&self) -> Result<Address, Gone> {
        Ok(self.source()?.transport().host())
    }
}

impl<P: Protocol<Framing = Lines>> Connection<P> {
    /// Sends `line` and `\r\n` after it.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    #[doc(alias = "sendLine")]
    pub fn send_line(&self, line: impl AsRef<[u8]>) -> Result<(), Gone> {
        self.write_sequence([line.as_ref(), b"\r\n"])
    }
}

impl<P: Protocol> Clone for Connection<P> {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
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
