//! `AppService`: the app as a service of hyper.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use deferred::Result;
use http::{HeaderValue, Method, StatusCode, Uri, Version, header};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::service::Service;

use super::{Shared, host};
use crate::body::Body;
use crate::handler::call;
use crate::request::{Exchange, Finish, Request, SharedConnection};
use crate::response::{Answer, Response};

/// The app, for the requests of one connection.
pub(super) struct AppService {
    shared: Rc<Shared>,
    connection: SharedConnection,
}

impl AppService {
    pub(super) fn new(shared: &Rc<Shared>, connection: &SharedConnection) -> Self {
        Self {
            shared: Rc::clone(shared),
            connection: Rc::clone(connection),
        }
    }
}

impl Service<http::Request<Incoming>> for AppService {
    type Response = http::Response<Sending>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: http::Request<Incoming>) -> Answering {
        let (head, body) = request.into_parts();
        // Before the check, so that `requests` and `idle_since` count a refused request, too.
        let (exchange, finish) = Exchange::begin(&self.connection);
        // The request goes to its handler with the head; these are for the answer and the log.
        let (method, uri) = (head.method.clone(), head.uri.clone());
        let checked = host::check(&head);
        // After a refused request, an HTTP/1 connection is closed: a proxy may read the `Host` in
        // another way, and the following input may be part of a smuggled request.
        let keep_alive = match (head.version, &checked) {
            (Version::HTTP_2, _) => KeepAlive::OfHttp2,
            (_, Ok(())) => KeepAlive::UnlessFinishing,
            (_, Err(_)) => KeepAlive::No,
        };
        let answer = match checked {
            Ok(()) => {
                let info = &self.connection;
                let body = Body::incoming(body, info.body_limit(), info.bodies());
                call(&*self.shared.handler, Request::new(head, body, exchange))
            }
            Err(error) => Answer::failed(error),
        };
        Answering {
            answer,
            shared: Rc::clone(&self.shared),
            method,
            uri,
            finish: Some(finish),
            keep_alive,
        }
    }
}

/// The future of the answer to a request. hyper drops it if the client goes first; that cancels the
/// Deferred or the async body of the handler.
pub(super) struct Answering {
    answer: Answer,
    shared: Rc<Shared>,
    method: Method,
    uri: Uri,
    /// `None` once the request is answered.
    finish: Option<Finish>,
    keep_alive: KeepAlive,
}

/// Whether the connection may be used for another request.
#[derive(Clone, Copy)]
enum KeepAlive {
    /// HTTP/2 has no such header: hyper sends `GOAWAY` instead.
    OfHttp2,
    /// Yes, unless the site finishes.
    UnlessFinishing,
    /// No: the answer gets `Connection: close`.
    No,
}

impl Future for Answering {
    type Output = std::result::Result<http::Response<Sending>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut response = match ready!(this.answer.poll(cx)) {
            Ok(response) => response,
            Err(failure) => {
                let request = || format!("{} {}", this.method, this.uri.path());
                this.shared.errors.answer(failure, &request)
            }
        };
        let closes = match this.keep_alive {
            // HTTP/2 forbids `Connection` (RFC 9113, 8.2.2).
            KeepAlive::OfHttp2 => false,
            KeepAlive::UnlessFinishing => this.shared.is_finishing.get(),
            KeepAlive::No => true,
        };
        if closes {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        if let Some(finish) = &this.finish {
            finish.answered(&this.method, response.status());
        }
        // hyper drops the body of such an answer unread, which `Sending` would take for a client
        // that has gone. An empty body counts as complete.
        if this.method == Method::HEAD || has_no_body(response.status()) {
            strip(&mut response);
        }
        let finish = this.finish.take();
        Poll::Ready(Ok(response.map(|body| Sending { body, finish })))
    }
}

/// Whether an answer with this status ends after its head.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Removes the body, and keeps its length in the head, as the answer to a `GET` would have it.
fn strip(response: &mut Response) {
    let body = std::mem::take(response.body_mut());
    let has_length = response.headers().contains_key(header::CONTENT_LENGTH);
    if let (false, Some(length)) = (has_length, body.size_hint().exact())
        // A handler of HEAD may leave the body out, and a wrong length is worse than none (RFC
        // 9110, 8.6).
        && length > 0
    {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// The body of an answer. Its exchange ends when all of the body was taken, or it is dropped.
pub(super) struct Sending {
    body: Body,
    finish: Option<Finish>,
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = deferred::Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // hyper does not poll again after the last frame of a body of known length; then `drop`
        // completes the exchange.
        if frame.is_none() {
            self.complete();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Sending {
    fn complete(&mut self) {
        if let Some(finish) = &mut self.finish {
            finish.complete();
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // If the body was not read to its end, the client has gone; the drop of `Finish` reports
        // that.
        if self.body.is_end_stream() {
            self.complete();
        }
    }
}
