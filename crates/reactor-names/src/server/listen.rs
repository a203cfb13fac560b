//! `DnsServer`: UDP and TCP on the same port.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Result};
use reactor::{DatagramPort, HostPort, ListeningPort, ReactorHandle, TcpListenOptions, UdpOptions};

use super::answers::Answers;
use super::rate_limit::RateLimit;
use super::tcp::{DnsOverTcp, IDLE_TIMEOUT};
use super::udp::DnsOverUdp;

/// If the system chooses the port for TCP: most ports that are tried until one is free for UDP,
/// too.
const PORTS_TO_TRY: usize = 10;

/// A DNS server on UDP and TCP. (Twisted: a `DNSServerFactory` and a `DNSDatagramProtocol`.)
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// use reactor_names::{DnsServer, Zone};
///
/// # let text = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n";
/// testing::run(|reactor| {
///     let zone = Zone::parse(text, "example.org.").unwrap();
///     let port = DnsServer::new(zone).listen(reactor, "192.0.2.1:53").unwrap();
///     assert_eq!(port.address().to_string(), "192.0.2.1:53");
/// #   port.stop_listening().ignore();
/// });
/// ```
#[must_use = "it answers nothing before it listens"]
pub struct DnsServer {
    answers: Rc<dyn Answers>,
    idle_timeout: Duration,
    rate_limit: Option<RateLimit>,
    reuse_port: bool,
}

impl DnsServer {
    /// A server that answers by `answers`.
    pub fn new(answers: impl Answers) -> Self {
        Self {
            answers: Rc::new(answers),
            idle_timeout: IDLE_TIMEOUT,
            rate_limit: None,
            reuse_port: false,
        }
    }

    /// How long a connection may be silent before it is closed; 10 seconds by default.
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Limits how many responses over UDP a network gets; there is no limit by default.
    pub fn with_rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate_limit = Some(limit);
        self
    }

    /// Lets other sockets listen on the same address, if they have this option, too: those of the
    /// other reactors of [`Cores`](reactor::Cores). The system shares the clients between them.
    pub fn with_reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// Listens on UDP and TCP at `address`. Port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// The address is malformed, unavailable or in use, or is a name.
    pub fn listen(&self, reactor: &ReactorHandle, address: impl Into<HostPort>) -> Result<DnsPort> {
        let address = address.into();
        let system_chooses = address.to_string().ends_with(":0");
        let mut left = if system_chooses { PORTS_TO_TRY } else { 1 };
        loop {
            let options = TcpListenOptions::new(address.clone()).reuse_port(self.reuse_port);
            let (answers, timeout) = (Rc::clone(&self.answers), self.idle_timeout);
            // TCP chooses the port: connections that have ended keep theirs for a minute, so a port
            // that is free for UDP is more often taken for TCP than the other way round.
            let tcp = reactor.listen_tcp(options, move || {
                DnsOverTcp::new(Rc::clone(&answers)).with_idle_timeout(timeout)
            })?;
            let options = UdpOptions::new(tcp.address()).listen_multiple(self.reuse_port);
            let mut protocol = DnsOverUdp::new(Rc::clone(&self.answers));
            if let Some(limit) = &self.rate_limit {
                protocol = protocol.with_rate_limit(limit.clone());
            }
            match reactor.listen_udp(options, protocol) {
                Ok(udp) => return Ok(DnsPort { udp, tcp }),
                Err(error) => {
                    // The result is not waited for: the next attempt gets another port from the
                    // system.
                    tcp.stop_listening().ignore();
                    left -= 1;
                    if left == 0 {
                        return Err(error.into());
                    }
                }
            }
        }
    }
}

impl fmt::Debug for DnsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsServer")
            .field("idle_timeout", &self.idle_timeout)
            .field("rate_limit", &self.rate_limit)
            .field("reuse_port", &self.reuse_port)
            .finish_non_exhaustive()
    }
}

/// Where a [`DnsServer`] listens.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// use reactor_names::{DnsServer, Zones};
///
/// testing::run(|reactor| {
///     let port = DnsServer::new(Zones::new()).listen(reactor, "192.0.2.1:53").unwrap();
///     reactor.result_of(port.stop_listening()).unwrap();
/// });
/// ```
#[derive(Debug)]
pub struct DnsPort {
    udp: DatagramPort<DnsOverUdp>,
    tcp: ListeningPort,
}

impl DnsPort {
    /// The address, the same for UDP and TCP.
    #[doc(alias = "local_addr")]
    #[doc(alias = "getHost")]
    pub fn address(&self) -> SocketAddr {
        self.tcp.address()
    }

    /// Closes the UDP and the TCP port. The Deferred fires when both are closed. Open connections
    /// go on until they have been silent for the idle timeout.
    #[doc(alias = "stopListening")]
    pub fn stop_listening(&self) -> Deferred<()> {
        let (udp, tcp) = (self.udp.stop_listening(), self.tcp.stop_listening());
        udp.add_both(|closed_udp| tcp.add_callback(|()| closed_udp))
    }
}
