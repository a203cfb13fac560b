//! Endpoints, typed and by strings: connecting, listening, one over another.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deferred::assertions::with_no_unhandled;
use deferred::{Cancelled, Deferred, Failure, Result, fail, succeed};
use reactor::endpoint::{
    Accept, AnyPort, Begin, ClientEndpoint, Connect, ConnectionLimits, EndpointError,
    EndpointParser, InheritedFd, Listen, PendingConnection, ServerEndpoint, TooManyConnections,
    WithFilter,
};
use reactor::testing::TestReactor;
use reactor::{
    Address, ConnectError, ConnectErrorKind, Context, Factory, Lines, ListenError, Protocol,
    ReactorHandle, TcpConnectOptions, TcpListenOptions, UnixAddress, UnixConnectOptions,
    UnixListenOptions, ask,
};

use crate::filter_pair::Shift;
use crate::support::{Log, RawRecorder, reactor, result_of, turn_until};

struct Quiet;

impl Protocol for Quiet {
    type Framing = Lines;
}

/// Says the length of each line.
struct Lengths;

impl Protocol for Lengths {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        cx.send_line(line.len().to_string());
        Ok(())
    }
}

struct Question(deferred::Trigger<String>);

impl Protocol for Question {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.send_line("four");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        cx.lose_connection();
        Ok(self.0.callback(String::from_utf8(line.to_vec())?)?)
    }
}

fn question(reactor: &ReactorHandle, server: impl ClientEndpoint) -> Deferred<String> {
    ask(reactor, server, Question)
}

fn boxed(text: &str) -> Box<dyn ClientEndpoint> {
    EndpointParser::new().client(text).expect("it is one")
}

fn settled<T>(reactor: &TestReactor, deferred: Deferred<T>) -> Result<T> {
    reactor.settle();
    deferred.into_result().expect("it has its result")
}

/// Looks up `name` for as many addresses as are given.
fn names(reactor: &ReactorHandle, addresses: &'static [&str]) {
    reactor.set_resolver(move |_: &ReactorHandle, _: &str, port: u16| {
        let ips = addresses.iter().map(|ip| ip.parse().expect("an address"));
        succeed(ips.map(|ip| SocketAddr::new(ip, port)).collect())
    });
}

#[test]
fn one_question_goes_to_all_kinds_of_servers() {
    let reactor = TestReactor::new();
    names(&reactor, &["192.0.2.1"]);
    let servers: [Box<dyn ServerEndpoint>; 2] = [
        Box::new("tcp:80:interface=192.0.2.1"),
        Box::new(UnixListenOptions::new("/run/server").mode(0o600)),
    ];
    for server in servers {
        let port = settled(&reactor, server.listen(&reactor, || Lengths));
        assert!(port.expect("it is free").is_listening());
    }
    let by_reference = boxed("tcp:192.0.2.1:80");
    let asked: Vec<Deferred<String>> = vec![
        question(&reactor, "192.0.2.1:80"),
        question(&reactor, "tcp:192.0.2.1:80"),
        question(&reactor, "tcp:example.org:80:timeout=5".to_owned()),
        question(&reactor, "tcp4:example.org:80"),
        question(&reactor, "unix:/run/server"),
        question(&reactor, boxed("unix:/run/server")),
        question(&reactor, &by_reference),
        question(&reactor, &*boxed("tcp:192.0.2.1:80")),
        question(&reactor, Rc::new(("192.0.2.1", 80))),
        question(&reactor, UnixConnectOptions::new("/run/server")),
        question(&reactor, TcpConnectOptions::new("192.0.2.1:80")),
    ];
    for asked in asked {
        assert_eq!(settled(&reactor, asked).expect("an answer"), "4");
    }
    assert_eq!(reactor.counters().connections, 0);
}

