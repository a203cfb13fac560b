//! Output that the peer does not take: how much may wait, and for how long.

use std::cell::Cell;
use std::io::{IoSlice, Read};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use reactor::filter::throttle::Throttle;
use reactor::testing;
use reactor::{Connection, Gone, ReactorHandle, WriteLimits};

use crate::support::{Log, Peer, RawRecorder, reactor, serve, turn_until};

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;

fn limits(max_buffered: usize) -> WriteLimits {
    WriteLimits::default().with_max_buffered(max_buffered)
}

#[test]
fn a_handler_may_write_in_small_pieces_what_it_may_write_at_once() {
    const PIECES: usize = 1000;
    const PIECE: usize = 20_000;
    let log = Log::default();
    let recorder = RawRecorder::new(&log).on_made(|cx| {
        for _ in 0..PIECES {
            cx.write([0; PIECE]);
        }
        cx.lose_connection();
        Ok(())
    });
    let (reactor, address) = serve(recorder.clone());
    let mut peer = Peer::connect(address);
    assert_eq!(peer.receive_all(&reactor).len(), PIECES * PIECE);
    turn_until(&reactor, || log.is_lost());
    assert_eq!(log.events(), ["made", "lost: done"]);

    log.clear();
    testing::run(|reactor| {
        let (_connection, peer) = reactor.connect_to_peer(recorder.clone());
        assert_eq!(peer.received().len(), PIECES * PIECE);
    });
    assert_eq!(log.events(), ["made", "lost: done"]);
}

#[test]
fn a_single_write_may_be_of_any_size_and_have_others_beside_it() {
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&Log::default()));
        connection
            .set_write_limits(limits(MIB))
            .expect("it is there");
        peer.set_reading(false);
        connection.write("head").expect("it is there");
        connection.write(vec![0; 40 * MIB]).expect("it is there");
        connection.write("tail").expect("it is there");
        reactor.settle();
        peer.set_reading(true);
        let received = peer.received();
        assert_eq!(received.len(), 40 * MIB + 8);
        assert!(received.starts_with(b"head") && received.ends_with(b"tail"));
        connection.abort();
    });
}

#[test]
fn more_than_eight_times_the_limit_is_too_much_at_once() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
        connection
            .set_write_limits(limits(100_000))
            .expect("it is there");
        peer.set_reading(false);
        // What the network holds does not wait.
        connection.write([0; 64 * 1024]).expect("it is there");
        reactor.settle();
        for _ in 0..80 {
            connection.write([0; 10_000]).expect("it is there");
        }
        reactor.settle();
        assert_eq!(connection.buffered(), Ok(800_000));
        connection.write("x").expect("it is there");
        reactor.settle();
        assert_eq!(log.events(), ["made", "lost: overflow"]);
        peer.set_reading(true);
        assert!(peer.was_reset());
    });
}

#[test]
fn what_waits_is_offered_before_the_limit_strikes() {
    let (reactor, log) = (reactor(), Log::default());
    let (near, far) = UnixStream::pair().expect("two sockets");
    far.set_nonblocking(true).expect("a socket");
    let far = Rc::new(far);
    let received = Rc::new(Cell::new(0));
    let taken = Rc::clone(&received);
    let take = move || {
        let mut buffer = vec![0; MIB];
        while let Ok(more @ 1..) = (&*far).read(&mut buffer) {
            taken.set(taken.get() + more);
        }
    };
    let during = take.clone();
    let recorder = RawRecorder::new(&log).on_made(move |cx| {
        cx.connection().set_write_limits(limits(100_000))?;
        // Far more than may wait, but the peer takes all the time.
        for _ in 0..1000 {
            cx.write([0; 30_000]);
            during();
        }
        Ok(())
    });
    reactor.adopt_stream(near, recorder).expect("it is made");
    turn_until(&reactor, || {
        take();
        received.get() == 30_000_000
    });
    assert_eq!(log.events(), ["made"]);
}

