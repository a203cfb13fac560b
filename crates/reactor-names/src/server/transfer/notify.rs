//! `notify`: tells a secondary that a zone has changed (RFC 1996).

use std::net::SocketAddr;
use std::time::Duration;

use deferred::{Deferred, Failure, Result, Trigger};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::RecordType;
use reactor::{DatagramContext, DatagramProtocol, ReactorHandle};

use super::error::TransferError;
use crate::exchange::exchange;
use crate::message::{decode_message, encode_message};
use crate::server::zone::Zone;

/// Most datagrams to a silent secondary.
const ATTEMPTS: u32 = 5;
/// The wait for the answer to the first datagram; it doubles with each further one.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Tells the server at `secondary` that there is a new version of `zone`, so that the server fetches it
/// now, and not only after the interval of the SOA record. [`ZoneFile::notify_secondaries`] does that for all
/// secondaries of a zone.
///
/// To a silent secondary, it sends 5 datagrams, within a minute and a half.
///
/// # Errors
///
/// [`TransferError::Refused`] and [`TransferError::Unanswered`], or the failure to open a port, through
/// the Deferred.
///
/// # Examples
///
/// ```no_run
/// use reactor::Reactor;
/// use reactor_names::{Zone, notify};
///
/// # let text = "@ 60 IN SOA ns hostmaster 1 3600 600 86400 60\n";
/// let reactor = Reactor::new()?;
/// let zone = Zone::parse(text, "example.org.")?;
/// reactor.block_on(notify(&reactor, &zone, "192.0.2.2:53".parse()?))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`ZoneFile::notify_secondaries`]: crate::ZoneFile::notify_secondaries
pub fn notify(reactor: &ReactorHandle, zone: &Zone, secondary: SocketAddr) -> Deferred<()> {
    let id = rand::random();
    let mut message = Message::new(id, MessageType::Query, OpCode::Notify);
    message.metadata.authoritative = true;
    message.add_query(Query::query(zone.origin().clone(), RecordType::SOA));
    message.add_answer(zone.soa().clone());
    let bytes = match encode_message(&message, 512) {
        Ok(bytes) => bytes,
        Err(error) => return deferred::fail(error),
    };
    exchange(reactor, secondary, |trigger| Notification {
        id,
        bytes,
        sent: 0,
        trigger,
    })
}

struct Notification {
    id: u16,
    bytes: Vec<u8>,
    sent: u32,
    trigger: Trigger<()>,
}

impl Notification {
    fn send(&mut self, cx: &mut DatagramContext<'_, Self>) {
        if self.sent == ATTEMPTS {
            self.finish(cx, Err(Failure::new(TransferError::Unanswered)));
            return;
        }
        // Errs if the datagram cannot be sent, which is the same as a lost one: the next one
        // follows.
        let _ = cx.send(&self.bytes);
        cx.call_later(TIMEOUT * (1 << self.sent), |this, cx| this.send(cx));
        self.sent += 1;
    }

    fn finish(&self, cx: &mut DatagramContext<'_, Self>, result: Result<()>) {
        cx.stop_listening();
        // Errs if it was cancelled; then the port is closing already.
        let _ = self.trigger.fire(result);
    }
}

impl DatagramProtocol for Notification {
    type Address = SocketAddr;

    fn start_protocol(&mut self, cx: &mut DatagramContext<'_, Self>) -> Result<()> {
        self.send(cx);
        Ok(())
    }

    fn datagram_received(
        &mut self,
        cx: &mut DatagramContext<'_, Self>,
        data: &[u8],
        _from: SocketAddr,
    ) -> Result<()> {
        let Ok(response) = decode_message(data) else {
            return Ok(());
        };
        let metadata = &response.metadata;
        let is_answer = metadata.message_type == MessageType::Response
            && metadata.op_code == OpCode::Notify
            && metadata.id == self.id;
        if is_answer {
            let result = match metadata.response_code {
                ResponseCode::NoError => Ok(()),
                code => Err(Failure::new(TransferError::Refused(code))),
            };
            self.finish(cx, result);
        }
        Ok(())
    }
}
