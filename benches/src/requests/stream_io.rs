//! A `ByteStream` as Tokio's traits have it, and as something that may go to other threads,
//! which it does not: what a program writes that uses a crate made for Tokio.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncBufRead, AsyncWrite};
use reactor::ByteStream;
use send_wrapper::SendWrapper;
use tokio::io::ReadBuf;

pub(super) struct StreamIo(SendWrapper<ByteStream>);

impl StreamIo {
    pub(super) fn new(stream: ByteStream) -> Self {
        Self(SendWrapper::new(stream))
    }

    fn stream(&mut self) -> Pin<&mut ByteStream> {
        Pin::new(&mut *self.0)
    }
}

impl tokio::io::AsyncRead for StreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let bytes = ready!(self.stream().poll_fill_buf(cx))?;
        let count = bytes.len().min(buffer.remaining());
        buffer.put_slice(&bytes[..count]);
        self.stream().consume(count);
        Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for StreamIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_close(cx)
    }
}
