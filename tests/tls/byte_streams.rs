//! `ByteStream` on each transport: TCP, UNIX sockets, and TLS over TCP. One set of tests runs on
//! all of them, and each stream is once the client and once the server.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use deferred::{Cancelled, Deferred, Panicked, Result};
use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, try_join};
use reactor::endpoint::Connect;
use reactor::{
    ByteStream, ByteStreamProtocol, ConnectionClosed, ConnectionClosedKind, Reactor, Turn,
};
use tests::Directory;

use crate::certificates::both;
use crate::connections::turn_until;

/// Runs each test on each transport.
macro_rules! on_each_transport {
    ($($test:ident),+ $(,)?) => {
        $crate::byte_streams::on_each_transport!(tcp = Tcp: $($test),+);
        $crate::byte_streams::on_each_transport!(unix = Unix: $($test),+);
        $crate::byte_streams::on_each_transport!(tls = Tls: $($test),+);
    };
    ($module:ident = $transport:ident: $($test:ident),+) => {
        mod $module {
            use $crate::byte_streams::{Network, Transport};

            $(
                #[test]
                fn $test() {
                    super::$test(&Network::new(Transport::$transport));
                }
            )+
        }
    };
}
pub(crate) use on_each_transport;

on_each_transport!(
    output_goes_on_after_the_end_of_the_input,
    input_goes_on_after_the_end_of_the_output,
    a_reader_that_does_not_read_pauses_its_peer,
    a_writer_waits_for_room_and_goes_on,
    connecting_may_be_dropped_or_cancelled,
    a_drop_sends_what_was_written_in_each_state,
    a_drop_ends_a_peer_that_waits_for_room,
    a_cancelled_driver_closes_its_stream,
    a_driver_that_panics_closes_its_stream,
    a_stop_ends_reads_and_writes_that_wait,
);

/// What is written at once in these tests: above each bound of a stream.
pub(crate) const MUCH: usize = 300_000;

/// More than the buffers of both sockets and of both streams take.
pub(crate) const TOO_MUCH: usize = 24 * 1024 * 1024;

/// Bound of a stream's unread input, of its unsent output, and of one read or write.
pub(crate) const BOUND: u64 = 256 * 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Unix,
    Tls,
}

/// A loop with a port that makes a stream of each client.
pub(crate) struct Network {
    pub(crate) reactor: Reactor,
    connect: Box<dyn Fn(&Reactor) -> Deferred<ByteStream>>,
    accepted: Rc<RefCell<VecDeque<Deferred<ByteStream>>>>,
    _directory: Option<Directory>,
}

impl Network {
    pub(crate) fn new(transport: Transport) -> Self {
        type Connecting = Box<dyn Fn(&Reactor) -> Deferred<ByteStream>>;
        let reactor = Reactor::new().unwrap();
        let accepted: Rc<RefCell<VecDeque<_>>> = Rc::default();
        let queue = Rc::clone(&accepted);
        let factory = move || {
            let (protocol, stream) = ByteStreamProtocol::pair();
            queue.borrow_mut().push_back(stream);
            protocol
        };
        let directory = (transport == Transport::Unix).then(|| Directory::new("byte-streams"));
        let connect: Connecting = match (transport, &directory) {
            (Transport::Unix, Some(directory)) => {
                let path = directory.join("socket");
                reactor.listen_unix(&path, factory).unwrap();
                Box::new(move |reactor| reactor.connect_unix_stream(&path))
            }
            (Transport::Tls, _) => {
                let (server, client) = both();
                let port = reactor.listen_tcp("127.0.0.1:0", server.factory(factory));
                let address = port.unwrap().address();
                let target = (address.ip(), address.port());
                let endpoint = client.endpoint("localhost", target).unwrap();
                Box::new(move |reactor| {
                    let (protocol, stream) = ByteStreamProtocol::pair();
                    let connecting = endpoint.connect(reactor, protocol);
                    connecting.add_callback(|_| stream)
                })
            }
            _ => {
                let port = reactor.listen_tcp("127.0.0.1:0", factory);
                let address = port.unwrap().address();
                Box::new(move |reactor| reactor.connect_tcp_stream(address))
            }
        };
        Self {
            reactor,
            connect,
            accepted,
            _directory: directory,
        }
    }

    fn connect(&self) -> Deferred<ByteStream> {
        (self.connect)(&self.reactor)
    }

    /// The server's stream of the next client.
    #[track_caller]
    fn accept(&self) -> ByteStream {
        turn_until(&self.reactor, || !self.accepted.borrow().is_empty());
        let accepting = self.accepted.borrow_mut().pop_front().unwrap();
        self.result_of(accepting).unwrap()
    }

