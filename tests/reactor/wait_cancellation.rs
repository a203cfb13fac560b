//! A wait that is cancelled leaves its list; a cancel goes through to what is waited for.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use deferred::assertions::with_no_unhandled;
use deferred::{Cancelled, Deferred, Result, State, TimedOut, sleep};
use futures::io::AsyncWrite;
use reactor::testing::{self, TestReactor};
use reactor::{Command, ConnectionClosed, Gone, Protocol, Raw, ReactorHandle, pump};

use crate::support::{Quiet, reactor, result_of};

/// Asserts that of a wait, once it is cancelled, nothing is left: its list would keep its
/// trigger, and that its chain.
#[track_caller]
fn assert_leaves<T: 'static>(mut wait: Deferred<T>) {
    assert_eq!(wait.state(), State::Unfired, "it is there already");
    let handle = wait.handle();
    wait.cancel();
    wait.ignore();
    assert_eq!(handle.state(), None, "it is still in the list");
}

#[test]
fn waits_for_room_leave_their_connection() {
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(Quiet);
        peer.set_reading(false);
        connection.write(vec![0; 1_000_000]).expect("it is open");
        reactor.settle();
        let waits = [connection.drained(), connection.ready()];
        for _ in 0..100 {
            assert_leaves(connection.drained());
            assert_leaves(connection.ready());
        }
        // A timeout is a cancel.
        let mut late = connection.drained();
        let handle = late.handle();
        let late = late.add_timeout(Duration::from_secs(1), reactor);
        reactor.advance(Duration::from_secs(1));
        assert!(late.into_result().unwrap().unwrap_err().is::<TimedOut>());
        assert_eq!(handle.state(), None);
        // The waits that were not cancelled end.
        peer.set_reading(true);
        for wait in waits {
            assert!(wait.into_result().expect("it is drained").is_ok());
        }
        peer.close();
        connection.drained().ignore();
    });
}

#[test]
fn waits_that_are_fired_may_cancel_one_another() {
    with_no_unhandled(|| {
        let reactor = TestReactor::new();
        let (connection, peer) = reactor.connect_to_peer(Quiet);
        peer.set_reading(false);
        connection.write(vec![0; 1_000_000]).expect("it is open");
        reactor.settle();
        let mut second = connection.drained();
        let handle = second.handle();
        let first = connection.ready().add_callback(move |()| handle.cancel());
        peer.set_reading(true);
        assert!(first.into_result().expect("it was fired").is_ok());
        second.ignore();

        peer.set_reading(false);
        connection.write(vec![0; 1_000_000]).expect("it is open");
        reactor.settle();
        let waits = [connection.drained(), connection.ready()];
        connection.abort();
        reactor.settle();
        for wait in waits {
            let failure = wait.into_result().expect("it has a result").unwrap_err();
            assert!(failure.is::<Gone>());
        }
    });
}

#[test]
fn waits_for_a_pipe_leave_their_process() {
    let reactor = reactor();
    let process = reactor.spawn_process(Command::new("cat"), Quiet);
    let process = process.expect("cat is there");
    process.write(vec![b'x'; 10_000]).expect("it takes it");
    let stays = process.drained(0);
    for _ in 0..100 {
        assert_leaves(process.drained(0));
    }
    result_of(&reactor, stays).expect("cat reads");
    process.kill();
}

#[test]
fn waits_for_the_end_of_a_port_leave_it() {
    let reactor = reactor();
    let port = reactor
        .listen_udp("127.0.0.1:0", Quiet)
        .expect("a free port");
    let stays = port.stop_listening();
    for _ in 0..100 {
        assert_leaves(port.stop_listening());
    }
    result_of(&reactor, stays).expect("it is closed");
}

#[test]
fn waits_for_a_name_leave_its_look_up() {
    let reactor = reactor();
    let (answer, name) = Deferred::pair();
    let name = Cell::new(Some(name));
    reactor.set_resolver(move |_: &ReactorHandle, _: &str, _: u16| {
        name.take().expect("it is asked once")
    });
    let stays = reactor.resolve("example.org", 80);
    for _ in 0..100 {
        assert_leaves(reactor.resolve("example.org", 80));
    }
    assert!(!answer.is_fired(), "one still waits");
    assert_leaves(stays);
    assert!(answer.is_fired(), "the look-up is cancelled with the last");
}

/// Memory of this process in KiB.
fn memory() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<usize>().ok()? * 4)
}

