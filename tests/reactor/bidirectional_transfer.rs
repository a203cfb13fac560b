//! Bulk data in both directions at once: backpressure, and no deadlock.

use std::cell::Cell;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::OnceLock;

use deferred::{Deferred, Result, gather_results};
use futures::{AsyncReadExt, AsyncWriteExt};
use reactor::testing;
use reactor::{ByteStream, Connection, Context, Protocol, Raw, Reactor, WriteLimits, pump};

use crate::support::{reactor, result_of, turn_until};

/// More than all buffers on the way hold.
const MUCH: usize = 64 * 1024 * 1024;

/// What is sent, from a place on: no power of two is a period, so that a shift shows.
fn pattern(from: usize, length: usize) -> &'static [u8] {
    const PERIOD: usize = 251;
    static PATTERN: OnceLock<Vec<u8>> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| {
        let bytes = (0..MUCH + PERIOD).map(|place| (place % PERIOD) as u8);
        bytes.collect()
    });
    &pattern[from % PERIOD..][..length]
}

struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, bytes: &[u8]) -> Result<()> {
        cx.write(bytes);
        Ok(())
    }
}

/// How an [`Uploader`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    AtOnce,
    InPieces,
    /// When the peer has said something.
    WhenGreeted,
    /// The same, but some time after that.
    AfterGreeting,
    /// In pieces, and says something to whatever comes.
    AndAcknowledges,
}

/// Writes much of its own accord, and counts what comes back.
struct Uploader {
    how: How,
    size: usize,
    received: Rc<Cell<usize>>,
    /// Not part of what comes back.
    greeting: usize,
}

impl Uploader {
    fn new(how: How, size: usize) -> (Self, Rc<Cell<usize>>) {
        let received = Rc::new(Cell::new(0));
        let uploader = Self {
            how,
            size,
            received: Rc::clone(&received),
            greeting: 0,
        };
        (uploader, received)
    }

    fn upload(&mut self, cx: &mut Context<'_, Self>) {
        if self.how == How::AtOnce {
            return cx.write(pattern(0, self.size));
        }
        for from in (0..self.size).step_by(50_000) {
            cx.write(pattern(from, 50_000.min(self.size - from)));
        }
    }
}

impl Protocol for Uploader {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        if matches!(self.how, How::WhenGreeted | How::AfterGreeting) {
            self.greeting = 1;
            cx.write("?");
        } else {
            self.upload(cx);
        }
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        let data = if self.greeting == 1 {
            self.greeting = 2;
            match self.how {
                How::AfterGreeting => cx.when(deferred::succeed(()), |this, cx, _| this.upload(cx)),
                _ => self.upload(cx),
            }
            &data[1..]
        } else {
            data
        };
        let before = self.received.get();
        // Bytes beyond `size` are acknowledgements, not part of the pattern.
        let checked = data.len().min(self.size.saturating_sub(before));
        assert!(data[..checked] == *pattern(before, checked), "at {before}");
        self.received.set(before + data.len());
        if self.how == How::AndAcknowledges && before < self.size {
            cx.write("!");
        }
        Ok(())
    }
}

/// Turns it until all of it is back.
fn turn_until_back(reactor: &Reactor, received: &Cell<usize>, size: usize) {
    turn_until(reactor, || received.get() >= size);
}

const ALL: [How; 5] = [
    How::AtOnce,
    How::InPieces,
    How::WhenGreeted,
    How::AfterGreeting,
    How::AndAcknowledges,
];

#[test]
fn an_echo_of_much_comes_back_over_tcp() {
    for how in ALL {
        let (uploader, received) = Uploader::new(how, MUCH);
        let reactor = reactor();
        let port = reactor.listen_tcp("127.0.0.1:0", || Echo).expect("a port");
        reactor.connect_tcp(port.address(), uploader).detach();
        turn_until_back(&reactor, &received, MUCH);
    }
}

