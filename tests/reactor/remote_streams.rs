//! `RemoteStream`: a stream of the loop that another thread polls. On TCP, UNIX sockets and TLS it
//! is in `tests/tls/remote_streams.rs`, and in all orders of two threads in `tests/loom`.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice};
use std::net::{SocketAddr, TcpListener};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use deferred::assertions::success_result_of;
use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use reactor::testing::{self, Peer, TestReactor};
use reactor::{
    ByteStreamProtocol, ConnectionClosed, ConnectionClosedKind, ListenError, ListeningPort,
    ReactorHandle, Remote, RemoteStream,
};
use tokio::sync::oneshot;

use crate::support::reactor;

/// More than all buffers between a stream and its peer take.
const MUCH: usize = 1024 * 1024;

/// Bound of what waits between a stream and its peer, of which the network has 64 KiB.
const BOUND: usize = 512 * 1024;

/// A stream in memory, and its other side.
fn stream(reactor: &TestReactor) -> (RemoteStream, Peer) {
    let (protocol, stream) = ByteStreamProtocol::pair();
    let (_, peer) = reactor.connect_to_peer(protocol);
    (success_result_of(stream).into_remote(), peer)
}

/// Polls once, with a waker that wakes nothing.
fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The value of what is ready.
#[track_caller]
fn ready<T>(polled: Poll<io::Result<T>>) -> T {
    match polled {
        Poll::Ready(result) => result.expect("no error"),
        Poll::Pending => panic!("it is pending"),
    }
}

/// The error of what is ready, and why the connection is over.
#[track_caller]
fn reason<T>(polled: Poll<io::Result<T>>) -> (ErrorKind, ConnectionClosedKind) {
    let Poll::Ready(Err(error)) = polled else {
        panic!("there is no error");
    };
    let inner = error.get_ref().expect("a reason");
    let reason = inner.downcast_ref::<ConnectionClosed>().expect("of ours");
    (error.kind(), reason.kind())
}

/// Reads all that has arrived.
fn read_some(reactor: &TestReactor, stream: &mut RemoteStream) -> Vec<u8> {
    let mut input = Vec::new();
    let mut buffer = [0; 4096];
    while let Poll::Ready(Ok(count @ 1..)) = poll(stream.read(&mut buffer)) {
        input.extend_from_slice(&buffer[..count]);
        reactor.settle();
    }
    input
}

/// Writes until there is no room, and gives how much that was.
fn fill(reactor: &TestReactor, stream: &mut RemoteStream) -> usize {
    let mut written = 0;
    while let Poll::Ready(count) = poll(stream.write(&[b'f'; 10_000])) {
        written += count.expect("it is open");
        assert!(written < BOUND, "a writer has no bound");
        reactor.settle();
    }
    written
}

#[test]
fn any_thread_may_have_it() {
    fn is_send_and_sync<T: Send + Sync + 'static>() {}
    is_send_and_sync::<RemoteStream>();
}

#[test]
fn both_directions_pass_and_end_by_themselves() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        assert!(stream.peer().is_ok());
        assert!(poll(stream.read(&mut [0; 8])).is_pending());
        peer.send("question");
        let mut buffer = [0; 4];
        assert_eq!(ready(poll(stream.read(&mut buffer))), 4);
        assert_eq!(&buffer, b"ques");
        assert_eq!(ready(poll(stream.fill_buf())), b"tion");
        assert!(format!("{stream:?}").contains("unread: 4"), "{stream:?}");
        stream.consume_unpin(4);
        peer.finish();
        assert_eq!(ready(poll(stream.read(&mut buffer))), 0);

        ready(poll(stream.write_all(b"answer")));
        ready(poll(stream.flush()));
        assert_eq!(peer.received(), b"answer");
        let pieces = [b"in ", b"pie", b"ces"].map(|piece: &[u8; 3]| IoSlice::new(piece));
        assert_eq!(ready(poll(stream.write_vectored(&pieces))), 9);
        assert!(poll(stream.close()).is_pending(), "it is not sent yet");
        reactor.settle();
        ready(poll(stream.close()));
        assert_eq!(peer.received(), b"in pieces");
        assert!(peer.is_closed());
        let late = poll(stream.write(b"late"));
        assert!(
            matches!(late, Poll::Ready(Err(error)) if error.kind() == ErrorKind::NotConnected || error.kind() == ErrorKind::BrokenPipe)
        );
    });
}

