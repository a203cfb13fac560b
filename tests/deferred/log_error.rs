//! `log_error` logs a failure and passes it on.

use deferred::{Deferred, fail, succeed};

use crate::support::{Coded, Reports, code, failure, value};

#[test]
fn it_passes_everything_on() {
    assert_eq!(value(succeed(1).log_error()), 1);
    assert_eq!(code(&failure(fail::<()>(Coded(2)).log_error())), 2);
    let (trigger, deferred) = Deferred::<()>::pair();
    let deferred = deferred.log_error();
    trigger.errback(Coded(3)).unwrap();
    assert_eq!(code(&failure(deferred)), 3);
}

#[test]
fn what_it_tells_of_is_handled() {
    Reports::during(|reports| {
        drop(fail::<()>(Coded(1)).log_error());
        assert!(reports.take().is_empty());
    });
}
