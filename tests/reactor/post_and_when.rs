//! Work for a protocol from elsewhere: when it runs, and when no more.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use deferred::assertions::{failure_of, success_result_of};
use deferred::unhandled;
use deferred::{Deferred, Failure, sleep, succeed};
use reactor::{Connection, Gone, Protocol, Raw, testing};

use crate::support::{Count, LineRecorder, Log, Peer, RawRecorder, never, serve, turn_until};

#[test]
fn a_job_never_runs_inside_a_handler() {
    let log = Log::default();
    let order = log.clone();
    let (reactor, address) = serve(LineRecorder::new(&log).on_received(move |cx, _| {
        let (now, posted, later) = (order.clone(), order.clone(), order.clone());
        cx.when(succeed(1), move |_, _, outcome| {
            now.note(format!("when {outcome:?}"));
        });
        cx.connection()
            .post(move |_, _| posted.note("posted"))
            .expect("it is there");
        cx.call_later(Duration::ZERO, move |_, _| later.note("later"));
        order.note("handler returns");
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    peer.send("a\nb\n");
    turn_until(&reactor, || {
        log.events()
            .iter()
            .filter(|event| *event == "later")
            .count()
            == 2
    });
    let expected = [
        "made",
        "received a",
        "handler returns",
        "when Ok(1)",
        "posted",
        "received b",
        "handler returns",
        "when Ok(1)",
        "posted",
        "later",
        "later",
    ];
    assert_eq!(log.events(), expected);
}

#[test]
fn connections_that_talk_to_one_another_use_no_stack_and_starve_nobody() {
    let log = Log::default();
    let all = Rc::new(RefCell::new(Vec::<Connection<LineRecorder>>::new()));
    let (join, everybody) = (Rc::clone(&all), Rc::clone(&all));
    let recorder = LineRecorder::new(&log)
        .on_made(move |cx| {
            join.borrow_mut().push(cx.connection());
            Ok(())
        })
        .on_received(|_, _| Ok(()));
    let (reactor, address) = serve(recorder);
    let (_one, mut two) = (Peer::connect(address), Peer::connect(address));
    turn_until(&reactor, || log.len() == 2);

    fn pass_on(all: Rc<RefCell<Vec<Connection<LineRecorder>>>>, to: usize, count: Count) {
        let next = Rc::clone(&all);
        let _ = all.borrow()[to].post(move |_, _| {
            count.add();
            pass_on(next, 1 - to, count);
        });
    }
    let count = Count::default();
    pass_on(everybody, 0, count.clone());
    two.send("heard all the same\n");
    turn_until(&reactor, || {
        log.has("received heard all the same") && count.get() > 100_000
    });
}

#[test]
fn a_deferred_that_fires_later_finds_its_protocol() {
    let log = Log::default();
    let trigger = Rc::new(Cell::new(None));
    let keep = Rc::clone(&trigger);
    let (reactor, address) = serve(LineRecorder::new(&log).on_received(move |cx, _| {
        let (trigger, deferred) = Deferred::<String>::pair();
        keep.set(Some(trigger));
        cx.when(deferred, |this, cx, outcome| {
            this.log.note("answered");
            cx.write(outcome?);
            cx.lose_connection();
            Ok(())
        });
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    peer.send("question\n");
    turn_until(&reactor, || log.has("received question"));
    trigger
        .take()
        .expect("it was kept")
        .callback("answer".to_owned())
        .expect("it was not fired");
    assert!(!log.has("answered"), "it waits for the loop");
    assert_eq!(peer.receive_all(&reactor), b"answer");
}

#[test]
fn an_error_in_a_job_closes_the_connection() {
    let log = Log::default();
    let (reactor, address) = serve(LineRecorder::new(&log).on_received(|cx, _| {
        cx.when(
            deferred::fail::<()>(Failure::msg("no such thing")),
            |_, _, outcome| outcome,
        );
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    peer.send("question\n");
    turn_until(&reactor, || log.is_lost());
    assert!(log.has("lost: failed: no such thing"), "{:?}", log.events());
}

#[test]
fn jobs_from_before_the_loss_run_first_and_those_after_are_dropped() {
    let log = Log::default();
    let kept = Rc::new(Cell::new(None::<Connection<LineRecorder>>));
    let keep = Rc::clone(&kept);
    let recorder = LineRecorder::new(&log)
        .on_received(move |cx, _| {
            keep.set(Some(cx.connection()));
            Ok(())
        })
        .on_lost(|cx| {
            let posted = cx.connection().post(|_, _| never());
            assert!(posted.is_err());
        });
    let (reactor, address) = serve(recorder);
    let mut peer = Peer::connect(address);
    peer.send("hello\n");
    turn_until(&reactor, || log.has("received hello"));
    let connection = kept.take().expect("it was kept");
    let note = log.clone();
    connection.abort();
    connection
        .post(move |_, _| note.note("job"))
        .expect("it is still there");
    assert!(!log.is_lost(), "it is never lost from inside a call");
    turn_until(&reactor, || log.is_lost());
    assert_eq!(
        log.events(),
        ["made", "received hello", "job", "lost: aborted"]
    );
    assert!(connection.post(|_, _| never()).is_err());
    connection.lose_connection();
    assert!(connection.is_gone());
}

#[test]
fn at_the_end_timers_are_cancelled_and_deferreds_left_alone_or_cancelled() {
    let log = Log::default();
    let triggers = Rc::new(RefCell::new(Vec::new()));
    let keep = Rc::clone(&triggers);
    let calls = Rc::new(RefCell::new(Vec::new()));
    let keep_calls = Rc::clone(&calls);
    let (reactor, address) = serve(LineRecorder::new(&log).on_made(move |cx| {
        let (left_alone, deferred) = Deferred::<()>::pair();
        cx.when(deferred, |_, _, _| never());
        let (cancelled, deferred) = Deferred::<()>::pair();
        cx.when_or_cancel(deferred, |_, _, _| never());
        keep.borrow_mut().extend([left_alone, cancelled]);
        let call = cx.call_later(Duration::from_secs(3600), |_, _| {
            never();
        });
        keep_calls.borrow_mut().push(call);
        Ok(())
    }));
    let peer = Peer::connect(address);
    turn_until(&reactor, || log.has("made"));
    assert!(calls.borrow()[0].is_active());
    let unhandled = Log::default();
    let note = unhandled.clone();
    unhandled::with_hook(
        move |report| note.note(report.failure().message()),
        || {
            drop(peer);
            turn_until(&reactor, || log.is_lost());
            assert!(!calls.borrow()[0].is_active());
            assert!(!triggers.borrow()[0].is_fired());
            assert!(triggers.borrow()[1].is_fired(), "by being cancelled");
            // Its failure comes after the connection, so it is reported as unhandled.
            let failed = triggers.borrow()[0].errback(Failure::msg("late"));
            failed.expect("it was not fired");
        },
    );
    // That one was cancelled is no news.
    assert_eq!(unhandled.events(), ["late"]);
}

#[test]
fn a_failure_in_a_job_that_never_ran_is_reported() {
    let log = Log::default();
    let kept = Rc::new(Cell::new(None));
    let keep = Rc::clone(&kept);
    let recorder = LineRecorder::new(&log).on_made(move |cx| {
        let (trigger, deferred) = Deferred::<()>::pair();
        cx.when(deferred, |_, _, _| never());
        keep.set(Some(trigger));
        Ok(())
    });
    let trigger = Rc::clone(&kept);
    // Fired in the last handler: the job is too late to run.
    let (reactor, address) = serve(recorder.on_lost(move |_| {
        let trigger = trigger.take().expect("it was kept");
        trigger
            .errback(Failure::msg("unheard"))
            .expect("it was not fired");
    }));
    let unhandled = Log::default();
    let note = unhandled.clone();
    unhandled::with_hook(
        move |report| note.note(report.failure().message()),
        || {
            drop(Peer::connect(address));
            turn_until(&reactor, || log.is_lost());
        },
    );
    assert_eq!(unhandled.events(), ["unheard"]);
}

#[test]
fn a_thousand_calls_that_were_cancelled_leave_nothing_behind() {
    let log = Log::default();
    let (reactor, address) = serve(LineRecorder::new(&log).on_received(|cx, _| {
        for _ in 0..1000 {
            let call = cx.call_later(Duration::from_secs(60), |_, _| ());
            assert!(call.cancel(), "it waits");
        }
        cx.write("ok\n");
        Ok(())
    }));
    let mut peer = Peer::connect(address);
    for _ in 0..20 {
        peer.send("again\n");
        assert_eq!(peer.receive_some(&reactor, 3), b"ok\n");
    }
}

#[test]
fn a_call_gives_what_the_protocol_answers() {
    testing::run(|reactor| {
        let log = Log::default();
        let (connection, peer) = reactor.connect_to_peer(RawRecorder::new(&log));
        let value = connection.call(|this, _| Ok(this.log.len()));
        let failure = connection.call(|_, _| Err::<(), _>(Failure::msg("not this time")));
        let panic = connection.call(|_, _| -> deferred::Result<()> { panic!("what it may do") });
        let later = connection.call(|_, cx| sleep(cx.reactor(), Duration::from_secs(1)));
        reactor.settle();
        assert_eq!(success_result_of(value), 1);
        assert_eq!(failure_of(failure).message(), "not this time");
        assert!(failure_of(panic).message().contains("what it may do"));
        assert!(!connection.is_gone());
        reactor.advance(Duration::from_secs(1));
        success_result_of(later);
        peer.close();
        assert!(failure_of(connection.call(|_, _| Ok(()))).is::<Gone>());
    });
}

#[test]
fn handles_on_one_connection_are_equal() {
    testing::run(|reactor| {
        let recorder = RawRecorder::new(&Log::default());
        let (one, other) = reactor.connect_pair(recorder.clone(), recorder);
        assert_eq!(one, one.clone());
        assert_ne!(one, other);
        let all = HashSet::from([one.clone(), other, one.clone()]);
        assert_eq!(all.len(), 2);
        one.abort();
        reactor.settle();
        assert!(all.contains(&one), "it stays what it was");
    });
}

/// Says what it is made for, and nothing of what comes in.
struct Deaf;

impl Protocol for Deaf {
    type Framing = Raw;
}

#[test]
fn a_protocol_that_says_nothing_of_input_ignores_it() {
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(Deaf);
        peer.send("anybody there?");
        assert!(!connection.is_gone());
        peer.close();
        assert!(connection.is_gone());
    });
}
