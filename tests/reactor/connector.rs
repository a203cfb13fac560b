//! `Connector`: a client that reconnects, even if the connector was dropped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Failure, Result};
use reactor::testing::TestReactor;
use reactor::{
    Address, ClientFactory, ConnectionClosed, Connector, ConnectorState, Context, ListenError,
    Protocol, Raw, ReactorHandle, UnixAddress,
};

const SECOND: Duration = Duration::from_secs(1);

/// A server that hangs up at once.
struct Rude;

impl Protocol for Rude {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.lose_connection();
        Ok(())
    }
}

struct Client;

impl Protocol for Client {
    type Framing = Raw;
}

/// The calls that a factory got.
#[derive(Default)]
struct Told {
    started: Cell<usize>,
    failed: Cell<usize>,
    lost: RefCell<Vec<ConnectionClosed>>,
}

fn one_more(count: &Cell<usize>) {
    count.set(count.get() + 1);
}

/// A factory that connects again a second later if `comes_back`.
struct Faithful {
    reactor: ReactorHandle,
    told: Rc<Told>,
    comes_back: bool,
}

impl Faithful {
    fn new(reactor: &TestReactor, comes_back: bool) -> (Self, Rc<Told>) {
        let told = Rc::<Told>::default();
        let factory = Self {
            reactor: reactor.handle(),
            told: Rc::clone(&told),
            comes_back,
        };
        (factory, told)
    }

    fn again(&self, connector: &Connector<Client>) {
        if self.comes_back {
            let again = connector.clone();
            self.reactor.call_later(SECOND, move || {
                again.connect().expect("it is disconnected");
            });
        }
    }
}

impl ClientFactory for Faithful {
    type Protocol = Client;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Client> {
        Some(Client)
    }

    fn started_connecting(&mut self, _connector: &Connector<Client>) {
        one_more(&self.told.started);
    }

    fn connection_failed(&mut self, connector: &Connector<Client>, _failure: Failure) {
        one_more(&self.told.failed);
        self.again(connector);
    }

    fn connection_lost(&mut self, connector: &Connector<Client>, reason: ConnectionClosed) {
        self.told.lost.borrow_mut().push(reason);
        self.again(connector);
    }
}

type Listen = fn(&TestReactor) -> std::result::Result<(), ListenError>;

fn listen_tcp(reactor: &TestReactor) -> std::result::Result<(), ListenError> {
    reactor.listen_tcp("192.0.2.1:80", || Rude).map(drop)
}

fn listen_unix(reactor: &TestReactor) -> std::result::Result<(), ListenError> {
    reactor.listen_unix("/tmp/rude", || Rude).map(drop)
}

/// Connects a client of each family, with a server or without one; only the log of its
/// factory is kept.
fn with_each_family(
    comes_back: bool,
    is_served: bool,
    check: impl Fn(&TestReactor, &Rc<Told>, Listen),
) {
    for (is_tcp, listen) in [(true, listen_tcp as Listen), (false, listen_unix)] {
        let reactor = TestReactor::new();
        if is_served {
            listen(&reactor).expect("the address is free");
        }
        let (factory, told) = Faithful::new(&reactor, comes_back);
        let connector = if is_tcp {
            reactor.connector_tcp("192.0.2.1:80", factory)
        } else {
            reactor.connector_unix(UnixAddress::from("/tmp/rude"), factory)
        };
        connector.connect().expect("it is disconnected");
        drop(connector);
        check(&reactor, &told, listen);
    }
}

#[test]
fn a_dropped_connector_hears_of_each_loss_and_comes_back() {
    with_each_family(true, true, |reactor, told, _listen| {
        reactor.settle();
        for losses in 1..=10 {
            assert_eq!(told.lost.borrow().len(), losses);
            assert_eq!(told.started.get(), losses);
            reactor.advance(SECOND);
        }
        assert_eq!(told.failed.get(), 0);
    });
}

#[test]
fn a_dropped_connector_comes_back_after_attempts_that_failed() {
    with_each_family(true, false, |reactor, told, listen| {
        reactor.advance(2 * SECOND + SECOND / 2);
        assert_eq!((told.failed.get(), told.started.get()), (3, 3));
        listen(reactor).expect("the address is free");
        reactor.advance(2 * SECOND);
        assert_eq!((told.failed.get(), told.lost.borrow().len()), (3, 2));
    });
}

