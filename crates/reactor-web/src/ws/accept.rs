//! `Request::websocket`: the server's side of the handshake.

use deferred::Result;
use http::header::{
    ORIGIN, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tungstenite::handshake::server::create_response;

use super::CloseCode;
use super::connection::WebSocketConnection;
use super::deflate;
use super::frame::Role;
use super::handle::WebSocket;
use super::options::{Origins, WebSocketOptions};
use super::protocol::WebSocketProtocol;
use crate::body::Body;
use crate::error::HttpError;
use crate::request::Request;
use crate::response::Response;

impl Request {
    /// Opens a WebSocket that `protocol` handles, with the default [`WebSocketOptions`]. When the
    /// site finishes, the WebSocket is closed with code 1001.
    ///
    /// # Errors
    ///
    /// [`HttpError`]: 426 if the request is not a handshake of WebSocket version 13 (a request of
    /// HTTP/2 never is; browsers use HTTP/1.1 for it), 400 if the handshake is invalid, 403 if a
    /// page of another host sends it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_web::testing::TestClient;
    /// use reactor_web::ws::on_message;
    /// use reactor_web::App;
    ///
    /// let app = App::new().get("/shout", |req| {
    ///     req.websocket(on_message(|ws, message| {
    ///         let text = message.as_text().unwrap_or("what?");
    ///         Ok(ws.send_text(text.to_uppercase())?)
    ///     }))
    /// });
    /// let client = TestClient::new(app)?;
    /// let socket = client.websocket("/shout");
    /// socket.send_text("hello");
    /// assert_eq!(socket.texts(), ["HELLO"]);
    /// assert_eq!(client.get("/shout").status(), 426);
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    pub fn websocket(&self, protocol: impl WebSocketProtocol) -> Result<Response> {
        self.websocket_with(&WebSocketOptions::default(), protocol)
    }

    /// As [`websocket`](Self::websocket), with these options.
    ///
    /// # Errors
    ///
    /// As for [`websocket`](Self::websocket).
    pub fn websocket_with(
        &self,
        options: &WebSocketOptions,
        protocol: impl WebSocketProtocol,
    ) -> Result<Response> {
        let headers = self.headers();
        // The handshake is checked first: a request without it gets a 426, whatever page has sent
        // it.
        let mut response = self.handshake()?;
        check_origin(self, &options.origins)?;
        let subprotocol = choose(headers, &options.subprotocols);
        let answer = response.headers_mut();
        if let Some(subprotocol) = &subprotocol {
            answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(subprotocol)?);
        }
        let agreed = options
            .is_deflating
            .then(|| deflate::accept(headers))
            .flatten();
        if let Some(agreed) = &agreed {
            answer.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(agreed)?);
        }
        let (reactor, peer) = (self.reactor(), self.peer());
        // Made before the connection is there, so that `on_finish` can close it while it opens.
        let ws = WebSocket::new(Role::Server, agreed.is_some(), subprotocol, reactor, peer);
        let connection = WebSocketConnection::new(Box::new(protocol), ws.clone(), options);
        let opening = self
            .upgrade()
            .add_callback(move |io| io.switch_to(connection));
        // Fails if the client goes before, or a middleware replaces the answer: then the WebSocket
        // does not open.
        opening.ignore();
        self.on_finish(move || ws.close(CloseCode::GOING_AWAY, "the server stops"));
        Ok(response)
    }

    /// The answer to a handshake.
    fn handshake(&self) -> Result<Response> {
        let asks = self.header(UPGRADE);
        // A 426 names the protocol and its version (RFC 6455, 4.4), so that the client can try
        // again.
        if !asks.is_some_and(|asks| asks.eq_ignore_ascii_case("websocket")) {
            return Err(required("the request is no handshake of WebSocket").into());
        }
        if self
            .header(SEC_WEBSOCKET_VERSION)
            .is_none_or(|version| version.trim() != "13")
        {
            return Err(required("the version of WebSocket is not 13").into());
        }
        // Copied, since `tungstenite` needs a request of `http`, which owns its parts.
        let mut request = http::Request::new(());
        *request.method_mut() = self.method().clone();
        *request.version_mut() = self.version();
        *request.headers_mut() = self.headers().clone();
        match create_response(&request) {
            Ok(response) => Ok(response.map(|()| Body::empty())),
            Err(error) => Err(HttpError::bad_request(error.to_string()).into()),
        }
    }
}

/// A 426 that names the protocol and the version to use.
fn required(message: &'static str) -> HttpError {
    HttpError::new(StatusCode::UPGRADE_REQUIRED)
        .with_message(message)
        .with_header(UPGRADE, HeaderValue::from_static("websocket"))
        .with_header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
}

/// The first of `ours` that the client offers.
fn choose(headers: &HeaderMap, ours: &[String]) -> Option<String> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    // Both forms: several headers, or one with a list (RFC 6455, 11.3.4).
    let offered: Vec<&str> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    ours.iter()
        .find(|our| offered.contains(&our.as_str()))
        .cloned()
}

/// Checks that a page of this origin may open a WebSocket here. A request without `Origin` does not
/// come from a page.
fn check_origin(request: &Request, allowed: &Origins) -> Result<()> {
    let mut origins = request.headers().get_all(ORIGIN).iter();
    // Only browsers send `Origin`, and only they can be misused by pages of other sites (RFC 6455,
    // 10.2).
    let Some(origin) = origins.next() else {
        return Ok(());
    };
    // A request with two origins is refused.
    let is_allowed = origins.next().is_none()
        && match (allowed, origin.to_str()) {
            (Origins::Any, _) => true,
            (_, Err(_)) => false,
            (Origins::These(list), Ok(origin)) => {
                list.iter().any(|one| one.eq_ignore_ascii_case(origin))
            }
            (Origins::SameHost, Ok(origin)) => is_same_host(origin, request.authority()),
        };
    if is_allowed {
        Ok(())
    } else {
        let message = "a page of this origin may not open a WebSocket here";
        Err(HttpError::forbidden().with_message(message).into())
    }
}

fn is_same_host(origin: &str, host: Option<&str>) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else {
        return false;
    };
    // A proxy may terminate TLS, so the scheme is not compared. It only gives the default port.
    let usual = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let host = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
    let (Some(page), Some(host)) = (origin.authority(), host) else {
        return false;
    };
    page.host().eq_ignore_ascii_case(host.host())
        && page.port_u16().unwrap_or(usual) == host.port_u16().unwrap_or(usual)
}