#[test]
fn an_echo_of_much_comes_back_over_unix_sockets() {
    for how in ALL {
        let (uploader, received) = Uploader::new(how, MUCH);
        let reactor = reactor();
        let (near, far) = UnixStream::pair().expect("two sockets");
        reactor.adopt_stream(far, Echo).expect("a connection");
        reactor.adopt_stream(near, uploader).expect("a connection");
        turn_until_back(&reactor, &received, MUCH);
    }
}

#[test]
fn an_echo_of_much_comes_back_over_pipes() {
    for how in ALL {
        let (uploader, received) = Uploader::new(how, MUCH);
        let reactor = reactor();
        let ((from_there, there), (from_here, here)) = (
            std::io::pipe().expect("a pipe"),
            std::io::pipe().expect("a pipe"),
        );
        reactor
            .adopt_pipes(from_here, there, Echo)
            .expect("a connection");
        reactor
            .adopt_pipes(from_there, here, uploader)
            .expect("a connection");
        turn_until_back(&reactor, &received, MUCH);
    }
}

#[test]
fn an_echo_of_much_comes_back_in_memory() {
    for how in ALL {
        testing::run(|reactor| {
            let (uploader, received) = Uploader::new(how, MUCH);
            let (near, _far) = reactor.connect_pair(uploader, Echo);
            reactor.settle();
            assert!(received.get() >= MUCH, "{how:?}: {}", received.get());
            near.lose_connection();
        });
    }
}

#[test]
fn both_sides_may_upload_at_once() {
    for how in [How::AtOnce, How::InPieces, How::AndAcknowledges] {
        let ((one, to_one), (other, to_other)) =
            (Uploader::new(how, MUCH), Uploader::new(how, MUCH));
        let reactor = reactor();
        let (near, far) = UnixStream::pair().expect("two sockets");
        reactor.adopt_stream(near, one).expect("a connection");
        reactor.adopt_stream(far, other).expect("a connection");
        turn_until_back(&reactor, &to_one, MUCH);
        turn_until_back(&reactor, &to_other, MUCH);
    }
}

// --- through others ---

/// What comes in goes past it, once there is a pump.
struct Through;

impl Protocol for Through {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.pause_reading();
        Ok(())
    }

    fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> Result<()> {
        unreachable!("it is pumped");
    }
}

fn pump_through(reader: &Connection<Through>, writer: &Connection<Through>) {
    pump(reader, writer).ignore();
    reader.resume_reading().expect("it is there");
}

#[test]
fn an_echo_of_much_comes_back_through_pumps() {
    for how in ALL {
        let (uploader, received) = Uploader::new(how, MUCH);
        let reactor = reactor();
        let [(client, front), (back, server)] =
            [(); 2].map(|()| UnixStream::pair().expect("two sockets"));
        let front = reactor.adopt_stream(front, Through).expect("a connection");
        let back = reactor.adopt_stream(back, Through).expect("a connection");
        pump_through(&front, &back);
        pump_through(&back, &front);
        reactor.adopt_stream(server, Echo).expect("a connection");
        reactor
            .adopt_stream(client, uploader)
            .expect("a connection");
        turn_until_back(&reactor, &received, MUCH);
    }
}

#[test]
fn an_echo_of_much_comes_back_through_pumps_in_memory() {
    for how in ALL {
        testing::run(|reactor| {
            let (uploader, received) = Uploader::new(how, MUCH);
            let (client, front) = reactor.connect_pair(uploader, Through);
            let (back, _server) = reactor.connect_pair(Through, Echo);
            pump_through(&front, &back);
            pump_through(&back, &front);
            reactor.settle();
            assert!(received.get() >= MUCH, "{how:?}: {}", received.get());
            client.lose_connection();
        });
    }
}

#[test]
fn one_that_is_pumped_into_itself_is_an_echo() {
    testing::run(|reactor| {
        let (uploader, received) = Uploader::new(How::AtOnce, MUCH);
        let (client, server) = reactor.connect_pair(uploader, Through);
        pump_through(&server, &server);
        reactor.settle();
        assert!(received.get() >= MUCH, "{}", received.get());
        client.lose_connection();
    });
}

