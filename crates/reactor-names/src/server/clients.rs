//! Permissions of clients, by their networks.

use std::net::IpAddr;

use ipnet::IpNet;
use reactor::Address;

/// Networks whose clients have a permission.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks(Vec<IpNet>);

impl Networks {
    pub(super) fn extend(&mut self, networks: impl IntoIterator<Item = IpNet>) {
        self.0.extend(networks);
    }

    pub(super) fn contains(&self, client: &Address) -> bool {
        ip_of(client).is_some_and(|ip| self.0.iter().any(|network| network.contains(&ip)))
    }
}

/// The IP address of a client. A port for both families reports IPv4 clients by IPv6 addresses,
/// which this converts to IPv4 addresses.
pub(super) fn ip_of(client: &Address) -> Option<IpAddr> {
    client.as_inet().map(|address| address.ip().to_canonical())
}

/// Whether the client is a program of the same machine.
pub(super) fn is_local(client: &Address) -> bool {
    match client {
        Address::Inet(address) => address.ip().to_canonical().is_loopback(),
        Address::Unix(_) => true,
        _ => false,
    }
}
