//! The server over UDP and TCP, on the memory network.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Trigger};
use reactor::ReactorHandle;
use reactor::testing::{self, DatagramPeer, TestReactor};
use reactor_names::hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use reactor_names::hickory_proto::rr::rdata::TXT;
use reactor_names::hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use reactor_names::{Answers, DnsOverTcp, DnsOverUdp, DnsRequest, Zone, ZoneFile, Zones};

use tests::Directory;

use super::{TEXT, decoded, encoded, framed, frames, question, zone};

fn server() -> SocketAddr {
    "192.0.2.1:53".parse().unwrap()
}

/// Runs `test` with a client of a server over UDP.
fn over_udp(answers: impl Answers, test: impl FnOnce(&TestReactor, &DatagramPeer)) {
    testing::run(|reactor| {
        let port = reactor.listen_udp(server(), DnsOverUdp::new(answers));
        test(reactor, &reactor.datagram_peer("192.0.2.2:1000"));
        reactor.result_of(port.unwrap().stop_listening()).unwrap();
    });
}

/// The responses to `bytes` over UDP.
fn responses(client: &DatagramPeer, bytes: &[u8]) -> Vec<Message> {
    client.send_to(bytes, server());
    let received = client.received();
    received.iter().map(|(bytes, _)| decoded(bytes)).collect()
}

fn response(client: &DatagramPeer, query: &Message) -> Message {
    let mut responses = responses(client, &encoded(query));
    assert_eq!(responses.len(), 1);
    responses.remove(0)
}

/// The code of the response to a changed question.
fn code(change: impl FnOnce(&mut Message)) -> ResponseCode {
    let mut query = question("web.example.org.", RecordType::A);
    change(&mut query);
    let mut found = None;
    over_udp(zone(), |_, client| {
        let response = response(client, &query);
        assert_eq!(response.queries, query.queries);
        assert_eq!(response.metadata.id, 4711);
        found = Some(response.metadata.response_code);
    });
    found.unwrap()
}

#[test]
fn queries_that_cannot_be_answered_get_their_code() {
    assert_eq!(code(|_| {}), ResponseCode::NoError);
    assert_eq!(
        code(|query| query.metadata.op_code = OpCode::Update),
        ResponseCode::NotImp
    );
    assert_eq!(code(|query| query.queries.clear()), ResponseCode::FormErr);
    let twice = |query: &mut Message| query.queries.push(query.queries[0].clone());
    assert_eq!(code(twice), ResponseCode::FormErr);
    let chaos = |query: &mut Message| {
        query.queries[0].set_query_class(DNSClass::CH);
    };
    assert_eq!(code(chaos), ResponseCode::Refused);
    let transfer = |query: &mut Message| {
        query.queries[0].set_query_type(RecordType::AXFR);
    };
    assert_eq!(code(transfer), ResponseCode::NotImp);
    let elsewhere = |query: &mut Message| {
        query.queries[0].set_name(Name::from_ascii("example.com.").unwrap());
    };
    assert_eq!(code(elsewhere), ResponseCode::Refused);
    let newer = |query: &mut Message| {
        query
            .set_edns(Edns::new())
            .edns
            .as_mut()
            .unwrap()
            .set_version(1);
    };
    // 16 is BADSIG as well.
    assert_eq!(u16::from(code(newer)), u16::from(ResponseCode::BADVERS));
}

#[test]
fn malformed_queries_get_formerr() {
    over_udp(zone(), |_, client| {
        let mut bytes = encoded(&question("web.example.org.", RecordType::A));
        bytes.pop();
        let response = &responses(client, &bytes)[0];
        assert_eq!(response.metadata.response_code, ResponseCode::FormErr);
        assert_eq!(response.metadata.id, 4711);
    });
}

/// Two servers would answer each other without end.
#[test]
fn responses_and_fragments_are_not_answered() {
    over_udp(zone(), |_, client| {
        let bytes = encoded(&question("web.example.org.", RecordType::A));
        for length in 0..12 {
            assert_eq!(responses(client, &bytes[..length]), []);
        }
        let mut as_response = bytes.clone();
        as_response[2] |= 0x80;
        assert_eq!(responses(client, &as_response), []);
        as_response.truncate(20);
        assert_eq!(responses(client, &as_response), []);
        assert_eq!(responses(client, &bytes).len(), 1);
    });
}

#[test]
fn the_case_of_the_question_comes_back() {
    /// Answers in lower case, as a forwarder may.
    fn lower(_: &ReactorHandle, query: &DnsRequest, mut response: Message) -> Deferred<Message> {
        let name = query.question().name().to_lowercase();
        response.queries[0].set_name(name.clone());
        let text = RData::TXT(TXT::new(vec!["x".to_owned()]));
        response.add_answer(Record::from_rdata(name, 60, text));
        deferred::succeed(response)
    }
    over_udp(lower, |_, client| {
        let query = question("wEb.eXample.oRg.", RecordType::TXT);
        let response = response(client, &query);
        assert!(response.queries[0].name().eq_case(query.queries[0].name()));
        assert!(response.answers[0].name.eq_case(query.queries[0].name()));
    });
}

