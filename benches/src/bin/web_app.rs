//! An `App` with its routes, timeouts and limits.

use std::error::Error;

use reactor::Reactor;
use reactor_web::App;

fn main() -> Result<(), Box<dyn Error>> {
    let app = App::new()
        .get("/", |req| benches::web_body(req.path()))
        .get("/{size}", |req| benches::web_body(req.path()));
    let reactor = Reactor::new()?;
    benches::listen_on_reactor(&reactor, app.into_site()?)?;
    reactor.run_until_signal()?;
    Ok(())
}