#[test]
fn input_goes_on_after_the_output_was_closed() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        assert!(poll(stream.close()).is_pending());
        let late = poll(stream.write(b"late"));
        assert!(matches!(late, Poll::Ready(Err(error)) if error.kind() == ErrorKind::BrokenPipe));
        reactor.settle();
        ready(poll(stream.close()));
        peer.send("more");
        assert_eq!(read_some(reactor, &mut stream), b"more");
        peer.finish();
        assert_eq!(ready(poll(stream.read(&mut [0]))), 0);
    });
}

#[test]
fn input_that_the_byte_stream_has_is_kept() {
    testing::run(|reactor| {
        let (protocol, stream) = ByteStreamProtocol::pair();
        let (_, peer) = reactor.connect_to_peer(protocol);
        let mut stream = success_result_of(stream);
        peer.send("head");
        assert_eq!(ready(poll(stream.read(&mut [0; 2]))), 2);
        peer.send("body");
        let mut stream = stream.into_remote();
        assert_eq!(read_some(reactor, &mut stream), b"adbody");
    });
}

#[test]
fn a_stream_that_is_not_read_pauses_its_peer() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        let bytes: Vec<u8> = (0..=250).cycle().take(MUCH).collect();
        let sent = peer.try_send(&bytes);
        assert!(0 < sent && sent < BOUND, "{sent}");
        let mut input = read_some(reactor, &mut stream);
        assert_eq!(input.len(), sent);
        let mut rest = sent;
        while rest < MUCH {
            rest += peer.try_send(&bytes[rest..]);
            input.extend(read_some(reactor, &mut stream));
        }
        assert!(input == bytes);
    });
}

#[test]
fn writing_and_flushing_wait_for_room() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        peer.set_reading(false);
        let written = fill(reactor, &mut stream);
        assert!(poll(stream.flush()).is_pending());
        peer.set_reading(true);
        assert_eq!(peer.received().len(), written);
        ready(poll(stream.flush()));
        ready(poll(stream.write_all(b"last")));
        assert_eq!(peer.received(), b"last");
    });
}

/// Counts its wake-ups.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn each_wait_is_woken_once_by_what_it_waits_for() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        let (reads, writes) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
        let (reading, writing) = (Waker::from(Arc::clone(&reads)), Waker::from(writes.clone()));
        peer.set_reading(false);
        fill(reactor, &mut stream);
        let mut writing = Context::from_waker(&writing);
        let mut reading = Context::from_waker(&reading);
        assert!(pin!(stream.write(b"x")).poll(&mut writing).is_pending());
        assert!(
            pin!(stream.read(&mut [0; 9]))
                .poll(&mut reading)
                .is_pending()
        );
        let counts = || [&reads, &writes].map(|wakes| wakes.0.load(Ordering::SeqCst));
        peer.send("input");
        peer.send("input");
        assert_eq!(counts(), [1, 0]);
        peer.set_reading(true);
        peer.received();
        assert_eq!(counts(), [1, 1]);
    });
}

#[test]
fn an_abandoned_read_or_write_loses_no_byte() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        // These futures are dropped while they wait, as by a `select` or a timeout.
        assert!(poll(stream.read(&mut [0; 9])).is_pending());
        peer.send("input");
        assert_eq!(read_some(reactor, &mut stream), b"input");
        peer.set_reading(false);
        let written = fill(reactor, &mut stream);
        assert!(poll(stream.write_all(&[0; MUCH])).is_pending());
        assert!(poll(stream.close()).is_pending());
        peer.set_reading(true);
        assert_eq!(peer.received().len(), written);
        ready(poll(stream.close()));
    });
}

#[test]
fn a_lost_connection_gives_its_input_and_then_its_reason() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        let sent = peer.try_send(&[7; MUCH]);
        peer.reset();
        reactor.settle();
        // What had arrived here comes first, of what was sent.
        let input = read_some(reactor, &mut stream);
        assert!(input.len() > sent / 4, "{} of {sent}", input.len());
        assert!(input.iter().all(|byte| *byte == 7));
        let lost = (ErrorKind::ConnectionReset, ConnectionClosedKind::Lost);
        assert_eq!(reason(poll(stream.read(&mut [0]))), lost);
        assert_eq!(reason(poll(stream.write(b"x"))), lost);
        assert_eq!(reason(poll(stream.flush())), lost);
        assert_eq!(reason(poll(stream.close())), lost);
    });
}

