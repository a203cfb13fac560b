//! `Hosts`: addresses from a hosts file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses of names, as a hosts file has them (`hosts(5)`).
///
/// # Examples
///
/// ```
/// use reactor_names::Hosts;
/// use std::net::IpAddr;
///
/// let hosts = Hosts::parse("192.0.2.1  printer.example.org printer  # second floor");
/// assert_eq!(hosts.addresses("Printer"), ["192.0.2.1".parse::<IpAddr>()?]);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    by_name: HashMap<String, Vec<IpAddr>>,
}

impl Hosts {
    /// Parses a hosts file; lines that do not begin with an address are ignored.
    pub fn parse(text: impl AsRef<[u8]>) -> Self {
        let mut hosts = Self::default();
        for line in String::from_utf8_lossy(text.as_ref()).lines() {
            let entry = line.split('#').next().unwrap_or_default();
            let mut words = entry.split_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse) else {
                continue;
            };
            for name in words {
                // All names of a line alike: the first is the canonical one in hosts(5), which no
                // look-up here asks for.
                hosts.add(name, address);
            }
        }
        hosts
    }

    /// Adds an address of a name.
    pub fn add(&mut self, name: &str, address: IpAddr) {
        let addresses = self.by_name.entry(key(name).into_owned()).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }

    /// The addresses of `name`, whatever its case; empty if the file does not have the name.
    /// `localhost` and the names below it are always this machine (RFC 6761).
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let key = key(name);
        if let Some(addresses) = self.by_name.get(&*key) {
            return addresses.clone();
        }
        if key == "localhost" || key.ends_with(".localhost") {
            return vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        }
        Vec::new()
    }
}

fn key(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}
