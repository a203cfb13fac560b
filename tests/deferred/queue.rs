//! `DeferredQueue`.

use deferred::errors::{QueueClosed, QueueUnderflow};
use deferred::{Abandoned, Cancelled, DeferredQueue};

use crate::deep_chains::on_a_small_stack;
use crate::support::{Count, Log, failure, value};

#[test]
fn items_come_out_in_the_order_they_were_put() {
    let queue = DeferredQueue::new();
    assert!(queue.is_empty());
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(queue.len(), 2);
    assert_eq!(value(queue.get().unwrap()), 1);
    assert_eq!(value(queue.get().unwrap()), 2);
    assert!(queue.is_empty());
}

#[test]
fn who_waits_first_gets_the_first() {
    let queue = DeferredQueue::default();
    let (first, second) = (queue.get().unwrap(), queue.get().unwrap());
    assert_eq!(queue.waiting(), 2);
    queue.put("a").unwrap();
    assert_eq!((queue.waiting(), queue.len()), (1, 0));
    queue.put("b").unwrap();
    assert_eq!(value(first), "a");
    assert_eq!(value(second), "b");
}

#[test]
fn the_callbacks_of_who_waits_run_inside_the_put() {
    let log = Log::new();
    let queue = DeferredQueue::new();
    let sink = log.clone();
    let got = queue
        .get()
        .unwrap()
        .add_callback(move |item| sink.add(item));
    log.add("before");
    queue.put("item").unwrap();
    log.add("after");
    assert_eq!(log.take(), ["before", "item", "after"]);
    value(got);
}

#[test]
fn the_size_counts_stored_items_only() {
    let queue = DeferredQueue::with_limits(Some(1), None);
    let got = queue.get().unwrap();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(queue.put(3).unwrap_err().into_inner(), 3);
    assert_eq!(queue.put(3).unwrap_err().to_string(), "the queue is full");
    assert_eq!(value(got), 1);
    assert_eq!(value(queue.get().unwrap()), 2);
    queue.put(4).unwrap();
}

#[test]
fn a_size_of_zero_takes_what_somebody_waits_for() {
    let queue = DeferredQueue::with_limits(Some(0), None);
    assert!(queue.put(1).is_err());
    let got = queue.get().unwrap();
    queue.put(2).unwrap();
    assert_eq!(value(got), 2);
}

#[test]
fn the_backlog_counts_those_who_wait() {
    let none = DeferredQueue::<i32>::with_limits(None, Some(0));
    assert_eq!(none.get().unwrap_err(), QueueUnderflow::new());
    none.put(1).unwrap();
    assert_eq!(value(none.get().unwrap()), 1);

    let queue = DeferredQueue::<i32>::with_limits(None, Some(2));
    let (first, second) = (queue.get().unwrap(), queue.get().unwrap());
    assert!(queue.get().is_err());
    first.cancel();
    assert!(failure(first).is::<Cancelled>());
    let third = queue.get().expect("one has left");
    queue.put(2).unwrap();
    queue.put(3).unwrap();
    assert_eq!((value(second), value(third)), (2, 3));
}

#[test]
fn one_that_is_paused_takes_the_item_all_the_same() {
    let queue = DeferredQueue::new();
    let mut first = queue.get().unwrap();
    let pause = first.pause();
    let second = queue.get().unwrap();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert_eq!(value(second), 2);
    pause.unpause();
    assert_eq!(value(first), 1);
}

#[test]
fn those_who_wait_are_abandoned_when_the_last_handle_goes() {
    let queue = DeferredQueue::<i32>::new();
    let other = queue.clone();
    let waiting = queue.get().unwrap();
    drop(queue);
    let waiting = waiting.into_result().expect_err("there is another handle");
    drop(other);
    assert!(failure(waiting).is::<Abandoned>());
}

