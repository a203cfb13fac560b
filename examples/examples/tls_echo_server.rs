//! Echo server over TLS, with a certificate that it makes at its start.
//!
//! Twisted's counterpart: `echoserv_ssl.py`.
//!
//! ```text
//! cargo run --example tls_echo_server -- --listen 127.0.0.1:8443 --certificate /tmp/echo.pem
//! openssl s_client -connect 127.0.0.1:8443 -CAfile /tmp/echo.pem -verify_hostname localhost
//! ```

use std::fs;
use std::path::PathBuf;

use clap::Parser;
use reactor::{Context, Protocol, Raw, Reactor};
use reactor_tls::{Identity, TlsServer};

/// Sends its input back, over TLS.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: String,
    /// The file to write the certificate to, for clients to trust.
    #[arg(long)]
    certificate: PathBuf,
}

struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
        cx.write(data);
        Ok(())
    }
}

// ANCHOR: certificate
/// A certificate of `localhost` that vouches for itself, and its private key, which stays in
/// this process. A server on the internet has both in files, from a certificate authority:
/// [`Identity::from_pem_files`].
fn make_identity(certificate: &PathBuf) -> Result<Identity, Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    fs::write(certificate, made.cert.pem())?;
    let key = made.signing_key.serialize_pem();
    Ok(Identity::from_pem(made.cert.pem(), key)?)
}
// ANCHOR_END: certificate

// ANCHOR: server
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let identity = make_identity(&args.certificate)?;
    let tls = TlsServer::builder().identity(identity).build()?;

    let reactor = Reactor::new()?;
    let port = reactor.listen_tcp(&args.listen, tls.factory(|| Echo))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
// ANCHOR_END: server
