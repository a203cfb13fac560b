//! What becomes of ports and of clients: again and again.

use std::cell::RefCell;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::time::Duration;

use deferred::Failure;
use reactor::testing;
use reactor::{
    Address, ClientFactory, ConnectError, ConnectErrorKind, ConnectionClosed, Connector,
    ConnectorState, Context, Factory, KeepAlive, ListeningPort, TcpConnectOptions,
    TcpListenOptions,
};

use crate::support::{Log, Peer, RawRecorder, reactor, turn_until};

fn recorder(log: &Log) -> impl FnMut() -> RawRecorder + use<> {
    let recorder = RawRecorder::new(log);
    move || recorder.clone()
}

#[test]
fn a_port_listens_again_where_it_did() {
    let (reactor, log) = (reactor(), Log::default());
    let port = reactor
        .listen_tcp("127.0.0.1:0", recorder(&log))
        .expect("a free port");
    let address = port.address();
    port.start_listening().expect("it does");
    port.stop_listening().ignore();
    assert!(!port.is_listening());
    // A process that another test starts may have the socket for a moment.
    turn_until(&reactor, || port.start_listening().is_ok());
    assert_eq!(port.address(), address);
    let _peer = Peer::connect(address);
    turn_until(&reactor, || log.has("made"));
    drop(reactor);
    assert!(port.start_listening().is_err());
}

/// Notes when its port begins and ends.
struct Begins(Log);

impl Factory for Begins {
    type Protocol = RawRecorder;

    fn build_protocol(&mut self, _peer: &Address) -> Option<RawRecorder> {
        None
    }

    fn start_factory(&mut self) {
        self.0.note("started");
    }

    fn stop_factory(&mut self) {
        self.0.note("stopped");
    }
}

#[test]
fn a_factory_hears_of_each_begin_and_each_end_of_its_port() {
    testing::run(|reactor| {
        let log = Log::default();
        let port = reactor.listen_tcp("127.0.0.1:80", Begins(log.clone()));
        let port = port.expect("a free port");
        port.start_listening().expect("it does");
        assert_eq!(log.events(), ["started"]);
        reactor.result_of(port.stop_listening()).expect("it stops");
        port.start_listening().expect("it is free");
        assert_eq!(log.events(), ["started", "stopped", "started"]);
        reactor.result_of(port.stop_listening()).expect("it stops");
        assert_eq!(log.events()[3..], ["stopped"]);
    });
}

struct Panicking;

impl Factory for Panicking {
    type Protocol = RawRecorder;

    fn build_protocol(&mut self, _peer: &Address) -> Option<RawRecorder> {
        None
    }

    fn stop_factory(&mut self) {
        panic!("what a factory may do");
    }
}

#[test]
fn a_factory_that_panics_when_its_port_is_closed_fails_the_deferred() {
    let reactor = reactor();
    let port = reactor
        .listen_tcp("127.0.0.1:0", Panicking)
        .expect("a free port");
    let failure = deferred::assertions::failure_of(port.stop_listening());
    assert!(failure.message().contains("what a factory may do"));
    assert!(!port.is_listening());
    // It is closed all the same.
    turn_until(&reactor, || TcpListener::bind(port.address()).is_ok());
}

#[test]
fn accepting_can_be_paused() {
    let (reactor, log) = (reactor(), Log::default());
    let port = reactor
        .listen_tcp("127.0.0.1:0", recorder(&log))
        .expect("a free port");
    port.pause_accepting();
    let _peer = Peer::connect(port.address());
    crate::support::assert_sleeps(&reactor);
    assert_eq!(log.len(), 0);
    port.resume_accepting();
    turn_until(&reactor, || log.has("made"));
}

#[test]
fn a_factory_may_pause_its_own_port() {
    testing::run(|reactor| {
        let log = Log::default();
        let slot: Rc<RefCell<Option<ListeningPort>>> = Rc::default();
        let (own, recorder) = (Rc::downgrade(&slot), RawRecorder::new(&log));
        let port = reactor
            .listen_tcp("127.0.0.1:7000", move || {
                let own = own.upgrade().expect("the test has it");
                own.borrow().as_ref().expect("it listens").pause_accepting();
                recorder.clone()
            })
            .expect("it is free");
        slot.replace(Some(port));
        for _ in 0..3 {
            let client = RawRecorder::new(&Log::default());
            reactor.connect_tcp("127.0.0.1:7000", client).ignore();
        }
        reactor.settle();
        assert_eq!(log.events(), ["made"]);
        slot.borrow()
            .as_ref()
            .expect("it listens")
            .resume_accepting();
        reactor.settle();
        assert_eq!(log.events(), ["made", "made"]);
        reactor.shut_down();
    });
}

