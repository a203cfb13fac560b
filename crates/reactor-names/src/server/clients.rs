//! Permissions of clients, by their networks.

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
        client
            .ip()
            .is_some_and(|ip| self.0.iter().any(|network| network.contains(&ip)))
    }
}

/// Whether the client is a program of the same machine.
pub(super) fn is_local(client: &Address) -> bool {
    match client {
        Address::Unix(_) => true,
        _ => client.ip().is_some_and(|ip| ip.is_loopback()),
    }
}
