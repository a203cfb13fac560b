//! Random programs, run on the crate and on a model of it that is as simple as can
//! be: both must leave the same trace, and nothing behind.
//!
//! `PROPTEST_CASES` says how many programs are tried.

#![expect(
    clippy::duplicate_mod,
    reason = "the programs are run on each flavour of Deferred"
)]

mod any_thread;
mod flavour;
mod generate;
mod naive;
mod program;
mod real;

use std::collections::BTreeMap;
use std::env;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use self::program::{Error, Event, Looks, Op, Trace};

#[test]
fn the_crate_does_what_the_model_does() {
    compare(real::run);
}

#[test]
fn so_does_the_flavour_for_several_threads() {
    compare(any_thread::run);
}

fn compare(run: fn(&[Op]) -> Trace) {
    let defaults = ProptestConfig::default();
    let config = ProptestConfig {
        cases: match env::var_os("PROPTEST_CASES") {
            Some(_) => defaults.cases,
            None => 1000,
        },
        max_shrink_iters: 100_000,
        // The failing program is printed, so that it can become a test of its own.
        failure_persistence: None,
        ..defaults
    };
    let outcome = TestRunner::new(config).run(&generate::program(), |ops| {
        let expected = naive::run(&ops);
        prop_assert_eq!(expected.leaked, 0, "the model left something behind");
        prop_assert_eq!(run(&ops), expected, "left: the crate, right: the model");
        Ok(())
    });
    if let Err(difference) = outcome {
        panic!("{difference}");
    }
}

/// The programs would show nothing if some things never came about in them. With
/// `--nocapture`, it prints how often they do.
#[test]
fn the_programs_reach_everything() {
    let mut runner = TestRunner::deterministic();
    let strategy = generate::program();
    let mut counts = BTreeMap::<&str, usize>::new();
    for _ in 0..1000 {
        let Ok(tree) = strategy.new_tree(&mut runner) else {
            panic!("the strategy rejects nothing");
        };
        for event in naive::run(&tree.current()).events {
            *counts.entry(name_of(&event)).or_default() += 1;
        }
    }
    println!("{counts:#?}");
    assert_eq!(counts.len(), 21, "{counts:?}");
}

fn name_of(event: &Event) -> &'static str {
    match event {
        Event::Called(_, Ok(_)) => "called with a value",
        Event::Called(_, Err(Error::Coded(_))) => "called with an error",
        Event::Called(_, Err(Error::Cancelled)) => "called with Cancelled",
        Event::Called(_, Err(Error::Abandoned)) => "called with Abandoned",
        Event::Called(_, Err(Error::AlreadyCalled)) => "called with AlreadyCalled",
        Event::Called(_, Err(Error::WaitCycle)) => "called with WaitCycle",
        Event::Called(_, Err(Error::Panicked)) => "called with Panicked",
        Event::Canceller(_) => "canceller",
        Event::Refused(_, Ok(_)) => "refused value",
        Event::Refused(_, Err(_)) => "refused error",
        Event::Unhandled(Error::WaitCycle) => "unhandled WaitCycle",
        Event::Unhandled(_) => "unhandled",
        Event::Result(_, Ok(_)) => "value taken",
        Event::Result(_, Err(_)) => "error taken",
        Event::NoResult(_) => "no result",
        Event::Looks(_, Looks::Unfired) => "unfired",
        Event::Looks(_, Looks::Running) => "running",
        Event::Looks(_, Looks::Waiting) => "waiting",
        Event::Looks(_, Looks::Paused) => "paused",
        Event::Looks(_, Looks::Done) => "done",
        Event::Looks(_, Looks::Resting) => "resting",
    }
}
