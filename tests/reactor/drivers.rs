//! `spawn_driver`: futures of other crates that do the I/O of a connection.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use deferred::assertions::{assert_no_result, failure_of, success_result_of};
use deferred::{Cancelled, Deferred, Failure, Panicked, sleep};
use futures::AsyncReadExt;
use reactor::testing::{self, TestReactor};
use reactor::{ByteStream, ByteStreamProtocol, Phase, ReactorGone, SystemEvent};

use crate::support::{Count, reactor};

/// Notes its drop.
struct Dropped(Count);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// A future that never ends, and the count of its drops.
fn endless() -> (impl Future<Output = ()>, Count) {
    let is_dropped = Count::default();
    let dropped = Dropped(is_dropped.clone());
    let future = async move {
        let _dropped = dropped;
        pending::<()>().await;
    };
    (future, is_dropped)
}

/// Reads until the end or an error, which it returns.
async fn read_all(mut stream: ByteStream) -> io::Result<()> {
    let mut input = Vec::new();
    stream.read_to_end(&mut input).await?;
    Ok(())
}

/// A driver that waits for its peer, its Deferred, and the peer.
fn waiting(reactor: &TestReactor) -> (Deferred<()>, testing::Peer) {
    let (protocol, stream) = ByteStreamProtocol::pair();
    let (_, peer) = reactor.connect_to_peer(protocol);
    let driving = reactor.spawn_driver(read_all(success_result_of(stream)));
    (driving, peer)
}

#[test]
fn a_driver_begins_at_once_and_its_end_is_the_result() {
    testing::run(|reactor| {
        let begun = Rc::new(Cell::new(false));
        let noting = Rc::clone(&begun);
        let driving = reactor.spawn_driver(async move { noting.set(true) });
        assert!(begun.get());
        success_result_of(driving);

        let (driving, peer) = waiting(reactor);
        assert_no_result(&driving);
        peer.finish();
        success_result_of(driving);
    });
}

#[test]
fn an_error_of_a_driver_is_its_result() {
    testing::run(|reactor| {
        let (driving, peer) = waiting(reactor);
        peer.reset();
        let failure = failure_of(driving);
        let error = failure.check::<io::Error>().expect("an error of reading");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);

        let driving = reactor.spawn_driver(async { Err(Failure::msg("of its own")) });
        assert_eq!(failure_of(driving).to_string(), "of its own");
    });
}

#[test]
fn a_panic_of_a_driver_is_its_failure_and_closes_its_connection() {
    testing::run(|reactor| {
        let (protocol, stream) = ByteStreamProtocol::pair();
        let (_, peer) = reactor.connect_to_peer(protocol);
        let mut stream = success_result_of(stream);
        let driving = reactor.spawn_driver(async move {
            let mut byte = [0];
            if stream.read_exact(&mut byte).await.is_ok() {
                panic!("a driver panics");
            }
        });
        peer.send("x");
        assert!(failure_of(driving).is::<Panicked>());
        assert!(peer.is_closed());
    });
}

/// The connection of the driver ends by the stop, which is no failure that anybody would have
/// to handle: `testing::run` fails if one is reported.
#[test]
fn a_driver_ends_quietly_at_a_stop() {
    testing::run(|reactor| {
        let (driving, _peer) = waiting(reactor);
        driving.detach();
        // Another one, that hears of nothing.
        let (future, is_dropped) = endless();
        let silent = reactor.spawn_driver(future);
        reactor.shut_down();
        assert_eq!(is_dropped.get(), 1);
        success_result_of(silent);
    });
}

#[test]
fn a_driver_of_a_real_loop_ends_quietly_at_a_stop() {
    let reactor = reactor();
    let (future, is_dropped) = endless();
    let driving = reactor.spawn_driver(future);
    let handle = reactor.handle();
    reactor.call_when_running(move || handle.stop());
    reactor.run().expect("it runs");
    assert_eq!(is_dropped.get(), 1);
    success_result_of(driving);
}