#[test]
fn several_may_share_a_port() {
    let (reactor, log) = (reactor(), Log::default());
    let shared = |address| TcpListenOptions::new(address).reuse_port(true);
    let first = reactor
        .listen_tcp(
            shared(SocketAddr::from(([127, 0, 0, 1], 0))),
            recorder(&log),
        )
        .expect("a free port");
    reactor
        .listen_tcp(shared(first.address()), recorder(&log))
        .expect("it is shared");
    let alone = reactor.listen_tcp(first.address(), recorder(&log));
    assert!(alone.is_err(), "a port without `reuse_port` cannot share");
}

#[test]
fn dual_stack_takes_both_versions() {
    let (reactor, log) = (reactor(), Log::default());
    let both = TcpListenOptions::new("[::]:0").dual_stack(true);
    let Ok(port) = reactor.listen_tcp(both, recorder(&log)) else {
        return; // a system without version 6
    };
    let port = port.address().port();
    let _four = Peer::connect(SocketAddr::from(([127, 0, 0, 1], port)));
    turn_until(&reactor, || log.len() == 1);
    let only_six = reactor
        .listen_tcp("[::]:0", recorder(&log))
        .expect("a free port");
    // The IPv4 side of the port may belong to another socket: it is free.
    let four = SocketAddr::from(([0, 0, 0, 0], only_six.address().port()));
    turn_until(&reactor, || TcpListener::bind(four).is_ok());
}

struct Refusing(Log);

impl Factory for Refusing {
    type Protocol = RawRecorder;

    fn build_protocol(&mut self, peer: &Address) -> Option<RawRecorder> {
        let ip = peer.ip().expect("it is TCP");
        self.0.note(format!("{ip}, loopback: {}", ip.is_loopback()));
        None
    }
}

#[test]
fn an_ipv4_client_of_a_dual_stack_port_has_an_ipv4_address() {
    let (reactor, log) = (reactor(), Log::default());
    let both = TcpListenOptions::new("[::]:0").dual_stack(true);
    let Ok(port) = reactor.listen_tcp(both, Refusing(log.clone())) else {
        return; // a system without version 6
    };
    for loopback in ["127.0.0.1", "::1"] {
        let ip = loopback.parse().expect("an address");
        let _peer = Peer::connect(SocketAddr::new(ip, port.address().port()));
        turn_until(&reactor, || log.has(&format!("{ip}, loopback: true")));
    }
}

#[test]
fn sockets_that_somebody_else_has_made_are_taken_over() {
    let (reactor, log) = (reactor(), Log::default());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let port = reactor
        .adopt_listener(listener, recorder(&log))
        .expect("it listens");
    let mut peer = Peer::connect(address);
    peer.send("hello");
    turn_until(&reactor, || log.has("received hello"));
    port.stop_listening().ignore();
    assert!(port.start_listening().is_err());

    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let far = TcpStream::connect(address).expect("it listens");
    let (near, _) = listener.accept().expect("it was connected");
    let client = Log::default();
    let connection = reactor
        .adopt_stream(near, RawRecorder::new(&client))
        .expect("it is connected");
    assert_eq!(
        connection.peer().expect("it is there").as_inet(),
        far.local_addr().ok()
    );
    drop(far);
    turn_until(&reactor, || client.is_lost());
}

#[test]
fn only_sockets_that_fit_are_taken_over() {
    let (reactor, log) = (reactor(), Log::default());
    let refused = |socket: OwnedFd| {
        let refused = reactor.adopt_listener(socket, recorder(&log));
        refused.unwrap_err().to_string()
    };
    let no_socket = std::fs::File::open("/dev/null").expect("it is there");
    refused(no_socket.into());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let connected = TcpStream::connect(address).expect("it listens");
    assert!(refused(connected.into()).contains("that listens"));
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    udp.connect(address).expect("it is free to say so");
    let no_stream = udp.try_clone().expect("a descriptor");
    assert!(refused(no_stream.into()).contains("stream"));
    let (unix, _) = UnixStream::pair().expect("two descriptors");
    assert!(refused(unix.into()).contains("that listens"));
    let refused = reactor.adopt_stream(udp, RawRecorder::new(&log));
    assert!(refused.unwrap_err().to_string().contains("stream"));
    let refused = reactor.adopt_stream(listener, RawRecorder::new(&log));
    assert!(refused.is_err(), "it is not connected");
}

