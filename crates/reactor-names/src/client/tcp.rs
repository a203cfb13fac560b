//! Questions over TCP or TLS: one connection for each server, with several questions on their way.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{Deferred, Failure, SharedDeferred, TimedOut, Trigger, fail, inline_callbacks};
use reactor::{Connection, ConnectionClosed, Context, Protocol, ReactorHandle};

use super::question::{Question, Reply};
use crate::message::{MessageError, TcpFraming};
use crate::upstream::Upstream;

/// A connection without traffic for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most questions that wait on one connection.
const MAX_PIPELINED: usize = 1000;

/// The connections, by server.
#[derive(Default)]
pub(super) struct TcpClients {
    open: RefCell<HashMap<Upstream, Client>>,
}

#[derive(Clone)]
struct Client {
    // Shared: questions that come while the connection is made wait for the same attempt.
    connection: SharedDeferred<Connection<TcpClient>>,
    waiting: Rc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    // A question is here from its writing until its answer, its cancel or the end of the
    // connection. Each of these takes it out before its trigger fires, so that the code of users
    // which runs then may ask on the same connection.
    by_id: RefCell<HashMap<u16, (Question, Trigger<Reply>)>>,
    /// Number of messages that have come in.
    // Tells a slow answer from a dead connection: see `give_up`.
    received: Cell<u64>,
    /// The connection, from the time at which it is made.
    // Cleared by `give_up` only.
    connection: RefCell<Option<Connection<TcpClient>>>,
}

impl TcpClients {
    /// Asks `server` on the connection that is open, or else on a new one, for at most `timeout`
    /// in all.
    ///
    /// A server may close a connection just when a question is on its way; then it is asked again
    /// on a new one, once.
    pub(super) fn ask(
        self: &Rc<Self>,
        reactor: &ReactorHandle,
        server: &Upstream,
        timeout: Duration,
        question: impl Fn() -> Result<Question, MessageError> + 'static,
    ) -> Deferred<Reply> {
        let (clients, reactor) = (Rc::clone(self), reactor.clone());
        let (server, end) = (server.clone(), reactor.now().saturating_add(timeout));
        inline_callbacks(async move {
            let mut is_first = true;
            loop {
                let (client, is_reused) = clients.client(&reactor, &server);
                let (waiting, before) = (Rc::clone(&client.waiting), client.waiting.received.get());
                // One deadline for both attempts: the second gets the time that the first has left.
                let rest = end.saturating_sub(reactor.now());
                let asked = clients.ask_on(client, &server, question()?);
                match asked.add_timeout(rest, &reactor).await {
                    // Only a reused connection: its server may have closed it for being idle, and
                    // that says nothing about the question. A new one that is closed refuses the
                    // question itself.
                    Err(failure) if is_first && is_reused && failure.is::<Closed>() => {
                        is_first = false;
                    }
                    Err(failure) => {
                        if failure.is::<TimedOut>() && waiting.received.get() == before {
                            clients.give_up(&server, &waiting);
                        }
                        return Err(failure);
                    }
                    reply => return reply,
                }
            }
        })
    }

    fn client(self: &Rc<Self>, reactor: &ReactorHandle, server: &Upstream) -> (Client, bool) {
        if let Some(client) = self.open.borrow().get(server) {
            return (client.clone(), true);
        }
        let waiting = Rc::<Waiting>::default();
        let protocol = TcpClient {
            server: server.clone(),
            waiting: Rc::clone(&waiting),
            clients: Rc::downgrade(self),
        };
        let client = Client {
            connection: server.connect(reactor, protocol).share(),
            waiting,
        };
        self.open
            .borrow_mut()
            .insert(server.clone(), client.clone());
        (client, false)
    }

