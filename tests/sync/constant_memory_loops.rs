//! Links of a loop by returned Deferreds are handed down while other threads fire, cancel
//! and let go of handles.

use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use deferred::Cancelled;
use deferred::sync::{Deferred, Trigger, succeed};

type Next = Arc<Mutex<Option<Trigger<()>>>>;

fn go(next: &Next, rounds: usize) -> Deferred<usize> {
    let (trigger, round) = Deferred::pair();
    *next.lock().unwrap() = Some(trigger);
    let next = Arc::clone(next);
    round.add_callback(move |()| match rounds {
        0 => succeed(7),
        _ => go(&next, rounds - 1),
    })
}

#[test]
fn a_loop_waits_with_one_link_whichever_thread_fires() {
    let next = Next::default();
    let looping = go(&next, 1000);
    for n in 0..=1000 {
        let trigger = next.lock().unwrap().take().unwrap();
        if n % 100 == 0 {
            thread::spawn(move || trigger.callback(()).unwrap())
                .join()
                .unwrap();
        } else {
            trigger.callback(()).unwrap();
        }
        let text = format!("{looping:?}");
        assert!(text.matches("state: Waiting").count() <= 1, "{text}");
    }
    assert_eq!(looping.into_result().unwrap().unwrap(), 7);
}

#[test]
fn handles_go_while_the_result_comes_and_a_cancel_does() {
    for n in 0..2000 {
        let (third_trigger, third) = Deferred::<usize>::pair();
        let (second_trigger, second) = Deferred::pair();
        let mut second = second.add_callback(move |()| third);
        let (handle, another) = (second.handle(), second.handle());
        let first = succeed(()).add_callback(move |()| second);
        second_trigger.callback(()).unwrap();
        let start = Barrier::new(4);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                drop(handle);
            });
            scope.spawn(|| {
                start.wait();
                drop(another);
            });
            scope.spawn(|| {
                start.wait();
                // Errs if it was cancelled, and the one late fire was swallowed before.
                let _ = third_trigger.callback(n);
            });
            start.wait();
            if n % 2 == 0 {
                first.cancel();
            }
        });
        match first.into_result().expect("it has come, whoever was first") {
            Ok(value) => assert_eq!(value, n),
            Err(failure) => assert!(n % 2 == 0 && failure.is::<Cancelled>()),
        }
    }
}

#[test]
fn chains_that_are_joined_while_links_go_get_their_cycle() {
    // Two threads close a ring, while another one lets go of the handle of a link in it.
    for _ in 0..2000 {
        let (first_trigger, first) = Deferred::<()>::pair();
        let (link_trigger, link) = Deferred::<()>::pair();
        let (second_trigger, second) = Deferred::<()>::pair();
        let slot = Arc::new(Mutex::new(None::<Deferred<()>>));
        let own = Arc::clone(&slot);
        // The second waits for the first, which waits for the link, which waits for the
        // second.
        let second = second.add_callback(move |()| own.lock().unwrap().take().unwrap());
        let mut link = link.add_callback(move |()| second);
        let handle = link.handle();
        let first = first.add_callback(move |()| link);
        *slot.lock().unwrap() = Some(first);
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for trigger in [first_trigger, link_trigger, second_trigger] {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    trigger.callback(()).unwrap();
                });
            }
            start.wait();
            let state = handle.clone();
            drop(handle);
            drop(state);
        });
        assert!(slot.lock().unwrap().is_none());
    }
}
