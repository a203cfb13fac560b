//! Panics: in callbacks they become failures, in drops they are contained.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use deferred::{Deferred, Panicked, State, maybe_deferred, succeed};

use crate::support::{Coded, Count, Log, PanicOnDrop, code, failure, value};

type Outcome = deferred::Result<i32>;

fn explode(_: i32) -> Outcome {
    panic!("in the callback")
}

#[test]
fn a_panic_goes_to_the_next_errback_not_to_its_own() {
    let log = Log::new();
    for fired_first in [true, false] {
        let (trigger, deferred) = Deferred::pair();
        if fired_first {
            trigger.callback(1).unwrap();
        }
        let (own, next) = (log.clone(), log.clone());
        let added = line!() + 2;
        let deferred = deferred
            .add_callbacks(explode, move |_| {
                own.add("own");
                Ok(0)
            })
            .add_errback(move |failure| {
                let panicked = failure.trap::<Panicked>()?;
                next.add(format_args!("next: {}", panicked.message()));
                assert_eq!(
                    failure.raised_at().line(),
                    added,
                    "where the stage was added"
                );
                Ok(2)
            });
        if !fired_first {
            trigger.callback(1).unwrap();
        }
        assert_eq!(log.take(), ["next: in the callback"]);
        assert_eq!(value(deferred), 2);
    }
}

#[test]
fn a_panic_in_an_errback_or_a_both_replaces_the_failure() {
    let deferred = deferred::fail::<i32>(Coded(1))
        .add_errback(|failure| -> Outcome { panic!("errback of {failure}") })
        .add_both(|result| -> Outcome { panic!("both of {}", result.unwrap_err()) });
    let failure = failure(deferred);
    let panicked = failure.downcast_ref::<Panicked>().expect("it panicked");
    assert_eq!(panicked.message(), "both of panicked: errback of error 1");
}

#[test]
fn a_panic_in_maybe_deferred() {
    let failed = failure(maybe_deferred(|| -> Outcome { panic!("at once") }));
    assert_eq!(failed.message(), "panicked: at once");
}

#[test]
fn a_chain_goes_on_after_many_panics() {
    let (trigger, mut deferred) = Deferred::pair();
    for n in 0..10 {
        deferred = deferred
            .add_callback(move |got| {
                assert_eq!(got, n);
                explode(got)
            })
            .add_errback(move |_| Ok(n + 1));
    }
    trigger.callback(0).unwrap();
    assert_eq!(deferred.state(), State::Done);
    assert_eq!(value(deferred), 10);
}

#[test]
fn a_panic_that_is_no_text() {
    let deferred = succeed(1).add_callback(|n: i32| -> Outcome { panic_any(n) });
    let failed = failure(deferred);
    let panicked = failed.check::<Panicked>().expect("it panicked");
    assert_eq!(panicked.message(), "a panic whose payload is no text");
}

/// A payload whose drop panics with another such payload, `left` times.
struct Bomb {
    left: usize,
    drops: Arc<AtomicUsize>,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        if self.left > 0 {
            panic_any(Self {
                left: self.left - 1,
                drops: Arc::clone(&self.drops),
            });
        }
    }
}

#[test]
fn a_payload_whose_drop_panics_is_contained() {
    let drops = Arc::new(AtomicUsize::new(0));
    for fired_first in [true, false] {
        let (trigger, deferred) = Deferred::pair();
        if fired_first {
            trigger.callback(()).unwrap();
        }
        let held = Arc::clone(&drops);
        let deferred = deferred.add_callback(move |()| -> Outcome {
            panic_any(Bomb {
                left: 3,
                drops: held,
            })
        });
        if !fired_first {
            trigger.callback(()).unwrap();
        }
        assert!(failure(deferred).is::<Panicked>());
        assert_eq!(drops.swap(0, Ordering::Relaxed), 4);
    }
}

#[test]
fn a_closure_that_panics_when_it_is_passed_by() {
    let drops = Count::new();
    let (trigger, deferred) = Deferred::pair();
    let held = PanicOnDrop(drops.clone());
    let deferred = deferred
        .add_errback(move |failure| {
            let _held = &held;
            Err::<i32, _>(failure)
        })
        .add_callback(|n| Ok(n + 1));
    trigger.callback(1).unwrap();
    assert_eq!(drops.get(), 1);
    assert_eq!(value(deferred), 2);
}

#[test]
fn closures_that_panic_when_the_chain_is_dropped_unrun() {
    let drops = Count::new();
    let (trigger, mut deferred) = Deferred::pair();
    let pause = deferred.pause();
    for _ in 0..3 {
        let held = PanicOnDrop(drops.clone());
        deferred = deferred.add_callback(move |n: i32| {
            let _held = &held;
            Ok(n)
        });
    }
    let others = Count::new();
    let held = others.on_drop();
    let deferred = deferred.add_callback(move |n| {
        let _held = &held;
        Ok(n)
    });
    // A pause that is forgotten keeps all that it holds up.
    trigger.callback(1).unwrap();
    drop(trigger);
    drop(deferred);
    assert_eq!((drops.get(), others.get()), (0, 0));
    pause.unpause();
    assert_eq!((drops.get(), others.get()), (3, 1));
}

