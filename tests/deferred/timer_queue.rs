//! Timers against a list that is sorted each time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::errors::DelayedCallError;
use deferred::{DelayedCall, TimerQueue};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Operation {
    /// Adds one that is due so many nanoseconds from now.
    Add(u64),
    Cancel(usize),
    Reset(usize, u64),
    /// Lets so many nanoseconds pass, and makes the calls that are due.
    Pass(u64),
    /// Asks when the next one is due.
    Ask,
}

/// Spans of every size: nanoseconds, and centuries.
fn span() -> impl Strategy<Value = u64> {
    (0_u32..62, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => span().prop_map(Operation::Add),
        1 => any::<usize>().prop_map(Operation::Cancel),
        1 => (any::<usize>(), span()).prop_map(|(which, span)| Operation::Reset(which, span)),
        3 => (0_u32..45, any::<u64>())
            .prop_map(|(bits, random)| Operation::Pass(random & ((1 << bits) - 1))),
        1 => Just(Operation::Ask),
    ]
}

/// Those that wait: when they are due, in which order they were added, which they are.
#[derive(Default)]
struct Model {
    waiting: Vec<(u64, u64, usize)>,
    added: u64,
}

impl Model {
    fn add(&mut self, due: u64, which: usize) {
        self.waiting.push((due, self.added, which));
        self.added += 1;
        self.waiting.sort_unstable();
    }

    fn remove(&mut self, which: usize) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.2 != which);
        self.waiting.len() < before
    }

    fn take_due(&mut self, now: u64) -> Vec<usize> {
        let count = self.waiting.partition_point(|waiting| waiting.0 <= now);
        self.waiting
            .drain(..count)
            .map(|waiting| waiting.2)
            .collect()
    }
}

fn check(operations: Vec<Operation>) {
    let time = Rc::new(Cell::new(0_u64));
    let clock = Rc::clone(&time);
    let queue = TimerQueue::new(move || Duration::from_nanos(clock.get()));
    let made: Rc<RefCell<Vec<usize>>> = Rc::default();
    let mut calls: Vec<DelayedCall> = Vec::new();
    let mut model = Model::default();
    for operation in operations {
        match operation {
            Operation::Add(span) => {
                let (which, made) = (calls.len(), Rc::clone(&made));
                let call = move || made.borrow_mut().push(which);
                calls.push(queue.call_later(Duration::from_nanos(span), call));
                model.add(time.get() + span, which);
            }
            Operation::Cancel(_) | Operation::Reset(..) if calls.is_empty() => {}
            Operation::Cancel(which) => {
                let which = which % calls.len();
                assert_eq!(calls[which].cancel(), model.remove(which));
            }
            Operation::Reset(which, span) => {
                let which = which % calls.len();
                let reset = calls[which].reset(Duration::from_nanos(span)).is_ok();
                assert_eq!(reset, model.remove(which));
                if reset {
                    model.add(time.get() + span, which);
                }
            }
            Operation::Pass(span) => {
                time.set(time.get() + span);
                let expected = model.take_due(time.get());
                assert_eq!(
                    queue.run_due(Duration::from_nanos(time.get())),
                    expected.len()
                );
                assert_eq!(made.take(), expected);
            }
            Operation::Ask => {
                let due = model
                    .waiting
                    .first()
                    .map(|first| Duration::from_nanos(first.0));
                assert!(queue.next_look() <= due || due.is_none());
                assert_eq!(queue.next_due(), due);
                assert_eq!(queue.next_look(), due);
            }
        }
        assert_eq!(queue.len(), model.waiting.len());
        let dues: Vec<_> = model
            .waiting
            .iter()
            .map(|one| Duration::from_nanos(one.0))
            .collect();
        assert_eq!(queue.due_times(), dues);
    }
    // Those that are left are dropped, not made.
    queue.clear();
    assert!(queue.is_empty());
    assert_eq!(Rc::strong_count(&made), 1);
}

proptest! {
    #[test]
    fn calls_are_made_in_order_whenever_they_are_due(
        operations in prop::collection::vec(operation(), 1..200)
    ) {
        check(operations);
    }
}

#[test]
fn a_look_is_never_too_late_and_leads_to_the_call() {
    let time = Rc::new(Cell::new(Duration::ZERO));
    let clock = Rc::clone(&time);
    let queue = TimerQueue::new(move || clock.get());
    for due in [1, 999, 70_000, 5_000_000, 300_000_000, 86_400_000_000_u64] {
        let due = time.get() + Duration::from_micros(due);
        let is_made = Rc::new(Cell::new(false));
        let noting = Rc::clone(&is_made);
        queue.call_at(due, move || noting.set(true));
        // An earlier one, which is cancelled, may cost some more.
        let earlier = queue.call_at(due - due / 10, || unreachable!("it is cancelled"));
        assert!(queue.next_look() <= Some(earlier.time()));
        assert!(earlier.cancel(), "it waits");
        let mut looks = 0;
        while !is_made.get() {
            let look = queue.next_look().expect("it waits");
            assert!(look <= due);
            time.set(look.max(time.get()));
            queue.run_due(time.get());
            looks += 1;
        }
        assert_eq!(time.get(), due);
        assert!(looks <= 8, "{looks} looks for {due:?}");
    }
}

