//! `Events` and `EventSender`: a stream of events to one client.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use bytes::Bytes;
use deferred::{Cancelled, Deferred, DelayedCall, Failure, Result, fail};
use http::{HeaderValue, header};
use reactor::ReactorHandle;

use super::event::Event;
use crate::body::{Body, BodyWriter};
use crate::error::ClientGone;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// Time without an event after which a comment is sent, so that no proxy takes the connection for
/// dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An answer of events that are sent as they happen (server-sent events, `text/event-stream`): what
/// a browser's `EventSource` reads.
///
/// - It ends when the last [`EventSender`] is dropped, when the client goes, or when the site
///   [finishes](crate::Site::finish). A browser connects again after each end, with the id of
///   the last event as [`Request::last_event_id`]; a status of 204 tells it not to.
/// - After 15 seconds without an event, a comment is sent: see
///   [`keep_alive`](Self::keep_alive).
/// - For the same events to many clients, there is [`EventFeed`](crate::EventFeed).
///
/// # Examples
///
/// An async body, run in the loop, sends the events; it is cancelled when the client goes:
///
/// ```
/// use deferred::sleep;
/// use reactor_web::{App, Event, EventSender, Events, testing::TestClient};
/// use std::time::Duration;
///
/// let app = App::new().get("/countdown", |req| {
///     let reactor = req.reactor().clone();
///     Events::run(&req, async move |sender: EventSender| {
///         for seconds in (0..3).rev() {
///             sender.send(&Event::data(seconds.to_string())).await?;
///             sleep(&reactor, Duration::from_secs(1)).await?;
///         }
///         Ok(())
///     })
/// });
/// let client = TestClient::new(app)?;
/// let answer = client.start_get("/countdown");
/// client.advance(Duration::from_secs(3));
/// assert_eq!(answer.answer().text(), "data: 2\n\ndata: 1\n\ndata: 0\n\n");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "Sse")]
#[must_use = "it is the answer"]
pub struct Events {
    body: Body,
    // Weak: the stream is to end when the last `EventSender` is dropped, though its body is still
    // sent.
    shared: Weak<Shared>,
}

/// Sends events to one client, from [`Events::channel`].
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Event, EventSender, Events, testing::TestClient};
/// use std::{cell::RefCell, rc::Rc};
///
/// let senders: Rc<RefCell<Vec<EventSender>>> = Rc::default();
/// let list = Rc::clone(&senders);
/// let app = App::new().get("/news", move |req| {
///     let (sender, events) = Events::channel(&req);
///     list.borrow_mut().push(sender);
///     events
/// });
/// let client = TestClient::new(app)?;
/// let answer = client.start_get("/news");
/// let sender = senders.borrow_mut().pop().unwrap();
/// sender.send(&Event::data("it rains")).detach();
/// drop(sender);
/// assert_eq!(answer.answer().text(), "data: it rains\n\n");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone)]
pub struct EventSender(Rc<Shared>);

struct Shared {
    reactor: ReactorHandle,
    /// `None` once the stream has ended.
    // Taken by `end`. Not borrowed while something is written or the writer is dropped.
    writer: RefCell<Option<BodyWriter>>,
    keep_alive: Cell<Duration>,
    // Set by `arm`, taken by `end`.
    timer: RefCell<Option<DelayedCall>>,
}

impl Events {
    /// A stream of events, and the sender for it.
    pub fn channel(request: &Request) -> (EventSender, Self) {
        let (writer, body) = Body::channel();
        let shared = Rc::new(Shared {
            reactor: request.reactor().clone(),
            writer: RefCell::new(Some(writer)),
            keep_alive: Cell::new(KEEP_ALIVE),
            timer: RefCell::default(),
        });
        shared.arm();
        // Weak in both callbacks: the connection holds them, and they would keep the stream open.
        let weak = Rc::downgrade(&shared);
        let ended = Weak::clone(&weak);
        let end = move || {
            if let Some(shared) = ended.upgrade() {
                shared.end();
            }
        };
        let stop = end.clone();
        // Fails if the client goes, which is an end, too.
        let finish = request.notify_finish().add_both(move |_| end());
        finish.ignore();
        // Fails if the connection ends before the site does.
        let stopped = request.notify_stop().add_both(move |_| stop());
        stopped.ignore();
        (EventSender(shared), Self { body, shared: weak })
    }

