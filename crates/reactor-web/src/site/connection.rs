//! `Driver`: runs hyper's server on one connection, as an async body in the loop.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use deferred::Result;
use hyper::server::conn::http1;
#[cfg(feature = "http2")]
use hyper::server::conn::http2;

use super::Shared;
use super::service::AppService;
use super::watchdog::Watchdog;
use crate::app::Limits;
use crate::io::Io;
use crate::request::{ConnectionInfo, SharedConnection};
#[cfg(feature = "http2")]
use crate::rt::LoopExecutor;

/// The first bytes of a client that speaks HTTP/2 (RFC 9113, §3.4).
#[cfg(feature = "http2")]
// No prefix of it is a complete HTTP/1 request, so it is safe to wait until a byte differs or all
// have come.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most headers of a request.
// A `HeaderMap` panics above 24,576 names. The difference leaves room for what handlers and proxies
// add.
const MAX_HEADERS: usize = 24_000;

/// Serves the requests of a connection, until it is over.
pub(super) fn serve(shared: &Rc<Shared>, io: Io) {
    let reactor = io.reactor().clone();
    if shared.limits.strict {
        // Set before the first input.
        io.set_strict();
    }
    let pages = Rc::clone(&shared.errors);
    let connection = ConnectionInfo::new(&io, is_secure(&io), shared.limits.body, pages);
    let key = shared.add(Rc::clone(&connection));
    let watchdog = Watchdog::start(&connection, shared.limits);
    let site = Rc::clone(shared);
    // Weak: the `Monitor` of the connection holds the Deferred, and so this callback.
    let lost = Rc::downgrade(&connection);
    io.lost()
        .add_callback(move |()| {
            // `remove` is last: it may fire `finish`, whose callbacks find nothing of this
            // connection.
            watchdog.stop();
            if let Some(connection) = lost.upgrade() {
                connection.upgrades().lost();
                // hyper may be waiting for something other than input: for a handler after a
                // half-close, or because the body of the request is not read.
                connection.wake_driver();
            }
            site.remove(key);
        })
        .log_error()
        .ignore();
    let driver = Driver {
        version: Version::begin(io),
        connection,
        shared: Rc::clone(shared),
        is_told: false,
    };
    reactor.spawn(driver).log_error().ignore();
}

#[cfg(feature = "tls")]
fn is_secure(io: &Io) -> bool {
    let info = io.connection().filter_info::<reactor_tls::TlsInfo>();
    info.is_some()
}

#[cfg(not(feature = "tls"))]
fn is_secure(_: &Io) -> bool {
    false
}

/// The version of HTTP on a connection.
enum Version {
    /// Not known yet: the first bytes decide. That holds for TLS, too, since a client that has
    /// agreed on `h2` by ALPN also sends the preface.
    #[cfg(feature = "http2")]
    Unknown(Io),
    /// HTTP/1, before the first byte or parked: hyper's connection is made when the next byte comes.
    /// That byte does not decide the version: a parked connection does not change to HTTP/2.
    Parked(Io),
    /// Boxed, as the next, so that a connection without hyper stays small.
    One(Box<http1::Connection<Io, AppService>>),
    #[cfg(feature = "http2")]
    Two(Box<http2::Connection<Io, AppService, LoopExecutor>>),
    /// After an upgrade: the handler has the connection.
    Upgraded,
}

impl Version {
    #[cfg(feature = "http2")]
    fn begin(io: Io) -> Self {
        Self::Unknown(io)
    }

    #[cfg(not(feature = "http2"))]
    fn begin(io: Io) -> Self {
        Self::Parked(io)
    }

    fn one(io: Io, shared: &Rc<Shared>, connection: &SharedConnection) -> Self {
        let service = AppService::new(shared, connection);
        Self::One(Box::new(
            builder(&shared.limits).serve_connection(io, service),
        ))
    }

