//! One question over UDP, from a port of its own.

use std::net::SocketAddr;

use deferred::{Deferred, Failure, Result, Trigger};
use reactor::{DatagramContext, DatagramProtocol, ReactorHandle};

use super::question::{Question, Reply};
use crate::exchange::exchange;

/// Asks `server`. Cancelling the Deferred closes the port. There is no time limit here.
pub(super) fn ask(
    reactor: &ReactorHandle,
    server: SocketAddr,
    question: Question,
) -> Deferred<Reply> {
    exchange(reactor, server, |trigger| Exchange { question, trigger })
}

struct Exchange {
    question: Question,
    trigger: Trigger<Reply>,
}

impl Exchange {
    /// The first result counts.
    fn finish(&self, cx: &mut DatagramContext<'_, Self>, result: Result<Reply>) {
        cx.stop_listening();
        // Errs if the question was cancelled or answered; then the port is closing already.
        let _ = self.trigger.fire(result);
    }
}

impl DatagramProtocol for Exchange {
    type Address = SocketAddr;

    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        Ok(cx.send(self.question.bytes())?)
    }

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        _from: SocketAddr,
    ) -> Result<()> {
        match self.question.reply(data) {
            // Dropped, and the port stays open: an error here would let a forger end the question.
            Reply::Unrelated => {
                tracing::debug!(target: "reactor", "a datagram is not the answer to this question");
            }
            reply => self.finish(cx, Ok(reply)),
        }
        Ok(())
    }

    // The system reports an ICMP message "port unreachable": the next server is asked at once, and
    // not after the timeout.
    fn connection_refused(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        self.finish(cx, Err(Failure::msg("no DNS server listens there")));
        Ok(())
    }
}
