//! Panics in code that the loop calls: each ends only what panicked, and is reported.
//!
//! Those that are common have their tests beside what they belong to; here are the others.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitStatus;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use deferred::assertions::{failure_of, with_no_unhandled};
use deferred::{Failure, Panicked, Result};
use reactor::testing::{self, Peer, TestReactor};
use reactor::{
    Address, AdoptError, ClientFactory, Command, ConnectionClosed, Connector, ConnectorState,
    Context, Cores, DatagramContext, DatagramError, DatagramPortClosed, DatagramProtocol, Decoded,
    Factory, Framing, Gone, ProcessContext, ProcessEnded, ProcessProtocol, Producer, Protocol,
    PushProducer, UdpOptions,
};

use crate::counters_and_tracing::Lines;
use crate::support::{
    Log, RawRecorder, assert_sleeps, never, reactor, result_of, turn_until, wait_until,
};
use crate::unix_sockets::send_descriptors;

/// What each of them panics with.
const WHY: &str = "what it may do";

/// Runs `f`, in which as many panics are to be logged, and nothing is to go unhandled.
#[track_caller]
fn told_of(panics: usize, f: impl FnOnce()) {
    let lines = Lines::default();
    lines.capture(|| with_no_unhandled(f));
    let text = lines.text();
    let told = text
        .lines()
        .filter(|line| line.contains("ERROR") || line.contains("WARN"))
        .filter(|line| line.contains(WHY))
        .count();
    assert_eq!(told, panics, "{text}");
}

/// An echo that neither side has closed.
fn neighbour(reactor: &TestReactor) -> Peer {
    let echo = RawRecorder::new(&Log::default()).on_received(|cx, data| {
        cx.write(data);
        Ok(())
    });
    reactor.connect_to_peer(echo).1
}

#[track_caller]
fn assert_goes_on(neighbour: &Peer) {
    neighbour.send("still there?");
    assert_eq!(neighbour.received(), b"still there?");
}

// --- connections ---

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Decode,
    FramingFailed,
    WriteClosed,
    DescriptorReceived,
}

/// Frames of one byte; `!` is none.
struct Bytewise {
    panics: bool,
}

impl Default for Bytewise {
    fn default() -> Self {
        unreachable!("its protocol makes it");
    }
}

impl Framing for Bytewise {
    type Frame<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<&'a [u8]>> {
        match input {
            [] => Ok(Decoded::Incomplete),
            [b'!', ..] if self.panics => panic!("{WHY}"),
            [b'!', ..] => Err(Failure::msg("no frame")),
            [..] => Ok(Decoded::Frame {
                frame: &input[..1],
                consumed: 1,
            }),
        }
    }
}

struct Panicking {
    at: Where,
    log: Log,
    /// Is dropped with it.
    _held: Rc<()>,
}

impl Panicking {
    fn comes_to(&self, here: Where) {
        self.log.note(format!("{here:?}"));
        assert!(self.at != here, "{WHY}");
    }
}

impl Protocol for Panicking {
    type Framing = Bytewise;

    fn framing(&self) -> Bytewise {
        Bytewise {
            panics: self.at == Where::Decode,
        }
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, frame: &[u8]) -> Result<()> {
        self.log.note(String::from_utf8_lossy(frame));
        cx.write(frame);
        if frame == b"." {
            cx.lose_write_connection();
        }
        Ok(())
    }

    fn framing_failed(
        &mut self,
        _: &mut Context<'_, Self>,
        failure: Failure,
        _: &[u8],
    ) -> Result<()> {
        self.comes_to(Where::FramingFailed);
        Err(failure)
    }

    fn write_closed(&mut self, _: &mut Context<'_, Self>) -> Result<()> {
        self.comes_to(Where::WriteClosed);
        Ok(())
    }

    fn descriptor_received(&mut self, _: &mut Context<'_, Self>, _: OwnedFd) -> Result<()> {
        self.comes_to(Where::DescriptorReceived);
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let ConnectionClosed::Failed(failure) = reason else {
            unreachable!("it panics sooner or later: {reason}");
        };
        self.log.note(format!("lost: {}", failure.message()));
    }
}

