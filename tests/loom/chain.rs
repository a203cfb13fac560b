//! Two or three threads and one chain, in every order that there is.
//!
//! `loom` runs each of these again and again, until it has tried all; if two threads
//! could reach the parts of a chain at the same time, it says so.

#![cfg(deferred_loom)]

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use deferred::errors::WaitCycle;
use deferred::sync::{Deferred, Trigger, fail};
use deferred::{Cancelled, Failure};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use loom_model::{Counts, Token};

/// A pair of a chain of tokens.
fn pair() -> (Trigger<Token>, Deferred<Token>) {
    Deferred::pair()
}

/// Fires on another thread.
fn fire_elsewhere(trigger: Trigger<Token>, counts: &Counts) -> thread::JoinHandle<bool> {
    let token = counts.token();
    thread::spawn(move || trigger.callback(token).is_ok())
}

/// An atomic that two threads touch with relaxed ordering: `loom` then tries one of them
/// before the other and after it, without an order between their other accesses.
#[derive(Clone)]
struct Meeting(loom::sync::Arc<AtomicBool>);

impl Meeting {
    fn new() -> Self {
        Self(loom::sync::Arc::new(AtomicBool::new(false)))
    }

    fn was_there(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn look(&self) {
        self.0.load(Ordering::Relaxed);
    }
}

#[test]
fn what_is_added_while_somebody_fires_runs_once() {
    loom::model(|| {
        let counts = Counts::default();
        let (trigger, deferred) = pair();
        let firing = fire_elsewhere(trigger, &counts);
        let deferred = deferred
            .add_callback(counts.callback())
            .add_callback(counts.callback());
        assert!(firing.join().unwrap());
        let Ok(Ok(token)) = deferred.into_result() else {
            panic!("both have run, on whichever thread");
        };
        assert_eq!(counts.done(), 2);
        drop(token);
        counts.assert_nothing_left();
    });
}

#[test]
fn more_stages_than_a_core_has_room_for_are_run_in_order() {
    loom::model(|| {
        let (trigger, deferred) = Deferred::<Vec<u8>>::pair();
        let firing = thread::spawn(move || trigger.callback(Vec::new()).is_ok());
        let mut deferred = deferred;
        for number in 0..3_u8 {
            let (large, captures) = ([u64::from(number); 8], number);
            deferred = deferred.add_callback(move |mut seen: Vec<u8>| {
                assert_eq!(large, [u64::from(captures); 8]);
                seen.push(captures);
                Ok(seen)
            });
        }
        assert!(firing.join().unwrap());
        assert_eq!(deferred.into_result().unwrap().unwrap(), [0, 1, 2]);
    });
}

#[test]
fn of_two_that_fire_one_wins() {
    loom::model(|| {
        let counts = Counts::default();
        let (trigger, deferred) = pair();
        let deferred = deferred.add_callback(counts.callback());
        let elsewhere = fire_elsewhere(trigger.clone(), &counts);
        let here = trigger.callback(counts.token()).is_ok();
        drop(trigger);
        assert!(here != elsewhere.join().unwrap());
        assert_eq!(counts.done(), 1);
        drop(deferred);
        counts.assert_nothing_left();
    });
}

#[test]
fn a_result_is_taken_once_it_is_there() {
    loom::model(|| {
        let (counts, meeting) = (Counts::default(), Meeting::new());
        let (trigger, deferred) = pair();
        let deferred = deferred.add_callback(counts.callback());
        let (token, left) = (counts.token(), meeting.clone());
        let firing = thread::spawn(move || {
            trigger.callback(token).unwrap();
            left.was_there();
        });
        meeting.look();
        let taken = deferred.into_result();
        if taken.is_ok() {
            assert_eq!(counts.done(), 1);
        }
        firing.join().unwrap();
        let result = taken.or_else(Deferred::into_result).unwrap();
        drop(result.unwrap());
        counts.assert_nothing_left();
    });
}

#[test]
fn an_end_that_is_let_go_meanwhile_leaves_nothing() {
    loom::model(|| {
        let counts = Counts::default();
        let (trigger, deferred) = pair();
        let deferred = deferred.add_callback(counts.callback());
        let firing = fire_elsewhere(trigger, &counts);
        deferred.detach();
        assert!(firing.join().unwrap());
        assert_eq!(counts.done(), 1);
        counts.assert_nothing_left();
    });
}

#[test]
fn the_last_trigger_to_go_abandons_the_chain() {
    loom::model(|| {
        let counts = Counts::default();
        let (trigger, deferred) = pair();
        let failed = counts.clone();
        let deferred = deferred.add_errback(move |failure| {
            failed.note();
            Err::<Token, _>(failure)
        });
        let other = trigger.clone();
        let going = thread::spawn(move || drop(other));
        drop(trigger);
        going.join().unwrap();
        assert!(deferred.into_result().unwrap().is_err());
        assert_eq!(counts.done(), 1);
    });
}

#[test]
fn a_weak_trigger_fires_or_finds_nobody() {
    loom::model(|| {
        let counts = Counts::default();
        let (trigger, deferred) = pair();
        let weak = trigger.downgrade();
        let token = counts.token();
        let firing = thread::spawn(move || match weak.upgrade() {
            Some(trigger) => trigger.callback(token).is_ok(),
            None => false,
        });
        drop(trigger);
        let was_fired = firing.join().unwrap();
        let result = deferred.into_result().unwrap();
        assert_eq!(result.is_ok(), was_fired, "else it was abandoned");
        drop(result);
        counts.assert_nothing_left();
    });
}

#[test]
fn fired_or_cancelled() {
    loom::model(|| {
        let counts = Counts::default();
        let (trigger, mut deferred) = pair();
        let handle = deferred.handle();
        let firing = fire_elsewhere(trigger, &counts);
        handle.cancel();
        assert!(
            firing.join().unwrap(),
            "one fire after a cancel is swallowed"
        );
        match deferred.into_result().unwrap() {
            Ok(token) => drop(token),
            Err(failure) => assert!(failure.is::<Cancelled>()),
        }
        counts.assert_nothing_left();
    });
}

#[test]
fn a_pause_holds_up_what_it_is_in_time_for() {
    loom::model(|| {
        let counts = Counts::default();
        let (trigger, mut deferred) = pair();
        let handle = deferred.handle();
        let deferred = deferred.add_callback(counts.callback());
        let firing = fire_elsewhere(trigger, &counts);
        drop(handle.pause());
        assert!(firing.join().unwrap());
        drop(deferred.into_result().unwrap().unwrap());
        assert_eq!(counts.done(), 1);
        counts.assert_nothing_left();
    });
}

#[test]
fn a_result_is_taken_or_held_up() {
    loom::model(|| {
        let counts = Counts::default();
        let (trigger, mut deferred) = pair();
        let handle = deferred.handle();
        trigger.callback(counts.token()).unwrap();
        let pausing = thread::spawn(move || drop(handle.pause()));
        let taken = deferred.into_result();
        pausing.join().unwrap();
        let result = taken.or_else(Deferred::into_result).unwrap();
        drop(result.unwrap());
        counts.assert_nothing_left();
    });
}

#[test]
fn one_that_waits_for_another_gets_its_result() {
    loom::model(|| {
        let counts = Counts::default();
        let (inner_trigger, inner) = pair();
        let (trigger, outer) = Deferred::<()>::pair();
        let outer = outer
            .add_callback(move |()| inner)
            .add_callback(counts.callback());
        let firing = fire_elsewhere(inner_trigger, &counts);
        trigger.callback(()).unwrap();
        assert!(firing.join().unwrap());
        drop(outer.into_result().unwrap().unwrap());
        assert_eq!(counts.done(), 1);
        counts.assert_nothing_left();
    });
}

#[test]
fn two_that_wait_for_each_other_are_told_so() {
    // All orders would take hours.
    let mut orders = loom::model::Builder::new();
    orders.preemption_bound = Some(2);
    orders.check(|| {
        let counts = Counts::default();
        let ((trigger, a), (other_trigger, b)) = (Deferred::<()>::pair(), Deferred::<()>::pair());
        let (end_of_a, end_of_b) = (Place::default(), Place::default());
        let a = a.add_callback(end_of_b.taken()).add_both(refused(&counts));
        let b = b.add_callback(end_of_a.taken()).add_both(refused(&counts));
        end_of_a.put(a);
        end_of_b.put(b);
        let firing = thread::spawn(move || other_trigger.callback(()).is_ok());
        assert!(trigger.callback(()).is_ok());
        assert!(firing.join().unwrap());
        assert!(counts.done() >= 1, "one closed the circle, or both at once");
        counts.assert_nothing_left();
    });
}

/// Where the end of one chain lies until the other one takes it.
#[derive(Clone, Default)]
struct Place(Arc<Mutex<Option<Deferred<()>>>>);

impl Place {
    fn put(&self, end: Deferred<()>) {
        *self.0.lock().unwrap() = Some(end);
    }

