//! Where a failure of a handler is seen: in the log, at the same level for each kind of
//! protocol, and on standard error if the process has no subscriber for its log.

use std::net::SocketAddr;
use std::process::Command as StdCommand;
use std::time::Duration;

use deferred::{Failure, Result, succeed};
use reactor::{
    Address, Command, Consumer, Context, DatagramContext, DatagramProtocol, Factory, Framing,
    Lines, ProcessContext, ProcessProtocol, Producer, Production, Protocol, PullProducer, Reactor,
    testing,
};

use crate::counters_and_tracing;
use crate::support::{Count, Log, Peer, RawRecorder, reactor, serve, turn_until};

/// Fails in each handler, with its own message.
const MESSAGES: [&str; 10] = [
    "in connection_made",
    "in received",
    "in a job",
    "in a call",
    "in a when",
    "in a producer",
    "in a datagram",
    "in a child",
    "in stop_factory",
    "in memory",
];

/// The types whose methods fail, by the field of the log.
const NAMES: [(&str, &str); 4] = [
    ("protocol", "support::Recorder<"),
    ("protocol", "failed_handlers::FailingDatagram"),
    ("protocol", "failed_handlers::FailingChild"),
    ("factory", "failed_handlers::FailingFactory"),
];

struct FailingProducer;

impl PullProducer for FailingProducer {
    fn resume_producing(&mut self, _consumer: &mut Consumer<'_>) -> Result<Production> {
        Err(Failure::msg("in a producer"))
    }

    fn stop_producing(&mut self) {}
}

struct FailingDatagram(Count);

impl DatagramProtocol for FailingDatagram {
    type Address = SocketAddr;

    fn datagram_received(
        &mut self,
        _cx: &mut DatagramContext<'_, Self>,
        _data: &[u8],
        _from: SocketAddr,
    ) -> Result<()> {
        self.0.add();
        Err(Failure::msg("in a datagram"))
    }
}

struct FailingChild(Count);

impl ProcessProtocol for FailingChild {
    fn out_received(&mut self, _cx: &mut ProcessContext<'_, Self>, _data: &[u8]) -> Result<()> {
        self.0.add();
        Err(Failure::msg("in a child"))
    }
}

struct FailingFactory;

impl Factory for FailingFactory {
    type Protocol = RawRecorder;

    fn build_protocol(&mut self, _peer: &Address) -> Option<RawRecorder> {
        None
    }

    fn stop_factory(&mut self) {
        panic!("in stop_factory");
    }
}

/// The line of that panic.
const PANICS_AT: u32 = line!() - 5;

/// A connection to a server whose protocol fails as `fail` has it.
fn fails(fail: impl Fn(&mut Context<'_, RawRecorder>) -> Result<()> + 'static) {
    let log = Log::default();
    let recorder = RawRecorder::new(&log).on_received(move |cx, _| fail(cx));
    let (reactor, address) = serve(recorder);
    let mut peer = Peer::connect(address);
    peer.send("!");
    turn_until(&reactor, || log.is_lost());
}

fn fail_in_all_ways() {
    let log = Log::default();
    let recorder = RawRecorder::new(&log).on_made(|_| Err(Failure::msg("in connection_made")));
    let (server, address) = serve(recorder);
    let _peer = Peer::connect(address);
    turn_until(&server, || log.is_lost());

    fails(|_| Err(Failure::msg("in received")));
    fails(|cx| {
        let job = |_: &mut RawRecorder, _: &mut Context<'_, RawRecorder>| {
            Err::<(), _>(Failure::msg("in a job"))
        };
        Ok(cx.connection().post(job)?)
    });
    fails(|cx| {
        cx.call_later(Duration::ZERO, |_, _| {
            Err::<(), _>(Failure::msg("in a call"))
        });
        Ok(())
    });
    fails(|cx| {
        cx.when(succeed(()), |_, _, _| {
            Err::<(), _>(Failure::msg("in a when"))
        });
        Ok(())
    });
    fails(|cx| {
        Ok(cx
            .connection()
            .register_producer(Producer::pull(FailingProducer))?)
    });

    fail_elsewhere(&reactor());
    testing::run(|reactor| {
        let recorder =
            RawRecorder::new(&Log::default()).on_made(|_| Err(Failure::msg("in memory")));
        reactor.connect_to_peer(recorder);
    });
}

fn fail_elsewhere(reactor: &Reactor) {
    let count = Count::default();
    let port = reactor
        .listen_udp("127.0.0.1:0", FailingDatagram(count.clone()))
        .expect("a port");
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    sender.send_to(b"!", port.address()).expect("it is sent");
    turn_until(reactor, || count.get() == 1);

    let command = Command::new("/bin/sh").args(["-c", "echo; read line"]);
    reactor
        .spawn_process(command, FailingChild(count.clone()))
        .expect("it starts");
    turn_until(reactor, || count.get() == 2);

    // The port is stopped with the loop, so the result of `stop_listening` is not observed.
    reactor
        .listen_tcp("127.0.0.1:0", FailingFactory)
        .expect("a port");
    reactor.stop();
    while reactor.is_running() {
        reactor.turn(Some(Duration::ZERO)).expect("it turns");
    }
}

