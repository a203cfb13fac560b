//! Questions over TCP.

use std::time::Duration;

use deferred::{Cancelled, Deferred, State, gather_results};
use reactor::testing::{self, TestReactor};
use reactor_names::hickory_proto::op::{Message, OpCode};
use reactor_names::{Dns, Hosts, LookupErrorKind, TcpFraming, decode_message, encode_message};

use super::support::{Asked, FIRST, SECOND, Server, answer, config, dns, found, kind};

const RIGHT: &str = "www.example.org. 300 A 192.0.2.1";

/// Truncated over UDP.
fn only_over_tcp(asked: &Asked) -> Message {
    let text = format!("{} 300 A 192.0.2.1", asked.name());
    let mut message = answer(&asked.message, &[&text]);
    if !asked.over_tcp {
        message = message.truncate();
    }
    message
}

fn server_over_tcp(reactor: &TestReactor) -> Server {
    Server::new(reactor, FIRST, |asked| vec![only_over_tcp(asked)])
}

/// It asks over TCP from the first question on.
fn tcp_only() -> Dns {
    Dns::new(config(&[FIRST]).use_tcp(true), Hosts::default())
}

#[test]
fn a_truncated_answer_is_asked_for_over_tcp() {
    for largest_read in [1, usize::MAX] {
        testing::run(|reactor| {
            reactor.set_largest_read(largest_read);
            let server = server_over_tcp(reactor);
            let found = dns(&[FIRST]).lookup_a(reactor, "www.example.org");
            assert_eq!(reactor.result_of(found).unwrap().len(), 1);
            let over_tcp: Vec<_> = server.asked().iter().map(|asked| asked.over_tcp).collect();
            assert_eq!(over_tcp, [false, true]);
            server.close();
            reactor.settle();
        });
    }
}

#[test]
fn questions_share_a_connection_at_the_same_time_and_later() {
    testing::run(|reactor| {
        let server = server_over_tcp(reactor);
        let dns = tcp_only();
        for round in 0..2 {
            let names = (0..50).map(|n| dns.lookup_a(reactor, &format!("{round}-{n}.example.org")));
            reactor.result_of(gather_results(names)).unwrap();
        }
        let asked = server.asked();
        assert_eq!(asked.len(), 100);
        assert!(asked.iter().all(|asked| asked.connection == 0));
        let ids: std::collections::HashSet<_> = asked[..50].iter().map(|a| a.message.id).collect();
        assert_eq!(ids.len(), 50, "questions that wait have different ids");
        server.close();
        reactor.settle();
    });
}

/// They come in any order.
#[test]
fn answers_out_of_order_find_their_questions() {
    testing::run(|reactor| {
        let waiting = std::cell::RefCell::new(Vec::new());
        let server = Server::new(reactor, FIRST, move |asked| {
            waiting.borrow_mut().push(only_over_tcp(asked));
            if waiting.borrow().len() < 3 {
                return Vec::new();
            }
            waiting.borrow_mut().drain(..).rev().collect()
        });
        let dns = tcp_only();
        let names = ["a", "b", "c"].map(|n| dns.lookup_a(reactor, &format!("{n}.example.org")));
        assert!(reactor.result_of(gather_results(names)).is_ok());
        server.close();
        reactor.settle();
    });
}

#[test]
fn a_connection_that_the_server_has_closed_is_made_anew() {
    testing::run(|reactor| {
        let server = server_over_tcp(reactor);
        // In one round: it is no second attempt.
        let config = config(&[FIRST]).use_tcp(true).attempts(1);
        let dns = Dns::new(config, Hosts::default());
        found(reactor, &dns, "a.example.org");
        server.hang_up();
        // The end of the connection is not seen yet.
        found(reactor, &dns, "b.example.org");
        reactor.settle();
        found(reactor, &dns, "c.example.org");
        server.close();
        reactor.settle();
    });
}

/// The way to the server is gone, and no end of the connection is ever seen: the next question goes
/// on a new one, those that wait on the old one too.
#[test]
fn a_connection_on_which_nothing_comes_is_replaced() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            match asked.connection == 0 && !asked.name().starts_with("a.") {
                true => Vec::new(),
                false => vec![only_over_tcp(asked)],
            }
        });
        let dns = tcp_only();
        found(reactor, &dns, "a.example.org");
        let silent = dns.lookup_a(reactor, "b.example.org");
        reactor.advance(Duration::from_millis(900));
        let later = dns.lookup_a(reactor, "c.example.org");
        assert_ne!(silent.state(), State::Done);
        reactor.advance(Duration::from_millis(100));
        assert!(silent.into_result().unwrap().is_ok());
        assert!(later.into_result().unwrap().is_ok());
        let connections: Vec<_> = server
            .asked()
            .iter()
            .map(|asked| asked.connection)
            .collect();
        assert_eq!(connections, [0, 0, 0, 1, 1]);
        assert_eq!(reactor.counters().connections, 2, "the old one is closed");
        server.close();
        reactor.settle();
    });
}

/// A server that leaves out one question keeps its connection.
#[test]
fn a_connection_on_which_others_are_answered_stays() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            match asked.name().starts_with("silent.") {
                true => Vec::new(),
                false => vec![only_over_tcp(asked)],
            }
        });
        let dns = tcp_only();
        let silent = dns.lookup_a(reactor, "silent.example.org");
        reactor.advance(Duration::from_millis(900));
        found(reactor, &dns, "a.example.org");
        reactor.advance(Duration::from_millis(100));
        found(reactor, &dns, "b.example.org");
        assert!(server.asked().iter().all(|asked| asked.connection == 0));
        silent.ignore();
        server.close();
        reactor.settle();
    });
}