/// `count` records of 100 bytes.
fn long(count: u8) -> impl Answers {
    move |_: &ReactorHandle, request: &DnsRequest, mut response: Message| {
        for i in 0..count {
            let text = RData::TXT(TXT::new(vec![format!("{i:0>100}")]));
            let name = request.question().name().clone();
            response.add_answer(Record::from_rdata(name, 60, text));
        }
        deferred::succeed(response)
    }
}

#[test]
fn responses_over_udp_have_the_size_that_the_client_takes() {
    // The size that the client announces, how many records there are, whether they fit.
    let cases = [
        (None, 4, true),
        (None, 5, false),
        (Some(100), 3, true),
        (Some(800), 6, true),
        (Some(800), 8, false),
        (Some(65_535), 10, true),
        (Some(65_535), 12, false),
    ];
    for (size, count, fits) in cases {
        over_udp(long(count), |_, client| {
            let mut query = question("x.", RecordType::TXT);
            if let Some(size) = size {
                let mut edns = Edns::new();
                edns.set_max_payload(size).set_dnssec_ok(true);
                query.edns = Some(edns);
            }
            let response = response(client, &query);
            assert_eq!(response.metadata.truncation, !fits, "{size:?} {count}");
            let expected = if fits { usize::from(count) } else { 0 };
            assert_eq!(response.answers.len(), expected);
            let edns = response
                .edns
                .map(|edns| (edns.max_payload(), edns.flags().dnssec_ok));
            assert_eq!(edns, size.map(|_| (1232, true)));
        });
    }
}

#[test]
fn failures_and_panics_become_servfail() {
    fn failing(_: &ReactorHandle, _: &DnsRequest, _: Message) -> Deferred<Message> {
        deferred::fail(std::io::Error::other("no database"))
    }
    over_udp(failing, |_, client| {
        let response = response(client, &question("x.", RecordType::A));
        assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
    });
    fn panicking(_: &ReactorHandle, _: &DnsRequest, _: Message) -> Deferred<Message> {
        panic!("no database");
    }
    over_udp(panicking, |_, client| {
        let response = response(client, &question("x.", RecordType::A));
        assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
    });
}

/// Answers whose Deferreds a test fires.
#[derive(Clone, Default)]
struct Later(Rc<RefCell<Vec<(Trigger<Message>, Message)>>>);

impl Later {
    fn fire(&self, index: usize) {
        let (trigger, response) = self.0.borrow_mut().remove(index);
        trigger.callback(response).unwrap();
    }

    fn len(&self) -> usize {
        self.0.borrow().len()
    }
}

impl Answers for Later {
    fn answer(&self, _: &ReactorHandle, _: &DnsRequest, response: Message) -> Deferred<Message> {
        let (trigger, deferred) = Deferred::pair();
        self.0.borrow_mut().push((trigger, response));
        deferred
    }
}

/// The ids of the messages in `bytes`.
fn ids(bytes: &[u8]) -> Vec<u16> {
    let ids = frames(bytes).into_iter();
    ids.map(|frame| decoded(frame).metadata.id).collect()
}

fn numbered(id: u16) -> Message {
    let mut query = question("web.example.org.", RecordType::A);
    query.metadata.id = id;
    query
}

#[test]
fn questions_over_tcp_may_come_in_pieces_and_together() {
    testing::run(|reactor| {
        reactor.set_largest_read(1);
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(zone()));
        peer.send([framed(&numbered(1)), framed(&numbered(2))].concat());
        assert_eq!(ids(&peer.received()), [1, 2]);
    });
}

#[test]
fn responses_over_tcp_come_as_they_are_ready() {
    testing::run(|reactor| {
        let later = Later::default();
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(later.clone()));
        peer.send([framed(&numbered(1)), framed(&numbered(2))].concat());
        reactor.settle();
        later.fire(1);
        assert_eq!(ids(&peer.received()), [2]);
        later.fire(0);
        assert_eq!(ids(&peer.received()), [1]);
    });
}

#[test]
fn long_responses_are_whole_over_tcp() {
    testing::run(|reactor| {
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(long(200)));
        peer.send(framed(&question("x.", RecordType::TXT)));
        let response = decoded(&peer.received()[2..]);
        assert_eq!(
            (response.answers.len(), response.metadata.truncation),
            (200, false)
        );
    });
}