#[test]
fn a_handler_that_panics_ends_its_own_connection_and_no_other() {
    let cases: [(Where, &str, &[&str]); 3] = [
        (Where::Decode, "ab!c", &["a", "b"]),
        (Where::FramingFailed, "ab!c", &["a", "b", "FramingFailed"]),
        (Where::WriteClosed, "a.", &["a", ".", "WriteClosed"]),
    ];
    for (at, sent, before) in cases {
        told_of(1, || {
            testing::run(|reactor| {
                let (log, held) = (Log::default(), Rc::new(()));
                let protocol = Panicking {
                    at,
                    log: log.clone(),
                    _held: Rc::clone(&held),
                };
                let neighbour = neighbour(reactor);
                let (connection, peer) = reactor.connect_to_peer(protocol);
                peer.send(sent);
                let lost = format!("lost: panicked: {WHY}");
                let mut expected = before.to_vec();
                expected.push(&lost);
                assert_eq!(log.events(), expected);
                // What was written before is sent.
                assert_eq!(peer.received(), sent[..2].replace('!', "").as_bytes());
                assert!(peer.is_closed());
                assert!(connection.is_gone());
                assert_eq!(Rc::strong_count(&held), 1);
                assert_goes_on(&neighbour);
                neighbour.close();
            });
        });
    }
}

/// Has no framing.
struct Unframed {
    log: Log,
    _held: Rc<()>,
}

impl Protocol for Unframed {
    type Framing = Bytewise;

    fn framing(&self) -> Bytewise {
        panic!("{WHY}");
    }

    fn connection_made(&mut self, _: &mut Context<'_, Self>) -> Result<()> {
        unreachable!("it has no framing");
    }

    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        cx.write("dropped");
        self.log.note(reason.to_string());
        assert!(self.log.len() == 1, "`connection_lost` is called once");
    }
}

#[test]
fn one_whose_framing_panics_is_told_of_the_loss_once() {
    let (reactor, log, held) = (reactor(), Log::default(), Rc::new(()));
    let (near, far) = UnixStream::pair().expect("a pair");
    let unframed = Unframed {
        log: log.clone(),
        _held: Rc::clone(&held),
    };
    match reactor.adopt_stream(near, unframed) {
        Err(AdoptError::Protocol(failure)) => assert!(failure.is::<Panicked>()),
        adopted => panic!("it panics: {adopted:?}"),
    }
    assert_eq!(
        log.events(),
        [format!("the protocol failed: panicked: {WHY}")]
    );
    turn_until(&reactor, || Rc::strong_count(&held) == 1);
    let mut text = String::new();
    (&far).read_to_string(&mut text).expect("an end");
    assert_eq!(text, "");
    assert_eq!(reactor.counters().connections, 0);
}

#[test]
fn one_that_panics_at_a_descriptor_gets_no_other_and_all_are_closed() {
    told_of(1, || {
        let (reactor, log, held) = (reactor(), Log::default(), Rc::new(()));
        let (near, far) = UnixStream::pair().expect("a pair");
        let protocol = Panicking {
            at: Where::DescriptorReceived,
            log: log.clone(),
            _held: Rc::clone(&held),
        };
        let adopted = reactor.adopt_stream(far, protocol);
        let connection = adopted.expect("it can be watched");
        let mut pipes = Vec::new();
        let mut outputs = Vec::new();
        for _ in 0..3 {
            let (input, output) = std::io::pipe().expect("a pipe");
            pipes.push(output);
            outputs.push(input);
        }
        send_descriptors(&near, &outputs);
        drop(outputs);
        turn_until(&reactor, || connection.is_gone());
        let lost = format!("lost: panicked: {WHY}");
        assert_eq!(log.events(), ["DescriptorReceived", &lost]);
        for mut pipe in pipes {
            let error = pipe.write(b"x").expect_err("the reader is closed");
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        }
        assert_eq!(Rc::strong_count(&held), 1);
        assert_eq!(reactor.counters().connections, 0);
    });
}

// --- producers ---

/// More than the in-memory network and the high-water mark together hold.
const MUCH: usize = 300_000;

struct Pushing {
    log: Log,
    /// What it panics at.
    at: &'static str,
    _held: Rc<()>,
}

impl Pushing {
    fn is_told(&self, what: &'static str) {
        self.log.note(what);
        assert!(what != self.at, "{WHY}");
    }
}

impl PushProducer for Pushing {
    fn pause_producing(&self) {
        self.is_told("pause");
    }

    fn resume_producing(&self) {
        self.is_told("resume");
    }

    fn stop_producing(&self) {
        self.is_told("stop");
    }
}