// --- streams ---

/// Sends much and reads what comes back, at the same time.
fn upload(stream: ByteStream) -> Deferred<Vec<()>> {
    let (mut input, mut output) = stream.split();
    let sending = deferred::inline_callbacks(async move {
        output.write_all(pattern(0, MUCH)).await?;
        Ok(output.close().await?)
    });
    let receiving = deferred::inline_callbacks(async move {
        let mut buffer = vec![0; 100_000];
        let mut received = 0;
        loop {
            let read = input.read(&mut buffer).await?;
            assert!(buffer[..read] == *pattern(received, read), "at {received}");
            received += read;
            if read == 0 {
                assert_eq!(received, MUCH);
                return Ok(());
            }
        }
    });
    gather_results([sending, receiving])
}

#[test]
fn an_echo_of_much_comes_back_on_a_stream() {
    let reactor = reactor();
    let to_protocol = reactor
        .listen_tcp("127.0.0.1:0", || EchoToTheEnd)
        .expect("a port");
    let to_stream = reactor.listen_tcp_streams("127.0.0.1:0", |stream| async move {
        let (input, mut output) = stream.split();
        futures::io::copy(input, &mut output).await?;
        Ok(output.close().await?)
    });
    for port in [to_protocol, to_stream.expect("a port")] {
        let uploading = reactor
            .connect_tcp_stream(port.address())
            .add_callback(upload);
        result_of(&reactor, uploading).expect("it comes back");
    }
}

/// Goes on when the peer has finished.
struct EchoToTheEnd;

impl Protocol for EchoToTheEnd {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, bytes: &[u8]) -> Result<()> {
        cx.write(bytes);
        Ok(())
    }

    fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.lose_write_connection();
        Ok(())
    }
}

// --- what stays bounded ---

/// Answers each time with ten times as much, at once or a little later.
struct Talker {
    is_late: bool,
}

impl Protocol for Talker {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, bytes: &[u8]) -> Result<()> {
        let answer = bytes.repeat(10);
        if self.is_late {
            cx.when(deferred::succeed(answer), |_this, cx, answer| {
                cx.write(answer?);
                Ok(())
            });
        } else {
            cx.write(answer);
        }
        Ok(())
    }
}

#[test]
fn a_peer_that_does_not_read_its_answers_is_not_asked_for_more() {
    for is_late in [false, true] {
        testing::run(|reactor| {
            let (talker, peer) = reactor.connect_to_peer(Talker { is_late });
            peer.set_reading(false);
            let questions = vec![1; 1000];
            let mut asked = 0;
            loop {
                match peer.try_send(&questions) {
                    0 => break,
                    sent => asked += sent,
                }
                assert!(asked < MUCH, "everything is taken");
            }
            // One answer may go past the mark, and one more.
            let most = WriteLimits::default().high_water + 2 * 10 * questions.len();
            let waiting = talker.buffered().expect("it is there");
            assert!(waiting <= most, "{waiting} bytes wait");
            peer.set_reading(true);
            assert_eq!(peer.received().len(), 10 * asked);
        });
    }
}

#[test]
fn what_comes_from_elsewhere_does_not_keep_a_connection_from_reading() {
    testing::run(|reactor| {
        let (talker, peer) = reactor.connect_to_peer(Talker { is_late: false });
        peer.set_reading(false);
        talker.write(vec![0; 1_000_000]).expect("it is there");
        talker
            .post(|_this, cx| cx.write(vec![0; 1_000_000]))
            .expect("it is there");
        peer.send("are you there?");
        let answered = talker.buffered().expect("it is there");
        assert!(answered > 1_900_000, "{answered}");
        // Answers still count.
        let sent = peer.try_send(&[0; 1_000_000]);
        assert!(sent < 1_000_000, "{sent}");
        peer.set_reading(true);
        assert_eq!(peer.received().len(), 2_000_000 + 140 + 10 * sent);
    });
}
