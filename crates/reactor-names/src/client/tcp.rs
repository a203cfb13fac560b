//! Questions over TCP: one connection for each server, with several questions on their way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{Deferred, Failure, SharedDeferred, Trigger, fail, inline_callbacks};
use reactor::{Connection, ConnectionClosed, Context, Protocol, ReactorHandle};

use super::question::{Question, Reply};
use crate::message::{MessageError, TcpFraming};

/// A connection on which nothing arrives for so long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most questions that wait on one connection.
const MAX_PIPELINED: usize = 1000;

/// The connections, by server.
#[derive(Default)]
pub(super) struct TcpClients {
    open: RefCell<HashMap<SocketAddr, Client>>,
}

#[derive(Clone)]
struct Client {
    connection: SharedDeferred<Connection<TcpClient>>,
    waiting: Rc<Waiting>,
}

#[derive(Default)]
struct Waiting {
    by_id: RefCell<HashMap<u16, (Question, Trigger<Reply>)>>,
}

impl TcpClients {
    /// Asks `server` on the connection that is open, or else on a new one.
    ///
    /// A server may close a connection just when a question is on its way; then it is asked again
    /// on a new one, once.
    pub(super) fn ask(
        self: &Rc<Self>,
        reactor: &ReactorHandle,
        server: SocketAddr,
        question: impl Fn() -> Result<Question, MessageError> + 'static,
    ) -> Deferred<Reply> {
        let (clients, reactor) = (Rc::clone(self), reactor.clone());
        inline_callbacks(async move {
            let (client, is_reused) = clients.client(&reactor, server);
            match clients.ask_on(client, server, question()?).await {
                Err(failure) if is_reused && failure.is::<Closed>() => {
                    let (client, _) = clients.client(&reactor, server);
                    clients.ask_on(client, server, question()?).await
                }
                result => result,
            }
        })
    }

    fn client(self: &Rc<Self>, reactor: &ReactorHandle, server: SocketAddr) -> (Client, bool) {
        if let Some(client) = self.open.borrow().get(&server) {
            return (client.clone(), true);
        }
        let waiting = Rc::<Waiting>::default();
        let protocol = TcpClient {
            server,
            waiting: Rc::clone(&waiting),
            clients: Rc::downgrade(self),
        };
        let client = Client {
            connection: reactor.connect_tcp(server, protocol).share(),
            waiting,
        };
        self.open.borrow_mut().insert(server, client.clone());
        (client, false)
    }

    fn ask_on(
        self: &Rc<Self>,
        client: Client,
        server: SocketAddr,
        mut question: Question,
    ) -> Deferred<Reply> {
        let (clients, waiting) = (Rc::clone(self), Rc::clone(&client.waiting));
        let connected = client.connection.get();
        connected.add_both(move |connected| {
            let connection = match connected {
                Ok(connection) => connection,
                Err(failure) => {
                    clients.forget(server, &waiting);
                    return fail(failure);
                }
            };
            let Some(id) = waiting.free_id(question.id()) else {
                return fail(Failure::msg("too many questions wait for this server"));
            };
            question.set_id(id);
            match TcpFraming::encode(question.bytes()) {
                Ok(framed) if connection.write(&framed).is_ok() => {}
                Ok(_) => {
                    clients.forget(server, &waiting);
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
            waiting.by_id.borrow_mut().insert(id, (question, trigger));
            reply
        })
    }

    /// Unless a newer connection has taken its place.
    fn forget(&self, server: SocketAddr, waiting: &Rc<Waiting>) {
        let mut open = self.open.borrow_mut();
        if let Some(client) = open.get(&server)
            && Rc::ptr_eq(&client.waiting, waiting)
        {
            let removed = open.remove(&server);
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
    server: SocketAddr,
    waiting: Rc<Waiting>,
    clients: Weak<TcpClients>,
}

impl Protocol for TcpClient {
    type Framing = TcpFraming;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.set_idle_timeout(IDLE_TIMEOUT);
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, message: &[u8]) -> deferred::Result<()> {
        let Some(id) = message.first_chunk().map(|id| u16::from_be_bytes(*id)) else {
            return Ok(());
        };
        let mut by_id = self.waiting.by_id.borrow_mut();
        let reply = match by_id.get(&id) {
            Some((question, _)) => question.reply(message),
            None => Reply::Unrelated,
        };
        let answered = match &reply {
            Reply::Unrelated => None,
            _ => by_id.remove(&id),
        };
        drop(by_id);
        if let Some((_, trigger)) = answered {
            // Errs never: a cancelled question is not in the list.
            let _ = trigger.callback(reply);
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        if let Some(clients) = self.clients.upgrade() {
            clients.forget(self.server, &self.waiting);
        }
        for (_, trigger) in self.waiting.by_id.take().into_values() {
            // Errs never: a cancelled question is not in the list.
            let _ = trigger.errback(Closed);
        }
    }
}