#[test]
fn each_of_many_strings_keeps_its_meaning() {
    let reactor = TestReactor::new();
    let peers = |host: u8| {
        [
            format!("192.0.2.{host}:80"),
            format!("tcp:192.0.2.{host}:80"),
            format!("unix:/run/{host}"),
        ]
    };
    // In turns, again and again: more than a thread keeps.
    for host in (1..=5).chain(1..=5).chain([1, 1, 2]) {
        for text in peers(host) {
            let pending = settled(&reactor, text.dial(&reactor));
            if let Ok(pending) = pending {
                assert!(text.ends_with(&pending.peer().to_string()), "{text}");
            } else {
                // The first round finds no server. What has failed is not kept from succeeding.
                let address = text.trim_start_matches("tcp:");
                let port = match address.strip_prefix("unix:") {
                    Some(path) => settled(&reactor, Path::new(path).listen(&reactor, || Quiet)),
                    None => settled(&reactor, address.listen(&reactor, || Quiet)),
                };
                assert!(port.expect("it is free").is_listening());
            }
        }
    }
    let wrong = "tcp:192.0.2.1:eighty";
    for _ in 0..2 {
        let failure = settled(&reactor, wrong.dial(&reactor)).expect_err("it is wrong");
        assert!(failure.is::<EndpointError>());
    }
}

/// Dials and listens by strings when its thread ends.
struct AtTheEnd(Cell<Option<TestReactor>>);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        let reactor = self.0.take().expect("it was put there");
        for text in ["tcp:192.0.2.1:80", "192.0.2.1:80"] {
            assert!(settled(&reactor, text.dial(&reactor)).is_ok());
        }
        let listening = "tcp:81:interface=192.0.2.1".listen(&reactor, || Quiet);
        assert!(settled(&reactor, listening).is_ok());
        DONE.store(true, Ordering::Relaxed);
    }
}

static DONE: AtomicBool = AtomicBool::new(false);

#[test]
fn strings_are_endpoints_to_the_end_of_a_thread() {
    thread_local! {
        static LAST: AtTheEnd = const { AtTheEnd(Cell::new(None)) };
    }
    let ending = std::thread::spawn(|| {
        // What comes first goes last.
        LAST.with(|last| {
            let reactor = TestReactor::new();
            let listening = "192.0.2.1:80".listen(&reactor, || Quiet);
            assert!(settled(&reactor, listening).is_ok());
            last.0.set(Some(reactor));
        });
    });
    ending.join().expect("it does not panic");
    assert!(DONE.load(Ordering::Relaxed));
}

#[test]
fn a_string_that_is_no_endpoint_says_why() {
    let reactor = TestReactor::new();
    let failure = settled(&reactor, "tpc:example.org:80".connect(&reactor, Quiet))
        .expect_err("there is no such prefix");
    assert!(failure.is::<EndpointError>());
    assert!(
        failure.to_string().contains("tcp, tcp4, tcp6, unix"),
        "{failure}"
    );
    let failure = settled(&reactor, "unix:".connect(&reactor, Quiet)).expect_err("no path");
    assert!(failure.is::<EndpointError>());
    for text in ["nonsense", "example.org:http", "::1:80:x", "fe80::1"] {
        let failure = settled(&reactor, text.connect(&reactor, Quiet)).expect_err(text);
        let error = failure.check::<ConnectError>().expect("it is one");
        assert_eq!(error.kind(), ConnectErrorKind::BadAddress, "{text}");
        let failure = settled(&reactor, text.listen(&reactor, || Quiet)).expect_err(text);
        assert_eq!(
            failure.check::<ListenError>().expect("it is one").kind(),
            io::ErrorKind::InvalidInput
        );
    }
}

