//! UDP echo: a server, or a client that detects a missing server.
//!
//! Twisted's counterpart: `echoserv_udp.py` and `echoclient_udp.py`.
//!
//! ```text
//! cargo run --example udp_echo -- --listen 127.0.0.1:8000
//! cargo run --example udp_echo -- --to 127.0.0.1:8000 hello "are you there?"
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use reactor::{DatagramContext, DatagramProtocol, Reactor};

/// Sends datagrams back, or sends some and prints the answers.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8000")]
    listen: String,
    /// Be a client, of the server at this address.
    #[arg(long)]
    to: Option<SocketAddr>,
    /// The texts that the client sends.
    #[arg(default_values = ["hello, world!", "bye-bye!"])]
    lines: Vec<String>,
}

struct Echo;

impl DatagramProtocol for Echo {
    type Address = SocketAddr;

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        from: SocketAddr,
    ) -> deferred::Result<()> {
        Ok(cx.send_to(data, from)?)
    }
}

struct Client {
    /// The texts that are not sent yet, the last first.
    lines: Vec<String>,
}

impl Client {
    fn next(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
        match self.lines.pop() {
            Some(line) => Ok(cx.send(line)?),
            None => {
                cx.reactor().stop();
                Ok(())
            }
        }
    }
}

impl DatagramProtocol for Client {
    type Address = SocketAddr;

    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
        // Datagrams get lost.
        cx.call_later(Duration::from_secs(10), |_, cx| {
            println!("no answer");
            cx.reactor().stop();
        });
        self.next(cx)
    }

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        _: SocketAddr,
    ) -> deferred::Result<()> {
        println!("server said: {}", String::from_utf8_lossy(data));
        self.next(cx)
    }

    fn connection_refused(&mut self, cx: &mut DatagramContext<'_, Self>) -> deferred::Result<()> {
        println!("connection refused");
        cx.reactor().stop();
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Args {
        listen,
        to,
        mut lines,
    } = Args::parse();
    let reactor = Reactor::new()?;
    if let Some(server) = to {
        lines.reverse();
        // Datagrams may come before the loop runs; handlers are called when it does.
        reactor.connect_udp(server, Client { lines })?;
    } else {
        let port = reactor.listen_udp(&listen, Echo)?;
        reactor.call_when_running(move || println!("listening on {}", port.address()));
    }
    reactor.run_until_signal()?;
    Ok(())
}
