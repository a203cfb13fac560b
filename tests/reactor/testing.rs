//! Testing without sockets: what the tools themselves promise.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;

use deferred::{Deferred, Failure, LoopingCall, Trigger, defer_later, sleep};
use reactor::testing::{self, TestReactor};
use reactor::{ReactorHandle, RunError, Turn};

use crate::support::{LineRecorder, Log, RawRecorder};

#[test]
fn time_goes_from_call_to_call() {
    let (reactor, log) = (TestReactor::new(), Log::default());
    let (handle, noting) = (reactor.handle(), log.clone());
    let second = Duration::from_secs(1);
    let sleeping = reactor.spawn(async move {
        for _ in 0..3 {
            sleep(&handle, second).await?;
            noting.note(format!("{:?}", handle.now()));
        }
        Ok(())
    });
    reactor.advance(Duration::from_millis(3500));
    assert_eq!(log.events(), ["1s", "2s", "3s"]);
    assert_eq!(reactor.now(), Duration::from_millis(3500));
    deferred::assertions::success_result_of(sleeping);
}

#[test]
fn input_may_come_byte_by_byte() {
    testing::run(|reactor| {
        reactor.set_largest_read(1);
        let log = Log::default();
        let (_, peer) = reactor.connect_to_peer(LineRecorder::new(&log));
        peer.send("one\r\ntwo\r\n");
        peer.close();
        let expected = [
            "made",
            "received one",
            "received two",
            "read closed",
            "lost: done",
        ];
        assert_eq!(log.events(), expected);
    });
}

#[test]
fn two_protocols_talk_to_each_other() {
    testing::run(|reactor| {
        let (one, other) = (Log::default(), Log::default());
        let asking = LineRecorder::new(&one).on_made(|cx| {
            cx.send_line("how are you?");
            Ok(())
        });
        let answering = LineRecorder::new(&other).on_received(|cx, _| {
            cx.send_line("fine");
            cx.lose_connection();
            Ok(())
        });
        reactor.connect_pair(asking, answering);
        assert!(one.has("received fine"));
        assert_eq!(one.events().last().map(String::as_str), Some("lost: done"));
        assert!(other.is_lost());
    });
}

#[test]
fn ports_and_clients_find_one_another_by_address() {
    testing::run(|reactor| {
        let (server, client) = (Log::default(), Log::default());
        let recorder = RawRecorder::new(&server);
        let port = reactor
            .listen_tcp("0.0.0.0:80", move || recorder.clone())
            .expect("it is free");
        assert!(
            reactor
                .listen_tcp("0.0.0.0:80", || RawRecorder::new(&Log::default()))
                .is_err()
        );
        let connecting = reactor.connect_tcp("127.0.0.1:80", RawRecorder::new(&client));
        reactor.settle();
        let connection = deferred::assertions::success_result_of(connecting);
        connection.write("hello").expect("it is there");
        reactor.settle();
        assert!(server.has("received hello"));
        connection.abort();
        reactor.settle();
        assert!(server.has("lost: broken"));
        port.stop_listening().ignore();
    });
}

#[test]
fn what_was_read_before_a_close_is_delivered_after_a_pause() {
    testing::run(|reactor| {
        let log = Log::default();
        let recorder = RawRecorder::new(&log).on_made(|cx| {
            cx.pause_reading();
            Ok(())
        });
        let (connection, peer) = reactor.connect_to_peer(recorder);
        peer.send("the last words");
        peer.close();
        assert_eq!(log.events(), ["made"]);
        connection.resume_reading().expect("it is there");
        reactor.settle();
        let expected = [
            "made",
            "received the last words",
            "read closed",
            "lost: done",
        ];
        assert_eq!(log.events(), expected);
    });
}

