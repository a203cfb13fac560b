//! Bodies that the proxy passes on: of a request to an upstream, and of its answer to the client.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use deferred::{Failure, Result};
use http_body::{Body as _, Frame, SizeHint};
use reactor::ReactorHandle;

use super::pool::Turn;
use crate::body::Body;

/// The body of a request, which can be sent to another upstream as long as nothing was read of it.
#[derive(Clone)]
pub(super) struct Source(Rc<State>);

struct State {
    // Borrowed only while it is polled, and only one upstream at a time polls it.
    body: RefCell<Body>,
    /// Set by the first read for an upstream, and not cleared.
    is_begun: Cell<bool>,
    // The failure of a read. Set by `poll_frame`, which gives hyper only a copy of its message;
    // taken by `Shared::forward`.
    failure: RefCell<Option<Failure>>,
}

impl Source {
    pub(super) fn new(body: Body) -> Self {
        Self(Rc::new(State {
            is_begun: Cell::new(false),
            body: RefCell::new(body),
            failure: RefCell::default(),
        }))
    }

    /// Whether nothing was read of it, so that it can still be sent.
    pub(super) fn is_whole(&self) -> bool {
        !self.0.is_begun.get()
    }

    /// Whether it is a stream of unknown length.
    pub(super) fn is_chunked(&self) -> bool {
        let body = self.0.body.borrow();
        !body.is_end_stream() && body.size_hint().exact().is_none()
    }

    /// The body for one upstream.
    pub(super) fn body(&self) -> Body {
        // A stream cannot be sent again over another connection if the first one is stale; an empty
        // body can.
        if self.0.body.borrow().is_end_stream() {
            return Body::empty();
        }
        Body::boxed(self.clone())
    }

    /// Why the client has not sent the body completely, if a read has failed.
    pub(super) fn take_failure(&self) -> Option<Failure> {
        self.0.failure.take()
    }
}

impl http_body::Body for Source {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        // Set before the poll, since what the poll reads cannot be sent to another upstream.
        self.0.is_begun.set(true);
        let polled = Pin::new(&mut *self.0.body.borrow_mut()).poll_frame(cx);
        if let Poll::Ready(Some(Err(failure))) = polled {
            // hyper wraps the failure that it gets. The client must get the original one, with its
            // status.
            let told = Failure::msg(failure.message());
            self.0.failure.replace(Some(failure));
            return Poll::Ready(Some(Err(told)));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.0.body.borrow().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.borrow().size_hint()
    }
}

/// The body of an answer. Until it is dropped, its request counts as under way.
pub(super) struct Download {
    pub(super) body: Body,
    // Dropped with the body, which ends the request for the pool.
    pub(super) turn: Turn,
    pub(super) reactor: ReactorHandle,
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Err(_))) = &polled {
            let now = self.reactor.now();
            // Counts a failure, although the head of the answer has counted as a success.
            self.turn.failed(now);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