    fn ask_on(
        self: &Rc<Self>,
        client: Client,
        server: &Upstream,
        mut question: Question,
    ) -> Deferred<Reply> {
        let (clients, waiting) = (Rc::clone(self), Rc::clone(&client.waiting));
        let server = server.clone();
        let connected = client.connection.get();
        connected.add_both(move |connected| {
            let connection = match connected {
                Ok(connection) => connection,
                Err(failure) => {
                    // A failed attempt is not kept, or all later questions would get its failure.
                    clients.forget(&server, &waiting);
                    return fail(failure);
                }
            };
            // The id was drawn at random, and has to be unique on this connection.
            let Some(id) = waiting.free_id(question.id()) else {
                return fail(Failure::msg("too many questions wait for this server"));
            };
            question.set_id(id);
            match TcpFraming::encode(question.bytes()) {
                Ok(framed) if connection.write(&framed).is_ok() => {}
                // The connection has closed, and its `connection_lost` was not called yet.
                Ok(_) => {
                    clients.forget(&server, &waiting);
                    return fail(Closed);
                }
                Err(error) => return fail(error),
            }
            let abandoned = Rc::downgrade(&waiting);
            let (trigger, reply) = Deferred::with_canceller(move |_trigger| {
                if let Some(waiting) = abandoned.upgrade() {
                    // Its answer is not waited for, but may still come: it is skipped.
                    drop(waiting.by_id.borrow_mut().remove(&id));
                }
            });
            // After the write is early enough: a write calls no handler, so the answer comes in
            // a later turn at the earliest.
            waiting.by_id.borrow_mut().insert(id, (question, trigger));
            reply
        })
    }

    /// Aborts a connection on which nothing has come while a question waited: the server may have
    /// become unreachable without a reset, which TCP would report only minutes later.
    fn give_up(&self, server: &Upstream, waiting: &Rc<Waiting>) {
        self.forget(server, waiting);
        if let Some(connection) = waiting.connection.take() {
            connection.abort();
        }
    }

    /// Forgets the connection, unless a newer one has taken its place.
    fn forget(&self, server: &Upstream, waiting: &Rc<Waiting>) {
        let mut open = self.open.borrow_mut();
        if let Some(client) = open.get(server)
            && Rc::ptr_eq(&client.waiting, waiting)
        {
            let removed = open.remove(server);
            // The drop of the client may drop Deferreds of users, so nothing is borrowed by then.
            drop(open);
            drop(removed);
        }
    }
}

impl Drop for TcpClients {
    fn drop(&mut self) {
        for client in self.open.take().into_values() {
            client
                .connection
                .get()
                .add_callback(|connection| connection.abort())
                .ignore();
        }
    }
}

impl Waiting {
    /// `wanted`, or another random one if that is taken.
    fn free_id(&self, wanted: u16) -> Option<u16> {
        let by_id = self.by_id.borrow();
        if by_id.len() >= MAX_PIPELINED {
            return None;
        }
        // Ends soon: at most 1,000 of 65,536 ids are taken.
        let mut id = wanted;
        while by_id.contains_key(&id) {
            id = rand::random();
        }
        Some(id)
    }
}

/// The server has closed the connection before its answer.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the DNS server has closed the connection")
    }
}

impl std::error::Error for Closed {}

struct TcpClient {
    server: Upstream,
    waiting: Rc<Waiting>,
    clients: Weak<TcpClients>,
}

impl Protocol for TcpClient {
    type Framing = TcpFraming;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.set_idle_timeout(IDLE_TIMEOUT);
        self.waiting.connection.replace(Some(cx.connection()));
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, message: &[u8]) -> deferred::Result<()> {
        self.waiting.received.update(|count| count + 1);
        let Some(id) = message.first_chunk().map(|id| u16::from_be_bytes(*id)) else {
            return Ok(());
        };
        let mut by_id = self.waiting.by_id.borrow_mut();
        // Not removed yet: after a message with the right id and another question, the question
        // still waits for its own answer.
        let reply = match by_id.get(&id) {
            Some((question, _)) => question.reply(message),
            None => Reply::Unrelated,
        };
        let answered = match &reply {
            Reply::Unrelated => None,
            _ => by_id.remove(&id),
        };
        // Before the trigger fires: its callbacks may ask again, and so borrow the map.
        drop(by_id);
        if let Some((_, trigger)) = answered {
            // Errs never: a cancelled question is not in the list.
            let _ = trigger.callback(reply);
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        if let Some(clients) = self.clients.upgrade() {
            clients.forget(&self.server, &self.waiting);
        }
        for (_, trigger) in self.waiting.by_id.take().into_values() {
            // Errs never: a cancelled question is not in the list.
            let _ = trigger.errback(Closed);
        }
    }
}