#[test]
fn what_is_left_behind_fails_the_test() {
    let fails = |test: fn(&TestReactor)| {
        let outcome = catch_unwind(AssertUnwindSafe(|| testing::run(test)));
        let message = outcome.expect_err("it fails");
        message
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_default()
    };
    let timer = fails(|reactor| {
        reactor.call_later(Duration::from_secs(1), || ());
    });
    assert!(timer.contains("1 delayed calls, due at [1s]"), "{timer}");
    let port = fails(|reactor| {
        let port = reactor.listen_tcp("127.0.0.1:80", || RawRecorder::new(&Log::default()));
        port.expect("it is free");
    });
    assert!(port.contains("1 connections and ports"), "{port}");
    let failure = fails(|_| drop(deferred::fail::<()>(Failure::msg("no errback"))));
    assert!(failure.contains("no errback"), "{failure}");
    testing::run(|reactor| {
        reactor
            .listen_tcp("127.0.0.1:80", || RawRecorder::new(&Log::default()))
            .expect("free");
        reactor.shut_down();
    });
}

#[test]
fn descriptors_of_the_system_are_refused() {
    let reactor = TestReactor::new();
    let (pipe, _writer) = std::io::pipe().expect("a pipe");
    let error = reactor
        .add_reader(pipe, |_| ())
        .expect_err("it watches none");
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}

fn rearm(reactor: &ReactorHandle, calls: &Rc<Cell<u32>>) {
    calls.set(calls.get() + 1);
    let (again, calls) = (reactor.clone(), Rc::clone(calls));
    reactor.call_later(Duration::ZERO, move || rearm(&again, &calls));
}

#[test]
fn a_call_of_no_delay_may_rearm_itself_for_ever() {
    let (reactor, calls) = (TestReactor::new(), Rc::new(Cell::new(0)));
    let log = Log::default();
    rearm(&reactor, &calls);
    reactor.settle();
    let after_one = calls.get();
    assert!(after_one > 100, "{after_one}");
    reactor.settle();
    assert!(calls.get() > after_one + 100, "it goes on");

    let (second, noting) = (Duration::from_secs(1), log.clone());
    let ticking = LoopingCall::new(move || noting.note("tick"));
    let ticks = ticking.start(&reactor, second).expect("it does not run");
    reactor.advance(Duration::from_millis(3500));
    assert_eq!(log.events(), ["tick"; 4]);
    assert_eq!(reactor.now(), Duration::from_millis(3500));
    // A result that such a call finds in the end is waited for.
    let (trigger, deferred) = Deferred::pair();
    let handle = reactor.handle();
    let last = calls.get() + 5000;
    poll(&handle, calls, last, trigger);
    assert_eq!(reactor.block_on(deferred).expect("it is found"), last);
    drop(ticks);
}

fn poll(reactor: &ReactorHandle, calls: Rc<Cell<u32>>, last: u32, trigger: Trigger<u32>) {
    if calls.get() >= last {
        trigger.callback(last).expect("once");
        return;
    }
    let again = reactor.clone();
    reactor.call_later(Duration::ZERO, move || poll(&again, calls, last, trigger));
}

#[test]
fn two_protocols_that_never_stop_talking_are_an_error() {
    let reactor = TestReactor::new();
    let echo = |log: &Log| {
        RawRecorder::new(log).on_received(|cx, _| {
            cx.write("again");
            Ok(())
        })
    };
    let (one, _other) = reactor.connect_pair(echo(&Log::default()), echo(&Log::default()));
    let message = message_of(|| {
        one.write("first").expect("it is open");
        reactor.settle();
    });
    assert!(message.contains("never comes to rest"), "{message}");
}

#[test]
fn a_result_is_there_now_or_after_some_time() {
    let reactor = TestReactor::new();
    let now = defer_later(&reactor, Duration::ZERO, || Ok("now"));
    assert_eq!(reactor.result_of(now).expect("no failure"), "now");
    let failed = defer_later(&reactor, Duration::ZERO, || {
        Err::<(), _>(Failure::msg("why"))
    });
    let failure = reactor.result_of(failed).expect_err("it fails");
    assert_eq!(failure.to_string(), "why");

    let hour = Duration::from_secs(3600);
    let later = sleep(&reactor, hour);
    let message = message_of(|| drop(reactor.result_of(later)));
    assert!(
        message.starts_with("there is no result at 0ns"),
        "{message}"
    );
    assert_eq!(reactor.now(), Duration::ZERO);
    reactor.block_on(sleep(&reactor, hour)).expect("it comes");
    assert_eq!(reactor.now(), hour);

    let (trigger, never) = Deferred::<()>::pair();
    let message = message_of(|| drop(reactor.block_on(never)));
    assert!(
        message.starts_with("nothing is left to happen"),
        "{message}"
    );
    drop(trigger);

    let handle = reactor.handle();
    reactor.call_later(hour, move || handle.stop());
    let (_trigger, never) = Deferred::<()>::pair();
    let stopped = reactor.block_on(never).expect_err("it was stopped");
    assert!(matches!(stopped.downcast_ref(), Some(RunError::Stopped)));
}

