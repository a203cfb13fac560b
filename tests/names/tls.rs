//! DNS over TLS: encrypted, or not at all.

use std::net::SocketAddr;
use std::time::Duration;

use deferred::{Cancelled, State, gather_results};
use reactor::testing::{self, TestReactor};
use reactor::{Protocol, Raw};
use reactor_names::hickory_proto::op::{Message, ResponseCode};
use reactor_names::{Dns, DnsConfig, Hosts, LookupErrorKind};
use reactor_tls::{TlsClient, TlsServer};
use tests::certificates::Pair;

use super::support::{Asked, Server, answer, found, kind, refusal};

const FIRST: &str = "192.0.2.53:853";
const SECOND: &str = "198.51.100.53:853";
const NAME: &str = "dns.example.org";

/// A server with a certificate for [`NAME`], and a client that trusts it.
fn both() -> (TlsServer, TlsClient) {
    both_for(NAME)
}

fn both_for(name: &str) -> (TlsServer, TlsClient) {
    let pair = Pair::new(name);
    (pair.server(), pair.client())
}

/// Each question waits for a second, in two rounds.
fn dns(tls: &TlsClient, servers: &[&str]) -> Dns {
    let servers = servers.iter().map(|server| (server.parse().unwrap(), NAME));
    let config = DnsConfig::over_tls(tls, servers).unwrap();
    Dns::new(config.timeout(Duration::from_secs(1)), Hosts::default())
}

fn right(asked: &Asked) -> Vec<Message> {
    let text = format!("{} 300 A 192.0.2.1", asked.name());
    vec![answer(&asked.message, &[&text])]
}

#[track_caller]
fn fails(reactor: &TestReactor, dns: &Dns) -> LookupErrorKind {
    let found = dns.lookup_a(reactor, "www.example.org");
    kind(&reactor.result_of(found).unwrap_err())
}

#[test]
fn questions_share_an_encrypted_connection() {
    for largest_read in [1, usize::MAX] {
        testing::run(|reactor| {
            reactor.set_largest_read(largest_read);
            let (tls, client) = both();
            let server = Server::over_tls(reactor, FIRST, &tls, right);
            let dns = dns(&client, &[FIRST]);
            for round in 0..2 {
                let names = (0..20).map(|n| format!("{round}-{n}.example.org"));
                let all = names.map(|name| dns.lookup_a(reactor, &name));
                reactor.result_of(gather_results(all)).unwrap();
            }
            let asked = server.asked();
            assert_eq!(asked.len(), 40);
            assert!(asked.iter().all(|a| a.over_tcp && a.connection == 0));
            drop(dns);
            reactor.settle();
            assert_eq!(reactor.counters().connections, 0);
            server.close();
        });
    }
}

/// RFC 8467: with the option of RFC 7830, to a multiple of 128 bytes, in each round.
#[test]
fn questions_are_padded() {
    testing::run(|reactor| {
        let (tls, client) = both();
        let server = Server::over_tls(reactor, FIRST, &tls, right);
        let dns = dns(&client, &[FIRST]);
        let label = "x".repeat(63);
        for length in [1, 20, 40, 63] {
            let name = format!("{}.{label}.{label}", &label[..length]);
            found(reactor, &dns, &format!("{name}.example.org"));
            found(reactor, &dns, &format!("{}.org", &label[..length]));
        }
        for asked in server.asked() {
            assert_eq!(asked.length % 128, 0, "{}", asked.name());
            let edns = asked.message.edns.expect("EDNS");
            assert!(edns.option(12.into()).is_some());
        }
        server.close();
        reactor.settle();
    });
}

#[test]
fn later_rounds_are_padded_too() {
    testing::run(|reactor| {
        let (tls, client) = both();
        let server = Server::over_tls(reactor, FIRST, &tls, |asked| {
            vec![refusal(&asked.message, ResponseCode::ServFail)]
        });
        assert_eq!(
            fails(reactor, &dns(&client, &[FIRST])),
            LookupErrorKind::ServerFailed
        );
        let lengths: Vec<_> = server.asked().iter().map(|asked| asked.length).collect();
        assert_eq!(lengths, [128, 128]);
        server.close();
        reactor.settle();
    });
}

/// It says so; nothing in the path can drop what it cannot read.
#[test]
fn a_server_that_does_not_know_edns_is_asked_without() {
    testing::run(|reactor| {
        let (tls, client) = both();
        let server = Server::over_tls(reactor, FIRST, &tls, |asked| {
            match asked.message.edns.is_some() {
                true => vec![refusal(&asked.message, ResponseCode::FormErr)],
                false => right(asked),
            }
        });
        let dns = dns(&client, &[FIRST]);
        found(reactor, &dns, "a.example.org");
        found(reactor, &dns, "b.example.org");
        assert_eq!(server.asked().len(), 3);
        server.close();
        reactor.settle();
    });
}

