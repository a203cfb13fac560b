//! Lists of lists of lists, thirty thousand deep, on a stack of 64 KiB.

use deferred::{
    Abandoned, Cancelled, Deferred, FirstError, Trigger, gather_results, race, settled,
};

use crate::deep_chains::on_a_small_stack;
use crate::support::{Coded, failure, value};

const DEPTH: usize = 30_000;

fn gathered() -> (Trigger<Vec<()>>, Deferred<Vec<()>>) {
    let (trigger, mut deferred) = Deferred::pair();
    for _ in 0..DEPTH {
        let inner = deferred.add_callback(|_values: Vec<()>| ());
        deferred = gather_results([inner]);
    }
    (trigger, deferred)
}

#[test]
fn gathered_and_fired() {
    on_a_small_stack(|| {
        let (trigger, deferred) = gathered();
        trigger.callback(vec![]).unwrap();
        assert_eq!(value(deferred).len(), 1);
    });
}

#[test]
fn gathered_and_failed() {
    on_a_small_stack(|| {
        let (trigger, deferred) = gathered();
        trigger.errback(Coded(1)).unwrap();
        let failure = failure(deferred);
        assert!(failure.is::<Coded>());
        assert_eq!(failure.chain().count(), DEPTH + 1);
    });
}

#[test]
fn gathered_and_cancelled() {
    on_a_small_stack(|| {
        let (_trigger, deferred) = gathered();
        deferred.cancel();
        let failure = failure(deferred);
        assert!(failure.is::<Cancelled>());
        assert_eq!(failure.check::<FirstError>().unwrap().index(), 0);
    });
}

#[test]
fn gathered_and_abandoned() {
    on_a_small_stack(|| {
        let (trigger, deferred) = gathered();
        drop(trigger);
        assert!(failure(deferred).is::<Abandoned>());
    });
}

#[test]
fn gathered_and_dropped_unfired() {
    on_a_small_stack(|| {
        let (trigger, deferred) = gathered();
        deferred.ignore();
        trigger.callback(vec![]).unwrap();
    });
}

#[test]
fn a_race_of_races_that_is_cancelled() {
    on_a_small_stack(|| {
        let (_trigger, mut deferred) = Deferred::<()>::pair();
        for _ in 0..DEPTH {
            deferred = race([deferred]).add_callback(|(_index, ())| ());
        }
        deferred.cancel();
        // Each race says what all of its parts failed with, which says what theirs did.
        let text = failure(deferred).to_string();
        assert!(text.ends_with("all of the deferreds failed: …"), "{text}");
    });
}

#[test]
fn settled_and_cancelled() {
    on_a_small_stack(|| {
        let (_trigger, mut deferred) = Deferred::<()>::pair();
        for _ in 0..DEPTH {
            deferred = settled([deferred]).add_callback(|_results| ());
        }
        deferred.cancel();
        value(deferred);
    });
}
