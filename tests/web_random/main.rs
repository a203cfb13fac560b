//! Random runs of the web server, its client, its reverse proxy and its rooms, all at once, on a
//! network in memory and a clock that is moved: whatever peers do, and whenever, no request is
//! answered twice, none gets the answer to another, none is lost without an error, and nothing is
//! left behind.
//!
//! Each run is chosen by a number, its seed. 200 are tried; `WEB_SEEDS=10000` tries as many, and
//! `WEB_SEED=17` one of them, with its story.

mod client;
mod ledger;
mod member;
mod random;
mod raw;
mod site;
mod world;

use std::collections::BTreeMap;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use deferred::assertions::with_no_unhandled;

use self::ledger::Ledger;

/// Runs `seed`; a failure is printed with the command that repeats it.
fn run(seed: u64) -> Rc<Ledger> {
    let ledger = Rc::<Ledger>::default();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        with_no_unhandled(|| world::run(seed, &ledger));
        let violations = ledger.violations();
        assert!(violations.is_empty(), "{}", violations.join("\n"));
    }));
    if number("WEB_SEED").is_some() {
        println!("{}", ledger.trace().join("\n"));
    }
    if let Err(panic) = outcome {
        println!("seed {seed} has failed; this repeats it, and prints its story:");
        println!("  WEB_SEED={seed} cargo test -p tests --test web_random");
        resume_unwind(panic);
    }
    ledger
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().expect("it is a number"))
}

#[test]
fn every_request_has_one_answer_or_an_error_and_nothing_is_left() {
    if let Some(seed) = number("WEB_SEED") {
        run(seed);
        return;
    }
    let mut counts = BTreeMap::<&str, usize>::new();
    for seed in 0..number("WEB_SEEDS").unwrap_or(200) {
        let ledger = run(seed);
        for (event, count) in ledger.counts() {
            *counts.entry(event).or_default() += count;
        }
    }
    // The runs would show nothing if some things never came about in them.
    println!("{counts:#?}");
    for event in [
        "HTTP/2",
        "answered",
        "answered by proxy",
        "502",
        "503",
        "504",
        "cancelled",
        "timed out",
        "failed",
        "an upstream has died",
        "a good peer",
        "a bad peer",
        "a connection is parked",
        "a parked connection is used",
        "a member has stayed",
        "a member has left",
    ] {
        assert!(counts.contains_key(event), "{event}: never, of {counts:?}");
    }
}

#[test]
fn a_seed_is_the_same_run_each_time() {
    for seed in 0..5 {
        assert_eq!(run(seed).trace(), run(seed).trace(), "seed {seed}");
    }
}
