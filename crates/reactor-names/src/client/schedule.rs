//! `Servers`: asks the configured servers, one after the other, in rounds: over UDP with EDNS,
//! without it, over TCP or TLS.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;

use deferred::{Cancelled, Deferred, Failure, Result, TimedOut, inline_callbacks};
use hickory_proto::op::Message;
use reactor::ReactorHandle;

use super::answer::{Answer, interpret};
use super::question::{Edns, Key, Question, Reply, refuses_edns};
use super::tcp::TcpClients;
use super::udp;
use crate::config::DnsConfig;
use crate::error::{LookupError, LookupErrorKind};
use crate::upstream::Upstream;

/// The connections to servers, and what earlier questions have shown about them.
#[derive(Default)]
pub(super) struct Servers {
    tcp: Rc<TcpClients>,
    /// The servers that refuse questions with EDNS. Bounded, as only configured servers come here.
    without_edns: RefCell<HashSet<Upstream>>,
    /// The server at which the next question begins, with the option `rotate`.
    next: Cell<usize>,
}

impl Servers {
    /// Asks one server after the other until one has answered, all of them in each round. If a
    /// server refuses or fails, the next one is asked at once; if it is silent, after the timeout.
    pub(super) fn ask(
        self: &Rc<Self>,
        reactor: &ReactorHandle,
        config: Rc<DnsConfig>,
        key: Key,
    ) -> Deferred<Answer> {
        let (servers, reactor) = (Rc::clone(self), reactor.clone());
        let first = match config.rotate {
            // Counted without regard to the number of servers, which may change with the
            // configuration.
            true => self.next.replace(self.next.get().wrapping_add(1)),
            false => 0,
        };
        inline_callbacks(async move {
            // The error of the last server is reported: the earlier ones are in the log.
            let mut error = LookupErrorKind::ServerFailed;
            let count = config.servers.len();
            for round in 0..config.attempts {
                for index in 0..count {
                    let server = &config.servers[(first % count + index) % count];
                    let exchange = Exchange {
                        servers: &servers,
                        reactor: &reactor,
                        config: &config,
                        server,
                        key: &key,
                    };
                    // Some servers, or devices before them, drop questions with EDNS, so only
                    // the first round has it. No device sees EDNS in an encrypted question.
                    let edns = match server.is_encrypted() {
                        true => Edns::Padded,
                        false if round == 0 => Edns::Size,
                        false => Edns::None,
                    };
                    let message = match exchange.run(edns).await {
                        Ok(message) => message,
                        // The caller's own cancel: no other server is asked for an answer that is
                        // not wanted.
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
    server: &'a Upstream,
    key: &'a Key,
}

impl Exchange<'_> {
    async fn run(&self, edns: Edns) -> Result<Message> {
        let edns = match self.servers.without_edns.borrow().contains(self.server) {
            true => Edns::None,
            false => edns,
        };
        let message = self.once(edns).await?;
        if edns == Edns::None || !refuses_edns(message.response_code) {
            return Ok(message);
        }
        // A server that refuses EDNS refuses it at once (RFC 6891, section 7): the same server is
        // asked again, and a round is not lost.
        let message = self.once(Edns::None).await?;
        // Remembered only if EDNS was the reason.
        if !refuses_edns(message.response_code) {
            let mut without_edns = self.servers.without_edns.borrow_mut();
            without_edns.insert(self.server.clone());
        }
        Ok(message)
    }

    async fn once(&self, edns: Edns) -> Result<Message> {
        if let Some(address) = self.server.udp()
            && !self.config.use_tcp
        {
            let question = Question::new(self.key, edns)?;
            let asked = udp::ask(self.reactor, address, question)
                .add_timeout(self.config.timeout, self.reactor);
            match asked.await? {
                Reply::Answer(message) if !message.truncation => return Ok(*message),
                // Truncated, or of another case: the question is repeated over TCP, where no third
                // party can answer.
                _ => {}
            }
        }
        let (key, timeout) = (self.key.clone(), self.config.timeout);
        let question = move || Question::new(&key, edns);
        let tcp = &self.servers.tcp;
        match tcp
            .ask(self.reactor, self.server, timeout, question)
            .await?
        {
            Reply::Answer(message) if !message.truncation => Ok(*message),
            // Over TCP, another case of the name is not forged: the server does not keep the case.
            Reply::WrongCase(message) if !message.truncation => Ok(*message),
            _ => Err(Failure::msg("the answer is truncated over TCP")),
        }
    }
}
