//! Options of sockets: what they are at first, and that they are set as a whole or not at all.

use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use reactor::{
    ConnectError, ConnectErrorKind, Connection, KeepAlive, Protocol, Raw, Reactor,
    TcpConnectOptions, testing,
};
use rustix::net::sockopt;
use socket2::{Domain, Socket, Type};

use crate::support::{Quiet, reactor, result_of};

// --- TCP_NODELAY ---

fn nodelay(connection: &Connection<Quiet>) -> bool {
    connection.nodelay().expect("it is there")
}

/// Connects to `address`; gives what the server sees, and the client.
fn connect(reactor: &Reactor, address: SocketAddr) -> Connection<Quiet> {
    result_of(reactor, reactor.connect_tcp(address, Quiet)).expect("it listens")
}

/// Reports, when it is made, whether its socket has the option.
struct Telling(deferred::Trigger<bool>);

impl Protocol for Telling {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut reactor::Context<'_, Self>) -> deferred::Result<()> {
        self.0
            .callback(cx.connection().nodelay()?)
            .map_err(Into::into)
    }
}

#[test]
fn accepted_and_connected_sockets_do_not_delay() {
    let reactor = reactor();
    let (trigger, told) = deferred::Deferred::pair();
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || Telling(trigger.clone()))
        .expect("a port");
    let client = connect(&reactor, port.address());
    assert!(nodelay(&client));
    assert_eq!(result_of(&reactor, told).ok(), Some(true));
    client.set_nodelay(false).expect("it is there");
    assert!(!nodelay(&client));
}

#[test]
fn streams_and_connectors_do_not_delay() {
    let reactor = reactor();
    let (trigger, told) = deferred::Deferred::pair();
    let port = reactor
        .listen_tcp_streams("127.0.0.1:0", move |stream| {
            let told = trigger.callback(stream.connection().nodelay().unwrap_or(false));
            async move { told.map_err(Into::into) }
        })
        .expect("a port");
    let stream = result_of(&reactor, reactor.connect_tcp_stream(port.address()));
    let stream = stream.expect("it listens");
    assert!(stream.connection().nodelay().expect("it is there"));
    assert_eq!(result_of(&reactor, told).ok(), Some(true));
}

#[test]
fn what_is_adopted_stays_as_it_came_but_what_it_accepts_does_not_delay() {
    let reactor = reactor();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it listens");
    let shared = listener.try_clone().expect("a descriptor");
    let far = TcpStream::connect(address).expect("it listens");
    let (near, _) = listener.accept().expect("a client has connected");
    for as_it_came in [false, true] {
        near.set_nodelay(as_it_came).expect("a socket");
        let clone = near.try_clone().expect("a descriptor");
        let adopted = reactor.adopt_stream(clone, Quiet).expect("it is connected");
        assert_eq!(nodelay(&adopted), as_it_came);
        adopted.pause_reading().expect("it is there");
    }
    let (trigger, told) = deferred::Deferred::pair();
    let port = reactor
        .adopt_listener(listener, move || Telling(trigger.clone()))
        .expect("it listens");
    let client = connect(&reactor, port.address());
    assert!(nodelay(&client));
    assert_eq!(result_of(&reactor, told).ok(), Some(true));
    let is_changed = sockopt::tcp_nodelay(shared.as_fd()).expect("a socket");
    assert!(!is_changed, "others may have it, too");
    drop(far);
}

// --- keep-alive ---

/// A connection, and a second descriptor of its socket.
fn adopted(reactor: &Reactor) -> (Connection<Quiet>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let stream = TcpStream::connect(listener.local_addr().expect("it listens")).expect("a socket");
    let clone = stream.try_clone().expect("a descriptor");
    let connection = reactor.adopt_stream(clone, Quiet).expect("it is connected");
    (connection, stream)
}

#[test]
fn times_of_keep_alive_are_rounded_up_to_seconds() {
    let reactor = reactor();
    let (connection, socket) = adopted(&reactor);
    for (asked, found) in [(1, 1), (500, 1), (1000, 1), (1001, 2), (1900, 2)] {
        let time = Duration::from_millis(asked);
        connection
            .set_keepalive(KeepAlive::after(time).interval(time))
            .expect("it is in range");
        let found = Duration::from_secs(found);
        assert_eq!(sockopt::tcp_keepidle(&socket), Ok(found), "{asked} ms");
        assert_eq!(sockopt::tcp_keepintvl(&socket), Ok(found), "{asked} ms");
    }
    let longest = Duration::from_secs(32_767);
    connection
        .set_keepalive(KeepAlive::after(longest).interval(longest).retries(127))
        .expect("it is in range");
    assert_eq!(sockopt::tcp_keepidle(&socket), Ok(longest));
    assert_eq!(sockopt::tcp_keepcnt(&socket), Ok(127));
}

#[test]
fn keep_alive_is_set_as_a_whole_or_not_at_all_and_the_error_names_the_range() {
    let reactor = reactor();
    let (connection, socket) = adopted(&reactor);
    let second = Duration::from_secs(1);
    let seconds = "1 to 32767";
    let refused = [
        (KeepAlive::after(Duration::ZERO), seconds),
        (KeepAlive::after(32_768 * second), seconds),
        (KeepAlive::after(Duration::from_millis(32_767_001)), seconds),
        (KeepAlive::after(Duration::MAX), seconds),
        (KeepAlive::after(second).interval(Duration::ZERO), seconds),
        (KeepAlive::after(second).interval(Duration::MAX), seconds),
        (KeepAlive::after(second).retries(0), "1 to 127"),
        (KeepAlive::after(second).retries(128), "1 to 127"),
        (KeepAlive::after(second).retries(u32::MAX), "1 to 127"),
    ];
    let state = || {
        (
            sockopt::socket_keepalive(&socket),
            sockopt::tcp_keepidle(&socket),
            sockopt::tcp_keepintvl(&socket),
            sockopt::tcp_keepcnt(&socket),
        )
    };
    // It was off; or on, and something else.
    for _ in 0..2 {
        let before = state();
        for (keepalive, range) in &refused {
            let error = connection
                .set_keepalive(keepalive.clone())
                .expect_err("it is out of range");
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(range), "{error}");
            assert_eq!(state(), before);
        }
        connection
            .set_keepalive(
                KeepAlive::after(60 * second)
                    .interval(7 * second)
                    .retries(3),
            )
            .expect("it is in range");
    }
}