#[test]
fn a_unix_socket_that_somebody_else_has_made_is_served_and_left_there() {
    let (reactor, log) = (reactor(), Log::default());
    let path = std::env::temp_dir().join(format!("adopted-{}", std::process::id()));
    let listener = UnixListener::bind(&path).expect("a free name");
    let refused = listener.try_clone().expect("a descriptor");
    let refused = reactor.adopt_listener(refused, recorder(&log));
    assert!(refused.unwrap_err().to_string().contains("family"));
    let port = reactor
        .adopt_unix_listener(listener, recorder(&log))
        .expect("it listens");
    assert_eq!(port.address().as_path(), Some(path.as_path()));
    let mut peer = UnixStream::connect(&path).expect("it listens");
    peer.write_all(b"hello").expect("there is room");
    turn_until(&reactor, || log.has("received hello"));
    port.stop_listening().ignore();
    assert!(path.exists());
    std::fs::remove_file(&path).expect("it is ours");
}

#[test]
fn a_client_connects_from_where_it_is_told_to() {
    let (reactor, log) = (reactor(), Log::default());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let from = SocketAddr::from(([127, 0, 0, 2], 0));
    let options = TcpConnectOptions::new(address).bind_address(from);
    reactor
        .connect_tcp(options, RawRecorder::new(&log))
        .ignore();
    turn_until(&reactor, || log.has("made"));
    let (_socket, peer) = listener.accept().expect("it was connected");
    assert_eq!(peer.ip(), from.ip());

    let failed = Log::default();
    let noting = failed.clone();
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 0));
    reactor
        .connect_tcp(
            TcpConnectOptions::new(address).bind_address(elsewhere),
            RawRecorder::new(&log),
        )
        .add_errback(move |failure| {
            let error = failure.trap::<ConnectError>()?;
            noting.note(format!("{:?}: {error}", error.kind()));
            Err(failure)
        })
        .ignore();
    assert_eq!(failed.len(), 0, "it comes from the loop");
    turn_until(&reactor, || failed.len() == 1);
    let told = failed.events().concat();
    assert!(told.starts_with("CannotBind"), "{told}");
    assert!(told.contains("from 192.0.2.1:0"), "{told}");
}

#[test]
fn the_options_of_a_connection_can_be_read_and_set_on_both_sides() {
    let (reactor, log) = (reactor(), Log::default());
    let set = |cx: &mut Context<'_, RawRecorder>| -> deferred::Result<()> {
        assert!(cx.connection().nodelay()? && !cx.connection().keepalive()?);
        let patient = KeepAlive::after(Duration::from_secs(60))
            .interval(Duration::from_secs(10))
            .retries(3);
        cx.connection().set_keepalive(patient)?;
        assert!(cx.connection().nodelay()? && cx.connection().keepalive()?);
        cx.connection().set_keepalive(None)?;
        assert!(!cx.connection().keepalive()?);
        cx.connection().set_nodelay(false)?;
        Ok(())
    };
    let recorder = RawRecorder::new(&log).on_made(set);
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || recorder.clone())
        .expect("a free port");
    let client = RawRecorder::new(&log).on_made(set);
    let connecting = reactor.connect_tcp(port.address(), client);
    let connection = reactor.block_on(connecting).expect("it sets them");
    assert!(!connection.nodelay().expect("it is there"));
    connection.set_nodelay(true).expect("it is there");
    assert!(connection.nodelay().expect("it is there"));
    connection
        .set_keepalive(KeepAlive::after(Duration::from_secs(60)))
        .expect("it is there");
    assert!(connection.keepalive().expect("it is there"));
    turn_until(&reactor, || log.len() == 2);
}

#[test]
fn an_attempt_times_out_and_leaves_nothing() {
    testing::run(|reactor| {
        let address = SocketAddr::from(([192, 0, 2, 1], 80));
        reactor.do_not_answer(address);
        let log = Log::default();
        let options = TcpConnectOptions::new(address).timeout(Duration::from_secs(5));
        let noting = log.clone();
        reactor
            .connect_tcp(options, RawRecorder::new(&Log::default()))
            .add_errback(move |failure| {
                let error = failure.trap::<ConnectError>()?;
                assert_eq!(error.kind(), ConnectErrorKind::TimedOut);
                noting.note("timed out");
                Err(failure)
            })
            .ignore();
        reactor.advance(Duration::from_millis(4999));
        assert_eq!(log.len(), 0);
        reactor.advance(Duration::from_millis(1));
        assert_eq!(log.events(), ["timed out"]);
    });
}