#[test]
fn a_connector_that_does_not_come_back_is_freed_with_its_connection() {
    with_each_family(false, true, |reactor, told, _listen| {
        reactor.settle();
        assert_eq!(told.lost.borrow().len(), 1);
        assert_eq!(Rc::strong_count(told), 1, "the factory has gone");
    });
}

#[test]
fn a_connector_that_is_kept_hears_of_each_loss_once() {
    let reactor = TestReactor::new();
    let (factory, told) = Faithful::new(&reactor, true);
    reactor
        .listen_tcp("192.0.2.1:80", || Rude)
        .expect("it is free");
    let connector = reactor.connector_tcp("192.0.2.1:80", factory);
    connector.connect().expect("it is disconnected");
    reactor.advance(9 * SECOND + SECOND / 2);
    assert_eq!(told.lost.borrow().len(), 10);
    drop(reactor);
    assert_eq!(connector.state(), ConnectorState::Disconnected);
}

/// No cycle of references is left: the factory learns of the end of the loop, fails to
/// connect again, and is dropped.
#[test]
fn a_reactor_that_goes_takes_its_dropped_connectors_along() {
    for comes_back in [false, true] {
        let reactor = TestReactor::new();
        let (factory, told) = Faithful::new(&reactor, comes_back);
        let port = reactor.listen_tcp("192.0.2.1:80", || Client);
        let connector = reactor.connector_tcp("192.0.2.1:80", factory);
        connector.connect().expect("it is disconnected");
        drop(connector);
        reactor.settle();
        assert!(told.lost.borrow().is_empty());
        drop((port, reactor));
        let lost = told.lost.take();
        assert!(
            matches!(*lost, [ConnectionClosed::ReactorStopped]),
            "{lost:?}"
        );
        assert_eq!(Rc::strong_count(&told), 1, "the factory has gone");
    }
}

type Log = Rc<RefCell<Vec<String>>>;
type Slot = Rc<RefCell<Option<Connector<Fickle>>>>;

/// Has its connector disconnect while its connection begins.
struct Fickle(Slot);

impl Protocol for Fickle {
    type Framing = Raw;

    fn connection_made(&mut self, _: &mut Context<'_, Self>) -> Result<()> {
        // Taken, so that it does not keep itself.
        let connector = self.0.take().expect("it is there");
        connector.disconnect();
        assert_eq!(connector.state(), ConnectorState::Connecting);
        Ok(())
    }
}

struct Fickles {
    told: Log,
    connector: Slot,
    begins_anew: bool,
}

impl ClientFactory for Fickles {
    type Protocol = Fickle;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Fickle> {
        Some(Fickle(Rc::clone(&self.connector)))
    }

    fn started_connecting(&mut self, connector: &Connector<Fickle>) {
        self.told.borrow_mut().push("started".to_owned());
        if std::mem::take(&mut self.begins_anew) {
            connector.stop_connecting().expect("it is planned");
            connector.connect().expect("it is disconnected");
        }
    }

    fn connection_failed(&mut self, _: &Connector<Fickle>, failure: Failure) {
        self.told.borrow_mut().push(format!("failed: {failure}"));
    }

    fn connection_lost(&mut self, connector: &Connector<Fickle>, reason: ConnectionClosed) {
        assert_eq!(connector.state(), ConnectorState::Disconnected);
        self.told.borrow_mut().push(format!("lost: {reason}"));
    }
}

fn fickle(reactor: &TestReactor, begins_anew: bool) -> (Connector<Fickle>, Log) {
    let (told, slot) = (Log::default(), Slot::default());
    let factory = Fickles {
        told: Rc::clone(&told),
        connector: Rc::clone(&slot),
        begins_anew,
    };
    let connector = reactor.connector_tcp("192.0.2.1:80", factory);
    slot.replace(Some(connector.clone()));
    (connector, told)
}

#[test]
fn a_disconnect_while_the_connection_begins_closes_it() {
    let reactor = TestReactor::new();
    reactor
        .listen_tcp("192.0.2.1:80", || Client)
        .expect("the address is free");
    let (connector, told) = fickle(&reactor, false);
    connector.connect().expect("it is disconnected");
    reactor.settle();
    assert_eq!(connector.state(), ConnectorState::Disconnected);
    assert_eq!(
        *told.borrow(),
        ["started", "lost: the connection was closed cleanly"]
    );
}

