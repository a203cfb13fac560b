//! `Proxies`: which peers are trusted.

use std::net::IpAddr;

use ipnet::IpNet;
use reactor::Address;

/// Proxies that are trusted.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    networks: Vec<IpNet>,
    is_unix_trusted: bool,
    /// The first text that is neither an address nor a prefix.
    invalid: Option<String>,
}

impl Proxies {
    pub(super) fn new(proxies: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut this = Self::default();
        for proxy in proxies {
            let text = proxy.as_ref().trim();
            let address = || text.parse().ok().map(|ip: IpAddr| ip.to_canonical().into());
            match text.parse().ok().or_else(address) {
                Some(network) => this.networks.push(network),
                None => {
                    this.invalid.get_or_insert_with(|| text.to_owned());
                }
            }
        }
        this
    }

    pub(super) fn trust_unix(&mut self) {
        self.is_unix_trusted = true;
    }

    pub(super) fn invalid(&self) -> Option<&str> {
        self.invalid.as_deref()
    }

    /// Whether the other end of a connection is trusted.
    pub(super) fn trust(&self, peer: &Address) -> bool {
        match peer {
            Address::Inet(address) => self.trust_ip(address.ip()),
            Address::Unix(_) => self.is_unix_trusted,
            _ => false,
        }
    }

    pub(super) fn trust_ip(&self, ip: IpAddr) -> bool {
        // An IPv6 socket gives an IPv4 peer as a mapped address (`::ffff:192.0.2.1`).
        let ip = ip.to_canonical();
        self.networks.iter().any(|network| network.contains(&ip))
    }
}
