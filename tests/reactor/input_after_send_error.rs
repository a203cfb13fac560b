//! What has arrived is delivered, also when sending has failed first.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Failure, Result};
use futures::{AsyncReadExt, AsyncWriteExt};
use reactor::testing;
use reactor::{ByteStreamProtocol, Connection, Context, Gone, Protocol, Raw, Reactor, pump};
use socket2::SockRef;

use crate::support::{Log, RawRecorder, reactor, result_of, turn_until};

/// More than a socket takes at once.
const MUCH: usize = 64 * 1024 * 1024;

/// A connection, and a plain socket on the other side.
fn over_tcp<P: Protocol>(reactor: &Reactor, protocol: P) -> (Connection<P>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let far = TcpStream::connect(listener.local_addr().expect("it listens")).expect("a socket");
    let (near, _) = listener.accept().expect("a connection");
    (
        reactor.adopt_stream(near, protocol).expect("it is made"),
        far,
    )
}

fn reset(far: TcpStream) {
    SockRef::from(&far)
        .set_linger(Some(Duration::ZERO))
        .expect("a socket");
}

#[test]
fn what_came_before_a_reset_is_delivered_though_a_write_fails_first() {
    // Sent at once, or when the loop comes to it.
    for (size, is_posted) in [(100_000, false), (10, false), (100_000, true), (10, true)] {
        let (reactor, log) = (reactor(), Log::default());
        let (connection, mut far) = over_tcp(&reactor, RawRecorder::new(&log));
        far.write_all(&[7; 5000]).expect("it fits");
        reset(far);
        if is_posted {
            let write = move |_: &mut RawRecorder, cx: &mut Context<'_, _>| cx.write(vec![0; size]);
            connection.post(write).expect("it is there");
        } else {
            connection.write(vec![0; size]).expect("it is there");
        }
        turn_until(&reactor, || log.is_lost());
        assert_eq!(
            log.events(),
            ["made", "received 5000 bytes", "lost: broken"]
        );
    }
}

#[test]
fn what_came_before_a_reset_is_delivered_though_much_waits_to_be_sent() {
    let (reactor, log) = (reactor(), Log::default());
    let (connection, mut far) = over_tcp(&reactor, RawRecorder::new(&log));
    connection.write(vec![0; MUCH]).expect("it is there");
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    far.write_all(&[7; 5000]).expect("it fits");
    reset(far);
    turn_until(&reactor, || log.is_lost());
    assert_eq!(
        log.events(),
        ["made", "received 5000 bytes", "lost: broken"]
    );
}

#[test]
fn what_came_is_delivered_over_unix_sockets() {
    for size in [10, 100_000] {
        let (reactor, log) = (reactor(), Log::default());
        let (near, mut far) = UnixStream::pair().expect("two sockets");
        let connection = reactor
            .adopt_stream(near, RawRecorder::new(&log))
            .expect("it is made");
        far.write_all(&[7; 5000]).expect("it fits");
        drop(far);
        connection.write(vec![0; size]).expect("it is there");
        turn_until(&reactor, || log.is_lost());
        assert_eq!(
            log.events(),
            ["made", "received 5000 bytes", "lost: broken"]
        );
    }
}

#[test]
fn what_came_is_delivered_over_pipes() {
    // Found out by writing, or told by the system.
    for writes in [true, false] {
        let (reactor, log) = (reactor(), Log::default());
        let (from_there, mut there) = std::io::pipe().expect("a pipe");
        let (back, to_there) = std::io::pipe().expect("a pipe");
        let connection = reactor
            .adopt_pipes(from_there, to_there, RawRecorder::new(&log))
            .expect("it is made");
        there.write_all(&[7; 5000]).expect("it fits");
        drop(back);
        if writes {
            connection.write("x").expect("it is there");
        }
        turn_until(&reactor, || log.is_lost());
        assert_eq!(
            log.events(),
            ["made", "received 5000 bytes", "lost: broken"]
        );
        // It does not wait for the end.
        drop(there);
    }
}

