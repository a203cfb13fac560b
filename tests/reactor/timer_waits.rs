//! How long the loop waits while delayed calls are pending, whatever else is ready.

use std::cell::Cell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use deferred::{Deferred, sleep};
use reactor::{PollerKind, Reactor};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::support::{
    Count, Log, Peer, RawRecorder, assert_sleeps, reactor, serve, turn_a_few_times, turn_until,
};

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const HOUR: Duration = Duration::from_secs(3600);

/// A system that waits in whole milliseconds has to round up. Only the best of many counts,
/// since other programs want the processor, too.
#[cfg(not(polling_test_poll_backend))]
#[test]
fn a_wait_is_not_in_whole_milliseconds() {
    let reactor = reactor();
    let lateness = (0..100).map(|_| {
        let due = reactor.now() + Duration::from_micros(1100);
        let called_at = reactor
            .block_on(sleep(&reactor, Duration::from_micros(1100)))
            .map(|()| reactor.now())
            .expect("it is called");
        assert!(called_at >= due);
        called_at - due
    });
    let least = lateness.min().expect("there are some");
    assert!(least < Duration::from_micros(500), "late by {least:?}");
}

/// Descriptors that are always ready keep a wait from being one.
#[test]
fn a_call_is_made_while_more_is_ready_than_fits_into_a_wait() {
    // More than a wait gives at a time.
    const READY: usize = 1500;
    if !has_room_for(READY as u64 + 500) {
        println!("this process may not have enough descriptors: skipped");
        return;
    }
    let reactor = reactor();
    let (near, mut far) = UnixStream::pair().expect("a pair");
    // The byte is never read, so the descriptor stays ready.
    far.write_all(b"!").expect("there is room");
    for _ in 0..READY {
        let near = near.try_clone().expect("a descriptor");
        reactor.add_reader(near, |_| ()).expect("it is watched");
    }
    let made = Count::default();
    let make = made.clone();
    let handle = reactor.handle();
    reactor.call_later(millis(20), move || {
        make.add();
        handle.crash();
    });
    reactor.run().expect("it runs");
    assert_eq!(made.get(), 1);
}

/// Lets this process have so many descriptors, if it may.
fn has_room_for(count: u64) -> bool {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        limit.current = Some(limit.maximum.map_or(count, |maximum| maximum.min(count)));
        setrlimit(Resource::Nofile, limit).expect("it is allowed");
    }
    getrlimit(Resource::Nofile)
        .current
        .is_none_or(|current| current >= count)
}

#[test]
fn a_turn_makes_what_was_due_when_it_began() {
    let reactor = reactor();
    let made = Count::default();
    reactor.turn(Some(millis(1))).expect("it turns");
    for round in 1..=20 {
        let make = made.clone();
        let call = reactor.call_later(millis(2), move || {
            make.add();
        });
        // It waits for this one, in vain.
        reactor.turn(Some(millis(1))).expect("it turns");
        while reactor.now() < call.time() {
            std::hint::spin_loop();
        }
        reactor.turn(Some(Duration::ZERO)).expect("it turns");
        assert_eq!(made.get(), round);
    }
}

#[test]
fn an_earlier_call_is_made_first_whoever_asks_for_it() {
    // From a handler of a connection, from a thread, and by moving a later one.
    let log = Log::default();
    let made = log.clone();
    let recorder = RawRecorder::new(&log).on_received(move |cx, _| {
        let (made, reactor) = (made.clone(), cx.reactor().clone());
        reactor.call_later(millis(1), move || made.note("earlier"));
        Ok(())
    });
    let (reactor, address) = serve(recorder);
    reactor.call_later(HOUR, || ());
    turn_a_few_times(&reactor);
    let mut peer = Peer::connect(address);
    peer.send("?");
    turn_until(&reactor, || log.has("earlier"));

    // From a thread, while the loop waits for an hour.
    let (done, is_done) = Deferred::pair();
    let (tell, told) = std::sync::mpsc::channel();
    let remote = reactor.remote();
    let worker = thread::spawn(move || {
        told.recv().expect("it comes");
        remote.call_from_thread(move |reactor| {
            let handle = reactor.clone();
            reactor.call_later(millis(1), move || handle.crash());
        })
    });
    let later = reactor.call_later(HOUR, move || done.callback(()).expect("once"));
    reactor.call_later(Duration::ZERO, move || {
        tell.send(()).expect("it is awaited");
    });
    reactor.run().expect("it runs");
    worker.join().expect("no panic").expect("it is there");

    // By moving one that was far away.
    let moved = reactor.call_later(Duration::ZERO, move || {
        later.reset(millis(1)).expect("it waits");
    });
    reactor.block_on(is_done).expect("it is called");
    assert!(!moved.is_active() && reactor.now() < HOUR);
}