#[test]
fn a_socket_that_knows_no_keep_alive_is_left_alone() {
    let reactor = reactor();
    let (near, _far) = UnixStream::pair().expect("two sockets");
    let socket = near.try_clone().expect("a descriptor");
    let connection = reactor.adopt_stream(near, Quiet).expect("it is connected");
    connection
        .set_keepalive(KeepAlive::after(Duration::from_secs(1)))
        .expect_err("it is for TCP");
    assert_eq!(sockopt::socket_keepalive(&socket), Ok(false));
}

// --- the TTL of multicast ---

#[test]
fn a_ttl_that_is_out_of_range_is_refused_and_the_error_names_the_range() {
    let reactor = reactor();
    let v6 = std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let addresses = ["127.0.0.1:0", "[::1]:0"];
    for address in &addresses[..if v6 { 2 } else { 1 }] {
        let port = reactor.listen_udp(*address, Quiet).expect("a port");
        port.set_multicast_ttl(7).expect("it is in range");
        for ttl in [256, 1 << 31, u32::MAX - 1, u32::MAX] {
            let error = port.set_multicast_ttl(ttl).expect_err("it is out of range");
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains("0 to 255"), "{error}");
            assert_eq!(port.multicast_ttl().expect("it is there"), 7);
        }
        for ttl in [0, 255] {
            port.set_multicast_ttl(ttl).expect("it is in range");
            assert_eq!(port.multicast_ttl().expect("it is there"), ttl);
        }
    }
}

// --- connected to itself ---

/// The address of a free port.
fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("it listens")
}

fn assert_refused<T: 'static>(reactor: &Reactor, connecting: deferred::Deferred<T>) {
    let Err(failure) = result_of(reactor, connecting) else {
        panic!("it is connected to itself");
    };
    let error: &ConnectError = failure.check().expect("it is one of connecting");
    assert_eq!(error.kind(), ConnectErrorKind::Refused);
}

#[test]
fn one_that_is_connected_to_itself_is_refused() {
    let reactor = reactor();
    let address = free_port();
    let to_itself = || TcpConnectOptions::new(address).bind_address(address);
    assert_refused(&reactor, reactor.connect_tcp(to_itself(), Quiet));
    // Nothing is left of it: the port can be listened on, without being asked to be reused.
    assert_refused(&reactor, reactor.connect_tcp_stream(to_itself()));
    let any = SocketAddr::from(([0, 0, 0, 0], address.port()));
    let by_any_name = TcpConnectOptions::new(any).bind_address(address);
    assert_refused(&reactor, reactor.connect_tcp(by_any_name, Quiet));
    assert_eq!(reactor.counters().connections, 0);
    // Also for a program that does not set SO_REUSEADDR, as std and this crate do.
    let plain = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    plain
        .bind(&address.into())
        .expect("nothing waits for its end");
    drop(plain);
    let port = reactor.listen_tcp(address, || Quiet).expect("it is free");
    // From another address of this host, to the same port.
    let other = SocketAddr::from(([127, 0, 0, 2], address.port()));
    let from_other = TcpConnectOptions::new(address).bind_address(other);
    let connection = result_of(&reactor, reactor.connect_tcp(from_other, Quiet));
    assert!(!connection.expect("it listens").is_gone());
    drop(port);
}

struct Factory(deferred::Trigger<deferred::Failure>);

impl reactor::ClientFactory for Factory {
    type Protocol = Quiet;

    fn build_protocol(&mut self, _: &reactor::Address) -> Option<Quiet> {
        unreachable!("it is not connected");
    }

    fn connection_failed(&mut self, _: &reactor::Connector<Quiet>, failure: deferred::Failure) {
        let _ = self.0.callback(failure);
    }
}

#[test]
fn a_connector_that_is_connected_to_itself_is_refused() {
    let reactor = reactor();
    let address = free_port();
    let (trigger, failed) = deferred::Deferred::pair();
    let connector = reactor.connector_tcp(
        TcpConnectOptions::new(address).bind_address(address),
        Factory(trigger),
    );
    connector.connect().expect("it is not connected");
    let failure = result_of(&reactor, failed).expect("it has a result");
    let error: &ConnectError = failure.check().expect("it is one of connecting");
    assert_eq!(error.kind(), ConnectErrorKind::Refused);
}

#[test]
fn in_memory_a_client_never_has_the_address_of_its_server() {
    testing::run(|reactor| {
        // The first port that is given out there.
        let address = "127.0.0.1:49152";
        let port = reactor.listen_tcp(address, || Quiet).expect("it is free");
        let connecting = reactor.connect_tcp(address, Quiet);
        reactor.settle();
        let connection = connecting.into_result().expect("it is there");
        let connection = connection.expect("it listens");
        assert_ne!(connection.host(), connection.peer());
        port.stop_listening().ignore();
        connection.abort();
    });
}
