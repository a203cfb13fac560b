//! Content of a request: query, cookies, and the body as bytes, JSON, a form or its parts.

use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use bytes::Bytes;
use cookie::Cookie;
use deferred::{Deferred, Failure, Result, inline_callbacks};
use futures_core::Stream;
use http::{StatusCode, header};
use multer::Multipart;
use send_wrapper::SendWrapper;
use serde::de::DeserializeOwned;

use super::{Request, parse, unreadable};
use crate::body::Body;
use crate::error::HttpError;

impl Request {
    /// The query, as a type with a field for each value.
    ///
    /// # Errors
    ///
    /// 400 if the query does not match `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::{App, testing::TestClient};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Search {
    ///     text: String,
    ///     #[serde(default)]
    ///     page: u32,
    /// }
    ///
    /// let app = App::new().get("/search", |req| {
    ///     let Search { text, page } = req.query()?;
    ///     Ok(format!("page {page} of what there is about {text}"))
    /// });
    /// let client = TestClient::new(app)?;
    /// assert_eq!(client.get("/search?text=a+b").text(), "page 0 of what there is about a b");
    /// assert_eq!(client.get("/search?page=2").status(), 400);
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn query<T: DeserializeOwned>(&self) -> Result<T> {
        let query = self.uri().query().unwrap_or_default();
        serde_urlencoded::from_str(query).map_err(|error| unreadable("the query", error))
    }

