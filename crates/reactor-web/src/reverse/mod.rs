//! Reverse proxy: a handler that passes requests on to other servers, and their answers back.
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
//! - **Streams**: bodies are passed on in both directions as they come, no faster than the receiver
//!   reads. If a client disconnects, its request to the upstream ends.
//! - **Paths**: the path at which the proxy is mounted is replaced by the path of the upstream. A
//!   path with `.` or `..` segments, in any spelling, is refused with 400.
//! - **Headers**: headers for one connection only are not passed on, nor those that `Connection`
//!   names. Of `TE`, only `trailers` is passed on; trailers themselves are, too. `Host` is passed
//!   on ([`ReverseProxyBuilder::rewrite_host`]); the host of a target that has one (`:authority` in
//!   HTTP/2) replaces it. `Forwarded`, `X-Forwarded-For`, `X-Forwarded-Host` and
//!   `X-Forwarded-Proto` are set, and those of the client are removed
//!   ([`ReverseProxyBuilder::append_forwarded`]); the proxy adds its entry to `Via`.
//! - **Upgrades**, WebSocket among them, are passed on, except `h2c`. `CONNECT` is refused with
//!   405.
//! - **Retries**: a request is sent to another upstream, to each at most once, if no connection
//!   could be made, so that nothing was sent; or if the connection broke before the answer, the
//!   method is idempotent, and no byte of the body was read. There is no retry after a timeout on a
//!   connection: the request might take as long on another upstream.
//! - **Health**: see [`ReverseProxyBuilder::eject_after`] and
//!   [`ReverseProxyBuilder::health_check`].
//! - **Errors**: [`ReverseProxyError`], answered with 502, 503 or 504. If an answer breaks off
//!   after its head, the proxy breaks the client's connection, too.
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