/// A connection with output above its limit, and its peer, which pauses after each piece until
/// the test resumes it.
fn overfull(
    reactor: &testing::TestReactor,
    log: &Log,
    limits: WriteLimits,
) -> (Connection<RawRecorder>, Connection<RawRecorder>) {
    let slow = RawRecorder::new(&Log::default()).on_received(|cx, _| {
        cx.pause_reading();
        Ok(())
    });
    let (near, far) = reactor.connect_pair(RawRecorder::new(log), slow);
    far.pause_reading().expect("it is there");
    near.set_write_limits(limits).expect("it is there");
    near.write(vec![0; 2 * MIB]).expect("it is there");
    reactor.settle();
    (near, far)
}

#[test]
fn a_peer_that_takes_nothing_for_a_while_is_given_up() {
    testing::run(|reactor| {
        let log = Log::default();
        let (near, _far) = overfull(reactor, &log, limits(MIB));
        reactor.advance(4 * SECOND);
        assert!(!near.is_gone());
        reactor.advance(SECOND);
        assert_eq!(log.events(), ["made", "lost: overflow"]);
    });
}

#[test]
fn how_long_that_is_can_be_set() {
    testing::run(|reactor| {
        let log = Log::default();
        let limits = limits(MIB).with_stall_timeout(60 * SECOND);
        let (near, _far) = overfull(reactor, &log, limits);
        reactor.advance(59 * SECOND);
        assert!(!near.is_gone());
        reactor.advance(SECOND);
        assert_eq!(log.events(), ["made", "lost: overflow"]);
    });
}

#[test]
fn a_close_shortens_the_time_that_the_peer_has() {
    testing::run(|reactor| {
        let log = Log::default();
        let limits = limits(MIB).with_stall_timeout(60 * SECOND);
        let (near, _far) = overfull(reactor, &log, limits);
        near.set_close_timeout(10 * SECOND).expect("it is there");
        reactor.advance(5 * SECOND);
        near.lose_connection();
        reactor.advance(4 * SECOND);
        assert_eq!(log.events(), ["made"]);
        // Ten seconds after the peer has taken something, not after the close.
        reactor.advance(SECOND);
        assert_eq!(log.events(), ["made", "lost: aborted"]);
    });
}

#[test]
fn a_slow_peer_that_takes_something_now_and_then_loses_nothing() {
    testing::run(|reactor| {
        let log = Log::default();
        let (near, far) = overfull(reactor, &log, limits(MIB));
        for _ in 0..10 {
            reactor.advance(4 * SECOND);
            far.resume_reading().expect("it is there");
            reactor.settle();
        }
        assert!(near.buffered().expect("it is there") > MIB);
        assert!(!near.is_gone());
        // It counts from the last time.
        reactor.advance(4 * SECOND);
        assert!(!near.is_gone());
        reactor.advance(SECOND);
        assert_eq!(log.events(), ["made", "lost: overflow"]);
    });
}

#[test]
fn when_less_waits_than_the_limit_nothing_is_given_up() {
    testing::run(|reactor| {
        let log = Log::default();
        let (near, far) = overfull(reactor, &log, limits(MIB));
        reactor.advance(4 * SECOND);
        while near.buffered().expect("it is there") > MIB {
            far.resume_reading().expect("it is there");
            reactor.settle();
        }
        reactor.advance(1000 * SECOND);
        assert!(!near.is_gone());
        near.abort();
    });
}

/// How an output is handed over.
type WriteSome = fn(&Connection<RawRecorder>, &[u8]) -> Result<usize, Gone>;

