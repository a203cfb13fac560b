use reactor::{Protocol, Raw, Reactor};

struct Client;

impl Protocol for Client {
    type Framing = Raw;
}

fn main() -> deferred::Result<()> {
    let reactor = Reactor::new()?;
    reactor.connector_tcp("127.0.0.1:8000", || Client);
    Ok(())
}
