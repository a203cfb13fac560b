//! Names to addresses.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::assertions::{
    assert_no_result, failure_of, failure_result_of, success_result_of, with_no_unhandled,
};
use deferred::{Cancelled, Deferred, Failure, Panicked, TimedOut, Trigger, fail, succeed};
use reactor::{
    ConnectError, ConnectErrorKind, Reactor, ReactorGone, ReactorHandle, ResolveError, Resolver,
    SystemResolver,
};

use crate::support::{Log, RawRecorder, reactor, result_of, serve};

type Addresses = Vec<SocketAddr>;

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A resolver that notes what it is asked, and answers when the test says so.
#[derive(Clone, Default)]
struct Slow {
    log: Log,
    triggers: Rc<RefCell<Vec<Trigger<Addresses>>>>,
}

impl Slow {
    fn answer(&self, question: usize, addresses: &[&str]) {
        let trigger = self.triggers.borrow()[question].clone();
        let addresses = addresses.iter().map(|text| address(text)).collect();
        trigger.callback(addresses).expect("it is not answered");
    }
}

impl Resolver for Slow {
    fn resolve(&self, _: &ReactorHandle, host: &str, port: u16) -> Deferred<Addresses> {
        self.log.note(format!("{host} {port}"));
        let log = self.log.clone();
        let (trigger, deferred) = Deferred::with_canceller(move |_| log.note("cancelled"));
        self.triggers.borrow_mut().push(trigger);
        deferred
    }
}

fn slow() -> (Reactor, Slow) {
    let (reactor, slow) = (reactor(), Slow::default());
    reactor.set_resolver(slow.clone());
    (reactor, slow)
}

#[test]
fn an_address_is_its_own_answer() {
    let (reactor, slow) = slow();
    for (host, expected) in [
        ("127.0.0.1", "127.0.0.1:80"),
        ("::1", "[::1]:80"),
        ("fe80::1%3", "[fe80::1%3]:80"),
    ] {
        let found = success_result_of(reactor.resolve(host, 80));
        assert_eq!(found, [address(expected)]);
    }
    assert_eq!(slow.log.len(), 0);
    let handle = reactor.handle();
    drop(reactor);
    success_result_of(handle.resolve("::1", 80));
}

#[test]
fn the_system_knows_this_host() {
    let reactor = reactor();
    let found = result_of(&reactor, reactor.resolve("localhost", 80)).expect("it is known");
    assert!(
        found
            .iter()
            .all(|address| address.ip().is_loopback() && address.port() == 80)
    );
    assert!(!found.is_empty());
}

#[test]
fn the_system_says_what_it_does_not_know() {
    let reactor = reactor();
    for name in ["no name", "a\0b", ""] {
        let failure = result_of(&reactor, reactor.resolve(name, 80)).expect_err("it is not known");
        let error = failure.check::<ResolveError>().expect("its own error");
        assert_eq!(error.host(), name);
        assert!(failure.is::<std::io::Error>(), "it keeps its source");
    }
}

#[test]
fn who_asks_the_same_at_the_same_time_gets_the_same_answer() {
    let (reactor, slow) = slow();
    let first = reactor.resolve("a", 1);
    let second = reactor.resolve("a", 1);
    let other_port = reactor.resolve("a", 2);
    let other_name = reactor.resolve("b", 1);
    assert_eq!(slow.log.events(), ["a 1", "a 2", "b 1"]);
    slow.answer(0, &["10.0.0.1:1", "10.0.0.2:1"]);
    for deferred in [first, second] {
        let found = success_result_of(deferred);
        assert_eq!(found, [address("10.0.0.1:1"), address("10.0.0.2:1")]);
    }
    assert_no_result(&other_port);
    // Nothing is kept.
    let later = reactor.resolve("a", 1);
    assert_eq!(slow.log.len(), 4);
    slow.triggers.borrow()[3]
        .errback(Failure::msg("no"))
        .expect("it is not answered");
    assert_eq!(failure_of(later).to_string(), "no");
    other_port.ignore();
    other_name.ignore();
    assert_eq!(slow.log.len(), 4, "letting go does not cancel");
}

