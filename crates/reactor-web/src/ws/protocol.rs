//! `WebSocketProtocol`: the trait for the handlers of a WebSocket.

use deferred::Result;

use super::close::CloseEvent;
use super::handle::WebSocket;
use super::message::Message;

/// State and handlers of one side of one WebSocket.
///
/// The handlers are called one at a time, in the loop's thread, so the state may hold an `Rc`. The
/// [`WebSocket`] that they get is a handle that other code may clone and keep, to send messages.
///
/// A handler that fails or panics closes its own WebSocket with code 1011, and no other. The
/// failure goes to the log; the peer learns nothing about it.
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::testing::TestClient;
/// use reactor_web::ws::{WebSocket, WebSocketProtocol};
///
/// /// Adds up the numbers that it gets.
/// struct Sum(i64);
///
/// impl WebSocketProtocol for Sum {
///     fn on_open(&mut self, ws: &WebSocket) -> deferred::Result<()> {
///         Ok(ws.send_text("numbers, please")?)
///     }
///
///     fn on_text(&mut self, ws: &WebSocket, text: &str) -> deferred::Result<()> {
///         self.0 += text.parse::<i64>()?;
///         Ok(ws.send_text(self.0.to_string())?)
///     }
/// }
///
/// let client = TestClient::new(App::new().get("/sum", |req| req.websocket(Sum(0))))?;
/// let socket = client.websocket("/sum");
/// socket.send_text("20");
/// socket.send_text("22");
/// assert_eq!(socket.texts(), ["numbers, please", "20", "42"]);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "WebSocketServerProtocol", alias = "WebSocketClientProtocol")]
pub trait WebSocketProtocol: 'static {
    /// The WebSocket is open. Called once, before the other handlers.
    ///
    /// # Errors
    ///
    /// Any failure closes the WebSocket.
    fn on_open(&mut self, ws: &WebSocket) -> Result<()> {
        let _ = ws;
        Ok(())
    }

    /// A complete text message has arrived. By default, it is ignored.
    ///
    /// # Errors
    ///
    /// Any failure closes the WebSocket.
    fn on_text(&mut self, ws: &WebSocket, text: &str) -> Result<()> {
        let _ = (ws, text);
        Ok(())
    }

    /// A complete binary message has arrived. By default, it is ignored.
    ///
    /// # Errors
    ///
    /// Any failure closes the WebSocket.
    fn on_binary(&mut self, ws: &WebSocket, data: &[u8]) -> Result<()> {
        let _ = (ws, data);
        Ok(())
    }

    /// The peer has answered a [`ping`](WebSocket::ping), or one that was sent automatically.
    ///
    /// # Errors
    ///
    /// Any failure closes the WebSocket.
    fn on_pong(&mut self, ws: &WebSocket, data: &[u8]) -> Result<()> {
        let _ = (ws, data);
        Ok(())
    }

    /// The connection is over. Called once, last, if [`on_open`](Self::on_open) was called. By
    /// then, the WebSocket has left its rooms, and nothing can be sent.
    fn on_close(&mut self, ws: &WebSocket, event: &CloseEvent) {
        let _ = (ws, event);
    }
}

/// A closure as a [`WebSocketProtocol`], which is called with each message.
///
/// # Examples
///
/// An echo:
///
/// ```
/// use reactor_web::App;
/// use reactor_web::testing::TestClient;
/// use reactor_web::ws::on_message;
///
/// let app = App::new().get("/echo", |req| {
///     req.websocket(on_message(|ws, message| Ok(ws.send(message)?)))
/// });
/// let client = TestClient::new(app)?;
/// let socket = client.websocket("/echo");
/// socket.send_text("hello");
/// assert_eq!(socket.texts(), ["hello"]);
/// # Ok::<(), deferred::Failure>(())
/// ```
pub fn on_message<F>(f: F) -> impl WebSocketProtocol
where
    F: FnMut(&WebSocket, Message<'_>) -> Result<()> + 'static,
{
    OnMessage(f)
}

struct OnMessage<F>(F);

impl<F> WebSocketProtocol for OnMessage<F>
where
    F: FnMut(&WebSocket, Message<'_>) -> Result<()> + 'static,
{
    fn on_text(&mut self, ws: &WebSocket, text: &str) -> Result<()> {
        (self.0)(ws, Message::Text(text))
    }

    fn on_binary(&mut self, ws: &WebSocket, data: &[u8]) -> Result<()> {
        (self.0)(ws, Message::Binary(data))
    }
}
