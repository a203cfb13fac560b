//! `Peer`: the other side of a connection, controlled by a test.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use super::settle::settle;
use crate::memory::Socket;
use crate::reactor::Reactor;

/// The other side of a connection, controlled by the test. Made by
/// [`TestReactor::connect_to_peer`](super::TestReactor::connect_to_peer).
///
/// Each operation [settles](super::TestReactor::settle) the reactor, so that its consequences
/// happen at once. The drop closes the connection in an orderly way.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// # use reactor::{Context, Protocol, Raw};
/// # struct Echo;
/// # impl Protocol for Echo {
/// #     type Framing = Raw;
/// #     fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
/// #         cx.write(data);
/// #         Ok(())
/// #     }
/// # }
///
/// testing::run(|reactor| {
///     let (connection, peer) = reactor.connect_to_peer(Echo);
///     peer.send("hello");
///     assert_eq!(peer.received(), b"hello");
///     peer.reset();
///     assert!(connection.is_gone());
/// });
/// ```
pub struct Peer {
    reactor: Rc<Reactor>,
    /// `None` once this side has closed the connection.
    socket: RefCell<Option<Socket>>,
    is_reading: Cell<bool>,
    received: RefCell<Vec<u8>>,
    // Set when the end or an error was read, never cleared.
    is_closed: Cell<bool>,
    // Set when an error was read, never cleared.
    was_reset: Cell<bool>,
}

impl Peer {
    pub(super) fn new(reactor: Rc<Reactor>, socket: Socket) -> Self {
        Self {
            reactor,
            socket: RefCell::new(Some(socket)),
            is_reading: Cell::new(true),
            received: RefCell::default(),
            is_closed: Cell::new(false),
            was_reset: Cell::new(false),
        }
    }

    /// Sends all `bytes`; the other side has to read them.
    ///
    /// # Panics
    ///
    /// If the other side does not take all bytes, because it does not read, or the connection is
    /// over. See [`try_send`](Self::try_send).
    #[track_caller]
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let sent = self.try_send(bytes);
        let left = bytes.len() - sent;
        assert!(left == 0, "the last {left} bytes were not taken");
    }

    /// Sends as much of `bytes` as the other side takes, and returns the number of bytes.
    ///
    /// # Examples
    ///
    /// A protocol that pauses reading:
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, testing};
    /// # struct Careful;
    /// # impl Protocol for Careful {
    /// #     type Framing = Raw;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> {
    ///     cx.pause_reading();
    ///     Ok(())
    /// }
    /// # }
    ///
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Careful);
    ///     assert!(peer.try_send(&vec![0; 1_000_000]) < 1_000_000);
    ///     connection.abort();
    /// });
    /// ```
    #[track_caller]
    pub fn try_send(&self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() {
            let taken = match &*self.socket.borrow() {
                Some(socket) => socket.send(&bytes[sent..], Vec::new()).unwrap_or(0),
                None => 0,
            };
            sent += taken;
            // The network holds a bounded number of bytes. The other side reads them now, so that
            // more bytes can be sent. If none were taken, there will be no more room.
            self.settle();
            if taken == 0 {
                break;
            }
        }
        sent
    }

    /// The bytes that the other side has sent since the last call.
    #[track_caller]
    pub fn received(&self) -> Vec<u8> {
        self.settle();
        self.received.take()
    }

    /// Sets whether this side reads. With `false`, the network fills up, and the output of the
    /// other side has to wait.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     peer.set_reading(false);
    ///     connection.write(vec![0; 1_000_000]).unwrap();
    ///     let drained = connection.drained();
    ///     reactor.settle();
    ///     deferred::assertions::assert_no_result(&drained);
    ///     peer.set_reading(true);
    ///     drained.into_result().unwrap().unwrap();
    /// });
    /// ```
    #[track_caller]
    pub fn set_reading(&self, is_reading: bool) {
        self.is_reading.set(is_reading);
        self.settle();
    }

    /// Closes the sending direction; the other side may still send.
    #[track_caller]
    pub fn finish(&self) {
        if let Some(socket) = &*self.socket.borrow() {
            socket.shut_write();
        }
        self.settle();
    }

    /// Closes the connection in an orderly way.
    #[track_caller]
    pub fn close(&self) {
        drop(self.socket.take());
        self.settle();
    }

    /// Resets the connection: the other side gets an error.
    #[track_caller]
    pub fn reset(&self) {
        if let Some(socket) = self.socket.take() {
            socket.reset();
        }
        self.settle();
    }

    /// Whether the other side has finished sending, or the connection is over.
    #[track_caller]
    pub fn is_closed(&self) -> bool {
        self.settle();
        self.is_closed.get() || self.socket.borrow().is_none()
    }

    /// Whether the other side has reset the connection.
    #[track_caller]
    pub fn was_reset(&self) -> bool {
        self.settle();
        self.was_reset.get()
    }

    #[track_caller]
    fn settle(&self) {
        // Repeated until there are no more bytes to read, because each read makes room, and the
        // other side may send more in its next turn.
        loop {
            settle(&self.reactor);
            if !self.is_reading.get() || !self.read() {
                return;
            }
        }
    }

    /// Reads once. Returns whether there were bytes.
    fn read(&self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        let received = match &*self.socket.borrow() {
            Some(socket) => socket.receive(&mut buffer, &mut Vec::new()),
            None => return false,
        };
        match received {
            Ok(Some(0)) => self.is_closed.set(true),
            Ok(Some(received)) => {
                self.received.borrow_mut().extend(&buffer[..received]);
                return true;
            }
            Ok(None) => {}
            Err(_) => {
                self.is_closed.set(true);
                self.was_reset.set(true);
            }
        }
        false
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("received", &self.received.borrow().len())
            .field("is_closed", &self.is_closed.get())
            .finish_non_exhaustive()
    }
}