    #[cfg(feature = "http2")]
    fn two(io: Io, shared: &Rc<Shared>, connection: &SharedConnection) -> Self {
        let mut builder = http2::Builder::new(LoopExecutor::new(io.reactor()));
        // Counts each header as 32 bytes more than its text (RFC 9113, 6.5.2), so it also limits
        // their number.
        builder.max_header_list_size(u32::try_from(shared.limits.head).unwrap_or(u32::MAX));
        connection.set_http2();
        let service = AppService::new(shared, connection);
        Self::Two(Box::new(builder.serve_connection(io, service)))
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .half_close(limits.half_close)
        // hyper panics below 8 KiB.
        .max_buf_size(limits.head.max(8 * 1024));
    if limits.headers != 100 {
        // 100 is hyper's default, which costs nothing. For another number, hyper allocates room for
        // that many headers with every request.
        builder.max_headers(limits.headers.min(MAX_HEADERS));
    }
    // `pipeline_flush` stays off: with it, the 400 for a bad head is not sent while input is
    // unread. `Io` gathers the answers to pipelined requests instead.
    builder
}

/// The future that drives a connection until it is over.
struct Driver {
    version: Version,
    connection: SharedConnection,
    shared: Rc<Shared>,
    /// Set at a stop, when no further request is taken: with HTTP/2, hyper was told; with HTTP/1, the
    /// connection was parked, so that only a request whose head has begun is left.
    // hyper has a graceful shutdown for HTTP/1, too. It would end an idle connection at once, and
    // any other one behind its current answer, whatever has come of the next request: the client
    // cannot know if the head of that answer was sent before the stop, without `Connection: close`.
    is_told: bool,
}

impl Driver {
    /// Finds the version by the first bytes: HTTP/2 if all bytes of [`PREFACE`] have come, HTTP/1
    /// as soon as one differs.
    #[cfg(feature = "http2")]
    fn poll_version(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let Version::Unknown(io) = &mut self.version else {
            return Poll::Ready(Ok(()));
        };
        // Number of bytes that have to be there for the next comparison.
        let mut seen = 1;
        let is_two = loop {
            let looked = io.poll_fill_to(seen, cx, |first| {
                let count = first.len().min(PREFACE.len());
                (count, first[..count] == PREFACE[..count])
            });
            match ready!(looked)? {
                // So far, these bytes are the beginning of the preface. Fewer than `seen` bytes
                // mean the end of the input: then HTTP/1 answers the error.
                (count, true) if count >= seen && count < PREFACE.len() => seen = count + 1,
                (count, is_same) => break is_same && count == PREFACE.len(),
            }
        };
        if let Version::Unknown(io) = self.take_version() {
            self.begin(io, if is_two { Version::two } else { Version::one });
        }
        Poll::Ready(Ok(()))
    }
}

impl Driver {
    /// Takes the version out, since hyper takes the `Io` by value, and so gives it back.
    fn take_version(&mut self) -> Version {
        std::mem::replace(&mut self.version, Version::Upgraded)
    }

    /// Makes hyper's connection with `version`, for bytes that have come.
    fn begin(&mut self, io: Io, version: fn(Io, &Rc<Shared>, &SharedConnection) -> Version) {
        self.version = version(io, &self.shared, &self.connection);
        self.connection.parking().begin_serving();
    }

    /// If there is no connection of hyper, waits for input, and makes it then. `false` if the input
    /// has ended.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<bool>> {
        #[cfg(feature = "http2")]
        ready!(self.poll_version(cx))?;
        let Version::Parked(io) = &mut self.version else {
            return Poll::Ready(Ok(true));
        };
        if ready!(io.poll_fill(cx, <[u8]>::is_empty))? {
            return Poll::Ready(Ok(false));
        }
        if let Version::Parked(io) = self.take_version() {
            self.begin(io, Version::one);
        }
        Poll::Ready(Ok(true))
    }

