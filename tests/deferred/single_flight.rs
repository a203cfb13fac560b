//! `SingleFlight`: equal questions share one answer while it is being found.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use deferred::{Cancelled, Deferred, Failure, SingleFlight, Trigger, fail, succeed};

use crate::support::{Count, failure, value};

/// Starts calls, which the test answers.
#[derive(Clone, Default)]
struct Server {
    started: Rc<RefCell<Vec<Trigger<i32>>>>,
    cancelled: Count,
}

impl Server {
    fn start(&self) -> Deferred<i32> {
        let cancelled = self.cancelled.clone();
        let (trigger, result) = Deferred::with_canceller(move |_| cancelled.add());
        self.started.borrow_mut().push(trigger);
        result
    }

    fn answer(&self, number: i32) {
        let trigger = self.started.borrow_mut().remove(0);
        trigger.callback(number).unwrap();
    }

    fn waiting(&self) -> usize {
        self.started.borrow().len()
    }
}

#[test]
fn equal_calls_share_one_result() {
    let (server, flights) = (Server::default(), SingleFlight::new());
    let same = flights.clone();
    let first = flights.get("a", || server.start());
    let second = same.get("a", || unreachable!("one is in flight"));
    let other = flights.get("b", || server.start());
    assert_eq!((server.waiting(), flights.len()), (2, 2));
    server.answer(1);
    assert_eq!((value(first), value(second)), (1, 1));
    assert_eq!(flights.len(), 1);
    // It is no cache.
    let again = flights.get("a", || server.start());
    server.answer(2);
    server.answer(3);
    assert_eq!((value(other), value(again)), (2, 3));
    assert!(flights.is_empty());
}

#[test]
fn all_get_the_failure() {
    let flights = SingleFlight::<_, i32>::new();
    let (trigger, result) = Deferred::pair();
    let waiters = [
        flights.get(1, || result),
        flights.get(1, || unreachable!("one is in flight")),
    ];
    trigger.errback(Failure::msg("no")).unwrap();
    for waiter in waiters {
        assert_eq!(failure(waiter).to_string(), "no");
    }
    assert!(flights.is_empty());
}

#[test]
fn a_result_that_is_there_is_not_kept() {
    let flights = SingleFlight::new();
    assert_eq!(value(flights.get(1, || succeed(1))), 1);
    assert_eq!(value(flights.get(1, || succeed(2))), 2);
    let failed = flights.get(1, || fail(Failure::msg("no")));
    assert_eq!(failure(failed).to_string(), "no");
    assert!(flights.is_empty());
}

#[test]
fn the_last_waiter_that_is_cancelled_cancels_the_call() {
    let (server, flights) = (Server::default(), SingleFlight::new());
    let [first, second] = [(); 2].map(|()| flights.get(1, || server.start()));
    let cancel = |waiter: Deferred<i32>| {
        waiter.cancel();
        assert!(failure(waiter).is::<Cancelled>());
    };
    cancel(first);
    assert_eq!(server.cancelled.get(), 0);
    assert_eq!(flights.len(), 1);
    cancel(second);
    assert_eq!(server.cancelled.get(), 1);
    assert!(flights.is_empty());
}

/// A waiter's callback, and the canceller of the call, find no call in flight.
#[test]
fn a_call_that_is_ending_is_not_shared() {
    let (server, flights) = (Server::default(), SingleFlight::new());
    let (asking, again) = (server.clone(), flights.clone());
    let chained = flights.get(1, || server.start()).add_callback(move |n| {
        again
            .get(1, || asking.start())
            .add_callback(move |m| Ok(n + m))
    });
    server.answer(1);
    assert_eq!(server.waiting(), 1);
    server.answer(10);
    assert_eq!(value(chained), 11);

    let (asking, again) = (server.clone(), flights.clone());
    let second = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&second);
    let (_trigger, result) = Deferred::with_canceller(move |_| {
        slot.replace(Some(again.get(1, || asking.start())));
    });
    let first = flights.get(1, || result);
    first.cancel();
    assert!(failure(first).is::<Cancelled>());
    assert_eq!(flights.len(), 1, "the new one");
    server.answer(2);
    assert_eq!(value(second.take().unwrap()), 2);
}

#[test]
fn start_may_call_itself_or_panic() {
    let (server, flights) = (Server::default(), SingleFlight::new());
    let mut inner = None;
    let outer = flights.get(1, || {
        inner = Some(flights.get(1, || server.start()));
        server.start()
    });
    server.answer(1);
    assert_eq!(flights.len(), 1, "the outer one");
    server.answer(2);
    assert_eq!((value(inner.unwrap()), value(outer)), (1, 2));

    let panicking = catch_unwind(AssertUnwindSafe(|| {
        flights.get(1, || panic!("it cannot start")).ignore();
    }));
    assert!(panicking.is_err());
    assert!(flights.is_empty());
}

#[test]
fn waiters_outlive_the_map() {
    let (server, flights) = (Server::default(), SingleFlight::new());
    let waiter = flights.get(1, || server.start());
    drop(flights);
    server.answer(7);
    assert_eq!(value(waiter), 7);
}

#[test]
fn all_calls_are_ended_with_one_failure_each() {
    let (server, flights) = (Server::default(), SingleFlight::new());
    let mut other = flights.get("b", || server.start());
    let leave = other.handle();
    let first = flights.get("a", || server.start());
    let second = flights.get("a", || server.start());
    // Whichever call ends first: a waiter may cancel that of another.
    let first = first.add_errback(move |failure| {
        leave.cancel();
        Err(failure)
    });
    flights.fail_all(|| Failure::msg("disconnected"));
    for waiter in [first, second] {
        assert_eq!(failure(waiter).to_string(), "disconnected");
    }
    other.add_errback(|_| Ok(0)).ignore();
    assert_eq!((server.cancelled.get(), flights.len()), (2, 0));

    let anew = flights.get("a", || server.start());
    assert_eq!((server.waiting(), flights.len()), (3, 1));
    anew.ignore();
}