#[test]
fn a_family_that_a_name_has_not_is_an_error() {
    let reactor = TestReactor::new();
    names(&reactor, &["192.0.2.1"]);
    reactor
        .listen_tcp("192.0.2.1:80", || Quiet)
        .expect("it is free");
    let failure =
        settled(&reactor, "tcp6:example.org:80".connect(&reactor, Quiet)).expect_err("it has none");
    assert_eq!(
        failure.check::<ConnectError>().expect("it is one").kind(),
        ConnectErrorKind::UnknownHost
    );
    assert!(settled(&reactor, "tcp4:example.org:80".connect(&reactor, Quiet)).is_ok());
    let failure = settled(
        &reactor,
        "tcp6:81:interface=example.org".listen(&reactor, || Quiet),
    )
    .expect_err("it has none");
    assert!(failure.is::<ListenError>());
}

#[test]
fn failures_come_from_the_loop() {
    let reactor = TestReactor::new();
    let is_called = Rc::new(Cell::new(false));
    let called = Rc::clone(&is_called);
    "unix:"
        .connect(&reactor, Quiet)
        .add_errback(move |_| {
            called.set(true);
            Err(Failure::msg("it stays one"))
        })
        .ignore();
    assert!(!is_called.get());
    reactor.settle();
    assert!(is_called.get());
}

#[test]
fn a_name_is_listened_on_at_all_its_addresses_under_one_port() {
    let reactor = TestReactor::new();
    names(&reactor, &["192.0.2.1", "2001:db8::1", "192.0.2.1"]);
    let port = settled(&reactor, "host.example:0".listen(&reactor, || Lengths)).expect("free");
    let addresses: Vec<_> = port
        .addresses()
        .iter()
        .filter_map(Address::as_inet)
        .collect();
    assert_eq!(addresses.len(), 2);
    assert_ne!(addresses[0].port(), 0);
    assert_eq!(addresses[0].port(), addresses[1].port());
    for address in addresses {
        let asked = question(&reactor, address);
        assert_eq!(settled(&reactor, asked).expect("an answer"), "4");
    }
    assert!(settled(&reactor, port.stop_listening()).is_ok());
    assert!(!port.is_listening());
    port.start_listening().expect("they are free");
    assert!(port.is_listening());
}

#[test]
fn a_port_number_that_is_taken_at_one_address_is_given_up_for_another() {
    let reactor = TestReactor::new();
    names(&reactor, &["192.0.2.1", "192.0.2.2"]);
    // The network of a test gives ports in order. The next one is taken at the second address.
    let probe = reactor.listen_tcp("192.0.2.1:0", || Quiet).expect("free");
    let next = probe.address().port() + 1;
    let taken = reactor
        .listen_tcp(("192.0.2.2", next), || Quiet)
        .expect("free");
    let starts = Log::default();
    let port = settled(&reactor, "name:0".listen(&reactor, Counted(starts.clone())));
    let port = port.expect("another number is free");
    let ports: Vec<_> = port
        .addresses()
        .iter()
        .filter_map(Address::as_inet)
        .collect();
    assert!(
        ports
            .iter()
            .all(|address| address.port() == ports[0].port())
    );
    assert_ne!(ports[0].port(), next);
    assert!(taken.is_listening());
    // The factory heard of it once, when all was open.
    assert_eq!(starts.events(), ["started"]);
    port.stop_listening().ignore();
    assert_eq!(starts.events(), ["started", "stopped"]);
    // One that was asked for is not given up.
    let wanted = settled(&reactor, ("name", next).listen(&reactor, || Quiet));
    let failure = wanted.expect_err("it is taken at one");
    assert_eq!(
        failure.check::<ListenError>().expect("it is one").kind(),
        io::ErrorKind::AddrInUse
    );
    assert!(
        reactor.listen_tcp(("192.0.2.1", next), || Quiet).is_ok(),
        "nothing is left open"
    );
}

/// Notes when it is started and stopped.
struct Counted(Log);

impl Factory for Counted {
    type Protocol = Quiet;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Quiet> {
        Some(Quiet)
    }

    fn start_factory(&mut self) {
        self.0.note("started");
    }

    fn stop_factory(&mut self) {
        self.0.note("stopped");
    }
}

