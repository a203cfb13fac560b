//! What crates ask of a `ByteStream`: pieces written at once, flushing, lent input, the traits of
//! Tokio, and `Send`.

use std::cell::Cell;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use deferred::assertions::{assert_no_result, success_result_of};
use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use reactor::testing::{self, Peer, TestReactor};
use reactor::{
    ByteStream, ByteStreamProtocol, ConnectionClosed, ConnectionClosedKind, ThreadBoundStream,
};

use crate::support::{reactor, turn_until};

/// A stream in memory, and its other side.
fn stream(reactor: &TestReactor) -> (ByteStream, Peer) {
    let (protocol, stream) = ByteStreamProtocol::pair();
    let (_, peer) = reactor.connect_to_peer(protocol);
    (success_result_of(stream), peer)
}

/// Polls once, with a waker that wakes nothing.
fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The error with which an attempt has ended.
#[track_caller]
fn error_of<T: Debug>(polled: Poll<io::Result<T>>) -> io::Error {
    match polled {
        Poll::Ready(Err(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn write_pieces(stream: &mut ByteStream, pieces: &[&[u8]]) -> Poll<io::Result<usize>> {
    let pieces: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    poll(stream.write_vectored(&pieces))
}

#[test]
fn pieces_are_written_at_once() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        let before = reactor.counters();
        let written = write_pieces(&mut stream, &[b"head", b"", b" and ", b"body"]);
        assert!(matches!(written, Poll::Ready(Ok(13))), "{written:?}");
        assert!(matches!(write_pieces(&mut stream, &[]), Poll::Ready(Ok(0))));
        assert_eq!(peer.received(), b"head and body");
        let after = reactor.counters();
        assert_eq!(after.bytes_sent - before.bytes_sent, 13);
    });
}

#[test]
fn no_more_is_written_at_once_than_may_wait() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        let (long, longer) = (vec![1; 50_000], vec![2; 50_000]);
        let written = write_pieces(&mut stream, &[&long, &longer, &longer]);
        assert!(matches!(written, Poll::Ready(Ok(65_536))), "{written:?}");
        let received = peer.received();
        assert_eq!(received.len(), 65_536);
        assert!(received[..50_000].iter().all(|byte| *byte == 1));
        assert!(received[50_000..].iter().all(|byte| *byte == 2));
    });
}

#[test]
fn pieces_wait_for_room_and_give_the_error_of_the_end() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        peer.set_reading(false);
        while write_pieces(&mut stream, &[&[0; 30_000], &[0; 30_000]]).is_ready() {
            reactor.settle();
        }
        peer.reset();
        let error = error_of(write_pieces(&mut stream, &[b"x"]));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

/// What crates flush after each message must not wait until the peer has read it.
#[test]
fn flushing_is_ready_below_the_mark_and_waits_above_it() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        peer.set_reading(false);
        // More than the peer's side has room for: it waits here, below the mark.
        let mut waits = 0;
        while waits == 0 {
            assert!(poll(stream.write_all(&[1; 16 * 1024])).is_ready());
            reactor.settle();
            waits = stream.connection().buffered().expect("it is open");
        }
        assert!(poll(stream.flush()).is_ready(), "{waits} bytes wait");
        while poll(stream.write_all(&[1; 16 * 1024])).is_ready() {
            reactor.settle();
        }
        let flushed = reactor.spawn(async move {
            stream.flush().await?;
            Ok(stream)
        });
        reactor.settle();
        assert_no_result(&flushed);
        peer.set_reading(true);
        reactor.settle();
        let stream = success_result_of(flushed);
        assert!(!peer.received().is_empty());
        drop(stream);
    });
}

#[test]
fn what_was_written_and_flushed_goes_out_in_the_same_turn() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        let body = reactor.spawn(async move {
            stream.write_all(b"question").await?;
            stream.flush().await?;
            Ok(stream)
        });
        let stream = success_result_of(body);
        reactor.turn();
        assert_eq!(peer.received(), b"question");
        drop(stream);
    });
}

#[test]
fn flushing_gives_the_error_of_the_end() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        peer.reset();
        reactor.settle();
        let error = error_of(poll(stream.flush()));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

