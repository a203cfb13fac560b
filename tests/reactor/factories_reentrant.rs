//! Factories that close and open their own port while the port calls them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use reactor::testing::{self, TestReactor};
use reactor::{Address, Factory, ListeningPort};

use crate::support::{Log, RawRecorder};

/// Where the factory uses its own port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Build,
    Stop,
}

#[derive(Clone, Copy)]
enum Action {
    Close,
    Open,
    CloseAndOpen,
    CloseAndPanic,
}

/// Notes its calls, and does something with its own port in one of them, once.
struct Reentrant {
    at: At,
    action: Action,
    port: Rc<RefCell<Option<ListeningPort>>>,
    is_due: Rc<Cell<bool>>,
    log: Log,
}

impl Reentrant {
    fn comes_to(&self, at: At) {
        if at != self.at || !self.is_due.replace(false) {
            return;
        }
        let port = self.port.borrow().clone().expect("the test has stored it");
        let close = || {
            let closed = port.stop_listening().into_result();
            closed.expect("at once").expect("nothing has failed");
            assert!(!port.is_listening());
            self.log.note("closed");
        };
        let open = || match port.start_listening() {
            Ok(()) => self.log.note("opened"),
            Err(_) => self.log.note("not opened"),
        };
        match self.action {
            Action::Close => close(),
            Action::Open => open(),
            Action::CloseAndOpen => {
                close();
                open();
            }
            Action::CloseAndPanic => {
                close();
                panic!("what a factory may do");
            }
        }
    }
}

impl Factory for Reentrant {
    type Protocol = RawRecorder;

    fn build_protocol(&mut self, _: &Address) -> Option<RawRecorder> {
        self.log.note("build");
        self.comes_to(At::Build);
        Some(RawRecorder::new(&self.log))
    }

    fn start_factory(&mut self) {
        self.log.note("start");
        self.comes_to(At::Start);
    }

    fn stop_factory(&mut self) {
        self.log.note("stop");
        self.comes_to(At::Stop);
    }
}

struct Case {
    port: ListeningPort,
    is_due: Rc<Cell<bool>>,
    log: Log,
}

impl Case {
    /// A port that listens. The factory acts from when [`due`](Self::due) was called.
    fn new(reactor: &TestReactor, at: At, action: Action) -> Self {
        let (place, is_due, log) = (Rc::default(), Rc::new(Cell::new(false)), Log::default());
        let factory = Reentrant {
            at,
            action,
            port: Rc::clone(&place),
            is_due: Rc::clone(&is_due),
            log: log.clone(),
        };
        let listening = reactor.listen_tcp("127.0.0.1:80", factory);
        let port = listening.expect("a free port");
        place.replace(Some(port.clone()));
        assert_eq!(log.events(), ["start"]);
        log.clear();
        Self { port, is_due, log }
    }

    fn due(&self) {
        self.is_due.set(true);
    }

    /// A client comes and goes.
    fn client(&self, reactor: &TestReactor) {
        let client = RawRecorder::new(&Log::default());
        let connecting = reactor.connect_tcp("127.0.0.1:80", client);
        reactor.settle();
        if let Ok(Ok(connection)) = connecting.into_result() {
            connection.abort();
        }
        reactor.settle();
    }
}

#[test]
fn a_port_that_is_closed_in_build_protocol_has_its_connection_and_stops_once() {
    testing::run(|reactor| {
        let case = Case::new(reactor, At::Build, Action::Close);
        case.due();
        case.client(reactor);
        let expected = ["build", "closed", "stop", "made", "lost: broken"];
        assert_eq!(case.log.events(), expected);
        assert!(!case.port.is_listening());
        reactor
            .result_of(case.port.stop_listening())
            .expect("it was closed");
        assert_eq!(case.log.len(), expected.len(), "it has stopped once");
        case.port.start_listening().expect("it is free");
        case.port.stop_listening().ignore();
        assert_eq!(case.log.events()[expected.len()..], ["start", "stop"]);
    });
}

#[test]
fn a_port_that_is_closed_in_a_build_protocol_that_panics_stops_once() {
    testing::run(|reactor| {
        let case = Case::new(reactor, At::Build, Action::CloseAndPanic);
        case.due();
        case.client(reactor);
        assert_eq!(case.log.events(), ["build", "closed", "stop"]);
        assert!(!case.port.is_listening());
    });
}

#[test]
fn a_port_that_is_closed_and_opened_in_build_protocol_goes_on() {
    testing::run(|reactor| {
        let case = Case::new(reactor, At::Build, Action::CloseAndOpen);
        case.due();
        case.client(reactor);
        let expected = ["build", "closed", "opened", "made", "lost: broken"];
        assert_eq!(case.log.events(), expected);
        assert!(case.port.is_listening());
        case.client(reactor);
        case.port.stop_listening().ignore();
        let rest = ["build", "made", "lost: broken", "stop"];
        assert_eq!(case.log.events()[expected.len()..], rest);
    });
}

#[test]
fn a_port_that_is_opened_in_stop_factory_listens() {
    testing::run(|reactor| {
        let case = Case::new(reactor, At::Stop, Action::Open);
        case.due();
        case.port.stop_listening().ignore();
        assert_eq!(case.log.events(), ["stop", "opened"]);
        assert!(case.port.is_listening());
        case.client(reactor);
        case.port.stop_listening().ignore();
        assert!(!case.port.is_listening());
        let rest = ["build", "made", "lost: broken", "stop"];
        assert_eq!(case.log.events()[2..], rest);
    });
}

#[test]
fn a_port_that_is_opened_in_start_factory_is_open_once() {
    testing::run(|reactor| {
        let case = Case::new(reactor, At::Start, Action::Open);
        case.port.stop_listening().ignore();
        case.log.clear();
        case.due();
        case.port.start_listening().expect("it is free");
        assert_eq!(case.log.events(), ["start", "opened"]);
        assert!(case.port.is_listening());
        case.client(reactor);
        case.port.stop_listening().ignore();
        let rest = ["build", "made", "lost: broken", "stop"];
        assert_eq!(case.log.events()[2..], rest);
    });
}

#[test]
fn a_port_that_is_closed_in_start_factory_stays_closed() {
    testing::run(|reactor| {
        let case = Case::new(reactor, At::Start, Action::Close);
        case.port.stop_listening().ignore();
        case.log.clear();
        case.due();
        let error = case.port.start_listening().expect_err("it was closed");
        let message = error.to_string();
        assert!(
            message.contains("`start_factory` has closed the port"),
            "{message}"
        );
        assert_eq!(case.log.events(), ["start", "closed", "stop"]);
        assert!(!case.port.is_listening());
        case.client(reactor);
        assert_eq!(case.log.len(), 3, "nothing listens");
        case.port.start_listening().expect("it is free");
        case.client(reactor);
        case.port.stop_listening().ignore();
        let rest = ["start", "build", "made", "lost: broken", "stop"];
        assert_eq!(case.log.events()[3..], rest);
    });
}
