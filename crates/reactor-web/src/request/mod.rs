//! `Request`: a request as a handler gets it.

mod content;
mod exchange;
mod forwarding;
mod host_value;
mod observed;
mod params;
mod parking;
mod upgrade;
mod upgrades;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::str::FromStr;

use deferred::{Deferred, Failure, Result};
use http::{Extensions, HeaderMap, Method, Uri, Version, request};
use reactor::{Address, ReactorHandle};

pub use self::content::multipart_error;
pub(crate) use self::exchange::{ConnectionInfo, Exchange, FailurePages, Finish, SharedConnection};
pub(crate) use self::forwarding::{
    ForwardedClient, ORIGINS, X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO,
};
pub(crate) use self::host_value::is_host;
pub use self::observed::Observed;
pub(crate) use self::params::{Params, Route};
#[cfg(any(feature = "ws", feature = "reverse-proxy"))]
pub(crate) use self::upgrade::has_token;
pub use self::upgrades::UpgradeRefused;
use crate::body::Body;
use crate::error::HttpError;

/// A request, as a handler gets it.
///
/// The body is read by [`bytes`](Self::bytes), `json`, [`form`](Self::form) and
/// [`multipart`](Self::multipart) within the limit of the app, 2 MiB by default, or as a stream
/// with [`take_body`](Self::take_body).
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::testing::TestClient;
///
/// let app = App::new().get("/greet/{name}", |req| {
///     let times: usize = req.query_value("times")?.unwrap_or(1);
///     Ok(format!("hello, {}. ", req.param("name")?).repeat(times))
/// });
/// let client = TestClient::new(app)?;
/// assert_eq!(client.get("/greet/Ann?times=2").text(), "hello, Ann. hello, Ann. ");
/// assert_eq!(client.get("/greet/Ann?times=many").status(), 400);
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct Request {
    head: request::Parts,
    // Borrowed only for `take` and `replace`, which run no code of users.
    body: RefCell<Body>,
    params: Params,
    exchange: Exchange,
    // Kept beside the limit of the body itself, since a replaced body has none of its own.
    body_limit: u64,
    /// `None` until `observe` is called.
    observed: Option<Rc<Observed>>,
    /// `None` unless a trusted proxy has named its client.
    // Boxed, since most requests have none, and requests are moved through all middleware.
    client: Option<Box<ForwardedClient>>,
}