#[test]
fn a_turn_is_one_turn() {
    let (reactor, log) = (TestReactor::new(), Log::default());
    let (handle, noting) = (reactor.handle(), log.clone());
    reactor.call_later(Duration::ZERO, move || {
        noting.note("one");
        let (stopping, noting) = (handle.clone(), noting);
        handle.call_later(Duration::ZERO, move || {
            noting.note("two");
            stopping.stop();
        });
    });
    assert_eq!(reactor.turn(), Turn::Done);
    assert_eq!(log.events(), ["one"]);
    assert_eq!(reactor.turn(), Turn::Stopped);
    assert_eq!(log.events(), ["one", "two"]);
}

thread_local! {
    static PANICKED_IN: RefCell<String> = RefCell::default();
}

/// The file of the panic in `f`, as its message has it.
fn file_of(f: impl FnOnce()) -> String {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panicked| {
            let place = panicked.location().map_or("", |location| location.file());
            PANICKED_IN.with_borrow_mut(|file| place.clone_into(file));
            usual(panicked);
        }));
    });
    catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    PANICKED_IN.take()
}

fn message_of(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("it panics");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload
            .downcast::<&str>()
            .map_or_else(|_| String::new(), |text| (*text).into()),
    }
}

#[test]
fn a_panic_of_the_tools_names_the_test() {
    let reactor = TestReactor::new();
    let from_inside = |f: fn(&TestReactor, &testing::Peer)| {
        let shared = Rc::new(TestReactor::new());
        let (_, peer) = shared.connect_to_peer(RawRecorder::new(&Log::default()));
        let (here, file) = (Rc::clone(&shared), Rc::new(RefCell::new(String::new())));
        let found = Rc::clone(&file);
        shared.call_later(Duration::ZERO, move || {
            found.replace(file_of(|| f(&here, &peer)));
        });
        shared.settle();
        file.take()
    };
    let files = [
        file_of(|| {
            testing::run(|reactor| {
                reactor.call_later(Duration::from_secs(1), || ());
            });
        }),
        file_of(|| drop(reactor.result_of(Deferred::<()>::pair().1))),
        file_of(|| drop(reactor.block_on(deferred_that_waits()))),
        from_inside(|reactor, _| reactor.settle()),
        from_inside(|reactor, _| {
            reactor.turn();
        }),
        from_inside(|reactor, _| reactor.advance(Duration::ZERO)),
        from_inside(|reactor, _| reactor.shut_down()),
        from_inside(|reactor, _| {
            reactor.connect_to_peer(RawRecorder::new(&Log::default()));
        }),
        from_inside(|_, peer| peer.send("hello")),
        from_inside(|_, peer| {
            peer.try_send(b"hello");
        }),
        from_inside(|_, peer| drop(peer.received())),
        from_inside(|_, peer| {
            peer.is_closed();
        }),
        from_inside(|_, peer| {
            peer.was_reset();
        }),
        from_inside(|_, peer| peer.set_reading(false)),
        from_inside(|_, peer| peer.finish()),
        from_inside(|_, peer| peer.close()),
        from_inside(|_, peer| peer.reset()),
    ];
    assert_eq!(files, [file!(); 17]);
}

/// Waits for what nothing fires while the test runs.
fn deferred_that_waits() -> Deferred<()> {
    thread_local! {
        static KEPT: RefCell<Option<Trigger<()>>> = const { RefCell::new(None) };
    }
    let (trigger, deferred) = Deferred::pair();
    KEPT.set(Some(trigger));
    deferred
}