#[test]
fn a_factory_that_stops_and_begins_anew_at_the_start_makes_one_attempt() {
    let reactor = TestReactor::new();
    let accepted = Rc::new(Cell::new(0));
    let count = Rc::clone(&accepted);
    let accept = move || {
        count.set(count.get() + 1);
        Client
    };
    reactor
        .listen_tcp("192.0.2.1:80", accept)
        .expect("the address is free");
    let (connector, told) = fickle(&reactor, true);
    connector.connect().expect("it is disconnected");
    reactor.settle();
    assert_eq!(accepted.get(), 1);
    let failed = told
        .borrow()
        .iter()
        .filter(|it| it.starts_with("failed"))
        .count();
    assert_eq!(failed, 1, "the first was called off: {:?}", told.borrow());
}

/// Fails in its first connections.
struct Failing {
    left: Rc<Cell<usize>>,
    says_first: Vec<u8>,
}

impl Protocol for Failing {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.write(&self.says_first);
        match self.left.get() {
            0 => Ok(()),
            left => {
                self.left.set(left - 1);
                Err(Failure::msg("it is not ready"))
            }
        }
    }
}

/// Connects again from `connection_lost`, and may stop the attempt from `build_protocol`.
struct Persistent {
    told: Log,
    left: Rc<Cell<usize>>,
    says_first: Vec<u8>,
    stops: Option<Rc<RefCell<Option<Connector<Failing>>>>>,
}

impl ClientFactory for Persistent {
    type Protocol = Failing;

    fn build_protocol(&mut self, _peer: &Address) -> Option<Failing> {
        if let Some(connector) = self.stops.take().and_then(|slot| slot.take()) {
            assert_eq!(connector.state(), ConnectorState::Connecting);
            connector.stop_connecting().expect("it is connecting");
        }
        Some(Failing {
            left: Rc::clone(&self.left),
            says_first: self.says_first.clone(),
        })
    }

    fn started_connecting(&mut self, _: &Connector<Failing>) {
        self.told.borrow_mut().push("started".to_owned());
    }

    fn connection_failed(&mut self, connector: &Connector<Failing>, failure: Failure) {
        assert_eq!(connector.state(), ConnectorState::Disconnected);
        self.told.borrow_mut().push(format!("failed: {failure}"));
    }

    fn connection_lost(&mut self, connector: &Connector<Failing>, reason: ConnectionClosed) {
        self.told.borrow_mut().push(format!("lost: {reason}"));
        connector.connect().expect("it is disconnected");
    }
}

#[test]
fn a_factory_that_comes_back_after_a_connection_failed_to_begin_hears_of_each_attempt_once() {
    // A large output is not sent at once, so the connection closes later.
    for size in [0, 1 << 22] {
        let reactor = TestReactor::new();
        reactor
            .listen_tcp("192.0.2.1:80", || Client)
            .expect("the address is free");
        let factory = Persistent {
            told: Log::default(),
            left: Rc::new(Cell::new(2)),
            says_first: vec![0; size],
            stops: None,
        };
        let told = Rc::clone(&factory.told);
        let connector = reactor.connector_tcp("192.0.2.1:80", factory);
        connector.connect().expect("it is disconnected");
        reactor.settle();
        let lost = "lost: the protocol failed: it is not ready";
        assert_eq!(
            *told.borrow(),
            ["started", lost, "started", lost, "started"],
            "{size}"
        );
        assert_eq!(connector.state(), ConnectorState::Connected);
    }
}

#[test]
fn a_factory_may_stop_the_attempt_while_it_builds_the_protocol() {
    let reactor = TestReactor::new();
    reactor
        .listen_tcp("192.0.2.1:80", || Client)
        .expect("the address is free");
    let slot = Rc::default();
    let factory = Persistent {
        told: Log::default(),
        left: Rc::default(),
        says_first: Vec::new(),
        stops: Some(Rc::clone(&slot)),
    };
    let told = Rc::clone(&factory.told);
    let connector = reactor.connector_tcp("192.0.2.1:80", factory);
    slot.replace(Some(connector.clone()));
    for expected in [ConnectorState::Disconnected, ConnectorState::Connected] {
        connector.connect().expect("it is disconnected");
        reactor.settle();
        assert_eq!(connector.state(), expected);
    }
    assert_eq!(
        *told.borrow(),
        ["started", "failed: the deferred was cancelled", "started"]
    );
}