impl Request {
    pub(crate) fn new(head: request::Parts, body: Body, exchange: Exchange) -> Self {
        Self {
            body_limit: exchange.connection().body_limit(),
            observed: None,
            client: None,
            head,
            body: RefCell::new(body),
            params: Params::default(),
            exchange,
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The target, as the client has sent it.
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// The path, as the client has sent it: percent-encoded.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The rest of the path, below the place where an app, files or a resource tree are mounted:
    /// percent-encoded, with a slash before it. (Twisted: `postpath`.)
    #[doc(alias = "postpath")]
    pub fn rest(&self) -> &str {
        self.params.rest(self.path())
    }

    /// Route, user and id of this request, as they become known on its way to the handler. For
    /// middleware that sees the answer, since the request itself is gone by then.
    pub fn observe(&mut self) -> Rc<Observed> {
        Rc::clone(self.observed.get_or_insert_default())
    }

    /// The user who has made this request, as authentication has set it.
    #[doc(alias = "getUser")]
    pub fn user(&self) -> Option<&str> {
        self.observed.as_ref()?.user()
    }

    /// Sets the user: for middleware that authenticates. Only the first call has an effect, so
    /// inner authentication does not replace the user of outer authentication.
    pub fn set_user(&mut self, user: impl Into<String>) {
        self.observe().set_user(user.into());
    }

    /// The id of this request, if [`RequestId`](crate::middleware::RequestId) gives it one.
    pub fn id(&self) -> Option<&str> {
        self.observed.as_ref()?.id()
    }

    /// Sets the most bytes of the body that are read, instead of [`Limits::body`](crate::Limits::body).
    pub fn set_body_limit(&mut self, limit: u64) {
        self.body_limit = limit;
        self.body.get_mut().set_limit(limit);
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
    #[doc(alias = "getHeader")]
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    /// The host that the request is for, with its port. If the target has a host (HTTP/2, or a
    /// whole URL), that takes precedence over `Host` (RFC 9113, 8.3.1; RFC 9112, 3.2.2).
    pub(crate) fn authority(&self) -> Option<&str> {
        match self.uri().authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.header(http::header::HOST),
        }
    }

    /// Values that middleware leaves for handlers, by type.
    pub fn extensions(&self) -> &Extensions {
        &self.head.extensions
    }

    /// The extensions, mutably.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.head.extensions
    }

    /// The pattern of the route that was chosen, such as `/users/{id}`: for logs and metrics.
    pub fn route(&self) -> Option<&str> {
        self.params.pattern()
    }

    /// A parameter of the route, without its percent-encoding.
    ///
    /// # Errors
    ///
    /// 400 if the parameter is not UTF-8. 500 if the route has no parameter of that name, since
    /// that is a mistake in the program.
    pub fn param(&self, name: &str) -> Result<&str> {
        self.params.get(self.path(), name)
    }

    /// A parameter of the route, parsed.
    ///
    /// # Errors
    ///
    /// As for [`param`](Self::param), and 400 if the parameter cannot be parsed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor_web::{App, testing::TestClient};
    /// let app = App::new().get("/square/{n}", |req| {
    ///     let n: u32 = req.param_as("n")?;
    ///     Ok((n * n).to_string())
    /// });
    /// let client = TestClient::new(app)?;
    /// assert_eq!(client.get("/square/12").text(), "144");
    /// assert_eq!(client.get("/square/twelve").status(), 400);
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn param_as<T: FromStr>(&self, name: &str) -> Result<T> {
        parse(name, self.param(name)?)
    }

    /// The address of the client. If there is a proxy before it, the address of the proxy, unless
    /// [`Forwarded`](crate::middleware::Forwarded) trusts what the proxy says of its client.
    #[doc(alias = "getClientAddress", alias = "peer_addr", alias = "remote_addr")]
    pub fn peer(&self) -> &Address {
        match &self.client {
            Some(client) => &client.peer,
            None => self.connection_peer(),
        }
    }

    /// The address at the other end of the connection.
    pub(crate) fn connection_peer(&self) -> &Address {
        self.exchange.connection().peer()
    }

    /// The address that the client has connected to.
    #[doc(alias = "getHost", alias = "local_addr")]
    pub fn host(&self) -> &Address {
        self.exchange.connection().host()
    }

    /// Whether the connection of the client is encrypted. Behind a proxy that
    /// [`Forwarded`](crate::middleware::Forwarded) trusts, this is the client's connection to the
    /// proxy.
    #[doc(alias = "isSecure", alias = "scheme")]
    pub fn is_secure(&self) -> bool {
        match &self.client {
            Some(client) => client.is_secure,
            None => self.is_connection_secure(),
        }
    }

    /// Whether the connection itself is encrypted.
    pub(crate) fn is_connection_secure(&self) -> bool {
        self.exchange.connection().is_secure()
    }

    /// Sets the client as a proxy has named it.
    pub(crate) fn set_client(&mut self, client: ForwardedClient) {
        self.client = Some(Box::new(client));
    }

    /// The reactor: for delayed calls, threads, and connections to other servers.
    pub fn reactor(&self) -> &ReactorHandle {
        self.exchange.connection().reactor()
    }

    /// Fires when the answer was written completely; at once if it was already.
    ///
    /// # Errors
    ///
    /// [`ClientGone`](crate::ClientGone) if the client is gone before that. The Deferred that a
    /// handler has returned is cancelled then.
    #[doc(alias = "notifyFinish", alias = "on_disconnect")]
    pub fn notify_finish(&self) -> Deferred<()> {
        self.exchange.notify_finish()
    }

    /// Fires when the site [finishes](crate::Site::finish), as at the stop of the reactor; at once
    /// if it does already. Use it to end an answer that would never end by itself, since a stop
    /// waits for each answer, up to [`Limits::shutdown_timeout`](crate::Limits::shutdown_timeout).
    ///
    /// # Errors
    ///
    /// [`ClientGone`](crate::ClientGone): the request is over before that, answered or not.
    pub fn notify_stop(&self) -> Deferred<()> {
        self.exchange.notify_stop()
    }

    /// Takes the body out, to be read as a stream. While it is not read, no more of it is received:
    /// the client has to wait.
    pub fn take_body(&self) -> Body {
        self.body.take()
    }

    /// The request as one of the crate `http`, with its body.
    pub fn into_http(self) -> http::Request<Body> {
        http::Request::from_parts(self.head, self.body.into_inner())
    }

    /// Puts another body in the place of the one that was taken.
    #[cfg(feature = "compression")]
    pub(crate) fn replace_body(&mut self, body: Body) {
        self.body.replace(body);
    }

    #[cfg(feature = "compression")]
    pub(crate) fn body_limit(&self) -> u64 {
        self.body_limit
    }

    pub(crate) fn set_uri(&mut self, uri: Uri) {
        self.head.uri = uri;
    }

    pub(crate) fn headers_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    pub(crate) fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// Takes the next segment of [`rest`](Self::rest), if it has one; it is percent-encoded.
    pub(crate) fn next_segment(&mut self) -> Option<String> {
        let path = self.path();
        let rest = self.rest().strip_prefix('/')?;
        let length = rest.find('/').unwrap_or(rest.len());
        let segment = rest[..length].to_owned();
        // `rest` is the end of `path`, without the slash.
        let next = path.len() - rest.len() + length;
        self.params.set_rest(next);
        Some(segment)
    }

    pub(crate) fn head(&self) -> &request::Parts {
        &self.head
    }

    /// A flag that says from now on whether a read of the body is pending.
    pub(crate) fn watch_body(&mut self) -> Rc<Cell<bool>> {
        self.body.get_mut().watch()
    }

    /// Replaces the body, whether or not it was taken out.
    #[cfg(feature = "sessions")]
    pub(crate) fn put_body(&self, body: Body) {
        self.body.replace(body);
    }

    pub(crate) fn failure_pages(&self) -> Rc<dyn FailurePages> {
        Rc::clone(self.exchange.connection().failure_pages())
    }

    /// Notes the route that was found, if something observes the request.
    pub(crate) fn note_route(&self) {
        if let (Some(observed), Some(route)) = (&self.observed, self.params.route()) {
            observed.add_route(route);
        }
    }
}

/// The value of a parameter, parsed; 400 if that is not possible.
fn parse<T: FromStr>(name: &str, value: &str) -> Result<T> {
    value
        .parse()
        .map_err(|_| HttpError::bad_request(format!("`{name}` cannot be `{value}`")).into())
}

/// A 400 for a value of a request, with a message that the client sees.
// The parser's message may be shown: it speaks only of what the client has sent, not of the
// program.
fn unreadable(what: &str, error: impl fmt::Display) -> Failure {
    HttpError::bad_request(format!("{what}: {error}")).into()
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", self.method())
            .field("uri", self.uri())
            .field("peer", self.peer())
            .finish_non_exhaustive()
    }
}