#[test]
fn a_failure_goes_to_all_who_wait() {
    let (reactor, slow) = slow();
    let waiting = [reactor.resolve("a", 1), reactor.resolve("a", 1)];
    let trigger = slow.triggers.borrow()[0].clone();
    trigger
        .errback(Failure::msg("no"))
        .expect("it is not answered");
    for deferred in waiting {
        assert_eq!(failure_of(deferred).to_string(), "no");
    }
}

#[test]
fn the_last_who_cancels_stops_the_resolver() {
    with_no_unhandled(|| {
        let (reactor, slow) = slow();
        let first = reactor.resolve("a", 1);
        let second = reactor.resolve("a", 1);
        first.cancel();
        failure_result_of::<Cancelled, _>(first);
        assert_eq!(slow.log.events(), ["a 1"]);
        assert_no_result(&second);
        second.cancel();
        failure_result_of::<Cancelled, _>(second);
        assert_eq!(slow.log.events(), ["a 1", "cancelled"]);
        // A question after the cancel starts a new look-up.
        let third = reactor.resolve("a", 1);
        assert_eq!(slow.log.events(), ["a 1", "cancelled", "a 1"]);
        slow.answer(1, &["10.0.0.1:1"]);
        success_result_of(third);
    });
}

#[test]
fn a_name_can_be_asked_for_again_from_its_own_answer() {
    let (reactor, slow) = slow();
    let handle = reactor.handle();
    let again = reactor
        .resolve("a", 1)
        .add_callback(move |_| handle.resolve("a", 1));
    slow.answer(0, &["10.0.0.1:1"]);
    assert_no_result(&again);
    assert_eq!(slow.log.events(), ["a 1", "a 1"]);
    slow.answer(1, &["10.0.0.2:1"]);
    assert_eq!(success_result_of(again), [address("10.0.0.2:1")]);
}

#[test]
fn a_resolver_may_answer_at_once_panic_or_find_nothing() {
    let reactor = reactor();
    reactor.set_resolver(|_: &ReactorHandle, host: &str, port: u16| match host {
        "panic" => panic!("what a resolver may do"),
        "nothing" => succeed(Vec::new()),
        _ => succeed(vec![SocketAddr::from(([10, 0, 0, 1], port))]),
    });
    let found = success_result_of(reactor.resolve("at once", 7));
    assert_eq!(found, [address("10.0.0.1:7")]);
    assert!(failure_of(reactor.resolve("panic", 7)).is::<Panicked>());
    let failure = failure_of(reactor.resolve("nothing", 7));
    assert_eq!(
        failure.to_string(),
        "cannot find the address of \"nothing\": it has none"
    );

    let (reactor, slow) = slow();
    let waiting = reactor.resolve("a", 1);
    slow.answer(0, &[]);
    assert!(failure_of(waiting).is::<ResolveError>());
}

#[test]
fn a_resolver_may_be_replaced_from_inside_itself() {
    let reactor = reactor();
    reactor.set_resolver(|reactor: &ReactorHandle, _: &str, _: u16| {
        reactor.set_resolver(|_: &ReactorHandle, _: &str, _: u16| fail(Failure::msg("second")));
        fail(Failure::msg("first"))
    });
    assert_eq!(failure_of(reactor.resolve("a", 1)).to_string(), "first");
    assert_eq!(failure_of(reactor.resolve("a", 1)).to_string(), "second");
}

#[test]
fn what_is_in_flight_stays_with_the_resolver_that_was_asked() {
    let (reactor, old) = slow();
    let waiting = reactor.resolve("a", 1);
    reactor.set_resolver(Slow::default());
    let also = reactor.resolve("a", 1);
    old.answer(0, &["10.0.0.1:1"]);
    for deferred in [waiting, also] {
        assert_eq!(success_result_of(deferred), [address("10.0.0.1:1")]);
    }
}

