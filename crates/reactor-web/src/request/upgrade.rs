//! `Request::upgrade`: the connection, for another protocol than HTTP.

use deferred::{Deferred, fail};
use http::{HeaderMap, Method, StatusCode, header, request};

use super::Request;
use crate::error::HttpError;
use crate::io::Io;

impl Request {
    /// Asks for the connection, to speak another protocol than HTTP there. The Deferred fires when
    /// the answer is sent, which must be a 101 (Switching Protocols) with the headers `Connection:
    /// upgrade` and `Upgrade`, or any 2xx if the method is `CONNECT`. Bytes that the client has
    /// sent after its request are read first.
    ///
    /// The [`Io`] is read and written as hyper does, or handed to a [`Protocol`](reactor::Protocol)
    /// by [`Io::switch_to`]. Timeouts of HTTP do not apply to it. While the site finishes, the
    /// connection may go on for [`shutdown_timeout`](crate::Limits::shutdown_timeout).
    ///
    /// # Errors
    ///
    /// Through the Deferred: [`HttpError`] with status 426 if the request asks for no upgrade, or
    /// is an HTTP/2 request; [`UpgradeRefused`](crate::UpgradeRefused) if the answer has another
    /// status; [`ClientGone`](crate::ClientGone) if the client goes before the answer, or the
    /// request is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::StatusCode;
    /// use reactor::{Context, Lines, Protocol};
    /// use reactor_web::{App, testing::TestClient};
    ///
    /// struct Echo;
    ///
    /// impl Protocol for Echo {
    ///     type Framing = Lines;
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///         cx.send_line(line);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let app = App::new().get("/echo", |req| {
    ///     let upgrade = req.upgrade().add_callback(|io| io.switch_to(Echo));
    ///     upgrade.log_error().ignore();
    ///     let headers = [("connection", "upgrade"), ("upgrade", "echo")];
    ///     (StatusCode::SWITCHING_PROTOCOLS, (headers, ()))
    /// });
    /// let client = TestClient::new(app)?;
    /// let peer = client.connect();
    /// peer.send("GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    /// assert!(peer.received().starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    /// peer.send("hello\r\n");
    /// assert_eq!(peer.received(), b"hello\r\n");
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[doc(alias = "hijack")]
    pub fn upgrade(&self) -> Deferred<Io> {
        if !asks_for_upgrade(&self.head) {
            return fail(
                HttpError::new(StatusCode::UPGRADE_REQUIRED)
                    .with_message("the request asks for no upgrade"),
            );
        }
        self.exchange.upgrade()
    }
}

#[cfg(feature = "reverse-proxy")]
impl Request {
    /// Whether [`upgrade`](Self::upgrade) may be called.
    pub(crate) fn asks_for_upgrade(&self) -> bool {
        asks_for_upgrade(&self.head)
    }
}

#[cfg(feature = "ws")]
impl Request {
    /// Sets `finish`, which is called if the site finishes while the upgraded connection is open.
    pub(crate) fn on_finish(&self, finish: impl Fn() + 'static) {
        self.exchange.connection().upgrades().on_finish(finish);
    }
}

/// Whether the connection is to speak another protocol after the answer.
fn asks_for_upgrade(head: &request::Parts) -> bool {
    match head.version {
        // HTTP/1.0 ignores `Upgrade` (RFC 9110, 7.8), and HTTP/2 has none (RFC 9113, 8.6).
        http::Version::HTTP_11 => {
            head.method == Method::CONNECT
                || (head.headers.contains_key(header::UPGRADE)
                    // Without `Connection: upgrade`, a proxy has passed on the `Upgrade` of another
                    // connection (RFC 9110, 7.8).
                    && has_token(&head.headers, header::CONNECTION, "upgrade"))
        }
        _ => false,
    }
}

/// Whether a header that is a list has this word, in upper or lower case.
pub(crate) fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|word| word.trim().eq_ignore_ascii_case(token))
}