    /// Two connections: a stream and its peer, which are client and server, and the other way
    /// round.
    #[track_caller]
    pub(crate) fn pairs(&self) -> [(ByteStream, ByteStream); 2] {
        let client = self.result_of(self.connect()).unwrap();
        let server = self.accept();
        let other_client = self.result_of(self.connect()).unwrap();
        [(client, server), (self.accept(), other_client)]
    }

    /// Turns the loop until the Deferred has its result.
    #[track_caller]
    pub(crate) fn result_of<T: 'static>(&self, deferred: Deferred<T>) -> Result<T> {
        let slot = Rc::new(RefCell::new(None));
        let sink = Rc::clone(&slot);
        let storing = deferred.add_both(move |result| {
            sink.replace(Some(result));
        });
        storing.detach();
        turn_until(&self.reactor, || slot.borrow().is_some());
        slot.take().unwrap()
    }

    /// Turns the loop until the body has ended, well.
    #[track_caller]
    pub(crate) fn run<T: 'static>(&self, body: impl Future<Output = io::Result<T>> + 'static) -> T {
        let body = self.reactor.spawn(async move { Ok(body.await?) });
        self.result_of(body).unwrap()
    }

    /// Turns the loop until nothing comes any more.
    ///
    /// A transfer that goes on after that, because the machine is slow, is still within the
    /// bounds that the tests assert.
    pub(crate) fn turn_until_quiet(&self) {
        let mut quiet_turns = 0;
        turn_until(&self.reactor, || {
            let before = self.reactor.counters().events;
            self.reactor.turn(Some(Duration::from_millis(2))).unwrap();
            let is_quiet = self.reactor.counters().events == before;
            quiet_turns = if is_quiet { quiet_turns + 1 } else { 0 };
            quiet_turns == 5
        });
    }

    /// Writes until there is no room, and gives how much that was.
    #[track_caller]
    fn fill(&self, stream: &mut ByteStream) -> usize {
        let mut written = 0;
        while written < TOO_MUCH {
            match poll(stream.write(&[b'f'; 64 * 1024])) {
                Poll::Ready(count) => written += count.unwrap(),
                Poll::Pending => {
                    self.turn_until_quiet();
                    if poll(stream.flush()).is_pending() {
                        return written;
                    }
                }
            }
        }
        panic!("a writer has no bound");
    }

    /// Turns the loop until the connections are closed on both sides.
    #[track_caller]
    pub(crate) fn assert_all_closed(&self) {
        turn_until(&self.reactor, || self.reactor.counters().connections == 0);
    }
}

/// Polls once, with a waker that wakes nothing.
pub(crate) fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Bytes in which a loss or a change of places is seen.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..251).collect();
    let mut bytes = period.repeat(length / period.len() + 1);
    bytes.truncate(length);
    bytes
}

/// `AsyncReadExt::read_to_end` of `futures` clears all of its free memory with each wake-up: that
/// takes minutes for the longest input of these tests.
pub(crate) async fn read_to_end(stream: &mut ByteStream) -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    loop {
        let piece = stream.fill_buf().await?;
        if piece.is_empty() {
            return Ok(input);
        }
        input.extend_from_slice(piece);
        let length = piece.len();
        stream.consume(length);
    }
}

/// Why the connection of a stream is over, by the error that it gave.
#[track_caller]
pub(crate) fn reason_of(error: &io::Error) -> ConnectionClosedKind {
    let inner = error.get_ref().expect("a reason");
    inner.downcast_ref::<ConnectionClosed>().unwrap().kind()
}

fn output_goes_on_after_the_end_of_the_input(network: &Network) {
    for (mut ours, mut peers) in network.pairs() {
        network.run(async move {
            peers.write_all(b"question").await?;
            peers.close().await?;
            assert_eq!(read_to_end(&mut ours).await?, b"question");
            let answer = pattern(MUCH);
            let writing = async {
                ours.write_all(&answer).await?;
                ours.close().await
            };
            let ((), received) = try_join!(writing, read_to_end(&mut peers))?;
            assert!(received == answer);
            // It stays at its end, and closing what is closed is well.
            assert_eq!(ours.read(&mut [0]).await?, 0);
            ours.close().await?;
            peers.close().await
        });
    }
    network.assert_all_closed();
}

fn input_goes_on_after_the_end_of_the_output(network: &Network) {
    for (mut ours, mut peers) in network.pairs() {
        network.run(async move {
            ours.write_all(b"question").await?;
            ours.close().await?;
            let error = ours.write(b"late").await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(read_to_end(&mut peers).await?, b"question");
            let answer = pattern(MUCH);
            let writing = async {
                peers.write_all(&answer).await?;
                peers.close().await
            };
            let ((), received) = try_join!(writing, read_to_end(&mut ours))?;
            assert!(received == answer);
            ours.close().await
        });
    }
    network.assert_all_closed();
}

