//! `Dns` as the resolver of a reactor: hosts, then DNS.

use std::io;
use std::net::SocketAddr;

use deferred::{Deferred, Failure, Result, settled, succeed};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use reactor::{ReactorHandle, ResolveError, Resolver};

use super::answer::Content;
use super::dns::{Dns, SearchErrors};
use super::lookup::Lookup;

impl Resolver for Dns {
    fn resolve(&self, reactor: &ReactorHandle, host: &str, port: u16) -> Deferred<Vec<SocketAddr>> {
        let known = self.hosts(reactor).addresses(host);
        if !known.is_empty() {
            let addresses = known.into_iter().map(|ip| SocketAddr::new(ip, port));
            return succeed(addresses.collect());
        }
        let found = self.search(reactor, host, RecordType::A, move |dns, reactor, name| {
            dns.addresses(reactor, name, port)
        });
        match found.into_result() {
            Ok(result) => Deferred::from(result.map_err(|failure| resolve_error(host, failure))),
            Err(pending) => {
                let given = host.to_owned();
                pending.add_errback(move |failure| Err(resolve_error(&given, failure)))
            }
        }
    }
}

impl Dns {
    /// The addresses of a name, IPv6 first, as in RFC 6724; a connection tries both. If there are
    /// addresses of one family, a failure of the other does not count.
    fn addresses(
        &self,
        reactor: &ReactorHandle,
        name: Name,
        port: u16,
    ) -> Deferred<Vec<SocketAddr>> {
        let types: &[_] = match self.config().ipv6 {
            true => &[RecordType::AAAA, RecordType::A],
            false => &[RecordType::A],
        };
        if let Some(addresses) = self.cached_addresses(reactor, &name, types, port) {
            return succeed(addresses);
        }
        let asked = types
            .iter()
            .map(|record_type| self.lookup_absolute(reactor, name.clone(), *record_type));
        settled(asked).add_callback(move |results: Vec<Result<Lookup>>| {
            let (mut addresses, mut errors) = (Vec::new(), SearchErrors::default());
            // A timeout or a cancel of one family. It is reported only if the other has no
            // addresses.
            let mut fatal = None;
            for result in results {
                match result {
                    Ok(found) => addresses.extend(addresses_in(&found.records, port)),
                    Err(failure) => fatal = errors.add(failure).err().or_else(|| fatal.take()),
                }
            }
            if !addresses.is_empty() {
                return Ok(addresses);
            }
            // The empty name is not used: at least one type was asked for, so `errors` has a
            // failure.
            Err(fatal.unwrap_or_else(|| errors.result("", RecordType::A)))
        })
    }

    /// The addresses, if the cache has the answers for all types. No record is copied.
    fn cached_addresses(
        &self,
        reactor: &ReactorHandle,
        name: &Name,
        types: &[RecordType],
        port: u16,
    ) -> Option<Vec<SocketAddr>> {
        let (known, now) = (self.per_reactor(reactor), reactor.now());
        let mut cache = known.cache.borrow_mut();
        let mut addresses = Vec::new();
        for record_type in types {
            match cache.peek(&(name.clone(), *record_type), now)? {
                Content::Records { records, .. } => addresses.extend(addresses_in(records, port)),
                Content::None { .. } => {}
                // Its target must be asked for.
                Content::Alias { .. } => return None,
            }
        }
        // If there are no addresses, `None`: the caller asks again, and so gets the error.
        (!addresses.is_empty()).then_some(addresses)
    }
}

fn addresses_in(records: &[Record], port: u16) -> impl Iterator<Item = SocketAddr> {
    records.iter().filter_map(move |record| match &record.data {
        RData::A(address) => Some((address.0, port).into()),
        RData::AAAA(address) => Some((address.0, port).into()),
        _ => None,
    })
}

/// The error that [`ReactorHandle::resolve`] promises, with the [`LookupError`] as its source.
/// Another failure, such as `Cancelled`, is returned unchanged.
///
/// [`LookupError`]: crate::LookupError
fn resolve_error(host: &str, failure: Failure) -> Failure {
    match failure.downcast_ref::<crate::error::LookupError>() {
        Some(error) => {
            let source = io::Error::other(error.clone());
            Failure::new(ResolveError::new(host, Some(source)))
        }
        None => failure,
    }
}
