//! `Forwarder`: answers that other servers give.

use deferred::{Cancelled, Deferred, Failure, Result};
use hickory_proto::op::{Message, ResponseCode};
use ipnet::IpNet;
use reactor::ReactorHandle;

use super::answers::Answers;
use super::clients::{Networks, is_local};
use super::request::DnsRequest;
use crate::client::Dns;
use crate::error::{LookupError, LookupErrorKind};

/// Answers by asking the servers of a [`Dns`], which caches their answers. (Twisted:
/// `client.Resolver` and `cache.CacheResolver` as clients of a `DNSServerFactory`.)
///
/// - Only programs of the same machine may ask, unless [`allow`](Self::allow) adds networks:
///   attackers use a server that resolves for all clients to flood others. Other clients are
///   REFUSED, and so are questions that do not ask for recursion.
/// - Equal questions at the same time are asked once. A TTL is the time for which the record
///   remains valid.
/// - The answer that a name does not exist has the SOA record with its TTL, so that the client can
///   cache it, too.
/// - If all servers are silent or fail, the response is SERVFAIL.
///
/// Behind a [`Zones`](crate::Zones), it answers for all names that no zone has.
///
/// # Examples
///
/// ```
/// use reactor::testing;
/// use reactor_names::hickory_proto::rr::Name;
/// use reactor_names::{Dns, DnsConfig, DnsServer, Forwarder, Hosts, Zones};
///
/// testing::run(|reactor| {
///     let dns = Dns::new(DnsConfig::new(["192.0.2.53:53".parse().unwrap()]), Hosts::default());
///     let forwarder = Forwarder::new(dns).allow(["10.0.0.0/8".parse().unwrap()]);
///     let mut zones = Zones::new();
///     zones.add(Name::root(), forwarder);
///     let port = DnsServer::new(zones).listen(reactor, "10.0.0.1:53").unwrap();
/// #   port.stop_listening().ignore();
/// });
/// ```
#[derive(Debug)]
pub struct Forwarder {
    dns: Dns,
    networks: Networks,
}

impl Forwarder {
    /// Asks the servers of `dns`, for programs of the same machine.
    pub fn new(dns: Dns) -> Self {
        Self {
            dns,
            networks: Networks::default(),
        }
    }

    /// Answers the clients of these networks, too.
    ///
    /// The address of a client over UDP may be forged: a server that can be reached from outside of
    /// its networks needs a packet filter that drops such datagrams.
    #[must_use]
    pub fn allow(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.networks.extend(networks);
        self
    }
}

impl Answers for Forwarder {
    fn answer(
        &self,
        reactor: &ReactorHandle,
        request: &DnsRequest,
        mut response: Message,
    ) -> Deferred<Message> {
        let is_allowed = is_local(request.client()) || self.networks.contains(request.client());
        // Without the bit, a question is for the cache only: the answer would reveal what others
        // have asked.
        if !is_allowed || !request.message().metadata.recursion_desired {
            response.metadata.response_code = ResponseCode::Refused;
            return deferred::succeed(response);
        }
        response.metadata.recursion_available = true;
        let question = request.question();
        // `lookup_absolute` does not check whether the files of the configuration have changed.
        self.dns.refresh(reactor);
        self.dns
            .lookup_absolute(reactor, question.name().clone(), question.query_type())
            .add_both(|found| {
                match found {
                    Ok(found) => {
                        response.add_answers(found.aliases.into_iter().chain(found.records));
                    }
                    Err(failure) => nothing(failure, &mut response)?,
                }
                Ok(response)
            })
    }
}

/// Makes `response` the answer to a question that has failed.
///
/// # Errors
///
/// The client has closed its connection.
fn nothing(failure: Failure, response: &mut Message) -> Result<()> {
    if failure.is::<Cancelled>() {
        return Err(failure);
    }
    let error = failure.downcast_ref::<LookupError>();
    response.metadata.response_code = match error.map(LookupError::kind) {
        Some(LookupErrorKind::NoSuchName) => ResponseCode::NXDomain,
        Some(LookupErrorKind::NoRecords) => ResponseCode::NoError,
        _ => {
            tracing::debug!(target: "reactor", %failure, "a forwarded DNS question has no answer");
            ResponseCode::ServFail
        }
    };
    if let Some(error) = error {
        // The aliases lead to the name that does not exist: without them, the SOA record would be
        // of a zone that the client has not asked for.
        response.add_answers(error.aliases().iter().cloned());
        response.add_authorities(error.soa().cloned());
    }
    Ok(())
}
