//! `Decoded`: a body that is decoded as it is read.
//!
//! Output is decoded only when it is read, so that a few bytes that expand to gigabytes take no
//! memory beyond what the reader keeps.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use deferred::{Failure, Result};
use http_body::{Body as _, Frame};

use super::codec::Decoder;
use crate::body::Body;
use crate::error::HttpError;

/// A body that is decoded as it is read.
pub(crate) struct Decoded {
    body: Body,
    decoder: Decoder,
    /// The most bytes of output.
    limit: u64,
    /// Number of bytes of output so far.
    decoded: u64,
    /// Makes the failure of a body that cannot be decoded.
    unreadable: fn(io::Error) -> Failure,
}

impl Decoded {
    pub(crate) fn new(
        body: Body,
        decoder: Decoder,
        limit: u64,
        unreadable: fn(io::Error) -> Failure,
    ) -> Self {
        Self {
            body,
            decoder,
            limit,
            decoded: 0,
            unreadable,
        }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>>> {
        loop {
            if let Some(bytes) = self.decoder.next().map_err(self.unreadable)? {
                // Output is counted, not input, since a few bytes may expand to gigabytes.
                self.decoded += bytes.len() as u64;
                if self.decoded > self.limit {
                    return Poll::Ready(Err(HttpError::body_too_large(self.limit).into()));
                }
                return Poll::Ready(Ok(Some(Frame::data(bytes))));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                // `is_complete` is asked only at the end of the body, which may be known with its
                // last byte or only by one more poll.
                None if self.decoder.is_complete() => return Poll::Ready(Ok(None)),
                None => {
                    let error = io::ErrorKind::UnexpectedEof.into();
                    return Poll::Ready(Err((self.unreadable)(error)));
                }
                Some(frame) => match frame?.into_data() {
                    Ok(bytes) => self.decoder.push(bytes),
                    // Trailers are not encoded.
                    Err(trailers) => return Poll::Ready(Ok(Some(trailers))),
                },
            }
        }
    }
}

impl http_body::Body for Decoded {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        Poll::Ready(ready!(self.get_mut().poll_bytes(cx)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        // True only for an empty body, which is not decoded.
        self.decoded == 0 && self.decoder.is_at_end() && self.body.is_end_stream()
    }
}
