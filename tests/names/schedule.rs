//! Which server is asked when: on the virtual clock.

use std::time::Duration;

use deferred::{Cancelled, State};
use reactor::testing::{self, Delivery, TestReactor};
use reactor_names::hickory_proto::op::{Message, ResponseCode};
use reactor_names::{Dns, Hosts, LookupErrorKind};

use super::support::{FIRST, SECOND, Server, answer, config, dns, kind, refusal};

const RIGHT: &str = "www.example.org. 300 A 192.0.2.1";

fn good(reactor: &TestReactor, address: &str) -> Server {
    Server::new(reactor, address, |asked| {
        vec![answer(&asked.message, &[RIGHT])]
    })
}

fn silent(reactor: &TestReactor, address: &str) -> Server {
    Server::new(reactor, address, |_| Vec::new())
}

#[test]
fn a_silent_server_is_followed_by_the_next_after_the_timeout() {
    testing::run(|reactor| {
        let (first, second) = (silent(reactor, FIRST), good(reactor, SECOND));
        let found = dns(&[FIRST, SECOND]).lookup_a(reactor, "www.example.org");
        reactor.advance(Duration::from_millis(999));
        assert_ne!(found.state(), State::Done);
        assert!(second.asked().is_empty());
        reactor.advance(Duration::from_millis(1));
        assert!(found.into_result().unwrap().is_ok());
        assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
        first.close();
        second.close();
    });
}

#[test]
fn all_are_asked_in_each_round_and_then_it_has_timed_out() {
    testing::run(|reactor| {
        let (first, second) = (silent(reactor, FIRST), silent(reactor, SECOND));
        let found = dns(&[FIRST, SECOND]).lookup_a(reactor, "www.example.org");
        reactor.advance(Duration::from_millis(3999));
        assert_ne!(found.state(), State::Done);
        reactor.advance(Duration::from_millis(1));
        let failure = found.into_result().unwrap().unwrap_err();
        assert_eq!(kind(&failure), LookupErrorKind::TimedOut);
        // Each question has another id, and comes from another port.
        let asked = first.asked();
        assert_eq!((asked.len(), second.asked().len()), (2, 2));
        assert_ne!(asked[0].from, asked[1].from);
        first.close();
        second.close();
    });
}

/// What the first server says is no answer: the second one, which has one, is asked at once.
fn the_second_answers_after(no_answer: impl Fn(&Message) -> Message + 'static) {
    testing::run(|reactor| {
        let first = Server::new(reactor, FIRST, move |asked| vec![no_answer(&asked.message)]);
        let second = good(reactor, SECOND);
        let found = dns(&[FIRST, SECOND]).lookup_a(reactor, "www.example.org");
        assert_eq!(reactor.result_of(found).unwrap().len(), 1);
        first.close();
        second.close();
    });
}

#[test]
fn a_server_that_refuses_or_fails_is_followed_by_the_next_at_once() {
    for code in [ResponseCode::Refused, ResponseCode::ServFail] {
        the_second_answers_after(move |question| refusal(question, code));
    }
}

/// A referral: it does not resolve.
#[test]
fn a_server_that_only_refers_to_others_is_followed_by_the_next() {
    the_second_answers_after(|question| {
        let mut referral = answer(question, &[]);
        referral.add_authority(super::support::record("org. 300 NS a.example.net."));
        referral
    });
}

/// No server listens at the first address.
#[test]
fn a_refused_datagram_is_followed_by_the_next_server_at_once() {
    testing::run(|reactor| {
        let second = good(reactor, SECOND);
        let found = dns(&[FIRST, SECOND]).lookup_a(reactor, "www.example.org");
        assert!(reactor.result_of(found).is_ok());
        second.close();
    });
}

#[test]
fn lost_and_repeated_datagrams_do_no_harm() {
    testing::run(|reactor| {
        let server = good(reactor, FIRST);
        let mut sent = 0;
        reactor.set_datagram_delivery(move |_| {
            sent += 1;
            match sent {
                1 => Delivery::lost(),
                _ => Delivery::at_once().and_again_after(Duration::from_millis(10)),
            }
        });
        let found = dns(&[FIRST]).lookup_a(reactor, "www.example.org");
        reactor.advance(Duration::from_secs(1));
        assert!(found.into_result().unwrap().is_ok());
        reactor.advance(Duration::from_secs(1));
        server.close();
    });
}

#[test]
fn rotate_begins_with_another_server_each_time() {
    testing::run(|reactor| {
        let (first, second) = (good(reactor, FIRST), good(reactor, SECOND));
        let config = config(&[FIRST, SECOND]).rotate(true).max_cached(0);
        let dns = Dns::new(config, Hosts::default());
        for _ in 0..4 {
            reactor
                .result_of(dns.lookup_a(reactor, "www.example.org"))
                .unwrap();
        }
        assert_eq!((first.asked().len(), second.asked().len()), (2, 2));
        first.close();
        second.close();
    });
}

/// It says FORMERR, with the question or without it; the next question comes without EDNS.
#[test]
fn a_server_that_does_not_know_edns_is_asked_without_it() {
    for with_question in [true, false] {
        testing::run(|reactor| {
            let server = Server::new(reactor, FIRST, move |asked| {
                if asked.message.edns.is_none() {
                    return vec![answer(&asked.message, &[RIGHT])];
                }
                let mut refusal = refusal(&asked.message, ResponseCode::FormErr);
                if !with_question {
                    refusal.queries.clear();
                }
                vec![refusal]
            });
            let dns = Dns::new(config(&[FIRST]).max_cached(0), Hosts::default());
            for questions in [2, 1] {
                reactor
                    .result_of(dns.lookup_a(reactor, "www.example.org"))
                    .unwrap();
                assert_eq!(server.asked().len(), questions);
            }
            server.close();
        });
    }
}

#[test]
fn a_server_that_drops_edns_is_asked_without_it_in_the_second_round() {
    testing::run(|reactor| {
        let server = Server::new(reactor, FIRST, |asked| match &asked.message.edns {
            Some(edns) => {
                assert_eq!(edns.max_payload(), 1232);
                Vec::new()
            }
            None => vec![answer(&asked.message, &[RIGHT])],
        });
        let found = dns(&[FIRST]).lookup_a(reactor, "www.example.org");
        reactor.advance(Duration::from_secs(1));
        assert!(found.into_result().unwrap().is_ok());
        server.close();
    });
}

/// The port is closed at once, and no timer is left.
#[test]
fn cancelling_takes_the_question_back() {
    testing::run(|reactor| {
        let server = silent(reactor, FIRST);
        let dns = dns(&[FIRST]);
        let found = dns.lookup_a(reactor, "www.example.org");
        let other = dns.lookup_a(reactor, "www.example.org");
        reactor.settle();
        found.cancel();
        assert!(found.into_result().unwrap().unwrap_err().is::<Cancelled>());
        assert_ne!(
            other.state(),
            State::Done,
            "its question is still on its way"
        );
        other.cancel();
        assert!(other.into_result().unwrap().unwrap_err().is::<Cancelled>());
        server.close();
        reactor.settle();
        reactor.assert_clean();
    });
}

#[test]
fn cancelling_resolve_takes_both_questions_back() {
    testing::run(|reactor| {
        let server = silent(reactor, FIRST);
        reactor.set_resolver(dns(&[FIRST]));
        let found = reactor.resolve("www.example.org", 80);
        reactor.advance(Duration::from_millis(1500));
        found.cancel();
        assert!(found.into_result().unwrap().unwrap_err().is::<Cancelled>());
        server.close();
        reactor.settle();
        reactor.assert_clean();
    });
}
