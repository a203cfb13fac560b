//! `WebSocketOptions`: limits, timeouts and options of the handshake.

use std::time::Duration;

/// After this time without input, a ping is sent.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Limits and timeouts of a WebSocket, and options of its handshake.
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::ws::{WebSocketOptions, on_message};
/// use std::time::Duration;
///
/// let options = WebSocketOptions::default();
/// assert_eq!(options.max_frame, 1024 * 1024);
/// assert_eq!(options.max_message, 1024 * 1024);
/// assert_eq!(options.max_fragments, 16 * 1024);
/// assert_eq!(options.ping_interval, Some(Duration::from_secs(30)));
/// assert_eq!(options.pong_timeout, Duration::from_secs(30));
/// assert_eq!(options.close_timeout, Duration::from_secs(10));
///
/// let options = options.with_subprotocols(["chat.v2", "chat.v1"]).with_deflate(true);
/// let app = App::new().get("/chat", move |req| {
///     let echo = on_message(|ws, message| Ok(ws.send(message)?));
///     req.websocket_with(&options, echo)
/// });
/// # drop(app);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSocketOptions {
    /// Most bytes of a received frame. A longer one closes the WebSocket with code 1009.
    pub max_frame: usize,
    /// Most bytes of a received message, decompressed. A longer one closes the WebSocket with code
    /// 1009.
    pub max_message: usize,
    /// Most frames of a received message. More close the WebSocket with code 1009.
    pub max_fragments: usize,
    /// After this time without input, a ping is sent; `None` for never.
    pub ping_interval: Option<Duration>,
    /// Longest time without input after a ping. Then the connection is aborted, and
    /// [`on_close`](super::WebSocketProtocol::on_close) gets code 1006.
    pub pong_timeout: Duration,
    /// How long the peer may take to close, after this side has.
    pub close_timeout: Duration,
    /// Whether messages are compressed if the peer can do so, by permessage-deflate. Off by
    /// default, because it costs time, and because the length of a message that holds both a secret
    /// and text of an attacker lets an eavesdropper guess the secret.
    pub is_deflating: bool,
    /// Subprotocols, the preferred one first: those that a server speaks, or that a client offers.
    pub subprotocols: Vec<String>,
    pub(super) origins: Origins,
}

/// The pages that may open a WebSocket of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Origins {
    /// Pages of the same host and port.
    #[default]
    SameHost,
    These(Vec<String>),
    Any,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            max_frame: 1024 * 1024,
            max_message: 1024 * 1024,
            max_fragments: 16 * 1024,
            ping_interval: Some(PING_INTERVAL),
            pong_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(10),
            is_deflating: false,
            subprotocols: Vec::new(),
            origins: Origins::default(),
        }
    }
}

macro_rules! setters {
    ($($setter:ident $field:ident: $type:ty),* $(,)?) => {
        impl WebSocketOptions {$(
            #[doc = concat!("These options with another [`", stringify!($field), "`](Self::", stringify!($field), ").")]
            #[must_use]
            pub fn $setter(self, $field: $type) -> Self {
                Self { $field, ..self }
            }
        )*}
    };
}

setters! {
    with_max_frame max_frame: usize,
    with_max_message max_message: usize,
    with_max_fragments max_fragments: usize,
    with_ping_interval ping_interval: Option<Duration>,
    with_pong_timeout pong_timeout: Duration,
    with_close_timeout close_timeout: Duration,
    with_deflate is_deflating: bool,
}

impl WebSocketOptions {
    /// These options with these [`subprotocols`](Self::subprotocols).
    #[must_use]
    pub fn with_subprotocols<I>(mut self, subprotocols: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.subprotocols = subprotocols.into_iter().map(Into::into).collect();
        self
    }

    /// Lets pages of these origins open the WebSocket, such as `https://example.org`; others get a
    /// 403. By default, these are the pages of the host that the request names. A client that is
    /// not a browser sends no `Origin`, and is accepted.
    #[must_use]
    pub fn with_origins<I>(mut self, origins: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.origins = Origins::These(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Lets pages of any origin open the WebSocket. If cookies identify the user, a page of any
    /// site can then act in the name of its visitor.
    #[must_use]
    pub fn with_any_origin(mut self) -> Self {
        self.origins = Origins::Any;
        self
    }
}
