//! Port forwarding: a proxy between its clients and a target.
//!
//! `pump` copies both directions with backpressure: it reads no more from one side than the
//! other takes. It passes on half-closes, so a client may finish sending and still receive. If
//! the target cannot be reached, the connection from the client is closed.
//!
//! Twisted's counterpart: `twisted.protocols.portforward`.
//!
//! ```text
//! cargo run --example echo_server &
//! cargo run --example port_forwarder -- --listen 127.0.0.1:8001 --target 127.0.0.1:8000
//! ```

use clap::Parser;
use deferred::{Result, gather_results};
use reactor::{ConnectionClosed, Context, Protocol, Raw, Reactor, pump};

/// Forwards connections.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8001")]
    listen: String,
    /// The address and port to forward to.
    #[arg(long, default_value = "127.0.0.1:8000")]
    target: String,
}

struct Client {
    target: String,
}

impl Protocol for Client {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        // Until the target is connected.
        cx.pause_reading();
        let connecting = cx.reactor().connect_tcp(&self.target, Server);
        cx.when_or_cancel(connecting, |_this, cx, server| {
            let (client, server) = (cx.connection(), server?);
            let peer = cx.peer().clone();
            // `connection_lost` below reports a failure of either side.
            gather_results([pump(&client, &server), pump(&server, &client)])
                .add_callback(move |bytes| println!("{peer}: {bytes:?} bytes, there and back"))
                .ignore();
            cx.resume_reading();
            Ok(())
        });
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, _data: &[u8]) -> Result<()> {
        unreachable!("what comes in is pumped");
    }

    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        println!("{}: {reason}", cx.peer());
    }
}

/// The other side of a client.
struct Server;

impl Protocol for Server {
    type Framing = Raw;

    fn received(&mut self, _cx: &mut Context<'_, Self>, _data: &[u8]) -> Result<()> {
        unreachable!("what comes in is pumped");
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(&args.listen, move || Client {
        target: args.target.clone(),
    })?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
