//! System events: triggers before, during and after startup and shutdown, and their order.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Trigger};
use reactor::{ListeningPort, Phase, Reactor, SystemEvent, Turn, UnknownTrigger};

use crate::support::{Log, Peer, RawRecorder, reactor, turn_until};

const SHUTDOWN: SystemEvent = SystemEvent::Shutdown;

/// Adds a trigger that notes its name.
fn note(reactor: &Reactor, log: &Log, phase: Phase, event: SystemEvent, name: &'static str) {
    let log = log.clone();
    reactor.add_system_event_trigger(phase, event, move || log.note(name));
}

fn stop_soon(reactor: &Reactor) {
    let handle = reactor.handle();
    reactor.call_later(Duration::ZERO, move || handle.stop());
}

/// A port, and a peer that has come through it.
fn with_a_guest(reactor: &Reactor, log: &Log) -> (ListeningPort, Peer) {
    let recorder = RawRecorder::new(log);
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || recorder.clone())
        .expect("a free port");
    let peer = Peer::connect(port.address());
    turn_until(reactor, || log.has("made"));
    (port, peer)
}

#[test]
fn the_phases_come_in_order() {
    let (reactor, log) = (reactor(), Log::default());
    note(&reactor, &log, Phase::After, SHUTDOWN, "after");
    note(&reactor, &log, Phase::Before, SHUTDOWN, "before 1");
    note(&reactor, &log, Phase::During, SHUTDOWN, "during");
    note(&reactor, &log, Phase::Before, SHUTDOWN, "before 2");
    note(
        &reactor,
        &log,
        Phase::Before,
        SystemEvent::Startup,
        "startup",
    );
    stop_soon(&reactor);
    reactor.run().expect("it runs");
    let expected = ["startup", "before 1", "before 2", "during", "after"];
    assert_eq!(log.events(), expected);
    // Each is called once.
    stop_soon(&reactor);
    reactor.run().expect("it runs again");
    assert_eq!(log.len(), expected.len());
}

#[test]
fn the_phases_of_the_startup_come_in_order_and_wait() {
    let (reactor, log) = (reactor(), Log::default());
    note(&reactor, &log, Phase::After, SystemEvent::Startup, "after");
    note(
        &reactor,
        &log,
        Phase::During,
        SystemEvent::Startup,
        "during",
    );
    let (trigger, opened) = Deferred::<()>::pair();
    let noting = log.clone();
    reactor.add_system_event_trigger(Phase::Before, SystemEvent::Startup, move || {
        noting.note("before");
        opened
    });
    let (handle, noting) = (reactor.handle(), log.clone());
    reactor.call_later(Duration::from_millis(1), move || {
        noting.note("opened");
        trigger.callback(()).expect("it is fired once");
        handle.call_when_running(move || noting.note("running"));
    });
    let (handle, noted) = (reactor.handle(), log.clone());
    reactor.call_when_running(move || {
        noted.note("all is up");
        handle.stop();
    });
    reactor.run().expect("it runs");
    let events = log.events();
    assert_eq!(events[..2], ["before", "opened"], "{events:?}");
    let place = |what| events.iter().position(|event| event == what);
    assert!(place("during") < place("after"), "{events:?}");
    assert!(place("after").is_some(), "{events:?}");
}

#[test]
fn the_deferred_of_a_before_trigger_is_waited_for_while_the_loop_goes_on() {
    let (reactor, log) = (reactor(), Log::default());
    let slot: Rc<RefCell<Option<Trigger<()>>>> = Rc::default();
    let filling = Rc::clone(&slot);
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move || {
        let (trigger, deferred) = Deferred::pair();
        filling.replace(Some(trigger));
        deferred
    });
    note(&reactor, &log, Phase::During, SHUTDOWN, "during");
    stop_soon(&reactor);
    turn_until(&reactor, || slot.borrow().is_some());
    assert!(reactor.is_running());
    reactor.stop();
    assert_eq!(log.len(), 0);
    let trigger = slot.take().expect("it was called");
    reactor.call_later(Duration::from_millis(1), move || {
        trigger.callback(()).expect("it is the first");
    });
    reactor.run().expect("it runs to the end");
    assert_eq!(log.events(), ["during"]);
    assert!(!reactor.is_running());
}

#[test]
fn a_trigger_that_fails_or_panics_holds_up_nobody() {
    let (reactor, log) = (reactor(), Log::default());
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, || {
        deferred::fail::<()>(deferred::Failure::msg("no"))
    });
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, || {
        if true {
            panic!("what a trigger may do");
        }
    });
    note(&reactor, &log, Phase::During, SHUTDOWN, "during");
    stop_soon(&reactor);
    reactor.run().expect("it runs");
    assert_eq!(log.events(), ["during"]);
}

