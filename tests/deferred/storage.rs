//! Values and closures of all sizes and alignments through a chain.

use std::cell::Cell;
use std::rc::Rc;

use deferred::{Deferred, fail, succeed};

use crate::support::{Coded, Count, OnDrop, code, failure, value};

/// A value that counts its drop and knows what is in it.
trait Sample: 'static {
    fn make(seed: u8, drops: &Count) -> Self;
    /// Checks the content and the alignment.
    fn check(&self, seed: u8);
}

macro_rules! sample {
    ($name:ident, $align:literal, $bytes:literal) => {
        #[repr(align($align))]
        struct $name {
            bytes: [u8; $bytes],
            _drops: OnDrop,
        }

        impl Sample for $name {
            fn make(seed: u8, drops: &Count) -> Self {
                Self {
                    bytes: std::array::from_fn(|i| seed.wrapping_add(i as u8)),
                    _drops: drops.on_drop(),
                }
            }

            fn check(&self, seed: u8) {
                assert_eq!(std::ptr::from_ref(self) as usize % align_of::<Self>(), 0);
                for (i, byte) in self.bytes.iter().enumerate() {
                    assert_eq!(*byte, seed.wrapping_add(i as u8));
                }
            }
        }
    };
}

// The counter takes one word: sizes of 8, 16, 64, 72, 1008 bytes, and so on.
sample!(Word, 8, 0);
sample!(OneByte, 8, 1);
sample!(JustFits, 8, 56);
sample!(JustTooLarge, 8, 57);
sample!(Large, 8, 1000);
sample!(Aligned16, 16, 1);
sample!(Aligned64, 64, 1);
sample!(Aligned64Large, 64, 500);

/// Sends a value through a chain in each of the ways there are.
fn through_a_chain<S: Sample>() {
    let drops = Count::new();
    let check = |seed| {
        move |sample: S| {
            sample.check(seed);
            Ok(sample)
        }
    };

    // Ready, added to.
    let sample = value(succeed(S::make(1, &drops)).add_callback(check(1)));
    sample.check(1);
    assert_eq!(drops.get(), 0);
    drop(sample);
    assert_eq!(drops.get(), 1);

    // Fired, with stages that pass it by; then dropped inside.
    let (trigger, deferred) = Deferred::pair();
    let deferred = deferred
        .add_callback(check(2))
        .add_errback(Err::<S, _>)
        .add_both(|result| result)
        .add_callback(check(2));
    trigger.callback(S::make(2, &drops)).unwrap();
    assert_eq!(drops.get(), 1);
    drop(deferred);
    assert_eq!(drops.get(), 2);

    // Handed from inner to outer.
    let (start, outer) = Deferred::pair();
    let (trigger, inner) = Deferred::pair();
    let outer = outer.add_callback(move |()| inner).add_callback(check(3));
    start.callback(()).unwrap();
    trigger.callback(S::make(3, &drops)).unwrap();
    value(outer).check(3);
    assert_eq!(drops.get(), 3);

    // Held by a pause, made with a handle, chained on.
    let mut deferred = succeed(S::make(4, &drops));
    let pause = deferred.pause();
    let (target, to) = Deferred::pair();
    let from = deferred.add_callback(check(4)).chain_deferred(target);
    drop(pause);
    value(from);
    value(to).check(4);
    assert_eq!(drops.get(), 4);

    // Replaced by a failure, and by a value of another size.
    let (trigger, deferred) = Deferred::pair();
    let deferred = deferred
        .add_callback(|sample: S| {
            drop(sample);
            Err::<u8, _>(deferred::Failure::new(Coded(5)))
        })
        .add_errback(|failure| Ok(code(&failure) as u8))
        .add_callback(|n| Ok([n; 100]));
    trigger.callback(S::make(5, &drops)).unwrap();
    assert_eq!(value(deferred), [5; 100]);
    assert_eq!(drops.get(), 5);

    // The Deferred is dropped, so the value is never read.
    let (trigger, deferred) = Deferred::pair();
    drop(deferred);
    trigger.callback(S::make(6, &drops)).unwrap();
    assert_eq!(drops.get(), 6);
    drop(trigger.callback(S::make(7, &drops)).unwrap_err());
    assert_eq!(drops.get(), 7);
}

#[test]
fn values_of_many_sizes_and_alignments() {
    through_a_chain::<Word>();
    through_a_chain::<OneByte>();
    through_a_chain::<JustFits>();
    through_a_chain::<JustTooLarge>();
    through_a_chain::<Large>();
    through_a_chain::<Aligned16>();
    through_a_chain::<Aligned64>();
    through_a_chain::<Aligned64Large>();
}

