//! The I/O traits of `futures` and of Tokio, for the streams of this module.
//!
//! Each stream implements [`PollIo`], which has what both families have in common, and
//! `io_traits!` derives both from it.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

/// The poll functions of a stream.
pub(super) trait PollIo {
    /// Polls for input that was not consumed yet; it is empty at the end of the input.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>>;
    /// Marks the first `count` bytes that `poll_fill` has lent as consumed.
    fn consume(&mut self, count: usize);
    /// Polls for room, and writes as much of `bytes` as there is room for.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
    /// Like [`poll_write`](Self::poll_write), but writes several pieces, one after the other.
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;
    /// Polls until there is room for more output.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Ends the output, and polls until all of it is sent.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Copies input that [`PollIo::poll_fill`] lends into `buffer`.
#[inline]
pub(super) fn poll_read(
    stream: &mut impl PollIo,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    // A read into an empty buffer does not wait for input.
    if buffer.is_empty() {
        return Poll::Ready(Ok(0));
    }
    let unread = std::task::ready!(stream.poll_fill(cx))?;
    let count = unread.len().min(buffer.len());
    buffer[..count].copy_from_slice(&unread[..count]);
    stream.consume(count);
    Poll::Ready(Ok(count))
}

/// The first bytes of `pieces`: at most `most` bytes.
pub(super) fn first_of<'a>(
    pieces: &'a [IoSlice<'a>],
    most: usize,
) -> impl Iterator<Item = &'a [u8]> {
    let mut left = most;
    pieces.iter().map_while(move |piece| {
        let taken = piece.len().min(left);
        let has_room = left > 0;
        left -= taken;
        has_room.then(|| &piece[..taken])
    })
}

/// Implements the traits of `futures`, and those of Tokio with the feature `tokio`, for a stream
/// that implements [`PollIo`].
macro_rules! io_traits {
    ($stream:ty) => {
        impl ::futures_io::AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                $crate::byte_stream::io_traits::poll_read(self.get_mut(), cx, buffer)
            }
        }

        impl ::futures_io::AsyncBufRead for $stream {
            fn poll_fill_buf(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<&[u8]>> {
                PollIo::poll_fill(self.get_mut(), cx)
            }

            fn consume(self: Pin<&mut Self>, count: usize) {
                PollIo::consume(self.get_mut(), count);
            }
        }

        impl ::futures_io::AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                PollIo::poll_write(self.get_mut(), cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                PollIo::poll_write_vectored(self.get_mut(), cx, pieces)
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                PollIo::poll_flush(self.get_mut(), cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                PollIo::poll_close(self.get_mut(), cx)
            }
        }

        #[cfg(feature = "tokio")]
        impl ::tokio::io::AsyncRead for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut ::tokio::io::ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                // A read into an empty buffer does not wait for input.
                if buffer.remaining() == 0 {
                    return Poll::Ready(Ok(()));
                }
                let stream = self.get_mut();
                let unread = std::task::ready!(PollIo::poll_fill(stream, cx))?;
                let count = unread.len().min(buffer.remaining());
                buffer.put_slice(&unread[..count]);
                PollIo::consume(stream, count);
                Poll::Ready(Ok(()))
            }
        }

        #[cfg(feature = "tokio")]
        impl ::tokio::io::AsyncBufRead for $stream {
            fn poll_fill_buf(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<&[u8]>> {
                PollIo::poll_fill(self.get_mut(), cx)
            }

            fn consume(self: Pin<&mut Self>, count: usize) {
                PollIo::consume(self.get_mut(), count);
            }
        }

        #[cfg(feature = "tokio")]
        impl ::tokio::io::AsyncWrite for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                PollIo::poll_write(self.get_mut(), cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                PollIo::poll_write_vectored(self.get_mut(), cx, pieces)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                PollIo::poll_flush(self.get_mut(), cx)
            }

            fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                PollIo::poll_close(self.get_mut(), cx)
            }
        }
    };
}
pub(super) use io_traits;
