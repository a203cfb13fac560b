//! The way in from other threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{assert_sleeps, reactor, turn_until};

#[test]
fn a_call_from_a_thread_wakes_a_sleeping_loop() {
    let reactor = reactor();
    let remote = reactor.remote();
    let loop_thread = thread::current().id();
    let worker = thread::spawn(move || {
        remote.call_from_thread(move |reactor| {
            assert_eq!(thread::current().id(), loop_thread);
            reactor.stop();
        })
    });
    reactor.run().expect("it runs");
    worker
        .join()
        .expect("no panic")
        .expect("the reactor is there");
}

#[test]
fn calls_of_one_thread_keep_their_order_and_none_is_lost() {
    const THREADS: usize = 4;
    const CALLS: usize = 2000;
    let reactor = reactor();
    let next: Arc<Vec<AtomicUsize>> = Arc::new((0..THREADS).map(|_| AtomicUsize::new(0)).collect());
    let workers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (remote, next) = (reactor.remote(), Arc::clone(&next));
            thread::spawn(move || {
                for call in 0..CALLS {
                    let next = Arc::clone(&next);
                    remote
                        .call_from_thread(move |_| {
                            let expected = next[thread].fetch_add(1, Ordering::Relaxed);
                            assert_eq!(call, expected, "out of order");
                        })
                        .expect("the reactor is there");
                }
            })
        })
        .collect();
    turn_until(&reactor, || {
        next.iter()
            .all(|next| next.load(Ordering::Relaxed) == CALLS)
    });
    for worker in workers {
        worker.join().expect("no panic");
    }
}

#[test]
fn a_call_may_call_again_and_the_loop_still_turns() {
    let reactor = reactor();
    fn again(remote: reactor::Remote, left: usize) {
        let next = remote.clone();
        let _ = remote.call_from_thread(move |reactor| match left {
            0 => reactor.stop(),
            _ => again(next, left - 1),
        });
    }
    again(reactor.remote(), 100);
    reactor.run().expect("it runs");
}

#[test]
fn a_panic_in_a_call_is_contained() {
    let reactor = reactor();
    let remote = reactor.remote();
    remote
        .call_from_thread(|_| panic!("in a call"))
        .expect("it is there");
    remote
        .call_from_thread(|reactor| reactor.stop())
        .expect("it is there");
    reactor.run().expect("it runs");
}

#[test]
fn without_a_reactor_the_call_is_dropped_and_said_so() {
    let reactor = reactor();
    let remote = reactor.remote();
    let token = Arc::new(());
    let queued = Arc::clone(&token);
    remote
        .call_from_thread(move |_| drop(queued))
        .expect("it is there");
    assert_eq!(Arc::strong_count(&token), 2);
    drop(reactor);
    assert_eq!(Arc::strong_count(&token), 1, "what was queued is dropped");
    let late = Arc::clone(&token);
    assert!(remote.call_from_thread(move |_| drop(late)).is_err());
    assert_eq!(Arc::strong_count(&token), 1, "what comes late is dropped");
}

#[test]
fn an_idle_loop_sleeps() {
    let reactor = reactor();
    let turned = reactor.turn(Some(Duration::from_millis(20)));
    assert!(turned.is_ok());
    // A wake-up that came before the turn is not lost, and is used up by it.
    reactor
        .remote()
        .call_from_thread(|_| ())
        .expect("it is there");
    reactor.turn(None).expect("it does not sleep for ever");
    assert_sleeps(&reactor);
}
