//! What connections, datagram ports and children have in common: handles, `call`,
//! `call_every`, and the end.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::assertions::{failure_of, success_result_of};
use deferred::{Deferred, Failure, LoopingCall, Trigger};
use reactor::{
    Command, Connection, ConnectionClosed, ConnectionClosedKind, Context, DatagramContext,
    DatagramError, DatagramPort, DatagramPortClosed, DatagramProtocol, Gone, Process,
    ProcessContext, ProcessEnded, ProcessError, ProcessProtocol, Protocol, Raw, Reactor, testing,
};

use crate::support::{Count, turn_until};

/// Counts what is done to it, and keeps the reason of its end.
#[derive(Default)]
struct Subject {
    count: u32,
    looping: Rc<RefCell<Option<LoopingCall>>>,
    ended: Option<Trigger<String>>,
}

impl Subject {
    fn new() -> (Self, Deferred<String>) {
        let (trigger, ended) = Deferred::pair();
        let subject = Self {
            ended: Some(trigger),
            ..Self::default()
        };
        (subject, ended)
    }

    fn end(&mut self, reason: impl std::fmt::Display) {
        if let Some(trigger) = self.ended.take() {
            trigger.callback(reason.to_string()).expect("it ends once");
        }
    }
}

impl Protocol for Subject {
    type Framing = Raw;

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.end(reason);
    }
}

impl DatagramProtocol for Subject {
    type Address = SocketAddr;

    fn datagram_received(
        &mut self,
        _: &mut DatagramContext<'_, Self>,
        _: &[u8],
        _: SocketAddr,
    ) -> deferred::Result<()> {
        Ok(())
    }

    fn stop_protocol(&mut self, _: &mut DatagramContext<'_, Self>, reason: DatagramPortClosed) {
        self.end(reason);
    }
}

impl ProcessProtocol for Subject {
    fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
        self.end(ended);
    }
}

fn reactor() -> Reactor {
    Reactor::new().expect("a reactor")
}

fn connection(reactor: &Reactor, subject: Subject) -> Connection<Subject> {
    let port = reactor
        .listen_tcp("127.0.0.1:0", Subject::default)
        .expect("a port");
    let connecting = reactor.connect_tcp(port.address(), subject);
    reactor.block_on(connecting).expect("it connects")
}

fn port(reactor: &Reactor, subject: Subject) -> DatagramPort<Subject> {
    reactor.listen_udp("127.0.0.1:0", subject).expect("a port")
}

fn child(reactor: &Reactor, subject: Subject) -> Process<Subject> {
    reactor
        .spawn_process(Command::new("cat"), subject)
        .expect("cat runs")
}

/// Calls the macro once for each kind of handle, with a way to end it.
macro_rules! for_each_kind {
    ($reactor:ident, $check:ident) => {
        $check!($reactor, connection, |handle: &Connection<Subject>| handle
            .abort());
        $check!($reactor, port, |handle: &DatagramPort<Subject>| handle
            .stop_listening()
            .ignore());
        $check!($reactor, child, |handle: &Process<Subject>| {
            handle.kill();
            handle.lose_connection();
        });
    };
}

#[test]
fn handles_of_all_kinds_are_equal_if_they_are_of_the_same() {
    let reactor = reactor();
    macro_rules! check {
        ($reactor:ident, $kind:ident, $end:expr) => {
            let (one, other) = (
                $kind(&$reactor, Subject::default()),
                $kind(&$reactor, Subject::default()),
            );
            assert_eq!(one, one.clone());
            assert_ne!(one, other);
            let set: HashSet<_> = [one.clone(), other.clone(), one.clone()].into();
            assert_eq!(set.len(), 2);
            assert!(!format!("{one:?}").is_empty());
            for handle in [one, other] {
                $end(&handle);
                turn_until(&$reactor, || handle.is_gone());
            }
        };
    }
    for_each_kind!(reactor, check);
}

#[test]
fn call_gives_what_the_closure_returns_on_all_kinds() {
    let reactor = reactor();
    macro_rules! check {
        ($reactor:ident, $kind:ident, $end:expr) => {
            let handle = $kind(&$reactor, Subject::default());
            handle.post(|this, _| this.count += 20).expect("it is open");
            let count = handle.call(|this, _| {
                this.count += 1;
                Ok(this.count)
            });
            assert_eq!($reactor.block_on(count).expect("it is called"), 21);
            // A failure or a panic is the caller's.
            let failed = handle.call(|_, _| Err::<(), _>(Failure::msg("no")));
            let failure = $reactor.block_on(failed).expect_err("it has failed");
            assert_eq!(failure.to_string(), "no");
            let panicked = handle.call(|_, _| -> deferred::Result<()> { panic!("oh") });
            $reactor.block_on(panicked).expect_err("it has panicked");
            assert!(!handle.is_gone());
            $end(&handle);
            turn_until(&$reactor, || handle.is_gone());
        };
    }
    for_each_kind!(reactor, check);
}