    /// Drops hyper's connection, which waits for the head of a request: see
    /// [`ConnectionInfo::requests_before_head`].
    fn park(&mut self) {
        if let Version::One(hyper) = self.take_version() {
            let mut parts = hyper.into_parts();
            // The beginning of a head that came with the request before. Empty lines before it mean
            // nothing (RFC 9112, 2.2).
            let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
            let breaks = parts.read_buf.iter().take_while(|byte| is_break(byte));
            parts.io.unread(&parts.read_buf[breaks.count()..]);
            self.connection.set_early_head(parts.io.unread_len());
            parts.io.release_buffers();
            self.version = Version::Parked(parts.io);
            self.connection.parking().set_parked();
        }
    }

    /// Polls hyper's connection.
    fn poll_hyper(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        match &mut self.version {
            #[cfg(feature = "http2")]
            Version::Unknown(_) => Poll::Ready(Ok(())),
            Version::Parked(_) | Version::Upgraded => Poll::Ready(Ok(())),
            // Without the shutdown, the `Io` is still open after an upgrade. Otherwise, its drop
            // closes the connection.
            Version::One(hyper) => hyper.poll_without_shutdown(cx),
            #[cfg(feature = "http2")]
            Version::Two(hyper) => {
                // Once: a second `GOAWAY` would say nothing new.
                if self.shared.closes_idle.get() && !self.is_told {
                    self.is_told = true;
                    Pin::new(&mut **hyper).graceful_shutdown();
                }
                Pin::new(&mut **hyper).poll(cx)
            }
        }
    }

    /// Gives the connection to the handler that has asked for it.
    fn upgrade(&mut self) {
        if let Version::One(hyper) = self.take_version() {
            let mut parts = hyper.into_parts();
            // In this order: the bytes that hyper has read beyond the head were filtered already,
            // and come before the next input.
            parts.io.end_strict();
            parts.io.unread(&parts.read_buf);
            // The head of the answer must go out before what the handler writes to the connection
            // itself.
            parts.io.send_gathered();
            self.connection.upgrades().give(parts.io);
        }
    }
}

impl Future for Driver {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        // Before anything that may be pending: `ConnectionInfo::end` and others wake the driver
        // through this registration.
        this.connection.set_driver(cx);
        if this.connection.is_over() {
            return Poll::Ready(Ok(()));
        }
        this.connection.note_input_of_body();
        let closes_idle = this.shared.closes_idle.get();
        // More than one turn only after `park`, and if a request has ended in this poll at a stop.
        let ended = loop {
            let waits = this.connection.requests() == 0 || this.connection.parking().is_parked();
            if closes_idle && waits && !this.connection.has_partial_head() {
                // There is no connection of hyper, or it waits for a first request.
                return Poll::Ready(Ok(()));
            }
            let Ok(true) = ready!(this.poll_begin(cx)) else {
                // The connection was closed or lost, which is not a failure of this program.
                return Poll::Ready(Ok(()));
            };
            let stops = closes_idle && !this.is_told;
            let parks = this.connection.parking().takes_asked() | stops;
            let before = parks.then(|| this.connection.requests_before_head());
            if let Poll::Ready(ended) = this.poll_hyper(cx) {
                break ended;
            }
            let Some(before) = before else {
                return Poll::Pending;
            };
            let after = this.connection.requests_before_head();
            if after.is_some() && after == before {
                this.is_told |= stops;
                this.park();
            } else if after.is_none() || !stops {
                if stops {
                    // All else that ends a request polls this anyway.
                    this.connection.bodies().wake_when_closed(cx);
                }
                return Poll::Pending;
            }
        };
        if ended.is_ok() && this.connection.upgrades().is_granted() {
            this.upgrade();
            return Poll::Ready(Ok(()));
        }
        if let Err(error) = ended {
            let peer = this.connection.peer();
            // At DEBUG, since a client that resets its connection, or does not send HTTP, is not a
            // failure of this program.
            tracing::debug!(target: "reactor_web", %peer, %error, "a connection has ended");
        }
        // Dropping hyper's connection drops the `Io`, which ends the connection when its output
        // is sent.
        Poll::Ready(Ok(()))
    }
}