#[test]
fn failures_of_handlers_are_logged_as_errors_whatever_the_kind_of_protocol() {
    let lines = counters_and_tracing::Lines::default();
    lines.capture(fail_in_all_ways);
    let text = lines.text();
    for message in MESSAGES {
        let told = text.lines().filter(|line| line.contains(message));
        let told: Vec<_> = told.collect();
        assert_eq!(told.len(), 1, "{message}: {text}");
        assert!(told[0].contains("ERROR"), "{told:?}");
    }
    // A panic has no place in the program: the type says where to look.
    for (field, name) in NAMES {
        let named = format!("{field}=\"");
        let named = text.split(&named).skip(1);
        assert!(
            named
                .clone()
                .any(|rest| rest.split('"').next().is_some_and(|it| it.contains(name))),
            "{name}: {text}"
        );
    }
}

const NO_SUBSCRIBER: &str = "REACTOR_TEST_NO_SUBSCRIBER";

/// Runs the test `name` again, in a process in which no `tracing` subscriber was ever set;
/// returns its standard error.
fn without_a_subscriber(name: &str) -> String {
    let name = format!("failed_handlers::{name}");
    let alone = StdCommand::new(std::env::current_exe().expect("a path"))
        .args(["--exact", &name, "--test-threads=1", "--nocapture"])
        .env(NO_SUBSCRIBER, "1")
        .output()
        .expect("it starts");
    let errors = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(alone.status.success(), "{errors}");
    errors
}

#[test]
fn failures_of_handlers_go_to_standard_error_if_nobody_subscribes() {
    if std::env::var_os(NO_SUBSCRIBER).is_some() {
        return fail_in_all_ways();
    }
    let errors =
        without_a_subscriber("failures_of_handlers_go_to_standard_error_if_nobody_subscribes");
    for message in MESSAGES {
        let told = errors
            .lines()
            .filter(|line| line.contains(message) && line.contains("failed"))
            .filter(|line| NAMES.iter().any(|(_, name)| line.contains(name)));
        assert_eq!(told.count(), 1, "{message}: {errors}");
    }
    // The place of a panic, from the hook of the standard library, before the report.
    let place = format!("panicked at tests/reactor/failed_handlers.rs:{PANICS_AT}:");
    let (_, after) = errors.split_once(&place).expect("the place of the panic");
    let report = after.split_once("a factory failed").map(|(text, _)| text);
    assert!(
        report.is_some_and(|text| text.contains("in stop_factory")),
        "{errors}"
    );
}

/// A peer can make a server write nothing to its standard error.
#[test]
fn input_that_is_no_frame_is_a_warning_and_no_error_of_the_program() {
    fn send_too_much() {
        let log = Log::default();
        struct Talk(Log);
        impl Protocol for Talk {
            type Framing = Lines;

            fn connection_lost(
                &mut self,
                _cx: &mut Context<'_, Self>,
                reason: reactor::ConnectionClosed,
            ) {
                self.0.note(format!("lost {reason}"));
            }
        }
        let reactor = reactor();
        let noted = log.clone();
        let port = reactor
            .listen_tcp("127.0.0.1:0", move || Talk(noted.clone()))
            .expect("a port");
        let mut peer = Peer::connect(port.address());
        peer.send("x".repeat(Lines::DEFAULT_MAX_LENGTH + 10));
        turn_until(&reactor, || log.is_lost());
    }
    if std::env::var_os(NO_SUBSCRIBER).is_some() {
        return send_too_much();
    }
    let lines = counters_and_tracing::Lines::default();
    lines.capture(send_too_much);
    let text = lines.text();
    assert!(
        text.contains("WARN") && text.contains("input is no frame"),
        "{text}"
    );
    let errors =
        without_a_subscriber("input_that_is_no_frame_is_a_warning_and_no_error_of_the_program");
    assert!(!errors.contains("frame"), "{errors}");
}

#[derive(Default)]
struct Broken;

impl Framing for Broken {
    type Frame<'a> = &'a [u8];

    fn decode<'a>(&mut self, _input: &'a [u8]) -> Result<reactor::Decoded<&'a [u8]>> {
        panic!("a framing that panics");
    }
}

#[test]
fn a_framing_that_panics_is_an_error_of_the_program() {
    struct Talk;
    impl Protocol for Talk {
        type Framing = Broken;
    }
    let lines = counters_and_tracing::Lines::default();
    lines.capture(|| {
        testing::run(|reactor| {
            let (_connection, peer) = reactor.connect_to_peer(Talk);
            peer.send("!");
            assert!(peer.is_closed());
        });
    });
    let text = lines.text();
    assert!(
        text.contains("ERROR") && text.contains("a framing that panics"),
        "{text}"
    );
}
