//! `WebSocketClient`: the client's side of the handshake.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Failure, Result, fail};
use http::header::{
    CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, response};
use hyper::client::conn::http1;
use reactor::options::TcpConnectOptions;
use reactor::{ClientEndpoint, Connect, ReactorHandle};
#[cfg(feature = "tls")]
use reactor_tls::TlsClient;
use tungstenite::handshake::client::generate_key;
use tungstenite::handshake::derive_accept_key;

use super::connection::WebSocketConnection;
use super::deflate;
use super::frame::Role;
use super::handle::WebSocket;
use super::options::WebSocketOptions;
use super::protocol::WebSocketProtocol;
use super::target::Target;
use crate::body::Body;
use crate::io::{Io, IoProtocol};

/// Longest time from the connection to the end of the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens a WebSocket to `url`, `ws://…` or `wss://…`, with the default [`WebSocketOptions`]; a
/// [`WebSocketClient`] takes others. The Deferred fires after
/// [`on_open`](WebSocketProtocol::on_open).
///
/// # Errors
///
/// Through the Deferred: `url` is not a WebSocket URL, there is no connection, or the server
/// refuses the WebSocket ([`WebSocketRefused`]). Cancelling it ends the attempt.
///
/// # Examples
///
/// ```
/// use reactor::{Listen, testing::TestReactor};
/// use reactor_web::App;
/// use reactor_web::ws::{WebSocket, WebSocketProtocol, connect_websocket, on_message};
///
/// struct Greeter;
///
/// impl WebSocketProtocol for Greeter {
///     fn on_open(&mut self, ws: &WebSocket) -> deferred::Result<()> {
///         Ok(ws.send_text("hello")?)
///     }
///
///     fn on_text(&mut self, ws: &WebSocket, text: &str) -> deferred::Result<()> {
///         println!("the server says {text}");
///         Ok(ws.close(reactor_web::ws::CloseCode::NORMAL, ""))
///     }
/// }
///
/// let reactor = TestReactor::new();
/// let app = App::new().get("/echo", |req| {
///     req.websocket(on_message(|ws, message| Ok(ws.send(message)?)))
/// });
/// let site = app.into_site()?;
/// reactor.result_of("tcp:80:interface=192.0.2.1".listen(&reactor, site))?;
///
/// let ws = reactor.result_of(connect_websocket(&reactor, "ws://192.0.2.1/echo", Greeter))?;
/// assert!(ws.is_gone(), "it has closed");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "connectWS")]
pub fn connect_websocket(
    reactor: &ReactorHandle,
    url: &str,
    protocol: impl WebSocketProtocol,
) -> Deferred<WebSocket> {
    match WebSocketClient::new(url) {
        Ok(client) => client.connect(reactor, protocol),
        Err(failure) => fail(failure),
    }
}

/// Opens WebSockets to one address, with headers and options.
///
/// # Examples
///
/// A client that stays connected, by a [`ClientService`](reactor::ClientService):
///
/// ```
/// use reactor::{ClientService, Listen, testing::TestReactor};
/// use reactor_web::App;
/// use reactor_web::ws::{WebSocketClient, WebSocketOptions, on_message};
///
/// let reactor = TestReactor::new();
/// # let app = App::new().get("/news", |req| req.websocket(on_message(|_, _| Ok(()))));
/// # let site = app.into_site()?;
/// # reactor.result_of("tcp:80:interface=192.0.2.1".listen(&reactor, site.clone()))?;
/// let client = WebSocketClient::new("ws://192.0.2.1/news")?
///     .with_header("authorization", "Bearer 42")?
///     .with_options(WebSocketOptions::default().with_deflate(true));
/// let endpoint = client.endpoint()?;
/// let news = move || client.protocol(on_message(|_, message| Ok(println!("{message:?}"))));
/// let service = ClientService::builder(endpoint, news).start(&reactor);
/// # reactor.settle();
/// # assert_eq!(site.connections(), 1);
/// # drop(service);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone)]
pub struct WebSocketClient {
    target: Target,
    headers: HeaderMap,
    options: WebSocketOptions,
    #[cfg(feature = "tls")]
    tls: Option<TlsClient>,
}

