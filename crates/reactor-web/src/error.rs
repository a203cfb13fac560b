//! `HttpError`: an error that knows the status of its answer.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode};

/// An error that is answered with its own status, instead of with 500.
///
/// Its message is for the client: the page shows it. Any other failure of a handler is answered
/// with a page that says nothing of it, and its story goes to the log.
///
/// # Examples
///
/// ```
/// use http::StatusCode;
/// use reactor_web::testing::TestClient;
/// use reactor_web::{App, HttpError};
///
/// let app = App::new().get("/price/{of}", |req| match req.param("of")? {
///     "apples" => Ok("3"),
///     _ => Err(HttpError::not_found().with_message("there are only apples").into()),
/// });
/// let client = TestClient::new(app)?;
/// assert_eq!(client.get("/price/apples").text(), "3");
///
/// let answer = client.get("/price/pears");
/// assert_eq!(answer.status(), StatusCode::NOT_FOUND);
/// assert!(answer.text().contains("there are only apples"));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct HttpError {
    status: StatusCode,
    message: Cow<'static, str>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl HttpError {
    /// An error with this status, and its usual phrase as the message.
    pub fn new(status: StatusCode) -> Self {
        Self {
            status,
            message: Cow::Borrowed(status.canonical_reason().unwrap_or("error")),
            headers: Vec::new(),
        }
    }

    /// 400: the request is invalid.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST).with_message(message)
    }

    /// 403: the client is not allowed to do this.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN)
    }

    /// 404: there is no such page.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND)
    }

    /// 413: the body is longer than `limit`.
    pub fn body_too_large(limit: u64) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE)
            .with_message(format!("the body is longer than {limit} bytes"))
    }

    /// This error with another message, which the client gets to see.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// This error with a header in its answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The message, which the page shows.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The headers of the answer.
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

impl From<StatusCode> for HttpError {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status.as_u16(), self.message)
    }
}

impl Error for HttpError {}

/// The client went before its answer was sent completely.
/// [`Request::notify_finish`](crate::Request::notify_finish) and the writes of a
/// [`BodyWriter`](crate::BodyWriter) fail with this error.
///
/// # Examples
///
/// ```
/// use reactor_web::{Body, ClientGone};
///
/// let (writer, body) = Body::channel();
/// drop(body);
/// let failure = writer.write("too late").into_result().unwrap().unwrap_err();
/// assert!(failure.is::<ClientGone>());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientGone;

impl fmt::Display for ClientGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client is gone")
    }
}

impl Error for ClientGone {}