/// The connection is not over yet: a stop lets it send its output first.
#[test]
fn a_write_that_waits_at_a_stop_gives_the_stop_as_its_reason() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        peer.set_reading(false);
        while poll(stream.write(&[0; 30_000])).is_ready() {
            reactor.settle();
        }
        let writing = reactor.spawn(async move { Ok(stream.write(b"x").await) });
        reactor.shut_down();
        reactor.advance(Duration::from_secs(60));
        let error = success_result_of(writing).expect_err("it is stopping");
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        let reason = error.get_ref().and_then(|inner| inner.downcast_ref());
        let reason: &ConnectionClosed = reason.expect("the reason of the end");
        assert_eq!(reason.kind(), ConnectionClosedKind::ReactorStopped);
    });
}

#[test]
fn input_is_lent_until_it_is_consumed() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(stream.poll_fill_buf(&mut cx).is_pending());
        assert_eq!(stream.buffer(), b"");
        peer.send("one two");
        reactor.settle();
        assert_eq!(stream.buffer(), b"", "it was not asked for");
        let lent = |stream: &mut ByteStream| match stream
            .poll_fill_buf(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(Ok(lent)) => lent.to_vec(),
            other => panic!("{other:?}"),
        };
        assert_eq!(lent(&mut stream), b"one two");
        stream.consume(4);
        assert_eq!(stream.buffer(), b"two");
        peer.send(" three");
        reactor.settle();
        assert_eq!(lent(&mut stream), b"two", "the rest comes first");
        // More than there is counts as all of it.
        stream.consume(100);
        assert_eq!(stream.buffer(), b"");
        assert_eq!(lent(&mut stream), b" three");
        // Taking it moves the memory, and consumes it.
        let address = stream.buffer().as_ptr();
        let taken = stream.take_buffer();
        assert_eq!(
            (taken.as_slice(), taken.as_ptr()),
            (&b" three"[..], address)
        );
        assert_eq!(stream.take_buffer(), b"");
        peer.send("four five");
        reactor.settle();
        assert_eq!(lent(&mut stream), b"four five");
        stream.consume(5);
        assert_eq!(stream.take_buffer(), b"five", "what is left of it");
        peer.finish();
        reactor.settle();
        assert_eq!(lent(&mut stream), b"", "the end");
    });
}

/// Taken input counts as read: the peer may send more.
#[test]
fn taking_the_buffer_lets_the_peer_go_on() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        let mut received = 0;
        let mut sent = 0;
        for _ in 0..10 {
            sent += peer.try_send(&[1; 300_000]);
            reactor.settle();
            let mut cx = Context::from_waker(Waker::noop());
            while stream.poll_fill_buf(&mut cx).is_ready() {
                received += stream.take_buffer().len();
                reactor.settle();
            }
        }
        assert_eq!(received, sent);
        assert!(sent > 1_000_000, "{sent}");
    });
}

/// An error of a stream keeps the reason, so that a caller many layers up can ask for it.
#[test]
fn errors_keep_the_reason_of_the_end() {
    let kind_of = |error: &io::Error| {
        let inner = error.get_ref().expect("it has an inner error");
        let reason = inner.downcast_ref::<ConnectionClosed>();
        reason.expect("which is the reason").kind()
    };
    testing::run(|reactor| {
        let (mut reset, peer) = stream(reactor);
        peer.reset();
        reactor.settle();
        let error = error_of(poll(reset.read(&mut [0])));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(kind_of(&error), ConnectionClosedKind::Lost);

        let (mut aborted, _peer) = stream(reactor);
        aborted.connection().abort();
        reactor.settle();
        let error = error_of(poll(aborted.write(b"x")));
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(kind_of(&error), ConnectionClosedKind::Aborted);
        // Closing what was not closed in order does not pass for that.
        assert!(matches!(poll(aborted.close()), Poll::Ready(Err(_))));

        let (mut idle, _peer) = stream(reactor);
        let timeout = Duration::from_secs(1);
        idle.connection()
            .set_idle_timeout(timeout)
            .expect("it is open");
        reactor.advance(timeout);
        let error = error_of(poll(idle.read(&mut [0])));
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(kind_of(&error), ConnectionClosedKind::IdleTimeout);

        let (mut stopped, _peer) = stream(reactor);
        reactor.shut_down();
        let error = error_of(poll(stopped.read(&mut [0])));
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        assert_eq!(kind_of(&error), ConnectionClosedKind::ReactorStopped);
    });
}

