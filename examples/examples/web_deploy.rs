//! A site that is ready for the internet: behind nginx or HAProxy, or on its own, as a service of
//! systemd.
//!
//! Twisted's counterpart: `twist web --listen ENDPOINT`, without the rest.
//!
//! ```text
//! cargo run --example web_deploy -- --listen tcp:8080:interface=127.0.0.1 --proxy 127.0.0.1
//! cargo run --example web_deploy -- --listen tcp:8443 --certificate cert.pem --key key.pem
//! systemd-socket-activate -l 8080 target/debug/examples/web_deploy --listen systemd:index=0
//! ```
//!
//! `examples/deploy` has the configurations of nginx, HAProxy and systemd for it.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use deferred::Result;
use reactor::{Reactor, ReactorHandle};
use reactor_tls::{Identity, TlsServer};
use reactor_web::middleware::{
    AccessLog, Forwarded, RequestId, RequestSpan, SecurityHeaders, Timeout,
};
use reactor_web::{App, Limits, Request, serve};
use sd_notify::NotifyState;
use signal_hook::consts::SIGHUP;
use signal_hook::low_level::pipe;

/// Tells each client its own address, and whether its connection is encrypted.
#[derive(Parser)]
struct Args {
    /// The endpoint to listen on.
    #[arg(long, default_value = "tcp:8080:interface=127.0.0.1")]
    listen: String,
    /// The address of a proxy, or a prefix as 10.0.0.0/8; its `X-Forwarded` headers are believed.
    #[arg(long)]
    proxy: Vec<String>,
    /// The certificate and those of its issuers, in PEM; with it, the site is HTTPS.
    #[arg(long, requires = "key")]
    certificate: Option<PathBuf>,
    #[arg(long, requires = "certificate")]
    key: Option<PathBuf>,
}

// ANCHOR: app
fn app(proxies: &[String]) -> App {
    let year = Duration::from_secs(365 * 24 * 3600);
    let site = App::new()
        .get("/", hello)
        .wrap(SecurityHeaders::new().hsts(year, false))
        .wrap(Timeout::after(Duration::from_secs(10)))
        .wrap(RequestSpan::new())
        .wrap(RequestId::new())
        .wrap(AccessLog::json().writer(std::io::stdout()))
        .wrap(Forwarded::from_proxies(proxies));
    let limits = Limits::default()
        .with_strict(true)
        .with_idle_grace(Duration::from_secs(5));
    // The check is beside the site, so that it is not in the log.
    App::new()
        .get("/health", |_| "well\n")
        .mount("/", site)
        .limits(limits)
}

fn hello(req: Request) -> String {
    let client = match req.peer().ip() {
        Some(ip) => ip.to_string(),
        None => "of this machine".to_owned(),
    };
    let scheme = if req.is_secure() { "https" } else { "http" };
    format!("you are {client}, by {scheme}\n")
}
// ANCHOR_END: app

// ANCHOR: reload
/// Has the server read its certificate again at each SIGHUP.
fn reload_on_sighup(reactor: &ReactorHandle, tls: TlsServer) -> Result<()> {
    let (watched, signalled) = UnixStream::pair()?;
    watched.set_nonblocking(true)?;
    pipe::register(SIGHUP, signalled)?;
    reactor.add_reader(watched, move |mut watched| {
        // Errs if it was read before; several signals are one reload.
        let _ = watched.read(&mut [0; 64]);
        match tls.reload() {
            Ok(()) => tracing::info!("new connections get the new certificate"),
            Err(error) => tracing::error!(%error, "the old certificate stays"),
        }
    })?;
    Ok(())
}
// ANCHOR_END: reload

// ANCHOR: main
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let reactor = Reactor::new()?;
    let app = app(&args.proxy);
    let serving = match (args.certificate, args.key) {
        (Some(certificate), Some(key)) => {
            let identity = Identity::from_pem_files(certificate, key)?;
            let tls = TlsServer::builder()
                .identity(identity)
                .alpn(["h2", "http/1.1"])
                .build()?;
            reload_on_sighup(&reactor, tls.clone())?;
            serve(&reactor, tls.endpoint(args.listen), app)
        }
        _ => serve(&reactor, args.listen, app),
    };
    let port = reactor.block_on(serving)?;
    tracing::info!("listening on {}", port.address());
    // Without systemd, nothing listens to this.
    sd_notify::notify(&[NotifyState::Ready])?;
    reactor.run_until_signal()?;
    Ok(())
}
// ANCHOR_END: main
