//! The chains of this project.

use std::hint::black_box;

use deferred::{Deferred, Failure, Result, succeed};

use super::payload::{Inner, Number, Payload, Refused};

/// Made, given `n` callbacks, fired, its result taken, dropped.
#[inline(always)]
pub(super) fn chain<P: Payload>(n: usize) {
    let (trigger, mut deferred) = Deferred::pair();
    for index in 0..n {
        let step = P::step(index);
        deferred = deferred.add_callback(move |value| Ok(step(value)));
    }
    let _ = trigger.callback(P::start());
    let _ = black_box(deferred.into_result());
}

/// A value that is there, and `n` callbacks.
#[inline(always)]
pub(super) fn ready<P: Payload>(n: usize) {
    let mut deferred = succeed(P::start());
    for index in 0..n {
        let step = P::step(index);
        deferred = deferred.add_callback(move |value| Ok(step(value)));
    }
    let _ = black_box(deferred.into_result());
}

/// A failure over `n - 1` callbacks to an errback that handles it.
#[inline(always)]
pub(super) fn failure(n: usize) {
    let (trigger, mut deferred) = Deferred::pair();
    for index in 1..n {
        let step = Number::step(index);
        deferred = deferred.add_callback(move |value| Ok(step(value)));
    }
    let instead = black_box((7, 8, 9));
    let deferred =
        deferred.add_errback(move |_failure: Failure| Ok(instead.0 + instead.1 + instead.2));
    let _ = trigger.errback(black_box(Refused(1)));
    let _ = black_box(deferred.into_result());
}

/// `n` Deferreds that wait, each for the one before, which its callback returned;
/// then the first is fired.
#[inline(always)]
pub(super) fn links(n: usize) {
    let (trigger, mut deferred) = Deferred::pair();
    for _ in 0..n {
        let inner = deferred;
        let (ready, outer) = Deferred::pair();
        deferred = outer.add_callback(move |()| inner);
        let _ = ready.callback(());
    }
    let _ = trigger.callback(Number::start());
    let _ = black_box(deferred.into_result());
}

/// `n` callbacks, the second of which, or the only one, returns another Deferred.
#[inline(always)]
pub(super) fn nested(n: usize, inner: Inner) {
    let (trigger, mut deferred) = Deferred::pair();
    let (inner_trigger, inner_deferred) = match inner {
        Inner::Ready => (None, succeed(black_box(2))),
        Inner::Fired => {
            let (trigger, deferred) = Deferred::pair();
            let _ = trigger.callback(black_box(2));
            (None, deferred)
        }
        Inner::Pending => {
            let (trigger, deferred) = Deferred::pair();
            (Some(trigger), deferred)
        }
    };
    let mut inner_deferred = Some(inner_deferred);
    for index in 0..n {
        deferred = match inner_deferred.take_if(|_| index == 1.min(n - 1)) {
            Some(inner) => deferred.add_callback(move |_value| inner),
            None => {
                let step = Number::step(index);
                deferred.add_callback(move |value| Ok(step(value)))
            }
        };
    }
    let _ = trigger.callback(Number::start());
    if let Some(inner_trigger) = inner_trigger {
        let _ = inner_trigger.callback(black_box(2));
    }
    let result: Result<Result<i64>, _> = black_box(deferred.into_result());
    debug_assert!(result.is_ok());
}