#[test]
fn a_trigger_can_be_removed_by_one_before_it() {
    let (reactor, log) = (reactor(), Log::default());
    let victim = Rc::new(Cell::new(None));
    let (handle, to_remove) = (reactor.handle(), Rc::clone(&victim));
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move || {
        let victim = to_remove.take().expect("it was added");
        handle
            .remove_system_event_trigger(victim)
            .expect("it is there");
    });
    let noting = log.clone();
    victim.set(Some(reactor.add_system_event_trigger(
        Phase::Before,
        SHUTDOWN,
        move || noting.note("never"),
    )));
    stop_soon(&reactor);
    reactor.run().expect("it runs");
    assert_eq!(log.len(), 0);
}

#[test]
fn removing_twice_or_after_the_call_is_an_error() {
    let reactor = reactor();
    let removed = reactor.add_system_event_trigger(Phase::After, SHUTDOWN, || ());
    assert_eq!(reactor.remove_system_event_trigger(removed), Ok(()));
    let again: Result<(), UnknownTrigger> = reactor.remove_system_event_trigger(removed);
    assert!(again.is_err());
    let called = reactor.add_system_event_trigger(Phase::After, SHUTDOWN, || ());
    stop_soon(&reactor);
    reactor.run().expect("it runs");
    assert!(reactor.remove_system_event_trigger(called).is_err());
}

#[test]
fn an_event_of_ones_own_is_fired_by_name() {
    let (reactor, log) = (reactor(), Log::default());
    let reload = SystemEvent::Custom("reload");
    note(&reactor, &log, Phase::During, reload, "reloaded");
    let other = reactor.fire_system_event(SystemEvent::Custom("unknown"));
    assert!(other.into_result().is_ok());
    let fired = reactor.fire_system_event(reload);
    assert!(fired.into_result().is_ok());
    assert_eq!(log.events(), ["reloaded"]);
    let by_hand = deferred::assertions::failure_of(reactor.fire_system_event(SHUTDOWN));
    assert!(by_hand.message().contains("not by hand"), "{by_hand}");
}

#[test]
fn a_crash_while_the_shutdown_waits_leaves_connections_alone() {
    let (reactor, log) = (reactor(), Log::default());
    let (port, _peer) = with_a_guest(&reactor, &log);
    let (trigger, deferred) = Deferred::pair();
    reactor.add_system_event_trigger(Phase::Before, SHUTDOWN, move || deferred);
    reactor.stop();
    assert_eq!(
        reactor.turn(Some(Duration::ZERO)).expect("a turn"),
        Turn::Done
    );
    reactor.crash();
    trigger.callback(()).expect("it is the first");
    assert!(!reactor.is_running());
    assert!(port.is_listening());
    assert!(!log.is_lost());
}

#[test]
fn at_shutdown_connections_are_told_and_ports_closed() {
    let (reactor, log) = (reactor(), Log::default());
    let (port, _peer) = with_a_guest(&reactor, &log);
    note(&reactor, &log, Phase::During, SHUTDOWN, "during");
    reactor.stop();
    reactor.run().expect("it ends");
    assert_eq!(log.events(), ["made", "lost: reactor stopped", "during"]);
    assert!(!port.is_listening());
}

#[test]
fn a_crash_tells_nobody_and_the_next_run_goes_on() {
    let (reactor, log) = (reactor(), Log::default());
    let recorder = RawRecorder::new(&log);
    let port = reactor
        .listen_tcp("127.0.0.1:0", move || recorder.clone())
        .expect("a free port");
    let mut peer = Peer::connect(port.address());
    turn_until(&reactor, || log.has("made"));
    note(&reactor, &log, Phase::Before, SHUTDOWN, "shutdown");
    let handle = reactor.handle();
    reactor.call_later(Duration::ZERO, move || handle.crash());
    reactor.run().expect("it ends");
    assert!(!reactor.is_running());
    peer.send("still there?");
    turn_until(&reactor, || log.has("received still there?"));
    assert!(port.is_listening());
    assert!(!log.has("shutdown"));
}

#[test]
fn a_loop_that_is_turned_by_hand_says_when_it_has_stopped() {
    let reactor = reactor();
    assert_eq!(
        reactor.turn(Some(Duration::ZERO)).expect("a turn"),
        Turn::Done
    );
    assert!(reactor.is_running(), "between its turns, too");
    reactor.stop();
    assert_eq!(reactor.turn(None).expect("a turn"), Turn::Stopped);
    assert!(!reactor.is_running());
}

#[test]
fn what_is_to_be_called_when_running_is_called_in_order_and_at_once_later() {
    let (reactor, log) = (reactor(), Log::default());
    for name in ["first", "second"] {
        let log = log.clone();
        reactor.call_when_running(move || log.note(name));
    }
    let (handle, noting) = (reactor.handle(), log.clone());
    reactor.call_when_running(move || {
        let inner = noting.clone();
        handle.call_when_running(move || inner.note("at once"));
        noting.note("third");
        handle.stop();
    });
    reactor.run().expect("it runs");
    assert_eq!(log.events(), ["first", "second", "at once", "third"]);
}