#[test]
fn dropping_the_reactor_tells_those_who_wait_and_drops_the_resolver() {
    let (reactor, slow) = slow();
    let handle = reactor.handle();
    let waiting = reactor.resolve("a", 1);
    drop(reactor);
    assert!(failure_of(waiting).is::<ReactorGone>());
    assert_eq!(Rc::strong_count(&slow.triggers), 1);
    assert!(failure_of(handle.resolve("a", 1)).is::<ReactorGone>());
    handle.set_resolver(slow.clone());
    assert_eq!(Rc::strong_count(&slow.triggers), 1);

    // The system's is not waited for.
    let reactor = crate::support::reactor();
    let waiting = reactor.resolve("localhost", 1);
    drop(reactor);
    assert!(failure_of(waiting).is::<ReactorGone>());
}

#[test]
fn connecting_asks_the_resolver() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log));
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    reactor.set_resolver(move |reactor: &ReactorHandle, host: &str, port: u16| {
        assert_eq!(port, 7);
        match host {
            "server" => succeed(vec![closed, address]),
            "slow" => deferred::sleep(reactor, Duration::from_secs(3600))
                .add_callback(|()| Ok(Vec::new()))
                .add_timeout(Duration::from_millis(1), reactor),
            _ => fail(ResolverIsDown),
        }
    });
    let connected = reactor.connect_tcp("server:7", RawRecorder::new(&log));
    result_of(&reactor, connected).expect("it connects to the second address");

    let connecting = reactor.connect_tcp("other:7", RawRecorder::new(&log));
    let failure = result_of(&reactor, connecting).expect_err("the name is unknown");
    let error = failure.check::<ConnectError>().expect("its own error");
    assert_eq!(error.kind(), ConnectErrorKind::UnknownHost);
    assert!(failure.is::<ResolverIsDown>(), "it keeps its source");

    let connecting = reactor.connect_tcp("slow:7", RawRecorder::new(&log));
    let failure = result_of(&reactor, connecting).expect_err("it takes too long");
    assert!(failure.is::<ConnectError>() && failure.is::<TimedOut>());

    let connecting = reactor.connect_tcp("slow:7", RawRecorder::new(&log));
    connecting.cancel();
    let failure = failure_of(connecting);
    assert!(failure.downcast_ref::<Cancelled>().is_some());

    let connecting = reactor.connect_tcp("slow:7", RawRecorder::new(&log));
    drop(reactor);
    let failure = failure_of(connecting);
    let error = failure.check::<ConnectError>().expect("its own error");
    assert_eq!(error.kind(), ConnectErrorKind::ReactorGone);
}

#[derive(Debug)]
struct ResolverIsDown;

impl std::fmt::Display for ResolverIsDown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the resolver is down")
    }
}

impl std::error::Error for ResolverIsDown {}

#[test]
fn names_do_not_wait_for_other_work_in_threads() {
    let reactor = reactor();
    reactor.suggest_thread_pool_size(1);
    let (hold, held) = std::sync::mpsc::channel::<()>();
    reactor
        .call_in_thread(move || {
            let _ = held.recv();
        })
        .expect("it is taken");
    result_of(&reactor, reactor.resolve("localhost", 80)).expect("it is known");
    drop(hold);
}

#[test]
fn many_names_of_few_threads_are_all_answered() {
    let reactor = reactor();
    reactor.set_resolver(SystemResolver::with_max_threads(0));
    let all = (0..100).map(|port| reactor.resolve("localhost", port));
    let all = deferred::gather_results(all);
    let all = result_of(&reactor, all).expect("all come");
    for (port, found) in all.iter().enumerate() {
        assert_eq!(usize::from(found[0].port()), port);
    }
}