#[test]
fn what_is_gone_says_so_by_its_own_noun() {
    let reactor = reactor();
    let one = connection(&reactor, Subject::default());
    one.abort();
    turn_until(&reactor, || one.is_gone());
    assert!(one.post(|_, _| ()).is_err());
    let failure = failure_of(one.call(|_, _| Ok(())));
    assert!(failure.is::<Gone>());
    assert_eq!(failure.to_string(), "the connection is gone");

    let one = port(&reactor, Subject::default());
    one.stop_listening().ignore();
    turn_until(&reactor, || one.is_gone());
    assert!(matches!(
        one.post(|_, _| ()),
        Err(DatagramError::PortClosed)
    ));
    let failure = failure_of(one.call(|_, _| Ok(())));
    assert_eq!(failure.to_string(), "the port is closed");

    let one = child(&reactor, Subject::default());
    one.kill();
    turn_until(&reactor, || one.is_gone());
    assert!(matches!(one.post(|_, _| ()), Err(ProcessError::Exited)));
    assert!(matches!(one.pause_reading(), Err(ProcessError::Exited)));
    assert!(matches!(one.close_stdout(), Err(ProcessError::Exited)));
    let failure = failure_of(one.call(|_, _| Ok(())));
    assert_eq!(failure.to_string(), "the process has exited");
}

#[test]
fn call_every_calls_until_it_is_stopped_on_all_kinds() {
    let reactor = reactor();
    macro_rules! check {
        ($reactor:ident, $kind:ident, $end:expr) => {
            let handle = $kind(&$reactor, Subject::default());
            let calls = Count::default();
            let counted = calls.clone();
            handle
                .post(move |this, cx| {
                    let looping = Rc::clone(&this.looping);
                    let started = cx.call_every(Duration::from_millis(1), move |this, _cx| {
                        counted.add();
                        this.count += 1;
                        if this.count == 3 {
                            // It may stop its own loop. Taken, so that it does not keep itself.
                            let looping = looping.take();
                            assert!(looping.is_some_and(|looping| looping.stop()));
                        }
                    });
                    this.looping.replace(Some(started));
                })
                .expect("it is open");
            turn_until(&$reactor, || calls.get() == 3);
            let later = deferred::sleep(&*$reactor, Duration::from_millis(10));
            $reactor.block_on(later).expect("time goes by");
            assert_eq!(calls.get(), 3);
            $end(&handle);
            turn_until(&$reactor, || handle.is_gone());
        };
    }
    for_each_kind!(reactor, check);
}

#[test]
fn call_every_keeps_its_times_and_dies_with_the_connection() {
    testing::run(|reactor| {
        let (connection, _peer) = reactor.connect_to_peer(Subject::default());
        let times = Rc::new(RefCell::new(Vec::new()));
        let noted = Rc::clone(&times);
        connection
            .post(move |_, cx| {
                cx.call_every(Duration::from_secs(10), move |_, cx| {
                    noted.borrow_mut().push(cx.reactor().now().as_secs());
                });
            })
            .expect("it is open");
        reactor.advance(Duration::from_secs(35));
        assert_eq!(*times.borrow(), [10, 20, 30]);
        connection.abort();
        reactor.settle();
        reactor.advance(Duration::from_secs(100));
        assert_eq!(times.borrow().len(), 3);
        assert!(reactor.leftovers().is_empty(), "{:?}", reactor.leftovers());
    });
}

#[test]
fn an_error_of_call_every_ends_its_connection() {
    testing::run(|reactor| {
        let (subject, ended) = Subject::new();
        let (connection, peer) = reactor.connect_to_peer(subject);
        connection
            .post(|_, cx| {
                cx.call_every(Duration::from_secs(1), |_, _| {
                    Err(Failure::msg("it has had enough"))
                });
            })
            .expect("it is open");
        reactor.advance(Duration::from_secs(3));
        assert!(peer.is_closed());
        let reason = success_result_of(ended);
        assert!(reason.contains("it has had enough"), "{reason}");
    });
}

#[test]
fn a_stop_of_the_loop_tells_all_kinds_the_same_reason() {
    let reactor = reactor();
    let reasons = Rc::new(RefCell::new(Vec::new()));
    let mut handles = Vec::<Box<dyn Fn() -> bool>>::new();
    macro_rules! check {
        ($reactor:ident, $kind:ident, $end:expr) => {
            let (subject, ended) = Subject::new();
            let handle = $kind(&$reactor, subject);
            let reasons = Rc::clone(&reasons);
            ended
                .add_callback(move |reason| reasons.borrow_mut().push(reason))
                .detach();
            handles.push(Box::new(move || handle.is_gone()));
        };
    }
    for_each_kind!(reactor, check);
    let handle = reactor.handle();
    reactor.call_when_running(move || handle.stop());
    reactor.run().expect("it runs");
    assert!(handles.iter().all(|is_gone| is_gone()));
    assert_eq!(*reasons.borrow(), ["the reactor was stopped"; 3]);
}

#[test]
fn reasons_are_compared_by_their_kind() {
    testing::run(|reactor| {
        let lost = Rc::new(Cell::new(None));
        struct Probe(Rc<Cell<Option<ConnectionClosed>>>);
        impl Protocol for Probe {
            type Framing = Raw;
            fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
                self.0.set(Some(reason));
            }
        }
        let reason = || lost.take().expect("it is lost");
        let (_, peer) = reactor.connect_to_peer(Probe(Rc::clone(&lost)));
        peer.reset();
        let reset = reason();
        assert_eq!(reset.kind(), ConnectionClosedKind::Lost);
        assert!(reset.is_lost() && !reset.is_clean());
        let (connection, _peer) = reactor.connect_to_peer(Probe(Rc::clone(&lost)));
        connection.abort();
        reactor.settle();
        let aborted = reason();
        assert_eq!(aborted.kind(), ConnectionClosedKind::Aborted);
        assert!(!aborted.is_lost());
        let failure = aborted.into_result().unwrap_err();
        assert!(failure.is::<ConnectionClosed>());
        assert!(ConnectionClosed::Done.into_result().is_ok());
    });
}
