//! A factory that closes its own port when no connection can be accepted.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use reactor::{Address, Factory, ListeningPort, Protocol, Raw, Reactor};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::{is_own_process, limit_descriptors, turn_until};

const NAME: &str = "closed_in_accept_failed::a_port_that_is_closed_in_accept_failed_stops_once";

struct Quiet;

impl Protocol for Quiet {
    type Framing = Raw;
}

type Place = Rc<RefCell<Option<ListeningPort>>>;
type Notes = Rc<RefCell<Vec<&'static str>>>;

struct Closes {
    port: Place,
    notes: Notes,
}

impl Factory for Closes {
    type Protocol = Quiet;

    fn build_protocol(&mut self, _: &Address) -> Option<Quiet> {
        Some(Quiet)
    }

    fn start_factory(&mut self) {
        self.notes.borrow_mut().push("start");
    }

    fn accept_failed(&mut self, _: &io::Error, _: Duration) {
        let port = self.port.borrow().clone().expect("the test has stored it");
        let stopped = port.stop_listening().into_result();
        stopped.expect("at once").expect("nothing has failed");
        self.notes.borrow_mut().push("closed");
    }

    fn stop_factory(&mut self) {
        self.notes.borrow_mut().push("stop");
    }
}

#[test]
fn a_port_that_is_closed_in_accept_failed_stops_once() {
    if !is_own_process(NAME) {
        return;
    }
    let reactor = Reactor::new().expect("a reactor");
    limit_descriptors(40);
    let (place, notes) = (Place::default(), Notes::default());
    let factory = Closes {
        port: Rc::clone(&place),
        notes: Rc::clone(&notes),
    };
    let port = reactor
        .listen_tcp("127.0.0.1:0", factory)
        .expect("a free port");
    place.replace(Some(port.clone()));
    let address = SockAddr::from(port.address());
    let client = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let all: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    client.connect(&address).expect("it listens");
    turn_until(&reactor, || {
        !notes.borrow().is_empty() && !port.is_listening()
    });
    drop(all);
    assert_eq!(*notes.borrow(), ["start", "closed", "stop"]);
    let stopped = port.stop_listening().into_result();
    stopped.expect("at once").expect("it was closed");
    assert_eq!(notes.borrow().len(), 3, "it has stopped once");
    port.start_listening().expect("it is free");
    port.stop_listening().ignore();
    assert_eq!(notes.borrow()[3..], ["start", "stop"]);
}
