//! `Conn`: one connection of a client. The pool keeps it; a request sends by it.

use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use deferred::{Failure, Result};
use http::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1;
#[cfg(feature = "http2")]
use hyper::client::conn::http2;
use reactor::{Connection, ReactorHandle};

use super::upgrade::{self, UpgradeSlot};
use super::upload::Upload;
use crate::io::{Io, IoProtocol};
#[cfg(feature = "http2")]
use crate::rt::LoopExecutor;

/// Size of hyper's read buffer: the most bytes of the head of an answer, and of a piece of its
/// content.
const MAX_HEAD: usize = 64 * 1024;

/// A connection, with hyper's sender for requests over it. The other half, which reads and writes
/// the connection, is a driver in the loop (`drive`).
pub(super) struct Conn {
    sender: Sender,
    handle: Connection<IoProtocol>,
    /// Gets the connection when HTTP/1.1 on it has ended, for a request that waits for an upgrade.
    /// All clones of an HTTP/2 sender share one slot, so that the address of the slot identifies
    /// the connection (see `is_same`).
    upgrade: UpgradeSlot,
    /// An earlier request was answered over this connection. So if it breaks before the next
    /// answer, the server may have closed it as idle, and the request may be sent again over
    /// another connection.
    pub(super) is_used: bool,
    /// Time on the loop's clock at which the last request has ended.
    pub(super) idle_since: Duration,
}

enum Sender {
    One(http1::SendRequest<Upload>),
    #[cfg(feature = "http2")]
    Two(http2::SendRequest<Upload>),
}

/// A request that was refused; with the request, if nothing of it was sent.
pub(super) struct Refused {
    pub(super) failure: Failure,
    pub(super) unsent: Option<http::Request<Upload>>,
}

impl Conn {
    /// Begins HTTP/1.1 on `io`.
    pub(super) async fn one(io: Io) -> Result<Self> {
        let (reactor, handle) = (io.reactor().clone(), io.connection().clone());
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD);
        let (sender, connection) = builder.handshake(io).await?;
        let upgrade: UpgradeSlot = Rc::default();
        let slot = Rc::clone(&upgrade);
        // Without a shutdown at the end: after an upgrade the connection goes on. If nothing waits
        // for an upgrade, `hand_over` drops the `Io`, which closes the connection.
        let driver = async move {
            let parts = connection.without_shutdown().await?;
            upgrade::hand_over(&slot, parts.io, parts.read_buf);
            Ok::<(), hyper::Error>(())
        };
        drive(&reactor, driver);
        Ok(Self::new(Sender::One(sender), handle, upgrade))
    }

    /// Begins HTTP/2 on `io`.
    #[cfg(feature = "http2")]
    pub(super) async fn two(io: Io) -> Result<Self> {
        let (reactor, handle) = (io.reactor().clone(), io.connection().clone());
        let builder = http2::Builder::new(LoopExecutor::new(&reactor));
        let (sender, connection) = builder.handshake(io).await?;
        drive(&reactor, connection);
        // An upgrade slot that is never filled: HTTP/2 has no upgrades (RFC 9113, 8.6).
        Ok(Self::new(Sender::Two(sender), handle, Rc::default()))
    }

    fn new(sender: Sender, handle: Connection<IoProtocol>, upgrade: UpgradeSlot) -> Self {
        Self {
            sender,
            handle,
            upgrade,
            is_used: false,
            idle_since: Duration::ZERO,
        }
    }

    /// A second sender over the same connection, if that is HTTP/2. `None` for HTTP/1.1, which has
    /// one request at a time.
    #[cfg(feature = "http2")]
    pub(super) fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::One(_) => None,
            Sender::Two(sender) => Some(Self {
                sender: Sender::Two(sender.clone()),
                handle: self.handle.clone(),
                upgrade: Rc::clone(&self.upgrade),
                // The server may end the connection (GOAWAY) while the request is on its way.
                is_used: true,
                idle_since: self.idle_since,
            }),
        }
    }

    pub(super) fn is_shared(&self) -> bool {
        match &self.sender {
            Sender::One(_) => false,
            #[cfg(feature = "http2")]
            Sender::Two(_) => true,
        }
    }

    /// Whether `other` sends over the same connection.
    #[cfg(feature = "http2")]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.upgrade, &other.upgrade)
    }

    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::One(sender) => sender.is_closed(),
            #[cfg(feature = "http2")]
            Sender::Two(sender) => sender.is_closed(),
        }
    }

    /// Whether a request can be sent over this connection now.
    pub(super) fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::One(sender) => sender.is_ready(),
            #[cfg(feature = "http2")]
            Sender::Two(sender) => sender.is_ready(),
        }
    }

    /// Waits until a request can be sent over this connection.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        match &mut self.sender {
            Sender::One(sender) => sender.poll_ready(cx),
            #[cfg(feature = "http2")]
            Sender::Two(sender) => sender.poll_ready(cx),
        }
    }

    /// Sends a request, and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: http::Request<Upload>,
    ) -> Result<Response<Incoming>, Refused> {
        let sent = match &mut self.sender {
            Sender::One(sender) => sender.try_send_request(request).await,
            #[cfg(feature = "http2")]
            Sender::Two(sender) => sender.try_send_request(request).await,
        };
        sent.map_err(|mut error| Refused {
            // hyper gives the request back if it has not begun to write it.
            unsent: error.take_message(),
            failure: error.into_error().into(),
        })
    }

    /// The slot that gets the connection when HTTP on it has ended.
    pub(super) fn upgrade(&self) -> &UpgradeSlot {
        &self.upgrade
    }

    /// Ends the connection at once, unless it is HTTP/2, on which other requests may be under way:
    /// there, the drop of hyper's future or answer resets the stream of this request.
    pub(super) fn abort(&self) {
        // A stream of HTTP/2 ends when its response is dropped.
        if !self.is_shared() {
            self.handle.abort();
        }
    }
}

/// Drives a connection until it ends. Its error is ignored here, since the request fails with it,
/// too.
fn drive(reactor: &ReactorHandle, driver: impl Future<Output = hyper::Result<()>> + 'static) {
    reactor.spawn_driver(driver).ignore();
}
