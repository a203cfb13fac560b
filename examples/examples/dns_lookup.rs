//! Looks up several names and several types of records, all at once.
//!
//! Twisted's counterpart: `testdns.py` of "Twisted Names".
//!
//! ```text
//! cargo run --example dns_lookup -- example.org example.com A MX TXT
//! cargo run --example dns_lookup -- --server 127.0.0.1:53 example.org
//! cargo run --example dns_lookup -- --server 9.9.9.9:853 --tls dns.quad9.net example.org
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use deferred::{Deferred, Result, settled};
use reactor::{Reactor, ReactorHandle};
use reactor_names::hickory_proto::rr::RecordType;
use reactor_names::{Dns, DnsConfig, Hosts, Lookup};
use reactor_tls::{Roots, TlsClient};

/// Prints the records of names.
#[derive(Parser)]
struct Args {
    /// Names, and types of records (A and AAAA if there are none), in any order.
    #[arg(required = true)]
    names_and_types: Vec<String>,
    /// A server to ask, instead of those of /etc/resolv.conf.
    #[arg(long)]
    server: Option<SocketAddr>,
    /// The name in the certificate of the server, which is asked over TLS.
    #[arg(long, requires = "server")]
    tls: Option<String>,
    /// The issuers of certificates that are trusted, instead of those of the system.
    #[arg(long, requires = "tls")]
    roots: Option<PathBuf>,
    /// Seconds to wait for each answer of a server.
    #[arg(long, default_value_t = 2.0)]
    timeout: f64,
}

fn look_up_all(
    reactor: &ReactorHandle,
    dns: &Dns,
    questions: &[(String, RecordType)],
) -> Deferred<Vec<Result<Lookup>>> {
    settled(
        questions
            .iter()
            .map(|(name, record_type)| dns.lookup(reactor, name, *record_type)),
    )
}

fn make_dns(args: &Args) -> Result<Dns> {
    let Some(server) = args.server else {
        return Ok(Dns::from_system()?);
    };
    let config = match &args.tls {
        Some(name) => {
            let mut tls = TlsClient::builder();
            if let Some(file) = &args.roots {
                tls = tls.roots(Roots::from_pem_file(file)?);
            }
            DnsConfig::over_tls(&tls.build()?, [(server, name)])?
        }
        None => DnsConfig::new([server]),
    };
    let timeout = Duration::from_secs_f64(args.timeout);
    Ok(Dns::new(config.timeout(timeout), Hosts::default()))
}

fn main() -> Result<()> {
    let args = Args::parse();
    let dns = make_dns(&args)?;
    let (mut names, mut types) = (Vec::new(), Vec::new());
    for word in args.names_and_types {
        match word.to_uppercase().parse() {
            Ok(record_type) => types.push(record_type),
            Err(_) => names.push(word),
        }
    }
    if types.is_empty() {
        types = vec![RecordType::A, RecordType::AAAA];
    }
    let with_types = |name: &String| types.iter().map(|kind| (name.clone(), *kind)).collect();
    let questions: Vec<_> = names.iter().flat_map::<Vec<_>, _>(with_types).collect();

    let reactor = Reactor::new()?;
    for result in reactor.block_on(look_up_all(&reactor, &dns, &questions))? {
        match result {
            Ok(found) => {
                for record in found.aliases.iter().chain(&found.records) {
                    println!("{record}");
                }
            }
            Err(failure) => println!("{failure}"),
        }
    }
    Ok(())
}
