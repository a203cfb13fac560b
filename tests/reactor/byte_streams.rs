//! Connections for `async` code, and bodies that a loop runs.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use deferred::{Cancelled, sleep};
use futures::channel::oneshot;
use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use reactor::testing;
use reactor::{ByteStreamProtocol, ReactorGone, RunError};

use crate::support::reactor;

#[test]
fn a_body_wakes_by_deferreds_and_by_other_threads() {
    let reactor = reactor();
    let handle = reactor.handle();
    let (sender, receiver) = oneshot::channel();
    let body = reactor.spawn(async move {
        sleep(&handle, Duration::from_millis(1)).await?;
        let number: i32 = receiver.await?;
        Ok(number + 1)
    });
    let other = thread::spawn(move || sender.send(41));
    assert_eq!(reactor.block_on(body).expect("a number"), 42);
    other.join().expect("it ends").expect("it was waited for");
}

#[test]
fn a_task_of_tokio_is_awaited_in_the_loop() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let tokio = runtime.handle().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let other = thread::spawn(move || runtime.block_on(stopped));
    let reactor = reactor();
    let body = reactor.spawn(async move {
        let task = tokio.spawn(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            "from Tokio"
        });
        Ok(task.await?)
    });
    assert_eq!(reactor.block_on(body).expect("it ends"), "from Tokio");
    stop.send(()).expect("it waits");
    other.join().expect("it ends").expect("it was told to");
}

#[test]
fn cancelling_a_body_cancels_what_it_waits_for() {
    let reactor = reactor();
    let handle = reactor.handle();
    let mut body = reactor.spawn(async move {
        sleep(&handle, Duration::from_secs(3600)).await?;
        Ok(())
    });
    let cancel = body.handle();
    reactor.call_later(Duration::ZERO, move || cancel.cancel());
    let failure = reactor.block_on(body).expect_err("it was cancelled");
    assert!(failure.is::<Cancelled>());
    assert!(reactor.delayed_calls().is_empty());
}

