//! `Files`, mounted in an `App`. The first of two arguments is the folder.

use std::error::Error;

use reactor::Reactor;
use reactor_web::{App, Files};

fn main() -> Result<(), Box<dyn Error>> {
    let app = App::new().mount("/", Files::new(benches::mode()));
    let reactor = Reactor::new()?;
    benches::listen_on_reactor(&reactor, app.into_site()?)?;
    reactor.run_until_signal()?;
    Ok(())
}
