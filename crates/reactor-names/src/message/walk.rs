//! One pass over the names of a message that bounds what decoding it costs.
//!
//! The decoder has no limit on compression pointers: 64 KiB of records whose names begin with
//! thousands of pointers cost it seconds. An ordinary name follows one to three.

use super::error::MessageError;

/// Most compression pointers of one name.
const MAX_POINTERS_PER_NAME: usize = 128;
/// Most compression pointers of a message beyond [`ORDINARY_POINTERS`] of each name.
const MAX_POINTERS_PER_MESSAGE: usize = 1000;
/// Pointers of a name that are not counted for the message: a zone transfer has thousands of
/// names with this many.
const ORDINARY_POINTERS: usize = 2;
/// Most labels of all names, for each byte of the message. A pointer of two bytes may stand for a
/// name of 127 labels, each of which the decoder copies. The owners and targets of a reverse zone of
/// IPv6, with 34 labels each, come to 5.
const MAX_LABELS_PER_BYTE: usize = 8;
const MAX_NAME: usize = 255;
const HEADER: usize = 12;
/// The shortest question: the root, type, class.
const SHORTEST_QUESTION: usize = 5;
/// The shortest record: the root, type, class, TTL, length of no data.
const SHORTEST_RECORD: usize = 11;

/// Whether decoding `message` is safe and has a cost proportional to its length.
pub(super) fn check(message: &[u8]) -> Result<(), MessageError> {
    let mut walk = Walk {
        message,
        at: HEADER,
        pointers: 0,
        labels: 0,
    };
    let questions = walk.u16_at(4)?;
    let records = walk.u16_at(6)? + walk.u16_at(8)? + walk.u16_at(10)?;
    // Before anything else: the decoder reserves room by the count of questions, so twelve bytes
    // could have it reserve room for 65,535.
    if HEADER + questions * SHORTEST_QUESTION + records * SHORTEST_RECORD > message.len() {
        return Err(MessageError::Counts);
    }
    for _ in 0..questions {
        // Type and class. A place behind the end is found by the next read, or by the last check.
        walk.at = walk.name(walk.at)? + 4;
    }
    for _ in 0..records {
        walk.record()?;
    }
    if walk.at > message.len() {
        return Err(MessageError::Truncated);
    }
    Ok(())
}

struct Walk<'a> {
    message: &'a [u8],
    at: usize,
    /// Those that count for the limit of the message.
    pointers: usize,
    /// Of all names so far.
    labels: usize,
}

impl Walk<'_> {
    fn u16_at(&self, at: usize) -> Result<usize, MessageError> {
        let bytes = self.message.get(at..).and_then(<[u8]>::first_chunk);
        let bytes = bytes.ok_or(MessageError::Truncated)?;
        Ok(usize::from(u16::from_be_bytes(*bytes)))
    }

    fn record(&mut self) -> Result<(), MessageError> {
        let fields = self.name(self.at)?;
        let (kind, length) = (self.u16_at(fields)?, self.u16_at(fields + 8)?);
        let data = fields + 10;
        self.at = data + length;
        if self.at > self.message.len() {
            return Err(MessageError::Truncated);
        }
        // An empty record has no names, whatever its type: as in an update.
        if length == 0 {
            return Ok(());
        }
        if let Some((offset, names)) = self.names_of(kind, data)? {
            let mut at = data + offset;
            for _ in 0..names {
                at = self.name(at)?;
            }
            // The decoder keeps the data of some types as it is: in another message, other bytes follow.
            if at > self.at {
                return Err(MessageError::Truncated);
            }
        }
        Ok(())
    }

    /// Where in the data of a record of type `kind` the decoder reads names, and how many.
    fn names_of(&self, kind: usize, data: usize) -> Result<Option<(usize, usize)>, MessageError> {
        Ok(Some(match kind {
            // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME, NSEC, TSIG, ANAME
            2..=5 | 7..=9 | 12 | 39 | 47 | 250 | 65305 => (0, 1),
            // SOA
            6 => (0, 2),
            // MX, SVCB, HTTPS
            15 | 64 | 65 => (2, 1),
            // SIG, RRSIG
            24 | 46 => (18, 1),
            // SRV
            33 => (6, 1),
            // NAPTR: three strings come first.
            35 => {
                let mut offset = 4;
                for _ in 0..3 {
                    let length = self.message.get(data + offset);
                    offset += 1 + usize::from(*length.ok_or(MessageError::Truncated)?);
                }
                (offset, 1)
            }
            _ => return Ok(None),
        }))
    }

    /// Follows the name at `start`, and gives where the bytes behind it begin.
    fn name(&mut self, start: usize) -> Result<usize, MessageError> {
        let (mut at, mut segment) = (start, start);
        // The root label, which ends each name, counts as one of the 255 bytes (RFC 1035, section
        // 2.3.4).
        let (mut length, mut pointers) = (1, 0);
        let mut behind = None;
        loop {
            let first = *self.message.get(at).ok_or(MessageError::Truncated)?;
            match first {
                0 => {
                    // At the end of the name, as it is not known before whether it is an ordinary
                    // one.
                    self.pointers += usize::saturating_sub(pointers, ORDINARY_POINTERS);
                    if self.pointers > MAX_POINTERS_PER_MESSAGE {
                        return Err(MessageError::TooManyPointers);
                    }
                    return Ok(behind.unwrap_or(at + 1));
                }
                1..=63 => {
                    let label = usize::from(first) + 1;
                    self.labels += 1;
                    if self.labels > MAX_LABELS_PER_BYTE * self.message.len() {
                        return Err(MessageError::TooManyLabels);
                    }
                    length += label;
                    if length > MAX_NAME {
                        return Err(MessageError::NameTooLong);
                    }
                    at += label;
                }
                0xc0.. => {
                    let target = self.u16_at(at)? & 0x3fff;
                    // Backward of all that was read of this name, so there is no loop.
                    // The header has no names.
                    if target >= segment || target < HEADER {
                        return Err(MessageError::ForwardPointer);
                    }
                    pointers += 1;
                    if pointers > MAX_POINTERS_PER_NAME {
                        return Err(MessageError::TooManyPointers);
                    }
                    behind = behind.or(Some(at + 2));
                    (at, segment) = (target, target);
                }
                // 0x40 to 0xbf: label types that are reserved or historic (RFC 6891, section 5).
                _ => return Err(MessageError::LabelType),
            }
        }
    }
}