#[test]
fn a_name_is_looked_up_by_the_resolver_and_the_question_can_be_cancelled() {
    with_no_unhandled(|| {
        let reactor = TestReactor::new();
        let (looked_up, name) = Deferred::pair();
        let name = Cell::new(Some(name));
        reactor.set_resolver(move |_: &ReactorHandle, _: &str, _: u16| {
            name.take().expect("it is asked once")
        });
        let listening = "host.example:80".listen(&reactor, || Quiet);
        reactor.settle();
        assert!(!looked_up.is_fired());
        listening.cancel();
        assert!(looked_up.is_fired(), "it is no longer looked for");
        let failure = settled(&reactor, listening).expect_err("it was cancelled");
        assert!(failure.is::<Cancelled>());
    });
}

#[test]
fn all_addresses_of_this_computer_are_listened_on_under_one_port() {
    let reactor = reactor();
    let port = result_of(&reactor, "tcp:0".listen(&reactor, || Lengths)).expect("free");
    let number = port.address().as_inet().expect("TCP").port();
    let asked = question(&reactor, ("127.0.0.1", number));
    assert_eq!(result_of(&reactor, asked).expect("an answer"), "4");
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert_eq!(port.addresses().len(), 2);
        let asked = question(&reactor, ("::1", number));
        assert_eq!(result_of(&reactor, asked).expect("an answer"), "4");
    }
}

#[test]
fn localhost_is_listened_on_by_its_name() {
    let reactor = reactor();
    let port = result_of(&reactor, "localhost:0".listen(&reactor, || Lengths)).expect("free");
    let number = port.address().as_inet().expect("TCP").port();
    let asked = question(&reactor, format!("tcp:localhost:{number}"));
    assert_eq!(result_of(&reactor, asked).expect("an answer"), "4");
}

#[test]
fn an_inherited_socket_is_a_connection_or_a_port() {
    use std::os::fd::AsRawFd;
    let reactor = reactor();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let text = format!("fd:{}", listener.as_raw_fd());
    let port = result_of(&reactor, text.listen(&reactor, || Lengths)).expect("it listens");
    let address = listener.local_addr().expect("it is bound");
    assert_eq!(port.address().as_inet(), Some(address));
    let asked = question(&reactor, address);
    assert_eq!(result_of(&reactor, asked).expect("an answer"), "4");

    let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
    reactor.adopt_stream(far, Lengths).expect("a socket");
    let asked = question(&reactor, InheritedFd::new(near.as_raw_fd()));
    assert_eq!(result_of(&reactor, asked).expect("an answer"), "4");

    // Two pipes, by their numbers.
    let (from_there, there) = io::pipe().expect("a pipe");
    let (here, to_there) = io::pipe().expect("a pipe");
    reactor.adopt_pipes(here, there, Lengths).expect("pipes");
    let text = format!("fd:{}:{}", from_there.as_raw_fd(), to_there.as_raw_fd());
    let asked = question(&reactor, text);
    assert_eq!(result_of(&reactor, asked).expect("an answer"), "4");

    // What is not open, and what is no port.
    let closed = result_of(&reactor, "fd:1000000".connect(&reactor, Quiet));
    assert!(closed.is_err());
    assert!(result_of(&reactor, "fd:1000000".listen(&reactor, || Quiet)).is_err());
    let text = format!("fd:{}", near.as_raw_fd());
    assert!(result_of(&reactor, text.listen(&reactor, || Quiet)).is_err());
}

/// An endpoint over another one, in the manner of a filter: it notes what it passes on.
struct Noted<E>(E, Log);

impl<E: ClientEndpoint> ClientEndpoint for Noted<E> {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        let log = self.1.clone();
        self.0.dial(reactor).add_callback(move |connection| {
            log.note(format!("dialled {}", connection.peer()));
            Ok(connection)
        })
    }
}

impl<E: ServerEndpoint> ServerEndpoint for Noted<E> {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        let log = self.1.clone();
        self.0
            .listen_with(reactor, Box::new(NotedAccept(accept, log)))
    }
}