#[test]
fn each_wait_ends_with_the_reason_of_the_loss() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        peer.set_reading(false);
        fill(reactor, &mut stream);
        assert!(poll(stream.write(b"x")).is_pending());
        assert!(poll(stream.read(&mut [0])).is_pending());
        peer.reset();
        reactor.settle();
        let lost = (ErrorKind::ConnectionReset, ConnectionClosedKind::Lost);
        assert_eq!(reason(poll(stream.write(b"x"))), lost);
        assert_eq!(reason(poll(stream.read(&mut [0]))), lost);
    });
}

#[test]
fn a_drop_sends_what_was_written_and_loses_the_connection() {
    testing::run(|reactor| {
        let (mut open, peer) = stream(reactor);
        ready(poll(open.write_all(b"bye")));
        peer.send("never read");
        drop(open);
        assert_eq!(peer.received(), b"bye");
        assert!(peer.is_closed());

        // More than there is room for, half of it after the close of the output.
        for closes in [false, true] {
            let (mut full, peer) = stream(reactor);
            peer.set_reading(false);
            let written = fill(reactor, &mut full);
            if closes {
                assert!(poll(full.close()).is_pending());
            }
            drop(full);
            reactor.settle();
            peer.set_reading(true);
            assert_eq!(peer.received().len(), written);
            assert!(peer.is_closed());
        }
        peer.close();
    });
}

#[test]
fn a_drop_ends_a_connection_whose_peer_reads_nothing() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        peer.set_reading(false);
        fill(reactor, &mut stream);
        drop(stream);
        reactor.settle();
        assert!(!peer.was_reset());
        reactor.advance(std::time::Duration::from_secs(60));
        assert_eq!(reactor.counters().connections, 0);
    });
}

#[test]
fn a_stop_sends_what_was_written_and_ends_the_waits() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        peer.send("before");
        ready(poll(stream.write_all(b"last words")));
        reactor.stop();
        reactor.shut_down();
        assert_eq!(peer.received(), b"last words");
        assert_eq!(read_some(reactor, &mut stream), b"before");
        let stopped = (
            ErrorKind::NotConnected,
            ConnectionClosedKind::ReactorStopped,
        );
        assert_eq!(reason(poll(stream.read(&mut [0]))), stopped);
        assert_eq!(reason(poll(stream.write(b"x"))), stopped);
        assert_eq!(reason(poll(stream.close())), stopped);
    });
}

#[test]
fn a_stop_keeps_input_for_which_there_was_no_room() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        let sent = peer.try_send(&[7; MUCH]);
        reactor.shut_down();
        let mut input = Vec::new();
        let mut buffer = [0; 4096];
        while let Poll::Ready(Ok(count @ 1..)) = poll(stream.read(&mut buffer)) {
            input.extend_from_slice(&buffer[..count]);
        }
        // All but what had not been received, which is in the network.
        assert!(input.len() >= sent - 64 * 1024, "{} of {sent}", input.len());
        let stopped = (
            ErrorKind::NotConnected,
            ConnectionClosedKind::ReactorStopped,
        );
        assert_eq!(reason(poll(stream.read(&mut [0]))), stopped);
    });
}

#[test]
fn a_reactor_that_is_dropped_ends_a_wait_in_another_thread() {
    let reactor = reactor();
    let port = reactor
        .listen_tcp_streams("127.0.0.1:0", async |mut stream| {
            let end = stream.read(&mut [0]).await;
            Ok(end.map(drop)?)
        })
        .expect("a free port");
    let stream = reactor.block_on(reactor.connect_tcp_stream(port.address()));
    let mut stream = stream.expect("it listens").into_remote();
    let late = reactor.block_on(reactor.connect_tcp_stream(port.address()));
    let late = late.expect("it listens");
    let waiting = thread::spawn(move || {
        let mut buffer = [0];
        futures::executor::block_on(poll_fn(|cx| {
            Pin::new(&mut stream.read(&mut buffer)).poll(cx)
        }))
    });
    drop(reactor);
    let read = waiting.join().expect("it does not panic");
    let stopped = (
        ErrorKind::NotConnected,
        ConnectionClosedKind::ReactorStopped,
    );
    assert_eq!(reason(Poll::Ready(read)), stopped);

    let mut late = late.into_remote();
    assert!(late.peer().is_err());
    assert_eq!(reason(poll(late.read(&mut [0]))), stopped);
    assert_eq!(reason(poll(late.write(&[0]))), stopped);
}

