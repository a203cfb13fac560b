//! Zone transfers out of a server and into a copy, on the memory network.

use std::fmt::Write;
use std::time::Duration;

use deferred::{Deferred, Failure};
use reactor::testing::{self, Peer};
use reactor::{Context, Protocol, ReactorHandle};
use reactor_names::hickory_proto::op::{Message, OpCode, ResponseCode};
use reactor_names::hickory_proto::rr::RecordType;
use reactor_names::{
    Answers, DnsOverTcp, DnsRequest, DnsServer, TcpFraming, TransferError, Zone, ZoneError, Zones,
    encode_message, transfer_zone,
};

use super::{decoded, encoded, framed, frames, question, sorted, zone};
use crate::support::{name, record};

const LISTEN: &str = "192.0.2.1:53";

/// Lets all clients transfer the zone.
pub(super) struct Open(pub(super) Zone);

impl Answers for Open {
    fn answer(
        &self,
        reactor: &ReactorHandle,
        request: &DnsRequest,
        response: Message,
    ) -> Deferred<Message> {
        self.0.answer(reactor, request, response)
    }

    fn transfer(&self, _: &DnsRequest) -> Option<Zone> {
        Some(self.0.clone())
    }
}

/// A zone of `count` addresses, whose records have some 20 bytes each as they are sent.
fn large(count: usize) -> Zone {
    let mut text = String::from("@ 60 IN SOA ns h 7 2 3 4 60\n@ 60 IN NS ns\n");
    for i in 0..count {
        let (high, low) = (i / 256 % 256, i % 256);
        writeln!(text, "host-{i} 60 IN A 10.0.{high}.{low}").unwrap();
    }
    Zone::parse(&text, "example.org.").unwrap()
}

fn transfer_question() -> Message {
    question("example.org.", RecordType::AXFR)
}

/// The messages that a client has received, and the length of each.
fn received(peer: &Peer) -> Vec<(usize, Message)> {
    let received = peer.received();
    let frames = frames(&received).into_iter();
    frames.map(|frame| (frame.len(), decoded(frame))).collect()
}

#[test]
fn a_zone_is_sent_in_several_messages_between_two_soa_records() {
    testing::run(|reactor| {
        let zone = large(3000);
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(Open(zone.clone())));
        peer.send(framed(&transfer_question()));
        let messages = received(&peer);
        assert!(messages.len() >= 3, "{}", messages.len());
        let mut records = Vec::new();
        for (length, message) in messages {
            assert!(length <= 16_384 && message.authoritative && !message.truncation);
            assert_eq!((message.id, message.queries.len()), (4711, 1));
            records.extend(message.answers);
        }
        let (first, last) = (records.remove(0), records.pop().unwrap());
        assert_eq!((&first, &last), (zone.soa(), zone.soa()));
        assert_eq!(sorted(&records), sorted(&zone.records()[1..]));
        // The connection answers on.
        peer.send(framed(&question("host-5.example.org.", RecordType::A)));
        assert_eq!(received(&peer)[0].1.answers.len(), 1);
    });
}

#[test]
fn a_client_that_does_not_read_is_not_written_to() {
    testing::run(|reactor| {
        let zone = large(30_000);
        let (connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(Open(zone)));
        peer.set_reading(false);
        peer.send(framed(&transfer_question()));
        reactor.settle();
        let waiting = connection.buffered().unwrap();
        assert!(waiting < 200_000, "{waiting}");
        peer.set_reading(true);
        let mut count = 0;
        while count < 30_003 {
            let received = received(&peer);
            assert!(!received.is_empty());
            count += received
                .iter()
                .map(|(_, message)| message.answers.len())
                .sum::<usize>();
        }
    });
}

