//! Looks up several names and several types of records, all at once.
//!
//! Twisted's counterpart: `testdns.py` of "Twisted Names".
//!
//! ```text
//! cargo run --example dns_lookup -- example.org example.com A MX TXT
//! cargo run --example dns_lookup -- --server 127.0.0.1:53 example.org
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use deferred::{Deferred, Result, settled};
use reactor::{Reactor, ReactorHandle};
use reactor_names::hickory_proto::rr::RecordType;
use reactor_names::{Dns, DnsConfig, Hosts, Lookup};

/// Prints the records of names.
#[derive(Parser)]
struct Args {
    /// Names, and types of records (A and AAAA if there are none), in any order.
    #[arg(required = true)]
    names_and_types: Vec<String>,
    /// A server to ask, instead of those of /etc/resolv.conf.
    #[arg(long)]
    server: Option<SocketAddr>,
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

fn main() -> Result<()> {
    let args = Args::parse();
    let dns = match args.server {
        Some(server) => {
            let timeout = Duration::from_secs_f64(args.timeout);
            Dns::new(DnsConfig::new([server]).timeout(timeout), Hosts::default())
        }
        None => Dns::from_system()?,
    };
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
