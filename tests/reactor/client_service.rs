//! `ClientService`: each state with each call, delays, the prepare step, and what it leaves.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::assertions::with_no_unhandled;
use deferred::{Deferred, Failure, State, Trigger, fail, succeed};
use reactor::endpoint::{ClientEndpoint, PendingConnection};
use reactor::filter::Filter;
use reactor::testing::{self, TestReactor};
use reactor::{
    Address, Backoff, ClientService, ClientServiceState, ConnectError, ConnectErrorKind,
    Connection, Factory, ListeningPort, NoProtocol, Phase, ReactorHandle, ServiceStopped,
    SystemEvent, UnixAddress,
};

use crate::support::{Log, RawRecorder, reactor, result_of, turn_until};

const SERVER: &str = "192.0.2.1:80";
const SECOND: Duration = Duration::from_secs(1);

/// More than the network takes while the peer does not read.
const MUCH: usize = 1024 * 1024;

/// 1 s, 2 s, 4 s, 8 s, 10 s, 10 s ...
fn backoff() -> Backoff {
    Backoff::new().factor(2.0).max(10 * SECOND).jitter(0.0)
}

/// A protocol whose log is not needed.
fn quiet() -> RawRecorder {
    RawRecorder::new(&Log::default())
}

fn has_result<T: 'static>(deferred: &Deferred<T>) -> bool {
    deferred.state() == State::Done
}

type Step = Rc<RefCell<Option<Trigger<()>>>>;

/// A service in one of its states, with a server.
struct World {
    reactor: TestReactor,
    service: ClientService<RawRecorder>,
    /// Of the client's protocols.
    log: Log,
    /// Connections at the server.
    accepted: Rc<RefCell<Vec<Connection<RawRecorder>>>>,
    port: Option<ListeningPort>,
    step: Step,
}

impl World {
    /// The protocols of the client write [`MUCH`] if they are `talkative`. The server does not
    /// read.
    fn new(talkative: bool) -> Self {
        let reactor = TestReactor::new();
        let log = Log::default();
        let accepted = Rc::<RefCell<Vec<_>>>::default();
        let accept = Rc::clone(&accepted);
        let server = quiet().on_made(move |cx| {
            cx.pause_reading();
            accept.borrow_mut().push(cx.connection());
            Ok(())
        });
        let port = reactor.listen_tcp(SERVER, move || server.clone()).unwrap();
        let client = RawRecorder::new(&log).on_made(move |cx| {
            if talkative {
                cx.write(vec![0; MUCH]);
            }
            Ok(())
        });
        let step = Step::default();
        let steps = Rc::clone(&step);
        let service = ClientService::builder(SERVER, move || client.clone())
            .backoff(backoff())
            .prepare(move |_connection| {
                let (trigger, prepared) = Deferred::pair();
                steps.replace(Some(trigger));
                prepared
            })
            .build(&reactor);
        Self {
            reactor,
            service,
            log,
            accepted,
            port: Some(port),
            step,
        }
    }

    fn prepared(&self, result: deferred::Result<()>) {
        let trigger = self.step.take().expect("the step runs");
        match result {
            Ok(()) => trigger.callback(()).unwrap(),
            Err(failure) => trigger.errback(failure).unwrap(),
        }
        self.reactor.settle();
    }

    fn connect(&self) {
        self.service.start();
        self.reactor.settle();
        self.prepared(Ok(()));
        assert_eq!(self.service.state(), ClientServiceState::Connected);
    }

    /// Lets a connection of a talkative client end.
    fn read_all(&self) {
        for connection in self.accepted.take() {
            // `Gone` if it is over.
            let _ = connection.resume_reading();
        }
        self.reactor.settle();
    }