#[test]
fn one_that_waits_alone_takes_one_look() {
    let queue = TimerQueue::new(|| Duration::ZERO);
    for due in [1, 999, 70_000, 5_000_000, 300_000_000, 86_400_000_000_u64] {
        let due = Duration::from_micros(due);
        queue.call_at(due, || ());
        assert_eq!(queue.next_look(), Some(due));
        assert_eq!(queue.run_due(due), 1);
    }
}

#[test]
fn a_handle_stands_for_its_own_call_however_many_come_after() {
    let queue = TimerQueue::new(|| Duration::ZERO);
    let (early, late) = (Duration::from_secs(1), Duration::from_secs(100));
    let made = queue.call_at(early, || ());
    let cancelled = queue.call_at(late, || ());
    let clone = cancelled.clone();
    assert!(cancelled.cancel(), "it waits");
    drop(cancelled);
    assert_eq!(queue.run_due(early), 1);

    let calls = Rc::new(Cell::new(0));
    for _ in 0..1000 {
        let calls = Rc::clone(&calls);
        queue.call_at(late, move || calls.set(calls.get() + 1));
    }
    assert!(!made.cancel());
    assert_eq!(made.time(), early);
    assert!(!clone.cancel());
    assert_eq!(clone.reset(early), Err(DelayedCallError::AlreadyCancelled));
    assert_eq!(clone.time(), late);
    assert_eq!(queue.run_due(late), 1000);
    assert_eq!(calls.get(), 1000);
}

/// Calls, cancels and forgets a closure of so many words.
fn with_words<const WORDS: usize>() {
    let queue = TimerQueue::new(|| Duration::ZERO);
    let (sum, content) = (Rc::new(Cell::new(0)), [7_usize; WORDS]);
    let add = || {
        let sum = Rc::clone(&sum);
        move || sum.set(sum.get() + content.iter().sum::<usize>())
    };
    let cancelled = queue.call_at(Duration::ZERO, add());
    queue.call_at(Duration::ZERO, add());
    queue.call_at(Duration::from_secs(1), add());
    assert_eq!(Rc::strong_count(&sum), 4);
    assert!(cancelled.cancel(), "it waits");
    assert_eq!(Rc::strong_count(&sum), 3);
    queue.run_due(Duration::ZERO);
    assert_eq!(sum.get(), 7 * WORDS);
    assert_eq!(Rc::strong_count(&sum), 2);
    drop(queue);
    assert_eq!(Rc::strong_count(&sum), 1);
}

#[test]
fn closures_of_any_size_are_called_once_or_dropped() {
    with_words::<0>();
    with_words::<1>();
    with_words::<2>();
    with_words::<3>();
    with_words::<100>();
    let queue = TimerQueue::new(|| Duration::ZERO);
    let called = Rc::new(Cell::new(false));
    #[repr(align(64))]
    struct Aligned(Rc<Cell<bool>>);
    let aligned = Aligned(Rc::clone(&called));
    queue.call_at(Duration::ZERO, move || {
        assert_eq!((&raw const aligned).addr() % 64, 0);
        aligned.0.set(true);
    });
    assert_eq!(queue.run_due(Duration::ZERO), 1);
    assert!(called.get());
}

/// Cancels another call when it is dropped.
struct CancelsWhenDropped(DelayedCall, Rc<Cell<Option<bool>>>);

impl Drop for CancelsWhenDropped {
    fn drop(&mut self) {
        self.1.set(Some(self.0.cancel()));
    }
}

#[test]
fn a_queue_that_ends_cancels_all_at_once() {
    let answer = Rc::new(Cell::new(None));
    let queue = TimerQueue::new(|| Duration::ZERO);
    let other_handle = queue.clone();
    let first = queue.call_at(Duration::from_secs(1), || ());
    let when_dropped = CancelsWhenDropped(first.clone(), Rc::clone(&answer));
    let last = queue.call_at(Duration::from_secs(1), move || drop(when_dropped));
    drop(queue);
    assert!(first.is_active() && last.is_active());
    drop(other_handle);
    // Whichever was dropped first.
    assert_eq!(answer.get(), Some(false));
    for call in [first, last] {
        assert!(!call.is_active());
        assert_eq!(
            call.delay(Duration::ZERO),
            Err(DelayedCallError::AlreadyCancelled)
        );
        assert_eq!(call.time(), Duration::from_secs(1));
    }
}
