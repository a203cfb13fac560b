//! `Peer`: the test as the other side of a connection.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use super::settle::settle;
use crate::memory::Socket;
use crate::reactor::Reactor;

/// The other side of a connection, in the hands of a test: from
/// [`TestReactor::connect_to_peer`](super::TestReactor::connect_to_peer).
///
/// Each operation lets everything happen that comes of it. Dropping it closes the
/// connection in order.
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
    /// `None` once this side has closed it.
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

    /// Sends `bytes`, all of them: for as long as the other side reads.
    ///
    /// # Panics
    ///
    /// If the other side does not take them all: it has stopped reading, or the
    /// connection is over. See [`try_send`](Self::try_send).
    #[track_caller]
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let sent = self.try_send(bytes);
        let left = bytes.len() - sent;
        assert!(left == 0, "the last {left} bytes were not taken");
    }

    /// Sends as much of `bytes` as the other side reads; gives how much.
    ///
    /// # Examples
    ///
    /// A protocol that takes no more than it can deal with:
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
            // The network holds a bounded number of bytes: the other side reads them now, so that
            // more than that can be sent. If it takes nothing, nothing will make room.
            self.settle();
            if taken == 0 {
                break;
            }
        }
        sent
    }

    /// What the other side has sent since this was asked for the last time.
    #[track_caller]
    pub fn received(&self) -> Vec<u8> {
        self.settle();
        self.received.take()
    }

    /// Reads nothing from now on, so that the other side finds no room for what it
    /// sends; or everything again.
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

    /// Finishes sending; the other side may go on.
    #[track_caller]
    pub fn finish(&self) {
        if let Some(socket) = &*self.socket.borrow() {
            socket.shut_write();
        }
        self.settle();
    }

    /// Closes the connection in order.
    #[track_caller]
    pub fn close(&self) {
        drop(self.socket.take());
        self.settle();
    }

    /// Breaks the connection off: the other side gets an error.
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

    /// Whether the other side has broken the connection off.
    #[track_caller]
    pub fn was_reset(&self) -> bool {
        self.settle();
        self.was_reset.get()
    }

    #[track_caller]
    fn settle(&self) {
        // Until there is nothing more to read: what is taken makes room, so the other side sends
        // more in its next turn.
        loop {
            settle(&self.reactor);
            if !self.is_reading.get() || !self.read() {
                return;
            }
        }
    }

    /// Reads once; says whether there was something.
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
