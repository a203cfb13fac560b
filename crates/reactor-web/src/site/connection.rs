//! One connection: hyper's, driven by a body of the loop.

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

/// What a client sends first if it speaks HTTP/2 (RFC 9113, §3.4).
#[cfg(feature = "http2")]
// A prefix of it is no request of HTTP/1: so the first byte that differs decides.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most headers of a request.
// A `HeaderMap` panics above 24,576 names. The rest is for what handlers and proxies add.
const MAX_HEADERS: usize = 24_000;

/// Serves the requests of a connection, until it is over.
pub(super) fn serve(shared: &Rc<Shared>, io: Io) {
    let reactor = io.reactor().clone();
    if shared.limits.strict {
        // Before the first input.
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
                // hyper may wait for something else than input: for a handler after a half-close,
                // or while the body of its request is not read.
                connection.wake_driver();
            }
            site.remove(key);
        })
        .log_error()
        .ignore();
    let driver = Driver {
        version: Version::begin(io, shared, &connection),
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
    Unknown(Option<Io>),
    /// Boxed, as the next, so that a connection whose version is not known yet stays small.
    One(Box<http1::Connection<Io, AppService>>),
    #[cfg(feature = "http2")]
    Two(Box<http2::Connection<Io, AppService, LoopExecutor>>),
    /// After an upgrade: the handler has the connection.
    Upgraded,
}

impl Version {
    #[cfg(feature = "http2")]
    fn begin(io: Io, _: &Rc<Shared>, _: &SharedConnection) -> Self {
        Self::Unknown(Some(io))
    }

    #[cfg(not(feature = "http2"))]
    fn begin(io: Io, shared: &Rc<Shared>, connection: &SharedConnection) -> Self {
        Self::one(io, shared, connection)
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
        // It counts 32 bytes more for each header (RFC 9113, 6.5.2), so it bounds their number,
        // too.
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
        // hyper's default, which is free: another number costs with every request.
        // hyper allocates room for that many before it reads the head.
        builder.max_headers(limits.headers.min(MAX_HEADERS));
    }
    // `pipeline_flush` stays off: with it, the 400 for a bad head is not sent while input is
    // unread. `Io` gathers the answers to pipelined requests instead.
    builder
}

/// A connection, until it is over.
struct Driver {
    version: Version,
    connection: SharedConnection,
    shared: Rc<Shared>,
    /// Whether hyper was asked to end the connection after the requests that run.
    is_told: bool,
}

impl Driver {
    /// Finds the version by the first bytes: HTTP/2 if all bytes of [`PREFACE`] have come, HTTP/1
    /// as soon as one differs.
    #[cfg(feature = "http2")]
    fn poll_version(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let Version::Unknown(unknown) = &mut self.version else {
            return Poll::Ready(Ok(()));
        };
        let Some(io) = unknown else {
            return Poll::Ready(Ok(()));
        };
        // How many bytes have to be there for the next look.
        let mut seen = 1;
        let is_two = loop {
            let looked = io.poll_fill_to(seen, cx, |first| {
                let count = first.len().min(PREFACE.len());
                (count, first[..count] == PREFACE[..count])
            });
            match ready!(looked)? {
                // So far, it is the beginning of the preface.
                // Fewer than `seen` bytes are the end of the input: then it is HTTP/1 that has to
                // say what is wrong with them.
                (count, true) if count >= seen && count < PREFACE.len() => seen = count + 1,
                (count, is_same) => break is_same && count == PREFACE.len(),
            }
        };
        if let Some(io) = unknown.take() {
            let begin = if is_two { Version::two } else { Version::one };
            self.version = begin(io, &self.shared, &self.connection);
        }
        Poll::Ready(Ok(()))
    }
}

impl Driver {
    /// Gives the connection to the handler that has asked for it.
    fn upgrade(&mut self) {
        // Taken out, since `into_parts` takes hyper's connection by value.
        if let Version::One(hyper) = std::mem::replace(&mut self.version, Version::Upgraded) {
            let mut parts = hyper.into_parts();
            // In this order: what hyper has read too far was filtered already, and goes before what
            // comes next.
            parts.io.end_strict();
            parts.io.unread(&parts.read_buf);
            // The head of the answer goes before what a handler writes to the connection itself.
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
        let closes_idle = this.shared.closes_idle.get();
        if closes_idle && this.connection.requests() == 0 && !this.connection.has_partial_head() {
            // hyper would wait for a first request.
            return Poll::Ready(Ok(()));
        }
        #[cfg(feature = "http2")]
        if ready!(this.poll_version(cx)).is_err() {
            // The connection was lost, which is no failure of this program.
            return Poll::Ready(Ok(()));
        }
        // Once: a second `GOAWAY` or `Connection: close` would say nothing new.
        let tells = closes_idle && !std::mem::replace(&mut this.is_told, closes_idle);
        let ended = match &mut this.version {
            #[cfg(feature = "http2")]
            Version::Unknown(_) => return Poll::Ready(Ok(())),
            Version::Upgraded => return Poll::Ready(Ok(())),
            Version::One(hyper) => {
                if tells {
                    Pin::new(&mut **hyper).graceful_shutdown();
                }
                // Without the shutdown, the `Io` is whole after an upgrade; its drop closes it
                // otherwise.
                ready!(hyper.poll_without_shutdown(cx))
            }
            #[cfg(feature = "http2")]
            Version::Two(hyper) => {
                if tells {
                    Pin::new(&mut **hyper).graceful_shutdown();
                }
                ready!(Pin::new(&mut **hyper).poll(cx))
            }
        };
        if ended.is_ok() && this.connection.upgrades().is_granted() {
            this.upgrade();
            return Poll::Ready(Ok(()));
        }
        if let Err(error) = ended {
            let peer = this.connection.peer();
            // At DEBUG: clients that reset connections, or send no HTTP, are no failure of this
            // program.
            tracing::debug!(target: "reactor_web", %peer, %error, "a connection has ended");
        }
        // Dropping hyper's connection drops the `Io`, which ends the connection when its output
        // is sent.
        Poll::Ready(Ok(()))
    }
}
