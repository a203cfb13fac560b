//! `RequestId`: gives each request an id, by which logs and answers name it.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use http::{HeaderName, HeaderValue};

use crate::app::{Middleware, Next};
use crate::request::Request;
use crate::response::Answer;

/// The longest id that is accepted from a header, in bytes: the id stands in each line of the log.
const MAX_LENGTH: usize = 128;

/// Gives each request an id: that of its header `X-Request-Id`, which a proxy before this server
/// has set, or a new one. It is [`Request::id`], a field of the logs, and a header of the answer.
///
/// An id in a header is accepted if it has 1 to 128 characters, each of them an ASCII letter, a
/// digit or one of `-_.:/+=`; any other is replaced, so an id cannot forge a line of a log. A
/// client that reaches the server without a proxy chooses its ids itself, and may send one twice:
/// if ids must be unique, use [`always_new`](Self::always_new), which ignores the header.
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::RequestId;
/// use reactor_web::{App, testing::TestClient};
///
/// let app = App::new()
///     .get("/", |req| req.id().unwrap_or_default().to_owned())
///     .wrap(RequestId::new());
/// let client = TestClient::new(app)?;
/// let answer = client.get("/");
/// assert_eq!(answer.header("x-request-id"), Some(answer.text()));
/// assert_eq!(client.get_with("/", &[("x-request-id", "a-7")]).text(), "a-7");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Debug)]
#[doc(alias = "SetRequestIdLayer", alias = "PropagateRequestIdLayer")]
pub struct RequestId {
    header: HeaderName,
    /// Whether the header of the request is used. Cleared by `always_new`.
    takes_header: bool,
    /// Random, so that the ids of two processes, or of two apps in one, differ.
    prefix: u64,
    /// The number of the next id that is made.
    next: Cell<u64>,
}

impl RequestId {
    /// Takes the id from the header `X-Request-Id` if it has one that fits, else makes one.
    pub fn new() -> Self {
        Self {
            header: HeaderName::from_static("x-request-id"),
            takes_header: true,
            // std's keys for hash tables are random in each process and differ in each value. Ids
            // are to be unique, not secret, so this needs no crate for random numbers.
            prefix: RandomState::new().build_hasher().finish(),
            next: Cell::new(0),
        }
    }

    /// Uses another header than `X-Request-Id`, for the request and for the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = name;
        self
    }

    /// Makes an id for each request, and ignores the header of the request.
    #[must_use]
    pub fn always_new(mut self) -> Self {
        self.takes_header = false;
        self
    }

    fn make(&self) -> String {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        format!("{:016x}-{number:x}", self.prefix)
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for RequestId {
    fn handle(&self, mut request: Request, next: Next) -> Answer {
        // An id stands in logs and in headers, where other characters would begin a new line or a
        // field.
        let taken = request.header(&self.header).filter(|id| is_fit(id));
        let id = match taken {
            Some(id) if self.takes_header => id.to_owned(),
            _ => self.make(),
        };
        // Kept for the answer: the request itself is gone by then.
        let observed = request.observe();
        // Set once: of two such middlewares, the outer one names the request.
        observed.set_id(id);
        let name = self.header.clone();
        next.respond(request).map_response(move |response| {
            // An id is always the value of a header: the characters of `is_fit`, or hexadecimal
            // digits and a dash. It is that of the outer one, if two of these are nested.
            let value = observed.id().and_then(|id| HeaderValue::from_str(id).ok());
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        })
    }
}

/// Whether an id in a header is accepted.
fn is_fit(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(fits)
}
