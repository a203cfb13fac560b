//! One request and its answer, over a connection of the pool.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;

use deferred::{Failure, Result};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;

use super::connect;
use super::connection::{Conn, Refused};
use super::error::Step;
use super::inner::Inner;
use super::line::{Grant, Slot};
use super::origin::{Destination, Server, path_of};
use super::prepared::Prepared;
use super::upgrade::{self, Upgraded};
use super::upload::Upload;
use super::watch::Stopwatch;
use crate::body::Body;

/// A request as it is sent, to a server or to a proxy, without its path and its body, which are
/// moved.
pub(super) struct Outgoing<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) server: &'a Server,
    /// Whether HTTP/1.1 sends the whole URL, and not only path and query.
    pub(super) is_for_proxy: bool,
    /// Headers of this request only, which one after a redirect does not inherit.
    pub(super) further: Vec<(HeaderName, HeaderValue)>,
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
    outgoing: &Outgoing<'_>,
    mut body: Body,
    clock: &Rc<Stopwatch>,
) -> Result<Answered> {
    let is_upgrade = outgoing.is_upgrade();
    loop {
        // Moved into the request, so each attempt has its own: a copy that is kept for a repetition
        // would cost every request an allocation.
        let path = outgoing.path()?;
        clock.begin_request();
        let grant = client.pool.acquire(destination).await?;
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
        // Only a used connection can be stale, so the body for a new one is not copied.
        let again = is_used.then(|| outgoing.repeated(&body)).flatten();
        let request = outgoing.request(path, body, is_shared, clock)?;
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
                body = match (unsent, again) {
                    // Only a request over a kept connection is sent again: if a new connection does
                    // not take it, that is the server's answer.
                    (Some(request), _) if is_used => request.into_body().into_body(),
                    (None, Some(again)) if is_stale(&failure) => again,
                    _ => return Err(failure),
                };
            }
        }
    }
}

/// `uri` with `host`, the request's own `Host` header, as its authority.
fn with_authority(uri: Uri, host: &HeaderValue) -> Uri {
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse().ok()) else {
        return uri;
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = Some(authority);
    // Does not fail: the parts are those of a URI, with another authority.
    Uri::from_parts(parts).unwrap_or(uri)
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

impl Outgoing<'_> {
    /// Whether the request asks for an upgrade to another protocol.
    pub(super) fn is_upgrade(&self) -> bool {
        self.prepared.headers.contains_key(header::UPGRADE)
    }

    /// Path and query, parsed anew by each call.
    pub(super) fn path(&self) -> Result<PathAndQuery> {
        Ok(path_of(&self.prepared.url)?)
    }

    /// A copy of the body, if the server may get the request twice: its method is idempotent (RFC
    /// 9110, 9.2.2), and its body is in memory.
    fn repeated(&self, body: &Body) -> Option<Body> {
        if !self.prepared.method.is_idempotent() {
            return None;
        }
        body.try_clone()
    }

    fn request(
        &self,
        path: PathAndQuery,
        body: Body,
        is_http2: bool,
        clock: &Rc<Stopwatch>,
    ) -> Result<http::Request<Upload>> {
        let mut request = http::Request::new(Upload::new(body, Rc::clone(clock)));
        *request.method_mut() = self.prepared.method.clone();
        let mut headers = HeaderMap::clone(&self.prepared.headers);
        for (name, value) in &self.further {
            headers.insert(name.clone(), value.clone());
        }
        if is_http2 {
            let absolute = self.server.absolute(path)?;
            // HTTP/2 has `:authority` instead.
            *request.uri_mut() = match headers.remove(header::HOST) {
                // RFC 9113, 8.3.1.
                Some(host) => with_authority(absolute, &host),
                None => absolute,
            };
            *request.version_mut() = Version::HTTP_2;
        } else {
            headers
                .entry(header::HOST)
                .or_insert_with(|| self.server.host.clone());
            if headers.contains_key(header::TE)
                && !headers
                    .get_all(header::CONNECTION)
                    .iter()
                    .any(|it| it == "te")
            {
                // A proxy on the way must not pass it on (RFC 9110, 10.1.4).
                headers.append(header::CONNECTION, HeaderValue::from_static("te"));
            }
            // The absolute form goes to a proxy (RFC 9112, 3.2.2), the origin form to a server
            // (3.2.1).
            *request.uri_mut() = if self.is_for_proxy {
                self.server.absolute(path)?
            } else {
                path.into()
            };
        }
        *request.headers_mut() = headers;
        Ok(request)
    }
}
