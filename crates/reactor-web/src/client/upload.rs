//! `Upload`: the body of a request, which reports its progress to the stopwatch.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use deferred::{Failure, Result};
use http_body::{Frame, SizeHint};

use super::watch::Stopwatch;
use crate::body::Body;

/// A body that is sent. While it waits for data of the program, no timeout of the server runs.
pub(super) struct Upload {
    body: Body,
    clock: Rc<Stopwatch>,
}

impl Upload {
    pub(super) fn new(body: Body, clock: Rc<Stopwatch>) -> Self {
        Self { body, clock }
    }

    pub(super) fn into_body(mut self) -> Body {
        // Not moved out, since an `Upload` has a `Drop`. The drop notes the request as sent, which
        // `begin_request` undoes.
        std::mem::take(&mut self.body)
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // hyper polls when there is room for more: so a piece that it takes means that the server
        // has read earlier ones.
        self.clock.note_upload(polled.is_ready());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // hyper drops a body when all of it is sent.
        self.clock.note_sent();
    }
}