    /// Nothing of the service is left in the reactor.
    #[track_caller]
    fn assert_nothing_left(&self) {
        if let Some(port) = &self.port {
            port.stop_listening().ignore();
        }
        self.read_all();
        self.reactor.assert_clean();
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Stopped,
    Connecting,
    Preparing,
    /// The prepare step has failed, and the connection is closing.
    Vetoed,
    Connected,
    Waiting,
    Disconnecting,
    /// Disconnecting, and started again.
    Restarting,
}

const ALL: [At; 8] = [
    At::Stopped,
    At::Connecting,
    At::Preparing,
    At::Vetoed,
    At::Connected,
    At::Waiting,
    At::Disconnecting,
    At::Restarting,
];

impl At {
    fn name(self) -> ClientServiceState {
        match self {
            Self::Stopped => ClientServiceState::Stopped,
            Self::Connecting => ClientServiceState::Connecting,
            Self::Preparing | Self::Vetoed => ClientServiceState::Preparing,
            Self::Connected => ClientServiceState::Connected,
            Self::Waiting => ClientServiceState::Waiting,
            Self::Disconnecting | Self::Restarting => ClientServiceState::Disconnecting,
        }
    }

    fn reach(self) -> World {
        let talkative = matches!(self, Self::Vetoed | Self::Disconnecting | Self::Restarting);
        let mut world = World::new(talkative);
        let reactor = &world.reactor;
        match self {
            Self::Stopped => {}
            Self::Connecting => {
                reactor.do_not_answer(SERVER.parse().unwrap());
                world.service.start();
                reactor.settle();
            }
            Self::Preparing => {
                world.service.start();
                reactor.settle();
            }
            Self::Vetoed => {
                world.service.start();
                reactor.settle();
                world.prepared(Err(Failure::msg("no")));
            }
            Self::Connected => world.connect(),
            Self::Waiting => {
                let port = world.port.take().unwrap();
                reactor.result_of(port.stop_listening()).unwrap();
                world.service.start();
                reactor.settle();
            }
            Self::Disconnecting | Self::Restarting => {
                world.connect();
                world.service.stop().ignore();
                if self == Self::Restarting {
                    world.service.start();
                }
                world.reactor.settle();
            }
        }
        assert_eq!(world.service.state(), self.name(), "{self:?}");
        world
    }
}

#[test]
fn start_has_an_effect_in_stopped_and_disconnecting_only() {
    for at in ALL {
        let world = at.reach();
        let attempts = world.accepted.borrow().len();
        world.service.start();
        let after = match at {
            At::Stopped => ClientServiceState::Connecting,
            _ => at.name(),
        };
        assert_eq!(world.service.state(), after, "{at:?}");
        world.reactor.settle();
        let expected = if at == At::Stopped { 1 } else { attempts };
        assert_eq!(world.accepted.borrow().len(), expected, "{at:?}");
        if matches!(at, At::Disconnecting | At::Restarting) {
            world.read_all();
            assert_eq!(world.service.state(), ClientServiceState::Preparing);
            assert_eq!(world.accepted.borrow().len(), 1, "{at:?}");
        }
        world.service.stop().ignore();
        world.assert_nothing_left();
    }
}

#[test]
fn stop_ends_what_there_is_in_each_state_and_leaves_nothing() {
    for at in ALL {
        with_no_unhandled(|| {
            let world = at.reach();
            let stopped = world.service.stop();
            let has_fired = has_result(&stopped);
            let is_at_once = matches!(at, At::Stopped | At::Connecting | At::Waiting);
            assert_eq!(has_fired, is_at_once, "{at:?}");
            let second = world.service.stop();
            world.reactor.settle();
            world.read_all();
            assert!(stopped.into_result().unwrap().is_ok(), "{at:?}");
            assert!(second.into_result().unwrap().is_ok(), "{at:?}");
            assert_eq!(world.service.state(), ClientServiceState::Stopped, "{at:?}");
            assert!(world.service.connection().is_none());
            world.reactor.advance(100 * SECOND);
            assert!(world.accepted.borrow().is_empty(), "{at:?}: no new attempt");
            world.assert_nothing_left();
        });
    }
}

#[test]
fn when_connected_waits_or_fails_or_has_it_at_once() {
    for at in ALL {
        let world = at.reach();
        let connected = world.service.when_connected();
        let within = world.service.when_connected_within(3);
        match at {
            At::Stopped | At::Disconnecting => {
                for failed in [connected, within] {
                    let failure = failed.into_result().unwrap().unwrap_err();
                    assert!(failure.is::<ServiceStopped>(), "{at:?}");
                }
            }
            At::Connected => {
                let first = connected.into_result().unwrap().unwrap();
                let second = within.into_result().unwrap().unwrap();
                assert!(first == second && Some(first) == world.service.connection());
            }
            _ => {
                assert!(!has_result(&connected) && !has_result(&within), "{at:?}");
                world.service.stop().ignore();
                for failed in [connected, within] {
                    let failure = failed.into_result().unwrap().unwrap_err();
                    assert!(failure.is::<ServiceStopped>(), "{at:?}");
                }
            }
        }
        world.service.stop().ignore();
        world.assert_nothing_left();
    }
}

#[test]
fn a_stop_of_the_reactor_stops_the_service_in_each_state() {
    for at in ALL {
        with_no_unhandled(|| {
            let world = at.reach();
            let connected = world.service.when_connected();
            world.reactor.settle();
            world.reactor.stop();
            world.reactor.settle();
            world.read_all();
            assert_eq!(world.service.state(), ClientServiceState::Stopped, "{at:?}");
            assert!(world.reactor.leftovers().is_empty(), "{at:?}");
            let expected = at == At::Connected;
            assert_eq!(connected.into_result().unwrap().is_ok(), expected, "{at:?}");
            if at == At::Connected {
                assert_eq!(world.log.events(), ["made", "lost: reactor stopped"]);
            }
            // It can be started again, as the reactor can.
            world.service.start();
            assert_eq!(world.service.state(), ClientServiceState::Connecting);
        });
    }
}

#[test]
fn the_drop_of_the_reactor_stops_the_service_in_each_state() {
    for at in ALL {
        with_no_unhandled(|| {
            let world = at.reach();
            let connected = world.service.when_connected();
            let stopped = (at == At::Disconnecting).then(|| world.service.stop());
            drop(world.reactor);
            assert_eq!(world.service.state(), ClientServiceState::Stopped, "{at:?}");
            assert_eq!(
                connected.into_result().unwrap().is_ok(),
                at == At::Connected
            );
            assert!(stopped.is_none_or(|stopped| stopped.into_result().unwrap().is_ok()));
            world.service.start();
            assert_eq!(world.service.state(), ClientServiceState::Stopped, "{at:?}");
        });
    }
}

#[test]
fn triggers_before_a_shutdown_can_use_the_connection() {
    let world = At::Connected.reach();
    let (service, sent) = (world.service.clone(), Log::default());
    let note = sent.clone();
    let handle = world.reactor.handle();
    world
        .reactor
        .add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            deferred::defer_later(&handle, SECOND, move || {
                let connection = service.connection().expect("it is connected still");
                note.note(format!("{:?}", connection.write("QUIT")));
            })
        });
    world.reactor.stop();
    world.reactor.advance(SECOND);
    assert_eq!(sent.events(), ["Ok(())"]);
    assert_eq!(world.service.state(), ClientServiceState::Stopped);
}