#[test]
fn stored_items_are_dropped_with_the_queue() {
    let drops = Count::new();
    let queue = DeferredQueue::new();
    queue.put(drops.on_drop()).unwrap();
    drop(queue);
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_hundred_thousand_who_put_in_their_callback() {
    on_a_small_stack(|| {
        let queue = DeferredQueue::new();
        for _ in 0..100_000 {
            let next = queue.clone();
            let got = queue.get().unwrap();
            got.add_callback(move |n: usize| Ok(next.put(n + 1)?))
                .detach();
        }
        queue.put(0).unwrap();
        assert_eq!(value(queue.get().unwrap()), 100_000);
    });
}

#[test]
fn puts_that_wait_for_room_are_let_in_in_order() {
    let log = Log::new();
    let queue = DeferredQueue::with_limits(Some(1), None);
    let put = |item: &'static str| {
        let log = log.clone();
        queue
            .put_when_room(item)
            .add_callback(move |()| log.add(item))
    };
    let all: Vec<_> = ["a", "b", "c"].into_iter().map(put).collect();
    assert_eq!(log.take(), ["a"]);
    assert_eq!((queue.len(), queue.waiting_for_room()), (1, 2));
    assert!(queue.put("d").is_err(), "no overtaking");
    assert_eq!(value(queue.get().unwrap()), "a");
    assert_eq!(log.take(), ["b"]);
    assert_eq!(value(queue.get().unwrap()), "b");
    assert_eq!(value(queue.get().unwrap()), "c");
    assert_eq!(log.take(), ["c"]);
    assert!(queue.is_empty());
    all.into_iter().for_each(value);
}

#[test]
fn a_put_that_waits_is_given_at_once_if_nothing_is_stored() {
    let queue = DeferredQueue::with_limits(Some(0), None);
    let put = queue.put_when_room(1);
    assert_eq!(queue.waiting_for_room(), 1);
    assert_eq!(value(queue.get().unwrap()), 1);
    value(put);
    // And the other way round.
    let got = queue.get().unwrap();
    value(queue.put_when_room(2));
    assert_eq!(value(got), 2);
}

#[test]
fn a_put_that_is_cancelled_leaves_the_line_with_its_item() {
    let dropped = Count::new();
    let queue = DeferredQueue::with_limits(Some(0), None);
    let first = queue.put_when_room(Some(dropped.on_drop()));
    let second = queue.put_when_room(None);
    first.cancel();
    assert!(failure(first).is::<Cancelled>());
    assert_eq!(dropped.get(), 1);
    assert!(value(queue.get().unwrap()).is_none());
    value(second);
}

#[test]
fn a_put_whose_deferred_was_dropped_is_made_all_the_same() {
    let queue = DeferredQueue::with_limits(Some(0), None);
    queue.put_when_room("kept").detach();
    assert_eq!(value(queue.get().unwrap()), "kept");
}

#[test]
fn a_closed_queue_gives_what_it_has_and_then_fails() {
    let queue = DeferredQueue::with_limits(Some(1), None);
    value(queue.put_when_room(1));
    let late = queue.put_when_room(2);
    queue.close();
    queue.close(); // once more changes nothing
    let refused = queue.put(3).unwrap_err();
    assert!(refused.is_closed());
    assert_eq!(refused.to_string(), "the queue is closed");
    assert!(failure(queue.put_when_room(4)).is::<QueueClosed>());
    assert_eq!(value(queue.get().unwrap()), 1);
    assert_eq!(value(queue.get().unwrap()), 2);
    value(late);
    assert!(failure(queue.get().unwrap()).is::<QueueClosed>());
}

#[test]
fn closing_ends_all_that_wait_for_items_also_from_inside() {
    let log = Log::new();
    let queue = DeferredQueue::<i32>::new();
    for n in 0..3 {
        let (log, queue_inside) = (log.clone(), queue.clone());
        let waiting = queue.get().unwrap().add_errback(move |failure| {
            log.add(format_args!("{n} {failure}"));
            queue_inside.close();
            assert!(queue_inside.put(1).is_err());
            Ok(0)
        });
        waiting.detach();
    }
    queue.close();
    let expected = (0..3).map(|n| format!("{n} the queue is closed, and empty"));
    assert_eq!(log.take(), expected.collect::<Vec<_>>());
}

#[test]
fn a_queue_that_goes_abandons_those_who_wait_for_room() {
    let queue = DeferredQueue::with_limits(Some(0), None);
    let put = queue.put_when_room(1);
    drop(queue);
    assert!(failure(put).is::<Abandoned>());
}

#[test]
fn a_hundred_thousand_puts_wait_and_are_let_in_on_a_small_stack() {
    on_a_small_stack(|| {
        let queue = DeferredQueue::with_limits(Some(0), None);
        for n in 0..100_000 {
            let following = queue.clone();
            let put = queue.put_when_room(n).add_callback(move |()| {
                assert!(following.waiting_for_room() < 100_000);
            });
            put.detach();
        }
        for n in 0..100_000 {
            assert_eq!(value(queue.get().unwrap()), n);
        }
    });
}
