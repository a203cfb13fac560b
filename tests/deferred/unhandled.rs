//! Reports of unhandled failures.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use deferred::unhandled;
use deferred::{Abandoned, Deferred, Failure, fail, succeed};

use crate::support::{Coded, Count, Reports, code, failure};

#[test]
fn one_is_reported_when_the_end_is_dropped_and_once() {
    Reports::during(|reports| {
        let line = line!() + 1;
        let (trigger, deferred) = Deferred::<()>::pair();
        trigger.errback(Coded(1)).unwrap();
        assert!(reports.take().is_empty());
        drop(deferred);
        let told = reports.take();
        assert_eq!(told.len(), 1);
        assert_eq!(code(told[0].failure()), 1);
        assert!(!told[0].is_minor());
        let made_at = told[0].made_at().expect("it had to wait");
        assert_eq!((made_at.file(), made_at.line()), (file!(), line));
        let text = told[0].to_string();
        assert!(
            text.starts_with("unhandled failure in a deferred: error 1\n"),
            "{text}"
        );
        assert!(
            text.contains(&format!("made at {}:{line}:", file!())),
            "{text}"
        );
        drop(trigger);
        assert!(reports.take().is_empty());
    });
}

#[test]
fn one_that_comes_after_the_end_was_dropped_is_reported_when_it_comes() {
    Reports::during(|reports| {
        let (trigger, deferred) = Deferred::<()>::pair();
        drop(deferred);
        assert!(reports.take().is_empty());
        trigger.errback(Coded(2)).unwrap();
        let told = reports.take();
        assert_eq!(told.len(), 1);
        assert!(!told[0].is_minor(), "it is no abandonment");
    });
}

#[test]
fn one_that_never_waited_is_reported_without_a_place() {
    Reports::during(|reports| {
        drop(fail::<()>(Coded(3)));
        let told = reports.take();
        assert_eq!(told.len(), 1);
        assert!(told[0].made_at().is_none());
    });
}

#[test]
fn passing_on_or_raising_again_is_not_handling() {
    Reports::during(|reports| {
        drop(fail::<()>(Coded(1)).add_errback(Err::<(), _>));
        assert_eq!(reports.messages(), ["error 1"]);
        drop(fail::<()>(Coded(2)).add_both(|result| result));
        assert_eq!(reports.messages(), ["error 2"]);
        drop(fail::<()>(Coded(3)).add_errback(|_| Err::<(), _>(Failure::new(Coded(4)))));
        assert_eq!(reports.messages(), ["error 4"]);
    });
}

#[test]
fn what_was_handled_is_not_reported() {
    Reports::during(|reports| {
        drop(fail::<()>(Coded(1)).add_errback(|_| Ok(())));
        fail::<()>(Coded(2)).ignore();
        drop(failure(fail::<()>(Coded(3))));
        let mut awaited = fail::<()>(Coded(4));
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Err(failure)) = Pin::new(&mut awaited).poll(&mut cx) else {
            panic!("it is there");
        };
        drop(failure);
        drop(awaited);
        drop(succeed(5));
        assert!(reports.take().is_empty());
    });
}

#[test]
fn ignore_lets_the_chain_run_and_hides_what_comes() {
    Reports::during(|reports| {
        let runs = Count::new();
        let (trigger, deferred) = Deferred::<()>::pair();
        let counter = runs.clone();
        deferred
            .add_both(move |result| {
                counter.add();
                result
            })
            .ignore();
        trigger.errback(Coded(1)).unwrap();
        assert_eq!(runs.get(), 1);
        assert!(reports.take().is_empty());
    });
}

#[test]
fn detach_still_reports() {
    Reports::during(|reports| {
        fail::<()>(Coded(1)).detach();
        let (trigger, deferred) = Deferred::<()>::pair();
        deferred.detach();
        trigger.errback(Coded(2)).unwrap();
        assert_eq!(reports.messages(), ["error 1", "error 2"]);
    });
}

