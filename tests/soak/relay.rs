//! Two reactors with a relay between them, which passes on what it wants, when it wants to.
//!
//! All three are in one thread and take turns, so that what is late is late by turns, not by
//! time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use deferred::Result;
use reactor::{
    ConnectionClosed, Consumer, Context, Decoded, Framing, Producer, Production, Protocol, Raw,
    Reactor,
};
use socket2::SockRef;

use crate::support::{PATIENCE, alone, descriptors};

/// What is sent: no part of it looks like the next one.
fn byte(place: usize) -> u8 {
    (place % 251) as u8
}

/// What a side knows, also when it is over.
#[derive(Default)]
pub(crate) struct Known {
    /// The server: how much came, all of it in order. The client: how much it was told has
    /// come.
    pub(crate) bytes: Cell<usize>,
    pub(crate) ended: RefCell<Option<ConnectionClosed>>,
}

impl Known {
    fn end(&self, reason: ConnectionClosed) {
        assert!(self.ended.replace(Some(reason)).is_none(), "it ends once");
    }

    /// How it ended, in a word.
    pub(crate) fn how(&self) -> &'static str {
        match &*self.ended.borrow() {
            None => "not at all",
            Some(ConnectionClosed::Done) => "done",
            Some(ConnectionClosed::Lost(_)) => "lost",
            Some(_) => "otherwise",
        }
    }
}

/// Takes all, and says each time how much that is.
pub(crate) struct Sink(pub(crate) Rc<Known>);

impl Protocol for Sink {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, bytes: &[u8]) -> Result<()> {
        let before = self.0.bytes.get();
        for (offset, sent) in bytes.iter().enumerate() {
            assert_eq!(*sent, byte(before + offset));
        }
        self.0.bytes.set(before + bytes.len());
        cx.write((self.0.bytes.get() as u64).to_le_bytes());
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.0.end(reason);
    }
}

/// Sends as much as it is to, and closes when all of that is acknowledged.
pub(crate) struct Source {
    pub(crate) known: Rc<Known>,
    pub(crate) length: usize,
}

/// Frames of eight bytes, which are a number.
#[derive(Default)]
pub(crate) struct Numbers;

impl Framing for Numbers {
    type Frame<'a> = u64;

    fn decode(&mut self, input: &[u8]) -> Result<Decoded<u64>> {
        Ok(match input.first_chunk() {
            None => Decoded::Incomplete,
            Some(bytes) => Decoded::Frame {
                frame: u64::from_le_bytes(*bytes),
                consumed: 8,
            },
        })
    }
}

impl Protocol for Source {
    type Framing = Numbers;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let (mut sent, length) = (0, self.length);
        let producer = move |consumer: &mut Consumer<'_>| {
            let next = length.min(sent + 10_000);
            let piece: Vec<_> = (sent..next).map(byte).collect();
            consumer.write(piece);
            sent = next;
            Ok(match sent == length {
                true => Production::Done,
                false => Production::More,
            })
        };
        cx.connection()
            .register_producer(Producer::pull(producer))?;
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, number: u64) -> Result<()> {
        assert!(number as usize > self.known.bytes.get(), "it grows");
        self.known.bytes.set(number as usize);
        if number as usize == self.length {
            cx.lose_connection();
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.known.end(reason);
    }
}

/// One direction.
#[derive(Default)]
struct Way {
    kept: VecDeque<u8>,
    passed: usize,
    /// Nothing more comes.
    is_at_end: bool,
    /// Nothing more is passed on, and the other side knows.
    is_finished: bool,
}

