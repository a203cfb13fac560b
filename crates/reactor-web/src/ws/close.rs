//! `CloseCode` and `CloseEvent`: how a WebSocket ends.

use std::fmt;

/// Why a WebSocket is closed, as a number of RFC 6455 (§7.4) or of the program's own.
///
/// # Examples
///
/// ```
/// use reactor_web::ws::CloseCode;
///
/// assert_eq!(CloseCode::GOING_AWAY, CloseCode(1001));
/// assert_eq!(CloseCode::NORMAL.to_string(), "1000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(
    /// 1000 to 4999. 4000 and above are free for programs.
    pub u16,
);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server stops, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer breaks the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a type of message that is not accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1005: the peer has given no code. Not to be sent.
    pub const NONE: Self = Self(1005);
    /// 1006: the connection was lost without a close of WebSocket. Not to be sent.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: text that is not UTF-8, or a message that cannot be decompressed.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a rule of the program.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message that is too large.
    pub const TOO_LARGE: Self = Self(1009);
    /// 1011: a handler has failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1013: the server has too much to do.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// Whether a close frame may have this code.
    pub(super) fn may_be_sent(self) -> bool {
        // RFC 6455, 7.4.1 and 7.4.2. 1004, 1005, 1006 and 1015 are reserved; 1012 to 1014 were
        // registered later.
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// How a WebSocket has ended; passed to [`on_close`](super::WebSocketProtocol::on_close).
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::testing::TestClient;
/// use reactor_web::ws::{CloseCode, on_message};
///
/// let app = App::new().get("/", |req| {
///     req.websocket(on_message(|ws, _| {
///         ws.close(CloseCode(4000), "enough");
///         Ok(())
///     }))
/// });
/// let client = TestClient::new(app)?;
/// let socket = client.websocket("/");
/// socket.send_text("hello");
/// let event = socket.closed().expect("the server has closed it");
/// assert_eq!((event.code, &*event.reason), (CloseCode(4000), "enough"));
/// assert!(event.is_clean);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseEvent {
    /// The peer's code; 1005 if it gave none, 1006 if the connection was lost. If this side has
    /// closed because of an error, the code that it has sent.
    pub code: CloseCode,
    /// The reason that the peer gave, or a description of the error.
    pub reason: String,
    /// Whether both sides have sent a close frame.
    #[doc(alias = "wasClean")]
    pub is_clean: bool,
}

impl CloseEvent {
    pub(super) fn new(code: CloseCode, reason: impl Into<String>, is_clean: bool) -> Self {
        Self {
            code,
            reason: reason.into(),
            is_clean,
        }
    }
}

impl fmt::Display for CloseEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the WebSocket was closed with {}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        Ok(())
    }
}

/// A [`WebSocket`](super::WebSocket) is closing or closed, so the message was not accepted.
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::testing::TestClient;
/// use reactor_web::ws::{CloseCode, on_message};
///
/// let app = App::new().get("/", |req| req.websocket(on_message(|_, _| Ok(()))));
/// let client = TestClient::new(app)?;
/// let socket = client.websocket("/");
/// socket.close(CloseCode::NORMAL, "");
/// let gone = socket.handle().send_text("too late").unwrap_err();
/// assert_eq!(gone.to_string(), "the WebSocket is closed");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebSocketGone;

impl fmt::Display for WebSocketGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the WebSocket is closed")
    }
}

impl std::error::Error for WebSocketGone {}

/// A violation of the protocol by the peer, with the close code that is sent for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) code: CloseCode,
    pub(super) reason: &'static str,
}

impl Violation {
    pub(super) fn protocol(reason: &'static str) -> Self {
        let code = CloseCode::PROTOCOL_ERROR;
        Self { code, reason }
    }

    pub(super) fn too_large(reason: &'static str) -> Self {
        let code = CloseCode::TOO_LARGE;
        Self { code, reason }
    }

    pub(super) fn data(reason: &'static str) -> Self {
        let code = CloseCode::INVALID_DATA;
        Self { code, reason }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl std::error::Error for Violation {}