#[test]
fn a_call_that_was_cancelled_or_put_off_wakes_the_loop_no_more_than_once() {
    for kind in [PollerKind::Native, PollerKind::Portable] {
        let reactor = Reactor::with_poller(kind).expect("a reactor");
        let calls: Vec<_> = (1..=50)
            .map(|count| reactor.call_later(millis(count), || ()))
            .collect();
        let last = reactor.call_later(HOUR, || ());
        turn_a_few_times(&reactor);
        for call in calls.iter().filter(|call| call.is_active()) {
            assert!(call.cancel(), "it waits");
        }
        last.delay(HOUR).expect("it waits");
        let turns = reactor.counters().turns;
        let began = reactor.now();
        reactor.turn(Some(millis(100))).expect("it turns");
        while reactor.now() - began < millis(100) {
            reactor.turn(Some(millis(100))).expect("it turns");
        }
        // Signals of other tests may end a wait.
        assert!(reactor.counters().turns - turns < 20);
        assert_sleeps(&reactor);
        assert_eq!(reactor.delayed_calls().len(), 1);
    }
}

#[test]
fn a_call_that_is_put_off_by_each_event_is_made_when_those_end() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log));
    let idle = Rc::new(Cell::new(None));
    let (handle, seen) = (reactor.handle(), Rc::clone(&idle));
    let made_at = Rc::new(Cell::new(None));
    let make = Rc::clone(&made_at);
    let call = reactor.call_later(millis(10), move || make.set(Some(handle.now())));
    idle.set(Some(reactor.now()));
    let mut peer = Peer::connect(address);
    for number in 0..30 {
        peer.send("!");
        let heard = log.len();
        turn_until(&reactor, || log.len() > heard);
        if call.reset(millis(10)).is_err() {
            // A busy machine took more than that.
            break;
        }
        idle.set(Some(reactor.now()));
        assert!(made_at.get().is_none(), "{number}");
    }
    let handle = reactor.handle();
    turn_until(&reactor, || made_at.get().is_some());
    let made_at = made_at.get().expect("it was just seen");
    assert!(made_at - seen.get().expect("it was set") >= millis(10));
    assert!(handle.now() >= made_at);
}

#[test]
fn a_call_waits_from_one_run_to_the_next() {
    let reactor = reactor();
    let made = Count::default();
    for round in 1..=3 {
        let make = made.clone();
        let call = reactor.call_later(millis(3), move || {
            make.add();
        });
        // The first run is left while the call is waited for; it is due between the runs.
        let handle = reactor.handle();
        reactor.call_later(millis(1), move || handle.stop());
        reactor.run().expect("it runs");
        while reactor.now() < call.time() {
            std::hint::spin_loop();
        }
        let handle = reactor.handle();
        reactor.call_later(millis(1), move || handle.stop());
        reactor.run().expect("it runs again");
        assert_eq!(made.get(), round);
    }
}

#[test]
fn several_loops_of_a_thread_each_wait_for_their_own_calls() {
    let loops = [reactor(), reactor(), reactor()];
    let log = Log::default();
    for (number, reactor) in loops.iter().enumerate() {
        let note = log.clone();
        let delay = millis(9 - 3 * number as u64);
        reactor.call_later(delay, move || note.note(format!("{number}")));
    }
    turn_until(&loops[0], || log.len() == 1);
    turn_until(&loops[1], || log.len() == 2);
    turn_until(&loops[2], || log.len() == 3);
    assert_eq!(log.events(), ["0", "1", "2"]);
}
