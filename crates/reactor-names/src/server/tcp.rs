//! `DnsOverTcp`: a connection to a server.

use std::fmt;
use std::time::Duration;

use deferred::{Result, inline_callbacks};
use reactor::{Connection, Context, Protocol};

use super::answers::Answers;
use super::request::Transport;
use super::respond::{Reply, respond};
use super::transfer::Transfer;
use crate::message::TcpFraming;

/// Most questions of a connection that are being answered. At this number, the connection is not
/// read from until one is answered.
const MAX_PENDING: usize = 100;
/// How long a connection may be silent, by default.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// One connection of DNS over TCP, for the factory of
/// [`listen_tcp`](reactor::ReactorHandle::listen_tcp).
///
/// A client may send questions without waiting for responses, which come in the order in which
/// they are ready (RFC 7766). A silent connection is closed after 10 seconds by default. A message
/// that is itself a response, or shorter than a header, aborts the connection.
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
///
/// use reactor::testing;
/// use reactor_names::{DnsOverTcp, DnsOverUdp, Zone};
///
/// # let text = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n";
/// testing::run(|reactor| {
///     let zone = Rc::new(Zone::parse(text, "example.org.").unwrap());
///     let port = reactor.listen_udp("192.0.2.1:53", DnsOverUdp::new(Rc::clone(&zone))).unwrap();
///     let tcp = reactor
///         .listen_tcp("192.0.2.1:53", move || DnsOverTcp::new(Rc::clone(&zone)))
///         .unwrap();
/// #   port.stop_listening().ignore();
/// #   tcp.stop_listening().ignore();
/// });
/// ```
pub struct DnsOverTcp {
    answers: Box<dyn Answers>,
    idle_timeout: Duration,
    // Never above `MAX_PENDING`: at that number, reading is paused, and a paused connection gives
    // no messages. So both ends of the pause are found by `==`.
    pending: usize,
}

impl DnsOverTcp {
    /// Answers by `answers`; usually an `Rc` that all connections share.
    pub fn new(answers: impl Answers) -> Self {
        Self {
            answers: Box::new(answers),
            idle_timeout: IDLE_TIMEOUT,
            pending: 0,
        }
    }

    /// How long a connection may be silent before it is closed; 10 seconds by default.
    #[must_use]
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    fn begin(&mut self, cx: &mut Context<'_, Self>) {
        self.pending += 1;
        if self.pending == MAX_PENDING {
            cx.pause_reading();
        }
    }

    fn end(&mut self, cx: &mut Context<'_, Self>) {
        if self.pending == MAX_PENDING {
            cx.resume_reading();
        }
        self.pending -= 1;
    }
}

impl Protocol for DnsOverTcp {
    type Framing = TcpFraming;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.set_idle_timeout(self.idle_timeout);
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, message: &[u8]) -> Result<()> {
        let client = cx.peer().clone();
        match respond(
            &*self.answers,
            cx.reactor(),
            message,
            client,
            Transport::Tcp,
        ) {
            // On a connection, such a message cannot be an accident of the network: the peer
            // speaks another protocol.
            Reply::None => cx.abort(),
            Reply::Message(response) => {
                self.begin(cx);
                cx.when_or_cancel(response, |this, cx, response| {
                    this.end(cx);
                    cx.write(TcpFraming::encode(&response?)?);
                    Ok(())
                });
            }
            Reply::Transfer(transfer) => {
                self.begin(cx);
                let sent = inline_callbacks(send(cx.connection(), transfer));
                cx.when_or_cancel(sent, |this, cx, sent| {
                    this.end(cx);
                    // The client must not take a part for the whole.
                    if let Err(failure) = &sent {
                        tracing::warn!(%failure, "a zone transfer is aborted");
                        cx.abort();
                    }
                    Ok(())
                });
            }
        }
        Ok(())
    }
}

/// Sends the messages of a transfer as fast as the client takes them.
async fn send(connection: Connection<DnsOverTcp>, mut transfer: Transfer) -> Result<()> {
    while let Some(message) = transfer.next_message()? {
        // Only what the client has taken is followed by more, so a transfer takes the memory of a
        // few messages, however long the zone is.
        connection.ready().await?;
        connection.write(TcpFraming::encode(&message)?)?;
    }
    Ok(())
}

impl fmt::Debug for DnsOverTcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsOverTcp")
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}