/// Of 1,100 questions for a server that does not answer, 1,000 are on their way.
#[test]
fn questions_on_a_connection_are_bounded() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |_| Vec::new());
        let config = config(&[FIRST]).use_tcp(true).attempts(1);
        let dns = Dns::new(config, Hosts::default());
        let names = (0..1100).map(|n| dns.lookup_a(reactor, &format!("{n}.example.org")));
        let asked: Vec<_> = names.collect();
        reactor.settle();
        assert_eq!(server.asked().len(), 1000);
        let is_done = |asked: &&Deferred<_>| asked.state() == State::Done;
        assert_eq!(asked.iter().filter(is_done).count(), 100);
        asked.into_iter().for_each(Deferred::ignore);
        server.close();
        reactor.settle();
    });
}

/// They do not count for the limit.
#[test]
fn cancelled_questions_leave_the_connection() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| {
            match asked.name().starts_with("www.") {
                true => vec![only_over_tcp(asked)],
                false => Vec::new(),
            }
        });
        let config = config(&[FIRST]).use_tcp(true).attempts(1);
        let dns = Dns::new(config, Hosts::default());
        let names = (0..1000).map(|n| dns.lookup_a(reactor, &format!("{n}.example.org")));
        let asked: Vec<_> = names.collect();
        reactor.settle();
        asked.into_iter().for_each(|asked| {
            asked.cancel();
            asked.ignore();
        });
        found(reactor, &dns, "www.example.org");
        server.close();
        reactor.settle();
    });
}

#[test]
fn an_idle_connection_is_closed() {
    testing::run(|reactor| {
        let server = server_over_tcp(reactor);
        let dns = tcp_only();
        found(reactor, &dns, "www.example.org");
        assert_eq!(reactor.counters().connections, 2);
        reactor.advance(Duration::from_secs(10));
        assert_eq!(reactor.counters().connections, 0);
        server.close();
    });
}

#[test]
fn the_last_dns_closes_its_connections() {
    testing::run(|reactor| {
        let server = server_over_tcp(reactor);
        let dns = tcp_only();
        found(reactor, &dns, "www.example.org");
        drop(dns);
        reactor.settle();
        assert_eq!(reactor.counters().connections, 0);
        server.close();
    });
}

/// No server accepts connections there, or none answers: the next server is asked.
#[test]
fn a_server_without_tcp_is_followed_by_the_next() {
    testing::run(|reactor| {
        let first = reactor.datagram_peer(FIRST);
        let second = Server::new(reactor, SECOND, |asked| {
            vec![answer(&asked.message, &[RIGHT])]
        });
        let found = dns(&[FIRST, SECOND]).lookup_a(reactor, "www.example.org");
        let (question, client) = first.received().remove(0);
        let question = decode_message(&question).unwrap();
        let truncated = answer(&question, &[RIGHT]).truncate();
        first.send_to(encode_message(&truncated, 512).unwrap(), client);
        assert!(reactor.result_of(found).is_ok());
        second.close();
    });
}

#[test]
fn cancelled_and_timed_out_while_connecting_and_while_waiting() {
    for answers_connections in [false, true] {
        testing::run(|reactor| {
            let server = answers_connections.then(|| Server::new(reactor, FIRST, |_| Vec::new()));
            if !answers_connections {
                reactor.do_not_answer(FIRST.parse().unwrap());
            }
            let dns = tcp_only();
            let cancelled = dns.lookup_a(reactor, "a.example.org");
            let silent = dns.lookup_a(reactor, "b.example.org");
            reactor.settle();
            cancelled.cancel();
            assert!(
                cancelled
                    .into_result()
                    .unwrap()
                    .unwrap_err()
                    .is::<Cancelled>()
            );
            reactor.advance(Duration::from_millis(1999));
            assert_ne!(silent.state(), State::Done);
            reactor.advance(Duration::from_millis(1));
            let failure = silent.into_result().unwrap().unwrap_err();
            assert_eq!(kind(&failure), LookupErrorKind::TimedOut);
            drop(dns);
            if let Some(server) = server {
                server.close();
            }
            reactor.settle();
            reactor.assert_clean();
        });
    }
}

/// Messages of a server that answer no question are skipped.
#[test]
fn answers_to_no_question_are_skipped() {
    testing::run(|reactor| {
        let server = Server::raw(reactor, FIRST, |asked| {
            let right = encode_message(&answer(&asked.message, &[RIGHT]), u16::MAX).unwrap();
            let other = Message::response(asked.message.id ^ 1, OpCode::Query);
            let other = encode_message(&other, u16::MAX).unwrap();
            vec![Vec::new(), vec![1], other, right[..20].to_vec(), right]
        });
        let dns = tcp_only();
        assert!(
            reactor
                .result_of(dns.lookup_a(reactor, "www.example.org"))
                .is_ok()
        );
        server.close();
        reactor.settle();
    });
}

#[test]
fn the_framing_is_a_length_of_two_bytes() {
    assert_eq!(TcpFraming::encode(b"abc").unwrap(), b"\0\x03abc");
}
