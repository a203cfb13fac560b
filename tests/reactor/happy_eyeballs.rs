//! The addresses of a name, tried as RFC 8305 says, on the clock of a test.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::assertions::{assert_no_result, with_no_unhandled};
use deferred::{Cancelled, Deferred, Result, succeed};
use reactor::testing::TestReactor;
use reactor::{ConnectError, ConnectErrorKind, Connection, ReactorHandle, TcpConnectOptions};

use crate::support::Quiet;

const V6: [&str; 2] = ["[2001:db8::1]:80", "[2001:db8::2]:80"];
const V4: [&str; 2] = ["192.0.2.1:80", "192.0.2.2:80"];
const STAGGER: Duration = Duration::from_millis(250);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A network in which the name has these addresses, in this order.
fn network(addresses: &[&str]) -> TestReactor {
    let reactor = TestReactor::new();
    let addresses: Vec<_> = addresses.iter().map(|text| address(text)).collect();
    reactor.set_resolver(move |_: &ReactorHandle, _: &str, _: u16| succeed(addresses.clone()));
    reactor
}

fn connect(reactor: &TestReactor) -> Deferred<Connection<Quiet>> {
    let connecting = reactor.connect_tcp("example.org:80", Quiet);
    reactor.settle();
    connecting
}

fn peer(connecting: Deferred<Connection<Quiet>>) -> SocketAddr {
    let connected: Result<_> = connecting.into_result().expect("it has connected");
    let peer = connected.expect("it has").peer().expect("it is open");
    peer.as_inet().expect("TCP")
}

#[test]
fn the_first_address_is_taken_if_it_answers() {
    let reactor = network(&[V6[0], V4[0]]);
    for text in [V6[0], V4[0]] {
        reactor.listen_tcp(text, || Quiet).expect("it is free");
    }
    assert_eq!(peer(connect(&reactor)), address(V6[0]));
    assert!(reactor.leftovers().delayed_calls.is_empty());
}

#[test]
fn a_dead_address_costs_the_stagger() {
    let reactor = network(&[V6[0], V6[1], V4[0]]);
    for text in V6 {
        reactor.do_not_answer(address(text));
    }
    reactor.listen_tcp(V4[0], || Quiet).expect("it is free");
    let connecting = connect(&reactor);
    reactor.advance(STAGGER - Duration::from_millis(1));
    assert_no_result(&connecting);
    // The other family is next, although the name has another address of the first.
    reactor.advance(Duration::from_millis(1));
    assert_eq!(peer(connecting), address(V4[0]));
    // The attempt that had no answer is ended, and its timeout is gone.
    assert!(reactor.leftovers().delayed_calls.is_empty());
    assert_eq!(reactor.counters().connections, 2);
}

#[test]
fn a_refusal_is_followed_by_the_next_at_once() {
    let reactor = network(&[V6[0], V4[0], V4[1]]);
    reactor.listen_tcp(V4[1], || Quiet).expect("it is free");
    assert_eq!(
        peer(connect(&reactor)),
        address(V4[1]),
        "and no time has passed"
    );
}

#[test]
fn a_refusal_later_brings_the_next_forward() {
    let reactor = network(&[V6[0], V4[0], V6[1]]);
    reactor.do_not_answer(address(V6[0]));
    reactor.listen_tcp(V6[1], || Quiet).expect("it is free");
    let connecting = connect(&reactor);
    // V4 is refused, so that V6[1] need not wait for 500 ms.
    reactor.advance(STAGGER);
    assert_eq!(peer(connecting), address(V6[1]));
}

