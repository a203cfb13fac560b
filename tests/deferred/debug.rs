//! What `Debug` of a Deferred shows.

use deferred::{Deferred, fail, succeed};

use crate::support::Coded;

/// So a place begins in the text.
fn at(line: u32) -> String {
    format!("{}:{line}:", file!())
}

/// How often `part` is in `text`.
fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn one_that_was_made_with_its_result_has_no_places() {
    assert_eq!(format!("{:?}", succeed(1)), "Deferred { state: Done }");
    let failed = fail::<()>(Coded(3));
    let expected = r#"Deferred { state: Done, failure: "error 3" }"#;
    assert_eq!(format!("{failed:?}"), expected);
    failed.ignore();
}

#[test]
fn it_shows_where_it_was_made_and_where_its_stages_were_added() {
    let (trigger, deferred) = Deferred::pair();
    let made_at = at(line!() - 1);
    let deferred = deferred
        .add_callback(|n: i32| Ok(n + 1))
        .add_errback(|_| Ok(0));
    let (first, second) = (at(line!() - 2), at(line!() - 1));

    let text = format!("{deferred:?}");
    let begin = format!("Deferred {{ state: Unfired, made_at: {made_at}");
    assert!(text.starts_with(&begin), "{text}");
    let (_, stages) = text.split_once("stages: [").expect("its stages");
    let stages: Vec<_> = stages.split(", ").collect();
    assert!(stages[0].starts_with(&format!("\"{first}")), "{text}");
    assert!(stages[1].starts_with(&format!("\"{second}")), "{text}");
    assert_eq!(stages.len(), 2, "{text}");

    trigger.callback(1).unwrap();
    let text = format!("{deferred:?}");
    assert!(text.starts_with("Deferred { state: Done, made_at: "));
    assert!(text.ends_with("stages: [] }"), "{text}");
}

#[test]
fn it_shows_its_failure_when_that_has_reached_the_end() {
    let (trigger, mut deferred) = Deferred::<()>::pair();
    let pause = deferred.pause();
    let deferred = deferred.add_callback(|()| ());
    trigger.errback(Coded(7)).unwrap();
    let text = format!("{deferred:?}");
    assert!(text.starts_with("Deferred { state: Paused, "), "{text}");
    assert!(!text.contains("stages: []"), "{text}");

    drop(pause);
    let text = format!("{deferred:?}");
    let begin = r#"Deferred { state: Done, failure: "error 7", made_at: "#;
    assert!(text.starts_with(begin), "{text}");
    deferred.ignore();
}

#[test]
fn one_that_waits_shows_for_whom() {
    let (_inner_trigger, inner) = Deferred::<()>::pair();
    let inner_made_at = at(line!() - 1);
    let outer = succeed(()).add_callback(move |()| inner);
    let later = at(line!() + 1);
    let outer = outer.add_callback(|()| Ok(1));

    let text = format!("{outer:?}");
    assert!(text.starts_with("Deferred { state: Waiting, "), "{text}");
    let (shown, waits_for) = text.split_once(", waits_for: [").expect("whom");
    assert_eq!(count(shown, &later), 1, "{text}");
    let begin = format!("Deferred {{ state: Unfired, made_at: {inner_made_at}");
    assert!(waits_for.starts_with(&begin), "{text}");
    assert_eq!(count(waits_for, "Deferred"), 1, "{text}");
    outer.ignore();
}

#[test]
fn of_many_stages_sixteen_are_shown() {
    for (stages, ending) in [(16, "\"] }"), (20, "\", and 4 more] }")] {
        let (_trigger, mut deferred) = Deferred::pair();
        for _ in 0..stages {
            deferred = deferred.add_callback(|n: i32| Ok(n + 1));
        }
        let text = format!("{deferred:?}");
        assert_eq!(count(&text, &at(line!() - 3)), 16, "{text}");
        assert!(text.ends_with(ending), "{text}");
        deferred.ignore();
    }
}

#[test]
fn of_a_long_line_of_waiters_sixteen_are_shown() {
    let (_trigger, mut deferred) = Deferred::<()>::pair();
    for _ in 0..20 {
        let inner = deferred;
        deferred = succeed(()).add_callback(move |()| inner);
        deferred = deferred.add_callback(|()| ());
    }
    let text = format!("{deferred:?}");
    let (_, line) = text.split_once("waits_for: [").expect("whom");
    assert_eq!(count(line, "Deferred {"), 16, "{text}");
    deferred.ignore();
}
