//! Ports for datagrams: what their protocols hear, and how they end.

use std::cell::Cell;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::Duration;

use deferred::assertions::{
    assert_no_result, capture_unhandled, success_result_of, with_no_unhandled,
};
use deferred::{Cancelled, Deferred, Failure, Result};
use reactor::{
    DatagramAddress, DatagramContext, DatagramError, DatagramPort, DatagramPortClosed,
    DatagramProtocol, Reactor, UdpOptions,
};

use crate::support::{
    Count, Log, assert_sleeps, never, reactor, result_of, turn_a_few_times, turn_until,
};

type Handler<A> = Rc<dyn Fn(&mut DatagramContext<'_, Recorder<A>>, &[u8], Option<A>) -> Result<()>>;

/// A protocol that notes what it hears, then does as it was told.
pub(crate) struct Recorder<A: DatagramAddress> {
    log: Log,
    on_start: Handler<A>,
    on_received: Handler<A>,
}

impl<A: DatagramAddress> Recorder<A> {
    pub(crate) fn new(log: &Log) -> Self {
        Self {
            log: log.clone(),
            on_start: Rc::new(|_, _, _| Ok(())),
            on_received: Rc::new(|_, _, _| Ok(())),
        }
    }

    pub(crate) fn on_start(
        mut self,
        f: impl Fn(&mut DatagramContext<'_, Self>) -> Result<()> + 'static,
    ) -> Self {
        self.on_start = Rc::new(move |cx, _, _| f(cx));
        self
    }

    pub(crate) fn on_received(
        mut self,
        f: impl Fn(&mut DatagramContext<'_, Self>, &[u8], A) -> Result<()> + 'static,
    ) -> Self {
        self.on_received = Rc::new(move |cx, data, from| {
            let from = from.expect("it comes from somewhere");
            f(cx, data, from)
        });
        self
    }
}

impl<A: DatagramAddress> DatagramProtocol for Recorder<A> {
    type Address = A;

    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        self.log.note("start");
        Rc::clone(&self.on_start)(cx, b"", None)
    }

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        from: A,
    ) -> Result<()> {
        let text = String::from_utf8_lossy(data);
        self.log.note(if text.len() > 40 {
            format!("received {} bytes", text.len())
        } else {
            format!("received {text}")
        });
        Rc::clone(&self.on_received)(cx, data, Some(from))
    }

    fn connection_refused(&mut self, _: &mut DatagramContext<'_, Self>) -> Result<()> {
        self.log.note("refused");
        Ok(())
    }

    fn datagram_failed(
        &mut self,
        _: &mut DatagramContext<'_, Self>,
        error: DatagramError,
    ) -> Result<()> {
        self.log.note(format!("failed: {error}"));
        Ok(())
    }

    fn stop_protocol(&mut self, cx: &mut DatagramContext<'_, Self>, reason: DatagramPortClosed) {
        assert!(matches!(
            cx.send("too late"),
            Err(DatagramError::PortClosed)
        ));
        let reason = match reason {
            DatagramPortClosed::Stopped => "stopped".to_owned(),
            DatagramPortClosed::ReactorStopped => "reactor stopped".to_owned(),
            other => other.to_string(),
        };
        self.log.note(format!("stop: {reason}"));
    }
}

type Udp = Recorder<SocketAddr>;

#[track_caller]
fn listen(reactor: &Reactor, protocol: Udp) -> DatagramPort<Udp> {
    reactor
        .listen_udp("127.0.0.1:0", protocol)
        .expect("a free port")
}

/// A plain socket on the other side.
fn peer() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.set_nonblocking(true).expect("a socket");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

/// Turns the loop until something comes to `socket`.
#[track_caller]
fn receive(reactor: &Reactor, socket: &UdpSocket) -> String {
    let mut buffer = [0; 100];
    let mut received = None;
    turn_until(reactor, || {
        received = socket.recv(&mut buffer).ok();
        received.is_some()
    });
    let length = received.expect("it was just seen");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn each_datagram_comes_by_itself_and_can_be_answered() {
    let (reactor, log) = (reactor(), Log::default());
    let protocol = Udp::new(&log).on_received(|cx, data, from| {
        assert_ne!(cx.address().port(), 0);
        Ok(cx.send_to([b"re: ", data].concat(), from)?)
    });
    let port = listen(&reactor, protocol);
    assert_eq!(log.events(), ["start"], "before listening returns");
    let (socket, address) = peer();
    for data in ["one", "", "three"] {
        socket
            .send_to(data.as_bytes(), port.address())
            .expect("it fits");
        assert_eq!(receive(&reactor, &socket), format!("re: {data}"));
    }
    assert_eq!(
        log.events(),
        ["start", "received one", "received ", "received three"]
    );
    port.send_to("by handle", address).expect("it fits");
    assert_eq!(receive(&reactor, &socket), "by handle");
    assert_sleeps(&reactor);
}

#[test]
fn what_is_too_long_is_dropped_and_told() {
    let (reactor, log) = (reactor(), Log::default());
    let options = UdpOptions::new("127.0.0.1:0").max_packet_size(100);
    let port = reactor
        .listen_udp(options, Udp::new(&log))
        .expect("a free port");
    let (socket, address) = peer();
    for length in [100, 101, 5000] {
        let sent = socket.send_to(&vec![b'x'; length], port.address());
        assert_eq!(sent.expect("it fits"), length);
    }
    turn_until(&reactor, || log.len() == 4);
    assert_eq!(
        log.events(),
        [
            "start",
            "received 100 bytes",
            "failed: a datagram of 101 bytes is too long",
            "failed: a datagram of 5000 bytes is too long"
        ]
    );
    let error = port
        .send_to(vec![0; 70_000], address)
        .expect_err("it does not fit");
    assert!(matches!(error, DatagramError::TooLong { length: 70_000 }));
}

#[test]
fn the_longest_datagram_comes_whole() {
    let (reactor, log) = (reactor(), Log::default());
    let options = UdpOptions::new("127.0.0.1:0").max_packet_size(usize::MAX);
    let port = reactor
        .listen_udp(options, Udp::new(&log))
        .expect("a free port");
    let (socket, _) = peer();
    socket
        .send_to(&[b'x'; 65_507], port.address())
        .expect("it fits");
    turn_until(&reactor, || log.has("received 65507 bytes"));
}

#[test]
fn mistakes_in_sending_are_told_at_once() {
    let (reactor, log) = (reactor(), Log::default());
    let port = listen(&reactor, Udp::new(&log));
    let v6: SocketAddr = "[::1]:9".parse().expect("an address");
    assert!(matches!(
        port.send_to("x", v6),
        Err(DatagramError::WrongFamily)
    ));
    assert!(matches!(port.connect(v6), Err(DatagramError::WrongFamily)));
    assert!(matches!(port.send("x"), Err(DatagramError::NotConnected)));
    let (_socket, address) = peer();
    port.connect(address).expect("it is a peer");
    assert!(matches!(
        port.connect(address),
        Err(DatagramError::AlreadyConnected)
    ));
    port.send("x").expect("it is connected");
    assert_eq!(port.dropped(), 0);
}

#[test]
fn a_connected_port_hears_from_its_peer_only() {
    let (reactor, log) = (reactor(), Log::default());
    let (friend, address) = peer();
    let (stranger, _) = peer();
    let early = stranger.try_clone().expect("a socket");
    let protocol = Udp::new(&log).on_start(move |cx| {
        // It is on its way in when the port is connected.
        early.send_to(b"early", ("127.0.0.1", cx.address().port()))?;
        early.send_to(&[b'x'; 10_000], ("127.0.0.1", cx.address().port()))?;
        cx.connect(address)?;
        Ok(cx.send("hello")?)
    });
    let port = reactor
        .listen_udp("0.0.0.0:0", protocol)
        .expect("a free port");
    let host = port.address();
    assert!(host.ip().is_loopback(), "as the system has chosen");
    assert_eq!(receive(&reactor, &friend), "hello");
    stranger.send_to(b"strange", host).ok();
    friend.send_to(b"friendly", host).expect("it fits");
    turn_until(&reactor, || log.len() > 1);
    turn_a_few_times(&reactor);
    assert_eq!(log.events(), ["start", "received friendly"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_connected_to_any_address_hears_this_computer() {
    let (reactor, log) = (reactor(), Log::default());
    let (friend, address) = peer();
    let any = SocketAddr::from(([0, 0, 0, 0], address.port()));
    let protocol = Udp::new(&log).on_start(move |cx| Ok(cx.connect(any)?));
    let port = listen(&reactor, protocol);
    friend
        .send_to(b"friendly", port.address())
        .expect("it fits");
    turn_until(&reactor, || log.has("received friendly"));
}

#[test]
fn a_connected_port_hears_that_nobody_is_there() {
    let (reactor, log) = (reactor(), Log::default());
    let (gone, address) = peer();
    drop(gone);
    let port = reactor
        .connect_udp(address, Udp::new(&log))
        .expect("it can be sent to");
    port.send("hello?").expect("the refusal comes later");
    turn_until(&reactor, || log.has("refused"));
    port.send("hello?").expect("the refusal comes later");
    // The refusal of the datagram before does not keep the next one from being sent.
    port.send("hello?").expect("it is sent");
    turn_until(&reactor, || log.len() == 4);
    assert_eq!(log.events(), ["start", "refused", "refused", "refused"]);
    assert_sleeps(&reactor);

    // A peer binds the address.
    let socket = UdpSocket::bind(address).expect("it is free");
    socket.set_nonblocking(true).expect("a socket");
    port.send("hello!").expect("it is sent");
    assert_eq!(receive(&reactor, &socket), "hello!");

    let port = listen(&reactor, Udp::new(&log));
    drop(socket);
    port.send_to("hello?", address)
        .expect("the refusal comes later");
    turn_a_few_times(&reactor);
    assert_eq!(log.len(), 5, "one that is not connected hears nothing");
}

#[test]
fn failures_and_panics_of_handlers_are_contained() {
    let (reactor, log) = (reactor(), Log::default());
    let protocol = Udp::new(&log).on_received(|_, data, _| match data {
        b"panic" => panic!("what a handler may do"),
        b"fail" => Err(Failure::msg("what a handler may do")),
        _ => Ok(()),
    });
    let port = listen(&reactor, protocol);
    port.post(|_, _| never()).expect("it is open");
    let (socket, _) = peer();
    for data in ["panic", "fail", "fine"] {
        socket
            .send_to(data.as_bytes(), port.address())
            .expect("it fits");
    }
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    assert_eq!(
        log.events(),
        ["start", "received panic", "received fail", "received fine"],
        "in the same turn"
    );
    assert!(!port.is_gone());
}

#[test]
fn a_port_that_is_never_silent_lets_others_have_their_turn() {
    let (reactor, log) = (reactor(), Log::default());
    let count = Count::default();
    let counted = count.clone();
    let protocol = Udp::new(&log).on_received(move |cx, _, _| {
        counted.add();
        let own = cx.address();
        Ok(cx.send_to("", own)?)
    });
    let port = listen(&reactor, protocol);
    port.send_to("", port.address()).expect("it fits");
    turn_until(&reactor, || count.get() > 0);
    assert!(count.get() <= 1024, "{}", count.get());
    let other = Count::default();
    let called = other.clone();
    reactor.call_later(Duration::ZERO, move || {
        called.add();
    });
    turn_until(&reactor, || other.get() == 1);
}

#[test]
fn stopping_tells_the_protocol_from_the_loop_and_frees_the_address() {
    let (reactor, log) = (reactor(), Log::default());
    let port = listen(&reactor, Udp::new(&log));
    let address = port.address();
    let taken = reactor.listen_udp(address, Udp::new(&Log::default()));
    assert_eq!(
        taken.expect_err("it is in use").kind(),
        ErrorKind::AddrInUse
    );

    let first = port.stop_listening();
    let second = port.stop_listening();
    assert_eq!(log.events(), ["start"], "not from inside the call");
    assert_no_result(&first);
    assert!(port.is_gone());
    assert!(port.post(|_, _| never()).is_err());
    assert!(matches!(
        port.send_to("x", address),
        Err(DatagramError::PortClosed)
    ));
    let (handle, noted, again) = (reactor.handle(), log.clone(), Log::default());
    let protocol = Udp::new(&again);
    let reopened = first.add_callback(move |()| {
        noted.note("closed");
        Ok(handle.listen_udp(address, protocol)?)
    });
    let reopened = result_of(&reactor, reopened).expect("the address is free");
    assert_eq!(reopened.address(), address);
    success_result_of(second);
    assert_eq!(log.events(), ["start", "stop: stopped", "closed"]);
    success_result_of(port.stop_listening());
    assert_eq!(port.address(), address);
    turn_a_few_times(&reactor);
    assert_eq!(log.len(), 3);
}

#[test]
fn a_handler_may_close_its_own_port() {
    let (reactor, log) = (reactor(), Log::default());
    let protocol = Udp::new(&log).on_received(|cx, _, _| {
        cx.stop_listening();
        assert!(matches!(cx.send("x"), Err(DatagramError::PortClosed)));
        Ok(())
    });
    let port = listen(&reactor, protocol);
    let (socket, _) = peer();
    for _ in 0..2 {
        socket.send_to(b"x", port.address()).expect("it fits");
    }
    turn_until(&reactor, || log.len() == 3);
    turn_a_few_times(&reactor);
    assert_eq!(log.events(), ["start", "received x", "stop: stopped"]);

    let log = Log::default();
    let port = listen(
        &reactor,
        Udp::new(&log).on_start(|cx| {
            cx.stop_listening();
            Ok(())
        }),
    );
    assert!(port.is_gone());
    turn_until(&reactor, || log.len() == 2);
    assert_eq!(log.events(), ["start", "stop: stopped"]);
}

#[test]
fn a_protocol_that_does_not_start_closes_its_port() {
    let reactor = reactor();
    let (socket, address) = peer();
    drop(socket);
    for panics in [false, true] {
        let log = Log::default();
        let protocol = Udp::new(&log).on_start(move |_| {
            assert!(!panics, "what a handler may do");
            Err(Failure::msg("no"))
        });
        let error = reactor.listen_udp(address, protocol).expect_err("it fails");
        assert!(
            error
                .to_string()
                .ends_with(if panics { "may do" } else { "no" }),
            "{error}"
        );
        turn_a_few_times(&reactor);
        assert_eq!(log.events(), ["start"]);
        UdpSocket::bind(address).expect("it is closed");
    }
}

#[test]
fn dropping_the_reactor_stops_the_protocol() {
    let (reactor, log) = (reactor(), Log::default());
    let port = listen(&reactor, Udp::new(&log));
    let stopped = port.stop_listening();
    drop(reactor);
    assert_eq!(log.events(), ["start", "stop: stopped"]);
    success_result_of(stopped);

    let reactor = crate::support::reactor();
    let log = Log::default();
    let port = listen(&reactor, Udp::new(&log));
    let handle = reactor.handle();
    drop(reactor);
    assert_eq!(log.events(), ["start", "stop: reactor stopped"]);
    assert!(port.is_gone());
    success_result_of(port.stop_listening());
    assert!(handle.listen_udp("127.0.0.1:0", Udp::new(&log)).is_err());
    assert_eq!(log.len(), 2);
}

#[test]
fn stopping_the_reactor_stops_the_protocol() {
    let (reactor, log) = (reactor(), Log::default());
    let port = listen(&reactor, Udp::new(&log));
    let handle = reactor.handle();
    reactor.call_when_running(move || handle.stop());
    reactor.run().expect("it runs");
    assert_eq!(log.events(), ["start", "stop: reactor stopped"]);
    // It may be run again, and the address used.
    let again = Log::default();
    reactor
        .listen_udp(port.address(), Udp::new(&again))
        .expect("it is closed");
    assert_eq!(again.events(), ["start"]);
}

#[test]
fn waiting_and_scheduling_give_the_protocol_back() {
    let (reactor, log) = (reactor(), Log::default());
    let port = listen(&reactor, Udp::new(&log));
    let (trigger, answer) = Deferred::pair();
    port.post(move |this, cx| {
        this.log.note("posted");
        cx.when(answer, |this, _, answer: Result<u32>| {
            this.log.note(format!("answer {}", answer?));
            Ok(())
        });
        cx.call_later(Duration::from_millis(2), |this, _| this.log.note("later"));
    })
    .expect("it is open");
    assert_eq!(log.len(), 1, "not from inside the call");
    turn_until(&reactor, || log.has("posted"));
    trigger.callback(7).expect("it is the first");
    assert!(!log.has("answer 7"), "not from inside the fire");
    turn_until(&reactor, || log.len() == 4);
    assert_eq!(log.events(), ["start", "posted", "answer 7", "later"]);
}

#[test]
fn what_a_closed_port_waits_for_is_cancelled() {
    let (reactor, log) = (reactor(), Log::default());
    let port = listen(&reactor, Udp::new(&log));
    let (left_alone, first) = Deferred::<()>::pair();
    let (cancelled, second) = Deferred::<()>::pair();
    let call = Rc::new(Cell::new(None));
    let scheduled = Rc::clone(&call);
    port.post(move |_, cx| {
        cx.when(first, |_, _, _| never());
        cx.when_or_cancel(second, |_, _, _| never());
        let later = cx.call_later(Duration::from_secs(3600), |_, _| never());
        scheduled.set(Some(later));
    })
    .expect("it is open");
    turn_a_few_times(&reactor);
    with_no_unhandled(|| {
        let stopped = port.stop_listening();
        result_of(&reactor, stopped).expect("it closes");
        assert!(!call.take().expect("it was scheduled").is_active());
        assert!(cancelled.is_fired() && !left_alone.is_fired());
    });
    let ((), unhandled) = capture_unhandled(|| {
        left_alone
            .errback(Failure::msg("unhandled"))
            .expect("it is the first");
    });
    assert_eq!(unhandled.len(), 1);
    assert!(!unhandled[0].failure().is::<Cancelled>());
}

#[test]
fn jobs_run_before_the_next_datagram() {
    let (reactor, log) = (reactor(), Log::default());
    let protocol = Udp::new(&log).on_received(|cx, _, _| {
        cx.port()
            .post(|this, _| this.log.note("job"))
            .map_err(Failure::new)
    });
    let port = listen(&reactor, protocol);
    let (socket, _) = peer();
    for data in ["one", "two"] {
        socket
            .send_to(data.as_bytes(), port.address())
            .expect("it fits");
    }
    turn_until(&reactor, || log.len() == 5);
    assert_eq!(
        log.events(),
        ["start", "received one", "job", "received two", "job"]
    );
}

#[test]
fn a_job_that_was_queued_runs_before_the_end() {
    let (reactor, log) = (reactor(), Log::default());
    let port = listen(&reactor, Udp::new(&log));
    port.post(|this, _| this.log.note("job"))
        .expect("it is open");
    result_of(&reactor, port.stop_listening()).expect("it closes");
    assert_eq!(log.events(), ["start", "job", "stop: stopped"]);
}

#[test]
fn a_socket_that_gives_nothing_any_more_is_lost() {
    let (reactor, log) = (reactor(), Log::default());
    let (socket, _) = peer();
    let (_friend, friendly) = peer();
    socket.connect(friendly).expect("a socket");
    let shared = socket.try_clone().expect("a socket");
    let port = reactor
        .adopt_datagram_port(socket, Udp::new(&log))
        .expect("it is a socket for datagrams");
    socket2::SockRef::from(&shared)
        .shutdown(std::net::Shutdown::Both)
        .expect("it is connected");
    turn_until(&reactor, || port.is_gone());
    turn_a_few_times(&reactor);
    assert_eq!(log.len(), 2);
    assert!(log.events()[1].starts_with("stop: the port was lost"));
    assert_sleeps(&reactor);
}

#[test]
fn a_socket_that_was_made_elsewhere_is_gone_on_with() {
    let (reactor, log) = (reactor(), Log::default());
    let (socket, address) = peer();
    let (friend, friendly) = peer();
    socket.connect(friendly).expect("a socket");
    let port = reactor
        .adopt_datagram_port(socket, Udp::new(&log))
        .expect("it is a socket for datagrams");
    assert_eq!(port.address(), address);
    port.send("hello").expect("it is connected");
    assert_eq!(receive(&reactor, &friend), "hello");
    friend.send_to(b"hello, too", address).expect("it fits");
    turn_until(&reactor, || log.has("received hello, too"));

    let stream = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let refused = reactor.adopt_datagram_port(stream, Udp::new(&log));
    assert!(refused.is_err(), "it is no socket for datagrams");
    let (unix, _other) = std::os::unix::net::UnixDatagram::pair().expect("a pair");
    let refused = reactor.adopt_datagram_port(unix, Udp::new(&log));
    assert!(refused.is_err(), "its addresses are of another kind");
}
