//! Reverse proxy: a handler that has other servers answer.
//!
//! ```
//! use reactor_web::reverse::ReverseProxy;
//! use reactor_web::testing::TestClient;
//! use reactor_web::{App, serve};
//!
//! let inner = App::new().get("/hello", |req| format!("hello, {}", req.header("host").unwrap_or("")));
//! let client = TestClient::new(App::new())?;
//! let reactor = client.reactor();
//! reactor.result_of(serve(reactor, "tcp:8000:interface=127.0.0.1", inner))?;
//!
//! let proxy = ReverseProxy::to(reactor, "http://127.0.0.1:8000")?;
//! let outer = App::new().mount("/app", proxy);
//! reactor.result_of(serve(reactor, "tcp:81:interface=127.0.0.1", outer))?;
//! let answer = reactor_web::Client::new(reactor)
//!     .get("http://127.0.0.1:81/app/hello")
//!     .add_callback(|answer| answer.text());
//! assert_eq!(reactor.result_of(answer)?, "hello, 127.0.0.1:81");
//! # Ok::<(), deferred::Failure>(())
//! ```
//!
//! - **Streams**: bodies go both ways as they come, no faster than they are taken. A client that
//!   goes ends the request to the upstream.
//! - **Paths**: what is left of the path below the place where the proxy is mounted is put behind
//!   the path of the upstream. A path with `.` or `..` segments, in any spelling, is refused with
//!   400.
//! - **Headers**: those of one connection end here, with those that `Connection` names. `Host` is
//!   kept ([`ReverseProxyBuilder::rewrite_host`]). `Forwarded`, `X-Forwarded-For`,
//!   `X-Forwarded-Host` and `X-Forwarded-Proto` are set, and those of the client are left out
//!   ([`ReverseProxyBuilder::append_forwarded`]); `Via` is added to.
//! - **Upgrades**, WebSocket among them, are passed on, but for `h2c`. `CONNECT` is refused with
//!   405.
//! - **Retries**: a request goes to another upstream, each at most once, if there was no
//!   connection, so that nothing of it was sent; or if the connection broke before the answer, its
//!   method is idempotent, and nothing was read of its body. Not after a timeout: the request may
//!   be what takes so long.
//! - **Health**: see [`ReverseProxyBuilder::eject_after`] and
//!   [`ReverseProxyBuilder::health_check`].
//! - **Errors**: [`ReverseProxyError`], answered with 502, 503 or 504. If an answer breaks off
//!   after its head, so does the client's.
//!
//! The body of a request has the limit of the app: see [`BodyLimit`](crate::middleware::BodyLimit).

mod builder;
mod checks;
mod error;
mod headers;
mod pool;
mod proxy;
mod relay;
mod target;
mod tunnel;

pub use self::builder::ReverseProxyBuilder;
pub use self::error::{ReverseProxyError, ReverseProxyErrorKind};
pub use self::pool::Balance;
pub use self::proxy::{ReverseProxy, UpstreamState};