struct NotedAccept(Box<dyn Accept>, Log);

impl Accept for NotedAccept {
    fn accept(&mut self, peer: &Address) -> Option<Begin> {
        let begin = self.0.accept(peer)?;
        let log = self.1.clone();
        Some(Box::new(move |connection| {
            log.note("accepted");
            begin(connection)
        }))
    }

    fn stopped(&mut self) {
        self.1.note("stopped");
        self.0.stopped();
    }
}

#[test]
fn endpoints_nest() {
    let (reactor, log) = (TestReactor::new(), Log::default());
    let parser = {
        let (clients, servers) = (log.clone(), log.clone());
        EndpointParser::new()
            .with_client("noted", move |arguments| {
                let inner = arguments.rest();
                let inner = arguments.parser().client(&inner)?;
                Ok(Box::new(Noted(inner, clients.clone())))
            })
            .with_server("noted", move |arguments| {
                let inner = arguments.rest();
                let inner = arguments.parser().server(&inner)?;
                Ok(Box::new(Noted(inner, servers.clone())))
            })
    };
    let server = parser
        .server("noted:noted:tcp:80:interface=127.0.0.1")
        .expect("it is one");
    let port = settled(&reactor, server.listen(&reactor, || Lengths)).expect("it is free");
    let client = parser
        .client("noted:noted:tcp:127.0.0.1:80")
        .expect("it is one");
    assert_eq!(
        settled(&reactor, question(&reactor, client)).expect("an answer"),
        "4"
    );
    let to = "dialled 127.0.0.1:80";
    assert_eq!(log.events(), ["accepted", "accepted", to, to]);
    log.clear();
    port.stop_listening().ignore();
    assert_eq!(log.events(), ["stopped", "stopped"]);
}

#[test]
fn a_pending_connection_that_is_dropped_is_closed() {
    let (reactor, log) = (TestReactor::new(), Log::default());
    let recorder = RawRecorder::new(&log);
    reactor
        .listen_tcp("192.0.2.1:80", move || recorder.clone())
        .expect("free");
    let sources = reactor.leftovers().sources;
    let pending = settled(&reactor, "192.0.2.1:80".dial(&reactor)).expect("it connects");
    assert_eq!(log.events(), ["made"]);
    drop(pending);
    reactor.settle();
    assert_eq!(log.events(), ["made", "read closed", "lost: done"]);
    assert_eq!(reactor.leftovers().sources, sources);
}

/// An endpoint whose connections go through filters: as TLS does.
struct Shifted<E>(E);

impl<E: ClientEndpoint> ClientEndpoint for Shifted<E> {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        self.0
            .dial(reactor)
            .add_callback(|connection| Ok(connection.behind(Shift::new(1))))
    }
}

impl<E: ServerEndpoint> ServerEndpoint for Shifted<E> {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        self.0.listen_with(reactor, Box::new(ShiftedAccept(accept)))
    }
}

struct ShiftedAccept(Box<dyn Accept>);

impl Accept for ShiftedAccept {
    fn accept(&mut self, peer: &Address) -> Option<Begin> {
        let begin = self.0.accept(peer)?;
        Some(Box::new(|connection| {
            begin(connection.behind(Shift::new(1)))
        }))
    }
}

#[test]
fn both_sides_of_an_endpoint_with_a_filter_have_it() {
    let reactor = TestReactor::new();
    let shifted = |shift| WithFilter::new("tcp:80:interface=192.0.2.1", move |_| Shift::new(shift));
    let port = settled(&reactor, shifted(1).listen(&reactor, || Lengths)).expect("free");
    assert!(port.is_listening());
    let client = WithFilter::new("192.0.2.1:80", |peer: &Address| {
        assert_eq!(peer.to_string(), "192.0.2.1:80");
        Shift::new(1)
    });
    let answer = settled(&reactor, question(&reactor, client)).expect("an answer");
    assert_eq!(answer, "4");
    // The stops of the outer one reach the inner one.
    settled(&reactor, port.stop_listening()).expect("it stops");
    assert!(!port.is_listening());
}

