//! `BodyLimit`: sets the limit for bodies on some routes.

use crate::app::{Middleware, Next};
use crate::request::Request;
use crate::response::Answer;

/// Sets the most bytes of a request's body that are read, higher or lower than
/// [`Limits::body`](crate::Limits::body). A longer body is a 413, as soon as a handler reads it.
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::BodyLimit;
/// use reactor_web::{App, Request, testing::TestClient};
///
/// let count = |req: Request| req.bytes().add_callback(|bytes| Ok(bytes.len().to_string()));
/// let app = App::new()
///     .post("/", count)
///     .group(BodyLimit::new(4), |app| app.post("/short", count));
/// let client = TestClient::new(app)?;
/// assert_eq!(client.post("/", "12345").text(), "5");
/// assert_eq!(client.post("/short", "1234").text(), "4");
/// assert_eq!(client.post("/short", "12345").status(), 413);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[doc(alias = "DefaultBodyLimit", alias = "RequestBodyLimitLayer")]
pub struct BodyLimit(u64);

impl BodyLimit {
    /// At most this number of bytes.
    pub fn new(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl Middleware for BodyLimit {
    fn handle(&self, mut request: Request, next: Next) -> Answer {
        request.set_body_limit(self.0);
        next.run(request)
    }
}
