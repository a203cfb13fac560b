//! Panics of what endpoints call: each refuses one connection, and the port goes on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use deferred::Panicked;
use reactor::endpoint::{
    Accept, AnyPort, Begin, Connect, ConnectionLimits, Listen, ServerEndpoint, WithFilter,
};
use reactor::filter::Filter;
use reactor::filter::proxy_protocol::ProxyProtocol;
use reactor::testing::TestReactor;
use reactor::{Address, Factory};

use crate::filter_pair::Shift;
use crate::support::{Log, Quiet, RawRecorder};

const SERVER: &str = "127.0.0.1:80";

/// Panics at the first connection, in the method of this name.
struct Once {
    here: &'static str,
    is_over: Rc<Cell<bool>>,
    log: Log,
}

impl Once {
    fn comes_to(&self, here: &str) {
        let is_first = self.here == here && !self.is_over.replace(true);
        assert!(!is_first, "as it should");
    }
}

impl Factory for Once {
    type Protocol = RawRecorder;

    fn filter(&mut self, _: &Address) -> Option<Box<dyn Filter>> {
        self.comes_to("filter");
        None
    }

    fn build_protocol(&mut self, _: &Address) -> Option<RawRecorder> {
        self.comes_to("build_protocol");
        Some(RawRecorder::new(&self.log))
    }

    fn start_factory(&mut self) {
        self.comes_to("start_factory");
    }

    fn stop_factory(&mut self) {
        self.log.note("stopped");
        self.comes_to("stop_factory");
    }
}

impl Accept for Once {
    fn accept(&mut self, _: &Address) -> Option<Begin> {
        self.comes_to("accept");
        let (here, is_over, log) = (self.here, Rc::clone(&self.is_over), self.log.clone());
        let once = Self { here, is_over, log };
        Some(Box::new(move |connection| {
            once.comes_to("begin");
            let started = connection.start(RawRecorder::new(&once.log));
            started.add_callback(drop)
        }))
    }
}

/// Connects twice, and stops the port: the second connection is served, if `is_first_refused`.
#[track_caller]
fn check(name: &str, listen: impl FnOnce(&TestReactor, Log) -> deferred::Deferred<AnyPort>) {
    let (reactor, log) = (TestReactor::new(), Log::default());
    let listening = listen(&reactor, log.clone());
    reactor.settle();
    let port = listening.into_result().expect("it is free").expect(name);
    for _ in 0..2 {
        let connecting = SERVER.connect(&reactor, Quiet);
        reactor.settle();
        connecting.ignore();
    }
    assert!(port.is_listening(), "{name}");
    assert!(log.has("made"), "{name}: {:?}", log.events());
    let stopped = reactor.result_of(port.stop_listening());
    assert_eq!(stopped.is_err(), name == "stop_factory");
    assert!(!port.is_listening());
}

#[test]
fn a_factory_or_an_acceptor_that_panics_keeps_its_port() {
    for here in ["filter", "build_protocol", "start_factory", "stop_factory"] {
        check(here, |reactor, log| {
            let is_over = Rc::default();
            SERVER.listen(reactor, Once { here, is_over, log })
        });
    }
    for here in ["accept", "begin"] {
        check(here, |reactor, log| {
            let is_over = Rc::default();
            SERVER.listen_with(reactor, Box::new(Once { here, is_over, log }))
        });
    }
}

/// Stops its port, and panics.
struct Stops(Log, Rc<RefCell<Option<AnyPort>>>);

impl Factory for Stops {
    type Protocol = Quiet;

    fn build_protocol(&mut self, _: &Address) -> Option<Quiet> {
        let port = self.1.take().expect("it listens");
        port.stop_listening().ignore();
        panic!("as it should");
    }

    fn stop_factory(&mut self) {
        self.0.note("stopped");
    }
}

#[test]
fn a_factory_that_stops_its_port_and_panics_hears_of_the_stop() {
    let (reactor, log) = (TestReactor::new(), Log::default());
    let slot = Rc::default();
    let listening = SERVER.listen(&reactor, Stops(log.clone(), Rc::clone(&slot)));
    reactor.settle();
    let port = listening.into_result().expect("free").expect("free");
    slot.replace(Some(port));
    SERVER.connect(&reactor, Quiet).ignore();
    reactor.settle();
    assert_eq!(log.events(), ["stopped"]);
}

#[test]
fn the_functions_of_an_endpoint_may_panic() {
    // Once: at the first connection.
    let once = || {
        let is_over = Cell::new(false);
        move || assert!(is_over.replace(true), "as it should")
    };
    check("a filter", |reactor, log| {
        let panics = once();
        let endpoint = WithFilter::new(SERVER, move |_: &Address| {
            panics();
            reactor::filter::throttle::Throttle::new().filter()
        });
        endpoint.listen(reactor, move || RawRecorder::new(&log))
    });
    let reactor = TestReactor::new();

    // What says who may send a header.
    let panics = once();
    let proxy = ProxyProtocol::from_senders(move |_| {
        panics();
        true
    });
    let log = Log::default();
    let recorded = log.clone();
    let listening = proxy
        .endpoint(SERVER)
        .listen(&reactor, move || RawRecorder::new(&recorded));
    reactor.settle();
    let port = listening.into_result().expect("free").expect("free");
    for is_refused in [true, false] {
        let sender = RawRecorder::new(&Log::default()).on_made(|cx| {
            cx.write("PROXY UNKNOWN\r\n");
            Ok(())
        });
        let connecting = SERVER.connect(&reactor, sender);
        reactor.settle();
        let connection = connecting.into_result().expect("it ends").expect("it does");
        assert_eq!(connection.is_gone(), is_refused);
    }
    assert_eq!(log.events(), ["made"]);
    reactor.result_of(port.stop_listening()).expect("it stops");

    // What hears of refused connections.
    let called = Rc::new(Cell::new(0));
    let calls = Rc::clone(&called);
    let limits = ConnectionLimits::new().total(0).on_refused(move |_| {
        calls.set(calls.get() + 1);
        panic!("as it should");
    });
    let listening = limits.over("127.0.0.1:81").listen(&reactor, || Quiet);
    reactor.settle();
    let port = listening.into_result().expect("free").expect("free");
    for refused in 1..=2 {
        "127.0.0.1:81".connect(&reactor, Quiet).ignore();
        reactor.settle();
        assert_eq!(limits.refused(), refused);
        assert_eq!(called.get(), refused, "it is called again after a panic");
    }
    reactor.result_of(port.stop_listening()).expect("it stops");

    // The filter of a client: the attempt has failed.
    reactor.listen_tcp("127.0.0.1:82", || Quiet).expect("free");
    let client = WithFilter::new("127.0.0.1:82", |_: &Address| -> Shift { panic!("no") });
    let connecting = client.connect(&reactor, Quiet);
    reactor.settle();
    let failure = connecting.into_result().expect("it ends").err();
    assert!(failure.expect("it panicked").is::<Panicked>());
}
