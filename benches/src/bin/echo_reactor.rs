//! Echo on the reactor of this project.

use std::error::Error;

use reactor::{Context, Protocol, Raw, Reactor};

struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, bytes: &[u8]) -> deferred::Result<()> {
        cx.write(bytes);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    benches::listen_on_reactor(&reactor, || Echo)?;
    reactor.run()?;
    Ok(())
}