#[test]
fn pending_questions_of_a_connection_are_bounded() {
    testing::run(|reactor| {
        let later = Later::default();
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(later.clone()));
        let questions: Vec<_> = (0..150).map(|id| framed(&numbered(id))).collect();
        peer.send(questions.concat());
        reactor.settle();
        assert_eq!(later.len(), 100);
        for _ in 0..150 {
            later.fire(0);
            reactor.settle();
        }
        assert_eq!(ids(&peer.received()), (0..150).collect::<Vec<_>>());
    });
}

#[test]
fn pending_questions_of_a_port_are_bounded() {
    let later = Later::default();
    over_udp(later.clone(), |reactor, client| {
        let query = encoded(&question("x.", RecordType::A));
        for _ in 0..10_050 {
            client.send_to(&query, server());
            reactor.settle();
        }
        assert_eq!(later.len(), 10_000);
        later.fire(0);
        reactor.settle();
        client.send_to(&query, server());
        reactor.settle();
        assert_eq!(later.len(), 10_000);
        later.0.borrow_mut().clear();
    });
}

#[test]
fn a_client_that_closes_cancels_its_questions() {
    testing::run(|reactor| {
        let later = Later::default();
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(later.clone()));
        peer.send(framed(&numbered(1)));
        reactor.settle();
        peer.reset();
        reactor.settle();
        let (trigger, _) = later.0.borrow_mut().remove(0);
        assert!(trigger.is_fired());
    });
}

#[test]
fn silent_connections_are_closed() {
    testing::run(|reactor| {
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(zone()));
        reactor.advance(Duration::from_secs(9));
        peer.send(framed(&numbered(1)));
        assert_eq!(ids(&peer.received()), [1]);
        reactor.advance(Duration::from_secs(9));
        assert!(!peer.is_closed());
        reactor.advance(Duration::from_secs(2));
        assert!(peer.is_closed());
    });
}

#[test]
fn what_is_no_question_aborts_a_connection() {
    testing::run(|reactor| {
        let (_connection, peer) = reactor.connect_to_peer(DnsOverTcp::new(zone()));
        peer.send(b"\0\x03abc");
        reactor.settle();
        assert!(peer.was_reset());
    });
}

#[test]
fn the_closest_of_several_zones_answers() {
    let mut zones = Zones::new();
    for origin in ["example.org.", "lab.example.org.", "test."] {
        let text = format!("{TEXT}\nhost IN TXT {origin}\n");
        let zone = Zone::parse(&text, origin).unwrap();
        zones.add(zone.origin().clone(), zone);
    }
    over_udp(zones, |_, client| {
        for origin in ["example.org.", "lab.example.org.", "test."] {
            let name = format!("host.{origin}");
            let response = response(client, &question(&name, RecordType::TXT));
            let text = TXT::new(vec![origin.to_owned()]);
            assert_eq!(response.answers[0].data, RData::TXT(text));
        }
        let other = response(client, &question("example.com.", RecordType::A));
        assert_eq!(other.metadata.response_code, ResponseCode::Refused);
    });
}

#[test]
fn a_zone_file_is_read_again() {
    let folder = Directory::new("zone-file");
    let path = folder.path("zone");
    std::fs::write(&path, TEXT).unwrap();
    let zone = Rc::new(ZoneFile::open(&path, "example.org.").unwrap());
    over_udp(Rc::clone(&zone), |_, client| {
        let code = || {
            let query = question("new.example.org.", RecordType::A);
            response(client, &query).metadata.response_code
        };
        assert_eq!(code(), ResponseCode::NXDomain);
        std::fs::write(&path, format!("{TEXT}new IN A 192.0.2.9\n")).unwrap();
        assert_eq!(code(), ResponseCode::NXDomain);
        zone.reload().unwrap();
        assert_eq!(code(), ResponseCode::NoError);
        std::fs::write(&path, "nonsense").unwrap();
        assert!(zone.reload().is_err());
        assert_eq!(code(), ResponseCode::NoError);
    });
}

#[test]
fn a_zone_that_is_added_without_the_final_dot_is_the_same_zone() {
    let name = |text| Name::from_ascii(text).unwrap();
    let of = |serial: u32, origin: &str| {
        let text = format!("@ 60 IN SOA ns h {serial} 2 3 4 60\n");
        Zone::parse(&text, origin).unwrap()
    };
    let mut zones = Zones::new();
    zones.add(name("example.org."), of(1, "example.org."));
    zones.add(name("sub.example.org"), of(2, "sub.example.org."));
    zones.add(name("example.org"), of(3, "example.org."));
    over_udp(zones, |_, client| {
        let serial = response(client, &question("example.org.", RecordType::SOA));
        assert_eq!(serial.answers, [of(3, "example.org.").soa().clone()]);
        // Of the zone above, which has no such name.
        let above = response(client, &question("sub.example.org.", RecordType::DS));
        assert_eq!(above.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(above.authorities[0].name, name("example.org."));
    });
}
