//! Middleware that most sites need.
//!
//! | to | use |
//! |---|---|
//! | log each request in a line | [`AccessLog`] |
//! | put the events of a handler into a span of `tracing` | [`RequestSpan`] |
//! | give each request an id | [`RequestId`] |
//! | limit how long a handler takes | [`Timeout`] |
//! | set another limit for bodies on some routes | [`BodyLimit`] |
//! | limit how often a client sends requests | [`RateLimit`] |
//! | limit how many handlers run at once | [`ConcurrencyLimit`] |
//! | restrict what browsers do with a page | [`SecurityHeaders`], with a [`ContentSecurityPolicy`] |
//! | redirect to HTTPS | [`HttpsRedirect`], and [`SecurityHeaders::hsts`] |
//! | allow requests from pages of other origins | [`Cors`] |
//! | know the client behind a proxy | [`Forwarded`] |
//! | ask for a name and a password | `BasicAuth`, `DigestAuth`, with the feature `auth` |
//!
//! Each can be put around an app, by [`App::wrap`](crate::App::wrap), or around some of its routes,
//! by [`App::group`](crate::App::group). The middleware added last is the outermost: it sees
//! requests first, and answers last.
//!
//! ```
//! use reactor_web::App;
//! use reactor_web::middleware::{AccessLog, RateLimit, RequestId, RequestSpan, Timeout};
//! use std::time::Duration;
//!
//! let app = App::new()
//!     .get("/", |_| "hello")
//!     .wrap(Timeout::after(Duration::from_secs(30)))
//!     .wrap(RateLimit::new(100, Duration::from_secs(60)))
//!     .wrap(RequestSpan::new())
//!     .wrap(RequestId::new())
//!     .wrap(AccessLog::combined());
//! app.into_site()?;
//! # Ok::<(), deferred::Failure>(())
//! ```

mod access_log;
#[cfg(feature = "auth")]
mod auth;
mod body_limit;
mod concurrency_limit;
mod cors;
mod csp;
mod forwarded;
mod https_redirect;
mod quoted;
mod rate_limit;
mod request_id;
mod request_span;
mod security_headers;
mod timeout;
mod token_buckets;

pub use self::access_log::AccessLog;
#[cfg(feature = "auth")]
pub use self::auth::{BasicAuth, Credentials, DigestAuth, DigestSecret, FailedLogin};
pub use self::body_limit::BodyLimit;
pub use self::concurrency_limit::ConcurrencyLimit;
pub use self::cors::Cors;
pub use self::csp::{ContentSecurityPolicy, CspNonce};
pub use self::forwarded::Forwarded;
pub use self::https_redirect::HttpsRedirect;
pub use self::rate_limit::RateLimit;
pub use self::request_id::RequestId;
pub use self::request_span::RequestSpan;
pub use self::security_headers::SecurityHeaders;
pub use self::timeout::Timeout;