#[test]
fn closing_twice_and_after_the_end_is_well() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        assert!(matches!(poll(stream.close()), Poll::Ready(Ok(()))));
        assert!(matches!(poll(stream.close()), Poll::Ready(Ok(()))));
        let error = error_of(poll(stream.write(b"late")));
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        peer.finish();
        reactor.settle();
        assert!(matches!(poll(stream.close()), Poll::Ready(Ok(()))));
        assert!(matches!(poll(stream.read(&mut [0])), Poll::Ready(Ok(0))));
    });
}

mod traits_of_tokio {
    use tokio::io::{
        AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional, split,
    };

    use super::*;

    #[test]
    fn a_stream_has_them_without_a_runtime() {
        testing::run(|reactor| {
            let (mut stream, peer) = stream(reactor);
            let body = reactor.spawn(async move {
                let mut line = String::new();
                stream.read_line(&mut line).await?;
                let number = stream.read_u32().await?;
                stream.write_all(b"well ").await?;
                let pieces = [IoSlice::new(b"and "), IoSlice::new(b"good")];
                assert!(stream.is_write_vectored());
                assert_eq!(stream.write_vectored(&pieces).await?, 8);
                stream.flush().await?;
                // Nothing is read into nothing.
                assert_eq!(stream.read(&mut []).await?, 0);
                stream.shutdown().await?;
                let mut rest = Vec::new();
                stream.read_to_end(&mut rest).await?;
                Ok((line, number, rest))
            });
            peer.send("how are you\n\0\0\x01\x02and");
            assert_eq!(peer.received(), b"well and good");
            peer.send(" you");
            peer.finish();
            let (line, number, rest) = success_result_of(body);
            assert_eq!((line.as_str(), number), ("how are you\n", 0x102));
            assert_eq!(rest, b"and you");
        });
    }

    #[test]
    fn what_tokio_builds_on_them_works() {
        testing::run(|reactor| {
            // Both of its halves, and two streams that are joined.
            let (mut near, client) = stream(reactor);
            let (mut far, server) = stream(reactor);
            let joined =
                reactor.spawn(async move { Ok(copy_bidirectional(&mut near, &mut far).await?) });
            client.send(vec![b'a'; 200_000]);
            assert_eq!(server.received().len(), 200_000);
            server.send("answer");
            assert_eq!(client.received(), b"answer");
            client.finish();
            server.finish();
            assert_eq!(success_result_of(joined), (200_000, 6));

            let (stream, peer) = stream(reactor);
            let (mut reader, mut writer) = split(stream);
            let echo =
                reactor.spawn(async move { Ok(tokio::io::copy(&mut reader, &mut writer).await?) });
            peer.send("to and fro");
            assert_eq!(peer.received(), b"to and fro");
            peer.finish();
            assert_eq!(success_result_of(echo), 10);
        });
    }
}

/// Uses a stream as a crate does that asks for `Send`, and moves nothing.
fn boxed(
    mut stream: impl AsyncWrite + futures::AsyncBufRead + Unpin + Send + 'static,
) -> Pin<Box<dyn Future<Output = io::Result<String>> + Send>> {
    Box::pin(async move {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        stream.write_all(line.to_uppercase().as_bytes()).await?;
        let pieces = [IoSlice::new(b"an"), IoSlice::new(b"d ")];
        assert_eq!(stream.write_vectored(&pieces).await?, 4);
        stream.flush().await?;
        stream.close().await?;
        Ok(line)
    })
}

#[test]
fn a_thread_bound_stream_is_send_and_works_in_its_thread() {
    testing::run(|reactor| {
        let (stream, peer) = stream(reactor);
        let body = boxed(stream.into_thread_bound());
        let body = reactor.spawn(async { Ok(body.await?) });
        peer.send("hello\n");
        assert_eq!(peer.received(), b"HELLO\nand ");
        assert_eq!(success_result_of(body), "hello\n");
        peer.close();
    });
}

#[test]
fn a_thread_bound_stream_is_unwrapped_in_its_thread_only() {
    testing::run(|reactor| {
        let (stream, peer) = stream(reactor);
        let bound = stream.into_thread_bound();
        assert!(format!("{bound:?}").contains("ByteStream"), "{bound:?}");
        let bound = thread::spawn(move || {
            assert!(!format!("{bound:?}").contains("ByteStream"), "{bound:?}");
            bound.into_inner().expect_err("this is another thread")
        });
        let bound = bound.join().expect("it ends");
        let mut stream = bound.into_inner().expect("this is its thread");
        assert!(poll(stream.write_all(b"still here")).is_ready());
        assert_eq!(peer.received(), b"still here");
    });
}