/// Writes as much as there is room for, whenever there is room for more.
struct Refilling {
    stream: Mutex<RemoteStream>,
    count: AtomicUsize,
}

impl Refilling {
    const TIMES: usize = 100;

    fn refill(self: &Arc<Self>) {
        if self.count.fetch_add(1, Ordering::Relaxed) < Self::TIMES {
            let waker = Waker::from(Arc::clone(self));
            let mut stream = self.stream.lock().expect("no panic");
            let mut cx = Context::from_waker(&waker);
            while pin!(stream.write(&[b'f'; 10_000])).poll(&mut cx).is_ready() {}
        }
    }
}

impl Wake for Refilling {
    fn wake(self: Arc<Self>) {
        self.refill();
    }
}

#[test]
fn a_writer_as_fast_as_the_loop_leaves_time_for_others() {
    let reactor = reactor();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let reader = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        io::copy(&mut socket, &mut io::sink()).expect("an orderly end")
    });
    let (protocol, stream) = ByteStreamProtocol::pair();
    reactor.connect_tcp(address, protocol).ignore();
    let stream = reactor.block_on(stream).expect("a connection");
    let refilling = Arc::new(Refilling {
        stream: Mutex::new(stream.into_remote()),
        count: AtomicUsize::new(0),
    });
    refilling.refill();
    let count = || refilling.count.load(Ordering::Relaxed);
    let mut most = 0;
    while count() <= Refilling::TIMES {
        let before = count();
        reactor.turn(None).expect("it turns");
        most = most.max(count() - before);
    }
    // Without a bound, it is all of them. A driver that wakes itself runs eight times in a turn.
    assert!((1..=32).contains(&most), "{most} in one turn");
    drop(refilling);
    reactor.turn(None).expect("it turns");
    drop(reactor);
    assert!(reader.join().expect("no panic") > 0);
}

// ANCHOR: tokio
/// Listens in the loop, and serves each connection by a task of Tokio.
fn listen(
    reactor: &ReactorHandle,
    tokio: tokio::runtime::Handle,
) -> Result<ListeningPort, ListenError> {
    reactor.listen_tcp_streams("127.0.0.1:0", move |stream| {
        tokio.spawn(upper_case(stream.into_remote()));
        async { Ok(()) }
    })
}

/// Knows Tokio's traits, asks for `Send`, and uses its timers.
async fn upper_case<S>(stream: S) -> io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin,
{
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let (mut input, mut output) = tokio::io::split(stream);
    let mut question = String::new();
    let reading = input.read_to_string(&mut question);
    tokio::time::timeout(std::time::Duration::from_secs(10), reading).await??;
    output.write_all(question.to_uppercase().as_bytes()).await?;
    output.shutdown().await
}

/// Connects in the loop, for a task of another runtime.
async fn connect(reactor: &Remote, address: SocketAddr) -> deferred::Result<RemoteStream> {
    let (sender, stream) = oneshot::channel();
    reactor.call_from_thread(move |reactor| {
        let connecting = reactor.connect_tcp_stream(address);
        connecting.add_both(move |stream| {
            // Errs if the task has gone: then the stream is dropped, and its connection ends.
            let _ = sender.send(stream.map(|stream| stream.into_remote()));
        })
    })?;
    stream.await?
}
// ANCHOR_END: tokio

#[test]
fn tasks_of_tokio_serve_and_use_connections_of_the_loop() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let reactor = reactor();
    let port = listen(&reactor, runtime.handle().clone()).expect("a free port");
    let (address, remote) = (port.address(), reactor.remote());
    let tokio = thread::spawn(move || {
        runtime.block_on(async move {
            let question = "words ".repeat(20_000);
            for _ in 0..3 {
                let mut stream = connect(&remote, address).await?;
                let mut answer = String::new();
                stream.write_all(question.as_bytes()).await?;
                stream.close().await?;
                stream.read_to_string(&mut answer).await?;
                assert!(answer == question.to_uppercase());
            }
            assert!(
                connect(&remote, SocketAddr::from(([127, 0, 0, 1], 1)))
                    .await
                    .is_err()
            );
            remote.call_from_thread(|reactor| reactor.stop())?;
            Ok::<_, deferred::Failure>(())
        })
    });
    reactor.run().expect("it runs");
    tokio.join().expect("it does not panic").expect("it works");
}