#[test]
fn abandonment_is_minor_only_if_the_end_was_gone() {
    Reports::during(|reports| {
        let (trigger, deferred) = Deferred::<()>::pair();
        drop(deferred);
        drop(trigger);
        let told = reports.take();
        assert_eq!(told.len(), 1);
        assert!(told[0].failure().is::<Abandoned>() && told[0].is_minor());

        let (trigger, deferred) = Deferred::<()>::pair();
        drop(trigger);
        assert!(
            reports.take().is_empty(),
            "the Deferred may still get an errback"
        );
        drop(deferred);
        let told = reports.take();
        assert_eq!(told.len(), 1);
        assert!(told[0].failure().is::<Abandoned>() && !told[0].is_minor());
    });
}

#[test]
fn a_failure_held_by_a_pause_is_reported_when_it_ends() {
    Reports::during(|reports| {
        let (trigger, mut deferred) = Deferred::<()>::pair();
        let pause = deferred.pause();
        trigger.errback(Coded(1)).unwrap();
        drop(deferred);
        assert!(reports.take().is_empty());
        drop(pause);
        assert_eq!(reports.messages(), ["error 1"]);
        drop(trigger);
        assert!(reports.take().is_empty());
    });
}

#[test]
fn a_failure_held_by_a_paused_inner_is_reported_once() {
    Reports::during(|reports| {
        let (trigger, mut inner) = Deferred::<()>::pair();
        let pause = inner.pause();
        trigger.errback(Coded(1)).unwrap();
        drop(succeed(()).add_callback(move |()| inner));
        assert!(reports.take().is_empty());
        pause.unpause();
        assert_eq!(reports.messages(), ["error 1"]);
    });
}

#[test]
fn the_innermost_hook_hears_of_it() {
    let inner_hook = Reports::during(|outer| {
        drop(fail::<()>(Coded(1)));
        let told = Reports::during(|inner| {
            drop(fail::<()>(Coded(2)));
            inner.messages()
        });
        assert_eq!(outer.messages(), ["error 1"]);
        drop(fail::<()>(Coded(3)));
        assert_eq!(outer.messages(), ["error 3"]);
        told
    });
    assert_eq!(inner_hook, ["error 2"]);
}

#[test]
fn a_hook_is_gone_after_a_panic_in_its_body() {
    Reports::during(|outer| {
        let inner = Count::new();
        let counter = inner.clone();
        let body = || {
            unhandled::with_hook(move |_| counter.add(), || panic!("in the body"));
        };
        catch_unwind(AssertUnwindSafe(body)).unwrap_err();
        drop(fail::<()>(Coded(1)));
        assert_eq!(inner.get(), 0);
        assert_eq!(outer.messages(), ["error 1"]);
    });
}

#[test]
fn a_panic_in_a_hook_is_contained() {
    let calls = Count::new();
    let counter = calls.clone();
    let hook = move |_: &unhandled::Unhandled| {
        counter.add();
        panic!("in the hook");
    };
    unhandled::with_hook(hook, || {
        drop(fail::<()>(Coded(1)));
        assert_eq!(calls.get(), 1);
        let (trigger, deferred) = Deferred::<()>::pair();
        drop(deferred);
        trigger.errback(Coded(2)).unwrap();
        assert_eq!(calls.get(), 2);
    });
}

#[test]
fn a_hook_may_use_deferreds_and_fail_itself() {
    let depth = Count::new();
    let counter = depth.clone();
    let hook = move |unhandled: &unhandled::Unhandled| {
        counter.add();
        let n = code(unhandled.failure());
        if n < 5 {
            drop(fail::<()>(Coded(n + 1)));
        }
    };
    unhandled::with_hook(hook, || drop(fail::<()>(Coded(1))));
    assert_eq!(depth.get(), 1, "the second goes to the log");
}

/// An error that cannot say what it is.
#[derive(Debug)]
struct Speechless;

impl std::fmt::Display for Speechless {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Err(std::fmt::Error)
    }
}

impl std::error::Error for Speechless {}

#[test]
fn an_error_that_cannot_be_printed_does_no_harm() {
    let failure = Failure::new(Speechless);
    assert_eq!(failure.message(), "");
    // The default report, inside a drop that works through the backlog.
    let (trigger, deferred) = Deferred::<()>::pair();
    deferred
        .add_errback(|_| Err::<(), _>(Failure::new(Speechless)))
        .detach();
    drop(trigger);
    // Which still works.
    let (trigger, deferred) = Deferred::<()>::pair();
    drop(trigger);
    assert!(deferred.into_result().is_ok());
}
