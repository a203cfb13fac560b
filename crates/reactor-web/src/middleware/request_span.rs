//! `RequestSpan`: a span of `tracing` for each request.

use std::time::Duration;

use http::StatusCode;
use tracing::field::Empty;

use crate::app::{Middleware, Next};
use crate::request::Request;
use crate::response::Answer;

/// Runs each handler in a span of `tracing`, named `request`, of level INFO and with the target
/// `reactor_web::request`. Its fields:
///
/// | field | what it is |
/// |---|---|
/// | `method`, `path` | of the request; the query is left out, since it may hold secrets |
/// | `id` | that of [`RequestId`](super::RequestId), if that is an outer middleware |
/// | `route` | the pattern, `/users/{id}` |
/// | `user` | [`Request::user`](crate::Request::user) |
/// | `status` | of the answer; 499 if the client has gone before it |
/// | `duration_ms` | from the call of this middleware until the answer began |
///
/// When the answer begins, it emits an event in the span: "answered", at DEBUG, or at ERROR for a
/// status of 500 and above. The handler's call is in the span, and so is all of an async body;
/// for the callbacks of a Deferred, there is
/// [`in_current_span`](deferred::Deferred::in_current_span).
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::RequestSpan;
/// use reactor_web::{App, testing::TestClient};
///
/// let app = App::new()
///     .get("/users/{id}", |req| {
///         tracing::info!("looking");
///         Ok(format!("user {}", req.param("id")?))
///     })
///     .wrap(RequestSpan::new());
/// assert_eq!(TestClient::new(app)?.get("/users/7").text(), "user 7");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "TraceLayer")]
pub struct RequestSpan;

impl RequestSpan {
    /// A span for each request.
    pub fn new() -> Self {
        Self
    }
}

impl Middleware for RequestSpan {
    fn handle(&self, mut request: Request, next: Next) -> Answer {
        let span = tracing::info_span!(
            target: "reactor_web::request",
            "request",
            method = %request.method(),
            path = request.path(),
            // Recorded with the answer, when inner middleware and the routes have set them.
            id = Empty,
            route = Empty,
            user = Empty,
            status = Empty,
            duration_ms = Empty,
        );
        if span.is_disabled() {
            return next.run(request);
        }
        let observed = request.observe();
        let reactor = request.reactor().clone();
        let begin = reactor.now();
        // `Answer::from_future` captures the span that is current in this closure.
        let answer = span.in_scope(|| next.respond(request));
        answer.map(move |result| {
            // A failure here is that of a cancelled handler: `respond` has turned all others into
            // answers.
            let status = result
                .as_ref()
                .map_or(499, |response| response.status().as_u16());
            let of = |name: &'static str, value: Option<&str>| {
                if let Some(value) = value {
                    span.record(name, value);
                }
            };
            of("id", observed.id());
            of("route", observed.route().as_deref());
            of("user", observed.user());
            span.record("status", status);
            span.record("duration_ms", milliseconds(reactor.now() - begin));
            span.in_scope(|| {
                if StatusCode::from_u16(status).is_ok_and(|status| status.is_server_error()) {
                    tracing::error!(target: "reactor_web::request", "answered");
                } else {
                    tracing::debug!(target: "reactor_web::request", "answered");
                }
            });
            result
        })
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
