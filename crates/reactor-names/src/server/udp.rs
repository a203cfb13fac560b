//! `DnsOverUdp`: a server's UDP port.

use std::fmt;
use std::net::SocketAddr;

use deferred::Result;
use reactor::{Address, DatagramContext, DatagramProtocol};

use super::answers::Answers;
use super::rate_limit::{Admission, Limiter, RateLimit};
use super::request::Transport;
use super::respond::{Reply, respond, truncated};

/// Most questions of a port that are being answered. More are dropped, as by a full network: the
/// client asks again.
const MAX_PENDING: usize = 10_000;

/// DNS over UDP, for [`listen_udp`](reactor::ReactorHandle::listen_udp). (Twisted:
/// `DNSDatagramProtocol` of a `DNSServerFactory`.)
///
/// A response that does not fit into 512 bytes, or into the size that the client accepts by
/// EDNS, up to 1232, is truncated, and the client asks again over TCP: listen with
/// [`DnsOverTcp`](crate::DnsOverTcp) on the same port. A message that is itself a response (its
/// bit QR is set) is not answered, because two servers would answer each other forever.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// use reactor_names::{DnsOverUdp, Zone};
///
/// # let text = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n";
/// testing::run(|reactor| {
///     let zone = Zone::parse(text, "example.org.").unwrap();
///     let port = reactor.listen_udp("192.0.2.1:53", DnsOverUdp::new(zone)).unwrap();
///     let client = reactor.datagram_peer("192.0.2.2:1000");
///     // "ns.example.org.", A
///     let question = b"\0\x07\0\0\0\x01\0\0\0\0\0\0\x02ns\x07example\x03org\0\0\x01\0\x01";
///     client.send_to(question, "192.0.2.1:53".parse().unwrap());
///     assert!(client.received()[0].0.ends_with(&[192, 0, 2, 1]));
/// #   port.stop_listening().ignore();
/// });
/// ```
pub struct DnsOverUdp {
    answers: Box<dyn Answers>,
    limiter: Option<Limiter>,
    pending: usize,
}

impl DnsOverUdp {
    /// Answers by `answers`; usually an `Rc` that several ports share.
    pub fn new(answers: impl Answers) -> Self {
        Self {
            answers: Box::new(answers),
            limiter: None,
            pending: 0,
        }
    }

    /// Limits how many responses a network gets; there is no limit by default.
    #[must_use]
    pub fn with_rate_limit(mut self, limit: RateLimit) -> Self {
        self.limiter = Some(Limiter::new(limit));
        self
    }
}

impl DatagramProtocol for DnsOverUdp {
    type Address = SocketAddr;

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        from: SocketAddr,
    ) -> Result<()> {
        // Before the limiter: a dropped question must use up nothing of its network's rate.
        if self.pending >= MAX_PENDING {
            tracing::debug!(%from, "too many pending questions: one is dropped");
            return Ok(());
        }
        if let Some(limiter) = &mut self.limiter {
            match limiter.admit(from, cx.reactor().now()) {
                Admission::Answered => {}
                Admission::Truncated => {
                    if let Some(response) = truncated(data) {
                        send(cx, &response, from);
                    }
                    return Ok(());
                }
                Admission::Dropped => return Ok(()),
            }
        }
        let client = Address::Inet(from);
        // There are no transfers over UDP.
        let Reply::Message(response) =
            respond(&*self.answers, cx.reactor(), data, client, Transport::Udp)
        else {
            return Ok(());
        };
        // A response that is there already is sent at once, without a further step of the loop.
        let pending = match response.into_result() {
            Ok(response) => {
                // Errs if not even SERVFAIL can be encoded. The reactor reports it; the port stays
                // open.
                send(cx, &response?, from);
                return Ok(());
            }
            Err(pending) => pending,
        };
        self.pending += 1;
        cx.when_or_cancel(pending, move |this, cx, response| {
            this.pending -= 1;
            send(cx, &response?, from);
            Ok(())
        });
        Ok(())
    }
}

fn send(cx: &mut DatagramContext<'_, DnsOverUdp>, response: &[u8], to: SocketAddr) {
    // An error is harmless: the port is closed, or the address that the client claims to have
    // cannot be reached.
    if let Err(error) = cx.send_to(response, to) {
        tracing::debug!(%to, %error, "a DNS response is not sent");
    }
}

impl fmt::Debug for DnsOverUdp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsOverUdp")
            .field("pending", &self.pending)
            .field("is_limited", &self.limiter.is_some())
            .finish_non_exhaustive()
    }
}
