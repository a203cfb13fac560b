//! `ClientBuilder`: the limits and timeouts of a client.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use reactor::ReactorHandle;
use reactor::endpoint::ClientEndpoint;
#[cfg(feature = "tls")]
use reactor_tls::TlsClient;

use super::Client;
use super::config::Config;
#[cfg(feature = "cookies")]
use super::cookies::CookieJar;
use super::inner::Inner;
use super::pool::Pool;
#[cfg(feature = "proxy")]
use super::proxy::Proxy;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::urls::Urls;

impl Client {
    /// A client with the usual limits and timeouts.
    pub fn new(reactor: &ReactorHandle) -> Self {
        Self::builder().build(reactor)
    }

    /// A builder for a client with other limits and timeouts.
    pub fn builder() -> ClientBuilder {
        ClientBuilder {
            config: Config::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

/// The limits and timeouts of a [`Client`], from [`Client::builder`].
///
/// # Examples
///
/// ```
/// use reactor::testing::TestReactor;
/// use reactor_web::Client;
/// use std::time::Duration;
///
/// let reactor = TestReactor::new();
/// let client = Client::builder()
///     .timeout(Duration::from_secs(60))
///     .in_flight_per_origin(4)
///     .build(&reactor);
/// assert_eq!(client.idle_connections(), 0);
/// ```
#[must_use = "it makes no client by itself"]
pub struct ClientBuilder {
    config: Config,
    #[cfg(feature = "tls")]
    tls: Option<TlsClient>,
}

impl ClientBuilder {
    /// The most time that a request may take, to the last byte of its answer: no limit, unless
    /// said otherwise here or by [`ClientRequest::timeout`](super::ClientRequest::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeouts.whole = Some(timeout);
        self
    }

    /// The most time for connecting, TLS included: 30 seconds, unless said otherwise.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.timeouts.connect = timeout;
        self
    }

    /// The most time from the end of a request to the head of its answer, and the most time in
    /// which the server takes no more of the request: 60 seconds, unless said otherwise.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.config.timeouts.head = timeout;
        self
    }

