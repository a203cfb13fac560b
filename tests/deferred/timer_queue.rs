//! Timers against a list that is sorted each time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

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
                assert_eq!(calls[which].cancel().is_ok(), model.remove(which));
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