/// Names behind the first 16 KiB cannot be pointed to, so a message ends there, unless it has only one record.
#[test]
fn a_record_longer_than_a_message_has_one_of_its_own() {
    testing::run(|reactor| {
        let texts = format!("\"{}\" ", "x".repeat(255)).repeat(100);
        let text = format!("@ 60 IN SOA ns h 7 2 3 4 60\nbig 60 IN TXT {texts}\n");
        let zone = Zone::parse(&text, "example.org.").unwrap();
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(Open(zone)));
        peer.send(framed(&transfer_question()));
        let counts: Vec<_> = received(&peer)
            .iter()
            .map(|(_, message)| message.answers.len())
            .collect();
        assert_eq!(counts, [1, 1, 1]);
    });
}

#[test]
fn other_names_other_clients_and_other_answers_are_refused() {
    fn code(answers: impl Answers, query: &Message) -> ResponseCode {
        let mut code = None;
        testing::run(|reactor| {
            let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(answers));
            peer.send(framed(query));
            let messages = received(&peer);
            assert_eq!(messages.len(), 1);
            assert_eq!(messages[0].1.answers, []);
            code = Some(messages[0].1.response_code);
        });
        code.unwrap()
    }
    let below = question("web.example.org.", RecordType::AXFR);
    assert_eq!(code(Open(zone()), &below), ResponseCode::NotAuth);
    assert_eq!(code(zone(), &transfer_question()), ResponseCode::Refused);
    let mut zones = Zones::new();
    zones.add(name("example.org."), Open(zone()));
    assert_eq!(code(zones.clone(), &below), ResponseCode::NotAuth);
    let other = question("example.com.", RecordType::AXFR);
    assert_eq!(code(zones, &other), ResponseCode::Refused);
}