/// Sends all of `bytes`, and nothing of it before there is room.
fn send_by(
    write_some: WriteSome,
    reactor: &ReactorHandle,
    connection: &Connection<RawRecorder>,
    bytes: Rc<[u8]>,
) {
    let connection = connection.clone();
    let sending = reactor.spawn(async move {
        let mut sent = 0;
        while sent < bytes.len() {
            connection.ready().await?;
            let taken = write_some(&connection, &bytes[sent..])?;
            assert!(taken > 0, "nothing is taken when there is room");
            let waiting = connection.buffered().expect("it is there");
            assert!(waiting <= 64 * 1024 + 1, "{waiting} bytes wait");
            sent += taken;
        }
        connection.lose_connection();
        Ok(())
    });
    sending.detach();
}

/// Bytes of which no two pieces are alike.
fn varied(count: usize) -> Rc<[u8]> {
    (0..count).map(|at| (at / 7 + at / 65_521) as u8).collect()
}

/// All of `bytes` comes, over a socket and in memory, and no more of it is buffered than the
/// high-water mark.
#[track_caller]
fn check_large_output(write_some: WriteSome, bytes: &Rc<[u8]>) {
    let log = Log::default();
    let made = Rc::new(Cell::new(None));
    let recorder = RawRecorder::new(&log).on_made({
        let made = Rc::clone(&made);
        move |cx| {
            made.set(Some(cx.connection()));
            Ok(())
        }
    });
    let (reactor, address) = serve(recorder);
    let mut peer = Peer::connect(address);
    turn_until(&reactor, || log.has("made"));
    let connection = made.take().expect("it is made");
    send_by(write_some, &reactor, &connection, Rc::clone(bytes));
    assert!(peer.receive_all(&reactor) == **bytes, "other bytes came");

    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&Log::default()));
        peer.set_reading(false);
        send_by(write_some, reactor, &connection, Rc::clone(bytes));
        reactor.settle();
        assert_eq!(write_some(&connection, bytes).expect("it is there"), 0);
        peer.set_reading(true);
        assert!(peer.received() == **bytes, "other bytes came");
        assert!(write_some(&connection, bytes).is_err(), "it is over");
    });
}

#[test]
fn of_a_large_output_no_more_than_the_high_water_mark_is_buffered() {
    check_large_output(Connection::write_some, &varied(20 * MIB));
}

/// In many pieces: more than a system takes in one call, and some of them empty.
fn in_pieces(connection: &Connection<RawRecorder>, bytes: &[u8]) -> Result<usize, Gone> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for length in (0..1500).map(|at| at % 150).chain([40_000, 0, 3, MIB]) {
        let (piece, others) = rest.split_at(length.min(rest.len()));
        pieces.push(IoSlice::new(piece));
        rest = others;
    }
    connection.write_some_sequence(&pieces)
}

/// A small beginning, which ends in the buffer, and a large rest.
fn with_a_head(connection: &Connection<RawRecorder>, bytes: &[u8]) -> Result<usize, Gone> {
    let (head, body) = bytes.split_at(bytes.len().min(200));
    connection.write_some_sequence(&[IoSlice::new(head), IoSlice::new(body)])
}

#[test]
fn the_pieces_of_a_large_output_come_in_order() {
    for write_some in [in_pieces, with_a_head] {
        check_large_output(write_some, &varied(5 * MIB));
    }
}

#[test]
fn of_a_large_output_a_filter_gets_no_more_than_the_high_water_mark() {
    testing::run(|reactor| {
        let log = Log::default();
        let throttle = Throttle::new().bytes_per_second(1000);
        let recorder = RawRecorder::new(&log).on_made(move |cx| {
            cx.insert_filter(throttle.filter()).detach();
            Ok(())
        });
        let (connection, peer) = reactor.connect_to_peer(recorder);
        let bytes = varied(MIB);
        let taken = connection.write_some(&bytes).expect("it is there");
        assert_eq!(taken, 64 * 1024 + 1);
        // What the filter has passed on makes room.
        let more = connection.write_some(&bytes[taken..]).expect("it is there");
        assert!(more < 1000, "{more} bytes more were taken");
        reactor.advance(100 * SECOND);
        assert!(peer.received() == bytes[..taken + more], "other bytes came");
    });
}
