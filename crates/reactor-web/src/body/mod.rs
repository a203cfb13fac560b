//! `Body`: the content of a request or an answer.

mod channel;
mod limited;
mod open;
#[cfg(feature = "sessions")]
mod resumed;

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use deferred::{Failure, Result};
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

pub use self::channel::BodyWriter;
use self::channel::Channel;
use self::limited::Limited;
pub(crate) use self::open::OpenBodies;
#[cfg(feature = "sessions")]
use self::resumed::Resumed;
use crate::error::HttpError;

/// The content of a request or an answer: nothing, bytes, or a stream of them.
///
/// # Examples
///
/// ```
/// use reactor_web::Body;
///
/// let mut body = Body::from("hello");
/// let text = deferred::inline_callbacks(async move { body.collect(1024).await });
/// assert_eq!(text.into_result().unwrap()?, "hello");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Default)]
pub struct Body(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Incoming(Limited),
    Channel(Channel),
    #[cfg(feature = "sessions")]
    Resumed(Box<Resumed<Body>>),
    Boxed(Pin<Box<dyn http_body::Body<Data = Bytes, Error = Failure>>>),
}

impl Body {
    /// No content.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A body that is streamed, and the writer for it.
    ///
    /// # Examples
    ///
    /// Each line is written when the client has taken most of what came before:
    ///
    /// ```
    /// use reactor_web::testing::TestClient;
    /// use reactor_web::{App, Body};
    ///
    /// let app = App::new().get("/numbers", |req| {
    ///     let (writer, body) = Body::channel();
    ///     let counting = async move {
    ///         for number in 1..=3 {
    ///             writer.write(format!("{number}\n")).await?;
    ///         }
    ///         Ok(())
    ///     };
    ///     req.reactor().spawn(counting).log_error().ignore();
    ///     body
    /// });
    /// assert_eq!(TestClient::new(app)?.get("/numbers").text(), "1\n2\n3\n");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn channel() -> (BodyWriter, Self) {
        let (writer, channel) = Channel::new();
        (writer, Self(Kind::Channel(channel)))
    }

    /// Content from a stream of bytes. A failure ends the connection, since the answer cannot
    /// be taken back.
    ///
    /// # Examples
    ///
    /// ```
    /// use futures::stream;
    /// use reactor_web::Body;
    ///
    /// let mut body = Body::from_stream(stream::iter([Ok("one "), Ok("two")]));
    /// let text = deferred::inline_callbacks(async move { body.collect(1024).await });
    /// assert_eq!(text.into_result().unwrap()?, "one two");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn from_stream<S, B>(stream: S) -> Self
    where
        S: Stream<Item = Result<B>> + 'static,
        B: Into<Bytes>,
    {
        Self(Kind::Boxed(Box::pin(StreamBody(Box::pin(stream)))))
    }

    /// Any other content.
    pub fn wrap<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + 'static,
        B::Error: Into<Failure>,
    {
        Self(Kind::Boxed(Box::pin(Mapped(Box::pin(body)))))
    }

    /// Any other content, whose errors are failures already.
    pub(crate) fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = Failure> + 'static,
    {
        Self(Kind::Boxed(Box::pin(body)))
    }

    /// A copy of the content, if all of it is in memory.
    #[cfg(feature = "client")]
    pub(crate) fn try_clone(&self) -> Option<Self> {
        match &self.0 {
            Kind::Empty => Some(Self::empty()),
            Kind::Full(bytes) => Some(Self(Kind::Full(bytes.clone()))),
            // These can be read only once.
            Kind::Incoming(_) | Kind::Channel(_) | Kind::Boxed(_) => None,
            #[cfg(feature = "sessions")]
            Kind::Resumed(_) => None,
        }
    }

    /// A body that a connection receives, with a limit. `bodies` has it until its end.
    pub(crate) fn incoming(body: Incoming, limit: u64, bodies: &Rc<OpenBodies>) -> Self {
        // An empty body needs no limit and no wait, and as `Kind::Empty` it can be cloned.
        if http_body::Body::is_end_stream(&body) {
            return Self::empty();
        }
        Self(Kind::Incoming(Limited::new(body, limit, bodies)))
    }

    /// Limits the bytes of a request's body that are read; `None` for no limit. A longer body fails
    /// with status 413. The body of an answer has no limit.
    pub fn set_limit(&mut self, limit: impl Into<Option<u64>>) {
        let limit = limit.into();
        match &mut self.0 {
            Kind::Incoming(incoming) => incoming.set_limit(limit.unwrap_or(u64::MAX)),
            #[cfg(feature = "sessions")]
            Kind::Resumed(resumed) => resumed.rest().set_limit(limit),
            _ => {}
        }
    }

    /// This body with `read`, which was read from it before, put back in front.
    #[cfg(feature = "sessions")]
    pub(crate) fn with_before(self, read: Vec<Bytes>) -> Self {
        Self(Kind::Resumed(Box::new(Resumed::new(read, self))))
    }

    /// Whether all of the content is in memory.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self.0, Kind::Empty | Kind::Full(_))
    }

    /// A flag that says from now on whether a read of this body is pending. It stays false for a
    /// body that does not come from a client.
    pub(crate) fn watch(&mut self) -> Rc<Cell<bool>> {
        match &mut self.0 {
            Kind::Incoming(incoming) => incoming.watch(),
            #[cfg(feature = "sessions")]
            Kind::Resumed(resumed) => resumed.rest().watch(),
            _ => Rc::default(),
        }
    }

    /// The next bytes; `None` at the end. Trailers are left out.
    ///
    /// # Errors
    ///
    /// The client is gone before the end, or has sent more than the limit.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`next`](Self::next), for a poll by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        loop {
            match ready!(http_body::Body::poll_frame(Pin::new(self), cx)) {
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Err(failure)) => return Poll::Ready(Some(Err(failure))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Takes the content out, if it is in memory, and no longer than `limit` bytes.
    #[cfg(feature = "compression")]
    pub(crate) fn take_short(&mut self, limit: usize) -> Option<Bytes> {
        match &mut self.0 {
            Kind::Full(bytes) if bytes.len() <= limit => Some(std::mem::take(bytes)),
            _ => None,
        }
    }

    /// The whole content, if it is no longer than `limit` bytes.
    ///
    /// # Errors
    ///
    /// As for [`next`](Self::next); [`HttpError::body_too_large`] beyond the limit, before
    /// anything is read if the length is known.
    pub async fn collect(&mut self, limit: u64) -> Result<Bytes> {
        let size = http_body::Body::size_hint(self);
        // Before the first read: a client that waits for 100 (Continue) gets the refusal before it
        // sends the body.
        if size.lower() > limit {
            return Err(HttpError::body_too_large(limit).into());
        }
        let Some(first) = self.next().await.transpose()? else {
            return Ok(Bytes::new());
        };
        // Most bodies come in one piece, which is given as it is, without a copy.
        if http_body::Body::is_end_stream(self) && first.len() as u64 <= limit {
            return Ok(first);
        }
        let mut all = BytesMut::from(first);
        // At most one frame beyond the limit is kept.
        while all.len() as u64 <= limit {
            match self.next().await.transpose()? {
                Some(bytes) => all.extend_from_slice(&bytes),
                None => return Ok(all.freeze()),
            }
        }
        Err(HttpError::body_too_large(limit).into())
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        match &mut body.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let frame = Frame::data(std::mem::take(bytes));
                // So that `is_end_stream` is true from here on.
                body.0 = Kind::Empty;
                Poll::Ready(Some(Ok(frame)))
            }
            Kind::Incoming(incoming) => incoming.poll_frame(cx),
            Kind::Channel(channel) => channel.poll_frame(cx),
            #[cfg(feature = "sessions")]
            Kind::Resumed(resumed) => resumed.poll_frame(cx),
            Kind::Boxed(boxed) => boxed.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Incoming(incoming) => incoming.is_end_stream(),
            Kind::Channel(channel) => channel.is_end_stream(),
            #[cfg(feature = "sessions")]
            Kind::Resumed(resumed) => resumed.is_end_stream(),
            Kind::Boxed(boxed) => boxed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Incoming(incoming) => incoming.size_hint(),
            Kind::Channel(_) => SizeHint::default(),
            #[cfg(feature = "sessions")]
            Kind::Resumed(resumed) => resumed.size_hint(),
            Kind::Boxed(boxed) => boxed.size_hint(),
        }
    }
}