fn a_reader_that_does_not_read_pauses_its_peer(network: &Network) {
    for (mut ours, mut peers) in network.pairs() {
        let before = network.reactor.counters().bytes_received;
        let mut sending = network.reactor.spawn(async move {
            peers.write_all(&pattern(TOO_MUCH)).await?;
            Ok(peers)
        });
        network.turn_until_quiet();
        assert!(sending.handle().state().is_some(), "the peer waits");
        let received = network.reactor.counters().bytes_received - before;
        assert!(0 < received && received < BOUND, "{received}");
        // What was shown and not consumed waits, too.
        let shown = poll(ours.fill_buf()).map(|shown| shown.unwrap().len());
        assert!(matches!(shown, Poll::Ready(1..)), "{shown:?}");
        network.turn_until_quiet();
        let received = network.reactor.counters().bytes_received - before;
        assert!(received < BOUND, "{received}");

        let read = network.run(async move {
            let mut input = vec![0; TOO_MUCH];
            ours.read_exact(&mut input).await?;
            Ok(input)
        });
        assert!(read == pattern(TOO_MUCH));
        network.result_of(sending).unwrap();
    }
    network.assert_all_closed();
}

fn a_writer_waits_for_room_and_goes_on(network: &Network) {
    for (mut ours, mut peers) in network.pairs() {
        let connection = ours.connection().clone();
        let mut writing = network.reactor.spawn(async move {
            ours.write_all(&pattern(TOO_MUCH)).await?;
            ours.flush().await?;
            ours.close().await?;
            Ok(ours)
        });
        network.turn_until_quiet();
        assert!(writing.handle().state().is_some(), "it waits");
        let buffered = connection.buffered().unwrap() as u64;
        assert!(0 < buffered && buffered < BOUND, "{buffered}");

        let received = network.run(async move { read_to_end(&mut peers).await });
        assert!(received == pattern(TOO_MUCH));
        let mut ours = network.result_of(writing).unwrap();
        // The peer's stream went with its body.
        assert_eq!(network.run(async move { ours.read(&mut [0]).await }), 0);
    }
    network.assert_all_closed();
}

fn connecting_may_be_dropped_or_cancelled(network: &Network) {
    drop(network.connect());
    let mut server = network.accept();
    let input = network.run(async move { read_to_end(&mut server).await });
    assert_eq!(input, b"");

    let connecting = network.connect();
    connecting.cancel();
    assert!(network.result_of(connecting).unwrap_err().is::<Cancelled>());
    network.turn_until_quiet();
    // The server may have seen a client that is gone, or nothing of it.
    for accepting in network.accepted.borrow_mut().drain(..) {
        accepting.ignore();
    }
    network.assert_all_closed();
}

/// Brings a stream into a state, and gives how many bytes its peer is still to get.
type State = fn(&Network, &mut ByteStream, &mut ByteStream) -> usize;

fn a_drop_sends_what_was_written_in_each_state(network: &Network) {
    let states: [(&str, State); 7] = [
        ("open", |_, _, _| 0),
        ("open with unread input", |network, ours, peers| {
            assert!(poll(peers.write_all(b"unread")).is_ready());
            turn_until(&network.reactor, || poll(ours.fill_buf()).is_ready());
            0
        }),
        ("open with unsent output", |network, ours, _| {
            network.fill(ours)
        }),
        ("half-closed by itself", |network, ours, peers| {
            turn_until(&network.reactor, || poll(ours.close()).is_ready());
            turn_until(&network.reactor, || poll(peers.fill_buf()).is_ready());
            0
        }),
        ("half-closed with unsent output", |network, ours, _| {
            let written = network.fill(ours);
            assert!(poll(ours.close()).is_pending());
            written
        }),
        ("half-closed by its peer", |network, ours, peers| {
            turn_until(&network.reactor, || poll(peers.close()).is_ready());
            turn_until(&network.reactor, || poll(ours.fill_buf()).is_ready());
            network.fill(ours)
        }),
        ("closed", |network, ours, peers| {
            for stream in [&mut *ours, peers] {
                turn_until(&network.reactor, || poll(stream.close()).is_ready());
            }
            turn_until(&network.reactor, || ours.connection().is_gone());
            0
        }),
    ];
    for (state, bring) in states {
        for (mut ours, mut peers) in network.pairs() {
            let expected = bring(network, &mut ours, &mut peers);
            drop(ours);
            let received = network.run(async move { read_to_end(&mut peers).await });
            assert_eq!(received.len(), expected, "{state}");
        }
        network.assert_all_closed();
    }
}