    /// The value of one parameter of the query, if it is there.
    ///
    /// # Errors
    ///
    /// 400 if the value cannot be parsed.
    #[doc(alias = "args")]
    pub fn query_value<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        // Pairs and not a map: a name may be there twice, and the first one counts.
        let query: Vec<(String, String)> = self.query()?;
        let found = query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| parse(name, value)).transpose()
    }

    /// The value of a cookie, without its percent-encoding.
    #[doc(alias = "getCookie")]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let headers = self.headers().get_all(header::COOKIE);
        let texts = headers.iter().filter_map(|value| value.to_str().ok());
        texts
            .flat_map(Cookie::split_parse_encoded)
            // A cookie that cannot be parsed does not hide the others.
            .filter_map(std::result::Result::ok)
            .find(|cookie| cookie.name() == name)
            .map(|cookie| cookie.value().to_owned())
    }

    /// The whole body, if it is no longer than the app allows.
    ///
    /// # Errors
    ///
    /// 413 if it is longer; 400 if it does not arrive completely.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::{App, testing::TestClient};
    ///
    /// let app = App::new().post("/count", |req| {
    ///     req.bytes().add_callback(|body| Ok(body.len().to_string()))
    /// });
    /// let client = TestClient::new(app)?;
    /// assert_eq!(client.post("/count", "12345").text(), "5");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn bytes(&self) -> Deferred<Bytes> {
        self.read_with(Ok)
    }

    /// The whole body as text.
    ///
    /// # Errors
    ///
    /// As for [`bytes`](Self::bytes); 400 if it is not UTF-8.
    pub fn text(&self) -> Deferred<String> {
        self.read_with(|bytes| {
            String::from_utf8(bytes.into()).map_err(|error| unreadable("the body", error))
        })
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// As for [`bytes`](Self::bytes); 415 if its type is another one, 400 if it is not JSON or does
    /// not match `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::{App, Json, testing::TestClient};
    ///
    /// let app = App::new().post("/sum", async |req: reactor_web::Request| {
    ///     let numbers: Vec<i64> = req.json().await?;
    ///     Ok(Json(numbers.iter().sum::<i64>()))
    /// });
    /// let client = TestClient::new(app)?;
    /// assert_eq!(client.post_json("/sum", "[1, 2, 3]").text(), "6");
    /// assert_eq!(client.post_json("/sum", "[1, 2").status(), 400);
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[cfg(feature = "json")]
    pub fn json<T: DeserializeOwned + 'static>(&self) -> Deferred<T> {
        if !self.has_type(|kind, subtype| {
            kind == "application" && (subtype == "json" || subtype.ends_with("+json"))
        }) {
            return unsupported("application/json");
        }
        self.read_with(|bytes| {
            serde_json::from_slice(&bytes).map_err(|error| unreadable("the JSON", error))
        })
    }

    /// The body as a form (`application/x-www-form-urlencoded`), as a type with a field for each
    /// value.
    ///
    /// # Errors
    ///
    /// As for [`bytes`](Self::bytes); 415 if its type is another one, 400 if it does not match `T`.
    pub fn form<T: DeserializeOwned + 'static>(&self) -> Deferred<T> {
        if !self
            .has_type(|kind, subtype| kind == "application" && subtype == "x-www-form-urlencoded")
        {
            return unsupported("application/x-www-form-urlencoded");
        }
        self.read_with(|bytes| {
            serde_urlencoded::from_bytes(&bytes).map_err(|error| unreadable("the form", error))
        })
    }

    /// The parts of a form with files (`multipart/form-data`), one after the other, each as a
    /// stream: [`multer`] reads them. The limit of the body applies to all of them together;
    /// [`Body::set_limit`] lifts it.
    ///
    /// # Errors
    ///
    /// 415 if the body has another type.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::testing::TestClient;
    /// use reactor_web::{App, Body, Request, multipart_error};
    ///
    /// let app = App::new().post("/upload", async |req: Request| {
    ///     let mut parts = req.multipart()?;
    ///     let mut sizes = Vec::new();
    ///     while let Some(mut part) = parts.next_field().await.map_err(multipart_error)? {
    ///         let mut size = 0;
    ///         while let Some(bytes) = part.chunk().await.map_err(multipart_error)? {
    ///             size += bytes.len();
    ///         }
    ///         sizes.push(format!("{}: {size}", part.file_name().unwrap_or("a value")));
    ///     }
    ///     Ok(sizes.join("\n"))
    /// });
    /// let form = "--x\r\ncontent-disposition: form-data; name=a; filename=a.txt\r\n\r\n\
    ///             hello\r\n--x--\r\n";
    /// let kind = [("content-type", "multipart/form-data; boundary=x")];
    /// let client = TestClient::new(app)?;
    /// let answer = client.send(http::Method::POST, "/upload", &kind, Body::from(form));
    /// assert_eq!(answer.text(), "a.txt: 5");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn multipart(&self) -> Result<Multipart<'static>> {
        let kind = self.header(header::CONTENT_TYPE).unwrap_or_default();
        let Ok(boundary) = multer::parse_boundary(kind) else {
            return Err(wrong_type("multipart/form-data").into());
        };
        // After the type was checked, so that the handler can still read a body of another type.
        let parts = Parts(self.take_body());
        // `multer` requires a stream that is `Send`; this one stays in its thread.
        Ok(Multipart::new(SendWrapper::new(parts), boundary))
    }

    /// Whether `is_right` accepts the type of the body, which it gets in lower case.
    fn has_type(&self, is_right: impl FnOnce(&str, &str) -> bool) -> bool {
        let Some(text) = self.header(header::CONTENT_TYPE) else {
            return false;
        };
        let essence = text.split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        essence
            .split_once('/')
            .is_some_and(|(kind, subtype)| is_right(kind, subtype))
    }

    fn read_with<T: 'static>(&self, f: impl FnOnce(Bytes) -> Result<T> + 'static) -> Deferred<T> {
        // Taken now and not inside of the async block: the request may be gone when that runs.
        let (mut body, limit) = (self.take_body(), self.body_limit);
        inline_callbacks(async move {
            let bytes = body.collect(limit).await?;
            f(bytes)
        })
    }
}

fn wrong_type(expected: &str) -> HttpError {
    HttpError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        .with_message(format!("the body has to be {expected}"))
}

fn unsupported<T: 'static>(expected: &str) -> Deferred<T> {
    deferred::fail(wrong_type(expected))
}

/// The failure for an error of a form with files: 413 or 400, as the client has caused it.
///
/// # Examples
///
/// ```
/// use reactor_web::{HttpError, multipart_error};
///
/// let failure = multipart_error(multer::Error::NoBoundary);
/// assert_eq!(failure.check::<HttpError>().unwrap().status(), 400);
/// ```
#[track_caller]
pub fn multipart_error(error: multer::Error) -> Failure {
    match error {
        // The failure of the `Body` itself, with its own status.
        multer::Error::StreamReadFailed(error) => Failure::from_box(error),
        multer::Error::FieldSizeExceeded { limit, .. }
        | multer::Error::StreamSizeExceeded { limit } => HttpError::body_too_large(limit).into(),
        error => unreadable("the form", error),
    }
}

/// A body as a stream, for `multer`.
struct Parts(Body);

impl Stream for Parts {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.get_mut().0.poll_next(cx)
    }
}