#[test]
fn delays_grow_up_to_the_cap_and_begin_anew_after_a_success() {
    testing::run(|reactor| {
        let delays = Rc::<RefCell<Vec<u64>>>::default();
        let note = Rc::clone(&delays);
        let mut policy = backoff();
        let service = ClientService::builder(SERVER, quiet)
            .retry(move |failures| {
                let delay = policy.delay(failures);
                note.borrow_mut().push(delay.as_secs());
                delay
            })
            .start(reactor);
        reactor.settle();
        assert_eq!(service.failures(), 1);
        reactor.advance(25 * SECOND);
        assert_eq!(delays.take(), [1, 2, 4, 8, 10, 10]);
        assert_eq!(service.failures(), 6);

        let port = reactor.listen_tcp(SERVER, quiet).unwrap();
        reactor.advance(10 * SECOND);
        assert_eq!(service.state(), ClientServiceState::Connected);
        assert_eq!(service.failures(), 0);
        reactor.result_of(port.stop_listening()).unwrap();
        service.connection().unwrap().abort();
        reactor.advance(3 * SECOND);
        assert_eq!(delays.take(), [1, 2, 4]);
        reactor.result_of(service.stop()).unwrap();
    });
}

#[test]
fn delays_begin_anew_after_a_stop() {
    testing::run(|reactor| {
        let service = ClientService::builder(SERVER, quiet)
            .backoff(backoff())
            .start(reactor);
        reactor.advance(7 * SECOND);
        assert_eq!(service.failures(), 4);
        reactor.result_of(service.stop()).unwrap();
        service.start();
        assert_eq!(service.failures(), 0);
        reactor.settle();
        assert_eq!(service.failures(), 1);
        // The first delay, not the fifth.
        reactor.advance(SECOND);
        assert_eq!(service.failures(), 2);
        reactor.result_of(service.stop()).unwrap();
    });
}

