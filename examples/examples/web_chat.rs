//! A chat by WebSocket, with rooms and names, and with a page that connects again when its
//! connection is lost.
//!
//! Twisted's counterpart: none; autobahn's `WebSocketServerProtocol` is nearest.
//!
//! ```text
//! cargo run --example web_chat -- --listen 127.0.0.1:8080
//! ```
//!
//! Open <http://127.0.0.1:8080/> twice.

use clap::Parser;
use deferred::Result;
use reactor::Reactor;
use reactor_web::ws::{CloseEvent, Rooms, WebSocket, WebSocketProtocol};
use reactor_web::{App, Html, HttpError, Request, Response, serve};

/// Serves a chat.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

// ANCHOR: guest
/// A person in a room. Its lines are `NAME: text`, and `* ` before an event, for all in the room.
struct Guest {
    name: String,
    room: String,
    rooms: Rooms,
}

impl Guest {
    fn tell(&self, line: &str) {
        self.rooms.broadcast(&self.room, line);
    }
}

impl WebSocketProtocol for Guest {
    fn on_open(&mut self, ws: &WebSocket) -> Result<()> {
        self.rooms.join(&self.room, ws);
        self.tell(&format!("* {} has come", self.name));
        Ok(())
    }

    fn on_text(&mut self, _: &WebSocket, text: &str) -> Result<()> {
        self.tell(&format!("{}: {text}", self.name));
        Ok(())
    }

    fn on_close(&mut self, _: &WebSocket, _: &CloseEvent) {
        self.tell(&format!("* {} has left", self.name));
    }
}
// ANCHOR_END: guest

fn enter(rooms: &Rooms, req: &Request) -> Result<Response> {
    let room = req.param("room")?.to_owned();
    let name = req.query_value::<String>("name")?.unwrap_or_default();
    if name.is_empty() || name.len() > 40 {
        return Err(HttpError::bad_request("a name has 1 to 40 bytes").into());
    }
    let rooms = rooms.clone();
    req.websocket(Guest { name, room, rooms })
}

fn app() -> App {
    let rooms = Rooms::new();
    App::new()
        .get("/", |_| Html(include_str!("web_chat.html")))
        .get("/rooms/{room}", move |req| enter(&rooms, &req))
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app()))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
