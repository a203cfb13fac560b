//! A DNS server: it serves a zone from a file, which it reads again when the file changes, and
//! looks up all other names at other servers, with a cache.
//!
//! Twisted's counterpart: `twistd dns --bindzone FILE --recursive --cache`.
//!
//! ```text
//! cargo run --example dns_server -- --zone example.org.zone --origin example.org.
//! dig @127.0.0.1 -p 5353 www.example.org
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use deferred::{LoopingCall, Result};
use reactor::Reactor;
use reactor_names::hickory_proto::rr::Name;
use reactor_names::ipnet::IpNet;
use reactor_names::{Dns, DnsConfig, DnsServer, Forwarder, Hosts, ZoneFile, Zones};

/// Answers for a zone, and forwards all other questions.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:5353")]
    listen: String,
    /// The zone file.
    #[arg(long)]
    zone: PathBuf,
    /// The name of the zone.
    #[arg(long)]
    origin: String,
    /// Servers that look up the other names, instead of those of /etc/resolv.conf.
    #[arg(long)]
    forward: Vec<SocketAddr>,
    /// Networks whose clients may ask for other names, besides this machine: 10.0.0.0/8.
    #[arg(long)]
    allow: Vec<IpNet>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let dns = match args.forward.is_empty() {
        true => Dns::from_system()?,
        false => Dns::new(DnsConfig::new(args.forward), Hosts::default()),
    };
    let zone = Rc::new(ZoneFile::open(args.zone, &args.origin)?);
    let mut zones = Zones::new();
    zones.add(zone.origin(), Rc::clone(&zone));
    zones.add(Name::root(), Forwarder::new(dns).allow(args.allow));

    let reactor = Reactor::new()?;
    let port = DnsServer::new(zones).listen(&reactor, args.listen)?;
    println!("listening on {}", port.address());

    let look = LoopingCall::new(move || match zone.reload_if_changed() {
        Ok(true) => println!("the zone was read again"),
        Ok(false) => {}
        Err(error) => println!("the zone stays as it was: {error}"),
    });
    look.start(&reactor, Duration::from_secs(1))?.ignore();
    reactor.run_until_signal()?;
    Ok(())
}
