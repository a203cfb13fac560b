//! Look-ups of one type of records each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use deferred::Deferred;
use hickory_proto::rr::rdata::{MX, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, RecordType};
use reactor::ReactorHandle;

use super::dns::Dns;

/// The data of the records that `pick` takes.
macro_rules! data {
    ($dns:ident, $reactor:ident, $name:expr, $kind:ident, $($pattern:pat => $value:expr),+) => {
        $dns.lookup($reactor, $name, RecordType::$kind)
            .add_callback(|found| {
                let data = found.records.into_iter().filter_map(|record| match record.data {
                    $($pattern => Some($value),)+
                    _ => None,
                });
                Ok(data.collect::<Vec<_>>())
            })
    };
}

/// Each fails as [`lookup`](Dns::lookup) does: a name without such records is an error, too.
impl Dns {
    /// The IPv4 addresses of a name. (The hosts file is not used: see
    /// [`ReactorHandle::resolve`].)
    pub fn lookup_a(&self, reactor: &ReactorHandle, name: &str) -> Deferred<Vec<Ipv4Addr>> {
        data!(self, reactor, name, A, RData::A(address) => address.0)
    }

    /// The IPv6 addresses of a name.
    pub fn lookup_aaaa(&self, reactor: &ReactorHandle, name: &str) -> Deferred<Vec<Ipv6Addr>> {
        data!(self, reactor, name, AAAA, RData::AAAA(address) => address.0)
    }

    /// The mail servers of a domain, the preferred ones first.
    pub fn lookup_mx(&self, reactor: &ReactorHandle, name: &str) -> Deferred<Vec<MX>> {
        data!(self, reactor, name, MX, RData::MX(mx) => mx).add_callback(|mut servers| {
            servers.sort_by_key(|mx| mx.preference);
            Ok(servers)
        })
    }

    /// The servers of a service (`_service._tcp.example.org`), in the order in which RFC 2782 has
    /// them tried: by priority, and at random by weight among equal ones.
    ///
    /// Empty if the only record says that the service is not available (its target is the root).
    pub fn lookup_srv(&self, reactor: &ReactorHandle, name: &str) -> Deferred<Vec<SRV>> {
        data!(self, reactor, name, SRV, RData::SRV(srv) => srv)
            .add_callback(|servers| Ok(in_order(servers)))
    }

    /// The texts of a name.
    pub fn lookup_txt(&self, reactor: &ReactorHandle, name: &str) -> Deferred<Vec<TXT>> {
        data!(self, reactor, name, TXT, RData::TXT(txt) => txt)
    }

    /// The names of an address.
    pub fn lookup_ptr(&self, reactor: &ReactorHandle, address: IpAddr) -> Deferred<Vec<Name>> {
        let name = Name::from(address).to_string();
        data!(self, reactor, &name, PTR, RData::PTR(ptr) => ptr.0)
    }

    /// The name servers of a zone.
    pub fn lookup_ns(&self, reactor: &ReactorHandle, name: &str) -> Deferred<Vec<Name>> {
        data!(self, reactor, name, NS, RData::NS(ns) => ns.0)
    }

    /// The record that begins a zone.
    pub fn lookup_soa(&self, reactor: &ReactorHandle, name: &str) -> Deferred<Vec<SOA>> {
        data!(self, reactor, name, SOA, RData::SOA(soa) => soa)
    }

    /// The name that a name is an alias of.
    pub fn lookup_cname(&self, reactor: &ReactorHandle, name: &str) -> Deferred<Vec<Name>> {
        data!(self, reactor, name, CNAME, RData::CNAME(cname) => cname.0)
    }
}

/// The order of RFC 2782: by priority, and within one priority drawn at random by weight.
fn in_order(mut left: Vec<SRV>) -> Vec<SRV> {
    left.retain(|srv| !srv.target.is_root());
    // Servers of weight 0 come first: one of them is chosen only if 0 is drawn.
    left.sort_by_key(|srv| (srv.priority, srv.weight));
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let equal = left.iter().take_while(|srv| srv.priority == first.priority);
        let total: u32 = equal.clone().map(|srv| u32::from(srv.weight)).sum();
        // Both ends are included, by RFC 2782: only 0 chooses a server of weight 0.
        let mut drawn = rand::random_range(0..=total);
        let position = equal
            .take_while(|srv| {
                let is_before = u32::from(srv.weight) < drawn;
                drawn = drawn.saturating_sub(srv.weight.into());
                is_before
            })
            .count();
        // Not `swap_remove`: the rest has to stay sorted for the next draw.
        ordered.push(left.remove(position));
    }
    ordered
}