#[test]
fn a_byte_stream_waits_for_one_thing_at_a_time() {
    const ROUNDS: usize = 100_000;
    let reactor = reactor();
    let port = reactor
        .listen_tcp("127.0.0.1:0", || Quiet)
        .expect("a free port");
    let stream = reactor.connect_tcp_stream(port.address());
    let mut stream = result_of(&reactor, stream).expect("it connects");
    let mut cx = TaskContext::from_waker(Waker::noop());
    stream
        .connection()
        .write(vec![0; 10_000_000])
        .expect("it is open");
    let before = memory();
    for _ in 0..ROUNDS {
        let write = Pin::new(&mut stream).poll_write(&mut cx, b"more");
        assert!(write.is_pending());
        let flush = Pin::new(&mut stream).poll_flush(&mut cx);
        assert!(flush.is_pending());
    }
    // A sanitizer keeps freed memory (`MEMORY_IS_KEPT`); then the size says nothing.
    if let (Some(before), Some(after), None) =
        (before, memory(), std::env::var_os("MEMORY_IS_KEPT"))
    {
        let grown = after.saturating_sub(before);
        // Twice that if each wait were kept; other tests of the process allocate, too.
        assert!(grown < ROUNDS * 3 / 5, "{grown} KiB for {ROUNDS} rounds");
    }
}

// --- cancels that go through ---

#[test]
fn cancelling_a_call_cancels_what_it_returned() {
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(Quiet);
        let (unfired, inner) = Deferred::<u32>::pair();
        let asked = connection.call(move |_this, _cx| inner);
        reactor.settle();
        assert!(!unfired.is_fired());
        asked.cancel();
        assert!(unfired.is_fired(), "the inner one was cancelled");
        let failure = asked.into_result().expect("it is over").unwrap_err();
        assert!(failure.is::<Cancelled>());

        // The same by a timeout, and with a canceller that gives a value.
        let (unfired, inner) =
            Deferred::with_canceller(|trigger| trigger.callback(7).expect("once"));
        let asked = connection
            .call(move |_this, _cx| inner)
            .add_timeout(Duration::from_secs(1), reactor);
        reactor.advance(Duration::from_secs(1));
        assert!(unfired.is_fired());
        assert_eq!(asked.into_result().expect("it is over").unwrap(), 7);
        peer.close();
    });
}

#[test]
fn a_call_that_is_cancelled_first_is_not_made() {
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(Quiet);
        let asked =
            connection.call(|_this, _cx| -> Result<()> { unreachable!("it was cancelled") });
        asked.cancel();
        reactor.settle();
        let failure = asked.into_result().expect("it is over").unwrap_err();
        assert!(failure.is::<Cancelled>());
        peer.close();
    });
}

#[test]
fn a_call_may_cancel_itself() {
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(Quiet);
        let (unfired, inner) = Deferred::<()>::pair();
        let own = Rc::new(RefCell::new(None::<deferred::DeferredHandle>));
        let handle = Rc::clone(&own);
        let mut asked = connection.call(move |_this, _cx| {
            if let Some(handle) = handle.take() {
                handle.cancel();
            }
            inner
        });
        own.replace(Some(asked.handle()));
        reactor.settle();
        let failure = asked.into_result().expect("it is over").unwrap_err();
        assert!(failure.is::<Cancelled>());
        assert!(
            unfired.is_fired(),
            "what it returned all the same is cancelled"
        );
        peer.close();
    });
}

#[test]
fn a_call_that_nobody_cancels_works_as_before() {
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(Quiet);
        let clock = reactor.handle();
        let asked = connection
            .call(move |_this, _cx| sleep(&clock, Duration::from_secs(1)).add_callback(|()| Ok(5)));
        reactor.advance(Duration::from_secs(1));
        assert_eq!(asked.into_result().expect("it is there").unwrap(), 5);
        // A Deferred that is let go of does not cancel the call.
        let made = Rc::new(Cell::new(false));
        let noting = Rc::clone(&made);
        connection.call(move |_this, _cx| noting.set(true)).detach();
        reactor.settle();
        assert!(made.get());
        peer.close();
        let gone = connection.call(|_this, _cx| ());
        assert!(gone.into_result().unwrap().unwrap_err().is::<Gone>());
    });
}

/// Notes why it ended.
struct Noting(Rc<RefCell<Vec<ConnectionClosed>>>);

impl Protocol for Noting {
    type Framing = Raw;

    fn connection_lost(&mut self, _: &mut reactor::Context<'_, Self>, reason: ConnectionClosed) {
        self.0.borrow_mut().push(reason);
    }
}

#[test]
fn cancelling_a_pump_ends_both_connections() {
    testing::run(|reactor| {
        let reasons = Rc::<RefCell<Vec<_>>>::default();
        let (from, source) = reactor.connect_to_peer(Noting(Rc::clone(&reasons)));
        let (to, sink) = reactor.connect_to_peer(Noting(Rc::clone(&reasons)));
        let pumping = pump(&from, &to).add_timeout(Duration::from_secs(60), reactor);
        source.send("hello");
        assert_eq!(sink.received(), b"hello");
        reactor.advance(Duration::from_secs(60));
        let late = pumping.into_result().expect("it is over");
        assert!(late.unwrap_err().is::<TimedOut>());
        assert!(source.was_reset() && sink.was_reset());
        assert!(matches!(
            **reasons.borrow(),
            [ConnectionClosed::Aborted, ConnectionClosed::Aborted]
        ));
    });
}
