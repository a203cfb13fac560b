//! `Resumed`: a body with bytes put back that were read before its handler reads it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use deferred::{Failure, Result};
use http_body::{Body, Frame, SizeHint};

/// The bytes that were read, and the rest of the body.
pub(super) struct Resumed<B> {
    read: VecDeque<Bytes>,
    rest: B,
}

impl<B: Body<Data = Bytes, Error = Failure> + Unpin> Resumed<B> {
    pub(super) fn new(read: Vec<Bytes>, rest: B) -> Self {
        let read = read.into();
        Self { read, rest }
    }

    /// The rest of the body. Its limit also counts the bytes that were read before.
    pub(super) fn rest(&mut self) -> &mut B {
        &mut self.rest
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        match self.read.pop_front() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.rest.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let read = self
            .read
            .iter()
            .map(|bytes| bytes.len() as u64)
            .sum::<u64>();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(read));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint
    }
}