impl Way {
    /// Passes on what has come, so many bytes at the most.
    fn pass(&mut self, from: &mut TcpStream, to: &mut TcpStream, most: usize) {
        if !self.is_at_end && self.kept.len() < most {
            let mut buffer = vec![0; most - self.kept.len()];
            match from.read(&mut buffer) {
                Ok(0) => self.is_at_end = true,
                Ok(length) => self.kept.extend(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.is_at_end = true,
            }
        }
        if self.is_finished {
            // The output has been shut down, so later input is discarded.
            self.kept.clear();
            return;
        }
        let next: Vec<_> = self.kept.iter().copied().take(most).collect();
        if !next.is_empty()
            && let Ok(sent) = to.write(&next)
        {
            self.kept.drain(..sent);
            self.passed += sent;
        }
        if self.is_at_end && self.kept.is_empty() {
            self.finish(to);
        }
    }

    fn finish(&mut self, to: &TcpStream) {
        // It may have gone already.
        let _ = to.shutdown(Shutdown::Write);
        self.is_finished = true;
    }
}

/// The relay between a client and the server.
struct Relay {
    to_client: TcpStream,
    to_server: TcpStream,
    there: Way,
    back: Way,
}

impl Relay {
    fn pass(&mut self, there: usize, back: usize) {
        self.there
            .pass(&mut self.to_client, &mut self.to_server, there);
        self.back
            .pass(&mut self.to_server, &mut self.to_client, back);
    }

