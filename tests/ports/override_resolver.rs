//! `docs/names/howto/listings/names/override_server.py`: its `DynamicResolver` and the fallback,
//! for the reactor's own names; the original serves them by DNS

use std::net::{Ipv4Addr, SocketAddr};

use deferred::{Deferred, Result, fail, succeed};
use reactor::{ReactorHandle, Resolver, SystemResolver};

const PATTERN: &str = "workstation";

struct DynamicResolver {
    fallback: SystemResolver,
}

impl DynamicResolver {
    fn dynamic_response(label: &str) -> Result<Ipv4Addr> {
        Ok(Ipv4Addr::new(172, 0, 2, label.parse()?))
    }
}

impl Resolver for DynamicResolver {
    fn resolve(&self, reactor: &ReactorHandle, host: &str, port: u16) -> Deferred<Vec<SocketAddr>> {
        let first = host.split('.').next().unwrap_or_default();
        match first.strip_prefix(PATTERN).map(Self::dynamic_response) {
            Some(Ok(ip)) => succeed(vec![SocketAddr::new(ip.into(), port)]),
            Some(Err(failure)) => fail(failure),
            None => self.fallback.resolve(reactor, host, port),
        }
    }
}

pub(crate) fn start(reactor: &ReactorHandle) {
    let fallback = SystemResolver::new();
    reactor.set_resolver(DynamicResolver { fallback });
}
