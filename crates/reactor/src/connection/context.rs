//! `Context`: access of a protocol's handler to its connection and reactor.

use std::fmt;

use super::flags::Flags;
use super::handle::Connection;
use super::protocol::Protocol;
use super::source::ConnectionSource;
use crate::address::Address;
use crate::error::ConnectionClosed;
use crate::framing::Lines;
use crate::mailbox::{MailboxOwner, context_methods};

/// Access of a handler of a [`Protocol`] to its connection and its reactor.
///
/// The requests of a handler take effect when it returns. Less common operations (socket options,
/// limits, producers, descriptors) are methods of the handle: `cx.connection().set_nodelay(true)?`.
///
/// # Examples
///
/// ```
/// use reactor::{Context, Lines, Protocol, testing};
///
/// struct Door;
///
/// impl Protocol for Door {
///     type Framing = Lines;
///
///     fn received(&mut self, cx: &mut Context<'_, Self>, word: &[u8]) -> deferred::Result<()> {
///         if word != b"sesame" {
///             cx.send_line("go away");
///             cx.lose_connection();
///         }
///         Ok(())
///     }
/// }
///
/// testing::run(|reactor| {
///     let (_door, peer) = reactor.connect_to_peer(Door);
///     peer.send("please\r\nsesame\r\n");
///     assert_eq!(peer.received(), b"go away\r\n");
///     assert!(peer.is_closed());
/// });
/// ```
pub struct Context<'a, P: Protocol> {
    pub(super) source: &'a ConnectionSource<P>,
    /// `None` if [`Protocol::framing`] has panicked. `connection_lost`, the only handler that is
    /// called then, gets a default framing from [`decoder`](Self::decoder).
    framing: &'a mut Option<P::Framing>,
}

impl<'a, P: Protocol> Context<'a, P> {
    #[inline(always)]
    pub(super) fn new(
        source: &'a ConnectionSource<P>,
        framing: &'a mut Option<P::Framing>,
    ) -> Self {
        Self { source, framing }
    }

    #[inline]
    pub(super) fn replace_framing(&mut self, framing: P::Framing) {
        *self.framing = Some(framing);
    }

    /// The framing of this connection, to change how the input after the current frame is cut into
    /// frames: its limit, its mode, or the whole framing. (Twisted: attributes and methods of
    /// `LineReceiver`, as `setRawMode`.)
    ///
    /// # Examples
    ///
    /// Lines may be longer once the peer has logged in:
    ///
    /// ```
    /// use reactor::{Context, Lines, Protocol, testing};
    ///
    /// struct Guarded;
    ///
    /// impl Protocol for Guarded {
    ///     type Framing = Lines;
    ///
    ///     fn framing(&self) -> Lines {
    ///         Lines::with_max_length(20)
    ///     }
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///         if line == b"password" {
    ///             cx.framing().set_max_length(1000);
    ///         }
    ///         cx.send_line(format!("{} bytes", line.len()));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (_connection, peer) = reactor.connect_to_peer(Guarded);
    ///     peer.send(format!("password\n{}\n", "x".repeat(500)));
    ///     assert_eq!(peer.received(), b"8 bytes\r\n500 bytes\r\n");
    /// });
    /// ```
    #[inline]
    #[doc(alias = "codec_mut")]
    pub fn framing(&mut self) -> &mut P::Framing {
        let flags = &self.source.transport().flags;
        if flags.has_any(Flags::HAS_REST) {
            // Once the framing is changed, the input that is kept may hold a whole frame.
            flags.set(Flags::HAS_UNDECODED);
        }
        self.decoder()
    }

    /// The framing, for decoding. Unlike [`framing`](Self::framing), this does not mark the kept
    /// input as to be decoded again.
    #[inline(always)]
    pub(super) fn decoder(&mut self) -> &mut P::Framing {
        self.framing.get_or_insert_with(P::Framing::default)
    }

