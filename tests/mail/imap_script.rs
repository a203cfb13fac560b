//! An IMAP server that says what a test tells it to, on the memory network.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Deferred, Result};
use reactor::testing::{self, TestReactor};
use reactor::{Connection, ConnectionClosed, Context, Protocol, Raw};
use reactor_mail::imap_types::fetch::MessageDataItemName;
use reactor_mail::{ImapClient, ImapClientBuilder, ImapError, ImapEvent};

pub(crate) const AT: &str = "192.0.2.1:143";
/// What asks for the whole message, and does not mark it as seen.
pub(crate) const BODY: MessageDataItemName<'static> = MessageDataItemName::BodyExt {
    section: None,
    partial: None,
    peek: true,
};
pub(crate) const CAPABILITIES: &str = "IMAP4rev1 IDLE LITERAL+ MOVE UIDPLUS AUTH=PLAIN STARTTLS";

/// A server that records what it receives.
#[derive(Clone)]
pub(crate) struct Server<'a> {
    reactor: &'a TestReactor,
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    received: RefCell<Vec<u8>>,
    connection: RefCell<Option<Connection<Recorder>>>,
    lost: RefCell<Option<ConnectionClosed>>,
}

struct Recorder(Rc<State>);

impl Protocol for Recorder {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.0.connection.replace(Some(cx.connection()));
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, bytes: &[u8]) -> Result<()> {
        self.0.received.borrow_mut().extend_from_slice(bytes);
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.0.lost.replace(Some(reason));
    }
}

impl Server<'_> {
    #[track_caller]
    pub(crate) fn says(&self, text: impl AsRef<[u8]>) {
        let connection = self.state.connection.borrow().clone().expect("connected");
        connection.write(text).expect("the client is there");
        self.reactor.settle();
    }

    /// What the client has sent since the last call.
    #[track_caller]
    pub(crate) fn hears(&self, expected: &str) {
        self.reactor.settle();
        let received = self.state.received.take();
        assert_eq!(String::from_utf8(received).expect("text"), expected);
    }

    pub(crate) fn hangs_up(&self) {
        let connection = self.state.connection.borrow().clone().expect("connected");
        connection.lose_connection();
        self.reactor.settle();
    }

    pub(crate) fn is_left(&self) -> bool {
        self.reactor.settle();
        self.state.lost.borrow().is_some()
    }
}

/// Runs `f` with a server, reading whole segments, and again byte by byte.
pub(crate) fn with_server(f: impl Fn(&TestReactor, &Server<'_>)) {
    with_reads(&[usize::MAX, 1], f);
}

fn with_reads(largest_reads: &[usize], f: impl Fn(&TestReactor, &Server<'_>)) {
    for &largest_read in largest_reads {
        testing::run(|reactor| {
            reactor.set_largest_read(largest_read);
            let state = Rc::<State>::default();
            let server = Server {
                reactor,
                state: Rc::clone(&state),
            };
            let port = reactor
                .listen_tcp(AT, move || Recorder(Rc::clone(&state)))
                .expect("it listens");
            f(reactor, &server);
            port.stop_listening();
            let connection = server.state.connection.take();
            connection.inspect(Connection::abort);
            reactor.settle();
        });
    }
}

pub(crate) fn in_the_clear() -> ImapClientBuilder {
    ImapClient::builder().dangerously_in_the_clear()
}

/// Runs `f` with a client that has connected, and the server.
pub(crate) fn with_client(f: impl Fn(&TestReactor, &Server<'_>, &ImapClient)) {
    with_capabilities(CAPABILITIES, f);
}

/// As `with_client`, without the run that reads byte by byte.
pub(crate) fn with_whole_reads(f: impl Fn(&TestReactor, &Server<'_>, &ImapClient)) {
    with_reads(&[usize::MAX], |reactor, server| {
        connected(reactor, server, CAPABILITIES, &f);
    });
}

pub(crate) fn with_capabilities(
    capabilities: &str,
    f: impl Fn(&TestReactor, &Server<'_>, &ImapClient),
) {
    with_server(|reactor, server| connected(reactor, server, capabilities, &f));
}

fn connected(
    reactor: &TestReactor,
    server: &Server<'_>,
    capabilities: &str,
    f: &impl Fn(&TestReactor, &Server<'_>, &ImapClient),
) {
    let client = connect(reactor, server, &in_the_clear(), capabilities);
    f(reactor, server, &client);
}

/// A client that has connected to `server`, which says its capabilities in the greeting.
pub(crate) fn connect(
    reactor: &TestReactor,
    server: &Server<'_>,
    builder: &ImapClientBuilder,
    capabilities: &str,
) -> ImapClient {
    let client = builder.connect(reactor, AT);
    reactor.settle();
    server.says(format!("* OK [CAPABILITY {capabilities}] ready\r\n"));
    reactor.result_of(client).expect("it is connected")
}

/// The events of `client` from now on.
pub(crate) fn events(client: &ImapClient) -> Rc<RefCell<Vec<ImapEvent>>> {
    let events = Rc::<RefCell<Vec<ImapEvent>>>::default();
    let to_push = Rc::clone(&events);
    client.on_event(move |event| to_push.borrow_mut().push(event));
    events
}

/// What a Deferred that has fired has failed with.
#[track_caller]
pub(crate) fn error<T: 'static>(reactor: &TestReactor, deferred: Deferred<T>) -> ImapError {
    match reactor.result_of(deferred) {
        Ok(_) => panic!("it has not failed"),
        Err(failure) => {
            let error = failure.check::<ImapError>();
            error.unwrap_or_else(|| panic!("{failure}")).clone()
        }
    }
}