#[test]
fn attempts_run_one_at_a_time_and_an_attempt_may_take_long() {
    testing::run(|reactor| {
        reactor.do_not_answer(SERVER.parse().unwrap());
        let service = ClientService::builder(SERVER, quiet)
            .backoff(backoff())
            .start(reactor);
        for failures in 1..=3 {
            // An address is tried for 30 s.
            reactor.advance(30 * SECOND);
            assert_eq!(service.state(), ClientServiceState::Waiting);
            assert_eq!(service.failures(), failures);
            reactor.advance(backoff().delay(failures));
            assert_eq!(service.state(), ClientServiceState::Connecting);
        }
        reactor.result_of(service.stop()).unwrap();
    });
}

#[test]
fn when_connected_within_counts_failed_attempts_from_now_on() {
    testing::run(|reactor| {
        let service = ClientService::builder(SERVER, quiet)
            .backoff(backoff())
            .start(reactor);
        let one = service.when_connected_within(1);
        let none = service.when_connected_within(0);
        let two = service.when_connected_within(2);
        let any = service.when_connected();
        assert!(!has_result(&one), "a failure comes from the loop");
        reactor.settle();
        for failed in [one, none] {
            let failure = failed.into_result().unwrap().unwrap_err();
            let error = failure.downcast_ref::<ConnectError>().unwrap();
            assert_eq!(error.kind(), ConnectErrorKind::Refused);
        }
        assert!(!has_result(&two));
        let later = service.when_connected_within(1);
        reactor.advance(SECOND);
        assert!(two.into_result().unwrap().is_err());
        assert!(later.into_result().unwrap().is_err());
        assert_eq!(service.state(), ClientServiceState::Waiting);
        let port = reactor.listen_tcp(SERVER, quiet).unwrap();
        reactor.advance(2 * SECOND);
        assert!(any.into_result().unwrap().is_ok());
        // A lost connection is no failed attempt.
        service.connection().unwrap().abort();
        reactor.settle();
        let within = service.when_connected_within(1);
        reactor.advance(SECOND);
        assert!(within.into_result().unwrap().is_ok());
        reactor.result_of(service.stop()).unwrap();
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

#[test]
fn waits_that_are_cancelled_leave_nothing() {
    let world = At::Waiting.reach();
    let connected = world
        .service
        .when_connected()
        .add_timeout(SECOND / 2, &world.reactor);
    world.reactor.advance(SECOND / 2);
    assert!(connected.into_result().unwrap().is_err());
    let mut connected = world.service.when_connected();
    connected.handle().cancel();
    connected.ignore();
    let disconnecting = At::Disconnecting.reach();
    let mut stopped = disconnecting.service.stop();
    stopped.handle().cancel();
    stopped.ignore();
    assert_eq!(
        disconnecting.service.state(),
        ClientServiceState::Disconnecting
    );
    disconnecting.read_all();
    assert_eq!(disconnecting.service.state(), ClientServiceState::Stopped);
}

#[test]
fn each_connection_is_prepared_and_a_veto_is_a_failed_attempt() {
    let world = World::new(false);
    world.service.start();
    let within = world.service.when_connected_within(1);
    world.reactor.settle();
    assert_eq!(world.log.events(), ["made"]);
    assert!(world.service.connection().is_none(), "it is not prepared");
    world.prepared(Err(Failure::msg("wrong password")));
    assert_eq!(world.log.events(), ["made", "lost: done"]);
    assert_eq!(world.service.state(), ClientServiceState::Waiting);
    assert_eq!(world.service.failures(), 1);
    let failure = within.into_result().unwrap().unwrap_err();
    assert_eq!(failure.message(), "wrong password");

    world.reactor.advance(SECOND);
    world.prepared(Ok(()));
    assert_eq!(world.service.failures(), 0);
    world.service.connection().unwrap().abort();
    world.reactor.settle();
    world.reactor.advance(SECOND);
    assert_eq!(world.service.state(), ClientServiceState::Preparing);
    world.prepared(Ok(()));
    assert_eq!(world.service.state(), ClientServiceState::Connected);
    world.service.stop().ignore();
    world.assert_nothing_left();
}

#[test]
fn a_prepare_step_is_cancelled_with_its_connection() {
    for stops in [false, true] {
        with_no_unhandled(|| {
            let world = At::Preparing.reach();
            let within = world.service.when_connected_within(1);
            if stops {
                world.service.stop().ignore();
            } else {
                world.accepted.borrow()[0].abort();
            }
            world.reactor.settle();
            let step = world.step.take().unwrap();
            assert!(step.is_fired(), "the step was cancelled");
            assert!(within.into_result().unwrap().is_err());
            let after = if stops {
                ClientServiceState::Stopped
            } else {
                ClientServiceState::Waiting
            };
            assert_eq!(world.service.state(), after);
            world.service.stop().ignore();
            world.assert_nothing_left();
        });
    }
}

#[test]
fn a_step_that_ends_with_its_connection_does_not_count_as_connected() {
    testing::run(|reactor| {
        let step = Step::default();
        let (steps, fires) = (Rc::clone(&step), Rc::clone(&step));
        let client = quiet().on_lost(move |_cx| {
            if let Some(trigger) = fires.take() {
                trigger.callback(()).unwrap();
            }
        });
        let server = quiet().on_made(|cx| {
            cx.lose_connection();
            Ok(())
        });
        let port = reactor.listen_tcp(SERVER, move || server.clone()).unwrap();
        let service = ClientService::builder(SERVER, move || client.clone())
            .backoff(backoff())
            .prepare(move |_| {
                let (trigger, prepared) = Deferred::pair();
                steps.replace(Some(trigger));
                prepared
            })
            .start(reactor);
        let connected = service.when_connected();
        reactor.settle();
        assert_eq!(service.state(), ClientServiceState::Waiting);
        assert!(!has_result(&connected));
        reactor.result_of(service.stop()).unwrap();
        connected.ignore();
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

/// Calls `act` at one place of a service: in which of its functions, or of its protocol's.
fn acting_at(place: &'static str, act: impl Fn(&ClientService<RawRecorder>) + 'static) -> Log {
    let reactor = TestReactor::new();
    let log = Log::default();
    let holder = Rc::new(RefCell::new(None::<ClientService<RawRecorder>>));
    let act = Rc::new(act);
    let at = {
        let (holder, log, done) = (Rc::clone(&holder), log.clone(), Rc::new(Cell::new(false)));
        move |here: &'static str| {
            if here == place && !done.replace(true) {
                let service = holder.borrow().clone().expect("it is there");
                log.note(format!("{here} in {:?}", service.state()));
                act(&service);
                log.note(format!("then {:?}", service.state()));
            }
        }
    };
    let port = reactor.listen_tcp(SERVER, quiet).unwrap();

    struct Endpoint<F>(F);
    impl<F: Fn(&'static str)> ClientEndpoint for Endpoint<F> {
        fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
            self.0("dial");
            SERVER.dial(reactor)
        }
    }
    let (made, lost, factory, prepare, retry) =
        (at.clone(), at.clone(), at.clone(), at.clone(), at.clone());
    let client = quiet()
        .on_made(move |_| {
            made("connection_made");
            Ok(())
        })
        .on_lost(move |_| lost("connection_lost"));
    let build = move || {
        factory("factory");
        client.clone()
    };
    let service = ClientService::builder(Endpoint(at.clone()), build)
        .retry(move |_| {
            retry("retry");
            SECOND
        })
        .prepare(move |_| prepare("prepare"))
        .build(&reactor);
    holder.replace(Some(service.clone()));
    service.start();
    let connected = at.clone();
    // `ServiceStopped` if it was stopped before.
    let when = service
        .when_connected()
        .add_callback(move |_| connected("when_connected"));
    when.ignore();
    reactor.settle();
    if let Some(connection) = service.connection() {
        connection.abort();
        reactor.settle();
        reactor.advance(SECOND);
    }
    log.note(format!("at last {:?}", service.state()));
    reactor.result_of(port.stop_listening()).unwrap();
    let stopped = service.stop().add_callback(move |()| at("stopped"));
    reactor.settle();
    assert!(has_result(&stopped), "{place}");
    service.stop().ignore();
    reactor.settle();
    reactor.assert_clean();
    holder.take();
    log
}

const PLACES: [&str; 7] = [
    "dial",
    "factory",
    "connection_made",
    "prepare",
    "when_connected",
    "connection_lost",
    "retry",
];

#[test]
fn the_service_can_be_stopped_from_each_of_its_functions() {
    for place in PLACES {
        let log = acting_at(place, |service| service.stop().ignore());
        let events = log.events();
        assert_eq!(events.len(), 3, "{place}: {events:?}");
        assert!(events[1].starts_with("then Disconnecting"), "{events:?}");
        assert_eq!(events[2], "at last Stopped", "{place}");
    }
}

#[test]
fn the_service_can_be_started_anew_from_each_of_its_functions() {
    for place in PLACES {
        let log = acting_at(place, |service| {
            service.stop().ignore();
            service.start();
        });
        let events = log.events();
        assert_eq!(events[1], "then Disconnecting", "{place}: {events:?}");
        assert_eq!(events[2], "at last Connected", "{place}: {events:?}");
    }
    let log = acting_at("stopped", ClientService::start);
    assert_eq!(
        log.events(),
        ["at last Connected", "stopped in Stopped", "then Connecting"]
    );
}

#[test]
fn a_panic_of_each_of_its_functions_is_a_failed_attempt() {
    struct Panics;
    impl ClientEndpoint for Panics {
        fn dial(&self, _: &ReactorHandle) -> Deferred<PendingConnection> {
            panic!("dial")
        }
    }
    let panics = || -> RawRecorder { panic!("factory") };
    let services = [
        ClientService::builder(Panics, quiet),
        ClientService::builder(SERVER, panics),
        ClientService::builder(SERVER, quiet).prepare(|_| panic!("prepare")),
    ];
    for service in services {
        testing::run(|reactor| {
            let port = reactor.listen_tcp(SERVER, quiet).unwrap();
            let service = service.backoff(backoff()).start(reactor);
            let failure = reactor
                .result_of(service.when_connected_within(1))
                .unwrap_err();
            assert!(failure.to_string().contains("panicked"), "{failure}");
            assert_eq!(service.state(), ClientServiceState::Waiting);
            reactor.result_of(service.stop()).unwrap();
            reactor.result_of(port.stop_listening()).unwrap();
        });
    }
}

#[test]
fn after_a_policy_that_panics_the_next_attempt_begins_in_a_minute() {
    testing::run(|reactor| {
        let service = ClientService::builder(SERVER, quiet)
            .retry(|_| panic!("as asked"))
            .start(reactor);
        reactor.advance(59 * SECOND);
        assert_eq!(service.failures(), 1);
        reactor.advance(SECOND);
        assert_eq!(service.failures(), 2);
        reactor.result_of(service.stop()).unwrap();
    });
}

#[test]
fn a_factory_refuses_a_peer_and_puts_filters_in() {
    struct Clients {
        refuses: Rc<Cell<bool>>,
        filters: Rc<Cell<u32>>,
    }
    impl Factory for Clients {
        type Protocol = RawRecorder;
        fn build_protocol(&mut self, peer: &Address) -> Option<RawRecorder> {
            assert_eq!(peer.to_string(), SERVER);
            (!self.refuses.get()).then(quiet)
        }
        fn filter(&mut self, _peer: &Address) -> Option<Box<dyn Filter>> {
            self.filters.set(self.filters.get() + 1);
            Some(Box::new(
                reactor::filter::throttle::Throttle::new().filter(),
            ))
        }
    }
    testing::run(|reactor| {
        let (refuses, filters) = (Rc::new(Cell::new(true)), Rc::default());
        let port = reactor.listen_tcp(SERVER, quiet).unwrap();
        let clients = Clients {
            refuses: Rc::clone(&refuses),
            filters: Rc::clone(&filters),
        };
        let service = ClientService::builder(SERVER, clients)
            .backoff(backoff())
            .start(reactor);
        let failure = reactor
            .result_of(service.when_connected_within(1))
            .unwrap_err();
        assert!(failure.is::<NoProtocol>());
        refuses.set(false);
        reactor.advance(SECOND);
        assert_eq!(service.state(), ClientServiceState::Connected);
        assert_eq!(filters.get(), 2);
        reactor.result_of(service.stop()).unwrap();
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

#[test]
fn a_service_without_handles_goes_on() {
    let reactor = TestReactor::new();
    let log = Log::default();
    let client = RawRecorder::new(&log);
    let server = quiet().on_made(|cx| {
        cx.lose_connection();
        Ok(())
    });
    reactor.listen_tcp(SERVER, move || server.clone()).unwrap();
    drop(ClientService::builder(SERVER, move || client.clone()).start(&reactor));
    reactor.advance(10 * SECOND);
    assert!(log.len() > 6, "{:?}", log.events());
    reactor.shut_down();
    reactor.assert_clean();
}

#[test]
fn endpoints_of_all_kinds_are_connected_to() {
    testing::run(|reactor| {
        let tcp = reactor.listen_tcp(SERVER, quiet).unwrap();
        let unix = reactor.listen_unix("/run/server", quiet).unwrap();
        let services = [
            ClientService::builder("tcp:192.0.2.1:80", quiet),
            ClientService::builder("unix:/run/server", quiet),
            ClientService::builder(UnixAddress::from("/run/server"), quiet),
            ClientService::builder(Rc::new(SERVER), quiet),
        ];
        for service in services {
            let service = service.start(reactor);
            reactor.result_of(service.when_connected()).unwrap();
            reactor.result_of(service.stop()).unwrap();
        }
        reactor.result_of(tcp.stop_listening()).unwrap();
        reactor.result_of(unix.stop_listening()).unwrap();
    });
}

/// Fails its first Deferreds at once, with no turn of the loop in between.
struct Hasty(Cell<u32>);

impl ClientEndpoint for Hasty {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        self.0.set(self.0.get() + 1);
        if self.0.get() > 1000 {
            return SERVER.dial(reactor);
        }
        fail(Failure::msg("at once"))
    }
}

#[test]
fn attempts_that_fail_at_once_do_not_nest() {
    testing::run(|reactor| {
        let port = reactor.listen_tcp(SERVER, quiet).unwrap();
        let service = ClientService::builder(Hasty(Cell::new(0)), quiet)
            .retry(|_| Duration::ZERO)
            .prepare(|_| succeed(()))
            .start(reactor);
        let connected = service.when_connected();
        for _ in 0..10 {
            reactor.settle();
        }
        assert!(connected.into_result().unwrap().is_ok());
        reactor.result_of(service.stop()).unwrap();
        reactor.result_of(port.stop_listening()).unwrap();
    });
}

#[test]
fn a_real_server_that_restarts_gets_its_client_back() {
    let reactor = reactor();
    let log = Log::default();
    let server = {
        let log = log.clone();
        move || RawRecorder::new(&log)
    };
    let port = reactor.listen_tcp("127.0.0.1:0", server).unwrap();
    let service = ClientService::builder(port.address(), quiet)
        .retry(|_| Duration::from_millis(1))
        .start(&reactor);
    for _ in 0..3 {
        let connection = result_of(&reactor, service.when_connected()).unwrap();
        turn_until(&reactor, || log.has("made"));
        result_of(&reactor, port.stop_listening()).unwrap();
        log.clear();
        let closed = connection.closed();
        connection.abort();
        result_of(&reactor, closed).unwrap();
        turn_until(&reactor, || service.failures() > 2);
        port.start_listening().unwrap();
    }
    result_of(&reactor, service.when_connected()).unwrap();
    result_of(&reactor, service.stop()).unwrap();
    assert_eq!(service.state(), ClientServiceState::Stopped);
    turn_until(&reactor, || log.is_lost());
    assert_eq!(reactor.counters().connections, 0);
}
