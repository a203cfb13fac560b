//! Being woken by the loop's own thread: without the system, without a wait in between, and
//! without keeping others from their turn.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use deferred::{Deferred, inline_callbacks, sleep};
use futures::channel::{mpsc, oneshot};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use reactor::{PollerKind, Reactor};

use crate::support::{
    Count, Log, PATIENCE, Peer, RawRecorder, assert_sleeps, reactor, serve, turn_a_few_times,
    turn_until,
};

/// Lets others have a turn.
async fn yield_now() {
    let mut has_yielded = false;
    poll_fn(move |cx| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A body that counts, and gives up its turn in between, for ever.
fn counts_for_ever(count: &Count) -> Deferred<()> {
    let count = count.clone();
    inline_callbacks(async move {
        loop {
            count.add();
            yield_now().await;
        }
    })
}

/// An event with one waiter, woken by hand.
#[derive(Clone, Default)]
struct Bell(Rc<(Cell<bool>, RefCell<Option<Waker>>)>);

impl Bell {
    async fn rung(self) {
        poll_fn(|cx| {
            if self.0.0.get() {
                return Poll::Ready(());
            }
            self.0.1.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn ring(&self) {
        self.0.0.set(true);
        let waker = self.0.1.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// One, and whether a body that waits for it has gone on.
    fn with_a_body() -> (Self, Rc<Cell<bool>>) {
        let (bell, heard) = (Self::default(), Rc::new(Cell::new(false)));
        let (rung, hear) = (bell.clone().rung(), Rc::clone(&heard));
        let body: Deferred<()> = inline_callbacks(async move {
            rung.await;
            hear.set(true);
            Ok(())
        });
        body.detach();
        (bell, heard)
    }

    /// One, and a body that waits for it and then leaves the loop.
    fn that_ends(reactor: &Reactor) -> Self {
        let bell = Self::default();
        let (rung, handle) = (bell.clone().rung(), reactor.handle());
        let body: Deferred<()> = inline_callbacks(async move {
            rung.await;
            handle.crash();
            Ok(())
        });
        body.detach();
        bell
    }
}

/// Runs the loop, which is left before anything else could end its wait.
#[track_caller]
fn run_without_a_wait(reactor: &Reactor) {
    let is_late = Rc::new(Cell::new(false));
    let (handle, late) = (reactor.handle(), Rc::clone(&is_late));
    let end = reactor.call_later(PATIENCE, move || {
        late.set(true);
        handle.crash();
    });
    reactor.run().expect("it runs");
    assert!(!is_late.get(), "it waits");
    assert!(end.cancel(), "it waits");
}

#[test]
fn bodies_that_wake_each_other_ask_no_descriptor() {
    let reactor = reactor();
    let (mut ask, mut asked) = mpsc::unbounded::<(u32, oneshot::Sender<u32>)>();
    reactor
        .spawn(async move {
            while let Some((number, reply)) = asked.next().await {
                // The asker may have gone.
                let _ = reply.send(number * 2);
            }
            Ok(())
        })
        .detach();
    let before = reactor.counters();
    let asking = reactor.spawn(async move {
        let mut sum = 0;
        for number in 0..100 {
            let (reply, replied) = oneshot::channel();
            ask.start_send((number, reply))?;
            sum += replied.await?;
        }
        Ok(sum)
    });
    assert_eq!(reactor.block_on(asking).expect("it is answered"), 9900);
    let after = reactor.counters();
    assert_eq!(after.events - before.events, 0);
    // Two wakes a question, several of which have room in a turn.
    assert!(after.turns - before.turns <= 101, "{after:?}");
}

/// Answers each byte by one, in a thread, for one connection.
fn answering() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one");
    thread::spawn(move || {
        let (mut peer, _) = listener.accept().expect("it connects");
        let mut byte = [0];
        while peer.read_exact(&mut byte).is_ok() {
            peer.write_all(&byte).expect("it reads");
        }
    });
    address
}

#[test]
fn a_request_by_a_byte_stream_takes_one_event_and_one_turn() {
    const REQUESTS: u64 = 200;
    let reactor = reactor();
    let address = answering();
    let stream = reactor.block_on(reactor.connect_tcp_stream(address));
    let mut stream = stream.expect("it listens");
    turn_a_few_times(&reactor);
    let before = reactor.counters();
    let asking = reactor.spawn(async move {
        for _ in 0..REQUESTS {
            stream.write_all(b"?").await?;
            stream.read_exact(&mut [0]).await?;
        }
        Ok(stream)
    });
    let stream = reactor.block_on(asking).expect("it answers");
    let after = reactor.counters();
    assert_eq!(after.events - before.events, REQUESTS);
    // Signals of other tests may end a wait.
    let turns = after.turns - before.turns;
    assert!(turns <= REQUESTS + REQUESTS / 10, "{turns} turns");
    drop(stream);
}

#[test]
fn a_call_from_the_loops_own_thread_needs_no_event() {
    let reactor = reactor();
    turn_a_few_times(&reactor);
    let before = reactor.counters().events;
    let remote = reactor.remote();
    let (done, is_done) = Deferred::pair();
    reactor.call_later(Duration::ZERO, move || {
        remote
            .call_from_thread(move |reactor| reactor.stop())
            .expect("it is there");
        done.callback(()).expect("once");
    });
    reactor.run().expect("it runs, and is stopped");
    assert!(is_done.into_result().is_ok());
    assert_eq!(reactor.counters().events - before, 0);
}

#[test]
fn a_body_that_always_wakes_itself_starves_nobody() {
    let log = Log::default();
    let (reactor, address) = serve(RawRecorder::new(&log));
    let busy = counts_for_ever(&Count::default());
    let timed = log.clone();
    reactor.call_later(Duration::from_millis(2), move || timed.note("timed"));
    let mut peer = Peer::connect(address);
    peer.send("hello");
    let remote = reactor.remote();
    let worker = thread::spawn(move || remote.call_from_thread(|reactor| reactor.crash()));
    // A timer, a descriptor, another thread, and the end of a run.
    reactor.run().expect("it runs");
    worker.join().expect("no panic").expect("it is there");
    let (handle, seen) = (reactor.handle(), log);
    let stop = inline_callbacks(async move {
        loop {
            sleep(&handle, Duration::from_micros(100)).await?;
            if seen.has("timed") && seen.has("received hello") {
                handle.stop();
                return Ok(());
            }
        }
    });
    reactor.run().expect("it runs");
    assert!(stop.into_result().expect("it is over").is_ok());
    drop(busy);
}

#[test]
fn a_body_that_wakes_itself_has_a_few_goes_in_a_turn() {
    let reactor = reactor();
    let count = Count::default();
    let _busy = counts_for_ever(&count);
    for _ in 0..10 {
        let before = count.get();
        reactor.turn(Some(Duration::ZERO)).expect("it turns");
        let goes = count.get() - before;
        assert!((1..=8).contains(&goes), "{goes}");
    }
}

#[test]
fn a_body_that_is_woken_by_a_timer_goes_on_without_a_wait() {
    let reactor = reactor();
    let (bell, heard) = Bell::with_a_body();
    reactor.call_later(Duration::from_millis(1), move || bell.ring());
    let handle = reactor.handle();
    let seen = Rc::clone(&heard);
    // It is the last event for an hour.
    reactor.call_later(Duration::from_secs(3600), || ());
    let stop = inline_callbacks(async move {
        while !seen.get() {
            sleep(&handle, Duration::from_micros(200)).await?;
        }
        Ok(())
    });
    reactor.block_on(stop).expect("it went on");
    assert!(heard.get());
    turn_a_few_times(&reactor);
    assert_sleeps(&reactor);
}

/// What a timer, a job and a handler wake: `run` does not wait before the body goes on.
#[test]
fn the_loop_does_not_wait_while_a_woken_body_waits_for_it() {
    type Ringing = fn(&Reactor, Bell);
    let by_timer: Ringing = |reactor, bell| {
        reactor.call_later(Duration::ZERO, move || bell.ring());
    };
    let by_startup: Ringing = |reactor, bell| reactor.call_when_running(move || bell.ring());
    let by_a_callback: Ringing = |reactor, bell| {
        let (trigger, deferred) = Deferred::pair();
        deferred.add_callback(move |()| bell.ring()).detach();
        reactor.call_later(Duration::ZERO, move || {
            trigger.callback(()).expect("once");
        });
    };
    let by_a_handler: Ringing = |reactor, bell| {
        let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let bell = RefCell::new(Some((bell, far)));
        let recorder = RawRecorder::new(&Log::default()).on_made(move |_| {
            let (bell, _far) = bell.take().expect("once");
            bell.ring();
            Ok(())
        });
        reactor.adopt_stream(near, recorder).expect("it is watched");
    };
    for ring in [by_timer, by_startup, by_a_callback, by_a_handler] {
        let reactor = reactor();
        ring(&reactor, Bell::that_ends(&reactor));
        run_without_a_wait(&reactor);
    }
}

#[test]
fn a_wake_between_turns_is_seen_by_the_next_one() {
    let reactor = reactor();
    let (bell, heard) = Bell::with_a_body();
    turn_a_few_times(&reactor);
    bell.ring();
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    assert!(heard.get());
}

#[test]
fn what_is_woken_after_an_inner_loop_has_turned_is_for_the_outer_one() {
    let (outer, inner) = (reactor(), Rc::new(reactor()));
    let bell = Bell::that_ends(&outer);
    let turned = Rc::clone(&inner);
    outer.call_later(Duration::ZERO, move || {
        turned.turn(Some(Duration::ZERO)).expect("it turns");
        bell.ring();
    });
    run_without_a_wait(&outer);
}

/// The inner loop has taken the flag that was set for the outer one.
#[test]
fn what_is_woken_before_an_inner_loop_turns_is_for_the_outer_one() {
    let (outer, inner) = (reactor(), reactor());
    let remote = outer.remote();
    outer.call_later(Duration::ZERO, move || {
        remote
            .call_from_thread(|reactor| reactor.crash())
            .expect("it is there");
        inner.turn(Some(Duration::ZERO)).expect("it turns");
    });
    run_without_a_wait(&outer);
}

#[test]
fn a_loop_that_has_no_turn_takes_no_bodies_from_the_one_that_has() {
    let (turning, other) = (reactor(), reactor());
    let (give, given) = std::sync::mpsc::channel::<Waker>();
    let (end, handle) = (turning.handle(), other.handle());
    turning.call_later(Duration::ZERO, move || {
        // A body of the other loop's, which a thread wakes while this one waits.
        let body: Deferred<()> = handle.spawn(async move {
            let mut is_first = true;
            poll_fn(move |cx| {
                if std::mem::take(&mut is_first) {
                    give.send(cx.waker().clone()).expect("it is awaited");
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            end.crash();
            Ok(())
        });
        body.detach();
    });
    let worker = thread::spawn(move || given.recv().expect("it comes").wake());
    run_without_a_wait(&turning);
    worker.join().expect("no panic");
}

#[test]
fn a_loop_that_was_stopped_goes_on_with_what_was_woken() {
    let reactor = reactor();
    let (bell, heard) = Bell::with_a_body();
    let handle = reactor.handle();
    reactor.call_later(Duration::ZERO, move || handle.stop());
    reactor.run().expect("it runs");
    bell.ring();
    assert!(!heard.get());
    let (handle, seen) = (reactor.handle(), Rc::clone(&heard));
    reactor.call_later(Duration::ZERO, move || {
        assert!(seen.get(), "bodies come first");
        handle.stop();
    });
    reactor.run().expect("it runs again");
    assert!(heard.get());
}

#[test]
fn each_kind_of_loop_sleeps_when_all_is_done() {
    for kind in [PollerKind::Native, PollerKind::Portable] {
        let reactor = Reactor::with_poller(kind).expect("a reactor");
        let (bell, heard) = Bell::with_a_body();
        reactor.call_later(Duration::ZERO, move || bell.ring());
        turn_until(&reactor, || heard.get());
        turn_a_few_times(&reactor);
        assert_sleeps(&reactor);
    }
}

#[test]
fn a_thread_still_wakes_a_loop_whose_own_thread_has_woken_it() {
    let reactor = reactor();
    let (bell, heard) = Bell::with_a_body();
    let (tell, told) = std::sync::mpsc::channel();
    let remote = reactor.remote();
    let worker = thread::spawn(move || {
        told.recv().expect("it comes");
        remote.call_from_thread(|reactor| reactor.stop())
    });
    reactor.call_later(Duration::ZERO, move || {
        bell.ring();
        tell.send(()).expect("it is awaited");
    });
    reactor.run().expect("it runs");
    assert!(heard.get());
    worker.join().expect("no panic").expect("it is there");
}
