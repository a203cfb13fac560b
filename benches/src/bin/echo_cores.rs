//! Echo on two reactors of this project, each in a thread of its own, which share a
//! port.

use std::net::SocketAddr;

use reactor::{Context, Cores, Protocol, Raw, TcpListenOptions};

struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, bytes: &[u8]) -> deferred::Result<()> {
        cx.write(bytes);
        Ok(())
    }
}

fn main() -> deferred::Result<()> {
    let wanted = benches::address()?;
    let address = free(wanted)?;
    let cores = Cores::start(2, move |reactor, _number| {
        reactor.listen_tcp(TcpListenOptions::new(address).reuse_port(true), || Echo)?;
        Ok(())
    })?;
    benches::ready(wanted, address)?;
    cores.join()?;
    Ok(())
}

/// A port that both can ask for.
fn free(wanted: SocketAddr) -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind(wanted)?.local_addr()
}
