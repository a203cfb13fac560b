//! `Decoded`: content that is decompressed as it is read.
//!
//! A piece of output is made when it is asked for, so that a few bytes that stand for gigabytes
//! take no memory beyond what the reader keeps.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::futures::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use bytes::{Buf, Bytes};
use deferred::{Failure, Result};
use futures_io::{AsyncBufRead, AsyncRead};
use http::{HeaderMap, HeaderValue, header};
use http_body::{Frame, SizeHint};

use crate::body::Body;

/// What a client says that it can decompress.
pub(super) const ACCEPTED: HeaderValue = HeaderValue::from_static("gzip, br, zstd, deflate");

/// The most bytes of a piece of output.
const PIECE: usize = 16 * 1024;

/// Content that is decompressed as it is read.
struct Decoded(Pin<Box<dyn AsyncRead>>);

/// Decompresses `body`, if the headers say that it is compressed in one of the ways that are known
/// here; then they say so no more.
pub(super) fn decode(headers: &mut HeaderMap, body: Body) -> Body {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else {
        return body;
    };
    if http_body::Body::is_end_stream(&body) {
        // The answer to HEAD, or 304.
        return body;
    }
    let source = Source {
        body,
        piece: Bytes::new(),
    };
    let reader: Pin<Box<dyn AsyncRead>> = match encoding.as_bytes().to_ascii_lowercase().as_slice()
    {
        b"gzip" | b"x-gzip" => {
            let mut decoder = GzipDecoder::new(source);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        b"br" => Box::pin(BrotliDecoder::new(source)),
        b"zstd" => {
            let mut decoder = ZstdDecoder::new(source);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        b"deflate" => Box::pin(ZlibDecoder::new(source)),
        _ => return source.body,
    };
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    Body::boxed(Decoded(reader))
}

impl http_body::Body for Decoded {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let mut piece = vec![0; PIECE];
        let count = match ready!(self.0.as_mut().poll_read(cx, &mut piece)) {
            Ok(count) => count,
            Err(error) => return Poll::Ready(Some(Err(failure(error)))),
        };
        if count == 0 {
            return Poll::Ready(None);
        }
        piece.truncate(count);
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The failure of a body that went through a decoder as an error of I/O.
fn failure(error: io::Error) -> Failure {
    match error.downcast::<Broken>() {
        Ok(broken) => broken.0,
        Err(error) => Failure::new(error).context("the content cannot be decompressed"),
    }
}

/// A failure on its way through a decoder.
#[derive(Debug)]
struct Broken(Failure);

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Broken {}

/// A body as a decoder reads it.
struct Source {
    body: Body,
    piece: Bytes,
}

impl AsyncBufRead for Source {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.piece.is_empty() {
            match ready!(this.body.poll_next(cx)) {
                Some(Ok(piece)) => this.piece = piece,
                Some(Err(failure)) => {
                    return Poll::Ready(Err(io::Error::other(Broken(failure))));
                }
                None => break,
            }
        }
        Poll::Ready(Ok(&this.piece))
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.piece.advance(count);
    }
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let unread = ready!(self.as_mut().poll_fill_buf(cx))?;
        let count = unread.len().min(buffer.len());
        buffer[..count].copy_from_slice(&unread[..count]);
        self.consume(count);
        Poll::Ready(Ok(count))
    }
}
