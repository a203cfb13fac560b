//! One request and its answer, over a connection of the pool.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use deferred::{Failure, Result};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::connect;
use super::connection::{Conn, Refused};
use super::error::Step;
use super::inner::Inner;
use super::line::{Grant, Slot};
use super::origin::Destination;
use super::upgrade::{self, Upgraded};
use super::upload::Upload;
use super::watch::Stopwatch;
use crate::body::Body;

/// A request as it is sent, to a server or to a proxy.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

/// Both forms of a request's target.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// With scheme and host: for HTTP/2, and for a proxy.
    pub(super) absolute: http::Uri,
    /// Path and query: for HTTP/1.1.
    pub(super) origin: http::Uri,
    /// Whether HTTP/1.1 sends the first form.
    pub(super) is_for_proxy: bool,
    /// Value of `Host` for HTTP/1.1, unless the request has a `Host` of its own.
    pub(super) host: HeaderValue,
}

/// A connection while a request uses it. Dropping it ends the connection, or the stream.
pub(super) struct Lease {
    // `None` before the connection is made, and after it was given back or handed over.
    conn: Option<Conn>,
    // Dropped after `Drop::drop` has run, so that `conn` is back in the pool, or closed, when the
    // drop of the slot lets the next request proceed.
    slot: Slot,
    clock: Rc<Stopwatch>,
}

impl Lease {
    /// Gives up the connection without aborting it: HTTP on it ends with this answer, an upgrade.
    fn let_go(mut self) {
        // Not aborted: the driver hands the connection to the request that waits for the upgrade.
        drop(self.conn.take());
    }

    /// Excludes the connection from further requests.
    #[cfg(feature = "http2")]
    fn retire(&self) {
        if let Some(conn) = self.conn.as_ref().filter(|conn| conn.is_shared()) {
            self.slot.line().retire(conn);
        }
    }

    /// Nothing to exclude: a connection of HTTP/1 ends with its request.
    #[cfg(not(feature = "http2"))]
    fn retire(&self) {}

    /// Gives the connection back: the answer has come to its end.
    pub(super) fn finish(mut self) {
        if !self.clock.is_sent() {
            // The server does not want the rest of the request, which would have to be sent
            // before the next one.
            return;
        }
        if let Some(conn) = self.conn.take() {
            // Before the slot is given up, so that the next request finds the connection.
            self.slot.line().give_back(conn);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // An HTTP/2 connection whose answer timed out may be dead. Its other requests go on, but no
        // new ones use it. With HTTP/1, the abort below is enough.
        if self.clock.is_expired() {
            self.retire();
        }
        if let Some(conn) = self.conn.take() {
            conn.abort();
        }
    }
}

/// An answer whose head is there.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    /// `None` if the connection was upgraded and no longer speaks HTTP.
    pub(super) lease: Option<Lease>,
    pub(super) upgraded: Option<Upgraded>,
}

/// Sends a request, again if its connection turns out to be stale, and waits for the head of the
/// answer.
///
/// A server may close a kept connection while the next request is under way. The request is
/// sent again, over another connection, if nothing of it was sent, or if it may be repeated.
pub(super) async fn send(
    client: &Inner,
    destination: &Destination,
    mut outgoing: Outgoing,
    clock: &Rc<Stopwatch>,
) -> Result<Answered> {
    let is_upgrade = outgoing.is_upgrade();
    loop {
        clock.begin_request();
        let grant = client.pool.acquire(destination).cancel_on_drop().await?;
        let (slot, conn) = match grant {
            Grant::Kept(slot, conn) => (slot, conn),
            Grant::New(slot) => {
                clock.wait_for(Step::Connect);
                // Boxed, so that the future of `dial` does not enlarge requests over kept
                // connections.
                let conn = Box::pin(connect::dial(client, destination, clock)).await?;
                slot.dialed(&conn);
                (slot, conn)
            }
        };
        let (is_used, is_shared) = (conn.is_used, conn.is_shared());
        // Only a used connection can be stale, so a request over a new one is not copied.
        let again = is_used.then(|| outgoing.repeated()).flatten();
        // `into_request` keeps one of the two forms, and the next connection may need the other
        // one.
        let target = outgoing.target.clone();
        let request = outgoing.into_request(is_shared, clock);
        // Made before the request is sent: if this future is cancelled, the drop of the lease ends
        // the connection, or the stream.
        let mut lease = Lease {
            conn: None,
            slot,
            clock: Rc::clone(clock),
        };
        // Restarted, since a request to a proxy may have come first.
        clock.begin_request();
        clock.wait_for(Step::Head);
        let conn = lease.conn.insert(conn);
        // Before the request is sent: the driver closes a connection that nothing waits for when
        // HTTP on it ends.
        let upgraded = is_upgrade.then(|| upgrade::wait_for(conn.upgrade()));
        match conn.send(request).await {
            Ok(response) => {
                clock.note_head();
                return Ok(Answered::new(response, lease, upgraded));
            }
            Err(Refused { failure, unsent }) => {
                // A shared connection that takes no more requests may stay open for other answers.
                lease.retire();
                outgoing = match (unsent, again) {
                    // Only a request over a kept connection is sent again: if a new connection does
                    // not take it, that is the server's answer.
                    (Some(request), _) if is_used => Outgoing::from_request(request, target),
                    (None, Some(again)) if is_stale(&failure) => again,
                    _ => return Err(failure),
                };
            }
        }
    }
}