    /// Sends `bytes`. What a handler writes is gathered, and goes out together when the handler
    /// returns. A write of 32 KiB or more goes out at once if no other output waits, because to
    /// copy it would cost more than a system call. Output that the system does not take is
    /// buffered, and sent when the system takes more.
    ///
    /// The buffered output is bounded: see [`WriteLimits`](crate::WriteLimits). After
    /// [`lose_connection`](Self::lose_connection), a write is dropped.
    #[doc(alias = "transport.write")]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.source.base.write(bytes.as_ref());
    }

    /// Sends several pieces, one after the other.
    #[doc(alias = "writeSequence")]
    #[doc(alias = "write_vectored")]
    pub fn write_sequence<I>(&mut self, pieces: I)
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        for piece in pieces {
            self.write(piece);
        }
    }

    /// Ends the connection as soon as everything written so far is sent. No further frame is
    /// delivered: input is read and discarded, so that two sides which both close with much
    /// unsent output do not wait for each other.
    ///
    /// If the peer takes no output for 30 seconds, the connection is aborted: see
    /// [`Connection::set_close_timeout`].
    #[doc(alias = "loseConnection")]
    #[doc(alias = "close")]
    #[doc(alias = "shutdown")]
    pub fn lose_connection(&mut self) {
        // Only sets flags, as all requests of a context do: the loop acts on them when the handler
        // has returned.
        self.source.transport().lose();
    }

    /// Closes the sending direction as soon as everything written so far is sent (half-close). The
    /// peer sees the end of the input, and may still send. The connection is over when the peer has
    /// closed its direction, too, or at [`lose_connection`](Self::lose_connection).
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw};
    /// /// Asks, says that this was all, and counts the answer.
    /// struct Question {
    ///     answered: usize,
    /// }
    ///
    /// impl Protocol for Question {
    ///     type Framing = Raw;
    ///
    ///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///         cx.write("everything you have, please");
    ///         cx.lose_write_connection();
    ///         Ok(())
    ///     }
    ///
    ///     fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
    ///         self.answered += data.len();
    ///         Ok(())
    ///     }
    /// }
    /// ```
    #[doc(alias = "loseWriteConnection")]
    #[doc(alias = "half_close")]
    pub fn lose_write_connection(&mut self) {
        self.source.transport().lose_write();
    }

    /// Ends the connection at once: unsent output is discarded, and the peer sees a reset.
    #[doc(alias = "abortConnection")]
    pub fn abort(&mut self) {
        self.source.transport().abort(ConnectionClosed::Aborted);
    }

    /// The default of [`Protocol::read_closed`]: closes the connection when all output is sent. An
    /// implementation of `read_closed` can call this where another language would call `super`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Context, Protocol, Raw, testing};
    ///
    /// struct Polite;
    ///
    /// impl Protocol for Polite {
    ///     type Framing = Raw;
    ///
    ///     fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///         cx.write("goodbye");
    ///         cx.close_after_peer();
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (_polite, peer) = reactor.connect_to_peer(Polite);
    ///     peer.finish();
    ///     assert_eq!(peer.received(), b"goodbye");
    ///     assert!(peer.is_closed());
    /// });
    /// ```
    #[doc(alias = "super")]
    pub fn close_after_peer(&mut self) {
        // The connection closes after its producer has finished, and a push producer might never.
        self.source.base.stop_push_producer();
        self.source.transport().lose();
    }

    /// Stops reading from the connection until [`resume_reading`](Self::resume_reading): no further
    /// frame is delivered, and the peer has to wait when the system's buffers are full.
    ///
    /// Pauses are counted: the connection is read again when each of them was resumed. So two parts
    /// of a program, or a program and a [`pump`](crate::pump), may pause the same connection
    /// without undoing each other's pause.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Context, Lines, Protocol, testing};
    /// use std::time::Duration;
    ///
    /// struct Slow;
    ///
    /// impl Protocol for Slow {
    ///     type Framing = Lines;
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///         cx.send_line(line);
    ///         cx.pause_reading();
    ///         cx.call_later(Duration::from_secs(1), |_this, cx| cx.resume_reading());
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (_connection, peer) = reactor.connect_to_peer(Slow);
    ///     peer.send("one\ntwo\n");
    ///     assert_eq!(peer.received(), b"one\r\n");
    ///     reactor.advance(Duration::from_secs(1));
    ///     assert_eq!(peer.received(), b"two\r\n");
    /// #   reactor.advance(Duration::from_secs(1));
    /// });
    /// ```
    #[doc(alias = "pauseProducing")]
    pub fn pause_reading(&mut self) {
        self.source.transport().pause();
    }

    /// Ends one [pause](Self::pause_reading); after the last one, the connection is read again.
    /// Frames that have arrived before are delivered first. Without a pause, this does nothing.
    #[doc(alias = "resumeProducing")]
    pub fn resume_reading(&mut self) {
        self.source.transport().resume();
        // Settles the connection once more in this turn: `write_closed` may resume, too, and it is
        // called after the frames that were kept have had their turn.
        self.source.any().touch();
    }

    /// Calls `f` with the input that has arrived and was not delivered. To be called by
    /// `connection_lost` only, because the input that is taken here reaches no other handler.
    pub(crate) fn take_unread(&mut self, f: &mut dyn FnMut(&[u8])) {
        self.source.base.take_unread(f);
    }

    /// The address of the other side.
    #[doc(alias = "getPeer")]
    #[doc(alias = "peer_addr")]
    pub fn peer(&self) -> &'a Address {
        self.source.transport().peer()
    }

    /// The address of this side. If a server listens on several addresses, this is the one to which
    /// the peer has connected.
    #[doc(alias = "getHost")]
    #[doc(alias = "local_addr")]
    pub fn host(&self) -> Address {
        self.source.transport().host()
    }

    /// A handle on this connection, which can be kept after the handler has returned.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Connection, Context, Protocol, Raw, testing};
    /// # use std::{cell::RefCell, rc::Rc};
    /// struct Guest {
    ///     all: Rc<RefCell<Vec<Connection<Guest>>>>,
    /// }
    ///
    /// impl Protocol for Guest {
    ///     type Framing = Raw;
    ///
    ///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///         self.all.borrow_mut().push(cx.connection());
    ///         Ok(())
    ///     }
    /// }
    /// # testing::run(|reactor| {
    /// #     let all = Rc::new(RefCell::new(Vec::new()));
    /// #     let (guest, _peer) = reactor.connect_to_peer(Guest { all: Rc::clone(&all) });
    /// #     assert_eq!(*all.borrow(), [guest]);
    /// # });
    /// ```
    #[doc(alias = "transport")]
    pub fn connection(&self) -> Connection<P> {
        Connection::new(self.source.mailbox().weak())
    }
}

