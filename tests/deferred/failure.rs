//! `Failure`: asking what it is, and the story it tells.

use std::error::Error;
use std::fmt;

use deferred::{Deferred, Failure, fail, succeed};

use crate::support::{Coded, code, failure, value};

/// An error that has a cause.
#[derive(Debug)]
struct Outer(Coded);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outer")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn check_searches_the_causes_and_downcast_ref_does_not() {
    let failure = Failure::new(Outer(Coded(1)));
    assert_eq!(failure.check::<Coded>(), Some(&Coded(1)));
    assert!(failure.is::<Coded>() && failure.is::<Outer>());
    assert!(failure.downcast_ref::<Coded>().is_none());
    assert!(failure.downcast_ref::<Outer>().is_some());
    assert!(failure.check::<fmt::Error>().is_none());
    assert_eq!(failure.chain().count(), 2);
}

#[test]
fn trap_lets_others_go_on_to_the_next_errback() {
    let trapping = |deferred: Deferred<i32>| {
        deferred
            .add_errback(|failure| {
                failure.trap::<fmt::Error>()?;
                Ok(1)
            })
            .add_errback(|failure| Ok(failure.trap::<Coded>()?.0))
    };
    assert_eq!(value(trapping(fail(fmt::Error))), 1);
    assert_eq!(value(trapping(fail(Coded(2)))), 2);
    let unknown = failure(trapping(fail(Failure::msg("other"))));
    assert_eq!(unknown.message(), "other");
}

#[test]
fn display_is_one_line_with_the_causes_and_message_is_without() {
    let failure = Failure::new(Outer(Coded(7)));
    assert_eq!(format!("{failure}"), "outer: error 7");
    assert_eq!(format!("{failure:#}"), "outer: error 7");
    assert_eq!(failure.message(), "outer");
    assert_eq!(failure.as_error().to_string(), "outer");
    let failure = Failure::new(Coded(8));
    assert_eq!(format!("{failure}"), "error 8");
    assert_eq!(failure.message(), "error 8");
}

fn here(line: u32) -> String {
    format!("raised at {}:{line}:", file!())
}

#[test]
fn it_knows_the_place_of_the_question_mark() {
    let first = line!() + 2;
    let deferred = succeed("x").add_callback(|text| {
        let number: i32 = text.parse()?;
        Ok(number)
    });
    let failure = failure(deferred);
    assert_eq!(failure.raised_at().line(), first);
    assert!(format!("{failure:?}").contains(&here(first)), "{failure:?}");
}

#[test]
fn it_knows_the_place_of_fail_and_errback_and_into() {
    let line = line!() + 1;
    let failed = failure(fail::<()>(Coded(1)));
    assert_eq!(failed.raised_at().line(), line);
    assert_eq!(failed.raised_at().file(), file!());

    let (trigger, deferred) = Deferred::<()>::pair();
    let line = line!() + 1;
    trigger.errback(Coded(2)).unwrap();
    assert_eq!(failure(deferred).raised_at().line(), line);

    let line = line!() + 1;
    let made: Failure = Coded(3).into();
    assert_eq!(made.raised_at().line(), line);

    let line = line!() + 1;
    let boxed = Failure::from_box(Box::new(Coded(4)));
    assert_eq!(boxed.raised_at().line(), line);
    assert_eq!(code(&boxed), 4, "a boxed error is found in its box");
}

#[test]
fn a_failure_given_to_errback_keeps_its_place() {
    let line = line!() + 1;
    let made = Failure::new(Coded(1));
    let (trigger, deferred) = Deferred::<()>::pair();
    trigger.errback(made).unwrap();
    assert_eq!(failure(deferred).raised_at().line(), line);
}

#[test]
fn the_debug_form_tells_the_full_story() {
    let raised = line!() + 1;
    let (trigger, deferred) = (fail::<i32>(Outer(Coded(1))), line!() + 1);
    let deferred = (trigger.add_callback(|n| Ok(n + 1)), deferred);
    let failure = failure(deferred.0);
    let story = format!("{failure:?}");
    let expected = [
        "outer".to_owned(),
        "  caused by: error 1".to_owned(),
        format!("  {}", here(raised)),
        format!("  left the stage added at {}:{}:", file!(), deferred.1),
    ];
    let lines: Vec<_> = story.lines().collect();
    assert!(lines.len() >= expected.len(), "{story}");
    for (line, expected) in lines.iter().zip(&expected) {
        assert!(line.starts_with(expected.as_str()), "{story}");
    }
}

#[test]
fn the_trail_keeps_the_first_four_and_the_last_four() {
    for stages in [0, 1, 3, 4, 5, 7, 8, 9, 12, 1000_u32] {
        let (trigger, mut deferred) = Deferred::<i32>::pair();
        let mut lines = Vec::new();
        // Two places in turn, so that the order shows.
        for stage in 0..stages {
            if stage % 3 == 0 {
                deferred = deferred.add_callback(Ok);
                lines.push(line!() - 1);
            } else {
                deferred = deferred.add_callback(|n| Ok(n + 1));
                lines.push(line!() - 1);
            }
        }
        trigger.errback(Coded(1)).unwrap();
        let failure = failure(deferred);
        let trail = failure.trail();
        assert_eq!(trail.count(), u64::from(stages));
        let kept: Vec<_> = trail.places().map(|place| place.line()).collect();
        let expected: Vec<_> = if lines.len() <= 8 {
            lines
        } else {
            [&lines[..4], &lines[lines.len() - 4..]].concat()
        };
        assert_eq!(kept, expected, "{stages} stages");
        let story = format!("{failure:?}");
        let forgotten = story.contains(&format!("… {} more stages", stages.saturating_sub(8)));
        assert_eq!(forgotten, stages > 8, "{story}");
    }
}

#[test]
fn a_shared_failure_notes_no_stages_but_goes_on() {
    let failure_at_first = Failure::new(Coded(1));
    let kept = failure_at_first.clone();
    let deferred = fail::<i32>(failure_at_first).add_callback(Ok);
    assert_eq!(code(&failure(deferred)), 1);
    assert_eq!(kept.trail().count(), 0);
}

#[test]
fn into_error_of_a_sole_owner_is_the_error_itself() {
    let error = Failure::new(Coded(5)).into_error();
    assert_eq!(error.downcast_ref::<Coded>(), Some(&Coded(5)));
}

#[test]
fn into_error_of_a_shared_one_reads_the_same() {
    let failure = Failure::new(Outer(Coded(6)));
    let error = failure.clone().into_error();
    assert_eq!(error.to_string(), "outer");
    let cause = error.source().expect("it has a cause");
    assert_eq!(cause.downcast_ref::<Coded>(), Some(&Coded(6)));
    assert!(failure.is::<Outer>());
}

#[test]
fn question_mark_turns_a_failure_into_a_boxed_error() {
    fn plain() -> Result<(), Box<dyn Error>> {
        Err(Failure::new(Coded(1)))?
    }
    fn sendable() -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(Failure::new(Coded(2)))?
    }
    assert_eq!(plain().unwrap_err().to_string(), "error 1");
    assert_eq!(sendable().unwrap_err().to_string(), "error 2");
}

#[test]
fn a_failure_may_go_to_another_thread() {
    let failure = failure(fail::<()>(Coded(3)));
    let kept = failure.clone();
    let told = std::thread::spawn(move || format!("{failure:?}")).join();
    assert_eq!(told.unwrap(), format!("{kept:?}"));
}
