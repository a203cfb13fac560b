//! `ByteStreamProtocol`: the protocol under a `ByteStream`, and the input that they share.

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::Waker;

use deferred::{Result, Trigger};

use crate::connection::{Connection, Context, Protocol};
use crate::error::ConnectionClosed;
use crate::framing::Raw;
use crate::handle::ReactorHandle;

/// Bound of the bytes that were not read yet. When they reach it, reading from the connection is
/// paused until at most half as many are left.
pub(super) const CAPACITY: usize = 64 * 1024;

/// The protocol of a [`ByteStream`](super::ByteStream), made by [`ByteStreamProtocol::pair`].
///
/// # Examples
///
/// A stream in a test; the test is its peer:
///
/// ```
/// use futures::AsyncWriteExt;
/// use reactor::{ByteStreamProtocol, testing};
///
/// testing::run(|reactor| {
///     let (protocol, stream) = ByteStreamProtocol::pair();
///     let (_connection, peer) = reactor.connect_to_peer(protocol);
///     let body = async { Ok(stream.await?.write_all(b"hello").await?) };
///     reactor.spawn(body).detach();
///     assert_eq!(peer.received(), b"hello");
/// });
/// ```
pub struct ByteStreamProtocol {
    inbound: Rc<RefCell<Inbound>>,
    opened: Option<Trigger<Opened>>,
}

/// Input that the protocol has received and the stream has not taken.
#[derive(Default)]
pub(super) struct Inbound {
    pub(super) bytes: Vec<u8>,
    /// Number of bytes that the stream has taken, and its user has not read.
    pub(super) taken: usize,
    // Set when reading is paused at `CAPACITY`; cleared by `ByteStream::consume`, which ends the
    // pause.
    pub(super) is_held_back: bool,
    // Set by `read_closed`, never cleared.
    pub(super) is_at_end: bool,
    /// Why the connection is over.
    pub(super) over: Option<ConnectionClosed>,
    pub(super) reader: Option<Waker>,
}

impl Inbound {
    pub(super) fn unread(&self) -> usize {
        self.taken + self.bytes.len()
    }
}

/// The parts of which a stream is made.
pub(super) struct Opened {
    pub(super) connection: Connection<ByteStreamProtocol>,
    pub(super) reactor: ReactorHandle,
    pub(super) inbound: Rc<RefCell<Inbound>>,
}

impl ByteStreamProtocol {
    /// A protocol that fires `opened` when it has its connection.
    pub(super) fn new(opened: Trigger<Opened>) -> Self {
        Self {
            inbound: Rc::default(),
            opened: Some(opened),
        }
    }
}

impl Protocol for ByteStreamProtocol {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        if let Some(opened) = self.opened.take() {
            let parts = Opened {
                connection: cx.connection(),
                reactor: cx.reactor().clone(),
                inbound: Rc::clone(&self.inbound),
            };
            if opened.callback(parts).is_err() {
                // The Deferred was cancelled, so there is no stream that would end the connection.
                cx.lose_connection();
            }
        }
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        let mut inbound = self.inbound.borrow_mut();
        inbound.bytes.extend_from_slice(data);
        if inbound.unread() >= CAPACITY {
            inbound.is_held_back = true;
            cx.pause_reading();
        }
        wake(inbound);
        Ok(())
    }

    fn read_closed(&mut self, _cx: &mut Context<'_, Self>) -> Result<()> {
        let mut inbound = self.inbound.borrow_mut();
        // Unlike the default method, this does not close the connection, because the stream may
        // still write.
        inbound.is_at_end = true;
        wake(inbound);
        Ok(())
    }

    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let mut inbound = self.inbound.borrow_mut();
        if matches!(reason, ConnectionClosed::Lost(_)) {
            // Keeps bytes that have arrived, but were held back by the pause.
            cx.take_unread(&mut |bytes| inbound.bytes.extend(bytes));
        }
        inbound.over = Some(reason);
        wake(inbound);
    }
}

/// Wakes the reader, with nothing borrowed.
fn wake(mut inbound: RefMut<'_, Inbound>) {
    // The borrow ends first, because a waker is user code, which may poll the stream at once.
    let reader = inbound.reader.take();
    drop(inbound);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// The error of reading from or writing to a connection that is over for `reason`, which the
/// error keeps as its inner error.
pub(super) fn error_of(reason: &ConnectionClosed) -> io::Error {
    let kind = match reason {
        ConnectionClosed::Lost(error) => error.kind(),
        ConnectionClosed::Aborted => io::ErrorKind::ConnectionAborted,
        ConnectionClosed::IdleTimeout { .. } => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::NotConnected,
    };
    io::Error::new(kind, reason.clone())
}

impl fmt::Debug for ByteStreamProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStreamProtocol").finish_non_exhaustive()
    }
}