    fn is_over(&self) -> bool {
        let is_over = |way: &Way| way.is_at_end && way.is_finished;
        is_over(&self.there) && is_over(&self.back)
    }
}

struct World {
    server: Reactor,
    client: Reactor,
    relay: Option<Relay>,
    received: Rc<Known>,
    acknowledged: Rc<Known>,
    turns: usize,
    deadline: Instant,
}

impl World {
    /// A client that sends so much to a server, through a relay.
    fn new(length: usize) -> Self {
        let [server, client] = [(); 2].map(|()| Reactor::new().expect("a reactor"));
        let [received, acknowledged] = [(); 2].map(|()| Rc::<Known>::default());
        let known = Rc::clone(&received);
        let port = server
            .listen_tcp("127.0.0.1:0", move || Sink(Rc::clone(&known)))
            .expect("a free port");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        // What the relay does not take is soon seen.
        let little = SockRef::from(&listener).set_recv_buffer_size(16 * 1024);
        little.expect("a socket");
        let source = Source {
            known: Rc::clone(&acknowledged),
            length,
        };
        let address: SocketAddr = listener.local_addr().expect("it is bound");
        client.connect_tcp(address, source).ignore();
        let (to_client, _) = listener.accept().expect("it connects");
        let to_server = TcpStream::connect(port.address()).expect("it listens");
        for socket in [&to_client, &to_server] {
            socket.set_nonblocking(true).expect("a socket");
            socket.set_nodelay(true).expect("a socket");
        }
        Self {
            server,
            client,
            relay: Some(Relay {
                to_client,
                to_server,
                there: Way::default(),
                back: Way::default(),
            }),
            received,
            acknowledged,
            turns: 0,
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// Everybody has a turn, the relay one in which it passes on so much there and back.
    fn turn(&mut self, there: usize, back: usize) {
        assert!(Instant::now() < self.deadline, "it never ends");
        self.turns += 1;
        self.client.turn(Some(Duration::ZERO)).expect("it turns");
        if let Some(relay) = &mut self.relay {
            relay.pass(there, back);
            if relay.is_over() {
                self.relay = None;
            }
        }
        self.server.turn(Some(Duration::ZERO)).expect("it turns");
        let (received, acknowledged) = (self.received.bytes.get(), self.acknowledged.bytes.get());
        assert!(acknowledged <= received, "what is acknowledged has come");
    }

    fn is_over(&self) -> bool {
        self.relay.is_none()
            && self.received.ended.borrow().is_some()
            && self.acknowledged.ended.borrow().is_some()
    }

    /// Turns until it is over for all, and nothing is left.
    fn end(&mut self) {
        let has_any = |reactor: &Reactor| {
            let counters = reactor.counters();
            counters.connections > 0 || counters.waiting_calls > 0
        };
        while !self.is_over() || has_any(&self.server) || has_any(&self.client) {
            self.turn(MUCH, MUCH);
        }
    }
}

/// As much as a relay passes on in one turn if it is in no hurry.
const MUCH: usize = 64 * 1024;

#[test]
fn what_trickles_or_is_late_comes_all_the_same() {
    /// How much goes there and back in a turn.
    type Pace = fn(&World) -> (usize, usize);
    let paces: [(usize, Pace); 5] = [
        // Byte by byte, one direction or both.
        (10_000, |_| (1, MUCH)),
        (10_000, |_| (1, 1)),
        // Nothing for a long time, then much.
        (3_000_000, |world| match world.turns % 50 {
            0 => (MUCH, MUCH),
            _ => (0, 0),
        }),
        // The one when the other has nothing to say.
        (3_000_000, |world| match world.turns / 20 % 2 {
            0 => (MUCH, 0),
            _ => (0, MUCH),
        }),
        // No acknowledgement before all of it has come.
        (3_000_000, |world| {
            match world.received.bytes.get() == 3_000_000 {
                true => (MUCH, MUCH),
                false => (MUCH, 0),
            }
        }),
    ];
    let _alone = alone();
    let before = descriptors();
    for (length, pace) in paces {
        let mut world = World::new(length);
        while !world.is_over() {
            let (there, back) = pace(&world);
            world.turn(there, back);
        }
        world.end();
        assert_eq!(world.received.bytes.get(), length);
        assert_eq!(world.acknowledged.bytes.get(), length);
        let ends = [&world.acknowledged, &world.received].map(|side| side.how());
        assert_eq!(ends, ["done", "done"]);
        drop(world);
        assert_eq!(descriptors(), before);
    }
}

/// Nothing more is passed on, which both hear as an end; what they still send is thrown away.
fn finish(world: &mut World) {
    if let Some(relay) = &mut world.relay {
        relay.there.finish(&relay.to_server);
        relay.back.finish(&relay.to_client);
    }
}

fn reset(socket: TcpStream) {
    let linger = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    linger.expect("a socket");
}

/// Both hear that it broke.
fn break_off(world: &mut World) {
    if let Some(relay) = world.relay.take() {
        reset(relay.to_client);
        reset(relay.to_server);
    }
}

/// The server hears that it broke; the client hears of an end, and is not listened to.
fn lose_the_server(world: &mut World) {
    if let Some(relay) = &mut world.relay {
        reset(std::mem::replace(&mut relay.to_server, nowhere()));
        finish(world);
    }
}

/// The other way round.
fn lose_the_client(world: &mut World) {
    if let Some(relay) = &mut world.relay {
        reset(std::mem::replace(&mut relay.to_client, nowhere()));
        finish(world);
    }
}

/// A socket that leads nowhere.
fn nowhere() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let socket = listener.local_addr().and_then(TcpStream::connect);
    let socket = socket.expect("it listens");
    socket.set_nonblocking(true).expect("a socket");
    socket
}

#[test]
fn whoever_is_cut_off_is_told_how_and_keeps_what_was_acknowledged() {
    const LENGTH: usize = 1_000_000;
    type Cut = fn(&mut World);
    let cuts: [(Cut, [&str; 2]); 4] = [
        (finish, ["done", "done"]),
        (break_off, ["lost", "lost"]),
        (lose_the_server, ["done", "lost"]),
        (lose_the_client, ["lost", "done"]),
    ];
    let _alone = alone();
    let before = descriptors();
    for (cut, expected) in cuts {
        // Before anything has come, within a frame, and later.
        for after in [0, 1, 12_345, 700_000] {
            let mut world = World::new(LENGTH);
            let passed = |world: &World| world.relay.as_ref().map_or(0, |relay| relay.there.passed);
            let is_made = |world: &World| world.client.counters().connections > 0;
            while passed(&world) < after || !is_made(&world) {
                let left = after - passed(&world);
                world.turn(left.min(MUCH), MUCH);
            }
            cut(&mut world);
            world.end();
            let ends = [&world.acknowledged, &world.received].map(|side| side.how());
            assert_eq!(ends, expected, "after {after} bytes");
            assert!(world.received.bytes.get() <= after);
            drop(world);
            assert_eq!(descriptors(), before);
        }
    }
}