/// Writes the address of its peer.
struct WhoAmI;

impl Protocol for WhoAmI {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.send_line(cx.peer().to_string());
        cx.lose_connection();
        Ok(())
    }
}

#[test]
fn a_server_behind_a_load_balancer_sees_the_clients() {
    let reactor = reactor();
    let ask_behind = |endpoint: &str| {
        let port = result_of(&reactor, endpoint.listen(&reactor, || WhoAmI)).expect("free");
        let address = port.address().as_inet().expect("it is TCP");
        let mut socket = TcpStream::connect(address).expect("it listens");
        socket
            .write_all(b"PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\n")
            .expect("it fits");
        let (mut answer, mut is_over) = (Vec::new(), false);
        socket.set_nonblocking(true).expect("a socket");
        turn_until(&reactor, || {
            match socket.read_to_end(&mut answer) {
                Err(error) => is_over = error.kind() != io::ErrorKind::WouldBlock,
                Ok(_) => is_over = true,
            }
            is_over
        });
        String::from_utf8(answer).expect("it is text")
    };
    let from_here = ask_behind("haproxy:from=127.0.0.1:tcp:0:interface=127.0.0.1");
    assert_eq!(from_here, "203.0.113.9:50000\r\n");
    let from_elsewhere =
        ask_behind("haproxy:from=192.0.2.7,2001\\:db8\\:\\:7:tcp:0:interface=127.0.0.1");
    assert_eq!(from_elsewhere, "", "it is no sender that is allowed");
}

#[test]
fn connections_of_endpoints_go_through_filters_of_endpoints_over_them() {
    let reactor = TestReactor::new();
    for (server, client) in [
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("unix:/run/x:lockfile=0", "unix:/run/x"),
    ] {
        // Two, one over the other, on both sides.
        let server = Shifted(Shifted(server));
        settled(&reactor, server.listen(&reactor, || Lengths)).expect("it is free");
        let asked = question(&reactor, Shifted(Shifted(client)));
        assert_eq!(settled(&reactor, asked).expect("an answer"), "4");
        // One that does not go through them is not understood.
        let asked = question(&reactor, client).add_timeout(Duration::from_secs(1), &reactor);
        reactor.advance(Duration::from_secs(1));
        assert!(settled(&reactor, asked).is_err());
    }
}

/// Refuses by dropping what it is given.
struct Dropping;

impl Accept for Dropping {
    fn accept(&mut self, _peer: &Address) -> Option<Begin> {
        Some(Box::new(|connection| {
            drop(connection);
            fail(Failure::msg("it is not wanted"))
        }))
    }
}

#[test]
fn an_accepted_connection_that_is_dropped_is_closed_and_its_failure_is_logged() {
    let (reactor, log) = (TestReactor::new(), Log::default());
    let port = settled(
        &reactor,
        "192.0.2.1:80".listen_with(&reactor, Box::new(Dropping)),
    );
    assert!(port.expect("it is free").is_listening());
    let recorder = RawRecorder::new(&log);
    reactor.connect_tcp("192.0.2.1:80", recorder).detach();
    reactor.settle();
    assert_eq!(log.events(), ["made", "read closed", "lost: done"]);
}

#[test]
fn what_a_pending_connection_keeps_goes_with_the_connection() {
    struct Noting(Log);
    impl Drop for Noting {
        fn drop(&mut self) {
            self.0.note("dropped");
        }
    }
    let (reactor, log) = (TestReactor::new(), Log::default());
    reactor.listen_tcp("192.0.2.1:80", || Quiet).expect("free");
    let mut pending = settled(&reactor, "192.0.2.1:80".dial(&reactor)).expect("it connects");
    pending.keep(Noting(log.clone()));
    let started = pending.start(RawRecorder::new(&log));
    let connection = settled(&reactor, started).expect("it starts");
    reactor.settle();
    assert_eq!(log.events(), ["made"]);
    connection.abort();
    reactor.settle();
    assert_eq!(log.events(), ["made", "lost: aborted", "dropped"]);
    // Also if it never starts.
    let mut pending = settled(&reactor, "192.0.2.1:80".dial(&reactor)).expect("it connects");
    log.clear();
    pending.keep(Noting(log.clone()));
    drop(pending);
    assert_eq!(log.events(), ["dropped"]);
}

