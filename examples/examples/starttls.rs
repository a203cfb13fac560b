//! STARTTLS: a line protocol that begins in the clear and goes on encrypted, server and client.
//!
//! Twisted's counterpart: `starttls_server.py` and `starttls_client.py`.
//!
//! ```text
//! cargo run --example starttls -- --listen 127.0.0.1:8025 --certificate /tmp/starttls.pem
//! cargo run --example starttls -- --to 127.0.0.1:8025 --certificate /tmp/starttls.pem
//! ```

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use deferred::Trigger;
use reactor::{ConnectionClosed, Context, Lines, Protocol, Reactor, ask};
use reactor_tls::{Identity, Roots, StartTls, TlsClient, TlsInfo, TlsServer};

/// Sends a line, upgrades the connection to TLS, and sends another one.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8025")]
    listen: String,
    /// Be a client, of the server at this address.
    #[arg(long)]
    to: Option<String>,
    /// The file of the server's certificate: the server writes it, the client trusts it.
    #[arg(long)]
    certificate: PathBuf,
}

// ANCHOR: server
struct Server {
    tls: TlsServer,
}

impl Protocol for Server {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        let is_encrypted = cx.filter_info::<TlsInfo>().is_some();
        if line == b"STARTTLS" && !is_encrypted {
            cx.send_line("READY"); // in the clear: written before the call
            // If the handshake fails, the connection ends, and `connection_lost` gets the reason.
            cx.start_tls(self.tls.filter()).ignore();
        } else {
            let how = if is_encrypted {
                "encrypted"
            } else {
                "in the clear"
            };
            cx.send_line(format!("{how}: {}", String::from_utf8_lossy(line)));
        }
        Ok(())
    }
}
// ANCHOR_END: server

// ANCHOR: client
struct Client {
    tls: TlsClient,
    done: Trigger<()>,
}

impl Protocol for Client {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.send_line("hello");
        cx.send_line("STARTTLS");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        println!("received {}", String::from_utf8_lossy(line));
        if line == b"READY" {
            cx.start_tls(self.tls.filter("localhost")?).ignore();
            cx.send_line("a secret"); // waits for the handshake
            cx.lose_write_connection();
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        // Errs only if it has been fired already, which nothing else does.
        let _ = self.done.fire(reason.into_result());
    }
}
// ANCHOR_END: client

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    if let Some(server) = args.to {
        let roots = Roots::from_pem_file(args.certificate)?;
        let tls = TlsClient::builder().roots(roots).build()?;
        reactor.block_on(ask(&reactor, server, |done| Client { tls, done }))?;
        return Ok(());
    }
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(args.certificate, made.cert.pem())?;
    let identity = Identity::from_pem(made.cert.pem(), made.signing_key.serialize_pem())?;
    let tls = TlsServer::builder().identity(identity).build()?;
    let factory = move || Server { tls: tls.clone() };
    let port = reactor.listen_tcp(&args.listen, factory)?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
