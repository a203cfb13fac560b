//! `Limited`: the body of a request, with a limit.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use deferred::{Failure, Result};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::error::HttpError;

/// A body that a connection receives, with a limit on its bytes.
pub(super) struct Limited {
    body: Incoming,
    limit: u64,
    received: u64,
    /// Set while a read is pending.
    // Belongs to the connection, whose watchdog reads it. Requests of HTTP/2 share it, so the last
    // poll decides.
    is_awaited: Rc<Cell<bool>>,
    /// The same for this body alone, since a connection of HTTP/2 has several. Set by
    /// [`Self::watch`].
    watch: Option<Rc<Cell<bool>>>,
}

impl Limited {
    pub(super) fn new(body: Incoming, limit: u64, is_awaited: Rc<Cell<bool>>) -> Self {
        Self {
            body,
            limit,
            received: 0,
            is_awaited,
            watch: None,
        }
    }

    pub(super) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(super) fn watch(&mut self) -> Rc<Cell<bool>> {
        Rc::clone(self.watch.get_or_insert_default())
    }

    fn set_awaited(&self, is_awaited: bool) {
        self.is_awaited.set(is_awaited);
        if let Some(watch) = &self.watch {
            watch.set(is_awaited);
        }
    }

    fn too_large(&self) -> Failure {
        HttpError::body_too_large(self.limit).into()
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        // Before the first read: a client that waits for 100 (Continue) then sends nothing.
        if self.received.saturating_add(self.body.size_hint().lower()) > self.limit {
            return Poll::Ready(Some(Err(self.too_large())));
        }
        // Once the answer is sent, hyper tells the end of a body of known length only with the next
        // request.
        if self.body.is_end_stream() {
            self.set_awaited(false);
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // The watchdog of the connection measures only the time in which the program waits for the
        // client, not that in which the client waits for the program.
        self.set_awaited(polled.is_pending());
        let Some(frame) = ready!(polled) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(|error| broken(&error))?;
        if let Some(bytes) = frame.data_ref() {
            // Counted here, too: a chunked body announces no length that could be checked above.
            self.received += bytes.len() as u64;
            if self.received > self.limit {
                return Poll::Ready(Some(Err(self.too_large())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        // A body that is dropped while a read is pending is not awaited any more.
        self.set_awaited(false);
    }
}

/// A 400: an incomplete or malformed body is the client's fault, not the handler's.
fn broken(error: &hyper::Error) -> Failure {
    HttpError::bad_request(format!("the body cannot be read: {error}")).into()
}
