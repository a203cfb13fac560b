//! `RateLimit`: limits how often a client may send requests.

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use reactor::Address;

use super::token_buckets::TokenBuckets;
use crate::app::{Middleware, Next};
use crate::error::HttpError;
use crate::request::Request;
use crate::response::Answer;

/// Most keys that are remembered, unless `max_keys` sets another number.
const MAX_KEYS: usize = 10_000;

/// Limits how often a client may send requests: a token bucket for each key, on the clock of the
/// loop. A request without a token is answered with 429, and `Retry-After` says when there is one.
///
/// The key is the address of the client, or the /64 network of an IPv6 address; [`key`](Self::key)
/// sets another one, such as the user, or a header that a proxy has set. A bucket is full at first,
/// so all requests of the period may come at once.
///
/// Up to 10,000 keys are remembered, unless [`max_keys`](Self::max_keys) sets another number;
/// beyond that, the key that has used the least is forgotten first.
///
/// # Examples
///
/// ```
/// use reactor_web::middleware::RateLimit;
/// use reactor_web::{App, testing::TestClient};
/// use std::time::Duration;
///
/// let app = App::new()
///     .get("/", |_| "hello")
///     .wrap(RateLimit::new(2, Duration::from_secs(60)));
/// let client = TestClient::new(app)?;
/// assert_eq!(client.get("/").status(), 200);
/// assert_eq!(client.get("/").status(), 200);
/// let answer = client.get("/");
/// assert_eq!(answer.status(), 429);
/// assert_eq!(answer.header("retry-after"), Some("30"));
/// client.advance(Duration::from_secs(30));
/// assert_eq!(client.get("/").status(), 200);
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct RateLimit {
    buckets: RefCell<TokenBuckets>,
    key: Box<dyn Fn(&Request) -> Option<String>>,
}

impl RateLimit {
    /// Allows at most `requests` in each `time` from one address.
    pub fn new(requests: u32, time: Duration) -> Self {
        Self {
            buckets: RefCell::new(TokenBuckets::new(requests, time, MAX_KEYS)),
            key: Box::new(|request| Some(network_of(request.peer()))),
        }
    }

    /// Takes the key of a request from a closure. Requests without a key are not limited.
    #[must_use]
    pub fn key(mut self, key: impl Fn(&Request) -> Option<String> + 'static) -> Self {
        self.key = Box::new(key);
        self
    }

    /// Sets how many keys are remembered.
    #[must_use]
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.buckets.get_mut().set_capacity(keys);
        self
    }
}

impl Middleware for RateLimit {
    fn handle(&self, request: Request, next: Next) -> Answer {
        let Some(key) = (self.key)(&request) else {
            return next.run(request);
        };
        // The borrow ends before the handler runs, which may call this middleware again.
        let taken = self
            .buckets
            .borrow_mut()
            .take(&key, request.reactor().now());
        match taken {
            Ok(()) => next.run(request),
            Err(wait) => Answer::now(too_many(wait)),
        }
    }
}

/// 429, to be tried again after `wait`.
pub(super) fn too_many(wait: Duration) -> HttpError {
    // Rounded up: a client that comes back after it finds a token.
    let seconds = wait.as_nanos().div_ceil(1_000_000_000);
    let seconds = HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX));
    HttpError::new(StatusCode::TOO_MANY_REQUESTS).with_header(header::RETRY_AFTER, seconds)
}

/// The key of a client: an IPv4 address, or the /64 network of an IPv6 address, since a provider
/// gives each customer at least such a network, and all of its addresses are of one client. All
/// clients of a UNIX socket have one key.
pub(super) fn network_of(peer: &Address) -> String {
    match peer.ip() {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        // Peers of UNIX sockets have no address that tells them apart, so they share a bucket.
        None => "unix".to_owned(),
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("buckets", &self.buckets)
            .finish_non_exhaustive()
    }
}
