//! Callbacks that run in the span they were added in.

use deferred::{Deferred, Failure};
use tracing::Span;
use tracing::subscriber::with_default;

use crate::support::{Log, value};

/// The name of the current span, or nothing.
fn here() -> String {
    let span = Span::current();
    span.metadata()
        .map_or_else(String::new, |metadata| metadata.name().to_owned())
}

#[test]
fn each_side_runs_in_the_span_and_what_comes_after_does_not() {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::sink)
        .finish();
    with_default(subscriber, || {
        let log = Log::new();
        let (trigger, deferred) = Deferred::pair();
        let notes: Vec<_> = (0..5).map(|_| log.clone()).collect();
        let [a, b, c, d, e] = <[Log; 5]>::try_from(notes).unwrap_or_else(|_| unreachable!());
        let request = tracing::info_span!("request");
        let chain = request.in_scope(|| {
            deferred
                .in_current_span()
                .add_callback(move |n: i32| {
                    a.add(here());
                    Ok(n + 1)
                })
                .add_both(move |result| {
                    b.add(here());
                    result?;
                    Err::<i32, _>(Failure::msg("no"))
                })
                .add_errback(move |_| {
                    c.add(here());
                    Ok(1)
                })
                .add_callbacks(
                    move |n| {
                        d.add(here());
                        Ok(n)
                    },
                    |_| Ok(0),
                )
                .into_deferred()
        });
        let chain = chain.add_callback(move |n| {
            e.add(here());
            Ok(n)
        });
        tracing::info_span!("elsewhere").in_scope(|| trigger.callback(1).unwrap());
        let seen = log.take();
        assert_eq!(
            seen,
            ["request", "request", "request", "request", "elsewhere"]
        );
        assert_eq!(value(chain), 1);
    });
}