/// A certificate for another name, or of another issuer: the server is not asked anything.
#[test]
fn a_server_with_a_wrong_certificate_is_not_asked() {
    for (tls, client) in [
        (
            both_for("other.example.org").0,
            both_for("other.example.org").1,
        ),
        (both().0, both().1),
        both_for("dns.example.com"),
    ] {
        testing::run(|reactor| {
            let server = Server::over_tls(reactor, FIRST, &tls, right);
            let dns = dns(&client, &[FIRST]);
            assert_eq!(fails(reactor, &dns), LookupErrorKind::ServerFailed);
            assert_eq!(server.questions(), [""; 0]);
            server.close();
            reactor.settle();
            reactor.assert_clean();
        });
    }
}

/// Servers that answer in clear on that address are never asked.
#[test]
fn nothing_is_asked_in_clear() {
    testing::run(|reactor| {
        let (tls, client) = both();
        let clear = Server::new(reactor, FIRST, right);
        let dns = dns(&client, &[FIRST, SECOND]);
        let asked = dns.lookup_a(reactor, "www.example.org");
        reactor.advance(Duration::from_secs(2));
        assert!(asked.into_result().unwrap().is_err());
        assert_eq!(clear.questions(), [""; 0]);
        let encrypted = Server::over_tls(reactor, SECOND, &tls, right);
        let asked = dns.lookup_a(reactor, "www.example.org");
        reactor.advance(Duration::from_secs(1));
        assert!(asked.into_result().unwrap().is_ok());
        assert_eq!(clear.questions(), [""; 0]);
        clear.close();
        encrypted.close();
        reactor.settle();
    });
}

/// Not even if a server sends an answer that it says is truncated.
#[test]
fn a_truncated_answer_is_followed_by_the_next_server() {
    testing::run(|reactor| {
        let (tls, client) = both();
        let first = Server::over_tls(reactor, FIRST, &tls, |asked| {
            vec![right(asked).remove(0).truncate()]
        });
        let second = Server::over_tls(reactor, SECOND, &tls, right);
        found(reactor, &dns(&client, &[FIRST, SECOND]), "www.example.org");
        assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
        first.close();
        second.close();
        reactor.settle();
    });
}

#[test]
fn a_connection_that_the_server_has_closed_is_made_anew() {
    testing::run(|reactor| {
        let (tls, client) = both();
        let server = Server::over_tls(reactor, FIRST, &tls, right);
        let dns = dns(&client, &[FIRST]);
        found(reactor, &dns, "a.example.org");
        server.hang_up();
        // The end of the connection is not seen yet.
        found(reactor, &dns, "b.example.org");
        reactor.settle();
        found(reactor, &dns, "c.example.org");
        reactor.advance(Duration::from_secs(10));
        assert_eq!(reactor.counters().connections, 0, "it was idle");
        server.close();
        reactor.settle();
    });
}

struct Silent;

impl Protocol for Silent {
    type Framing = Raw;
}

enum Stage {
    Connecting,
    Handshake,
    Waiting,
}

#[test]
fn cancelled_and_timed_out_at_each_stage() {
    for stage in [Stage::Connecting, Stage::Handshake, Stage::Waiting] {
        testing::run(|reactor| {
            let address: SocketAddr = FIRST.parse().unwrap();
            let (tls, client) = both();
            let (mut silent, mut server) = (None, None);
            match stage {
                Stage::Connecting => reactor.do_not_answer(address),
                Stage::Handshake => {
                    silent = Some(reactor.listen_tcp(address, || Silent).unwrap());
                }
                Stage::Waiting => {
                    server = Some(Server::over_tls(reactor, FIRST, &tls, |_| Vec::new()));
                }
            }
            let dns = dns(&client, &[FIRST]);
            let cancelled = dns.lookup_a(reactor, "a.example.org");
            let waits = dns.lookup_a(reactor, "b.example.org");
            reactor.settle();
            cancelled.cancel();
            let failure = cancelled.into_result().unwrap().unwrap_err();
            assert!(failure.is::<Cancelled>());
            reactor.advance(Duration::from_millis(1999));
            assert_ne!(waits.state(), State::Done);
            reactor.advance(Duration::from_millis(1));
            let failure = waits.into_result().unwrap().unwrap_err();
            assert_eq!(kind(&failure), LookupErrorKind::TimedOut);
            drop(dns);
            silent
                .into_iter()
                .for_each(|port| port.stop_listening().ignore());
            server.into_iter().for_each(Server::close);
            reactor.settle();
            reactor.assert_clean();
        });
    }
}

#[test]
fn a_name_of_no_server_is_an_error() {
    let (_, client) = both();
    let servers = [(FIRST.parse().unwrap(), "not a name")];
    assert!(DnsConfig::over_tls(&client, servers).is_err());
}