#[test]
fn an_error_lists_every_attempt_in_order() {
    let reactor = network(&[V6[0], V4[0], V4[1]]);
    reactor.do_not_answer(address(V6[0]));
    let connecting = connect(&reactor);
    // The one without an answer is waited for, though the others are refused by then.
    reactor.advance(Duration::from_secs(29));
    assert_no_result(&connecting);
    reactor.advance(Duration::from_secs(1));
    let failure = connecting
        .into_result()
        .expect("all have failed")
        .expect_err("all");
    let error = failure.check::<ConnectError>().expect("it is one");
    let attempts: Vec<_> = error.attempts().map(|(address, _)| address).collect();
    assert_eq!(attempts, [V6[0], V4[0], V4[1]].map(address));
    assert_eq!(error.kind(), ConnectErrorKind::Refused);
    let text = error.to_string();
    assert!(
        text.contains("[2001:db8::1]:80: ") && text.contains("192.0.2.2:80: "),
        "{text}"
    );
    assert!(reactor.leftovers().delayed_calls.is_empty());
}

#[test]
fn a_cancel_in_any_state_leaves_nothing() {
    with_no_unhandled(|| {
        // Before, in and after the stagger, with one, two and three attempts under way.
        for waited in [0, 100, 250, 400, 500, 10_000] {
            let reactor = network(&[V6[0], V4[0], V6[1]]);
            for text in [V6[0], V4[0], V6[1]] {
                reactor.do_not_answer(address(text));
            }
            let sources = reactor.leftovers().sources;
            let connecting = connect(&reactor);
            reactor.advance(Duration::from_millis(waited));
            connecting.cancel();
            let result = connecting.into_result().expect("it was cancelled");
            assert!(result.expect_err("it was cancelled").is::<Cancelled>());
            assert_eq!(reactor.leftovers().sources, sources, "after {waited} ms");
            assert!(
                reactor.leftovers().delayed_calls.is_empty(),
                "after {waited} ms"
            );
        }
        // While the name is looked up.
        let reactor = TestReactor::new();
        let (looked_up, name) = Deferred::pair();
        let name = Cell::new(Some(name));
        reactor.set_resolver(move |_: &ReactorHandle, _: &str, _: u16| {
            name.take().expect("it is asked once")
        });
        let connecting = connect(&reactor);
        connecting.cancel();
        assert!(looked_up.is_fired());
        connecting.ignore();
    });
}

#[test]
fn a_cancel_from_a_callback_of_the_loser_is_harmless() {
    let reactor = network(&[V6[0], V4[0]]);
    let handle = Rc::new(Cell::new(None));
    reactor.listen_tcp(V6[0], || Quiet).expect("it is free");
    let to_cancel = Rc::clone(&handle);
    let mut connecting = connect(&reactor).add_callback(move |connection| {
        let handle: Option<deferred::DeferredHandle> = to_cancel.take();
        if let Some(handle) = handle {
            handle.cancel();
        }
        Ok(connection)
    });
    handle.set(Some(connecting.handle()));
    reactor.settle();
    assert_eq!(peer(connecting), address(V6[0]));
}

#[test]
fn a_stop_of_the_reactor_ends_all_attempts() {
    let reactor = network(&[V6[0], V4[0], V4[1]]);
    for text in [V6[0], V4[0], V4[1]] {
        reactor.do_not_answer(address(text));
    }
    let connecting = connect(&reactor);
    reactor.advance(STAGGER);
    reactor.shut_down();
    let failure = connecting
        .into_result()
        .expect("it is over")
        .expect_err("it is over");
    let error = failure.check::<ConnectError>().expect("it is one");
    assert_eq!(error.kind(), ConnectErrorKind::ReactorStopped);
}

#[test]
fn the_timeout_is_that_of_each_attempt() {
    let reactor = network(&[V6[0], V4[0]]);
    for text in [V6[0], V4[0]] {
        reactor.do_not_answer(address(text));
    }
    let options = TcpConnectOptions::new("example.org:80").timeout(Duration::from_secs(1));
    let connecting = reactor.connect_tcp(options, Quiet);
    reactor.advance(Duration::from_secs(1));
    assert_no_result(&connecting);
    reactor.advance(STAGGER);
    let failure = connecting
        .into_result()
        .expect("both are late")
        .expect_err("both");
    let error = failure.check::<ConnectError>().expect("it is one");
    assert_eq!(error.kind(), ConnectErrorKind::TimedOut);
    assert_eq!(error.attempts().count(), 2);
}
