//! Mutual TLS: the server knows its clients by their certificates. The server makes an
//! authority at its start, which issues all certificates.
//!
//! Twisted's counterpart: `ssl_clientauth_server.py` and `ssl_clientauth_client.py`.
//!
//! ```text
//! cargo run --example mutual_tls -- --listen 127.0.0.1:8444 --folder /tmp/authority ann bob
//! cargo run --example mutual_tls -- --to 127.0.0.1:8444 --folder /tmp/authority ann
//! ```

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Parser;
use deferred::Trigger;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reactor::{ConnectionClosed, Context, Lines, Protocol, Reactor, ask};
use reactor_tls::{Identity, Roots, TlsClient, TlsInfo, TlsServer};

/// Greets clients by the names of their certificates, or is one of these clients.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8444")]
    listen: String,
    /// Be a client, of the server at this address.
    #[arg(long)]
    to: Option<String>,
    /// The folder of the certificates: the server writes them, the clients read theirs.
    #[arg(long)]
    folder: PathBuf,
    /// The clients that get a certificate; the client to be.
    #[arg(required = true)]
    names: Vec<String>,
}

type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

struct Greeter {
    /// The names of the clients, by their certificates.
    names: Rc<HashMap<Vec<u8>, String>>,
}

// ANCHOR: greeter
impl Protocol for Greeter {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        // The client has shown a certificate of the authority: the handshake has failed else.
        let tls = cx.filter_info::<TlsInfo>();
        let certificate = tls.and_then(|tls| tls.peer_certificates.into_iter().next());
        match certificate.and_then(|certificate| self.names.get(&certificate)) {
            Some(name) => cx.send_line(format!("hello, {name}")),
            None => cx.send_line("hello, stranger"),
        }
        cx.lose_connection();
        Ok(())
    }
}
// ANCHOR_END: greeter

struct Guest {
    done: Trigger<()>,
}

impl Protocol for Guest {
    type Framing = Lines;

    fn received(&mut self, _cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        println!("server said: {}", String::from_utf8_lossy(line));
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        // Errs only if it has been fired already, which nothing else does.
        let _ = self.done.fire(reason.into_result());
    }
}

/// Makes an authority and the certificates that it issues, and serves the clients that have one.
fn serve(args: &Args) -> Fallible<()> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let issue = |name: &str| -> Fallible<_> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new([name.to_owned()])?;
        Ok((params.signed_by(&key, &authority)?, key.serialize_pem()))
    };

    fs::create_dir_all(&args.folder)?;
    fs::write(args.folder.join("authority.pem"), authority.pem())?;
    let mut names = HashMap::new();
    for name in &args.names {
        let (certificate, key) = issue(name)?;
        let file = args.folder.join(format!("{name}.pem"));
        fs::write(file, certificate.pem() + &key)?;
        names.insert(certificate.der().to_vec(), name.clone());
    }

    let (certificate, key) = issue("localhost")?;
    // ANCHOR: server
    let tls = TlsServer::builder()
        .identity(Identity::from_pem(certificate.pem(), key)?)
        .require_client_certificates(Roots::from_pem(authority.pem())?)
        .build()?;
    // ANCHOR_END: server
    let names = Rc::new(names);
    let reactor = Reactor::new()?;
    let factory = tls.factory(move || Greeter {
        names: Rc::clone(&names),
    });
    let port = reactor.listen_tcp(&args.listen, factory)?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}

/// A client: connects with its certificate, and prints the greeting.
fn visit(server: &str, args: &Args) -> Fallible<()> {
    let file = args.folder.join(format!("{}.pem", args.names[0]));
    // ANCHOR: client
    let tls = TlsClient::builder()
        .roots(Roots::from_pem_file(args.folder.join("authority.pem"))?)
        .identity(Identity::from_pem_files(&file, &file)?)
        .build()?;
    let server = tls.endpoint("localhost", server)?;
    // ANCHOR_END: client
    let reactor = Reactor::new()?;
    Ok(reactor.block_on(ask(&reactor, server, |done| Guest { done }))?)
}

fn main() -> Fallible<()> {
    let args = Args::parse();
    match &args.to {
        Some(server) => visit(server, &args),
        None => serve(&args),
    }
}
