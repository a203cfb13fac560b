//! WebSocket (RFC 6455): server and client, with handlers as methods of a protocol.
//!
//! ```
//! use reactor_web::App;
//! use reactor_web::testing::TestClient;
//! use reactor_web::ws::{Rooms, WebSocket, WebSocketProtocol};
//!
//! struct Guest {
//!     name: String,
//!     rooms: Rooms,
//! }
//!
//! impl WebSocketProtocol for Guest {
//!     fn on_open(&mut self, ws: &WebSocket) -> deferred::Result<()> {
//!         self.rooms.join("lobby", ws);
//!         Ok(())
//!     }
//!
//!     fn on_text(&mut self, _: &WebSocket, text: &str) -> deferred::Result<()> {
//!         self.rooms.broadcast("lobby", &format!("{}: {text}", self.name));
//!         Ok(())
//!     }
//! }
//!
//! let rooms = Rooms::new();
//! let app = App::new().get("/chat/{name}", move |req| {
//!     let name = req.param("name")?.to_owned();
//!     req.websocket(Guest { name, rooms: rooms.clone() })
//! });
//! let client = TestClient::new(app)?;
//! let (ann, bob) = (client.websocket("/chat/Ann"), client.websocket("/chat/Bob"));
//! ann.send_text("hello");
//! assert_eq!(bob.texts(), ["Ann: hello"]);
//! # Ok::<(), deferred::Failure>(())
//! ```
//!
//! | to | look at |
//! |---|---|
//! | answer a request with a WebSocket | [`Request::websocket`](crate::Request::websocket) |
//! | handle messages | [`WebSocketProtocol`], or [`on_message`] for a closure |
//! | send from other code, close, wait for room | [`WebSocket`] |
//! | send to many | [`Rooms`] |
//! | set limits, pings, subprotocols, origins, compression | [`WebSocketOptions`] |
//! | connect | [`connect_websocket`], [`WebSocketClient`] |
//! | test | [`TestClient::websocket`](crate::testing::TestClient::websocket) |
//!
//! The heads of frames, the keys and the server's handshake are those of `tungstenite`,
//! permessage-deflate that of `flate2`. After the handshake, the loop hands each frame to the
//! handler from its own read buffer: an idle connection has no buffer and no task of its own.

mod accept;
mod assembly;
mod client;
mod close;
mod connection;
mod deflate;
mod frame;
mod handle;
mod message;
mod options;
mod output;
mod protocol;
mod rooms;
mod target;

pub use self::client::{WebSocketClient, WebSocketRefused, connect_websocket};
pub use self::close::{CloseCode, CloseEvent, WebSocketGone};
pub use self::handle::WebSocket;
pub use self::message::Message;
pub use self::options::WebSocketOptions;
pub use self::protocol::{WebSocketProtocol, on_message};
pub use self::rooms::Rooms;
