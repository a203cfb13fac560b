//! `Answers`: the trait of the code that gives a server its answers.

use std::rc::Rc;

use deferred::{Deferred, succeed};
use hickory_proto::op::Message;
use reactor::ReactorHandle;

use super::request::DnsRequest;
use super::zone::Zone;

/// Gives the response to each question of a server: a [`Zone`](crate::Zone), [`Zones`](crate::Zones),
/// a [`Forwarder`](crate::Forwarder), a closure. (Twisted: the authorities and clients of a `DNSServerFactory`.)
///
/// # Examples
/// A server that has one address for all names, and asks no other server:
///
/// ```
/// use deferred::Deferred;
/// use hickory_proto::op::{Message, Query};
/// use hickory_proto::rr::{Name, RData, Record, RecordType, rdata::A};
/// use reactor::{ReactorHandle, testing};
/// use reactor_names::{DnsOverUdp, DnsRequest, decode_message, encode_message, hickory_proto};
///
/// let everywhere = |_: &ReactorHandle, request: &DnsRequest, mut response: Message| {
///     let name = request.question().name().clone();
///     response.add_answer(Record::from_rdata(name, 60, RData::A(A::new(192, 0, 2, 7))));
///     deferred::succeed(response)
/// };
///
/// testing::run(|reactor| {
///     let server = "192.0.2.1:53".parse().unwrap();
///     let port = reactor.listen_udp(server, DnsOverUdp::new(everywhere)).unwrap();
///     let mut question = Message::query();
///     question.add_query(Query::query(Name::from_ascii("any.example.").unwrap(), RecordType::A));
///     let client = reactor.datagram_peer("192.0.2.2:1000");
///     client.send_to(encode_message(&question, 512).unwrap(), server);
///     let response = decode_message(&client.received()[0].0).unwrap();
///     assert_eq!(response.answers[0].data, RData::A(A::new(192, 0, 2, 7)));
/// #   port.stop_listening().ignore();
/// });
/// ```
pub trait Answers: 'static {
    /// The response to `request`, whose question is of the class IN.
    ///
    /// `response` is prepared: it has the id, the question and the flags of the request, and no
    /// records. A failure becomes the response SERVFAIL. If the client closes its connection first,
    /// the Deferred is cancelled.
    fn answer(
        &self,
        reactor: &ReactorHandle,
        request: &DnsRequest,
        response: Message,
    ) -> Deferred<Message>;

    /// The zone that a client may copy by `request`, a zone transfer (AXFR or IXFR). By default
    /// there is none: the transfer is REFUSED.
    fn transfer(&self, request: &DnsRequest) -> Option<Zone> {
        // The parameters have names for the documentation, so the default bodies use them.
        let _ = request;
        None
    }

    /// Handles `request`, a NOTIFY, by which a server reports that it has a new version of a zone.
    /// Returns whether this is a secondary of that server; by default it is not, and the request is
    /// REFUSED.
    fn notified(&self, reactor: &ReactorHandle, request: &DnsRequest) -> bool {
        let _ = (reactor, request);
        false
    }
}

impl<F> Answers for F
where
    F: Fn(&ReactorHandle, &DnsRequest, Message) -> Deferred<Message> + 'static,
{
    fn answer(
        &self,
        reactor: &ReactorHandle,
        request: &DnsRequest,
        response: Message,
    ) -> Deferred<Message> {
        self(reactor, request, response)
    }
}

impl<A: Answers + ?Sized> Answers for Rc<A> {
    fn answer(
        &self,
        reactor: &ReactorHandle,
        request: &DnsRequest,
        response: Message,
    ) -> Deferred<Message> {
        (**self).answer(reactor, request, response)
    }

    fn transfer(&self, request: &DnsRequest) -> Option<Zone> {
        (**self).transfer(request)
    }

    fn notified(&self, reactor: &ReactorHandle, request: &DnsRequest) -> bool {
        (**self).notified(reactor, request)
    }
}

impl Answers for Zone {
    fn answer(
        &self,
        _: &ReactorHandle,
        _: &DnsRequest,
        mut response: Message,
    ) -> Deferred<Message> {
        self.answer_into(&mut response);
        succeed(response)
    }
}
