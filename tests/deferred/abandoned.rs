//! Deferreds whose triggers are all gone.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::unhandled;
use deferred::{Abandoned, Deferred, Failure, State, fail};

use crate::support::{Coded, Log, Reports, code, failure, value};

#[test]
fn the_last_trigger_dropped_unfired_fails_it() {
    let log = Log::new();
    let line = line!() + 1;
    let (trigger, deferred) = Deferred::<()>::pair();
    let sink = log.clone();
    let deferred = deferred.add_errback(move |failure| {
        sink.add(failure.is::<Abandoned>());
        Err::<(), _>(failure)
    });
    let other = trigger.clone();
    drop(trigger);
    assert_eq!(deferred.state(), State::Unfired);
    assert!(log.take().is_empty());
    drop(other);
    assert_eq!(log.take(), ["true"]);
    assert_eq!(
        failure(deferred).raised_at().line(),
        line,
        "where it was made"
    );
}

#[test]
fn a_fired_or_cancelled_one_is_not_abandoned() {
    let (trigger, deferred) = Deferred::pair();
    trigger.callback(1).unwrap();
    drop(trigger);
    assert_eq!(value(deferred), 1);

    let (trigger, deferred) = Deferred::<()>::pair();
    deferred.cancel();
    drop(trigger);
    assert!(failure(deferred).is::<deferred::Cancelled>());
}

#[test]
fn weak_triggers_do_not_count() {
    let (trigger, deferred) = Deferred::<()>::pair();
    let weak = trigger.downgrade();
    drop(trigger);
    assert!(failure(deferred).is::<Abandoned>());
    assert!(weak.upgrade().is_none());
}

#[test]
fn an_upgraded_weak_trigger_counts() {
    let (trigger, deferred) = Deferred::pair();
    let upgraded = trigger.downgrade().upgrade().expect("there is one");
    drop(trigger);
    assert_eq!(deferred.state(), State::Unfired);
    upgraded.callback(1).unwrap();
    drop(upgraded);
    assert_eq!(value(deferred), 1);
}

#[test]
fn a_trigger_captured_in_anothers_stage_goes_with_it() {
    let (first, d1) = Deferred::<()>::pair();
    let (second, d2) = Deferred::<i32>::pair();
    let d1 = d1.add_callback(move |()| second.callback(1).unwrap());
    first.errback(Coded(1)).unwrap();
    assert_eq!(code(&failure(d1)), 1);
    assert!(
        failure(d2).is::<Abandoned>(),
        "its stage was passed by and dropped"
    );
}

#[test]
fn a_trigger_captured_by_a_callback_that_panics() {
    let log = Log::new();
    let (other, waits) = Deferred::<()>::pair();
    let sink = log.clone();
    let waits = waits.add_errback(move |failure| {
        sink.add(failure);
        Ok(())
    });
    for fired_first in [true, false] {
        log.take();
        let (other, waits) = if fired_first {
            (other.clone(), None)
        } else {
            let (other, waits) = Deferred::<()>::pair();
            let sink = log.clone();
            (
                other,
                Some(waits.add_errback(move |failure| {
                    sink.add(failure);
                    Ok(())
                })),
            )
        };
        let (trigger, deferred) = Deferred::pair();
        if fired_first {
            trigger.callback(()).unwrap();
        }
        let sink = log.clone();
        let deferred = deferred
            .add_callback(move |()| -> deferred::Result<()> {
                let _other = other;
                panic!("in the callback");
            })
            .add_errback(move |_| {
                sink.add("the errback");
                Ok(())
            });
        if !fired_first {
            trigger.callback(()).unwrap();
        }
        value(deferred);
        let told = log.take();
        if let Some(waits) = waits {
            assert_eq!(
                told,
                [
                    "the deferred was abandoned: its last trigger was dropped without firing it",
                    "the errback"
                ]
            );
            value(waits);
        } else {
            assert_eq!(told, ["the errback"], "another trigger is left");
        }
    }
    drop(other);
    assert_eq!(log.take().len(), 1);
    value(waits);
}

#[test]
fn many_abandoned_inside_one_another_run_one_after_the_other() {
    Reports::during(|reports| {
        let log = Log::new();
        let (mut trigger, last) = Deferred::<()>::pair();
        last.ignore();
        for n in 0..3 {
            let held = trigger;
            let (next, deferred) = Deferred::<()>::pair();
            let sink = log.clone();
            deferred
                .add_errback(move |failure| {
                    drop(held);
                    sink.add(n);
                    Err::<(), _>(failure)
                })
                .ignore();
            trigger = next;
        }
        drop(trigger);
        assert_eq!(log.take(), ["2", "1", "0"]);
        assert!(reports.take().is_empty());
    });
}

#[test]
fn a_trigger_that_goes_with_its_thread() {
    use std::cell::RefCell;
    use std::sync::mpsc;

    type Kept = (deferred::Trigger<()>, Option<Deferred<()>>);
    thread_local! {
        static KEPT: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
    }
    for abandoned_before in [true, false] {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let keep = || {
                let (trigger, deferred) = Deferred::<()>::pair();
                let sender = sender.clone();
                let deferred = deferred.add_errback(move |failure| {
                    sender.send(failure.is::<Abandoned>()).unwrap();
                    Ok(())
                });
                (trigger, Some(deferred))
            };
            if abandoned_before {
                // So that what the crate itself keeps for the thread is made first.
                drop(keep());
                assert!(receiver.recv().unwrap());
            }
            KEPT.with(|kept| kept.borrow_mut().extend([keep(), keep()]));
            receiver
        });
        let receiver = thread.join().unwrap();
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [true, true]);
    }
}

/// What a client does that connects, then waits for an answer: if there is no
/// connection, the one failure is enough.
#[test]
fn one_that_a_failure_keeps_from_being_waited_for_is_minor() {
    let reports = Rc::new(RefCell::new(Vec::new()));
    let sink = Rc::clone(&reports);
    unhandled::with_hook(
        move |unhandled| {
            let told = (unhandled.failure().message(), unhandled.is_minor());
            sink.borrow_mut().push(told);
        },
        || {
            let (trigger, pending) = Deferred::pair();
            for connecting in [fail(Failure::msg("refused")), pending] {
                let (answered, answer) = Deferred::<()>::pair();
                connecting
                    .add_callback(move |()| {
                        let _protocol = answered;
                        Ok(())
                    })
                    .add_callback(move |()| answer)
                    .detach();
            }
            drop(trigger);
        },
    );
    let expected = [
        (Abandoned::new().to_string(), true),
        ("refused".to_owned(), false),
        (Abandoned::new().to_string(), true),
        (Abandoned::new().to_string(), true),
    ];
    assert_eq!(*reports.borrow(), expected);
}