#[test]
fn plain_values_of_awkward_sizes() {
    #[repr(align(64))]
    #[derive(Clone, Copy, PartialEq, Debug)]
    struct NothingAligned;

    fn check<T: PartialEq + std::fmt::Debug + Copy + 'static>(sample: T) {
        let (trigger, deferred) = Deferred::pair();
        let deferred = deferred.add_callback(move |got| {
            assert_eq!(got, sample);
            assert_eq!((&raw const got) as usize % align_of::<T>(), 0);
            Ok((got, 1_u8))
        });
        trigger.callback(sample).unwrap();
        assert_eq!(value(deferred), (sample, 1));
        assert_eq!(value(succeed(sample)), sample);
    }
    check(());
    check(NothingAligned);
    check(1_u8);
    check([1_u8; 3]);
    check(u128::MAX);
    check([7_u8; 64]);
    check([7_u8; 65]);
    check([[7_u8; 25]; 40]);
}

/// Adds a callback that captures `N` bytes to each of two chains, one run and
/// one dropped unrun.
fn capture<const N: usize>(
    run: Deferred<usize>,
    unrun: Deferred<usize>,
    drops: &Count,
) -> (Deferred<usize>, Deferred<usize>) {
    let stage = || {
        let bytes = [N as u8; N];
        let held = drops.on_drop();
        move |sum| {
            let _held = held;
            assert!(bytes.iter().all(|byte| *byte == N as u8));
            Ok(sum + bytes.len())
        }
    };
    (run.add_callback(stage()), unrun.add_callback(stage()))
}

#[test]
fn closures_that_capture_from_nothing_to_thousands_of_bytes() {
    let drops = Count::new();
    let (trigger, run) = Deferred::pair();
    let (other, unrun) = Deferred::pair();
    let mut both = (run.add_callback(Ok), unrun.add_callback(Ok));
    macro_rules! capture_each {
        ($($bytes:literal)*) => {$( both = capture::<$bytes>(both.0, both.1, &drops); )*};
    }
    capture_each!(0 1 2 7 8 9 15 16 17 31 64 100 119 120 121 127 128 129 1000 5000);
    capture_each!(5000 129 1 0 120 8 121 3 0 0 0);
    trigger.callback(0).unwrap();
    assert_eq!(drops.get(), 31);
    let sum = 1 + 2 + 7 + 8 + 9 + 15 + 16 + 17 + 31 + 64 + 100 + 119 + 120 + 121 + 127 + 128;
    let sum = sum + 129 + 1000 + 5000 + 5000 + 129 + 1 + 120 + 8 + 121 + 3;
    assert_eq!(value(both.0), sum);
    drop(both.1);
    assert_eq!(drops.get(), 31);
    // Abandoned: all of them are passed by.
    drop(other);
    assert_eq!(drops.get(), 62);
}

#[test]
fn closures_with_odd_alignments() {
    #[repr(align(32))]
    struct Aligned(u64);
    let (trigger, mut deferred) = Deferred::pair();
    let (other, mut unrun) = Deferred::pair();
    // A stage of one word between them, so that they do not lie alike.
    for i in 0..40_u64 {
        let stage = || {
            let aligned = Aligned(i);
            move |n: u64| {
                let aligned = &aligned;
                assert_eq!(std::ptr::from_ref(aligned) as usize % 32, 0);
                Ok(n + aligned.0)
            }
        };
        deferred = deferred
            .add_callback(stage())
            .add_callback(move |n| Ok(n + i));
        unrun = unrun.add_callback(stage()).add_callback(move |n| Ok(n + i));
    }
    trigger.callback(1).unwrap();
    assert_eq!(value(deferred), 1 + 2 * (0..40).sum::<u64>());
    unrun.ignore();
    drop(other);
}

/// Nothing to be seen here but by a leak check.
#[test]
fn large_plain_values_and_closures_dropped_where_they_are() {
    let (trigger, deferred) = Deferred::pair();
    trigger.callback([1_u64; 100]).unwrap();
    drop(deferred);

    let (trigger, deferred) = Deferred::pair();
    drop(deferred);
    trigger.callback([1_u64; 100]).unwrap();

    let (trigger, mut deferred) = Deferred::pair();
    let pause = deferred.pause();
    let large = [1_u64; 100];
    deferred
        .add_callback(move |n: [u64; 9]| Ok(n[0] + large[0]))
        .detach();
    trigger.callback([2; 9]).unwrap();
    drop(pause);
    drop(trigger);
}