/// Its output can go nowhere: it must not wait for ever.
fn a_drop_ends_a_peer_that_waits_for_room(network: &Network) {
    for (ours, mut peers) in network.pairs() {
        network.fill(&mut peers);
        let sending = network.reactor.spawn(async move {
            let sent = peers.write_all(&pattern(TOO_MUCH)).await;
            Ok(sent.map_err(|error| reason_of(&error)))
        });
        drop(ours);
        let sent = network.result_of(sending).unwrap();
        assert_eq!(sent, Err(ConnectionClosedKind::Lost));
    }
    network.assert_all_closed();
}

fn a_cancelled_driver_closes_its_stream(network: &Network) {
    for (mut ours, mut peers) in network.pairs() {
        let reading = network.reactor.spawn_driver(async move {
            assert!(poll(ours.write_all(b"before")).is_ready());
            read_to_end(&mut ours).await.map(drop)
        });
        network.turn_until_quiet();
        reading.cancel();
        assert!(network.result_of(reading).unwrap_err().is::<Cancelled>());
        let received = network.run(async move { read_to_end(&mut peers).await });
        assert_eq!(received, b"before");
    }
    for (mut ours, mut peers) in network.pairs() {
        let written = network.fill(&mut ours);
        let writing = network
            .reactor
            .spawn_driver(async move { ours.write_all(b"there is no room for this").await });
        network.turn_until_quiet();
        writing.cancel();
        // Writing gives an error to the driver, which keeps its cause.
        let failure = network.result_of(writing).unwrap_err();
        let error = failure.check::<io::Error>().expect("an error of writing");
        let cause = error.get_ref().expect("a cause");
        assert!(cause.is::<Cancelled>(), "{cause}");
        let received = network.run(async move { read_to_end(&mut peers).await });
        assert_eq!(received.len(), written);
    }
    network.assert_all_closed();
}

fn a_driver_that_panics_closes_its_stream(network: &Network) {
    let [(mut neighbour, mut neighbours_peer), _] = network.pairs();
    for (mut ours, mut peers) in network.pairs() {
        let driving = network.reactor.spawn_driver(async move {
            ours.write_all(b"before").await.unwrap();
            let read = ours.read(&mut [0]).await.unwrap();
            assert_eq!(read, 0, "as it should");
        });
        assert!(poll(peers.write_all(b"x")).is_ready());
        assert!(network.result_of(driving).unwrap_err().is::<Panicked>());
        let received = network.run(async move { read_to_end(&mut peers).await });
        assert_eq!(received, b"before");
    }
    // No other stream is concerned.
    network.run(async move {
        neighbour.write_all(b"still here").await?;
        neighbour.close().await?;
        assert_eq!(read_to_end(&mut neighbours_peer).await?, b"still here");
        Ok(())
    });
    network.assert_all_closed();
}

fn a_stop_ends_reads_and_writes_that_wait(network: &Network) {
    let reactor = &network.reactor;
    // Output that waits for a peer which does not read is given up.
    reactor.set_shutdown_timeout(Duration::from_millis(20));
    let [(mut reading, _silent), (mut writing, _stuck)] = network.pairs();
    let [(mut driven_reading, _quiet), (mut driven_writing, _full)] = network.pairs();
    network.fill(&mut writing);
    network.fill(&mut driven_writing);
    let mut read = reactor.spawn(async move { Ok(reading.read(&mut [0]).await) });
    let mut written = reactor.spawn(async move { Ok(writing.write_all(&pattern(TOO_MUCH)).await) });
    let drivers = [
        reactor.spawn_driver(async move { read_to_end(&mut driven_reading).await.map(drop) }),
        reactor.spawn_driver(async move { driven_writing.write_all(&pattern(TOO_MUCH)).await }),
    ];
    network.turn_until_quiet();
    assert!(read.handle().state().is_some() && written.handle().state().is_some());
    reactor.stop();
    turn_until_stopped(reactor);
    assert_eq!(reactor.counters().connections, 0);

    let read = read.into_result().expect("it has ended").unwrap();
    assert_eq!(
        reason_of(&read.unwrap_err()),
        ConnectionClosedKind::ReactorStopped
    );
    // Its connection ends by the stop, unless its peer, which stops, too, was first.
    let written = written.into_result().expect("it has ended").unwrap();
    let reason = reason_of(&written.unwrap_err());
    let expected = [
        ConnectionClosedKind::ReactorStopped,
        ConnectionClosedKind::Lost,
    ];
    assert!(expected.contains(&reason), "{reason:?}");
    for driving in drivers {
        driving.into_result().expect("it has ended").unwrap();
    }
}

/// A further turn would start the loop again.
pub(crate) fn turn_until_stopped(reactor: &Reactor) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while reactor.turn(Some(Duration::from_millis(1))).unwrap() != Turn::Stopped {
        assert!(Instant::now() < deadline, "it does not stop");
    }
}
