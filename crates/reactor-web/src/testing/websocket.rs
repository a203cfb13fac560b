//! `TestWebSocket`: the client's side of a WebSocket in a test.

use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::rc::Rc;

use deferred::{Failure, Result};
use reactor::testing::TestReactor;

use super::{ADDRESS, TestClient};
use crate::ws::{CloseCode, CloseEvent, Message, WebSocket, WebSocketClient, WebSocketProtocol};

/// The client's side of a WebSocket: from [`TestClient::websocket`]. Dropping it resets the
/// connection.
///
/// # Examples
///
/// ```
/// use reactor_web::App;
/// use reactor_web::testing::TestClient;
/// use reactor_web::ws::{CloseCode, on_message};
///
/// let app = App::new().get("/echo", |req| {
///     req.websocket(on_message(|ws, message| Ok(ws.send(message)?)))
/// });
/// let client = TestClient::new(app)?;
/// let socket = client.websocket("/echo");
/// socket.send_text("hello");
/// socket.send_binary([1, 2, 3]);
/// assert_eq!(socket.texts(), ["hello"]);
/// assert_eq!(socket.binaries(), [[1, 2, 3]]);
/// socket.close(CloseCode::NORMAL, "bye");
/// assert_eq!(socket.closed().unwrap().code, CloseCode::NORMAL);
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct TestWebSocket<'a> {
    reactor: &'a TestReactor,
    ws: WebSocket,
    seen: Rc<RefCell<Seen>>,
}

#[derive(Default)]
struct Seen {
    texts: Vec<String>,
    binaries: Vec<Vec<u8>>,
    closed: Option<CloseEvent>,
}

impl TestClient {
    /// Opens a WebSocket to `target`, a path with or without a query.
    ///
    /// # Panics
    ///
    /// If the site answers with something else.
    #[track_caller]
    pub fn websocket(&self, target: &str) -> TestWebSocket<'_> {
        let client = WebSocketClient::new(&format!("ws://localhost{target}"));
        match client.and_then(|client| self.try_websocket(&client)) {
            Ok(socket) => socket,
            Err(failure) => panic!("there is no WebSocket of {target}: {failure:?}"),
        }
    }

    /// As [`websocket`](Self::websocket), with the headers and options of `client`. The site sees
    /// the host of its URL as `Host`.
    ///
    /// # Errors
    ///
    /// [`WebSocketRefused`](crate::ws::WebSocketRefused): the site answers with something else.
    ///
    /// # Panics
    ///
    /// If the handshake needs the clock to move.
    #[track_caller]
    pub fn try_websocket(&self, client: &WebSocketClient) -> Result<TestWebSocket<'_>> {
        let seen: Rc<RefCell<Seen>> = Rc::default();
        let recorder = Recorder(Rc::clone(&seen));
        let opening = client.connect_to(
            self.reactor(),
            std::net::SocketAddr::from(ADDRESS),
            recorder,
        );
        let ws = self.reactor().result_of(opening)?;
        self.reactor().settle();
        let reactor = self.reactor();
        Ok(TestWebSocket { reactor, ws, seen })
    }
}

impl TestWebSocket<'_> {
    /// Sends a text.
    ///
    /// # Panics
    ///
    /// If the WebSocket is closed.
    #[track_caller]
    pub fn send_text(&self, text: impl AsRef<str>) {
        self.send(Message::Text(text.as_ref()));
    }

    /// Sends bytes.
    ///
    /// # Panics
    ///
    /// If the WebSocket is closed.
    #[track_caller]
    pub fn send_binary(&self, data: impl AsRef<[u8]>) {
        self.send(Message::Binary(data.as_ref()));
    }

    #[track_caller]
    fn send(&self, message: Message<'_>) {
        if self.ws.send(message).is_err() {
            panic!("the WebSocket is closed: {:?}", self.seen.borrow().closed);
        }
        self.reactor.settle();
    }

    /// The texts that have come since the last call.
    #[track_caller]
    pub fn texts(&self) -> Vec<String> {
        self.reactor.settle();
        mem::take(&mut self.seen.borrow_mut().texts)
    }

    /// The binary messages that have come since the last call.
    #[track_caller]
    pub fn binaries(&self) -> Vec<Vec<u8>> {
        self.reactor.settle();
        mem::take(&mut self.seen.borrow_mut().binaries)
    }

    /// Closes the WebSocket.
    #[track_caller]
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.ws.close(code, reason);
        self.reactor.settle();
    }

    /// How the connection has ended, if it has.
    #[track_caller]
    pub fn closed(&self) -> Option<CloseEvent> {
        self.reactor.settle();
        self.seen.borrow().closed.clone()
    }

    /// The handle: to stop reading, to ping, to abort.
    pub fn handle(&self) -> &WebSocket {
        &self.ws
    }
}

impl Drop for TestWebSocket<'_> {
    fn drop(&mut self) {
        self.ws.abort();
        if !std::thread::panicking() {
            self.reactor.settle();
        }
    }
}

/// Records what it receives.
struct Recorder(Rc<RefCell<Seen>>);

impl WebSocketProtocol for Recorder {
    fn on_text(&mut self, _: &WebSocket, text: &str) -> std::result::Result<(), Failure> {
        self.0.borrow_mut().texts.push(text.to_owned());
        Ok(())
    }

    fn on_binary(&mut self, _: &WebSocket, data: &[u8]) -> std::result::Result<(), Failure> {
        self.0.borrow_mut().binaries.push(data.to_vec());
        Ok(())
    }

    fn on_close(&mut self, _: &WebSocket, event: &CloseEvent) {
        self.0.borrow_mut().closed = Some(event.clone());
    }
}

impl fmt::Debug for TestWebSocket<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestWebSocket")
            .field("ws", &self.ws)
            .finish_non_exhaustive()
    }
}