context_methods! {
    Context, Protocol, "connection", "over";
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::Deferred;
    /// # use reactor::{Context, Lines, Protocol};
    /// # fn look_up(_name: String) -> Deferred<String> { deferred::succeed(String::new()) }
    /// struct Finger;
    ///
    /// impl Protocol for Finger {
    ///     type Framing = Lines;
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, name: &[u8]) -> deferred::Result<()> {
    ///         let name = String::from_utf8(name.to_vec())?;
    ///         cx.when(look_up(name), |_this, cx, found| {
    ///             cx.write(found.unwrap_or_else(|failure| format!("sorry: {failure}")));
    ///             cx.lose_connection();
    ///         });
    ///         Ok(())
    ///     }
    /// }
    /// ```
    when;
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{Context, Protocol, Raw, testing};
    /// use std::time::Duration;
    ///
    /// struct Heartbeat;
    ///
    /// impl Protocol for Heartbeat {
    ///     type Framing = Raw;
    ///
    ///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///         cx.call_every(Duration::from_secs(20), |_this, cx| cx.write("ping\n"));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (_connection, peer) = reactor.connect_to_peer(Heartbeat);
    ///     reactor.advance(Duration::from_secs(40));
    ///     assert_eq!(peer.received(), b"ping\nping\n");
    /// });
    /// ```
    call_every;
}

impl<P: Protocol<Framing = Lines>> Context<'_, P> {
    /// Sends `line` and `\r\n` after it.
    #[doc(alias = "sendLine")]
    pub fn send_line(&mut self, line: impl AsRef<[u8]>) {
        self.write_sequence([line.as_ref(), b"\r\n"]);
    }
}

impl<P: Protocol> fmt::Debug for Context<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("peer", self.peer())
            .finish_non_exhaustive()
    }
}
