//! `RateLimit`: response rate limiting, so that a server does not flood the hosts whose addresses
//! are forged.

use std::collections::HashMap;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use reactor::Address;

use super::clients::{Networks, is_local};

/// The responses that are allowed in this time may be sent at once.
const BURST: Duration = Duration::from_secs(1);
/// Most prefixes that a port remembers, by default.
const MAX_PREFIXES: usize = 100_000;

/// How many responses over UDP a server sends to a network. (nsd: `rrl-ratelimit`; bind:
/// `rate-limit`.)
///
/// The address of a client over UDP may be forged: then the responses, which are longer than the
/// questions, flood the host with that address. The limit is on the responses per second to the
/// clients of a network (of an IPv4 prefix of 24 bits, an IPv6 prefix of 56). Of the questions
/// beyond it, each second one is answered by a truncated response without records, and the others
/// are dropped. A client with its own address then asks over TCP, which has no limit, since
/// addresses cannot be forged there. Programs of the same machine are not limited.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// use reactor_names::{DnsServer, RateLimit, Zone};
///
/// # let text = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n";
/// testing::run(|reactor| {
///     let zone = Zone::parse(text, "example.org.").unwrap();
///     let limit = RateLimit::new(200).except(["10.0.0.0/8".parse().unwrap()]);
///     let server = DnsServer::new(zone).with_rate_limit(limit);
///     let port = server.listen(reactor, "192.0.2.1:53").unwrap();
/// #   port.stop_listening().ignore();
/// });
/// ```
#[derive(Clone, Debug)]
pub struct RateLimit {
    interval: Duration,
    slip: u32,
    networks: Networks,
    max_prefixes: usize,
}

impl RateLimit {
    /// At most `per_second` responses to each network; at least 1.
    pub fn new(per_second: u32) -> Self {
        Self {
            interval: BURST / per_second.max(1),
            slip: 2,
            networks: Networks::default(),
            max_prefixes: MAX_PREFIXES,
        }
    }

    /// Of the questions beyond the limit, each `slip`-th gets a truncated response: each second
    /// one by default; all of them with 1, and none with 0.
    #[must_use]
    pub fn slip(mut self, slip: u32) -> Self {
        self.slip = slip;
        self
    }

    /// Does not limit the clients of these networks.
    #[must_use]
    pub fn except(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.networks.extend(networks);
        self
    }

    /// Most prefixes that a port remembers; 100,000 by default, in 5 MB. If there are more, the
    /// port forgets those from which nothing has come for the longest time.
    #[must_use]
    pub fn max_prefixes(mut self, count: usize) -> Self {
        self.max_prefixes = count;
        self
    }
}

/// The decision about a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Answered,
    /// It gets a response that only says that the client should ask over TCP.
    Truncated,
    Dropped,
}

/// The limit of one port, and the usage of each prefix.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: RateLimit,
    /// Two generations of at most half of the prefixes each. A prefix that is seen moves to the
    /// recent one; when that is full, the earlier one is forgotten.
    recent: HashMap<Prefix, Usage>,
    earlier: HashMap<Prefix, Usage>,
}

/// The first bits of an address, those of IPv4 with the highest bit set.
type Prefix = u64;

/// What a prefix has used of its rate: the generic cell rate algorithm.
#[derive(Clone, Copy, Debug, Default)]
struct Usage {
    /// When the responses that were sent would be over, if they were sent one interval apart.
    until: Duration,
    /// Number of questions in a row that were beyond the limit.
    refused: u32,
}

impl Limiter {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            recent: HashMap::new(),
            earlier: HashMap::new(),
        }
    }

    pub(super) fn admit(&mut self, client: SocketAddr, now: Duration) -> Admission {
        let address = Address::Inet(client);
        if is_local(&address) || self.limit.networks.contains(&address) {
            return Admission::Answered;
        }
        let (interval, slip) = (self.limit.interval, self.limit.slip);
        let usage = self.usage(prefix(client.ip()));
        let until = usage.until.max(now) + interval;
        // A question beyond the limit does not move `until`: a flood is answered at the rate of the
        // limit, and a client that pauses for a second has its whole burst again.
        if until <= now + BURST {
            *usage = Usage { until, refused: 0 };
            return Admission::Answered;
        }
        usage.refused = usage.refused.wrapping_add(1);
        match usage.refused.checked_rem(slip) {
            // `checked_rem` gives `None` for a slip of 0, which is "no truncated responses".
            Some(0) => Admission::Truncated,
            _ => Admission::Dropped,
        }
    }

    fn usage(&mut self, prefix: Prefix) -> &mut Usage {
        if !self.recent.contains_key(&prefix) {
            // Taken out before the generations change, or the prefix would be forgotten with the
            // earlier one.
            let known = self.earlier.remove(&prefix).unwrap_or_default();
            if self.recent.len() >= (self.limit.max_prefixes / 2).max(1) {
                self.earlier = mem::take(&mut self.recent);
            }
            self.recent.insert(prefix, known);
        }
        // Looked up a second time: a borrow from the first look-up would last until the end of the
        // function.
        self.recent.entry(prefix).or_default()
    }
}

fn prefix(ip: IpAddr) -> Prefix {
    match ip.to_canonical() {
        IpAddr::V4(ip) => 1 << 63 | u64::from(ip.to_bits() >> 8),
        // 56 of 128 bits, so the cast is lossless. The highest bit is clear, so no prefix of IPv6
        // is one of IPv4.
        IpAddr::V6(ip) => (ip.to_bits() >> 72) as u64,
    }
}
