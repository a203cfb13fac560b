use deferred::Result;
use reactor_web::ws::{Rooms, WebSocket, WebSocketProtocol};
use reactor_web::{App, run};

struct Guest(Rooms);

impl WebSocketProtocol for Guest {
    fn on_open(&mut self, ws: &WebSocket) -> Result<()> {
        self.0.join("all", ws);
        Ok(())
    }

    fn on_text(&mut self, _: &WebSocket, text: &str) -> Result<()> {
        self.0.broadcast("all", text);
        Ok(())
    }
}

fn main() -> Result<()> {
    let rooms = Rooms::new();
    let app = App::new().get("/chat", move |req| req.websocket(Guest(rooms.clone())));
    run(std::env::var("ENDPOINT")?, app)
}
