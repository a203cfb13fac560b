//! `IntoResponse`: values that are answers.

use std::borrow::Cow;

use bytes::Bytes;
use cookie::Cookie;
use deferred::Result;
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::Response;
use crate::body::Body;
use crate::error::HttpError;

/// A value that a handler can return.
///
/// | value | answer |
/// |---|---|
/// | text (`&'static str`, `String`, `Cow<'static, str>`) | `text/plain; charset=utf-8` |
/// | bytes (`Bytes`, `Vec<u8>`, `&'static [u8]`) | `application/octet-stream` |
/// | [`Html`], [`Json`](crate::Json), [`Redirect`](crate::Redirect) | HTML, JSON, or a redirect |
/// | `()` | 204, no content |
/// | a [`StatusCode`] | this status, with its phrase as text |
/// | `(StatusCode, value)` | the value, with that status |
/// | `([(name, value), ..], value)` | the value, with these headers |
/// | an [`HttpError`](crate::HttpError) | the error page of the app |
/// | `(cookie, value)` | the value, and sets the [`Cookie`] |
/// | an `Option` | `None` is 404 |
/// | a `Result` with a [`Failure`](deferred::Failure) | the error page of the app, if it is an `Err` |
/// | a [`Body`], a [`Response`] | as it is |
///
/// # Examples
///
/// A value of your own:
///
/// ```
/// use reactor_web::{App, IntoResponse, Response, testing::TestClient};
///
/// struct Csv(Vec<[u32; 2]>);
///
/// impl IntoResponse for Csv {
///     fn into_response(self) -> deferred::Result<Response> {
///         let rows = self.0.iter().map(|[a, b]| format!("{a},{b}\n"));
///         ([("content-type", "text/csv")], rows.collect::<String>()).into_response()
///     }
/// }
///
/// let app = App::new().get("/table", |_| Csv(vec![[1, 2], [3, 4]]));
/// let answer = TestClient::new(app)?.get("/table");
/// assert_eq!(answer.header("content-type"), Some("text/csv"));
/// assert_eq!(answer.text(), "1,2\n3,4\n");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an answer",
    label = "a handler cannot return this",
    note = "return text, bytes, `Html`, `Json`, a status, a `Response`, or a `deferred::Result` of one of them; or implement `IntoResponse`"
)]
pub trait IntoResponse {
    /// The answer.
    ///
    /// # Errors
    ///
    /// A failure, for which the app answers with an error page.
    fn into_response(self) -> Result<Response>;
}

/// A page of HTML.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Html, testing::TestClient};
///
/// let app = App::new().get("/", |_| Html("<h1>hello</h1>"));
/// let answer = TestClient::new(app)?.get("/");
/// assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Html<T>(pub T);

/// A value as JSON.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Json, testing::TestClient};
///
/// let app = App::new().get("/", |_| Json([1, 2, 3]));
/// assert_eq!(TestClient::new(app)?.get("/").text(), "[1,2,3]");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[cfg(feature = "json")]
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// An answer of the type `kind`.
pub(super) fn typed(kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

impl IntoResponse for Response {
    fn into_response(self) -> Result<Response> {
        Ok(self)
    }
}

macro_rules! typed_values {
    ($kind:literal: $($value:ty),*) => {$(
        impl IntoResponse for $value {
            fn into_response(self) -> Result<Response> {
                Ok(typed($kind, self))
            }
        }
    )*};
}

typed_values!("text/plain; charset=utf-8": &'static str, String);
typed_values!("application/octet-stream": &'static [u8], Bytes, Vec<u8>);

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> Result<Response> {
        match self {
            Self::Borrowed(text) => text.into_response(),
            Self::Owned(text) => text.into_response(),
        }
    }
}

impl IntoResponse for Body {
    fn into_response(self) -> Result<Response> {
        Ok(Response::new(self))
    }
}

impl<T: Into<Body>> Html<T> {
    pub(crate) fn response(self) -> Response {
        typed("text/html; charset=utf-8", self.0)
    }
}

impl<T: Into<Body>> IntoResponse for Html<T> {
    fn into_response(self) -> Result<Response> {
        Ok(self.response())
    }
}

#[cfg(feature = "json")]
impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Result<Response> {
        Ok(typed("application/json", serde_json::to_vec(&self.0)?))
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Result<Response> {
        (StatusCode::NO_CONTENT, Body::empty()).into_response()
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Result<Response> {
        let phrase = self.canonical_reason().unwrap_or_default();
        (self, phrase).into_response()
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Result<Response> {
        let (status, value) = self;
        let mut response = value.into_response()?;
        *response.status_mut() = status;
        Ok(response)
    }
}

impl<N, V, T, const COUNT: usize> IntoResponse for ([(N, V); COUNT], T)
where
    N: TryInto<HeaderName, Error: Into<http::Error>>,
    V: TryInto<HeaderValue, Error: Into<http::Error>>,
    T: IntoResponse,
{
    fn into_response(self) -> Result<Response> {
        let (headers, value) = self;
        let mut response = value.into_response()?;
        for (name, value) in headers {
            let name = name.try_into().map_err(Into::into)?;
            let value = value.try_into().map_err(Into::into)?;
            // Replaces a header that the value has set.
            response.headers_mut().insert(name, value);
        }
        Ok(response)
    }
}

impl<T: IntoResponse> IntoResponse for (Cookie<'static>, T) {
    fn into_response(self) -> Result<Response> {
        let (cookie, value) = self;
        let mut response = value.into_response()?;
        let cookie = HeaderValue::try_from(cookie.encoded().to_string())?;
        // Each cookie has a header of its own (RFC 6265, 3).
        response.headers_mut().append(header::SET_COOKIE, cookie);
        Ok(response)
    }
}

impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> Result<Response> {
        match self {
            Some(value) => value.into_response(),
            None => Err(HttpError::not_found().into()),
        }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Result<Response> {
        Err(self.into())
    }
}

impl<T: IntoResponse> IntoResponse for Result<T> {
    fn into_response(self) -> Result<Response> {
        self?.into_response()
    }
}
