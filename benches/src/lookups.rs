//! `lookups`: names whose answers are in the cache, next to hickory-resolver on Tokio.

use std::error::Error;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Instant;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reactor::Reactor;
use reactor_names::hickory_proto::op::{Message, OpCode};
use reactor_names::hickory_proto::rr::rdata::{A, AAAA};
use reactor_names::hickory_proto::rr::{RData, Record, RecordType};
use reactor_names::{Dns, DnsConfig, Hosts, decode_message, encode_message};
use tokio::runtime::{Builder, Runtime};

use crate::contest::{self, Contest, Options, Run, timed};

/// In parts of the peer's time.
const AIM: Option<f64> = Some(0.5);
const NAME: &str = "www.example.org.";
const TTL: u32 = 86_400;

pub(crate) fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let server = serve()?;
    let peer = || hickory(server);
    let contests = [
        Contest::new("records of one type", 1, AIM, records(server)?)
            .against("hickory-resolver", peer()?.records()),
        Contest::new("addresses of both families", 1, AIM, addresses(server)?)
            .against("hickory-resolver", peer()?.addresses()),
    ];
    contest::run(
        "lookups",
        "for a name in the cache",
        &contests,
        &options.settled(),
    )
}

/// A server with the same address for all names.
fn serve() -> Result<SocketAddr, Box<dyn Error>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    thread::spawn(move || {
        let mut bytes = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let Ok(question) = decode_message(&bytes[..length]) else {
                continue;
            };
            let mut answer = Message::response(question.id, OpCode::Query);
            for query in question.queries {
                let data = match query.query_type() {
                    RecordType::AAAA => RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
                    _ => RData::A(A::new(192, 0, 2, 1)),
                };
                answer.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
                answer.add_query(query);
            }
            if let Ok(bytes) = encode_message(&answer, 1232) {
                // Errs if the client is gone, which then needs no answer.
                let _ = socket.send_to(&bytes, from);
            }
        }
    });
    Ok(address)
}

fn ours(server: SocketAddr) -> deferred::Result<(Reactor, Dns)> {
    let reactor = Reactor::new()?;
    let dns = Dns::new(DnsConfig::new([server]), Hosts::default());
    reactor.set_resolver(dns.clone());
    reactor.block_on(reactor.resolve(NAME, 80))?;
    Ok((reactor, dns))
}

fn records(server: SocketAddr) -> deferred::Result<Run> {
    let (reactor, dns) = ours(server)?;
    Ok(timed(move || {
        let found = dns.lookup(&reactor, NAME, RecordType::A).into_result();
        assert!(matches!(found, Ok(Ok(_))), "it is cached");
    }))
}

fn addresses(server: SocketAddr) -> deferred::Result<Run> {
    let (reactor, _dns) = ours(server)?;
    Ok(timed(move || {
        let found = reactor.resolve(NAME, 80).into_result();
        assert!(matches!(found, Ok(Ok(_))), "it is cached");
    }))
}

struct Peer {
    runtime: Runtime,
    resolver: TokioResolver,
}

fn hickory(server: SocketAddr) -> Result<Peer, Box<dyn Error>> {
    let mut config = NameServerConfig::udp(server.ip());
    for connection in &mut config.connections {
        connection.port = server.port();
    }
    let config = ResolverConfig::from_name_servers(vec![config]);
    let provider = TokioRuntimeProvider::default();
    let mut builder = TokioResolver::builder_with_config(config, provider);
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let resolver = {
        let _entered = runtime.enter();
        builder.build()?
    };
    runtime.block_on(resolver.lookup(NAME, RecordType::A))?;
    runtime.block_on(resolver.lookup_ip(NAME))?;
    Ok(Peer { runtime, resolver })
}

impl Peer {
    fn records(self) -> Run {
        Box::new(move |times| {
            self.runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..times {
                    let found = self.resolver.lookup(NAME, RecordType::A).await;
                    assert!(found.is_ok(), "it is cached");
                }
                start.elapsed()
            })
        })
    }

    fn addresses(self) -> Run {
        Box::new(move |times| {
            self.runtime.block_on(async {
                let start = Instant::now();
                for _ in 0..times {
                    let found = self.resolver.lookup_ip(NAME).await;
                    assert!(found.is_ok(), "it is cached");
                }
                start.elapsed()
            })
        })
    }
}