/// `uri` with `host`, the request's own `Host` header, as its authority.
fn with_authority(uri: http::Uri, host: &HeaderValue) -> http::Uri {
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse().ok()) else {
        return uri;
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(authority);
    // Does not fail: the parts are those of a URI, with another authority.
    http::Uri::from_parts(parts).unwrap_or(uri)
}

/// Whether the connection has ended before anything of an answer came.
fn is_stale(failure: &Failure) -> bool {
    let error = failure.check::<hyper::Error>();
    error.is_some_and(|error| {
        error.is_incomplete_message() || error.is_closed() || error.is_canceled() || is_reset(error)
    })
}

/// Whether the system says that the peer has closed the connection.
fn is_reset(error: &hyper::Error) -> bool {
    use std::io::ErrorKind;
    let source =
        std::error::Error::source(error).and_then(|it| it.downcast_ref::<std::io::Error>());
    source.is_some_and(|error| {
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::BrokenPipe
                | ErrorKind::NotConnected
                | ErrorKind::UnexpectedEof
        )
    })
}

/// The most bytes of a redirect's content that are read, so that its connection can be used again.
const DISCARDED: usize = 64 * 1024;

impl Answered {
    /// Reads the rest of the answer, so that its connection can be used again.
    pub(super) async fn discard(self, clock: &Rc<Stopwatch>) {
        let Some(lease) = self.lease else {
            return;
        };
        let mut incoming = self.response.into_body();
        let mut count = 0;
        // The end of a body of known length is found without a poll.
        while !incoming.is_end_stream() {
            clock.wait_for(Step::Read);
            let next = poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await;
            match next {
                Some(Ok(frame)) => count += frame.data_ref().map_or(0, bytes::Bytes::len),
                // The connection ends with the lease.
                Some(Err(_)) => return,
                None => break,
            }
            // A new connection costs less than reading the rest. The drop of the lease closes this
            // one.
            if count > DISCARDED {
                return;
            }
        }
        clock.pause();
        lease.finish();
    }

    fn new(response: Response<Incoming>, lease: Lease, upgraded: Option<Upgraded>) -> Self {
        // A 101 to a request that asked for no upgrade is an answer without content. hyper ends the
        // connection after it.
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && upgraded.is_some() {
            lease.let_go();
            return Self {
                response,
                lease: None,
                upgraded,
            };
        }
        Self {
            response,
            lease: Some(lease),
            upgraded: None,
        }
    }
}

impl Outgoing {
    /// Whether the request asks for an upgrade to another protocol.
    pub(super) fn is_upgrade(&self) -> bool {
        self.headers.contains_key(header::UPGRADE)
    }

    /// A copy of the request, if the server may get it twice: its method is idempotent (RFC 9110,
    /// 9.2.2), and its body is in memory.
    fn repeated(&self) -> Option<Self> {
        if !self.method.is_idempotent() {
            return None;
        }
        Some(Self {
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            body: self.body.try_clone()?,
        })
    }

    fn into_request(self, is_http2: bool, clock: &Rc<Stopwatch>) -> http::Request<Upload> {
        let mut request = http::Request::new(Upload::new(self.body, Rc::clone(clock)));
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        let headers = request.headers_mut();
        let mut absolute = self.target.absolute;
        if is_http2 {
            // HTTP/2 has `:authority` instead.
            if let Some(host) = headers.remove(header::HOST) {
                // RFC 9113, 8.3.1.
                absolute = with_authority(absolute, &host);
            }
        } else {
            headers.entry(header::HOST).or_insert(self.target.host);
            // Added only once, even if the request was prepared before for a connection that was
            // stale.
            let mut named = headers.get_all(header::CONNECTION).iter();
            if headers.contains_key(header::TE) && !named.any(|it| it == "te") {
                // A proxy on the way must not pass it on (RFC 9110, 10.1.4).
                headers.append(header::CONNECTION, HeaderValue::from_static("te"));
            }
        }
        // The absolute form goes to a proxy (RFC 9112, 3.2.2), the origin form to a server (3.2.1).
        // hyper makes the pseudo-headers of HTTP/2 from the absolute one.
        *request.uri_mut() = if is_http2 || self.target.is_for_proxy {
            absolute
        } else {
            self.target.origin
        };
        if is_http2 {
            *request.version_mut() = Version::HTTP_2;
        }
        request
    }

    /// Restores a request that was not sent.
    fn from_request(request: http::Request<Upload>, target: Target) -> Self {
        let (head, upload) = request.into_parts();
        Self {
            method: head.method,
            target,
            headers: head.headers,
            body: upload.into_body(),
        }
    }
}
