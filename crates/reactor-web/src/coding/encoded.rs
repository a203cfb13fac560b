//! The body of an answer, encoded while it is sent.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use deferred::{CancelOnDrop, Failure, Result};
use http::HeaderMap;
use http_body::{Body as _, Frame};
use reactor::ReactorHandle;

use super::codec::Encoder;
use crate::body::Body;
use crate::negotiation::Coding;

/// Most bytes that are encoded in the loop at once, which takes less than a millisecond. More are
/// encoded in another thread.
pub(crate) const IN_LOOP: usize = 16 * 1024;

/// A body that is encoded as it is read. What was encoded is flushed when the body has nothing more
/// to give for now, so that an event reaches the client at once.
pub(crate) struct Encoded {
    body: Body,
    reactor: ReactorHandle,
    state: State,
    /// Whether something was encoded and not flushed.
    // Set by `encode`, cleared by a flush.
    is_unflushed: bool,
}

enum State {
    Idle(Encoder),
    /// Another thread has the encoder.
    // The body is not polled in this state: what comes next needs the encoder.
    Away(CancelOnDrop<(Encoder, Bytes)>),
    /// The body has ended; its trailers are to be sent.
    Ended(Option<HeaderMap>),
}

impl Encoded {
    pub(crate) fn new(body: Body, coding: Coding, reactor: &ReactorHandle) -> Self {
        Self {
            body,
            reactor: reactor.clone(),
            state: State::Idle(Encoder::new(coding)),
            is_unflushed: false,
        }
    }

    /// Encodes `bytes`, in another thread if they are more than [`IN_LOOP`].
    fn encode(&mut self, mut encoder: Encoder, bytes: Bytes) -> io::Result<Bytes> {
        self.is_unflushed = true;
        if bytes.len() <= IN_LOOP {
            let out = encoder.write(&bytes)?;
            self.state = State::Idle(encoder);
            return Ok(out);
        }
        let job = move || {
            let out = encoder.write(&bytes)?;
            Ok((encoder, out))
        };
        self.state = State::Away(self.reactor.defer_to_thread(job).cancel_on_drop());
        Ok(Bytes::new())
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>>> {
        loop {
            // Taken out, since the encoder is moved to another thread and back. Each path below
            // sets a state again, except errors and the end, which leave it `Ended`.
            let mut encoder = match std::mem::replace(&mut self.state, State::Ended(None)) {
                State::Ended(trailers) => {
                    return Poll::Ready(Ok(trailers.map(Frame::trailers)));
                }
                State::Away(mut working) => match Pin::new(&mut working).poll(cx) {
                    Poll::Pending => {
                        self.state = State::Away(working);
                        return Poll::Pending;
                    }
                    Poll::Ready(result) => {
                        let (encoder, out) = result?;
                        self.state = State::Idle(encoder);
                        if !out.is_empty() {
                            return Poll::Ready(Ok(Some(Frame::data(out))));
                        }
                        continue;
                    }
                },
                State::Idle(encoder) => encoder,
            };
            let out = match Pin::new(&mut self.body).poll_frame(cx) {
                // The body waits: without a flush, what the encoder has held back would wait, too.
                Poll::Pending if self.is_unflushed => {
                    self.is_unflushed = false;
                    let out = encoder.flush()?;
                    self.state = State::Idle(encoder);
                    out
                }
                Poll::Pending => {
                    self.state = State::Idle(encoder);
                    return Poll::Pending;
                }
                // The state stays `Ended`.
                Poll::Ready(None) => encoder.finish()?,
                Poll::Ready(Some(frame)) => match frame?.into_data() {
                    Ok(bytes) => self.encode(encoder, bytes)?,
                    Err(frame) => {
                        self.state = State::Ended(frame.into_trailers().ok());
                        encoder.finish()?
                    }
                },
            };
            if !out.is_empty() {
                return Poll::Ready(Ok(Some(Frame::data(out))));
            }
        }
    }
}

impl http_body::Body for Encoded {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        Poll::Ready(ready!(self.get_mut().poll_bytes(cx)).transpose())
    }
}

/// A whole body, encoded at once.
pub(crate) fn encode_whole(coding: Coding, bytes: &[u8]) -> io::Result<Bytes> {
    let mut encoder = Encoder::new(coding);
    let (begin, end) = (encoder.write(bytes)?, encoder.finish()?);
    Ok(if begin.is_empty() {
        end
    } else {
        [begin, end].concat().into()
    })
}
