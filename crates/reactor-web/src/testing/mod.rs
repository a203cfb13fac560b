//! Tests for a site, without sockets and without waiting.
//!
//! A [`TestClient`] has a reactor with a network in memory and a clock that the test moves. The app
//! itself runs as in production.
//!
//! ```
//! use deferred::sleep;
//! use reactor_web::testing::TestClient;
//! use reactor_web::{App, Request};
//! use std::time::Duration;
//!
//! let app = App::new()
//!     .get("/hello/{name}", |req| Ok(format!("hello, {}", req.param("name")?)))
//!     .get("/slow", async |req: Request| {
//!         sleep(req.reactor(), Duration::from_secs(60)).await?;
//!         Ok("at last")
//!     });
//!
//! let client = TestClient::new(app)?;
//! assert_eq!(client.get("/hello/Ann").text(), "hello, Ann");
//!
//! let slow = client.start_get("/slow");
//! client.advance(Duration::from_secs(59));
//! assert!(slow.is_pending());
//! client.advance(Duration::from_secs(1));
//! assert_eq!(slow.answer().text(), "at last");
//! # Ok::<(), deferred::Failure>(())
//! ```

mod answer;
mod exchange;
mod pending;
#[cfg(feature = "ws")]
mod websocket;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use deferred::Result;
use http::{HeaderValue, Method, header};
use reactor::endpoint::AnyPort;
use reactor::testing::{Peer, TestReactor};
use reactor::{Factory, Listen};

pub use self::answer::TestAnswer;
pub use self::pending::PendingAnswer;
#[cfg(feature = "ws")]
pub use self::websocket::TestWebSocket;
use crate::app::App;
use crate::body::Body;
use crate::site::Site;

/// The address of the site in the network of the test.
const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 80);

/// A client of an app in a test: see the [module](self).
///
/// Each request has a connection of its own. [`connect`](Self::connect) opens one for raw bytes.
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::testing::TestClient;
///
/// let client = TestClient::new(App::new().get("/", |_| "hello"))?;
/// let answer = client.get("/");
/// assert_eq!(answer.status(), 200);
/// assert_eq!(answer.text(), "hello");
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct TestClient {
    site: Site,
    port: AnyPort,
    reactor: TestReactor,
}

impl TestClient {
    /// Serves `app` in a reactor of its own.
    ///
    /// # Errors
    ///
    /// As for [`App::into_site`].
    #[track_caller]
    pub fn new(app: App) -> Result<Self> {
        let reactor = TestReactor::new();
        let site = app.into_site()?;
        let listening = "tcp:80:interface=127.0.0.1".listen(&reactor, site.clone());
        Ok(Self {
            site,
            port: reactor.result_of(listening)?,
            reactor,
        })
    }

    /// The reactor.
    pub fn reactor(&self) -> &TestReactor {
        &self.reactor
    }

    /// The site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The port of the site.
    pub fn port(&self) -> &AnyPort {
        &self.port
    }

    /// Moves the clock forward: as [`TestReactor::advance`].
    #[track_caller]
    pub fn advance(&self, by: Duration) {
        self.reactor.advance(by);
    }

    /// Gets `target`, a path with or without a query, or a URL.
    ///
    /// # Panics
    ///
    /// If there is no answer once everything has happened that is due at the current time of the
    /// clock, or the connection fails.
    #[track_caller]
    pub fn get(&self, target: &str) -> TestAnswer {
        self.start_get(target).answer()
    }

    /// As [`get`](Self::get), with these headers.
    ///
    /// # Panics
    ///
    /// As for [`get`](Self::get).
    #[track_caller]
    pub fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> TestAnswer {
        self.send(Method::GET, target, headers, Body::empty())
    }

    /// Posts `body` to `target`, as it is.
    ///
    /// # Panics
    ///
    /// As for [`get`](Self::get).
    #[track_caller]
    pub fn post(&self, target: &str, body: impl Into<Bytes>) -> TestAnswer {
        self.send(Method::POST, target, &[], Body::from(body.into()))
    }

    /// Posts a form, `name=value&..`.
    ///
    /// # Panics
    ///
    /// As for [`get`](Self::get).
    #[track_caller]
    pub fn post_form(&self, target: &str, form: impl Into<Bytes>) -> TestAnswer {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, target, &kind, Body::from(form.into()))
    }

    /// Posts JSON.
    ///
    /// # Panics
    ///
    /// As for [`get`](Self::get).
    #[track_caller]
    pub fn post_json(&self, target: &str, json: impl Into<Bytes>) -> TestAnswer {
        let kind = [("content-type", "application/json")];
        self.send(Method::POST, target, &kind, Body::from(json.into()))
    }

    /// Makes a request.
    ///
    /// # Panics
    ///
    /// As for [`get`](Self::get), and if a header is invalid.
    #[track_caller]
    pub fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> TestAnswer {
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match request.body(body) {
            Ok(request) => self.start(request).answer(),
            Err(error) => panic!("{target} with {headers:?} makes no request: {error}"),
        }
    }

    /// Begins to get `target`; the answer may come later.
    ///
    /// # Panics
    ///
    /// If `target` is neither a path nor a URL.
    #[track_caller]
    pub fn start_get(&self, target: &str) -> PendingAnswer<'_> {
        match http::Request::get(target).body(Body::empty()) {
            Ok(request) => self.start(request),
            Err(error) => panic!("{target} cannot be asked for: {error}"),
        }
    }

    /// Begins a request; the answer may come later.
    #[track_caller]
    pub fn start(&self, mut request: http::Request<Body>) -> PendingAnswer<'_> {
        let host = match request.uri().authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => Some(HeaderValue::from_static("localhost")),
        };
        if let Some(host) = host {
            request.headers_mut().entry(header::HOST).or_insert(host);
        }
        if let Some(path) = request.uri().path_and_query() {
            *request.uri_mut() = path.clone().into();
        }
        let pending = exchange::start(&self.reactor, ADDRESS.into(), request);
        self.reactor.settle();
        PendingAnswer::new(&self.reactor, pending)
    }

    /// A connection to the site, for raw bytes.
    ///
    /// # Panics
    ///
    /// If the site accepts no connections, because it is finishing.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::{App, testing::TestClient};
    ///
    /// let client = TestClient::new(App::new())?;
    /// let peer = client.connect();
    /// peer.send("GET / HTTP/1.1\r\n\r\n");
    /// assert!(peer.received().starts_with(b"HTTP/1.1 400 Bad Request\r\n"), "there is no Host");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[track_caller]
    pub fn connect(&self) -> Peer {
        let peer = self.port.address();
        match self.site.clone().build_protocol(&peer) {
            Some(protocol) => self.reactor.connect_to_peer(protocol).1,
            None => panic!("the site takes no connections"),
        }
    }
}

impl fmt::Debug for TestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestClient")
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}
