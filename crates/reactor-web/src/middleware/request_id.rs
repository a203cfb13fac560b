//! `RequestId`: a name for each request.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use http::{HeaderName, HeaderValue};

use crate::app::{Middleware, Next};
use crate::request::Request;
use crate::response::Answer;

/// The longest id that is taken from a client.
const MAX_LENGTH: usize = 128;

/// Gives each request an id: that of its header `X-Request-Id`, which a proxy before this server
/// has set, or a new one. It is [`Request::id`], a field of the logs, and a header of the answer.
///
/// An id of a header is taken if it has at most 128 letters, digits, and `-_.:/+=`; any other is
/// replaced. [`always_new`](Self::always_new) takes none: ids of clients may be any, twice the
/// same included.
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
    takes: bool,
    /// Another one in each process and each app.
    // Unique and not secret, so the random keys of the standard library are enough.
    prefix: u64,
    next: Cell<u64>,
}

impl RequestId {
    /// Ids that are taken from the header, or made.
    pub fn new() -> Self {
        Self {
            header: HeaderName::from_static("x-request-id"),
            takes: true,
            prefix: RandomState::new().build_hasher().finish(),
            next: Cell::new(0),
        }
    }

    /// With another header than `X-Request-Id`.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = name;
        self
    }

    /// Without those of clients.
    #[must_use]
    pub fn always_new(mut self) -> Self {
        self.takes = false;
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
            Some(id) if self.takes => id.to_owned(),
            _ => self.make(),
        };
        let observed = request.observe();
        // Set once: of two such middlewares, the outer one names the request.
        observed.set_id(id);
        let name = self.header.clone();
        next.respond(request).map_response(move |response| {
            // It fits: only such ids are taken, and made.
            let value = observed.id().and_then(|id| HeaderValue::from_str(id).ok());
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        })
    }
}

fn is_fit(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    (1..=MAX_LENGTH).contains(&id.len()) && id.bytes().all(fits)
}
