//! `DnsConfig`: which servers to ask, and how.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use hickory_proto::rr::Name;
use resolv_conf::{Config, ScopedIp};

#[cfg(feature = "tls")]
use crate::upstream::TlsServerName;
use crate::upstream::Upstream;

const PORT: u16 = 53;
/// This limit and the next two are those of `resolv.conf(5)`.
const MAX_NDOTS: u32 = 15;
const MAX_TIMEOUT: u32 = 30;
const MAX_ATTEMPTS: u32 = 5;
const MAX_CACHED: usize = 4096;

/// Which servers a [`Dns`](crate::Dns) asks, and how.
///
/// # Examples
///
/// ```
/// use reactor_names::DnsConfig;
/// use std::time::Duration;
///
/// let config = DnsConfig::new(["192.0.2.53:53".parse()?, "198.51.100.53:53".parse()?])
///     .search(["example.org"])
///     .timeout(Duration::from_secs(1));
/// let parsed = DnsConfig::parse(
///     "nameserver 192.0.2.53\nnameserver 198.51.100.53\nsearch example.org\noptions timeout:1",
/// );
/// assert_eq!(config, parsed);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsConfig {
    pub(crate) servers: Vec<Upstream>,
    pub(crate) search: Vec<Name>,
    pub(crate) ndots: usize,
    pub(crate) timeout: Duration,
    pub(crate) attempts: u32,
    pub(crate) rotate: bool,
    pub(crate) ipv6: bool,
    pub(crate) use_tcp: bool,
    pub(crate) reload: bool,
    pub(crate) max_cached: usize,
}

impl DnsConfig {
    /// Asks `servers`, with the defaults of `resolv.conf(5)`: 5 seconds for each question, 2
    /// rounds, no search list.
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self {
            servers: servers.into_iter().map(Upstream::Clear).collect(),
            // The defaults are those of an empty `resolv.conf`, so that there is one list of them.
            // Its server, this machine, is replaced.
            ..Self::from_parsed(&Config::new())
        }
    }

    /// Asks `servers` over TLS (RFC 7858), and never in clear: each has its address, usually with
    /// the port 853, and the name that its certificate must have. If a server fails, the next one
    /// is asked; if all fail, the look-up fails.
    ///
    /// Questions share a connection, as over TCP, and are padded to a multiple of 128 bytes, so
    /// that their lengths reveal little (RFC 8467). The configurations of two calls are not
    /// equal, even with the same arguments.
    ///
    /// # Errors
    ///
    /// A name is neither that of a host nor an IP address.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor_names::{Dns, DnsConfig, Hosts};
    /// use reactor_tls::TlsClient;
    ///
    /// let tls = TlsClient::builder().build()?;
    /// let servers = [
    ///     ("9.9.9.9:853".parse()?, "dns.quad9.net"),
    ///     ("149.112.112.112:853".parse()?, "dns.quad9.net"),
    /// ];
    /// let dns = Dns::new(DnsConfig::over_tls(&tls, servers)?, Hosts::default());
    /// # drop(dns);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "tls")]
    pub fn over_tls<S: AsRef<str>>(
        tls: &reactor_tls::TlsClient,
        servers: impl IntoIterator<Item = (SocketAddr, S)>,
    ) -> Result<Self, reactor_tls::TlsConfigError> {
        let with_name = |(address, name): (SocketAddr, S)| {
            TlsServerName::new(tls, address, name.as_ref()).map(Upstream::Tls)
        };
        Ok(Self {
            servers: servers
                .into_iter()
                .map(with_name)
                .collect::<Result<_, _>>()?,
            ..Self::from_parsed(&Config::new())
        })
    }

    /// Parses the text of a `resolv.conf`; malformed parts are ignored. If the text names no
    /// server, the one on this machine is asked.
    pub fn parse(text: impl AsRef<[u8]>) -> Self {
        let (parsed, errors) = Config::parse_with_errors(text.as_ref());
        for error in errors {
            tracing::debug!(target: "reactor", %error, "resolv.conf");
        }
        Self::from_parsed(&parsed)
    }

    fn from_parsed(parsed: &Config) -> Self {
        let mut servers: Vec<_> = parsed
            .nameservers
            .iter()
            .filter_map(address)
            .map(Upstream::Clear)
            .collect();
        if servers.is_empty() {
            let this_machine = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);
            servers.push(Upstream::Clear(this_machine));
        }
        Self {
            servers,
            search: suffixes(parsed.get_last_search_or_domain()),
            ndots: parsed.ndots.min(MAX_NDOTS) as usize,
            // At least one second and one round: with 0, each look-up would fail at once.
            timeout: Duration::from_secs(parsed.timeout.clamp(1, MAX_TIMEOUT).into()),
            attempts: parsed.attempts.clamp(1, MAX_ATTEMPTS),
            rotate: parsed.rotate,
            ipv6: !parsed.no_aaaa,
            use_tcp: parsed.use_vc,
            reload: !parsed.no_reload,
            max_cached: MAX_CACHED,
        }
    }

    /// Sets the suffixes that are tried for names with few dots; a suffix that is not a valid name
    /// is ignored.
    #[must_use]
    pub fn search<S: AsRef<str>>(mut self, suffixes_: impl IntoIterator<Item = S>) -> Self {
        self.search = suffixes(suffixes_);
        self
    }

    /// A name with at least this many dots is asked for as it is before the suffixes are tried.
    /// Without this, 1.
    #[must_use]
    pub fn ndots(mut self, dots: usize) -> Self {
        self.ndots = dots;
        self
    }

    /// How long to wait for the answer of one server. Without this, 5 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Number of rounds in which all servers are asked, until one has answered; at least 1. Without
    /// this, 2.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        // Without a round, no server would be asked.
        self.attempts = attempts.max(1);
        self
    }

    /// Begins with another server for each question.
    #[must_use]
    pub fn rotate(mut self, rotate: bool) -> Self {
        self.rotate = rotate;
        self
    }

    /// Asks over TCP only.
    #[must_use]
    pub fn use_tcp(mut self, use_tcp: bool) -> Self {
        self.use_tcp = use_tcp;
        self
    }

    /// Most answers in the cache. Without this, 4,096. 0 turns the cache off.
    #[must_use]
    pub fn max_cached(mut self, answers: usize) -> Self {
        self.max_cached = answers;
        self
    }
}

/// `None` if it is behind an interface (`fe80::1%eth0`) that this machine does not have.
fn address(server: &ScopedIp) -> Option<SocketAddr> {
    match server {
        // The system knows the numbers of interfaces. It asks no server, since the text is an
        // address.
        ScopedIp::V6(ip, Some(interface)) => {
            let addresses = (format!("{ip}%{interface}"), PORT).to_socket_addrs();
            addresses.ok().and_then(|mut addresses| addresses.next())
        }
        ip => Some(SocketAddr::new(ip.into(), PORT)),
    }
}

fn suffixes<S: AsRef<str>>(suffixes: impl IntoIterator<Item = S>) -> Vec<Name> {
    let mut names = Vec::new();
    for suffix in suffixes {
        if let Ok(mut name) = Name::from_utf8(suffix.as_ref()) {
            name.set_fqdn(true);
            names.push(name);
        }
    }
    names
}
