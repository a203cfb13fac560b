//! `Received`: the content of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use deferred::{Failure, Result};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::error::Step;
use super::exchange::Lease;
use super::watch::Watch;

/// The content of an answer as it comes. At its end, the connection goes back to the pool; if it
/// is dropped before, the connection ends.
pub(super) struct Received {
    incoming: Incoming,
    /// `None` after the end.
    lease: Option<Lease>,
    watch: Watch,
    /// Set when a read has failed: from then on, nothing is polled.
    is_broken: bool,
}

impl Received {
    pub(super) fn new(incoming: Incoming, lease: Lease, watch: Watch) -> Self {
        let mut received = Self {
            incoming,
            lease: Some(lease),
            watch,
            is_broken: false,
        };
        // A reader does not poll an empty body, such as that of an answer to HEAD.
        received.finish_at_end();
        received
    }

    /// Gives the connection back if nothing more comes.
    fn finish_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.finish();
        }
    }

    /// Gives the connection back.
    fn finish(&mut self) {
        self.watch.clock().stop();
        if let Some(lease) = self.lease.take() {
            lease.finish();
        }
    }

    fn fail(&mut self, failure: Failure) -> Poll<Option<Result<Frame<Bytes>>>> {
        self.is_broken = true;
        // Ends the connection, or the stream, even if the program keeps this body.
        drop(self.lease.take());
        Poll::Ready(Some(Err(failure)))
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.is_broken {
            return Poll::Ready(None);
        }
        // Once a timeout has expired, hyper is not polled, so that the failure is that of the
        // timeout.
        if !this.watch.clock().is_expired() {
            match Pin::new(&mut this.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    this.watch.clock().pause();
                    // Checked here, since a reader that knows the length may not poll for the end.
                    this.finish_at_end();
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(Some(Err(error))) => return this.fail(error.into()),
                Poll::Ready(None) => {
                    this.finish();
                    return Poll::Ready(None);
                }
                // The timeout begins with the first poll that has to wait. Further polls do not
                // restart it, and while the reader does not poll, no timeout runs.
                Poll::Pending => this.watch.clock().begin(Step::Read),
            }
        }
        match this.watch.poll_expired(cx) {
            Poll::Ready(Err(failure)) => this.fail(failure),
            // `Ok` does not occur: the watch fires only with a failure.
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_broken || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