/// The whole zone takes the place of the differences, as RFC 1995 allows.
#[test]
fn incremental_transfers_are_whole_ones_or_nothing_new() {
    let ask = |serial: u32| {
        let mut query = question("example.org.", RecordType::IXFR);
        let soa = format!("example.org. 60 SOA ns.example.org. h.example.org. {serial} 2 3 4 60");
        query.add_authority(record(&soa));
        query
    };
    testing::run(|reactor| {
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(Open(large(10))));
        let answers = |serial| {
            peer.send(framed(&ask(serial)));
            received(&peer)[0].1.answers.len()
        };
        assert_eq!((answers(6), answers(7), answers(8)), (13, 1, 1));
        // Over UDP, the version is all, and the client comes again over TCP.
        let port = DnsServer::new(Open(large(10)))
            .listen(reactor, LISTEN)
            .unwrap();
        let client = reactor.datagram_peer("192.0.2.2:1000");
        client.send_to(encoded(&ask(6)), port.address());
        assert_eq!(decoded(&client.received()[0].0).answers.len(), 1);
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

#[test]
fn a_zone_is_copied() {
    for largest_read in [101, usize::MAX] {
        testing::run(|reactor| {
            reactor.set_largest_read(largest_read);
            let zone = large(1500);
            let port = DnsServer::new(Open(zone.clone()))
                .listen(reactor, LISTEN)
                .unwrap();
            let copied = transfer_zone(reactor, port.address(), &name("example.ORG."));
            let copy = reactor.result_of(copied).unwrap();
            assert_eq!(copy.serial(), 7);
            assert_eq!(sorted(copy.records()), sorted(zone.records()));
            reactor.result_of(port.stop_listening()).unwrap();
        });
    }
}

/// A primary that sends these messages to each question.
#[derive(Clone)]
struct Script {
    /// Records of each message.
    messages: Vec<Vec<&'static str>>,
    code: ResponseCode,
    id: u16,
    closes: bool,
}

impl Protocol for Script {
    type Framing = TcpFraming;

    fn received(&mut self, cx: &mut Context<'_, Self>, query: &[u8]) -> deferred::Result<()> {
        let query = decoded(query);
        for records in &self.messages {
            let mut message = Message::response(query.id.wrapping_add(self.id), OpCode::Query);
            message.metadata.response_code = self.code;
            message.add_answers(records.iter().map(|text| record(text)));
            cx.write(TcpFraming::encode(&encode_message(&message, u16::MAX)?)?);
        }
        if self.closes {
            cx.lose_connection();
        }
        Ok(())
    }
}

const SOA: &str = "example.org. 60 SOA ns.example.org. h.example.org. 7 2 3 4 60";
const NEWER: &str = "example.org. 60 SOA ns.example.org. h.example.org. 8 2 3 4 60";
const HOST: &str = "host.example.org. 60 A 192.0.2.1";

fn script(messages: &[&[&'static str]]) -> Script {
    Script {
        messages: messages.iter().map(|message| message.to_vec()).collect(),
        code: ResponseCode::NoError,
        id: 0,
        closes: false,
    }
}

/// What becomes of a transfer from such a primary, after a minute.
fn copied(script: &Script) -> Result<Zone, Failure> {
    let mut result = None;
    testing::run(|reactor| {
        let script = script.clone();
        let port = reactor.listen_tcp(LISTEN, move || script.clone()).unwrap();
        let copied = transfer_zone(reactor, port.address(), &name("example.org."));
        reactor.advance(Duration::from_secs(60));
        result = Some(copied.into_result().unwrap());
        reactor.result_of(port.stop_listening()).unwrap();
    });
    result.unwrap()
}

#[track_caller]
fn error(script: &Script) -> TransferError {
    let failure = copied(script).unwrap_err();
    failure.downcast_ref::<TransferError>().unwrap().clone()
}

#[test]
fn a_transfer_ends_at_the_second_soa_record() {
    let zone = copied(&script(&[
        &[SOA],
        &[HOST],
        &[SOA, "other.test. 60 A 192.0.2.9"],
    ]));
    assert_eq!(zone.unwrap().records().len(), 2);
    assert_eq!(copied(&script(&[&[SOA, SOA]])).unwrap().records().len(), 1);
}

#[test]
fn malformed_transfers_are_errors() {
    let malformed = [
        script(&[&[HOST, SOA]]),
        script(&[&["test. 60 SOA ns.test. h.test. 7 2 3 4 60", SOA]]),
        script(&[&[SOA, HOST, NEWER]]),
        script(&[&[SOA], &[], &[SOA]]),
        Script {
            id: 1,
            ..script(&[&[SOA, SOA]])
        },
    ];
    for script in &malformed {
        assert!(matches!(error(script), TransferError::Malformed(_)));
    }
    let outside = script(&[&[SOA, "host.test. 60 A 192.0.2.1", SOA]]);
    let outside = error(&outside);
    assert!(matches!(
        outside,
        TransferError::Zone(ZoneError::Outside(_))
    ));
    let refused = Script {
        code: ResponseCode::Refused,
        ..script(&[&[]])
    };
    assert!(matches!(
        error(&refused),
        TransferError::Refused(ResponseCode::Refused)
    ));
    let incomplete = Script {
        closes: true,
        ..script(&[&[SOA, HOST]])
    };
    assert!(matches!(error(&incomplete), TransferError::Incomplete));
    // Silence, for 30 seconds.
    assert!(matches!(
        error(&script(&[&[SOA, HOST]])),
        TransferError::Incomplete
    ));
}

#[test]
fn a_cancelled_transfer_closes_its_connection() {
    testing::run(|reactor| {
        let port = reactor
            .listen_tcp(LISTEN, || script(&[&[SOA, HOST]]))
            .unwrap();
        for is_connected in [false, true] {
            let copied = transfer_zone(reactor, port.address(), &name("example.org."));
            if is_connected {
                reactor.settle();
            }
            copied.cancel();
            reactor.settle();
            assert!(copied.into_result().unwrap().is_err());
            assert!(reactor.leftovers().sources == 1);
        }
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

#[test]
fn a_zone_whose_name_is_given_without_the_final_dot_is_copied() {
    testing::run(|reactor| {
        let port = DnsServer::new(Open(zone()))
            .listen(reactor, LISTEN)
            .unwrap();
        let copied = transfer_zone(reactor, port.address(), &name("example.org"));
        let copy = reactor.result_of(copied).unwrap();
        assert_eq!(sorted(copy.records()), sorted(zone().records()));
        reactor.result_of(port.stop_listening()).unwrap();
    });
}