#[test]
fn a_body_for_a_reactor_that_is_gone_is_dropped() {
    let owner = reactor();
    let handle = owner.handle();
    drop(owner);
    let token = Rc::new(());
    let captured = Rc::clone(&token);
    let body = handle.spawn(async move {
        drop(captured);
        Ok(())
    });
    let failure = deferred::assertions::failure_of(body);
    assert!(failure.is::<ReactorGone>());
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn blocking_on_what_never_comes_ends_with_the_loop() {
    let reactor = reactor();
    let (trigger, never) = deferred::Deferred::<()>::pair();
    let handle = reactor.handle();
    reactor.call_later(Duration::ZERO, move || handle.stop());
    let failure = reactor.block_on(never).expect_err("there is no result");
    assert!(matches!(
        failure.check::<RunError>(),
        Some(RunError::Stopped)
    ));
    drop(trigger);
    assert_eq!(
        reactor.block_on(deferred::succeed(1)).expect("it is there"),
        1
    );
    let handle = reactor.handle();
    let inner = Rc::new(reactor);
    let (inside, was_refused) = (Rc::clone(&inner), Rc::new(Cell::new(false)));
    let noting = Rc::clone(&was_refused);
    handle.call_later(Duration::ZERO, move || {
        let refused = inside.block_on(deferred::Deferred::<()>::pair().1);
        noting.set(refused.is_err());
        inside.crash();
    });
    inner.run().expect("it runs");
    assert!(was_refused.get());
}

#[test]
fn a_stream_echoes_and_keeps_its_directions_apart() {
    testing::run(|reactor| {
        let port = reactor
            .listen_tcp_streams("127.0.0.1:7000", |stream| async move {
                let (mut reader, mut writer) = stream.split();
                futures::io::copy(&mut reader, &mut writer).await?;
                writer.write_all(b" and that was all").await?;
                Ok(())
            })
            .expect("it is free");
        let handle = reactor.handle();
        let body = reactor.spawn(async move {
            let mut stream = handle.connect_tcp_stream("127.0.0.1:7000").await?;
            stream.write_all(b"hello").await?;
            stream.close().await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        });
        reactor.settle();
        let answer = deferred::assertions::success_result_of(body);
        assert_eq!(answer, "hello and that was all");
        port.stop_listening().ignore();
    });
}

#[test]
fn who_does_not_read_is_not_sent_more() {
    testing::run(|reactor| {
        let (protocol, stream) = ByteStreamProtocol::pair();
        let (_, peer) = reactor.connect_to_peer(protocol);
        let mut stream = deferred::assertions::success_result_of(stream);
        // The stream is not read: the peer has to stop.
        let sent = peer.try_send(&vec![1; 1024 * 1024]);
        assert!(sent < 512 * 1024, "{sent}");
        // The peer does not read: writing has to wait.
        peer.set_reading(false);
        let written = Rc::new(Cell::new(0));
        let counting = Rc::clone(&written);
        let mut body = reactor.spawn(async move {
            loop {
                stream.write_all(&[2; 10_000]).await?;
                counting.set(counting.get() + 10_000);
                if counting.get() == 1_000_000 {
                    break;
                }
            }
            stream.flush().await?;
            let mut read = vec![0; sent];
            stream.read_exact(&mut read).await?;
            Ok(read.iter().all(|byte| *byte == 1))
        });
        reactor.settle();
        assert!(written.get() < 512 * 1024, "{}", written.get());
        assert!(body.handle().state().is_some());
        peer.set_reading(true);
        assert_eq!(peer.received().len(), 1_000_000);
        assert!(deferred::assertions::success_result_of(body));
        assert!(peer.is_closed(), "the stream went with its body");
        peer.close();
    });
}

#[test]
fn lines_are_read_out_of_what_the_stream_keeps() {
    testing::run(|reactor| {
        let (protocol, stream) = ByteStreamProtocol::pair();
        let (_, peer) = reactor.connect_to_peer(protocol);
        let mut stream = deferred::assertions::success_result_of(stream);
        let body = reactor.spawn(async move {
            let (mut first, mut second) = (String::new(), Vec::new());
            stream.read_line(&mut first).await?;
            // The two ways of reading go on where the other one has stopped.
            let mut three = [0; 3];
            stream.read_exact(&mut three).await?;
            stream.read_until(b'.', &mut second).await?;
            assert!(stream.fill_buf().await?.is_empty(), "it is at its end");
            Ok((first, three, second))
        });
        reactor.settle();
        for piece in ["on", "e\ntw", "o and th", "ree."] {
            peer.send(piece);
        }
        peer.finish();
        let (first, three, second) = deferred::assertions::success_result_of(body);
        assert_eq!((first.as_str(), &three), ("one\n", b"two"));
        assert_eq!(second, b" and three.");
    });
}

/// What the reader has been shown and has not consumed waits, too.
#[test]
fn who_looks_and_does_not_read_is_not_sent_more() {
    testing::run(|reactor| {
        let (protocol, stream) = ByteStreamProtocol::pair();
        let (_, peer) = reactor.connect_to_peer(protocol);
        let mut stream = deferred::assertions::success_result_of(stream);
        let mut sent = 0;
        for _ in 0..20 {
            sent += peer.try_send(&vec![1; 1024 * 1024]);
            let looked = reactor.spawn(async move {
                let length = stream.fill_buf().await?.len();
                Ok((stream, length))
            });
            reactor.settle();
            let (back, length) = deferred::assertions::success_result_of(looked);
            assert!(length > 0);
            stream = back;
        }
        assert!(sent < 512 * 1024, "{sent}");
        let read = reactor.spawn(async move {
            let mut all = vec![0; sent];
            stream.read_exact(&mut all).await?;
            Ok(stream)
        });
        reactor.settle();
        let stream = deferred::assertions::success_result_of(read);
        // Read, it takes more.
        assert!(peer.try_send(&[1; 1000]) == 1000);
        drop(stream);
        reactor.settle();
    });
}

#[test]
fn a_broken_stream_gives_an_error() {
    testing::run(|reactor| {
        let (protocol, stream) = ByteStreamProtocol::pair();
        let (_, peer) = reactor.connect_to_peer(protocol);
        let mut stream = deferred::assertions::success_result_of(stream);
        let body = reactor.spawn(async move {
            let mut buffer = [0; 10];
            let error = stream.read(&mut buffer).await.expect_err("it breaks");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            let error = stream.write(b"x").await.expect_err("it is broken");
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            Ok(())
        });
        reactor.settle();
        peer.reset();
        deferred::assertions::success_result_of(body);
    });
}

#[test]
fn a_connection_for_a_stream_that_was_cancelled_is_closed() {
    testing::run(|reactor| {
        let (protocol, stream) = ByteStreamProtocol::pair();
        stream.cancel();
        let (connection, peer) = reactor.connect_to_peer(protocol);
        reactor.settle();
        assert!(connection.is_gone() && peer.is_closed());
        let failure = stream.into_result().expect("it is over").err();
        assert!(failure.expect("it was cancelled").is::<Cancelled>());
    });
}