/// Polled elsewhere, it gives an error: it neither panics nor touches what is not `Send`.
#[test]
fn a_thread_bound_stream_gives_errors_in_another_thread() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    testing::run(|reactor| {
        let (stream, peer) = stream(reactor);
        let mut bound = stream.into_thread_bound();
        let bound = thread::spawn(move || {
            let is_refused = |result: Poll<io::Result<()>>| match result {
                Poll::Ready(Err(error)) => error.to_string().contains("another thread"),
                _ => false,
            };
            let mut buffer = [0; 8];
            let read = poll(AsyncReadExt::read(&mut bound, &mut buffer));
            assert!(is_refused(read.map_ok(drop)));
            assert!(is_refused(poll(bound.read_u8()).map_ok(drop)));
            assert!(is_refused(poll(bound.fill_buf()).map_ok(drop)));
            assert!(is_refused(
                poll(AsyncWriteExt::write(&mut bound, b"x")).map_ok(drop)
            ));
            let pieces = [IoSlice::new(b"x")];
            let written = poll(AsyncWriteExt::write_vectored(&mut bound, &pieces));
            assert!(is_refused(written.map_ok(drop)));
            assert!(is_refused(poll(AsyncWriteExt::flush(&mut bound))));
            assert!(is_refused(poll(AsyncWriteExt::close(&mut bound))));
            assert!(is_refused(poll(bound.shutdown())));
            bound.consume_unpin(3);
            bound
        });
        let bound = bound.join().expect("it does not panic");
        assert!(!peer.is_closed());
        drop(bound);
        assert!(peer.is_closed());
    });
}

#[test]
fn a_thread_bound_stream_dropped_elsewhere_is_dropped_in_its_thread() {
    let reactor = reactor();
    let is_over = Rc::new(Cell::new(false));
    let noting = Rc::clone(&is_over);
    let port = reactor
        .listen_tcp_streams("127.0.0.1:0", move |mut stream| {
            let noting = Rc::clone(&noting);
            async move {
                let mut input = Vec::new();
                stream.read_to_end(&mut input).await?;
                noting.set(input == b"bye");
                Ok(())
            }
        })
        .expect("a free port");
    let stream = reactor.block_on(reactor.connect_tcp_stream(port.address()));
    let mut bound: ThreadBoundStream = stream.expect("it listens").into_thread_bound();
    assert!(poll(bound.write_all(b"bye")).is_ready());
    thread::spawn(move || drop(bound))
        .join()
        .expect("it does not panic");
    turn_until(&reactor, || is_over.get());
}

/// Nothing can be done for it any more; at least nothing panics.
#[test]
fn a_thread_bound_stream_outlives_its_reactor_anywhere() {
    let reactor = reactor();
    let port = reactor
        .listen_tcp_streams("127.0.0.1:0", |_stream| async { Ok(()) })
        .expect("a free port");
    let stream = reactor.block_on(reactor.connect_tcp_stream(port.address()));
    let bound = stream.expect("it listens").into_thread_bound();
    let other = reactor.block_on(reactor.connect_tcp_stream(port.address()));
    let other = other.expect("it listens").into_thread_bound();
    drop(reactor);
    if std::env::var_os("MEMORY_IS_KEPT").is_some() {
        // Nothing can drop it any more elsewhere, so it is leaked, which a sanitizer would report.
        return;
    }
    thread::spawn(move || drop(bound))
        .join()
        .expect("it does not panic");
    drop(other);
}

/// A reader that was waiting is woken by each end, and only the last waker counts.
#[test]
fn a_new_waker_replaces_the_old_one() {
    testing::run(|reactor| {
        let (mut stream, peer) = stream(reactor);
        // Polled elsewhere first, as a `select` does.
        assert!(poll(stream.read(&mut [0; 4])).is_pending());
        let body = reactor.spawn(async move {
            let mut buffer = [0; 4];
            stream.read_exact(&mut buffer).await?;
            let at_end = poll_fn(|cx| stream.poll_fill_buf(cx).map_ok(<[u8]>::is_empty));
            assert!(at_end.await?);
            Ok(buffer)
        });
        peer.send("next");
        peer.finish();
        assert_eq!(&success_result_of(body), b"next");
    });
}