#[test]
fn a_producer_that_panics_is_told_what_it_would_be_told_anyway() {
    for at in ["pause", "resume", "stop"] {
        told_of(1, || {
            testing::run(|reactor| {
                let (log, held) = (Log::default(), Rc::new(()));
                let neighbour = neighbour(reactor);
                let lost = Log::default();
                let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&lost));
                let producer = Pushing {
                    log: log.clone(),
                    at,
                    _held: Rc::clone(&held),
                };
                let registered = connection.register_producer(Producer::push(producer));
                registered.expect("it is the first");
                peer.set_reading(false);
                connection.write(vec![0; MUCH]).expect("it is there");
                reactor.settle();
                assert_eq!(log.events(), ["pause"]);
                peer.set_reading(true);
                assert_eq!(log.events(), ["pause", "resume"]);
                assert_eq!(peer.received().len(), MUCH);
                assert!(!connection.is_gone());
                peer.reset();
                assert_eq!(log.events(), ["pause", "resume", "stop"]);
                assert_eq!(lost.events(), ["made", "lost: broken"]);
                assert_eq!(Rc::strong_count(&held), 1);
                assert_goes_on(&neighbour);
                neighbour.close();
            });
        });
    }
}

#[test]
fn who_waits_for_a_connection_is_told_though_its_producer_panics() {
    told_of(1, || {
        testing::run(|reactor| {
            let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&Log::default()));
            peer.set_reading(false);
            connection.write(vec![0; MUCH]).expect("it is there");
            let producer = Producer::push(Pushing {
                log: Log::default(),
                at: "stop",
                _held: Rc::new(()),
            });
            let registered = connection.register_producer(producer);
            registered.expect("it is the first");
            let drained = connection.drained();
            peer.reset();
            assert!(failure_of(drained).is::<Gone>());
        });
    });
}

#[test]
fn one_that_is_refused_may_panic_when_it_is_stopped() {
    told_of(2, || {
        testing::run(|reactor| {
            let held = Rc::new(());
            let producer = || Pushing {
                log: Log::default(),
                at: "stop",
                _held: Rc::clone(&held),
            };
            let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&Log::default()));
            connection.lose_connection();
            let refused = connection.register_producer(Producer::push(producer()));
            assert!(refused.is_err(), "it is closing");
            reactor.settle();
            assert!(peer.is_closed());
            let refused = connection.register_producer(Producer::push(producer()));
            assert!(refused.is_err(), "it is gone");
            assert_eq!(Rc::strong_count(&held), 1);
        });
    });
}

// --- factories ---

struct StartPanics(Log);

impl Factory for StartPanics {
    type Protocol = RawRecorder;

    fn build_protocol(&mut self, _peer: &Address) -> Option<RawRecorder> {
        Some(RawRecorder::new(&self.0))
    }

    fn start_factory(&mut self) {
        self.0.note("start");
        panic!("{WHY}");
    }

    fn stop_factory(&mut self) {
        self.0.note("stop");
    }
}

#[test]
fn a_factory_that_panics_at_the_start_listens_all_the_same() {
    told_of(3, || {
        testing::run(|reactor| {
            let (log, client) = (Log::default(), Log::default());
            let listening = reactor.listen_tcp("127.0.0.1:80", StartPanics(log.clone()));
            let port = listening.expect("a free port");
            for _ in 0..2 {
                let connecting = reactor.connect_tcp("127.0.0.1:80", RawRecorder::new(&client));
                reactor.settle();
                let connected = connecting.into_result().expect("it has come out");
                let connection = connected.expect("the server listens");
                connection.abort();
                reactor.settle();
                assert_eq!(log.events(), ["start", "made", "lost: broken"]);
                port.stop_listening().ignore();
                // And again, from the beginning.
                log.clear();
                port.start_listening().expect("it was stopped");
            }
            port.stop_listening().ignore();
        });
    });
}

/// A client's factory that notes what it hears, and panics at one of those.
struct Client {
    at: &'static str,
    log: Log,
    _held: Rc<()>,
}

impl Client {
    fn is_told(&self, what: &'static str) {
        self.log.note(what);
        assert!(what != self.at, "{WHY}");
    }
}

impl ClientFactory for Client {
    type Protocol = RawRecorder;

    fn build_protocol(&mut self, _peer: &Address) -> Option<RawRecorder> {
        self.is_told("build");
        Some(RawRecorder::new(&Log::default()))
    }

    fn started_connecting(&mut self, _: &Connector<RawRecorder>) {
        self.is_told("started");
    }

