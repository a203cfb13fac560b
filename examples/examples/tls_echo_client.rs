//! A client that sends lines to an echo server over TLS and prints what comes back.
//!
//! Twisted's counterpart: `echoclient_ssl.py`, with the protocol of `echoclient.py`.
//!
//! ```text
//! cargo run --example tls_echo_server -- --certificate /tmp/echo.pem &
//! cargo run --example tls_echo_client -- 127.0.0.1:8443 --roots /tmp/echo.pem hello
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use deferred::Trigger;
use reactor::{ConnectionClosed, Context, Lines, Protocol, Reactor, ask};
use reactor_tls::{Roots, TlsClient, TlsInfo};

/// Sends lines to an echo server over TLS and prints what comes back.
#[derive(Parser)]
struct Args {
    /// The server's address and port.
    server: String,
    /// The name that the server's certificate has to be for.
    #[arg(long, default_value = "localhost")]
    name: String,
    /// The file of the certificates to trust, instead of those of this computer.
    #[arg(long)]
    roots: Option<PathBuf>,
    /// The lines to send.
    #[arg(default_values = ["hello, world!", "what a fine day it is", "bye-bye!"])]
    lines: Vec<String>,
}

/// Knows nothing of TLS, except for the line that prints the result of the handshake.
struct EchoClient {
    lines: Vec<String>,
    done: Trigger<()>,
}

impl Protocol for EchoClient {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        // The handshake is finished, and the server is the one that was asked for.
        if let Some(tls) = cx.filter_info::<TlsInfo>() {
            println!("{:?} with {}", tls.version, tls.cipher_suite);
        }
        for line in &self.lines {
            cx.send_line(line);
        }
        // The server sends back what it has, and then ends its side, too.
        cx.lose_write_connection();
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        println!("server said: {}", String::from_utf8_lossy(line));
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        // Errs only if it has been fired already, which nothing else does.
        let _ = self.done.fire(reason.into_result());
    }
}

// ANCHOR: client
fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let args = Args::parse();
    let mut tls = TlsClient::builder();
    if let Some(file) = args.roots {
        tls = tls.roots(Roots::from_pem_file(file)?);
    }
    let server = tls.build()?.endpoint(&args.name, args.server)?;

    let reactor = Reactor::new()?;
    let lines = args.lines;
    let talk = ask(&reactor, server, |done| EchoClient { lines, done });
    match reactor.block_on(talk) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(failure) => {
            eprintln!("{failure}");
            Ok(ExitCode::FAILURE)
        }
    }
}
// ANCHOR_END: client
