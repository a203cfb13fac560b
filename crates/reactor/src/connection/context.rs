//! `Context`: what a handler can do.

use std::fmt;
use std::os::fd::OwnedFd;

use super::handle::Connection;
use super::protocol::Protocol;
use super::source::ConnectionSource;
use crate::address::Address;
use crate::error::{ConnectionClosed, SendDescriptorError};
use crate::framing::Lines;
use crate::handle::ReactorHandle;

/// What a handler of a [`Protocol`] is given: its connection, and the reactor.
///
/// What is asked for here takes effect when the handler returns.
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
}

impl<'a, P: Protocol> Context<'a, P> {
    pub(super) fn new(source: &'a ConnectionSource<P>) -> Self {
        Self { source }
    }

    /// Sends `bytes`. What a handler writes is gathered, and goes out together when it
    /// returns. A write of 32 KiB or more, before which nothing waits, goes out at once:
    /// to copy it would cost more than a system call. What the system does not take waits,
    /// and is sent as it takes it.
    ///
    /// What waits is bounded, see [`WriteLimits`](crate::WriteLimits). After
    /// [`lose_connection`](Self::lose_connection) nothing more is taken.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///     cx.write("you said ");
    ///     cx.write(line);
    ///     cx.write(b"\r\n");
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.source.write(bytes.as_ref());
    }

    /// Sends several pieces, one after the other.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Shout;
    /// # impl Protocol for Shout {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///     cx.write_sequence([b"you said: ", line, b"\r\n"]);
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn write_sequence<I>(&mut self, pieces: I)
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        for piece in pieces {
            self.write(piece);
        }
    }

    /// Ends the connection as soon as everything written so far is sent. No
    /// further frame is delivered: what still comes in is read and discarded, so that two
    /// sides which both close with much unsent do not wait for each other.
    ///
    /// If the peer takes nothing for 30 seconds, the connection is aborted: see
    /// [`set_close_timeout`](Self::set_close_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///     if line == b"QUIT" {
    ///         cx.write("bye\r\n");
    ///         cx.lose_connection();
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn lose_connection(&mut self) {
        self.source.transport().lose();
    }

    /// Calls `f` with what has arrived and was not delivered: only when the connection is lost.
    pub(crate) fn take_unread(&mut self, f: impl FnMut(&[u8])) {
        self.source.take_unread(f);
    }

    /// What is done when the peer has finished, unless the protocol says otherwise.
    pub(super) fn close_after_peer(&mut self) {
        self.source.stop_push_producer();
        self.source.transport().lose();
    }

    /// Finishes sending as soon as everything written so far is sent: the peer sees
    /// the end, and may go on sending. The connection is over when it has finished,
    /// too, or at [`lose_connection`](Self::lose_connection).
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
    pub fn lose_write_connection(&mut self) {
        self.source.transport().lose_write();
    }

    /// Sends `bytes`, and `descriptor` with the first of them: only UNIX sockets
    /// can do that. The peer gets it in
    /// [`descriptor_received`](Protocol::descriptor_received).
    ///
    /// # Errors
    ///
    /// This is no UNIX socket, or there are no bytes; or 64 descriptors wait already. The
    /// descriptor is closed then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Librarian;
    /// # impl Protocol for Librarian {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, name: &[u8]) -> deferred::Result<()> {
    ///     let book = std::fs::File::open(std::str::from_utf8(name)?)?;
    ///     cx.send_descriptor(book, "here it is\r\n")?;
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn send_descriptor(
        &mut self,
        descriptor: impl Into<OwnedFd>,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), SendDescriptorError> {
        self.source
            .send_descriptor(descriptor.into(), bytes.as_ref())
    }

    /// Ends the connection at once; what waits to be sent is discarded, and the
    /// peer sees a reset.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///     if line.contains(&0) {
    ///         cx.abort();
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn abort(&mut self) {
        self.source.transport().abort(ConnectionClosed::Aborted);
    }

    /// The address of the other side.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Lines;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     println!("{} has connected to {}", cx.peer(), cx.host());
    ///     Ok(())
    /// }
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
    /// # }
    /// ```
    pub fn peer(&self) -> &'a Address {
        self.source.transport().peer()
    }

    /// The address of this side.
    ///
    /// # Examples
    ///
    /// A server with two addresses, which greets with the one that was used:
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol, testing::TestReactor};
    /// # struct Greeter;
    /// # impl Protocol for Greeter {
    /// #     type Framing = Lines;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     cx.send_line(format!("this is {}", cx.host()));
    ///     Ok(())
    /// }
    /// # }
    /// # struct Client;
    /// # impl Protocol for Client {
    /// #     type Framing = Lines;
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    /// #         assert_eq!(line, b"this is 192.0.2.1:25");
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let reactor = TestReactor::new();
    /// # reactor.listen_tcp("192.0.2.1:25", || Greeter)?;
    /// # let client = reactor.connect_tcp("192.0.2.1:25", Client);
    /// # reactor.settle();
    /// # assert!(!client.into_result().unwrap()?.is_gone());
    /// # assert!(reactor.counters().bytes_received > 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn host(&self) -> Address {
        self.source.transport().host()
    }

    /// A handle on this connection, to be kept elsewhere.
    ///
    /// # Examples
    ///
    /// Guests whom others can write to:
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
    pub fn connection(&self) -> Connection<P> {
        Connection::new(self.source.weak())
    }

    /// The reactor.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol, testing};
    /// # use std::time::Duration;
    /// # struct Clock;
    /// # impl Protocol for Clock {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> {
    ///     let seconds = cx.reactor().now().as_secs();
    ///     cx.send_line(format!("up for {seconds} s"));
    ///     Ok(())
    /// }
    /// # }
    /// # testing::run(|reactor| {
    /// #     let (_clock, peer) = reactor.connect_to_peer(Clock);
    /// #     reactor.advance(Duration::from_secs(90));
    /// #     peer.send("?\r\n");
    /// #     assert_eq!(peer.received(), b"up for 90 s\r\n");
    /// # });
    /// ```
    pub fn reactor(&self) -> &'a ReactorHandle {
        self.source.reactor()
    }
}

impl<P: Protocol<Framing = Lines>> Context<'_, P> {
    /// Sends a line: `line`, and `\r\n` after it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Greeter;
    /// # impl Protocol for Greeter {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, name: &[u8]) -> deferred::Result<()> {
    ///     cx.send_line([b"hello, ", name].concat());
    ///     Ok(())
    /// }
    /// # }
    /// ```
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