    /// The most time between two pieces of the content of an answer: 60 seconds, unless said
    /// otherwise. The time in which the program does not read does not count.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.config.timeouts.read = timeout;
        self
    }

    /// The most requests that are under way at once to one scheme, host and port: 100, unless
    /// said otherwise, and at least 1. Others wait, in order.
    #[doc(alias = "max_connections")]
    pub fn in_flight_per_origin(mut self, requests: usize) -> Self {
        self.config.pool.in_flight = requests.max(1);
        self
    }

    /// The most connections that are kept for one scheme, host and port: 32, unless said
    /// otherwise.
    #[doc(alias = "maxPersistentPerHost", alias = "pool_max_idle_per_host")]
    pub fn idle_per_origin(mut self, connections: usize) -> Self {
        self.config.pool.idle = connections;
        self
    }

    /// How long a connection is kept for the next request: 60 seconds, unless said otherwise.
    #[doc(alias = "cachedConnectionTimeout", alias = "pool_idle_timeout")]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.pool.idle_timeout = timeout;
        self
    }

    /// The most bytes of content that [`ClientResponse`](super::ClientResponse) collects: 16 MiB,
    /// unless said otherwise; `None` for any number.
    pub fn body_limit(mut self, limit: impl Into<Option<u64>>) -> Self {
        self.config.body_limit = limit.into().unwrap_or(u64::MAX);
        self
    }

    /// Sends a header with each request that does not set it. Without a call for them, `User-Agent`
    /// and `Accept` are sent with values of this library.
    pub fn default_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.config.headers.insert(name, value);
        self
    }

    /// The most redirects that are followed: 10, unless said otherwise; with 0, a redirect is an
    /// answer as any other.
    ///
    /// After 301 and 302, POST becomes GET; after 303, all methods but HEAD do; after 307 and 308,
    /// the request is sent as it was, with its body, which must not be a stream. A redirect to
    /// another scheme, host or port does not get `Authorization` and `Cookie`.
    #[doc(alias = "RedirectAgent", alias = "BrowserLikeRedirectAgent")]
    pub fn redirects(mut self, redirects: usize) -> Self {
        self.config.redirects = redirects;
        self
    }

    /// Whether the client asks for compressed content (gzip, brotli, zstd, deflate), and
    /// decompresses it as it is read: yes, unless said otherwise. A request with an
    /// `Accept-Encoding` of its own gets the content as it comes.
    #[cfg(feature = "compression")]
    #[doc(alias = "ContentDecoderAgent")]
    pub fn decompress(mut self, decompresses: bool) -> Self {
        self.config.decompresses = decompresses;
        self
    }

    /// Keeps cookies in `jar`, and sends them.
    #[cfg(feature = "cookies")]
    pub fn cookies(mut self, jar: &CookieJar) -> Self {
        self.config.cookies = Some(jar.clone());
        self
    }

    /// Sends requests through a proxy. By default there is none, even if the environment names one:
    /// [`Proxy::from_env`] reads the environment.
    #[cfg(feature = "proxy")]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.config.proxy = Some(proxy.into_rule());
        self
    }

    /// Makes connections by the endpoint that `connector` gives for a host and a port, in place of
    /// TCP. TLS is put over it, if the URL is one of https.
    ///
    /// # Examples
    ///
    /// A server on a UNIX socket, whatever host the URL names:
    ///
    /// ```
    /// # use reactor_web::{App, serve};
    /// # use reactor::testing::TestReactor;
    /// use reactor::UnixAddress;
    /// use reactor_web::Client;
    /// use reactor_web::client::ClientResponse;
    ///
    /// # let reactor = TestReactor::new();
    /// # let app = App::new().get("/version", |_| "1");
    /// # reactor.result_of(serve(&reactor, "unix:/run/engine", app))?;
    /// let client = Client::builder()
    ///     .connect_by(|_host, _port| UnixAddress::from("/run/engine"))
    ///     .build(&reactor);
    /// let version = client.get("http://engine/version").add_callback(ClientResponse::text);
    /// assert_eq!(reactor.result_of(version)?, "1");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn connect_by<E: ClientEndpoint + 'static>(
        mut self,
        connector: impl Fn(&str, u16) -> E + 'static,
    ) -> Self {
        self.config.connector = Some(Rc::new(move |host, port| Box::new(connector(host, port))));
        self
    }

    /// Settings for a reverse proxy: requests and answers stay as they are, and the hosts of `unix`
    /// are UNIX sockets.
    #[cfg(feature = "reverse-proxy")]
    pub(crate) fn transparent(mut self, unix: Vec<(String, reactor::UnixAddress)>) -> Self {
        // The browser (or other client) that sends its requests to the proxy follows redirects
        // itself, and gets content and headers as the upstream sent them.
        self.config.redirects = 0;
        self.config.headers.clear();
        #[cfg(feature = "compression")]
        {
            self.config.decompresses = false;
        }
        #[cfg(feature = "cookies")]
        {
            self.config.cookies = None;
        }
        if unix.is_empty() {
            return self;
        }
        let others = self.config.connector.take();
        self.config.connector = Some(Rc::new(move |host, port| {
            if let Some((_, address)) = unix.iter().find(|(known, _)| known == host) {
                return Box::new(address.clone());
            }
            match &others {
                Some(others) => others(host, port),
                None => Box::new(reactor::TcpConnectOptions::new((host, port))),
            }
        }));
        self
    }

    /// The TLS configuration for https. The default one verifies servers by the root certificates
    /// of the platform. For HTTP/2, `tls` has to offer `h2` and `http/1.1`
    /// ([`alpn`](reactor_tls::TlsClientBuilder::alpn)); for an upgrade, `h2` is left out.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsClient) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Speaks HTTP/2 with servers of http, too, without negotiation (prior knowledge).
    #[cfg(feature = "http2")]
    pub fn http2_prior_knowledge(mut self) -> Self {
        self.config.http2_prior_knowledge = true;
        self
    }

    /// The client, in `reactor`.
    pub fn build(self, reactor: &ReactorHandle) -> Client {
        let mut headers = HeaderMap::new();
        let decodes = self.config.complete(&mut headers);
        Client(Rc::new(Inner {
            pool: Pool::new(reactor, self.config.pool),
            headers: Rc::new(headers),
            decodes,
            #[cfg(feature = "tls")]
            tls: Tls::new(self.tls),
            config: self.config,
            urls: Urls::default(),
            last_server: RefCell::default(),
        }))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("timeouts", &self.config.timeouts)
            .field("pool", &self.config.pool)
            .field("body_limit", &self.config.body_limit)
            .finish_non_exhaustive()
    }
}
