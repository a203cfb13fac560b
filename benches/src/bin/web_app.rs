//! An `App` with its routes, timeouts and limits.

use std::error::Error;

use reactor::Reactor;
use reactor_web::App;

fn main() -> Result<(), Box<dyn Error>> {
    let app = App::new()
        .get("/", |req| benches::web_body(req.path()))
        .get("/{size}", |req| benches::web_body(req.path()));
    let reactor = Reactor::new()?;
    let wanted = benches::address()?;
    let port = reactor.listen_tcp(wanted, app.into_site()?)?;
    benches::ready(wanted, port.address())?;
    reactor.run_until_signal()?;
    Ok(())
}