#[test]
fn a_value_whose_drop_panics_is_contained() {
    let drops = Count::new();
    let bomb = || PanicOnDrop(drops.clone());

    drop(succeed(bomb()));
    assert_eq!(drops.get(), 1);

    let (trigger, deferred) = Deferred::pair();
    trigger.callback(bomb()).unwrap();
    drop(deferred);
    assert_eq!(drops.get(), 2);

    let (trigger, deferred) = Deferred::pair();
    drop(deferred);
    trigger.callback(bomb()).unwrap();
    assert_eq!(drops.get(), 3);

    let (trigger, deferred) = Deferred::<PanicOnDrop>::pair();
    deferred.cancel();
    assert!(trigger.callback(bomb()).is_ok());
    assert_eq!(drops.get(), 4, "swallowed");
    deferred.ignore();

    let (trigger, deferred) = Deferred::pair();
    trigger.callback(bomb()).unwrap();
    drop(trigger);
    deferred.ignore();
    assert_eq!(drops.get(), 5);
}

#[test]
fn a_canceller_whose_drop_panics_is_contained() {
    let drops = Count::new();
    let held = PanicOnDrop(drops.clone());
    let (trigger, deferred) = Deferred::with_canceller(move |_| drop(held));
    trigger.callback(1).unwrap();
    assert_eq!(drops.get(), 1);
    assert_eq!(value(deferred), 1);
}

struct PanickingWaker;

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("in the waker");
    }
}

#[test]
fn a_waker_that_panics_is_contained() {
    let (trigger, mut deferred) = Deferred::pair();
    let waker = Waker::from(Arc::new(PanickingWaker));
    let mut cx = Context::from_waker(&waker);
    assert!(Pin::new(&mut deferred).poll(&mut cx).is_pending());
    trigger.callback(1).unwrap();
    assert_eq!(value(deferred), 1);
}

struct BombWaker(Arc<AtomicUsize>);

impl Wake for BombWaker {
    fn wake(self: Arc<Self>) {}
}

impl Drop for BombWaker {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("in the drop of a waker");
    }
}

#[test]
fn a_waker_whose_drop_panics_is_contained() {
    let drops = Arc::new(AtomicUsize::new(0));
    let chain_has_the_last = || {
        let (trigger, mut deferred) = Deferred::<i32>::pair();
        let waker = Waker::from(Arc::new(BombWaker(Arc::clone(&drops))));
        assert!(
            Pin::new(&mut deferred)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        (trigger, deferred, waker)
    };

    // Woken.
    let (trigger, deferred, waker) = chain_has_the_last();
    drop(waker);
    trigger.callback(1).unwrap();
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    assert_eq!(value(deferred), 1);

    // Replaced.
    let (trigger, mut deferred, waker) = chain_has_the_last();
    drop(waker);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut deferred).poll(&mut cx).is_pending());
    assert_eq!(drops.load(Ordering::Relaxed), 2);
    trigger.callback(1).unwrap();
    assert_eq!(value(deferred), 1);

    // Let go unfired.
    let (trigger, deferred, waker) = chain_has_the_last();
    drop(waker);
    drop(deferred);
    trigger.callback(1).unwrap();
    drop(trigger);
    assert_eq!(drops.load(Ordering::Relaxed), 3);
}

#[test]
fn a_pause_that_ends_by_a_panic_runs_the_chain_at_once() {
    let log = Log::new();
    let (trigger, mut deferred) = Deferred::pair();
    let pause = deferred.pause();
    let sink = log.clone();
    let deferred = deferred.add_callback(move |n: i32| {
        sink.add(n);
        Ok(n)
    });
    trigger.callback(1).unwrap();
    let body = move || {
        let _pause = pause;
        panic!("with the pause");
    };
    let payload: Box<dyn Any + Send> = catch_unwind(AssertUnwindSafe(body)).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"with the pause"));
    assert_eq!(log.take(), ["1"], "before `value` looks");
    assert_eq!(value(deferred), 1);
}

#[test]
fn a_deferred_dropped_while_panicking_reports_its_failure() {
    crate::support::Reports::during(|reports| {
        let body = || {
            let _failed = deferred::fail::<()>(Coded(1));
            panic!("over it");
        };
        catch_unwind(AssertUnwindSafe(body)).unwrap_err();
        assert_eq!(reports.messages(), ["error 1"]);
    });
}

#[test]
fn a_panic_in_an_inner_run_stays_there() {
    let (trigger, inner) = Deferred::pair();
    let inner = inner.add_callback(explode);
    let deferred = succeed(5).add_callback(move |n| {
        trigger.callback(n).unwrap();
        Ok(n)
    });
    assert_eq!(value(deferred), 5);
    assert!(failure(inner).is::<Panicked>());
    let failed = deferred::fail::<i32>(Coded(1));
    assert_eq!(code(&failure(failed)), 1);
}
