//! `Limited`: the body of a request, with a limit.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use deferred::{Failure, Result};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::open::{OpenBodies, OpenBody};
use crate::error::HttpError;

/// A body that a connection receives, with a limit on its bytes.
pub(super) struct Limited {
    body: Incoming,
    limit: u64,
    received: u64,
    /// Tells the connection that hyper still receives the body. Dropped at the end of the body.
    open: Option<OpenBody>,
    /// Whether a read of this body is pending: a connection of HTTP/2 has several bodies. Set by
    /// [`Self::watch`].
    watch: Option<Rc<Cell<bool>>>,
}

impl Limited {
    pub(super) fn new(body: Incoming, limit: u64, bodies: &Rc<OpenBodies>) -> Self {
        Self {
            body,
            limit,
            received: 0,
            open: Some(OpenBody::new(bodies)),
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
        if let Some(open) = &self.open {
            open.set_awaited(is_awaited);
        }
        if let Some(watch) = &self.watch {
            watch.set(is_awaited);
        }
    }

    /// Notes the end of the body.
    fn close(&mut self) {
        self.set_awaited(false);
        self.open = None;
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
            self.close();
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // The watchdog of the connection measures only the time in which the program waits for the
        // client, not that in which the client waits for the program.
        self.set_awaited(polled.is_pending());
        let Some(frame) = ready!(polled) else {
            self.close();
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
        // A reader need not poll again after the last bytes of a body of known length.
        if self.body.is_end_stream() {
            self.close();
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
        // A body that is dropped while a read is pending is not awaited any more. `open` tells the
        // connection, after the drop of `body` has told hyper.
        if let Some(watch) = &self.watch {
            watch.set(false);
        }
    }
}

/// A 400: an incomplete or malformed body is the client's fault, not the handler's.
fn broken(error: &hyper::Error) -> Failure {
    HttpError::bad_request(format!("the body cannot be read: {error}")).into()
}
