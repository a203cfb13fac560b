//! What an error says is about what has failed.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;

use deferred::assertions::failure_of;
use reactor::testing::TestReactor;
use reactor::{Command, ConnectError, ConnectErrorKind, Process, UdpOptions, UnixAddress};

use crate::datagrams::Recorder;
use crate::support::{Log, Quiet, RawRecorder, reactor, result_of, turn_until};

#[test]
fn a_port_for_datagrams_that_is_closed_is_no_connection() {
    let reactor = reactor();
    let port = reactor
        .listen_udp("127.0.0.1:0", Recorder::<SocketAddr>::new(&Log::default()))
        .expect("a free port");
    result_of(&reactor, port.stop_listening()).expect("it closes");
    let refused = port.post(|_, _| ()).expect_err("it is closed");
    assert_eq!(refused.to_string(), "the port is closed");
    let refused = port.set_multicast_ttl(1).expect_err("it is closed");
    assert_eq!(refused.to_string(), "the port is closed");
}

#[test]
fn a_child_that_has_exited_is_no_connection() {
    let reactor = reactor();
    let process: Process<Quiet> = reactor
        .spawn_process(Command::new("true"), Quiet)
        .expect("it is there");
    turn_until(&reactor, || process.is_gone());
    let refused = process.post(|_, _| ()).expect_err("it has exited");
    assert_eq!(refused.to_string(), "the process has exited");
}

#[test]
fn a_port_that_cannot_be_connected_says_so() {
    let reactor = reactor();
    // Broadcasting was not asked for.
    let peer = SocketAddr::from(([255, 255, 255, 255], 9));
    let error = reactor
        .connect_udp(peer, Recorder::new(&Log::default()))
        .expect_err("it is not allowed");
    let told = error.to_string();
    let expected = "cannot connect a port to \"255.255.255.255:9\": ";
    assert!(told.starts_with(expected), "{told}");
    assert_eq!(error.address(), "255.255.255.255:9");
    let error = reactor
        .connect_unix_datagram(
            "/no/such/socket",
            Recorder::<UnixAddress>::new(&Log::default()),
        )
        .expect_err("the path does not exist");
    let told = error.to_string();
    let expected = "cannot connect a port to \"/no/such/socket\": ";
    assert!(told.starts_with(expected), "{told}");
    // To listen is to listen.
    let options = UdpOptions::new("192.0.2.1:0");
    let error = reactor.listen_udp(options, Recorder::new(&Log::default()));
    let told = error.expect_err("it is not ours").to_string();
    assert!(
        told.starts_with("cannot listen on \"192.0.2.1:0\": "),
        "{told}"
    );
}

#[test]
fn an_attempt_that_a_stop_ends_says_so() {
    let reactor = TestReactor::new();
    let address = SocketAddr::from(([192, 0, 2, 1], 80));
    reactor.do_not_answer(address);
    let recorder = RawRecorder::new(&Log::default());
    let connecting = reactor.connect_tcp(address, recorder);
    reactor.settle();
    reactor.shut_down();
    let failure = failure_of(connecting);
    let error = failure.check::<ConnectError>().expect("its own error");
    assert_eq!(error.kind(), ConnectErrorKind::ReactorStopped);
    let told = error.to_string();
    assert!(told.ends_with("the reactor was stopped"), "{told}");
}

#[test]
fn a_connection_that_is_gone_is_one() {
    let (reactor, log) = (reactor(), Log::default());
    let (near, far) = UnixStream::pair().expect("a pair");
    let connection = reactor
        .adopt_stream(near, RawRecorder::new(&log))
        .expect("it is connected");
    drop(far);
    turn_until(&reactor, || log.is_lost());
    let refused = connection.write("hello?").expect_err("it is over");
    assert_eq!(refused.to_string(), "the connection is gone");
}
