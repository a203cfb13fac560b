//! `Dns` as the resolver of a reactor: hosts, then DNS.

use std::io;
use std::net::{IpAddr, SocketAddr};

use deferred::{Deferred, Failure, Result, settled, succeed};
use hickory_proto::rr::{Name, RData, RecordType};
use reactor::{ReactorHandle, ResolveError, Resolver};

use super::dns::{Dns, SearchErrors};
use super::lookup::Lookup;

impl Resolver for Dns {
    fn resolve(&self, reactor: &ReactorHandle, host: &str, port: u16) -> Deferred<Vec<SocketAddr>> {
        let with_port = move |ips: Vec<IpAddr>| -> Vec<SocketAddr> {
            ips.into_iter()
                .map(|ip| SocketAddr::new(ip, port))
                .collect()
        };
        // The hosts file comes first, as with "hosts: files dns" in `nsswitch.conf`, and without
        // the search list.
        let known = self.hosts(reactor).addresses(host);
        if !known.is_empty() {
            return succeed(with_port(known));
        }
        let (handle, given) = (reactor.clone(), host.to_owned());
        self.search(reactor, host, RecordType::A, move |dns, name| {
            dns.addresses(&handle, name)
        })
        .add_both(move |found| match found {
            Ok(addresses) => Ok(with_port(addresses)),
            Err(failure) => Err(resolve_error(given, failure)),
        })
    }
}

impl Dns {
    /// IPv6 first, as RFC 6724 has it; a connection tries both. If there are addresses of one family,
    /// a failure of the other does not count.
    fn addresses(&self, reactor: &ReactorHandle, name: Name) -> Deferred<Vec<IpAddr>> {
        let mut types = vec![RecordType::A];
        if self.config().ipv6 {
            // The results are in the order of the types, whichever answer comes first.
            types.insert(0, RecordType::AAAA);
        }
        let asked = types
            .into_iter()
            .map(|record_type| self.lookup_absolute(reactor, name.clone(), record_type));
        settled(asked).add_callback(|results: Vec<Result<Lookup>>| {
            let (mut addresses, mut errors) = (Vec::new(), SearchErrors::default());
            // A timeout or a cancel of one family. It is reported only if the other has no
            // addresses.
            let mut fatal = None;
            for result in results {
                match result {
                    Ok(found) => addresses.extend(found.records.iter().filter_map(address)),
                    Err(failure) => fatal = errors.add(failure).err().or_else(|| fatal.take()),
                }
            }
            if !addresses.is_empty() {
                return Ok(addresses);
            }
            // The name is not used: at least one type was asked for, so there is an error.
            Err(fatal.unwrap_or_else(|| errors.result("", RecordType::A)))
        })
    }
}

fn address(record: &hickory_proto::rr::Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(address) => Some(address.0.into()),
        RData::AAAA(address) => Some(address.0.into()),
        _ => None,
    }
}

/// The error that [`ReactorHandle::resolve`] promises, with the [`LookupError`] as its source. A
/// cancelled look-up stays that.
///
/// [`LookupError`]: crate::LookupError
fn resolve_error(host: String, failure: Failure) -> Failure {
    match failure.downcast_ref::<crate::error::LookupError>() {
        Some(error) => {
            let source = io::Error::other(error.clone());
            Failure::new(ResolveError::new(host, Some(source)))
        }
        None => failure,
    }
}