/// A client that notes what happens, and comes back so many times.
struct Client {
    log: Log,
    comebacks: usize,
    stops_at_once: bool,
}

impl Client {
    fn come_back(&mut self, connector: &Connector<RawRecorder>) {
        if let Some(left) = self.comebacks.checked_sub(1) {
            self.comebacks = left;
            connector.connect().expect("it is disconnected");
        }
    }
}

impl ClientFactory for Client {
    type Protocol = RawRecorder;

    fn build_protocol(&mut self, _peer: &Address) -> Option<RawRecorder> {
        Some(RawRecorder::new(&self.log))
    }

    fn started_connecting(&mut self, connector: &Connector<RawRecorder>) {
        self.log.note("started");
        if self.stops_at_once {
            connector.stop_connecting().expect("it has begun");
        }
    }

    fn connection_failed(&mut self, connector: &Connector<RawRecorder>, failure: Failure) {
        self.log.note(match failure.check::<ConnectError>() {
            Some(error) => format!("failed: {:?}", error.kind()),
            None => format!("failed: {failure}"),
        });
        self.come_back(connector);
    }

    fn connection_lost(&mut self, connector: &Connector<RawRecorder>, reason: ConnectionClosed) {
        self.log.note(format!("factory: {reason}"));
        self.come_back(connector);
    }
}

fn client(log: &Log, comebacks: usize) -> Client {
    Client {
        log: log.clone(),
        comebacks,
        stops_at_once: false,
    }
}

#[test]
fn a_client_comes_back_from_where_it_is_told_of_the_loss() {
    testing::run(|reactor| {
        let (server, log) = (Log::default(), Log::default());
        let refusing = RawRecorder::new(&server).on_made(|cx| {
            cx.lose_connection();
            Ok(())
        });
        let port = reactor
            .listen_tcp("127.0.0.1:7000", move || refusing.clone())
            .expect("it is free");
        let connector = reactor.connector_tcp("127.0.0.1:7000", client(&log, 2));
        assert_eq!(connector.state(), ConnectorState::Disconnected);
        connector.connect().expect("it is disconnected");
        assert!(connector.connect().is_err(), "it is connecting");
        reactor.settle();
        let once = [
            "started",
            "made",
            "read closed",
            "lost: done",
            "factory: the connection was closed cleanly",
        ];
        assert_eq!(log.events(), once.repeat(3));
        assert_eq!(connector.state(), ConnectorState::Disconnected);
        assert_eq!(connector.destination(), "127.0.0.1:7000");
        port.stop_listening().ignore();
    });
}

#[test]
fn a_client_may_stop_as_soon_as_it_has_started() {
    testing::run(|reactor| {
        let log = Log::default();
        let stopping = Client {
            stops_at_once: true,
            ..client(&log, 0)
        };
        let connector = reactor.connector_tcp("127.0.0.1:7000", stopping);
        assert!(connector.stop_connecting().is_err(), "it has not begun");
        connector.connect().expect("it is disconnected");
        reactor.settle();
        assert_eq!(log.len(), 2);
        assert!(log.events()[1].contains("cancelled"), "{:?}", log.events());
    });
}

#[test]
fn a_client_that_is_refused_may_try_again_and_be_disconnected() {
    testing::run(|reactor| {
        let log = Log::default();
        let connector = reactor.connector_tcp("127.0.0.1:7000", client(&log, 1));
        connector.connect().expect("it is disconnected");
        reactor.settle();
        let refused = ["started", "failed: Refused"];
        assert_eq!(log.events(), refused.repeat(2));

        let server: Rc<RefCell<Log>> = Rc::default();
        let port = reactor
            .listen_tcp("127.0.0.1:7000", recorder(&server.borrow()))
            .expect("it is free");
        connector.connect().expect("it is disconnected");
        reactor.settle();
        assert_eq!(connector.state(), ConnectorState::Connected);
        connector.disconnect();
        reactor.settle();
        assert_eq!(connector.state(), ConnectorState::Disconnected);
        assert!(log.events().ends_with(&[
            "lost: done".to_owned(),
            "factory: the connection was closed cleanly".to_owned()
        ]));
        port.stop_listening().ignore();
    });
}