#[test]
fn what_came_is_delivered_in_memory() {
    testing::run(|reactor| {
        let log = Log::default();
        let (near, far) =
            reactor.connect_pair(RawRecorder::new(&log), RawRecorder::new(&Log::default()));
        far.post(|_this, cx| {
            cx.write(vec![7; 40_000]);
            cx.abort();
        })
        .expect("it is there");
        near.post(|_this, cx| cx.write(vec![0; 100_000]))
            .expect("it is there");
        reactor.settle();
        assert_eq!(
            log.events(),
            ["made", "received 40000 bytes", "lost: broken"]
        );
    });
}

#[test]
fn the_last_handlers_are_heard_but_can_send_nothing() {
    let (reactor, log) = (reactor(), Log::default());
    let heard = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&heard);
    let recorder = RawRecorder::new(&log).on_received(move |cx, _| {
        cx.write("dropped");
        assert_eq!(cx.connection().buffered(), Ok(0));
        sink.borrow_mut()
            .push(cx.connection().write("refused").is_err());
        cx.lose_connection();
        Ok(())
    });
    let (connection, mut far) = over_tcp(&reactor, recorder);
    // More than is read at once.
    far.write_all(&[7; 100_000]).expect("it fits");
    reset(far);
    connection.write("x").expect("it is there");
    let drained = connection.drained();
    turn_until(&reactor, || log.is_lost());
    assert_eq!(
        log.len(),
        3,
        "nothing after it has closed: {:?}",
        log.events()
    );
    assert!(log.has("lost: broken"));
    assert_eq!(*heard.borrow(), [true]);
    assert!(deferred::assertions::failure_of(drained).is::<Gone>());
}

#[test]
fn a_handler_that_fails_at_last_hears_no_more_and_is_told_of_the_loss_once() {
    let (reactor, log) = (reactor(), Log::default());
    let recorder = RawRecorder::new(&log).on_received(|_, _| Err(Failure::msg("enough")));
    let (connection, mut far) = over_tcp(&reactor, recorder);
    far.write_all(&[7; 100_000]).expect("it fits");
    reset(far);
    connection.write("x").expect("it is there");
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.len(), 3, "{:?}", log.events());
    assert!(log.has("lost: broken"));
}

#[test]
fn a_paused_protocol_gets_nothing_more_and_is_told_at_once() {
    let (reactor, log) = (reactor(), Log::default());
    let (connection, mut far) = over_tcp(&reactor, RawRecorder::new(&log));
    connection.pause_reading().expect("it is there");
    far.write_all(&[7; 5000]).expect("it fits");
    reset(far);
    connection.write("x").expect("it is there");
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: broken"]);
}

#[test]
fn a_stream_is_read_to_the_last_byte_that_has_arrived() {
    const SIZE: usize = 150_000;
    let reactor = reactor();
    let (protocol, stream) = ByteStreamProtocol::pair();
    let (_, mut far) = over_tcp(&reactor, protocol);
    let mut stream = result_of(&reactor, stream).expect("it is made");
    // More than the stream buffers, so reading from the socket stops.
    far.write_all(&[7; SIZE]).expect("it fits");
    turn_until(&reactor, || reactor.counters().bytes_received >= 64 * 1024);
    reset(far);
    let body = reactor.spawn(async move {
        let error = stream.write_all(&vec![0; MUCH]).await.expect_err("a reset");
        let mut all = Vec::new();
        let end = stream.read_to_end(&mut all).await;
        Ok((error, all.len(), end.is_err()))
    });
    let (_, length, is_broken) = result_of(&reactor, body).expect("it ends");
    assert_eq!(length, SIZE);
    assert!(is_broken, "an end would look as if that were all");
}

// --- an answer in the middle of an upload ---

/// Has heard enough at the first byte.
struct TooLarge;

impl Protocol for TooLarge {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, _: &[u8]) -> Result<()> {
        cx.write("413 too large");
        cx.lose_connection();
        Ok(())
    }
}

/// Sends much in `connection_made`; keeps what it is answered.
struct Upload {
    answer: Rc<RefCell<Vec<u8>>>,
    is_lost: Rc<Cell<bool>>,
}

impl Protocol for Upload {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.write(vec![b'x'; MUCH]);
        Ok(())
    }

    fn received(&mut self, _: &mut Context<'_, Self>, bytes: &[u8]) -> Result<()> {
        self.answer.borrow_mut().extend(bytes);
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, _: reactor::ConnectionClosed) {
        self.is_lost.set(true);
    }
}

