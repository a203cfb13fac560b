//! Response rate limiting: a flood whose addresses are forged, and the clients beside it.

use std::time::Duration;

use reactor::testing::{self, DatagramPeer, TestReactor};
use reactor_names::hickory_proto::rr::RecordType;
use reactor_names::{Dns, DnsConfig, DnsServer, Hosts, RateLimit};

use super::{decoded, encoded, question, zone};

const LISTEN: &str = "192.0.2.1:53";

fn limited(limit: RateLimit, test: impl FnOnce(&TestReactor)) {
    testing::run(|reactor| {
        let server = DnsServer::new(zone()).with_rate_limit(limit);
        let port = server.listen(reactor, LISTEN).unwrap();
        test(reactor);
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

fn ask(client: &DatagramPeer, times: usize) {
    let query = encoded(&question("web.example.org.", RecordType::A));
    for _ in 0..times {
        client.send_to(&query, LISTEN.parse().unwrap());
    }
}

/// How many answers there are, and how many truncated responses without one.
fn received(client: &DatagramPeer) -> (usize, usize) {
    let received = client.received();
    let messages: Vec<_> = received.iter().map(|(bytes, _)| decoded(bytes)).collect();
    let truncated = messages.iter().filter(|message| message.truncation);
    let slipped = truncated.inspect(|message| {
        assert!(message.answers.is_empty());
        assert_eq!(message.queries[0].name().to_string(), "web.example.org.");
        assert_eq!(message.id, 4711);
    });
    let slipped = slipped.count();
    (messages.len() - slipped, slipped)
}

#[test]
fn a_flood_gets_few_answers_and_hurts_no_other_network() {
    limited(RateLimit::new(10).slip(5), |reactor| {
        let flood = reactor.datagram_peer("203.0.113.1:1000");
        let same_network = reactor.datagram_peer("203.0.113.250:1000");
        let other = reactor.datagram_peer("203.0.114.1:1000");
        ask(&flood, 1000);
        assert_eq!(received(&flood), (10, 198));
        ask(&same_network, 5);
        assert_eq!(received(&same_network), (0, 1));
        ask(&other, 5);
        assert_eq!(received(&other), (5, 0));
        // One for each 100 ms that goes by.
        reactor.advance(Duration::from_millis(300));
        ask(&flood, 4);
        assert_eq!(received(&flood), (3, 0));
        reactor.advance(Duration::from_secs(60));
        ask(&flood, 100);
        assert_eq!(received(&flood).0, 10);
    });
}

#[test]
fn a_network_of_ipv6_has_56_bits() {
    testing::run(|reactor| {
        let server = DnsServer::new(zone()).with_rate_limit(RateLimit::new(2).slip(0));
        let port = server.listen(reactor, "[2001:db8::53]:53").unwrap();
        let answers = |address: &str| {
            let client = reactor.datagram_peer(address);
            for _ in 0..4 {
                let query = encoded(&question("web.example.org.", RecordType::A));
                client.send_to(query, port.address());
            }
            received(&client)
        };
        assert_eq!(answers("[2001:db8:0:100::1]:1000"), (2, 0));
        assert_eq!(answers("[2001:db8:0:1ff::1]:1000"), (0, 0));
        assert_eq!(answers("[2001:db8:0:200::1]:1000"), (2, 0));
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

#[test]
fn slip_says_how_many_get_a_truncated_response() {
    for (slip, expected) in [(0, 0), (1, 20), (2, 10), (10, 2)] {
        limited(RateLimit::new(10).slip(slip), |reactor| {
            let client = reactor.datagram_peer("203.0.113.1:1000");
            ask(&client, 30);
            assert_eq!(received(&client), (10, expected));
        });
    }
}

/// A client whose address is its own finds its answer over TCP.
#[test]
fn over_tcp_there_is_no_limit() {
    limited(RateLimit::new(1).slip(1), |reactor| {
        let config = DnsConfig::new([LISTEN.parse().unwrap()]);
        for _ in 0..20 {
            let dns = Dns::new(config.clone(), Hosts::default());
            let found = dns.lookup_a(reactor, "web.example.org.");
            assert_eq!(reactor.result_of(found).unwrap().len(), 1);
        }
    });
}

#[test]
fn this_machine_and_exceptions_are_not_limited() {
    let limit = RateLimit::new(1).except(["198.51.100.0/24".parse().unwrap()]);
    limited(limit, |reactor| {
        for address in ["127.0.0.1:1000", "198.51.100.7:1000"] {
            let client = reactor.datagram_peer(address);
            ask(&client, 50);
            assert_eq!(received(&client), (50, 0));
        }
    });
}

/// A flood from everywhere does not fill the memory, and does not end the limit of a network that goes on.
#[test]
fn prefixes_are_bounded() {
    limited(RateLimit::new(1).slip(0).max_prefixes(100), |reactor| {
        let flood = reactor.datagram_peer("203.0.113.1:1000");
        let forgotten = reactor.datagram_peer("203.0.114.1:1000");
        ask(&flood, 1);
        ask(&forgotten, 1);
        assert_eq!((received(&flood), received(&forgotten)), ((1, 0), (1, 0)));
        for i in 0..200 {
            ask(&reactor.datagram_peer(format!("10.0.{i}.1:1000")), 1);
            ask(&flood, 1);
            assert_eq!(received(&flood), (0, 0));
        }
        ask(&forgotten, 1);
        assert_eq!(received(&forgotten), (1, 0));
    });
}

/// Responses that come as questions get none, however many have come.
#[test]
fn responses_and_garbage_get_no_truncated_response() {
    limited(RateLimit::new(1).slip(1), |reactor| {
        let client = reactor.datagram_peer("203.0.113.1:1000");
        let mut response = encoded(&question("web.example.org.", RecordType::A));
        response[2] |= 0x80;
        for _ in 0..5 {
            client.send_to(&response, LISTEN.parse().unwrap());
            client.send_to(b"", LISTEN.parse().unwrap());
        }
        assert_eq!(received(&client), (0, 0));
    });
}