#[test]
fn a_factory_that_stops_its_port_from_within_hears_of_it() {
    struct Once(Log, Rc<Cell<Option<Rc<AnyPort>>>>);
    impl Factory for Once {
        type Protocol = Quiet;

        fn build_protocol(&mut self, _peer: &Address) -> Option<Quiet> {
            if let Some(port) = self.1.take() {
                port.stop_listening().ignore();
                self.0.note("after the stop");
            }
            Some(Quiet)
        }

        fn stop_factory(&mut self) {
            self.0.note("stopped");
        }
    }
    let (reactor, log) = (TestReactor::new(), Log::default());
    let slot = Rc::new(Cell::new(None));
    names(&reactor, &["192.0.2.1", "192.0.2.2"]);
    let listening = "name:80".listen(&reactor, Once(log.clone(), Rc::clone(&slot)));
    let port = Rc::new(settled(&reactor, listening).expect("it is free"));
    slot.set(Some(Rc::clone(&port)));
    assert!(settled(&reactor, "192.0.2.2:80".connect(&reactor, Quiet)).is_ok());
    assert_eq!(log.events(), ["after the stop", "stopped"]);
    assert!(!port.is_listening());
}

#[test]
fn a_stop_of_the_reactor_closes_all_sockets_of_a_port_and_stops_the_factory_once() {
    let (reactor, log) = (TestReactor::new(), Log::default());
    names(&reactor, &["192.0.2.1", "2001:db8::1"]);
    let listening = "name:80".listen(&reactor, Counted(log.clone()));
    let port = settled(&reactor, listening).expect("it is free");
    reactor.shut_down();
    assert!(!port.is_listening());
    assert_eq!(log.events(), ["started", "stopped"]);
}

#[test]
fn a_free_port_is_not_one_that_is_listened_on() {
    let reactor = TestReactor::new();
    let listen = || reactor.listen_tcp("127.0.0.1:0", || Quiet).expect("a port");
    let first = listen();
    // Each takes a port of its own, until they are used up.
    for _ in 0..u16::MAX - first.address().port() {
        reactor.connect_tcp("127.0.0.1:80", Quiet).ignore();
    }
    assert_ne!(listen().address(), first.address());
}

#[test]
fn a_hook_for_refused_connections_may_set_another_one() {
    let reactor = TestReactor::new();
    let refusals = Log::default();
    let limits = ConnectionLimits::new().total(0);
    // Asks the limits when it is dropped, also to set a hook.
    struct Asks(ConnectionLimits, Log);
    impl Drop for Asks {
        fn drop(&mut self) {
            let log = self.1.clone();
            self.1.note(format!("dropped at {}", self.0.refused()));
            let _same = self.0.clone().on_refused(move |_| log.note("third"));
        }
    }
    let asks = Asks(limits.clone(), refusals.clone());
    let limits = limits.on_refused(move |_| {
        let log = asks.1.clone();
        let _same = asks.0.clone().on_refused(move |_| log.note("second"));
        asks.1.note("first");
    });
    let listening = limits.over("127.0.0.1:80").listen(&reactor, || Quiet);
    let _port = settled(&reactor, listening).expect("it is free");
    for _ in 0..2 {
        let connecting = "127.0.0.1:80".connect(&reactor, Quiet);
        assert!(
            settled(&reactor, connecting)
                .expect("for a moment")
                .is_gone()
        );
    }
    assert_eq!(refusals.events(), ["first", "dropped at 1", "third"]);
}