impl WebSocketClient {
    /// A client of `url`: `ws://host[:port]/path`, or `wss://…` with TLS.
    ///
    /// # Errors
    ///
    /// `url` is not a WebSocket URL.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self {
            target: Target::new(url)?,
            headers: HeaderMap::new(),
            options: WebSocketOptions::default(),
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Sends this header with the handshake.
    ///
    /// # Errors
    ///
    /// The name or the value is invalid.
    pub fn with_header<N, V>(mut self, name: N, value: V) -> Result<Self>
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let name = name.try_into().map_err(Into::into)?;
        let value = value.try_into().map_err(Into::into)?;
        self.headers.append(name, value);
        Ok(self)
    }

    /// Uses these options; the client offers their [subprotocols](WebSocketOptions::subprotocols).
    #[must_use]
    pub fn with_options(self, options: WebSocketOptions) -> Self {
        Self { options, ..self }
    }

    /// Uses this configuration of TLS for `wss`; if it offers `h2`, that is left out. By default,
    /// the server is verified by the root certificates of the platform.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, tls: TlsClient) -> Self {
        let tls = Some(tls);
        Self { tls, ..self }
    }

    /// Opens a WebSocket. The Deferred fires after [`on_open`](WebSocketProtocol::on_open).
    ///
    /// # Errors
    ///
    /// As for [`connect_websocket`].
    pub fn connect(
        &self,
        reactor: &ReactorHandle,
        protocol: impl WebSocketProtocol,
    ) -> Deferred<WebSocket> {
        match self.endpoint() {
            Ok(endpoint) => self.connect_to(reactor, endpoint, protocol),
            Err(failure) => fail(failure),
        }
    }

    /// As [`connect`](Self::connect), but connects by `endpoint`, such as a UNIX socket or a proxy,
    /// and not to the address of the URL.
    ///
    /// # Errors
    ///
    /// As for [`connect_websocket`].
    pub fn connect_to(
        &self,
        reactor: &ReactorHandle,
        endpoint: impl ClientEndpoint,
        protocol: impl WebSocketProtocol,
    ) -> Deferred<WebSocket> {
        // Passes the Deferred on from `connection_made`, which is called before `connecting` fires.
        let opening = Rc::new(Cell::new(None));
        let slot = Rc::clone(&opening);
        let protocol = self.begin(protocol, move |deferred| slot.set(Some(deferred)));
        let connecting = endpoint.connect(reactor, protocol);
        connecting.add_callback(move |_connection| match opening.take() {
            Some(opening) => opening,
            None => fail(Failure::msg("the connection was not made")),
        })
    }

    /// A protocol that makes the handshake and goes on as a WebSocket: for a
    /// [`ClientService`](reactor::ClientService), or for anything else that connects. If the
    /// handshake fails, the failure goes to the log, and the connection ends.
    ///
    /// The service connects again when the WebSocket is over, but does not close it. Close the
    /// [`WebSocket`] before [`stop`](reactor::ClientService::stop), which waits for the end of the
    /// connection.
    pub fn protocol(&self, protocol: impl WebSocketProtocol) -> IoProtocol {
        self.begin(protocol, |opening| opening.log_error().ignore())
    }

    /// The endpoint of the URL, with TLS for `wss`.
    ///
    /// # Errors
    ///
    /// TLS is not possible: the host is not a valid name for it, or the crate was built without the
    /// feature `tls`.
    pub fn endpoint(&self) -> Result<Box<dyn ClientEndpoint>> {
        let endpoint = TcpConnectOptions::from((&*self.target.host, self.target.port));
        if !self.target.is_secure {
            return Ok(Box::new(endpoint));
        }
        #[cfg(feature = "tls")]
        {
            let tls = match &self.tls {
                // Without `h2`, since this handshake exists only in HTTP/1.1.
                Some(tls) => tls.without_alpn("h2"),
                None => TlsClient::builder().alpn(["http/1.1"]).build()?,
            };
            Ok(Box::new(tls.endpoint(&self.target.host, endpoint)?))
        }
        #[cfg(not(feature = "tls"))]
        Err(Failure::msg(
            "a URL with `wss` needs the feature `tls` of reactor-web",
        ))
    }

    fn begin(
        &self,
        protocol: impl WebSocketProtocol,
        started: impl FnOnce(Deferred<WebSocket>) + 'static,
    ) -> IoProtocol {
        // A protocol may be made long after this call, as by a `ClientService`.
        let client = self.clone();
        IoProtocol::new(move |io| {
            let reactor = io.reactor().clone();
            let opening = reactor.spawn(client.open(io, Box::new(protocol)));
            // The timeout cancels `open`, which drops the connection.
            started(opening.add_timeout(HANDSHAKE_TIMEOUT, &reactor));
        })
    }

    async fn open(self, io: Io, protocol: Box<dyn WebSocketProtocol>) -> Result<WebSocket> {
        let (reactor, peer) = (io.reactor().clone(), io.peer().clone());
        let key = generate_key();
        let request = self.request(&key)?;
        let (mut sender, connection) = http1::handshake(io).await?;
        // Spawned before the request is sent, which needs hyper's connection to run.
        let serving = reactor.spawn(async { Ok(connection.without_shutdown().await?) });
        // If the handshake fails or is cancelled, the drop of this ends the connection.
        let serving = serving.cancel_on_drop();
        let (head, _) = sender.send_request(request).await?.into_parts();
        let agreed = check(&head, &key, &self.options)?;
        let mut parts = serving.await?;
        // The server's first frames may come with its answer.
        parts.io.unread(&parts.read_buf);
        let (is_deflating, subprotocol) = agreed;
        let ws = WebSocket::new(Role::Client, is_deflating, subprotocol, &reactor, &peer);
        let connection = WebSocketConnection::new(protocol, ws.clone(), &self.options);
        // The handle is dropped: `ws` has one of its own, from `connection_made`.
        let _connection = parts.io.switch_to(connection).await?;
        Ok(ws)
    }

    fn request(&self, key: &str) -> Result<http::Request<Body>> {
        let mut request = http::Request::new(Body::empty());
        *request.uri_mut() = self.target.path.clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.target.authority.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_str(key)?);
        if !self.options.subprotocols.is_empty() {
            let offered = self.options.subprotocols.join(", ");
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(&offered)?);
        }
        if self.options.is_deflating {
            let offer = HeaderValue::from_static(deflate::OFFER);
            headers.insert(SEC_WEBSOCKET_EXTENSIONS, offer);
        }
        for (name, value) in &self.headers {
            // Appended after the headers of the handshake, so that the program cannot replace
            // those.
            headers.append(name, value.clone());
        }
        Ok(request)
    }
}