#[test]
fn a_driver_ends_quietly_when_its_reactor_is_dropped() {
    let reactor = reactor();
    let (future, is_dropped) = endless();
    let driving = reactor.spawn_driver(future);
    drop(reactor);
    assert_eq!(is_dropped.get(), 1);
    success_result_of(driving);
}

/// While a trigger holds up the shutdown, drivers go on, and an error is none of a driver's.
#[test]
fn an_error_of_a_driver_during_the_shutdown_is_quiet() {
    testing::run(|reactor| {
        let (driving, peer) = waiting(reactor);
        let handle = reactor.handle();
        reactor.add_system_event_trigger(Phase::Before, SystemEvent::Shutdown, move || {
            sleep(&handle, Duration::from_secs(1))
        });
        reactor.call_later(Duration::ZERO, {
            let handle = reactor.handle();
            move || handle.stop()
        });
        reactor.advance(Duration::from_millis(500));
        assert_no_result(&driving);
        peer.reset();
        success_result_of(driving);
        reactor.advance(Duration::from_secs(1));
    });
}

#[test]
fn drivers_work_again_when_the_loop_runs_again() {
    let reactor = reactor();
    for _ in 0..3 {
        let driving = reactor.spawn_driver(pending::<()>());
        let handle = reactor.handle();
        reactor.call_when_running(move || handle.stop());
        reactor.run().expect("it runs");
        success_result_of(driving);
    }
}

#[test]
fn cancelling_drops_a_driver_that_waits_for_anything() {
    testing::run(|reactor| {
        let (future, is_dropped) = endless();
        let driving = reactor.spawn_driver(future);
        driving.cancel();
        assert_eq!(is_dropped.get(), 1);
        assert!(failure_of(driving).is::<Cancelled>());

        let (driving, peer) = waiting(reactor);
        driving.cancel();
        assert!(failure_of(driving).is::<Cancelled>());
        assert!(peer.is_closed());
    });
}

#[test]
fn a_cancelled_driver_may_end_its_own_way() {
    testing::run(|reactor| {
        let handle = reactor.handle();
        let driving = reactor.spawn_driver(async move {
            let slept = sleep(&handle, Duration::from_secs(9)).await;
            assert!(slept.is_err_and(|failure| failure.is::<Cancelled>()));
        });
        driving.cancel();
        success_result_of(driving);
    });
}

/// A driver that has ended leaves nothing in the loop, however many there were.
#[test]
fn drivers_that_have_ended_leave_no_trigger() {
    testing::run(|reactor| {
        let held = Rc::new(());
        for _ in 0..100 {
            let captured = Rc::clone(&held);
            let waker: Rc<RefCell<Option<Waker>>> = Rc::default();
            let slot = Rc::clone(&waker);
            let driving = reactor.spawn_driver(async move {
                let mut has_waited = false;
                poll_fn(|cx| {
                    if std::mem::replace(&mut has_waited, true) {
                        return Poll::Ready(());
                    }
                    slot.replace(Some(cx.waker().clone()));
                    Poll::Pending
                })
                .await;
                drop(captured);
            });
            let waker = waker.take().expect("it waits");
            waker.wake();
            reactor.settle();
            success_result_of(driving);
        }
        assert_eq!(Rc::strong_count(&held), 1);
        reactor.shut_down();
    });
}

#[test]
fn a_driver_for_a_reactor_that_is_gone_is_dropped() {
    let owner = reactor();
    let handle = owner.handle();
    drop(owner);
    let (future, is_dropped) = endless();
    let driving = handle.spawn_driver(future);
    assert!(failure_of(driving).is::<ReactorGone>());
    assert_eq!(is_dropped.get(), 1);
}

/// What a driver is made of need not be named.
#[test]
fn drivers_of_any_type_are_taken() {
    fn boxed<'a>() -> std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'a>> {
        Box::pin(async { Err(io::ErrorKind::TimedOut.into()) })
    }
    testing::run(|reactor| {
        let failure = failure_of(reactor.spawn_driver(boxed()));
        let error = failure.check::<io::Error>().expect("that error");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    });
}