    fn connection_failed(&mut self, _: &Connector<RawRecorder>, _: Failure) {
        self.is_told("failed");
    }

    fn connection_lost(&mut self, _: &Connector<RawRecorder>, _: ConnectionClosed) {
        self.is_told("lost");
    }
}

#[test]
fn a_client_factory_that_panics_anywhere_can_go_on() {
    let cases: [(&str, bool, &[&str]); 4] = [
        ("started", true, &["started", "build", "lost"]),
        ("build", true, &["started", "build", "failed"]),
        ("failed", false, &["started", "failed"]),
        ("lost", true, &["started", "build", "lost"]),
    ];
    for (at, somebody_listens, expected) in cases {
        // Each panic is reported, and the loop goes on.
        told_of(2, || {
            testing::run(|reactor| {
                let (log, held) = (Log::default(), Rc::new(()));
                let neighbour = neighbour(reactor);
                if somebody_listens {
                    let server = || RawRecorder::new(&Log::default());
                    reactor
                        .listen_tcp("192.0.2.1:80", server)
                        .expect("a free port");
                }
                let client = Client {
                    at,
                    log: log.clone(),
                    _held: Rc::clone(&held),
                };
                let connector = reactor.connector_tcp("192.0.2.1:80", client);
                for _ in 0..2 {
                    log.clear();
                    connector.connect().expect("it is disconnected");
                    reactor.settle();
                    connector.disconnect();
                    reactor.settle();
                    assert_eq!(log.events(), expected);
                    assert_eq!(connector.state(), ConnectorState::Disconnected);
                }
                assert_goes_on(&neighbour);
                neighbour.close();
                drop(connector);
                assert_eq!(Rc::strong_count(&held), 1);
                reactor.shut_down();
            });
        });
    }
}

// --- descriptors ---

#[test]
fn a_writer_that_panics_is_removed_and_whoever_is_told_may_panic_too() {
    told_of(2, || {
        let (reactor, log, held) = (reactor(), Log::default(), Rc::new(()));
        let (near, far) = UnixStream::pair().expect("a pair");
        let (_other, beside) = UnixStream::pair().expect("a pair");
        let calls = Rc::new(Cell::new(0));
        let counting = Rc::clone(&calls);
        let neighbour = reactor
            .add_writer(beside, move |_| counting.set(counting.get() + 1))
            .expect("it can be watched");
        let (noting, holding) = (log.clone(), Rc::clone(&held));
        let writer = reactor
            .add_writer(far, move |_| {
                let _held = &holding;
                noting.note("writable");
                panic!("{WHY}");
            })
            .expect("it can be watched");
        let (noting, holding) = (log.clone(), Rc::clone(&held));
        writer.on_lost(move |error| {
            let _held = holding;
            noting.note(format!("lost: {error}"));
            panic!("{WHY}");
        });
        turn_until(&reactor, || !writer.is_watched());
        assert_eq!(log.events(), ["writable", "lost: its callback panicked"]);
        assert_eq!(Rc::strong_count(&held), 1);
        // It is closed.
        let mut near = near;
        let error = near.write(b"x").expect_err("the reader is closed");
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        let before = calls.get();
        turn_until(&reactor, || calls.get() > before);
        assert!(neighbour.remove().is_some());
        assert_sleeps(&reactor);
        assert_eq!(log.len(), 2);
    });
}

// --- datagrams ---

struct Datagrams {
    at: &'static str,
    log: Log,
    _held: Rc<()>,
}

impl Datagrams {
    fn is_told(&self, what: &'static str) {
        self.log.note(what);
        assert!(what != self.at, "{WHY}");
    }
}

impl DatagramProtocol for Datagrams {
    type Address = SocketAddr;

    fn datagram_received(
        &mut self,
        _: &mut DatagramContext<'_, Self>,
        data: &[u8],
        _: SocketAddr,
    ) -> Result<()> {
        self.log
            .note(format!("received {}", String::from_utf8_lossy(data)));
        Ok(())
    }

    fn connection_refused(&mut self, _: &mut DatagramContext<'_, Self>) -> Result<()> {
        self.is_told("refused");
        Ok(())
    }

    fn datagram_failed(
        &mut self,
        _: &mut DatagramContext<'_, Self>,
        _: DatagramError,
    ) -> Result<()> {
        self.is_told("failed");
        Ok(())
    }

