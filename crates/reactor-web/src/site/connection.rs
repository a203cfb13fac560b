//! One connection: hyper's, driven by a body of the loop.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use deferred::Result;
use hyper::server::conn::http1;

use super::Shared;
use super::service::AppService;
use super::watchdog::Watchdog;
use crate::app::Limits;
use crate::io::Io;
use crate::request::{ConnectionInfo, SharedConnection};

/// Serves what comes on `io`.
pub(super) fn serve(shared: &Rc<Shared>, io: Io) {
    let reactor = io.reactor().clone();
    let connection = ConnectionInfo::new(&io, false, shared.limits.body);
    let key = shared.add(Rc::clone(&connection));
    let watchdog = Watchdog::start(&connection, shared.limits);
    let site = Rc::clone(shared);
    io.lost()
        .add_callback(move |()| {
            watchdog.stop();
            site.remove(key);
        })
        .log_error()
        .ignore();
    let driver = Http1 {
        hyper: builder(&shared.limits).serve_connection(io, AppService::new(shared, &connection)),
        connection,
        shared: Rc::clone(shared),
        is_told: false,
    };
    reactor.spawn(driver).log_error().ignore();
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .half_close(limits.half_close)
        .max_buf_size(limits.head.max(8 * 1024));
    if limits.headers != 100 {
        // hyper's default, which is free: another number costs with every request.
        builder.max_headers(limits.headers);
    }
    // `pipeline_flush` stays off: with it, the 400 for a bad head is not sent while input is
    // unread. `Io` gathers the answers to pipelined requests instead.
    builder
}

/// HTTP/1 on one connection, until it is over.
struct Http1 {
    hyper: http1::Connection<Io, AppService>,
    connection: SharedConnection,
    shared: Rc<Shared>,
    /// Whether hyper was told to end after the request that runs.
    is_told: bool,
}

impl Future for Http1 {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        this.connection.set_driver(cx.waker());
        if this.connection.is_over() {
            return Poll::Ready(Ok(()));
        }
        if this.shared.is_finishing.get() && !this.is_told {
            this.is_told = true;
            if this.connection.requests() == 0 && !this.connection.has_partial_head() {
                // hyper would wait for a first request.
                return Poll::Ready(Ok(()));
            }
            Pin::new(&mut this.hyper).graceful_shutdown();
        }
        let ended = ready!(this.hyper.poll_without_shutdown(cx));
        if let Err(error) = ended {
            let peer = this.connection.peer();
            tracing::debug!(target: "reactor_web", %peer, %error, "a connection has ended");
        }
        // Dropping hyper's connection drops the `Io`, which ends the connection when its output
        // is sent.
        Poll::Ready(Ok(()))
    }
}
