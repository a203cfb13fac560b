//! A server that is written by hand: it answers with the bytes that a test says.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use deferred::Result;
use reactor::testing::TestReactor;
use reactor::{Connection, ConnectionClosed, Context, Protocol, Raw};

/// What the connections of a server share.
#[derive(Default)]
pub(crate) struct Script {
    /// The requests, as they have come.
    pub(crate) received: RefCell<String>,
    /// The connections that were made.
    pub(crate) connections: RefCell<Vec<Connection<Scripted>>>,
    /// Connections that are over.
    pub(crate) lost: Cell<usize>,
    /// What is sent at each piece of input, one after the other.
    pub(crate) answers: RefCell<Vec<&'static str>>,
}

pub(crate) struct Scripted(Rc<Script>);

impl Protocol for Scripted {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.0.connections.borrow_mut().push(cx.connection());
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.0.received.borrow_mut().push_str(str::from_utf8(data)?);
        let mut answers = self.0.answers.borrow_mut();
        if !answers.is_empty() {
            match answers.remove(0) {
                "close" => cx.lose_connection(),
                "abort" => cx.abort(),
                answer => cx.write(answer),
            }
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, _: ConnectionClosed) {
        self.0.lost.set(self.0.lost.get() + 1);
    }
}

impl Script {
    /// Listens on 127.0.0.1, port 80, and answers with these, one for each piece of input.
    pub(crate) fn serve(reactor: &TestReactor, answers: &[&'static str]) -> Rc<Self> {
        Self::serve_at(reactor, "127.0.0.1:80", answers)
    }

    pub(crate) fn serve_at(
        reactor: &TestReactor,
        address: &str,
        answers: &[&'static str],
    ) -> Rc<Self> {
        let script = Rc::new(Self::default());
        script.answers.borrow_mut().extend_from_slice(answers);
        let shared = Rc::clone(&script);
        reactor
            .listen_tcp(address, move || Scripted(Rc::clone(&shared)))
            .expect("a free address");
        script
    }

    /// Number of connections that were made.
    pub(crate) fn made(&self) -> usize {
        self.connections.borrow().len()
    }

    /// What has come since this was asked for last.
    pub(crate) fn take(&self) -> String {
        self.received.take()
    }

    /// Sends on the latest connection.
    pub(crate) fn send(&self, bytes: &'static str) {
        let connections = self.connections.borrow();
        let latest = connections.last().expect("a connection");
        latest.write(bytes).expect("it is open");
    }
}