    /// A stream of the events that `body` sends. The stream ends when `body` returns. `body` is
    /// cancelled when the client goes or the site finishes. If it fails, the failure goes to the
    /// log, and the connection is closed.
    #[track_caller]
    pub fn run<F>(request: &Request, body: F) -> Self
    where
        F: AsyncFnOnce(EventSender) -> Result<()> + 'static,
    {
        let (sender, events) = Self::channel(request);
        // Keeps the stream open until the result is known: after a failure, the stream must not end
        // properly, but be aborted.
        let kept = sender.clone();
        let mut running = request.reactor().spawn(async move { body(sender).await });
        let handle = running.handle();
        let cancel = move || handle.cancel();
        let cancel_at_stop = cancel.clone();
        // Both fail if the client goes, which is an end, too.
        let finish = request.notify_finish().add_both(move |_| cancel());
        finish.ignore();
        let stop = request.notify_stop().add_both(move |_| cancel_at_stop());
        stop.ignore();
        running
            .add_both(move |result| match result {
                Err(failure) if !failure.is::<Cancelled>() && !failure.is::<ClientGone>() => {
                    kept.abort();
                    Err(failure)
                }
                Ok(()) | Err(_) => {
                    kept.end();
                    Ok(())
                }
            })
            .log_error()
            .ignore();
        events
    }

    /// Sets the time without an event after which a comment is sent: 15 seconds unless this is
    /// called. Proxies close a connection on which nothing comes, nginx after 60 seconds.
    pub fn keep_alive(self, after: Duration) -> Self {
        if let Some(shared) = self.shared.upgrade() {
            shared.keep_alive.set(after);
            shared.arm();
        }
        self
    }
}

impl EventSender {
    /// Sends an event. The Deferred fires when there is room for more: at once, unless 64 KiB or
    /// more wait for the client.
    ///
    /// # Errors
    ///
    /// [`ClientGone`]: the client is gone, or the stream has ended otherwise.
    pub fn send(&self, event: &Event) -> Deferred<()> {
        self.write(event.encode())
    }

    /// Whether the client is gone, or the stream has ended otherwise.
    pub fn is_gone(&self) -> bool {
        let writer = self.0.writer.borrow();
        writer.as_ref().is_none_or(BodyWriter::is_gone)
    }

    pub(super) fn write(&self, event: Bytes) -> Deferred<()> {
        // Cloned, so that `writer` is not borrowed during the write, which runs code of the
        // connection.
        let writer = self.0.writer.borrow().clone();
        let Some(writer) = writer else {
            return fail(ClientGone);
        };
        self.0.arm();
        writer.write(event)
    }

    /// Whether a further `send` would be pending.
    pub(super) fn is_full(&self) -> bool {
        let writer = self.0.writer.borrow();
        writer.as_ref().is_some_and(BodyWriter::is_full)
    }

    /// Ends the stream, after what was sent.
    pub(super) fn end(&self) {
        self.0.end();
    }

    /// Ends the connection, without an end of the stream.
    fn abort(&self) {
        let writer = self.0.writer.borrow().clone();
        if let Some(writer) = writer {
            writer.abort(Failure::msg("the sender of the events has failed"));
        }
        self.0.end();
    }
}

impl Shared {
    /// Restarts the time after which a comment is sent.
    fn arm(self: &Rc<Self>) {
        let delay = self.keep_alive.get();
        if let Some(timer) = &*self.timer.borrow()
            // `reset` errs if the timer has fired; then a new one is made.
            && timer.reset(delay).is_ok()
        {
            return;
        }
        let weak = Rc::downgrade(self);
        let timer = self.reactor.call_later(delay, move || {
            if let Some(shared) = weak.upgrade() {
                shared.comment();
            }
        });
        self.timer.replace(Some(timer));
    }

    /// Sends a comment, unless something waits to be sent.
    fn comment(self: &Rc<Self>) {
        let writer = self.writer.borrow().clone();
        let Some(writer) = writer.filter(|writer| !writer.is_gone()) else {
            return;
        };
        self.arm();
        if !writer.is_full() {
            // Fails if the client is gone: then there is no connection to keep open.
            writer.write(Bytes::from_static(b":\n\n")).ignore();
        }
    }

    fn end(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        let writer = self.writer.take();
        drop(writer);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.end();
    }
}

impl IntoResponse for Events {
    fn into_response(self) -> Result<Response> {
        let mut response = Response::new(self.body);
        let headers = response.headers_mut();
        for (name, value) in [
            (header::CONTENT_TYPE, "text/event-stream"),
            (header::CACHE_CONTROL, "no-store"),
            // nginx would hold events back until its buffer is full.
            (header::HeaderName::from_static("x-accel-buffering"), "no"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Ok(response)
    }
}

impl Request {
    /// The id of the last event that a browser has received, when it connects again for
    /// [`Events`].
    pub fn last_event_id(&self) -> Option<&str> {
        self.header("last-event-id")
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl fmt::Debug for EventSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSender")
            .field("is_gone", &self.is_gone())
            .finish_non_exhaustive()
    }
}