macro_rules! from_bytes {
    ($($bytes:ty),* $(,)?) => {$(
        impl From<$bytes> for Body {
            fn from(bytes: $bytes) -> Self {
                Self(Kind::Full(bytes.into()))
            }
        }
    )*};
}

from_bytes!(
    &'static [u8],
    &'static str,
    Bytes,
    BytesMut,
    String,
    Vec<u8>
);

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Empty => "empty",
            Kind::Full(_) => "bytes",
            Kind::Incoming(_) => "incoming",
            Kind::Channel(_) => "channel",
            #[cfg(feature = "sessions")]
            Kind::Resumed(_) => "resumed",
            Kind::Boxed(_) => "stream",
        };
        f.debug_tuple("Body").field(&kind).finish()
    }
}

/// A stream of bytes as a body.
struct StreamBody<S>(Pin<Box<S>>);

impl<S, B> http_body::Body for StreamBody<S>
where
    S: Stream<Item = Result<B>>,
    B: Into<Bytes>,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let next = ready!(self.0.as_mut().poll_next(cx));
        Poll::Ready(next.map(|item| item.map(|bytes| Frame::data(bytes.into()))))
    }
}

/// A body whose errors become failures.
struct Mapped<B>(Pin<Box<B>>);

impl<B> http_body::Body for Mapped<B>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Failure>,
{
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let frame = ready!(self.0.as_mut().poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
