//! `TestAnswer`: an answer with its whole body.

use http::{HeaderMap, StatusCode, Version, response};

/// An answer, with its whole body.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Html, testing::TestClient};
///
/// let answer = TestClient::new(App::new().get("/", |_| Html("<p>")))?.get("/");
/// assert_eq!(answer.header("content-length"), Some("3"));
/// assert_eq!(answer.bytes(), b"<p>");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Debug)]
pub struct TestAnswer {
    head: response::Parts,
    body: Vec<u8>,
}

impl TestAnswer {
    pub(super) fn new(head: response::Parts, body: Vec<u8>) -> Self {
        Self { head, body }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The value of a header, if there is one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => panic!("the body is no text: {error}"),
        }
    }
}
