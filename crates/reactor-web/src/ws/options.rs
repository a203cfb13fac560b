//! `WebSocketOptions`: limits, timeouts and what a handshake agrees on.

use std::time::Duration;

/// After this time without input, a peer is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Limits and timeouts of a WebSocket, and what its handshake asks for.
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
    /// Bytes of a frame that comes in. A longer one is answered with code 1009.
    pub max_frame: usize,
    /// Bytes of a message that comes in, decompressed. A longer one is answered with code 1009.
    pub max_message: usize,
    /// Frames of a message that comes in. More are answered with code 1009.
    pub max_fragments: usize,
    /// After this time without input, a ping is sent; `None` for never.
    pub ping_interval: Option<Duration>,
    /// How long nothing may come after a ping. Then the connection is aborted, and
    /// [`on_close`](super::WebSocketProtocol::on_close) gets code 1006.
    pub pong_timeout: Duration,
    /// How long the peer may take to close, after this side has.
    pub close_timeout: Duration,
    /// Whether messages are compressed if the peer can do so, by permessage-deflate. It is off,
    /// because it costs time, and because a message that holds both a secret and words of a
    /// stranger lets an eavesdropper guess the secret by the length.
    pub is_deflating: bool,
    /// Subprotocols, the preferred one first: those that a server speaks, or that a client offers.
    pub subprotocols: Vec<String>,
    pub(super) origins: Origins,
}

/// The pages that may open a WebSocket of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Origins {
    /// Those of the same host and port.
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

    /// Lets pages of these origins open the WebSocket, such as `https://example.org`; others get
    /// a 403. By default, these are the pages of the host that the request names. A client that is no
    /// browser sends no `Origin`, and is let in.
    #[must_use]
    pub fn with_origins<I>(mut self, origins: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.origins = Origins::These(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Lets pages of any origin open the WebSocket. A page of a stranger then acts in the name of
    /// its visitor, if cookies identify the visitor.
    #[must_use]
    pub fn with_any_origin(mut self) -> Self {
        self.origins = Origins::Any;
        self
    }
}
