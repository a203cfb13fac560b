//! Threads that wait for what the loop gives them.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use deferred::assertions::capture_unhandled;
use deferred::{Deferred, Trigger, defer_later};
use reactor::{BlockingCallError, Reactor, ReactorHandle, Remote};

use crate::support::{PATIENCE, never, reactor, turn_a_few_times, turn_until};

type Answer<T> = Result<T, BlockingCallError>;

/// A thread that makes a blocking call, and sends the answer.
struct Asking<T>(Receiver<Answer<T>>);

fn ask<T: Send + 'static>(
    reactor: &Reactor,
    question: impl FnOnce(&Remote) -> Answer<T> + Send + 'static,
) -> Asking<T> {
    let remote = reactor.remote();
    let (tell, told) = channel();
    thread::spawn(move || tell.send(question(&remote)));
    Asking(told)
}

impl<T> Asking<T> {
    /// The answer that the thread gets while the loop does not turn.
    #[track_caller]
    fn told(&self) -> Answer<T> {
        let told = self.0.recv_timeout(PATIENCE);
        told.expect("the call ends")
    }

    /// The answer that the thread gets while the loop turns.
    #[track_caller]
    fn told_by(&self, reactor: &Reactor) -> Answer<T> {
        let mut told = None;
        turn_until(reactor, || {
            told = self.0.try_recv().ok();
            told.is_some()
        });
        told.expect("it was just seen")
    }
}

thread_local! {
    /// Of the answers that never come. Not forgotten: that would be a leak.
    static UNFIRED: RefCell<Vec<Trigger<()>>> = const { RefCell::new(Vec::new()) };
}

/// A question whose answer never comes; says when it was asked.
fn ask_for_ever(reactor: &Reactor, asked: Sender<()>) -> Asking<()> {
    ask(reactor, move |remote| {
        remote.blocking_call_from_thread(move |_| {
            let (trigger, deferred) = Deferred::<()>::pair();
            UNFIRED.with_borrow_mut(|unfired| unfired.push(trigger));
            asked.send(()).expect("the test waits for it");
            deferred
        })
    })
}

#[test]
fn it_gives_what_the_call_returns() {
    let reactor = reactor();
    let loop_thread = thread::current().id();
    let asking = ask(&reactor, move |remote| {
        remote.blocking_call_from_thread(move |reactor| {
            assert_eq!(thread::current().id(), loop_thread);
            assert!(reactor.is_running());
            Ok("an answer")
        })
    });
    assert_eq!(asking.told_by(&reactor).expect("it comes"), "an answer");
    let asking = ask(&reactor, |remote| remote.blocking_call_from_thread(|_| ()));
    asking.told_by(&reactor).expect("nothing is an answer too");
}

#[test]
fn it_waits_for_a_deferred() {
    let reactor = reactor();
    let asking = ask(&reactor, |remote| {
        remote.blocking_call_from_thread(|reactor: &ReactorHandle| {
            defer_later(reactor, Duration::from_millis(2), || Ok(42))
        })
    });
    assert_eq!(asking.told_by(&reactor).expect("it comes"), 42);
}

#[test]
fn a_failure_and_a_panic_are_told() {
    let reactor = reactor();
    let asking = ask(&reactor, |remote| {
        remote.blocking_call_from_thread(|_| Ok("x".parse::<u8>()?))
    });
    match asking.told_by(&reactor) {
        Err(BlockingCallError::Failed(failure)) => {
            assert!(failure.is::<std::num::ParseIntError>());
        }
        other => panic!("{other:?}"),
    }
    let asking = ask(&reactor, |remote| {
        remote.blocking_call_from_thread(|_| {
            if true {
                panic!("what a call may do");
            }
        })
    });
    let error = asking.told_by(&reactor).expect_err("it panics");
    assert_eq!(
        error.to_string(),
        "the call failed: panicked: what a call may do"
    );
}

#[test]
fn a_loop_that_has_not_run_is_waited_for() {
    let reactor = reactor();
    let asking = ask(&reactor, |remote| {
        let answer = remote.blocking_call_from_thread(|_| Ok(1));
        remote
            .call_from_thread(|reactor| reactor.stop())
            .expect("it is there");
        answer
    });
    reactor.run().expect("it runs");
    assert_eq!(asking.told().expect("it comes"), 1);
}

#[test]
fn stopping_the_loop_ends_the_wait() {
    let reactor = reactor();
    let (asked, hears) = channel();
    let asking = ask_for_ever(&reactor, asked);
    turn_until(&reactor, || hears.try_recv().is_ok());
    assert!(asking.0.try_recv().is_err());
    let handle = reactor.handle();
    reactor.call_when_running(move || handle.stop());
    reactor.run().expect("it runs");
    // The reactor exists, but does not turn.
    let told = asking.told();
    assert!(matches!(told, Err(BlockingCallError::Stopped)), "{told:?}");

    let late = ask(&reactor, |remote| {
        remote.blocking_call_from_thread(|_| never())
    });
    let told = late.told();
    assert!(matches!(told, Err(BlockingCallError::Stopped)), "{told:?}");

    // It may run again.
    reactor.turn(Some(Duration::ZERO)).expect("it turns");
    let asking = ask(&reactor, |remote| {
        remote.blocking_call_from_thread(|_| Ok(2))
    });
    assert_eq!(asking.told_by(&reactor).expect("it comes"), 2);
}

