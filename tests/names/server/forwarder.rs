//! The forwarder, alone and behind a zone: client, server and the server that it asks are in memory.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use reactor::testing::{self, DatagramPeer, TestReactor};
use reactor_names::hickory_proto::op::{Message, ResponseCode};
use reactor_names::hickory_proto::rr::{Name, RData, RecordType};
use reactor_names::{DnsServer, Forwarder, Zones};

use super::{decoded, encoded, question, zone};
use crate::support::{Asked, FIRST, Server, answer, dns, nothing, refusal};

const LISTEN: &str = "192.0.2.1:53";
const LOCAL: &str = "127.0.0.1:1000";

fn recursive(name: &str, record_type: RecordType) -> Message {
    let mut query = question(name, record_type);
    query.metadata.recursion_desired = true;
    query
}

fn send(client: &DatagramPeer, query: &Message) {
    client.send_to(encoded(query), LISTEN.parse().unwrap());
}

fn received(client: &DatagramPeer) -> Vec<Message> {
    let received = client.received();
    received.iter().map(|(bytes, _)| decoded(bytes)).collect()
}

fn ask(client: &DatagramPeer, name: &str, record_type: RecordType) -> Message {
    send(client, &recursive(name, record_type));
    let mut responses = received(client);
    assert_eq!(responses.len(), 1);
    responses.remove(0)
}

fn texts(response: &Message) -> Vec<String> {
    response.answers.iter().map(ToString::to_string).collect()
}

/// A forwarder for all names but those of the zone, which asks a server that `handler` is.
fn forward(
    handler: impl Fn(&Asked) -> Vec<Message> + 'static,
    test: impl FnOnce(&TestReactor, &Server, &DatagramPeer),
) {
    testing::run(|reactor| {
        let upstream = Server::new(reactor, FIRST, handler);
        let mut zones = Zones::new();
        zones.add(zone().origin().clone(), zone());
        zones.add(Name::root(), Forwarder::new(dns(&[FIRST])));
        let port = DnsServer::new(zones).listen(reactor, LISTEN).unwrap();
        test(reactor, &upstream, &reactor.datagram_peer(LOCAL));
        reactor.result_of(port.stop_listening()).unwrap();
        upstream.close();
    });
}

fn one_address(asked: &Asked) -> Vec<Message> {
    let record = format!("{} 60 A 203.0.113.7", asked.name());
    vec![answer(&asked.message, &[&record])]
}

#[test]
fn what_the_zone_has_not_is_asked_elsewhere() {
    forward(one_address, |_, upstream, client| {
        let own = ask(client, "web.example.org.", RecordType::A);
        assert!(own.metadata.authoritative);
        assert_eq!(texts(&own), ["web.example.org. 300 IN A 192.0.2.3"]);
        assert_eq!(upstream.questions(), [""; 0]);

        let other = ask(client, "Host.Test.", RecordType::A);
        assert!(!other.metadata.authoritative && other.metadata.recursion_available);
        assert_eq!(texts(&other), ["Host.Test. 60 IN A 203.0.113.7"]);
        assert_eq!(upstream.questions(), ["host.test. A"]);
    });
}

#[test]
fn answers_are_cached_and_their_ttls_counted_down() {
    forward(one_address, |reactor, upstream, client| {
        ask(client, "host.test.", RecordType::A);
        reactor.advance(Duration::from_secs(20));
        let again = ask(client, "hOST.test.", RecordType::A);
        assert_eq!(texts(&again), ["hOST.test. 40 IN A 203.0.113.7"]);
        assert_eq!(upstream.asked().len(), 1);
        reactor.advance(Duration::from_secs(40));
        ask(client, "host.test.", RecordType::A);
        assert_eq!(upstream.asked().len(), 1);
    });
}

