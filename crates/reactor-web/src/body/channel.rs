//! `BodyWriter`: streams a body, with backpressure.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use deferred::{Deferred, Failure, Result, Trigger, fail, succeed};
use http::HeaderMap;
use http_body::Frame;

use crate::error::ClientGone;

/// Number of bytes written but not yet read from which on a write is pending.
const CAPACITY: usize = 64 * 1024;

/// Writes the content of an answer, from [`Body::channel`](crate::Body::channel).
///
/// The content ends when the last clone is dropped. If the client goes, each write fails with
/// [`ClientGone`].
///
/// # Examples
///
/// ```
/// use reactor_web::Body;
///
/// let (writer, mut body) = Body::channel();
/// writer.write("two ").detach();
/// writer.write("parts").detach();
/// drop(writer);
/// let text = deferred::inline_callbacks(async move { body.collect(1024).await });
/// assert_eq!(text.into_result().unwrap()?, "two parts");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone)]
pub struct BodyWriter {
    shared: Rc<RefCell<Shared>>,
    /// Its strong count is the number of writers.
    // The strong count of `shared` also includes the reading end.
    writers: Rc<()>,
}

/// The reading end: the body.
pub(super) struct Channel {
    shared: Rc<RefCell<Shared>>,
    /// The Deferred that a pending read waits for.
    // Kept from one poll to the next. Set together with `Shared::reader`.
    reading: Option<Deferred<()>>,
}

/// State that both ends share. INVARIANT: it is not borrowed while a trigger fires, since the
/// callbacks read and write. So triggers are taken out before they are fired.
#[derive(Default)]
struct Shared {
    frames: VecDeque<Result<Frame<Bytes>>>,
    /// Number of bytes in `frames`.
    // Trailers and failures are not counted: normally, one of them at most comes, at the end.
    waiting: usize,
    /// No writer is left.
    // Set by the drop of the last writer, and not cleared. What is in `frames` is still read.
    is_ended: bool,
    /// The body was dropped.
    // Set by the drop of the body, and not cleared.
    is_gone: bool,
    // Fired by the next frame, or by the end.
    reader: Option<Trigger<()>>,
    // Fired all at once when there is room, although their writes together may exceed the bound.
    writers: Vec<Trigger<()>>,
}

impl Channel {
    pub(super) fn new() -> (BodyWriter, Self) {
        let shared: Rc<RefCell<Shared>> = Rc::default();
        let writer = BodyWriter {
            shared: Rc::clone(&shared),
            writers: Rc::default(),
        };
        let reading = None;
        (writer, Self { shared, reading })
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        loop {
            let mut shared = self.shared.borrow_mut();
            if let Some(frame) = shared.frames.pop_front() {
                let taken = frame.as_ref().ok().and_then(Frame::data_ref);
                shared.waiting -= taken.map_or(0, Bytes::len);
                // Fired before the frame is returned, so that the next frames are written while
                // hyper sends this one.
                let resumed = if shared.waiting < CAPACITY {
                    std::mem::take(&mut shared.writers)
                } else {
                    Vec::new()
                };
                drop(shared);
                fire(resumed);
                return Poll::Ready(Some(frame));
            }
            if shared.is_ended {
                return Poll::Ready(None);
            }
            let reading = self.reading.get_or_insert_with(|| {
                let (trigger, reading) = Deferred::pair();
                shared.reader = Some(trigger);
                reading
            });
            drop(shared);
            if Pin::new(reading).poll(cx).is_pending() {
                return Poll::Pending;
            }
            // It has fired: a frame is there, or the end.
            self.reading = None;
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let shared = self.shared.borrow();
        shared.is_ended && shared.frames.is_empty()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        drop(self.reading.take().map(Deferred::cancel_on_drop));
        // Set before the triggers fire, so that a callback that writes gets `ClientGone` and adds
        // nothing.
        let mut shared = self.shared.borrow_mut();
        shared.is_gone = true;
        let frames = std::mem::take(&mut shared.frames);
        let writers = std::mem::take(&mut shared.writers);
        drop(shared);
        // They may hold failures, whose drop is code of users.
        drop(frames);
        for writer in writers {
            // Errs if the writer was cancelled: then nothing waits.
            let _ = writer.errback(ClientGone);
        }
    }
}

impl BodyWriter {
    /// Writes `bytes`. The Deferred fires when there is room for more: at once, unless 64 KiB or
    /// more wait for the client. A writer that does not wait for the Deferred is not stopped, and
    /// its bytes stay in memory.
    ///
    /// # Errors
    ///
    /// [`ClientGone`]: the client, or the connection, is gone.
    pub fn write(&self, bytes: impl Into<Bytes>) -> Deferred<()> {
        let bytes = bytes.into();
        // An empty frame would only wake the reader.
        if bytes.is_empty() {
            return self.ready();
        }
        self.push(Ok(Frame::data(bytes)))
    }

    /// Writes the trailers, after which nothing may be written.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn write_trailers(&self, trailers: HeaderMap) -> Deferred<()> {
        self.push(Ok(Frame::trailers(trailers)))
    }

    /// Breaks off the answer: the connection ends without an end of the content, so that the client
    /// knows that something is missing.
    pub fn abort(&self, failure: impl Into<Failure>) {
        // Fails if the client is gone: then nothing is left to break off.
        self.push(Err(failure.into())).ignore();
    }

    /// Fires when there is room: as [`write`](Self::write) of nothing.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    pub fn ready(&self) -> Deferred<()> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_gone {
            return fail(ClientGone);
        }
        if shared.waiting < CAPACITY {
            return succeed(());
        }
        let (trigger, ready) = Deferred::pair();
        shared.writers.push(trigger);
        ready
    }

    /// Whether the client, or the connection, is gone.
    pub fn is_gone(&self) -> bool {
        self.shared.borrow().is_gone
    }

    /// Whether a write would be pending.
    pub(crate) fn is_full(&self) -> bool {
        self.shared.borrow().waiting >= CAPACITY
    }

    fn push(&self, frame: Result<Frame<Bytes>>) -> Deferred<()> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_gone {
            return fail(ClientGone);
        }
        let added = frame.as_ref().ok().and_then(Frame::data_ref);
        shared.waiting += added.map_or(0, Bytes::len);
        shared.frames.push_back(frame);
        let reader = shared.reader.take();
        drop(shared);
        fire(reader);
        self.ready()
    }
}

impl Drop for BodyWriter {
    fn drop(&mut self) {
        // This writer is the last one.
        if Rc::strong_count(&self.writers) == 1 {
            let mut shared = self.shared.borrow_mut();
            shared.is_ended = true;
            let reader = shared.reader.take();
            drop(shared);
            fire(reader);
        }
    }
}

/// Fires the triggers. `callback` errs if the waiter was cancelled: then nothing waits.
fn fire(triggers: impl IntoIterator<Item = Trigger<()>>) {
    for trigger in triggers {
        let _ = trigger.callback(());
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared.borrow();
        f.debug_struct("BodyWriter")
            .field("waiting", &shared.waiting)
            .field("is_gone", &shared.is_gone)
            .finish_non_exhaustive()
    }
}
