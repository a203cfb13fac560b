//! `RemoteStream` on each transport: TCP, UNIX sockets, and TLS over TCP, in a thread that knows
//! nothing of the loop. Each stream is once the client and once the server.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures::executor::block_on;
use futures::{AsyncReadExt, AsyncWriteExt, try_join};
use reactor::{ConnectionClosedKind, RemoteStream};

use crate::byte_streams::{
    BOUND, MUCH, Network, TOO_MUCH, on_each_transport, pattern, read_to_end, reason_of,
    turn_until_stopped,
};
use crate::connections::turn_until;

on_each_transport!(
    both_directions_pass_and_end_by_themselves,
    a_thread_that_does_not_read_pauses_its_peer,
    a_thread_that_writes_waits_for_room,
    a_drop_in_a_thread_sends_what_was_written,
    a_stop_ends_threads_that_wait,
);

/// Runs a body in a thread of its own, with an executor that has no reactor.
fn in_thread<T: Send + 'static, F>(body: F) -> JoinHandle<io::Result<T>>
where
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    thread::spawn(move || block_on(body))
}

/// Turns the loop until the thread has ended.
#[track_caller]
fn result_of<T>(network: &Network, thread: JoinHandle<io::Result<T>>) -> io::Result<T> {
    turn_until(&network.reactor, || thread.is_finished());
    thread.join().expect("it does not panic")
}

/// Echoes until the end of the input, then says goodbye.
async fn echo(mut stream: RemoteStream) -> io::Result<()> {
    let mut buffer = vec![0; 10_000];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        stream.write_all(&buffer[..count]).await?;
        stream.flush().await?;
    }
    stream.write_all(b"bye").await?;
    stream.close().await
}

fn both_directions_pass_and_end_by_themselves(network: &Network) {
    for (ours, peers) in network.pairs() {
        let peer = ours.peer().expect("it is open");
        let stream = ours.into_remote();
        assert_eq!(stream.peer(), Ok(&peer));
        let echoing = in_thread(echo(stream));
        let echoed = network.run(async move {
            let (mut input, mut output) = peers.split();
            let writing = async {
                output.write_all(&pattern(MUCH)).await?;
                output.close().await
            };
            let mut echoed = Vec::new();
            try_join!(writing, input.read_to_end(&mut echoed))?;
            Ok(echoed)
        });
        let mut expected = pattern(MUCH);
        expected.extend(b"bye");
        assert!(echoed == expected);
        result_of(network, echoing).expect("it ends well");
    }
    network.assert_all_closed();
}

fn a_thread_that_does_not_read_pauses_its_peer(network: &Network) {
    for (ours, mut peers) in network.pairs() {
        let before = network.reactor.counters().bytes_received;
        let mut stream = ours.into_remote();
        let (go_on, may_go_on) = mpsc::channel();
        let reading = thread::spawn(move || {
            may_go_on.recv().expect("it is told to");
            block_on(async move {
                let mut input = vec![0; TOO_MUCH];
                stream.read_exact(&mut input).await?;
                Ok(input)
            })
        });
        let sending = network.reactor.spawn(async move {
            peers.write_all(&pattern(TOO_MUCH)).await?;
            Ok(peers)
        });
        network.turn_until_quiet();
        let received = network.reactor.counters().bytes_received - before;
        assert!(0 < received && received < BOUND, "{received}");
        go_on.send(()).expect("it waits");
        assert!(result_of(network, reading).expect("it reads") == pattern(TOO_MUCH));
        network.result_of(sending).expect("it was read");
    }
    network.assert_all_closed();
}

fn a_thread_that_writes_waits_for_room(network: &Network) {
    for (ours, mut peers) in network.pairs() {
        let connection = ours.connection().clone();
        let mut stream = ours.into_remote();
        let writing = in_thread(async move {
            stream.write_all(&pattern(TOO_MUCH)).await?;
            stream.flush().await?;
            stream.close().await?;
            Ok(stream)
        });
        turn_until(&network.reactor, || {
            connection.buffered().is_ok_and(|count| count > 0)
        });
        network.turn_until_quiet();
        assert!(!writing.is_finished(), "it waits");
        let buffered = connection.buffered().expect("it is open") as u64;
        assert!(0 < buffered && buffered < BOUND, "{buffered}");
        let received = network.run(async move { read_to_end(&mut peers).await });
        assert!(received == pattern(TOO_MUCH));
        let mut stream = result_of(network, writing).expect("it was read");
        let read = in_thread(async move { stream.read(&mut [0]).await });
        assert_eq!(
            result_of(network, read).expect("its peer has gone in order"),
            0
        );
    }
    network.assert_all_closed();
}

fn a_drop_in_a_thread_sends_what_was_written(network: &Network) {
    for (ours, mut peers) in network.pairs() {
        let mut stream = ours.into_remote();
        let writing = in_thread(async move { stream.write_all(&pattern(MUCH)).await });
        let received = network.run(async move { read_to_end(&mut peers).await });
        assert!(received == pattern(MUCH));
        result_of(network, writing).expect("it was written");
    }
    network.assert_all_closed();
}

fn a_stop_ends_threads_that_wait(network: &Network) {
    network
        .reactor
        .set_shutdown_timeout(Duration::from_millis(20));
    let [(reading, _silent), (writing, _stuck)] = network.pairs();
    let (mut reading, mut writing) = (reading.into_remote(), writing.into_remote());
    let read = in_thread(async move { reading.read(&mut [0]).await });
    let written = in_thread(async move { writing.write_all(&pattern(TOO_MUCH)).await });
    network.turn_until_quiet();
    assert!(!read.is_finished() && !written.is_finished());
    network.reactor.stop();
    turn_until_stopped(&network.reactor);
    // The loop turns no more: the threads have been told.
    let read = read.join().expect("it does not panic").unwrap_err();
    assert_eq!(reason_of(&read), ConnectionClosedKind::ReactorStopped);
    let written = written.join().expect("it does not panic").unwrap_err();
    // Its peer stops, too, and may be first.
    let expected = [
        ConnectionClosedKind::ReactorStopped,
        ConnectionClosedKind::Lost,
    ];
    assert!(expected.contains(&reason_of(&written)), "{written:?}");
}