    fn stop_protocol(&mut self, _: &mut DatagramContext<'_, Self>, _: DatagramPortClosed) {
        self.is_told("stop");
    }
}

/// A socket at an address that was released. A child of another test holds a copy of the
/// released one between its `fork` and its `exec`, so this tries until that is over.
#[track_caller]
fn bind_again(address: SocketAddr) -> UdpSocket {
    let mut bound = None;
    wait_until(|| {
        bound = UdpSocket::bind(address).ok();
        bound.is_some()
    });
    bound.expect("it was waited for")
}

/// Port 0 of a loopback address that no other test uses, so that a port of it which was
/// released can be bound again. (Linux has all of 127.0.0.0/8; elsewhere it is the usual one.)
fn own_loopback() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    if cfg!(not(target_os = "linux")) {
        return SocketAddr::from(([127, 0, 0, 1], 0));
    }
    let [.., high, low] = std::process::id().to_be_bytes();
    let own = NEXT.fetch_add(1, Ordering::Relaxed);
    SocketAddr::from(([127, 128 | high, low, own], 0))
}

#[test]
fn a_port_whose_protocol_panics_goes_on_and_is_closed_when_asked() {
    for at in ["refused", "failed", "stop"] {
        told_of(1, || {
            let (reactor, log, held) = (reactor(), Log::default(), Rc::new(()));
            let protocol = Datagrams {
                at,
                log: log.clone(),
                _held: Rc::clone(&held),
            };
            let neighbour_log = Log::default();
            let neighbour = reactor
                .listen_udp(
                    "127.0.0.1:0",
                    Datagrams {
                        at: "",
                        log: neighbour_log.clone(),
                        _held: Rc::new(()),
                    },
                )
                .expect("a free port");
            let socket = UdpSocket::bind(own_loopback()).expect("a free port");
            let peer = socket.local_addr().expect("it is bound");
            let port = reactor
                .listen_udp(UdpOptions::new(own_loopback()).connect(peer), protocol)
                .expect("it can be sent to");

            // One that is too long, then one that is not.
            socket
                .send_to(&[7; 60_000], port.address())
                .expect("it fits");
            turn_until(&reactor, || log.has("failed"));
            socket.send_to(b"hello", port.address()).expect("it fits");
            turn_until(&reactor, || log.has("received hello"));

            // The peer closes its socket; then a new one is bound to the same address.
            drop(socket);
            wait_until(|| {
                // Until no child of another test holds a copy of the socket, which takes it.
                port.send("hello?").expect("the error comes later");
                reactor.turn(Some(Duration::ZERO)).expect("it turns");
                log.has("refused")
            });
            let socket = bind_again(peer);
            socket.send_to(b"back", port.address()).expect("it fits");
            turn_until(&reactor, || log.has("received back"));
            assert!(!port.is_gone());

            result_of(&reactor, port.stop_listening()).expect("it is closed");
            assert!(port.is_gone());
            let expected = [
                "failed",
                "received hello",
                "refused",
                "received back",
                "stop",
            ];
            assert_eq!(log.events(), expected);
            assert_eq!(Rc::strong_count(&held), 1);
            drop(bind_again(port.address()));

            socket
                .send_to(b"beside", neighbour.address())
                .expect("it fits");
            turn_until(&reactor, || neighbour_log.has("received beside"));
            assert_sleeps(&reactor);
        });
    }
}

#[test]
fn a_protocol_of_datagrams_that_panics_when_the_loop_goes_holds_up_nobody() {
    told_of(2, || {
        let (reactor, log) = (reactor(), Log::default());
        for _ in 0..2 {
            let protocol = Datagrams {
                at: "stop",
                log: log.clone(),
                _held: Rc::new(()),
            };
            reactor
                .listen_udp("127.0.0.1:0", protocol)
                .expect("a free port");
        }
        drop(reactor);
        assert_eq!(log.events(), ["stop", "stop"]);
    });
}

// --- children ---

struct Parent {
    at: &'static str,
    log: Log,
    _held: Rc<()>,
}

impl Parent {
    fn is_told(&self, what: &'static str) {
        self.log.note(what);
        assert!(what != self.at, "{WHY}");
    }
}

impl ProcessProtocol for Parent {
    fn connection_made(&mut self, _: &mut ProcessContext<'_, Self>) -> Result<()> {
        self.is_told("made");
        Ok(())
    }

