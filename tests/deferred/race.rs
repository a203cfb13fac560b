//! `race`: the first success wins.

use deferred::{Cancelled, Deferred, FailureGroup, State, Trigger, fail, race, succeed};

use crate::support::{Coded, Log, Reports, code, failure, value};

fn pairs<T: 'static>(count: usize) -> (Vec<Trigger<T>>, Vec<Deferred<T>>) {
    (0..count).map(|_| Deferred::pair()).unzip()
}

#[test]
fn losers_are_cancelled_before_the_result_fires() {
    Reports::during(|reports| {
        let log = Log::new();
        let (winner, part) = Deferred::pair();
        let losers = ["a", "b"].map(|name| {
            let log = log.clone();
            Deferred::with_canceller(move |_trigger| log.add(name))
        });
        let [(_first_trigger, first), (_last_trigger, last)] = losers;
        let sink = log.clone();
        let won = race([first, part, last]).add_callback(move |(index, value)| {
            sink.add(format_args!("{index}: {value}"));
            Ok(value)
        });
        winner.callback(5).unwrap();
        assert_eq!(log.take(), ["a", "b", "1: 5"]);
        assert_eq!(value(won), 5);
        assert!(reports.messages().is_empty());
    });
}

#[test]
fn one_that_is_there_wins_at_once() {
    let (triggers, mut parts) = pairs(2);
    parts.insert(1, succeed(7));
    assert_eq!(value(race(parts)), (1, 7));
    assert!(
        triggers.iter().all(Trigger::is_fired),
        "also those behind it"
    );
}

#[test]
fn a_failure_does_not_end_it() {
    Reports::during(|reports| {
        let (triggers, parts) = pairs(2);
        let won = race(parts);
        triggers[0].errback(Coded(1)).unwrap();
        assert_eq!(won.state(), State::Unfired);
        triggers[1].callback("b").unwrap();
        assert_eq!(value(won), (1, "b"));
        assert!(reports.messages().is_empty());
    });
}

#[test]
fn if_all_fail_the_failures_stand_in_order() {
    let (triggers, parts) = pairs::<()>(2);
    let lost = race(parts);
    triggers[1].errback(Coded(2)).unwrap();
    triggers[0].errback(Coded(1)).unwrap();
    let failed = failure(lost);
    let group = failed.downcast_ref::<FailureGroup>().unwrap();
    assert_eq!(group.iter().map(code).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(group.into_iter().count(), 2);
}

#[test]
fn a_race_of_nobody_fails_at_once() {
    let failed = failure(race::<()>([]));
    assert!(
        failed
            .check::<FailureGroup>()
            .unwrap()
            .failures()
            .is_empty()
    );
    let failed = failure(race([fail::<()>(Coded(1))]));
    assert_eq!(failed.check::<FailureGroup>().unwrap().iter().count(), 1);
}

#[test]
fn a_loser_that_succeeds_when_cancelled_is_ignored() {
    let (_loser, part) = Deferred::with_canceller(|trigger: Trigger<_>| {
        trigger.callback("late").unwrap();
    });
    let (winner, other) = Deferred::pair();
    let won = race([part, other]);
    winner.callback("first").unwrap();
    assert_eq!(value(won), (1, "first"));
}

#[test]
fn a_cancel_cancels_all() {
    let (triggers, parts) = pairs::<()>(2);
    let lost = race(parts);
    lost.cancel();
    assert!(triggers.iter().all(Trigger::is_fired));
    let failed = failure(lost);
    let group = failed.downcast_ref::<FailureGroup>().unwrap();
    assert!(group.iter().all(|failure| failure.is::<Cancelled>()));
}

#[test]
fn one_that_succeeds_when_all_are_cancelled_wins() {
    let (_fast, part) = Deferred::with_canceller(|trigger: Trigger<_>| {
        trigger.callback("what there was").unwrap();
    });
    let (_slow, other) = Deferred::pair();
    let won = race([other, part]);
    won.cancel();
    assert_eq!(value(won), (1, "what there was"));
}

#[test]
fn a_winner_after_the_cancel_is_swallowed() {
    Reports::during(|reports| {
        let (trigger, mut part) = Deferred::pair();
        let pause = part.pause();
        trigger.callback(1).unwrap();
        let lost = race([part]);
        lost.cancel();
        assert!(failure(lost).is::<Cancelled>(), "it is held up");
        pause.unpause();
        assert!(reports.messages().is_empty());
    });
}

#[test]
fn a_race_that_waits_forwards_a_cancel() {
    let (inner_trigger, inner) = Deferred::<()>::pair();
    let waiting = race([succeed(1)]).add_callback(move |_first| inner);
    waiting.cancel();
    assert!(inner_trigger.is_fired());
    assert!(failure(waiting).is::<Cancelled>());
}
