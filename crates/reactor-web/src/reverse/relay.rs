//! Bodies on their way: of a request to an upstream, and of its answer to the client.

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
    // Borrowed while it is polled: an upstream polls its own clone, and nothing else does.
    body: RefCell<Body>,
    /// Set when the first upstream has read of it, and not cleared.
    is_begun: Cell<bool>,
    // Set by `poll_frame`, which gives hyper a copy of the message; taken by `Shared::forward`.
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

    /// Whether it can be sent from its beginning.
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

    /// Why the client has not sent it whole, if so.
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
        // Before the poll: from then on, what it gives is gone for another upstream.
        self.0.is_begun.set(true);
        let polled = Pin::new(&mut *self.0.body.borrow_mut()).poll_frame(cx);
        if let Poll::Ready(Some(Err(failure))) = polled {
            // hyper wraps the failure that it gets. The client is to get the first one, with its
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

/// The body of an answer: while it is there, the upstream is at work.
pub(super) struct Download {
    pub(super) body: Body,
    // Dropped with the body: so a download counts as a request that is under way.
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
            // The head of the answer has counted as a success.
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