fn upload() -> (Upload, Rc<RefCell<Vec<u8>>>, Rc<Cell<bool>>) {
    let (answer, is_lost) = (Rc::default(), Rc::default());
    let upload = Upload {
        answer: Rc::clone(&answer),
        is_lost: Rc::clone(&is_lost),
    };
    (upload, answer, is_lost)
}

#[test]
fn an_answer_in_the_middle_of_an_upload_arrives() {
    for _ in 0..4 {
        let (reactor, (upload, answer, is_lost)) = (reactor(), upload());
        let port = reactor
            .listen_tcp("127.0.0.1:0", || TooLarge)
            .expect("a port");
        reactor.connect_tcp(port.address(), upload).ignore();
        turn_until(&reactor, || is_lost.get());
        assert_eq!(*answer.borrow(), b"413 too large");
    }
}

#[test]
fn an_answer_of_a_server_that_just_closes_arrives() {
    let (reactor, (upload, answer, is_lost)) = (reactor(), upload());
    let (_, mut far) = over_tcp(&reactor, upload);
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    // It closes with input unread: that is a reset.
    assert_ne!(far.read(&mut [0; 100]).expect("it is sent"), 0);
    far.write_all(b"413 too large").expect("it fits");
    drop(far);
    turn_until(&reactor, || is_lost.get());
    assert_eq!(*answer.borrow(), b"413 too large");
}

#[test]
fn an_answer_in_the_middle_of_an_upload_arrives_on_a_stream() {
    let reactor = reactor();
    let port = reactor
        .listen_tcp("127.0.0.1:0", || TooLarge)
        .expect("a port");
    let uploading = reactor
        .connect_tcp_stream(port.address())
        .add_callback(|mut stream| {
            deferred::inline_callbacks(async move {
                // It breaks, sooner or later.
                let _ = stream.write_all(&vec![b'x'; MUCH]).await;
                let mut answer = Vec::new();
                let _ = stream.read_to_end(&mut answer).await;
                Ok(answer)
            })
        });
    let answer = result_of(&reactor, uploading).expect("it ends");
    assert_eq!(answer, b"413 too large");
}

/// What comes in goes past it.
struct Through;

impl Protocol for Through {
    type Framing = Raw;
}

#[test]
fn an_answer_in_the_middle_of_an_upload_arrives_through_pumps() {
    let (reactor, (upload, answer, is_lost)) = (reactor(), upload());
    let (back, mut server) = over_tcp(&reactor, Through);
    let (client, front) = UnixStream::pair().expect("two sockets");
    let front = reactor.adopt_stream(front, Through).expect("it is made");
    pump(&front, &back).ignore();
    pump(&back, &front).ignore();
    reactor.adopt_stream(client, upload).expect("it is made");
    let mut taken = 0;
    server.set_nonblocking(true).expect("a socket");
    turn_until(&reactor, || {
        taken += server.read(&mut [0; 1000]).unwrap_or(0);
        taken > 0
    });
    server.write_all(b"413 too large").expect("it fits");
    server.shutdown(Shutdown::Write).expect("a socket");
    drop(server);
    turn_until(&reactor, || is_lost.get());
    assert_eq!(*answer.borrow(), b"413 too large");
}

#[test]
fn a_pump_passes_on_what_has_arrived_before_its_source_broke() {
    const SIZE: usize = 1_000_000;
    let reactor = reactor();
    let (front, mut client) = over_tcp(&reactor, Through);
    let (back, mut server) = over_tcp(&reactor, Through);
    pump(&front, &back).ignore();
    client.set_nonblocking(true).expect("a socket");
    // The server does not read, so in the end the client has to wait.
    let mut sent = 0;
    turn_until(&reactor, || {
        let before = sent;
        while let Ok(more) = client.write(&[7; SIZE]) {
            sent += more;
        }
        before == sent && sent > SIZE
    });
    reset(client);
    front.write("x").expect("it is there");
    server.set_nonblocking(true).expect("a socket");
    let (mut received, mut buffer) = (0, vec![0; SIZE]);
    turn_until(&reactor, || match server.read(&mut buffer) {
        Ok(0) => true,
        Ok(more) => {
            received += more;
            false
        }
        Err(_) => false,
    });
    // What was still on the way when it was reset is lost; what had arrived is not.
    assert!(received > 0 && received <= sent);
    assert!(front.is_gone());
}
