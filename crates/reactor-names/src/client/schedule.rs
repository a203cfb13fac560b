//! Which server is asked when, and how: over UDP with EDNS, without it, over TCP.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::rc::Rc;

use deferred::{Cancelled, Deferred, Failure, Result, TimedOut, inline_callbacks};
use hickory_proto::op::Message;
use reactor::ReactorHandle;

use super::answer::{Answer, interpret};
use super::question::{Key, Question, Reply, refuses_edns};
use super::tcp::TcpClients;
use super::udp;
use crate::config::DnsConfig;
use crate::error::{LookupError, LookupErrorKind};

/// What is known of servers from earlier questions.
#[derive(Default)]
pub(super) struct Servers {
    tcp: Rc<TcpClients>,
    /// They refuse questions with EDNS. Only configured servers are here, so there are few.
    without_edns: RefCell<HashSet<SocketAddr>>,
    /// Of `rotate`.
    next: Cell<usize>,
}

impl Servers {
    /// Asks one server after the other until one has answered, all of them in each round. A server
    /// that refuses or fails is followed by the next at once, a silent one after the timeout.
    pub(super) fn ask(
        self: &Rc<Self>,
        reactor: &ReactorHandle,
        config: Rc<DnsConfig>,
        key: Key,
    ) -> Deferred<Answer> {
        let (servers, reactor) = (Rc::clone(self), reactor.clone());
        let first = match config.rotate {
            true => self.next.replace(self.next.get().wrapping_add(1)),
            false => 0,
        };
        inline_callbacks(async move {
            let mut error = LookupErrorKind::ServerFailed;
            let count = config.servers.len();
            for round in 0..config.attempts {
                for index in 0..count {
                    let server = config.servers[(first % count + index) % count];
                    let exchange = Exchange {
                        servers: &servers,
                        reactor: &reactor,
                        config: &config,
                        server,
                        key: &key,
                    };
                    // Some servers, or the devices before them, drop what has EDNS.
                    let message = match exchange.run(round == 0).await {
                        Ok(message) => message,
                        Err(failure) if failure.is::<Cancelled>() => return Err(failure),
                        Err(failure) => {
                            error = match failure.is::<TimedOut>() {
                                true => LookupErrorKind::TimedOut,
                                false => LookupErrorKind::ServerFailed,
                            };
                            tracing::debug!(target: "reactor", %server, %failure, "no DNS answer");
                            continue;
                        }
                    };
                    match interpret(&key, &message) {
                        Ok(answer) => return Ok(answer),
                        Err(kind) => error = kind,
                    }
                }
            }
            let (name, record_type) = key;
            Err(Failure::new(LookupError::new(
                error,
                name.to_string(),
                record_type,
            )))
        })
    }
}

/// A question to one server.
struct Exchange<'a> {
    servers: &'a Servers,
    reactor: &'a ReactorHandle,
    config: &'a DnsConfig,
    server: SocketAddr,
    key: &'a Key,
}

impl Exchange<'_> {
    async fn run(&self, edns: bool) -> Result<Message> {
        let edns = edns && !self.servers.without_edns.borrow().contains(&self.server);
        let message = self.once(edns).await?;
        if !edns || !refuses_edns(message.response_code) {
            return Ok(message);
        }
        let message = self.once(false).await?;
        // Remembered only if that was the reason.
        if !refuses_edns(message.response_code) {
            self.servers.without_edns.borrow_mut().insert(self.server);
        }
        Ok(message)
    }

    async fn once(&self, edns: bool) -> Result<Message> {
        if !self.config.use_tcp {
            let question = Question::new(self.key, edns)?;
            let asked = udp::ask(self.reactor, self.server, question)
                .add_timeout(self.config.timeout, self.reactor);
            match asked.await? {
                Reply::Answer(message) if !message.truncation => return Ok(*message),
                // Truncated; or of another case: over TCP no third party can answer.
                _ => {}
            }
        }
        let key = self.key.clone();
        let asked = self
            .servers
            .tcp
            .ask(self.reactor, self.server, move || Question::new(&key, edns))
            .add_timeout(self.config.timeout, self.reactor);
        match asked.await? {
            Reply::Answer(message) if !message.truncation => Ok(*message),
            // Over TCP, a name of another case is the server's way.
            Reply::WrongCase(message) if !message.truncation => Ok(*message),
            _ => Err(Failure::msg("the answer is truncated over TCP")),
        }
    }
}