#[test]
fn a_crash_ends_the_wait_too_but_not_that_of_who_causes_it() {
    let reactor = reactor();
    let (asked, hears) = channel();
    let asking = ask_for_ever(&reactor, asked);
    turn_until(&reactor, || hears.try_recv().is_ok());
    let crashing = ask(&reactor, |remote| {
        remote.blocking_call_from_thread(|reactor| {
            reactor.crash();
            Ok("crashed")
        })
    });
    reactor.run().expect("it runs");
    assert_eq!(crashing.told().expect("it has its answer"), "crashed");
    let told = asking.told();
    assert!(matches!(told, Err(BlockingCallError::Stopped)), "{told:?}");
}

#[test]
fn a_loop_between_two_results_is_waited_for() {
    let reactor = reactor();
    let (asked, hears) = channel();
    let asking = ask(&reactor, move |remote| {
        asked.send(()).expect("the test waits for it");
        remote.blocking_call_from_thread(|_| Ok(3))
    });
    reactor
        .block_on(deferred::succeed(()))
        .expect("it has its result");
    hears.recv_timeout(PATIENCE).expect("it asks");
    let moment = deferred::sleep(&*reactor, Duration::from_millis(1));
    reactor.block_on(moment).expect("it passes");
    assert_eq!(asking.told_by(&reactor).expect("it comes"), 3);
}

#[test]
fn a_call_that_was_not_made_before_the_stop_is_not_made_after_it() {
    let reactor = reactor();
    let handle = reactor.handle();
    let (asked, question) = channel();
    let remote = reactor.remote();
    // Asked from inside the last turn, so that it has to wait for the next.
    reactor.call_later(Duration::ZERO, move || {
        let (posts, posted) = channel();
        let (tell, told) = channel();
        thread::spawn(move || {
            posts.send(()).expect("the test waits for it");
            tell.send(remote.blocking_call_from_thread(|_| never()))
        });
        posted.recv().expect("it is about to ask");
        asked.send(Asking(told)).expect("the test waits for it");
        handle.stop();
    });
    reactor.run().expect("it runs");
    let told = question.recv().expect("it asked").told();
    assert!(matches!(told, Err(BlockingCallError::Stopped)), "{told:?}");
    turn_a_few_times(&reactor);
}

#[test]
fn dropping_the_reactor_ends_the_wait() {
    let reactor = reactor();
    let (asked, hears) = channel();
    let waiting = ask_for_ever(&reactor, asked);
    turn_until(&reactor, || hears.try_recv().is_ok());
    let remote = reactor.remote();
    drop(reactor);
    let told = waiting.told();
    assert!(
        matches!(told, Err(BlockingCallError::ReactorGone)),
        "{told:?}"
    );
    let (tell, late) = channel();
    thread::spawn(move || tell.send(remote.blocking_call_from_thread(|_| never())));
    let told = Asking(late).told();
    assert!(
        matches!(told, Err(BlockingCallError::ReactorGone)),
        "{told:?}"
    );
}

#[test]
fn a_call_that_was_not_made_is_dropped_with_the_reactor() {
    let reactor = reactor();
    let token = Arc::new(());
    let captured = Arc::clone(&token);
    let asking = ask(&reactor, move |remote| {
        remote.blocking_call_from_thread(move |_| drop(captured))
    });
    drop(reactor);
    let told = asking.told();
    assert!(
        matches!(told, Err(BlockingCallError::ReactorGone)),
        "{told:?}"
    );
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn a_blocking_call_from_the_loops_own_thread_errs() {
    let (tell, told) = channel();
    // It would stop this thread for ever.
    thread::spawn(move || {
        let reactor = reactor();
        let (outside, inside) = (reactor.remote(), reactor.remote());
        let tell_too = tell.clone();
        tell.send(outside.blocking_call_from_thread(|_| never()))
            .expect("the test waits for it");
        reactor.call_later(Duration::ZERO, move || {
            tell_too
                .send(inside.blocking_call_from_thread(|_| never()))
                .expect("the test waits for it");
        });
        turn_a_few_times(&reactor);
    });
    let asking = Asking(told);
    for _ in 0..2 {
        let told = asking.told();
        assert!(
            matches!(told, Err(BlockingCallError::LoopThread)),
            "{told:?}"
        );
    }
}

#[test]
fn a_failure_that_nobody_waits_for_any_more_is_reported() {
    let reactor = reactor();
    let (triggers, trigger) = channel();
    // The trigger stays in the loop's thread.
    thread_local! {
        static TRIGGER: RefCell<Option<Trigger<u8>>> = const { RefCell::new(None) };
    }
    let asking = ask(&reactor, move |remote| {
        remote.blocking_call_from_thread(move |_| {
            let (trigger, deferred) = Deferred::pair();
            TRIGGER.set(Some(trigger));
            triggers.send(()).expect("the test waits for it");
            deferred
        })
    });
    turn_until(&reactor, || trigger.try_recv().is_ok());
    let handle = reactor.handle();
    reactor.call_when_running(move || handle.stop());
    reactor.run().expect("it runs");
    assert!(asking.told().is_err());
    let trigger = TRIGGER.take().expect("it was made");
    let error = deferred::Failure::msg("too late");
    let ((), unhandled) = capture_unhandled(|| trigger.errback(error).expect("it was not fired"));
    let told: Vec<_> = unhandled
        .iter()
        .map(|unhandled| unhandled.failure().to_string())
        .collect();
    assert_eq!(told, ["too late"]);
}