/// The decoder keeps the data of a DNAME as it is, but the name in it is none of the bytes there.
#[test]
fn a_name_that_is_compressed_in_unknown_data_is_passed_on_whole() {
    testing::run(|reactor| {
        let upstream = reactor.datagram_peer(FIRST);
        let forwarder = Forwarder::new(dns(&[FIRST]));
        let port = DnsServer::new(forwarder).listen(reactor, LISTEN).unwrap();
        let client = reactor.datagram_peer(LOCAL);
        send(
            &client,
            &recursive("old.example.test.", RecordType::from(39)),
        );
        let [(mut response, asker)] = upstream.received().try_into().unwrap();
        // A response with the same question, and without EDNS.
        response.truncate(12 + b"\x03old\x07example\x04test\0".len() + 4);
        response[2..4].copy_from_slice(b"\x81\x80");
        response[7] = 1;
        response[11] = 0;
        // The target is `new`, and what follows `old` in the question.
        response.extend(b"\xc0\x0c\0\x27\0\x01\0\0\0\x3c\0\x06\x03new\xc0\x10");
        upstream.send_to(response, asker);
        let [response] = &received(&client)[..] else {
            panic!("no response")
        };
        let RData::Unknown { rdata, .. } = &response.answers[0].data else {
            panic!("{response}");
        };
        let target = rdata.anything.to_ascii_lowercase();
        assert_eq!(target, b"\x03new\x07example\x04test\0");
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

/// With the SOA record, the client can cache that there is nothing.
#[test]
fn what_does_not_exist_comes_with_its_soa() {
    fn upstream(asked: &Asked) -> Vec<Message> {
        let soa = "test. 600 SOA ns.test. h.test. 1 7200 900 1209600 300";
        let code = match asked.name().as_str() {
            "none.test." => ResponseCode::NXDomain,
            _ => ResponseCode::NoError,
        };
        let mut response = nothing(&asked.message, code, soa);
        if asked.name() == "alias.test." {
            let alias = "alias.test. 100 CNAME empty.test.";
            response.answers = answer(&asked.message, &[alias]).answers;
        }
        vec![response]
    }
    forward(upstream, |reactor, upstream, client| {
        let cases = [
            ("none.test.", ResponseCode::NXDomain, 0, 300),
            ("empty.test.", ResponseCode::NoError, 0, 300),
            ("alias.test.", ResponseCode::NoError, 1, 300),
        ];
        for (name, code, aliases, ttl) in cases {
            let response = ask(client, name, RecordType::A);
            assert_eq!(response.metadata.response_code, code);
            assert_eq!(response.answers.len(), aliases, "{name}");
            assert_eq!(response.authorities[0].ttl, ttl);
        }
        reactor.advance(Duration::from_secs(60));
        for (name, code, aliases, ttl) in cases {
            let response = ask(client, name, RecordType::A);
            assert_eq!(response.metadata.response_code, code);
            assert_eq!(response.authorities[0].ttl, ttl - 60);
            let left: Vec<_> = response.answers.iter().map(|alias| alias.ttl).collect();
            assert_eq!(left, vec![40; aliases]);
        }
        assert_eq!(upstream.asked().len(), 3);
        // The alias ends before the SOA record.
        reactor.advance(Duration::from_secs(40));
        ask(client, "alias.test.", RecordType::A);
        assert_eq!(upstream.asked().len(), 1);
    });
}

#[test]
fn failures_and_silence_are_servfail() {
    fn failing(asked: &Asked) -> Vec<Message> {
        match asked.name().as_str() {
            "failing.test." => vec![refusal(&asked.message, ResponseCode::ServFail)],
            "refused.test." => vec![refusal(&asked.message, ResponseCode::Refused)],
            _ => Vec::new(),
        }
    }
    forward(failing, |reactor, _, client| {
        for name in ["failing.test.", "refused.test."] {
            let response = ask(client, name, RecordType::A);
            assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
            assert!(response.metadata.recursion_available);
        }
        send(client, &recursive("silent.test.", RecordType::A));
        reactor.advance(Duration::from_millis(1900));
        assert_eq!(received(client), []);
        reactor.advance(Duration::from_millis(200));
        let response = received(client).remove(0);
        assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
    });
}

#[test]
fn equal_questions_are_forwarded_once() {
    let is_silent = Rc::new(Cell::new(true));
    let silent = Rc::clone(&is_silent);
    let upstream = move |asked: &Asked| match silent.get() {
        true => Vec::new(),
        false => one_address(asked),
    };
    forward(upstream, |reactor, upstream, client| {
        let other = reactor.datagram_peer("127.0.0.1:1001");
        send(client, &recursive("host.test.", RecordType::A));
        send(&other, &recursive("HOST.test.", RecordType::A));
        reactor.settle();
        assert_eq!(upstream.asked().len(), 1);
        is_silent.set(false);
        reactor.advance(Duration::from_secs(1));
        assert_eq!(upstream.asked().len(), 1);
        assert_eq!(
            texts(&received(client)[0]),
            ["host.test. 60 IN A 203.0.113.7"]
        );
        assert_eq!(
            texts(&received(&other)[0]),
            ["HOST.test. 60 IN A 203.0.113.7"]
        );
    });
}

/// A server that resolves for all clients is used to flood others.
#[test]
fn only_allowed_clients_are_forwarded_for() {
    testing::run(|reactor| {
        let upstream = Server::new(reactor, FIRST, one_address);
        let networks = ["198.51.100.0/24", "2001:db8:1::/48"].map(|text| text.parse().unwrap());
        let forwarder = Rc::new(Forwarder::new(dns(&[FIRST])).allow(networks));
        let code = |client: &str, server: &str| {
            let port = DnsServer::new(Rc::clone(&forwarder)).listen(reactor, server);
            let port = port.unwrap();
            let client = reactor.datagram_peer(client);
            let query = recursive("host.test.", RecordType::A);
            client.send_to(encoded(&query), port.address());
            let code = received(&client)[0].metadata.response_code;
            reactor.result_of(port.stop_listening()).unwrap();
            code
        };
        let (four, six) = (LISTEN, "[2001:db8::53]:53");
        assert_eq!(code("203.0.113.1:1000", four), ResponseCode::Refused);
        assert_eq!(code("[2001:db8::1]:1000", six), ResponseCode::Refused);
        assert_eq!(
            code("[::ffff:203.0.113.1]:1000", six),
            ResponseCode::Refused
        );
        assert_eq!(upstream.asked().len(), 0);
        assert_eq!(code("127.0.0.2:1000", four), ResponseCode::NoError);
        assert_eq!(code("198.51.100.9:1000", four), ResponseCode::NoError);
        assert_eq!(code("[::1]:1000", six), ResponseCode::NoError);
        assert_eq!(code("[2001:db8:1::9]:1000", six), ResponseCode::NoError);
        assert_eq!(
            code("[::ffff:198.51.100.9]:1000", six),
            ResponseCode::NoError
        );
        upstream.close();
    });
}

/// Whoever asks so looks for what others have asked.
#[test]
fn without_recursion_nothing_is_forwarded() {
    forward(one_address, |_, upstream, client| {
        ask(client, "host.test.", RecordType::A);
        let mut query = recursive("host.test.", RecordType::A);
        query.metadata.recursion_desired = false;
        send(client, &query);
        let code = received(client)[0].metadata.response_code;
        assert_eq!(code, ResponseCode::Refused);
        assert_eq!(upstream.asked().len(), 1);
    });
}

/// A resolver of a system does not go on by itself.
#[test]
fn an_alias_out_of_the_zone_is_followed_for_those_who_ask_for_recursion() {
    forward(one_address, |reactor, upstream, client| {
        let whole = [
            "away.example.org. 300 IN CNAME host.elsewhere.test.",
            "host.elsewhere.test. 60 IN A 203.0.113.7",
        ];
        let response = ask(client, "away.example.org.", RecordType::A);
        assert_eq!(texts(&response), whole);
        assert!(response.metadata.authoritative && response.metadata.recursion_available);
        assert_eq!(upstream.questions(), ["host.elsewhere.test. A"]);

        // Those who may not, or do not ask for it, get the alias.
        let alias = ask(client, "away.example.org.", RecordType::CNAME);
        assert_eq!(texts(&alias), whole[..1]);
        let foreign = reactor.datagram_peer("203.0.113.1:1000");
        let response = ask(&foreign, "away.example.org.", RecordType::A);
        assert_eq!(texts(&response), whole[..1]);
        assert_eq!(response.metadata.response_code, ResponseCode::NoError);
        send(client, &question("away.example.org.", RecordType::A));
        assert_eq!(texts(&received(client)[0]), whole[..1]);
        assert_eq!(upstream.questions(), [""; 0]);
    });
}

/// Two zones whose aliases lead to each other.
#[test]
fn aliases_between_zones_end() {
    let text = |target: &str| {
        format!("@ 60 IN SOA ns h 1 2 3 4 60\na 60 IN CNAME {target}\nb 60 IN A 192.0.2.1\n")
    };
    let mut zones = Zones::new();
    for (origin, target) in [("one.test.", "a.two.test."), ("two.test.", "a.one.test.")] {
        let zone = reactor_names::Zone::parse(&text(target), origin).unwrap();
        zones.add(zone.origin().clone(), zone);
    }
    testing::run(|reactor| {
        let port = DnsServer::new(zones).listen(reactor, LISTEN).unwrap();
        let client = reactor.datagram_peer(LOCAL);
        let response = ask(&client, "a.one.test.", RecordType::A);
        assert_eq!(response.answers.len(), 2);
        // Who does not ask for recursion gets the answer of one zone.
        send(&client, &question("a.one.test.", RecordType::A));
        assert_eq!(
            texts(&received(&client)[0]),
            ["a.one.test. 60 IN CNAME a.two.test."]
        );
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

/// As when /etc/resolv.conf names this very server.
#[test]
fn a_server_that_asks_itself_gives_up() {
    testing::run(|reactor| {
        let mut zones = Zones::new();
        let forwarder = Forwarder::new(dns(&[LISTEN]));
        zones.add(
            Name::root(),
            forwarder.allow(["0.0.0.0/0".parse().unwrap()]),
        );
        let port = DnsServer::new(zones).listen(reactor, LISTEN).unwrap();
        let client = reactor.datagram_peer(LOCAL);
        send(&client, &recursive("host.test.", RecordType::A));
        reactor.advance(Duration::from_secs(3));
        let response = received(&client).remove(0);
        assert_eq!(response.metadata.response_code, ResponseCode::ServFail);
        reactor.result_of(port.stop_listening()).unwrap();
    });
}