#[test]
fn connections_are_limited_in_all_and_per_address() {
    let reactor = TestReactor::new();
    let refusals = Log::default();
    let log = refusals.clone();
    let limits = ConnectionLimits::new()
        .total(3)
        .per_address(2)
        .on_refused(move |why| log.note(why.to_string()));
    for server in ["tcp:80:interface=127.0.0.1", "unix:/run/server:lockfile=0"] {
        let port = settled(&reactor, limits.over(server).listen(&reactor, || Quiet));
        assert!(port.expect("it is free").is_listening());
    }
    let connect = || {
        let connecting = "127.0.0.1:80".connect(&reactor, Quiet);
        settled(&reactor, connecting).expect("it is accepted, and perhaps closed again")
    };
    let first = connect();
    let second = connect();
    assert_eq!((limits.open(), limits.refused()), (2, 0));
    let third = connect();
    assert!(third.is_gone());
    assert_eq!((limits.open(), limits.refused()), (2, 1));
    // A UNIX socket has no address, and takes the last place there is.
    let unix = UnixAddress::from("/run/server");
    assert!(settled(&reactor, unix.connect(&reactor, Quiet)).is_ok());
    let beyond = settled(&reactor, unix.connect(&reactor, Quiet)).expect("for a moment");
    assert!(beyond.is_gone());
    let ip = std::net::IpAddr::from([127, 0, 0, 1]);
    assert_eq!(
        refusals.events(),
        [
            TooManyConnections::PerAddress {
                address: ip,
                limit: 2
            }
            .to_string(),
            TooManyConnections::Total { limit: 3 }.to_string(),
        ]
    );
    // A place is free as soon as a connection is over.
    for connection in [first, second] {
        connection.abort();
    }
    reactor.settle();
    assert_eq!((limits.open(), limits.refused()), (1, 2));
    assert!(!connect().is_gone());
}

#[test]
fn a_limit_is_not_used_up_by_connections_that_do_not_start() {
    let reactor = TestReactor::new();
    let limits = ConnectionLimits::new().total(1);
    let server = limits.over("192.0.2.1:80");
    settled(&reactor, server.listen_with(&reactor, Box::new(Dropping))).expect("free");
    for _ in 0..3 {
        settled(&reactor, "192.0.2.1:80".connect(&reactor, Quiet)).expect("for a moment");
    }
    assert_eq!((limits.open(), limits.refused()), (0, 0));
}

#[test]
fn without_its_reactor_every_endpoint_fails_and_none_panics() {
    let reactor = TestReactor::new();
    let handle = reactor.handle();
    drop(reactor);
    for text in ["127.0.0.1:80", "tcp:name:80", "unix:/run/x", "tcp:80"] {
        let connecting = text.connect(&handle, Quiet).into_result();
        assert!(connecting.expect("at once").is_err(), "{text}");
        let listening = text.listen(&handle, || Quiet).into_result();
        assert!(listening.expect("at once").is_err(), "{text}");
    }
    let options = TcpListenOptions::new("127.0.0.1:0").backlog(1);
    assert!(
        options
            .listen(&handle, || Quiet)
            .into_result()
            .expect("at once")
            .is_err()
    );
}

#[test]
fn ports_of_endpoints_pause_and_resume() {
    let (reactor, log) = (reactor(), Log::default());
    let recorder = RawRecorder::new(&log);
    let listening = "127.0.0.1:0".listen(&reactor, move || recorder.clone());
    let port = result_of(&reactor, listening).expect("free");
    port.pause_accepting();
    let address = port.address().as_inet().expect("TCP");
    let client = TcpStream::connect(address).expect("the system accepts");
    for _ in 0..5 {
        reactor
            .turn(Some(Duration::from_millis(1)))
            .expect("it turns");
    }
    assert_eq!(log.len(), 0);
    port.resume_accepting();
    turn_until(&reactor, || log.has("made"));
    drop(client);
}
