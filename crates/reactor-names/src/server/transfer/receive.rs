//! `transfer_zone`: a copy of a zone from its primary (RFC 5936).

use std::net::SocketAddr;
use std::time::Duration;

use deferred::{Deferred, Failure, Trigger};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use reactor::{ConnectionClosed, Context, Protocol, ReactorHandle, ask};

use super::error::TransferError;
use crate::message::{TcpFraming, decode_message, encode_message};
use crate::server::zone::{Zone, soa_of};

/// Most bytes of the messages of a transfer.
const MAX_ZONE: usize = 256 * 1024 * 1024;
/// A primary that sends nothing for so long has failed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Copies the zone `origin` from `primary` by a zone transfer (AXFR) over TCP. (Twisted: `lookupZone`.)
///
/// Cancelling the Deferred closes the connection. A primary that sends nothing for 30 seconds has
/// failed.
///
/// # Errors
///
/// A [`TransferError`], or the failure to connect, through the Deferred.
///
/// # Examples
///
/// ```no_run
/// use reactor::Reactor;
/// use reactor_names::hickory_proto::rr::Name;
/// use reactor_names::transfer_zone;
///
/// let reactor = Reactor::new()?;
/// let origin = Name::from_ascii("example.org.")?;
/// let zone = reactor.block_on(transfer_zone(&reactor, "192.0.2.1:53".parse()?, &origin))?;
/// println!("version {}", zone.serial());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn transfer_zone(
    reactor: &ReactorHandle,
    primary: SocketAddr,
    origin: &Name,
) -> Deferred<Zone> {
    // A name without the dot at its end means the same zone, but would equal no name of a message.
    let mut origin = origin.clone();
    origin.set_fqdn(true);
    ask(reactor, primary, |trigger| Receiver {
        origin,
        id: rand::random(),
        records: Vec::new(),
        bytes: 0,
        trigger,
    })
}

struct Receiver {
    origin: Name,
    id: u16,
    /// The first is the SOA record.
    records: Vec<Record>,
    bytes: usize,
    trigger: Trigger<Zone>,
}

impl Receiver {
    /// The zone, if `message` is the last one.
    fn take(&mut self, message: &[u8]) -> Result<Option<Zone>, TransferError> {
        self.bytes += message.len();
        if self.bytes > MAX_ZONE {
            return Err(TransferError::TooLong);
        }
        let message = decode_message(message).map_err(TransferError::Message)?;
        let metadata = &message.metadata;
        // Checked in each message (RFC 5936, section 2.2.1); the question, which only the first one
        // must repeat, is not.
        if metadata.id != self.id || metadata.message_type != MessageType::Response {
            return Err(TransferError::Malformed(
                "a message is no response to the question",
            ));
        }
        if metadata.response_code != ResponseCode::NoError {
            return Err(TransferError::Refused(metadata.response_code));
        }
        if message.answers.is_empty() {
            return Err(TransferError::Malformed("a message has no records"));
        }
        for record in message.answers {
            let is_soa = record.record_type() == RecordType::SOA && record.name == self.origin;
            match self.records.first() {
                None if is_soa => self.records.push(record),
                None => {
                    return Err(TransferError::Malformed(
                        "it does not begin with an SOA record",
                    ));
                }
                Some(first) if is_soa => {
                    let serial = |record| soa_of(record).map(|soa| soa.serial);
                    if serial(first) != serial(&record) {
                        return Err(TransferError::Malformed("the zone has changed on the way"));
                    }
                    let records = std::mem::take(&mut self.records);
                    let zone = Zone::from_records(self.origin.clone(), records);
                    return zone.map(Some).map_err(TransferError::Zone);
                }
                Some(_) => self.records.push(record),
            }
        }
        Ok(None)
    }
}

impl Protocol for Receiver {
    type Framing = TcpFraming;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.set_idle_timeout(IDLE_TIMEOUT);
        let mut question = Message::new(self.id, MessageType::Query, OpCode::Query);
        question.add_query(Query::query(self.origin.clone(), RecordType::AXFR));
        cx.write(TcpFraming::encode(&encode_message(&question, u16::MAX)?)?);
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, message: &[u8]) -> deferred::Result<()> {
        let result = match self.take(message) {
            Ok(None) => return Ok(()),
            Ok(Some(zone)) => Ok(zone),
            Err(error) => Err(Failure::new(error)),
        };
        cx.abort();
        // Errs if it was cancelled; then the connection is ending already.
        let _ = self.trigger.fire(result);
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        // Errs if the trigger was fired: then the transfer itself has closed the connection.
        let _ = self.trigger.errback(TransferError::Incomplete);
    }
}
