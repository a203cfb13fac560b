//! An echo over WebSocket, by `reactor-web`.

use std::error::Error;

use reactor::Reactor;
use reactor_web::App;
use reactor_web::ws::on_message;

fn main() -> Result<(), Box<dyn Error>> {
    let app = App::new().get("/", |req| {
        req.websocket(on_message(|ws, message| Ok(ws.send(message)?)))
    });
    let reactor = Reactor::new()?;
    benches::listen_on_reactor(&reactor, app.into_site()?)?;
    reactor.run_until_signal()?;
    Ok(())
}
