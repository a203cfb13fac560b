//! A zone as the messages of a transfer (RFC 5936).

use std::iter;

use hickory_proto::op::{Message, emit_message_parts};
use hickory_proto::serialize::binary::BinEncoder;

use crate::message::MessageError;
use crate::server::zone::Zone;

/// Compression pointers reach up to this position. A message is longer only if it has a single
/// record, which is longer.
const MAX_MESSAGE: u16 = 0x3fff;
const FLAGS: usize = 2;
const TRUNCATED: u8 = 2;

/// The messages of one transfer, made one after the other, as fast as the client takes them. The zone
/// stays that of the beginning, even if a newer version replaces it in the meantime.
pub(in crate::server) struct Transfer {
    zone: Zone,
    /// Header and question, with which each message begins.
    response: Message,
    /// How many records were sent. The first is the SOA record, which ends the transfer, too.
    sent: usize,
}

impl Transfer {
    /// `response` has the header and the question with which each message begins.
    pub(in crate::server) fn new(zone: Zone, mut response: Message) -> Self {
        response.metadata.authoritative = true;
        Self {
            zone,
            response,
            sent: 0,
        }
    }

    /// `None` after the last one.
    ///
    /// # Errors
    ///
    /// A record cannot be encoded.
    pub(in crate::server) fn next_message(&mut self) -> Result<Option<Vec<u8>>, MessageError> {
        // One more than there are records: the SOA record is sent again at the end (RFC 5936,
        // section 2.2).
        if self.sent > self.zone.records().len() {
            return Ok(None);
        }
        let mut message = self.encode(MAX_MESSAGE, usize::MAX)?;
        if message.1 == 0 {
            // The next record alone is longer than `MAX_MESSAGE`: it gets a message for itself,
            // without compression behind that position.
            message = self.encode(u16::MAX, 1)?;
        }
        let (bytes, count) = message;
        if count == 0 {
            return Err(MessageError::TooLong { max_size: u16::MAX });
        }
        self.sent += usize::from(count);
        Ok(Some(bytes))
    }

    /// A message with as many of the next records as there is room for, and their number.
    fn encode(&self, max_size: u16, most: usize) -> Result<(Vec<u8>, u16), MessageError> {
        let records = self.zone.records();
        let end = iter::once(self.zone.soa());
        let mut left = records.iter().chain(end).skip(self.sent).take(most);
        let mut bytes = Vec::with_capacity(max_size.into());
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_max_size(max_size);
        let header = emit_message_parts(
            &self.response.metadata,
            &mut self.response.queries.iter(),
            &mut left,
            &mut iter::empty::<&hickory_proto::rr::Record>(),
            &mut iter::empty::<&hickory_proto::rr::Record>(),
            None,
            None,
            &mut encoder,
        )
        .map_err(|error| MessageError::Malformed(error.to_string()))?;
        // If not all records fit, the encoder marks the message as truncated; but here, the rest
        // follows in the next message.
        bytes[FLAGS] &= !TRUNCATED;
        Ok((bytes, header.counts.answers))
    }
}
