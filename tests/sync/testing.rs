//! What helps in tests and in logs, for Deferreds of several threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use deferred::assertions::{
    assert_no_result, failure_of, failure_result_of, success_result_of, with_no_unhandled,
};
use deferred::sync::{Deferred, fail};
use deferred::{Cancelled, Panicked};
use tracing::Span;
use tracing::subscriber::with_default;

use crate::support::{Coded, value};

#[test]
fn the_assertions_take_both_flavours() {
    with_no_unhandled(|| {
        let (trigger, deferred) = Deferred::pair();
        let length = deferred.add_callback(|text: &str| Ok(text.len()));
        assert_no_result(&length);
        thread::spawn(move || trigger.callback("four"))
            .join()
            .unwrap()
            .unwrap();
        assert_eq!(success_result_of(length), 4);
        assert_eq!(failure_of(fail::<()>(Coded(2))).message(), "error 2");
        let (_trigger, slow) = Deferred::<()>::pair();
        slow.cancel();
        assert_eq!(failure_result_of::<Cancelled, _>(slow), Cancelled::new());
    });
}

#[test]
fn an_assertion_that_fails_says_what_it_saw() {
    let (_trigger, deferred) = Deferred::<()>::pair();
    let body = AssertUnwindSafe(|| success_result_of(deferred));
    let payload = catch_unwind(body).expect_err("there is no result");
    let message = Panicked::from_payload(payload).message().to_owned();
    assert!(message.contains("no result yet"), "{message}");
    assert!(message.contains("Unfired"), "{message}");
}

#[test]
fn callbacks_run_in_the_span_they_were_added_in() {
    let here = || Span::current().metadata().map(|span| span.name());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::sink)
        .finish();
    with_default(subscriber, || {
        let (trigger, deferred) = Deferred::pair();
        let request = tracing::info_span!("request");
        let seen = request.in_scope(|| {
            deferred
                .in_current_span()
                .add_callback(move |()| Ok(here()))
                .add_both(move |seen| Ok((seen?, here())))
                .into_deferred()
        });
        let seen = seen.add_callback(move |(first, second)| Ok([first, second, here()]));
        tracing::info_span!("elsewhere").in_scope(|| trigger.callback(()).unwrap());
        assert_eq!(
            value(seen),
            [Some("request"), Some("request"), Some("elsewhere")]
        );
    });
}
