//! `AccessLog`: logs a line for each request.

mod format;
mod record;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use deferred::Result;
use http::{Method, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use self::format::Format;
use self::record::{Outcome, Record};
use crate::app::{Middleware, Next};
use crate::body::Body;
use crate::request::Request;
use crate::response::{Answer, Response};

/// The status in the log if the client has gone before the answer began, as in nginx.
const CLIENT_GONE: u16 = 499;

/// Writes a line for each request when its answer is sent, or its client has gone: to `tracing`, at
/// INFO with the target `reactor_web::access`, or to a writer or a closure.
///
/// A client cannot forge a line or a field of the log: quotes, backslashes, control characters and
/// all that is not ASCII are escaped, as Apache does. The date is that of
/// [`ReactorHandle::wall_time`](reactor::ReactorHandle::wall_time), when the request has come, in
/// UTC.
///
/// Make it the outermost middleware, so that it sees every answer.
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::AccessLog;
/// use reactor_web::{App, testing::TestClient};
/// use std::{cell::RefCell, rc::Rc};
///
/// let lines: Rc<RefCell<Vec<String>>> = Rc::default();
/// let log = Rc::clone(&lines);
/// let app = App::new()
///     .get("/hello", |_| "hello")
///     .wrap(AccessLog::common().sink(move |line| log.borrow_mut().push(line.to_owned())));
/// TestClient::new(app)?.get("/hello");
/// assert_eq!(
///     lines.borrow()[0],
///     r#"127.0.0.1 - - [01/Jan/1970:00:00:00 +0000] "GET /hello HTTP/1.1" 200 5"#,
/// );
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "logPath")]
pub struct AccessLog(Rc<Log>);

struct Log {
    format: Format,
    sink: Sink,
}

enum Sink {
    Tracing,
    Closure(Box<dyn Fn(&str)>),
}

impl AccessLog {
    /// The Common Log Format.
    pub fn common() -> Self {
        Self::with(Format::Common)
    }

    /// The Combined Log Format: Common, with the headers `Referer` and `User-Agent`.
    pub fn combined() -> Self {
        Self::with(Format::Combined)
    }

    /// A JSON object for each request, with the fields of Combined, and `host`, `route`, `id` and
    /// `duration_ms`, the time until the answer was sent.
    #[cfg(feature = "json")]
    pub fn json() -> Self {
        Self::with(Format::Json)
    }

    fn with(format: Format) -> Self {
        let sink = Sink::Tracing;
        Self(Rc::new(Log { format, sink }))
    }

    /// Gives each line, without its line break, to `sink`, instead of to `tracing`.
    #[must_use]
    pub fn sink(self, sink: impl Fn(&str) + 'static) -> Self {
        let (format, sink) = (self.0.format, Sink::Closure(Box::new(sink)));
        Self(Rc::new(Log { format, sink }))
    }

    /// Writes each line to `writer`, in the loop's thread: a file is quick enough for that, a pipe
    /// whose reader is slow is not. An error is logged, and the line is lost.
    #[must_use]
    pub fn writer(self, writer: impl Write + 'static) -> Self {
        let writer = RefCell::new(writer);
        self.sink(move |line| {
            // In one call, so that the lines of several loops do not mix.
            if let Err(error) = writer
                .borrow_mut()
                .write_all(format!("{line}\n").as_bytes())
            {
                tracing::error!(target: "reactor_web", %error, "the access log cannot be written");
            }
        })
    }
}

impl Log {
    fn write(&self, record: &Record, outcome: &Outcome) {
        let line = self.format.line(record, outcome);
        match &self.sink {
            Sink::Tracing => tracing::info!(target: "reactor_web::access", "{line}"),
            Sink::Closure(sink) => sink(&line),
        }
    }
}

impl Middleware for AccessLog {
    fn handle(&self, mut request: Request, next: Next) -> Answer {
        let log = Rc::clone(&self.0);
        // Nothing is collected for a line that is not written.
        if matches!(log.sink, Sink::Tracing)
            && !tracing::enabled!(target: "reactor_web::access", tracing::Level::INFO)
        {
            return next.run(request);
        }
        // Copied, since the request is gone when its line is written.
        let record = Record::new(&mut request);
        let reactor = request.reactor().clone();
        // Replaced when the answer is there. `notify_finish` fires after that, or when the client
        // is gone.
        let status = Rc::new(Cell::new(CLIENT_GONE));
        let sent = Rc::new(Cell::new(0));
        let is_head = *request.method() == Method::HEAD;
        request
            .notify_finish()
            .add_both({
                let (status, sent) = (Rc::clone(&status), Rc::clone(&sent));
                move |result| {
                    let outcome = Outcome {
                        status: status.get(),
                        bytes: sent.get(),
                        duration: reactor.now() - record.begin,
                        is_complete: result.is_ok(),
                    };
                    log.write(&record, &outcome);
                }
            })
            .ignore();
        next.respond(request).map_response(move |response| {
            status.set(response.status().as_u16());
            if !is_head && !has_no_body(response.status()) {
                count(response, &sent);
            }
        })
    }
}

// hyper sends no body for these, whatever the handler has given.
fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Counts in `sent` the bytes of the body that are sent.
fn count(response: &mut Response, sent: &Rc<Cell<u64>>) {
    // A body in memory is sent in one piece, so it need not be wrapped.
    if response.body().is_full() {
        sent.set(response.body().size_hint().lower());
        return;
    }
    let body = std::mem::take(response.body_mut());
    let sent = Rc::clone(sent);
    *response.body_mut() = Body::boxed(Counted { body, sent });
}

/// A body whose bytes are counted.
struct Counted {
    body: Body,
    sent: Rc<Cell<u64>>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = deferred::Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(bytes) = frame.data_ref()
        {
            // Counts what hyper has taken, of which the last bytes may still wait for the client.
            self.sent.set(self.sent.get() + bytes.len() as u64);
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

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog")
            .field("format", &self.0.format)
            .finish_non_exhaustive()
    }
}