    fn out_received(&mut self, cx: &mut ProcessContext<'_, Self>, _: &[u8]) -> Result<()> {
        cx.close_stdin();
        Ok(())
    }

    fn child_connection_lost(
        &mut self,
        _: &mut ProcessContext<'_, Self>,
        number: i32,
    ) -> Result<()> {
        self.is_told(["0 lost", "1 lost", "2 lost"][number.cast_unsigned() as usize]);
        Ok(())
    }

    fn process_exited(
        &mut self,
        _: &mut ProcessContext<'_, Self>,
        _: Option<ExitStatus>,
    ) -> Result<()> {
        self.is_told("exited");
        Ok(())
    }

    fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
        assert!(ended.status().is_some_and(|status| status.success()));
        self.is_told("ended");
    }
}

#[test]
fn a_child_whose_protocol_panics_is_told_of_to_the_end() {
    for at in ["made", "0 lost", "1 lost", "2 lost", "exited", "ended"] {
        told_of(1, || {
            let (reactor, log, held) = (reactor(), Log::default(), Rc::new(()));
            let parent = Parent {
                at,
                log: log.clone(),
                _held: Rc::clone(&held),
            };
            let beside = Parent {
                at: "",
                log: Log::default(),
                _held: Rc::new(()),
            };
            let neighbour = reactor
                .spawn_process(Command::new("cat"), beside)
                .expect("there is a cat");
            let process = reactor
                .spawn_process(Command::new("cat"), parent)
                .expect("there is a cat");
            // If it has panicked already, its pipes are being closed.
            let _ = process.write("hello");
            turn_until(&reactor, || process.is_gone());
            assert_eq!(Rc::strong_count(&held), 1);
            let events = log.events();
            assert_eq!(events.first().map(String::as_str), Some("made"));
            assert_eq!(events.last().map(String::as_str), Some("ended"));
            let mut sorted = events.clone();
            sorted.sort();
            let each_once = ["0 lost", "1 lost", "2 lost", "ended", "exited", "made"];
            assert_eq!(sorted, each_once, "{events:?}");

            neighbour.write("still there?").expect("it is open");
            turn_until(&reactor, || neighbour.is_gone());
            assert_sleeps(&reactor);
        });
    }
}

// --- cores ---

#[test]
fn cores_of_which_one_panics_when_it_is_set_up_do_not_start() {
    let (held, up) = (Arc::new(()), Arc::new(parking_lot::Mutex::new(0)));
    let (holding, counting) = (Arc::clone(&held), Arc::clone(&up));
    let started = Cores::start(3, move |reactor, number| {
        let _held = &holding;
        *counting.lock() += 1;
        reactor.call_later(Duration::from_secs(3600), never);
        assert!(number != 1, "{WHY}");
        Ok(())
    });
    let failure = started.expect_err("one of them panics");
    let panicked = failure.check::<Panicked>().expect("it says so");
    assert_eq!(panicked.message(), WHY);
    // The others have come to an end.
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(*up.lock(), 3);
}

#[test]
fn a_panic_names_the_place_where_the_code_was_handed_over() {
    let reactor = reactor();
    let line = line!() + 1;
    let body = reactor.spawn(async { panic!("in a body") });
    let failed = result_of::<()>(&reactor, body).unwrap_err();
    assert_eq!(
        (failed.raised_at().file(), failed.raised_at().line()),
        (file!(), line)
    );

    let line = line!() + 1;
    let job = reactor.defer_to_thread(|| -> Result<()> { panic!("in a job") });
    let failed = result_of(&reactor, job).unwrap_err();
    assert!(failed.is::<Panicked>());
    assert_eq!(
        (failed.raised_at().file(), failed.raised_at().line()),
        (file!(), line)
    );
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("{WHY}");
    }
}

#[test]
fn jobs_of_a_protocol_that_is_replaced_may_all_panic_when_they_are_dropped() {
    told_of(2, || {
        let reactor = TestReactor::new();
        let neighbour = neighbour(&reactor);
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&Log::default()));
        let posted = connection.post(|_, cx| {
            for _ in 0..2 {
                let bomb = Bomb;
                let posted = cx.connection().post(move |_, _| {
                    let _bomb = &bomb;
                });
                posted.expect("it is open");
            }
            cx.switch_to(RawRecorder::new(&Log::default()));
        });
        posted.expect("it is open");
        reactor.settle();
        assert!(!peer.was_reset());
        assert_goes_on(&neighbour);
    });
}
