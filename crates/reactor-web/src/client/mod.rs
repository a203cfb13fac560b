//! An HTTP client, with Deferreds: what `twisted.web.client.Agent` and treq are for Python.
//!
//! ```
//! # use reactor_web::{App, serve};
//! # use reactor::testing::TestReactor;
//! use reactor_web::Client;
//! use reactor_web::client::ClientResponse;
//!
//! # let reactor = TestReactor::new();
//! # let app = App::new().get("/", |_| "hello");
//! # reactor.result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", app))?;
//! let client = Client::new(&reactor);
//! let page = client.get("http://127.0.0.1/").add_callback(ClientResponse::text);
//! assert_eq!(reactor.result_of(page)?, "hello");
//! # Ok::<(), deferred::Failure>(())
//! ```
//!
//! - [`Client`] keeps connections, and has the shortcuts `get`, `head`, `post`.
//! - [`ClientRequest`] is a request with headers, a query, a form, a timeout of its own.
//! - [`ClientResponse`] is an answer: its head is there, its content comes as text, bytes, JSON, or
//!   as a stream.
//! - [`ClientBuilder`] sets timeouts, limits, and how connections are made.
//!
//! # Timeouts
//!
//! Nothing waits for ever: connecting, the head of an answer, and each piece of its content have
//! their timeouts ([`ClientBuilder`] has the defaults). A limit on the time of a whole request is
//! [`ClientBuilder::timeout`], or [`ClientRequest::timeout`] for one request.
//!
//! # Cancelling
//!
//! Cancelling the Deferred of a request ends its connection, or its stream in HTTP/2, at once. So
//! does dropping an answer before its content has come completely.
//!
//! # Connections
//!
//! Connections are kept for the next request to the same scheme, host and port. If a server closes
//! one while a request is under way, the request is sent again over another connection, if nothing
//! of it was sent, or if its method is idempotent and its body is not a stream. With the feature
//! `http2`, all requests to a server that agrees on `h2` share one connection.
//!
//! # Redirects, cookies, compression, proxies
//!
//! Redirects are followed ([`ClientBuilder::redirects`]). Cookies, with the feature `cookies`, are
//! kept if the client has a jar; with `compression`, content comes compressed and is decompressed
//! as it is read; with `proxy`, requests go through a proxy if the client has one.
//!
//! When the last clone of a client is dropped, the connections that it keeps are closed; requests
//! that are under way go on.

mod builder;
mod config;
mod connect;
mod connection;
#[cfg(feature = "cookies")]
mod cookies;
#[cfg(feature = "compression")]
mod decoded;
mod dial;
mod error;
mod exchange;
mod inner;
mod line;
mod origin;
mod perform;
mod pool;
mod prepared;
#[cfg(feature = "proxy")]
mod proxy;
mod received;
mod redirect;
mod request;
mod response;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "proxy")]
mod tunnel;
mod upgrade;
mod upload;
mod urls;
mod watch;

use std::fmt;
use std::rc::Rc;

use deferred::Deferred;
use http::Method;
use reactor::ReactorHandle;

pub use self::builder::ClientBuilder;
#[cfg(feature = "cookies")]
pub use self::cookies::CookieJar;
pub use self::error::{ClientError, Step};
use self::inner::Inner;
#[cfg(feature = "proxy")]
pub use self::proxy::Proxy;
pub use self::request::ClientRequest;
pub use self::response::ClientResponse;
use crate::body::Body;

/// An HTTP client in a loop: see the [module](self). Clones share their connections.
///
/// # Examples
///
/// ```
/// # use reactor_web::{App, serve};
/// # use reactor::testing::TestReactor;
/// use reactor_web::Client;
///
/// # let reactor = TestReactor::new();
/// # let app = App::new().post("/double", |req| {
/// #     req.text().add_callback(|text| Ok(format!("{text}{text}")))
/// # });
/// # reactor.result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", app))?;
/// async fn double(client: &Client, text: &'static str) -> deferred::Result<String> {
///     let response = client.post("http://127.0.0.1/double", text).await?;
///     response.error_for_status()?.text().await
/// }
///
/// let client = Client::new(&reactor);
/// let doubled = reactor.spawn(async move { double(&client, "ha").await });
/// assert_eq!(reactor.result_of(doubled)?, "haha");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "Agent", alias = "HTTPConnectionPool", alias = "treq")]
#[derive(Clone)]
pub struct Client(Rc<Inner>);

impl Client {
    /// Gets `url`. The Deferred fires when the head of the answer is there.
    ///
    /// # Errors
    ///
    /// There is no answer: see [`ClientError`]. An answer with an error status is not a failure:
    /// [`ClientResponse::error_for_status`] turns it into one.
    #[track_caller]
    pub fn get(&self, url: impl AsRef<str>) -> Deferred<ClientResponse> {
        self.request(Method::GET, url).send()
    }

    /// As [`get`](Self::get), without the content.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    #[track_caller]
    pub fn head(&self, url: impl AsRef<str>) -> Deferred<ClientResponse> {
        self.request(Method::HEAD, url).send()
    }

    /// Posts `body` to `url`, without a `Content-Type`. [`ClientRequest`] has forms, JSON and
    /// headers.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    #[track_caller]
    pub fn post(&self, url: impl AsRef<str>, body: impl Into<Body>) -> Deferred<ClientResponse> {
        self.request(Method::POST, url).body(body).send()
    }

    /// A request that is still to be [sent](ClientRequest::send).
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> ClientRequest {
        ClientRequest::new(&self.0, method, url.as_ref())
    }

    /// Sends a request of the crate `http`, with a whole URL.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get).
    #[track_caller]
    pub fn send(&self, request: http::Request<Body>) -> Deferred<ClientResponse> {
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        self.request(head.method, url)
            .headers(head.headers)
            .body(body)
            .send()
    }

    /// The reactor in which the client runs.
    pub fn reactor(&self) -> &ReactorHandle {
        self.0.pool.reactor()
    }

    /// Number of connections that are kept for the next requests.
    pub fn idle_connections(&self) -> usize {
        self.0.pool.idle()
    }

    /// Closes the connections that are kept, and keeps none from now on. Requests that are under
    /// way go on, and others may be made.
    pub fn close_idle(&self) {
        self.0.pool.close();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("idle_connections", &self.idle_connections())
            .finish_non_exhaustive()
    }
}
