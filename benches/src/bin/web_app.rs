//! An `App` with its routes, timeouts and limits. The first of two arguments may be `tls`.

use std::error::Error;

use benches::Order;
use reactor::Reactor;
use reactor_web::{App, Json};

fn main() -> Result<(), Box<dyn Error>> {
    let app = App::new()
        .get("/", |req| benches::web_body(req.path()))
        .get("/{size}", |req| benches::web_body(req.path()))
        .post("/json", |req| {
            let order = req.json::<Order>();
            order.add_callback(|order| Ok(Json(order)))
        });
    let reactor = Reactor::new()?;
    benches::listen_web(&reactor, app.into_site()?)?;
    reactor.run_until_signal()?;
    Ok(())
}