#[test]
fn thousands_of_stages_spill_and_run_in_order() {
    let drops = Count::new();
    let (trigger, mut deferred) = Deferred::pair();
    for i in 0..5000_usize {
        let held = drops.on_drop();
        let padding = [i; 3];
        deferred = if i % 2 == 0 {
            deferred.add_callback(move |n| {
                let _held = held;
                assert_eq!(n, padding[0]);
                Ok(n + 1)
            })
        } else {
            deferred.add_callback(move |n: usize| {
                let _held = held;
                Ok(n + 1)
            })
        };
    }
    assert_eq!(drops.get(), 0);
    trigger.callback(0).unwrap();
    assert_eq!(drops.get(), 5000);
    assert_eq!(value(deferred), 5000);
}

#[test]
fn stages_that_add_stages_make_the_queue_wrap() {
    // Each stage that runs adds another at the end, so that the queue stays as
    // long as it is while it moves through its buffer.
    use std::cell::RefCell;
    use std::rc::Rc;
    type Own = Rc<RefCell<Option<Deferred<usize>>>>;
    fn step(own: Own, left: usize, drops: &Count) {
        let deferred = own.take().expect("it is kept there");
        let (again, counter, held) = (Rc::clone(&own), drops.clone(), drops.on_drop());
        let deferred = deferred.add_callback(move |n| {
            let _held = held;
            if left > 0 {
                step(again, left - 1, &counter);
            }
            Ok(n + 1)
        });
        *own.borrow_mut() = Some(deferred);
    }
    for length in [1, 2, 3, 5, 8, 50] {
        let drops = Count::new();
        let (trigger, deferred) = Deferred::pair();
        let own = Rc::new(RefCell::new(Some(deferred)));
        for _ in 0..length {
            step(Rc::clone(&own), 100, &drops);
        }
        trigger.callback(0).unwrap();
        assert_eq!(drops.get(), length * 101);
        let deferred = own.take().expect("it was put back");
        assert_eq!(value(deferred), length * 101);
    }
}

#[test]
fn failures_pass_values_of_any_size_on_their_way() {
    let deferred = fail::<[u64; 200]>(Coded(1))
        .add_callback(|array| Ok(array[0]))
        .add_callback(|n| Ok([n; 9]));
    assert_eq!(code(&failure(deferred)), 1);
}

/// A chain of so many stages that its memory comes in several pieces.
const MANY: usize = 5000;

/// Adds a callback that captures something, of one of several sizes, and expects `number`.
fn expecting(deferred: Deferred<usize>, number: usize, drops: &Count) -> Deferred<usize> {
    fn add<const WORDS: usize>(
        deferred: Deferred<usize>,
        number: usize,
        drops: &Count,
    ) -> Deferred<usize> {
        let (captured, held) = ([number; WORDS], drops.on_drop());
        deferred.add_callback(move |seen: usize| {
            let _held = held;
            assert!(captured.iter().all(|word| *word == seen));
            Ok(seen + 1)
        })
    }
    match number % 4 {
        0 => add::<1>(deferred, number, drops),
        1 => add::<3>(deferred, number, drops),
        2 => add::<15>(deferred, number, drops),
        _ => add::<40>(deferred, number, drops),
    }
}

#[test]
fn thousands_of_stages_run_in_order() {
    let drops = Count::new();
    let (trigger, mut deferred) = Deferred::pair();
    for number in 0..MANY {
        deferred = expecting(deferred, number, &drops);
    }
    trigger.callback(0).unwrap();
    assert_eq!(value(deferred), MANY);
    assert_eq!(drops.get(), MANY);
}

#[test]
fn thousands_of_stages_are_added_to_again_and_again() {
    let drops = Count::new();
    let (trigger, mut deferred) = Deferred::<usize>::pair();
    let handle = deferred.handle();
    let (held, to_hold) = (Rc::new(Cell::new(None)), 4);
    for number in 0..MANY {
        deferred = expecting(deferred, number, &drops);
        if number % (MANY / to_hold) == 0 {
            let (handle, held) = (handle.clone(), Rc::clone(&held));
            deferred = deferred.add_callback(move |seen: usize| {
                held.set(handle.pause());
                Ok(seen)
            });
        }
    }
    trigger.callback(0).unwrap();
    for round in 1..=to_hold {
        for more in 0..100 {
            deferred = expecting(deferred, MANY + (round - 1) * 100 + more, &drops);
        }
        assert!(format!("{deferred:?}").contains("more"), "some wait");
        drop(held.take());
    }
    assert_eq!(value(deferred), MANY + to_hold * 100);
    assert_eq!(drops.get(), MANY + to_hold * 100);
}

#[test]
fn debug_counts_thousands_of_stages() {
    let drops = Count::new();
    let (_trigger, mut deferred) = Deferred::<usize>::pair();
    for number in 0..MANY {
        deferred = expecting(deferred, number, &drops);
    }
    let shown = format!("{deferred:?}");
    assert!(
        shown.contains(&format!("and {} more", MANY - 16)),
        "{shown}"
    );
    deferred.ignore();
}
