//! One pass over the names of a message that bounds what decoding it costs, and spells out the names
//! that the decoder does not read.
//!
//! The decoder has no limit on compression pointers: 64 KiB of records whose names begin with
//! thousands of pointers cost it seconds. An ordinary name follows one to three.
//!
//! The decoder keeps the data of types that it does not know as bytes. In another message, a
//! compression pointer in these bytes would point to another name. So this pass replaces such
//! pointers by the names.

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
const OPT: usize = 41;

/// The data of a record that had compression pointers, without them.
pub(super) struct SpelledOut {
    /// Index of the record in all sections, without the EDNS records, which the decoder takes out.
    pub(super) place: usize,
    pub(super) data: Vec<u8>,
}

/// Whether decoding `message` is safe and has a cost proportional to its length. Gives the data that
/// the decoder would keep with compression pointers, in the order of the records.
pub(super) fn check(message: &[u8]) -> Result<Vec<SpelledOut>, MessageError> {
    let mut walk = Walk {
        message,
        at: HEADER,
        pointers: 0,
        labels: 0,
        place: 0,
        spelled_out: Vec::new(),
    };
    let questions = walk.u16_at(4)?;
    let records = walk.u16_at(6)? + walk.u16_at(8)? + walk.u16_at(10)?;
    // Checked first: the decoder reserves room by the count of questions, so a message of twelve
    // bytes could make it reserve room for 65,535 questions.
    if HEADER + questions * SHORTEST_QUESTION + records * SHORTEST_RECORD > message.len() {
        return Err(MessageError::Counts);
    }
    for _ in 0..questions {
        // 4: type and class. If that is behind the end, the next read or the last check fails.
        walk.at = walk.name(walk.at)?.end + 4;
    }
    for _ in 0..records {
        walk.record()?;
    }
    if walk.at > message.len() {
        return Err(MessageError::Truncated);
    }
    Ok(walk.spelled_out)
}

struct Walk<'a> {
    message: &'a [u8],
    at: usize,
    /// Compression pointers so far that count for the limit of the message.
    pointers: usize,
    /// Labels of all names so far.
    labels: usize,
    /// Index of the next record: see [`SpelledOut::place`].
    place: usize,
    spelled_out: Vec<SpelledOut>,
}

/// A name that was followed.
struct Followed {
    /// Where the bytes behind it begin.
    end: usize,
    is_compressed: bool,
}

impl Walk<'_> {
    fn u16_at(&self, at: usize) -> Result<usize, MessageError> {
        let bytes = self.message.get(at..).and_then(<[u8]>::first_chunk);
        let bytes = bytes.ok_or(MessageError::Truncated)?;
        Ok(usize::from(u16::from_be_bytes(*bytes)))
    }

    fn record(&mut self) -> Result<(), MessageError> {
        let fields = self.name(self.at)?.end;
        let (kind, length) = (self.u16_at(fields)?, self.u16_at(fields + 8)?);
        let data = fields + 10;
        self.at = data + length;
        if self.at > self.message.len() {
            return Err(MessageError::Truncated);
        }
        let place = self.place;
        self.place += usize::from(kind != OPT);
        // An empty record has no names, whatever its type: as in an update.
        if length == 0 {
            return Ok(());
        }
        if let Some((offset, names)) = self.names_of(kind, data)? {
            let (mut at, mut is_compressed) = (data + offset, false);
            for _ in 0..names {
                let name = self.name(at)?;
                at = name.end;
                is_compressed |= name.is_compressed;
            }
            // The names must end within the data: in another message, other bytes follow it.
            if at > self.at {
                return Err(MessageError::Truncated);
            }
            if is_compressed && is_kept_as_bytes(kind) {
                let data = self.spell_out(data, offset, names)?;
                self.spelled_out.push(SpelledOut { place, data });
            }
        }
        Ok(())
    }

    /// The data of the record that was read last, with its names in full.
    fn spell_out(&self, data: usize, offset: usize, names: usize) -> Result<Vec<u8>, MessageError> {
        let bytes = |from: usize, to: usize| {
            let bytes = self.message.get(from..to);
            bytes.ok_or(MessageError::Truncated)
        };
        let mut whole = bytes(data, data + offset)?.to_vec();
        let mut start = data + offset;
        for _ in 0..names {
            let (mut at, mut behind) = (start, None);
            // This loop ends, since `name` has followed the same name before.
            loop {
                match *self.message.get(at).ok_or(MessageError::Truncated)? {
                    0xc0.. => {
                        behind = behind.or(Some(at + 2));
                        at = self.u16_at(at)? & 0x3fff;
                    }
                    length => {
                        let next = at + 1 + usize::from(length);
                        whole.extend_from_slice(bytes(at, next)?);
                        at = next;
                        if length == 0 {
                            break;
                        }
                    }
                }
            }
            start = behind.unwrap_or(at);
        }
        whole.extend_from_slice(bytes(start, self.at)?);
        // The message has two bytes for the length of the data.
        match u16::try_from(whole.len()) {
            Ok(_) => Ok(whole),
            Err(_) => Err(MessageError::TooLong { max_size: u16::MAX }),
        }
    }

    /// Where in the data of a record of type `kind` there are names, and how many.
    fn names_of(&self, kind: usize, data: usize) -> Result<Option<(usize, usize)>, MessageError> {
        Ok(Some(match kind {
            // NS, MD, MF, CNAME, MB, MG, MR, PTR, NXT, DNAME, NSEC, TSIG, ANAME
            2..=5 | 7..=9 | 12 | 30 | 39 | 47 | 250 | 65305 => (0, 1),
            // SOA, MINFO, RP
            6 | 14 | 17 => (0, 2),
            // MX, AFSDB, RT, SVCB, HTTPS
            15 | 18 | 21 | 64 | 65 => (2, 1),
            // PX
            26 => (2, 2),
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

    /// Follows the name at `start`.
    fn name(&mut self, start: usize) -> Result<Followed, MessageError> {
        let (mut at, mut segment) = (start, start);
        // The root label, which ends each name, counts as one of the 255 bytes (RFC 1035, section
        // 2.3.4).
        let (mut length, mut pointers) = (1, 0);
        let mut behind = None;
        loop {
            let first = *self.message.get(at).ok_or(MessageError::Truncated)?;
            match first {
                0 => {
                    // Counted at the end of the name, because only then it is known whether the
                    // name is an ordinary one.
                    self.pointers += usize::saturating_sub(pointers, ORDINARY_POINTERS);
                    if self.pointers > MAX_POINTERS_PER_MESSAGE {
                        return Err(MessageError::TooManyPointers);
                    }
                    return Ok(Followed {
                        end: behind.unwrap_or(at + 1),
                        is_compressed: behind.is_some(),
                    });
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
                    // A pointer must point before all that was read of this name, so that there
                    // is no loop, and behind the header, which has no names.
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

/// Whether the decoder keeps the data of a type with names as it is: MD, MF, MB, MG, MR, MINFO, RP,
/// AFSDB, RT, SIG, PX, NXT, DNAME, RRSIG, NSEC.
// Those that a sender may compress, or once did (RFC 3597, section 4). The data of any other type that
// the decoder does not know has no pointers, even if some bytes look like one.
fn is_kept_as_bytes(kind: usize) -> bool {
    matches!(
        kind,
        3 | 4 | 7..=9 | 14 | 17 | 18 | 21 | 24 | 26 | 30 | 39 | 46 | 47
    )
}