/// Checks the server's answer. Returns whether messages are compressed, and the subprotocol.
fn check(
    head: &response::Parts,
    key: &str,
    options: &WebSocketOptions,
) -> Result<(bool, Option<String>)> {
    let refused = |reason: &'static str| WebSocketRefused {
        status: head.status,
        reason,
    };
    let headers = &head.headers;
    let value = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // This check and the following ones: RFC 6455, 4.1.
    if head.status != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refused("the answer is no upgrade").into());
    }
    if !value(UPGRADE).is_some_and(|to| to.eq_ignore_ascii_case("websocket"))
        || !crate::request::has_token(headers, CONNECTION, "upgrade")
    {
        return Err(refused("the upgrade is to another protocol").into());
    }
    if value(SEC_WEBSOCKET_ACCEPT) != Some(&derive_accept_key(key.as_bytes())) {
        return Err(refused("the answer is to another key").into());
    }
    let subprotocol = value(SEC_WEBSOCKET_PROTOCOL).map(str::to_owned);
    if let Some(chosen) = &subprotocol
        && !options.subprotocols.contains(chosen)
    {
        return Err(refused("the subprotocol was not offered").into());
    }
    let is_deflating = deflate::is_agreed(headers).map_err(refused)?;
    if is_deflating && !options.is_deflating {
        return Err(refused("the server compresses, which was not offered").into());
    }
    Ok((is_deflating, subprotocol))
}

/// The server has answered a handshake with something else than a WebSocket.
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::testing::TestClient;
/// use reactor_web::ws::{WebSocketClient, WebSocketRefused};
///
/// let client = TestClient::new(App::new().get("/", |_| "a page"))?;
/// let failure = client.try_websocket(&WebSocketClient::new("ws://localhost/")?).unwrap_err();
/// assert_eq!(failure.check::<WebSocketRefused>().unwrap().status, 200);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSocketRefused {
    /// The status of the answer.
    pub status: StatusCode,
    /// What is wrong with the answer.
    pub reason: &'static str,
}

impl fmt::Display for WebSocketRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, reason) = (self.status.as_u16(), self.reason);
        write!(f, "the WebSocket is refused: {reason} (status {status})")
    }
}

impl std::error::Error for WebSocketRefused {}

impl fmt::Debug for WebSocketClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketClient")
            .field("target", &self.target)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