    /// A callback that takes it, to wait for it.
    fn taken(&self) -> impl FnOnce(()) -> Deferred<()> + Send + use<> {
        let place = self.clone();
        move |()| {
            let end = place.0.lock().unwrap().take();
            end.unwrap_or_else(|| fail(Failure::msg("it was taken before")))
        }
    }
}

/// Notes a `WaitCycle`, and is content with it.
fn refused(
    counts: &Counts,
) -> impl FnOnce(deferred::Result<()>) -> deferred::Result<()> + Send + use<> {
    let (counts, token) = (counts.clone(), counts.token());
    move |result| {
        if result.is_err_and(|failure| failure.is::<WaitCycle>()) {
            counts.note();
        }
        drop(token);
        Ok(())
    }
}

struct Noted(Counts);

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.0.note();
    }
}

#[test]
fn who_awaits_it_is_woken_or_has_it() {
    loom::model(|| {
        let (counts, woken) = (Counts::default(), Counts::default());
        let (trigger, deferred) = pair();
        let firing = fire_elsewhere(trigger, &counts);
        let waker = Waker::from(Arc::new(Noted(woken.clone())));
        let mut awaited = pin!(deferred);
        let early = awaited.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(firing.join().unwrap());
        let late = match early {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                assert_eq!(woken.done(), 1);
                awaited.as_mut().poll(&mut Context::from_waker(&waker))
            }
        };
        let Poll::Ready(Ok(token)) = late else {
            panic!("it was fired");
        };
        drop(token);
        counts.assert_nothing_left();
    });
}
