//! Async bodies that await what is no Deferred, in the loop.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use deferred::{Deferred, inline_callbacks};
use futures::channel::oneshot;

use crate::support::{assert_sleeps, reactor, turn_a_few_times, turn_until};

/// A body that awaits a value from another thread, and a flag that it has come.
fn waits_for_a_thread() -> (oneshot::Sender<u32>, Rc<Cell<u32>>) {
    let (sender, receiver) = oneshot::channel();
    let seen = Rc::new(Cell::new(0));
    let see = Rc::clone(&seen);
    let body: Deferred<()> = inline_callbacks(async move {
        see.set(receiver.await?);
        Ok(())
    });
    body.detach();
    (sender, seen)
}

#[test]
fn a_body_that_a_thread_wakes_wakes_a_sleeping_loop() {
    let reactor = reactor();
    let (sender, seen) = waits_for_a_thread();
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    assert_eq!(seen.get(), 0);
    let handle = reactor.handle();
    let (awake, awoken) = oneshot::channel();
    // Begun before the thread: it would find the loop not running, and not stop it.
    let stop = inline_callbacks(async move {
        awoken.await?;
        handle.stop();
        Ok(())
    });
    let worker = thread::spawn(move || {
        sender.send(7).expect("it is awaited");
        awake.send(()).expect("it is awaited");
    });
    reactor.run().expect("it runs");
    assert_eq!(seen.get(), 7);
    assert!(stop.into_result().expect("it has ended").is_ok());
    // The last waker goes with the thread, and the loop hears of that.
    worker.join().expect("no panic");
    turn_a_few_times(&reactor);
    assert_sleeps(&reactor);
}

#[test]
fn of_two_loops_of_a_thread_the_one_that_turns_goes_on_with_it() {
    let (first, second) = (reactor(), reactor());
    let (sender, seen) = waits_for_a_thread();
    first.turn(Some(Duration::ZERO)).expect("it turns");
    second.turn(Some(Duration::ZERO)).expect("it turns");
    drop(second);
    thread::spawn(move || sender.send(3))
        .join()
        .expect("no panic")
        .expect("it is awaited");
    turn_until(&first, || seen.get() == 3);
}
