//! What the types promise about size and threads.

use std::mem::size_of;

use deferred::{Deferred, DeferredHandle, Failure, Pause, Trigger, WeakTrigger};

const WORD: usize = size_of::<usize>();

#[test]
fn handles_are_one_word() {
    assert_eq!(size_of::<Failure>(), WORD);
    assert_eq!(size_of::<Option<Failure>>(), WORD);
    assert_eq!(size_of::<Trigger<[u8; 100]>>(), WORD);
    assert_eq!(size_of::<WeakTrigger<[u8; 100]>>(), WORD);
    assert_eq!(size_of::<DeferredHandle>(), WORD);
    assert_eq!(size_of::<Pause>(), WORD);
}

#[test]
fn a_deferred_is_little_more_than_its_value() {
    assert!(size_of::<Deferred<()>>() <= 3 * WORD);
    assert!(size_of::<Deferred<u64>>() <= 3 * WORD);
    assert!(size_of::<Deferred<[u64; 8]>>() <= 10 * WORD);
}

#[test]
fn a_result_of_nothing_is_one_word() {
    assert_eq!(size_of::<deferred::Result<()>>(), WORD);
}

#[test]
fn a_failure_is_send_and_sync() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Failure>();
    check::<deferred::Cancelled>();
    check::<deferred::Panicked>();
}

#[test]
fn a_deferred_is_unpin_whatever_its_value() {
    fn check<T: Unpin>() {}
    check::<Deferred<std::marker::PhantomPinned>>();
}
