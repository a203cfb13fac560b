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

/// A type of records whose data has names.
struct Kind {
    number: u16,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "tells the reader, and is tested")
    )]
    mnemonic: &'static str,
    start: Start,
    /// Number of names, one behind the other.
    names: usize,
    decoded: Decoded,
}

/// Where the first name begins in the data.
enum Start {
    /// At this offset.
    At(usize),
    /// Behind some strings, the first of which is at this offset; each begins with its length, a byte.
    AfterStrings { at: usize, strings: usize },
}

/// What the decoder makes of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decoded {
    /// It reads the names.
    Names,
    /// It keeps the data as it is. Only types that a sender may compress, or once did (RFC 3597,
    /// section 4): the data of any other type that the decoder does not know has no pointers, even if
    /// some bytes look like one.
    Bytes,
}

/// All types whose data has names that may be compressed, by their numbers.
#[rustfmt::skip]
static KINDS: [Kind; 26] = {
    use Decoded::{Bytes, Names};
    use Start::{AfterStrings, At};

    const fn kind(number: u16, mnemonic: &'static str, start: Start, names: usize, decoded: Decoded) -> Kind {
        Kind { number, mnemonic, start, names, decoded }
    }

    [
        kind(2, "NS", At(0), 1, Names),
        kind(3, "MD", At(0), 1, Bytes),
        kind(4, "MF", At(0), 1, Bytes),
        kind(5, "CNAME", At(0), 1, Names),
        kind(6, "SOA", At(0), 2, Names),
        kind(7, "MB", At(0), 1, Bytes),
        kind(8, "MG", At(0), 1, Bytes),
        kind(9, "MR", At(0), 1, Bytes),
        kind(12, "PTR", At(0), 1, Names),
        kind(14, "MINFO", At(0), 2, Bytes),
        kind(15, "MX", At(2), 1, Names),
        kind(17, "RP", At(0), 2, Bytes),
        kind(18, "AFSDB", At(2), 1, Bytes),
        kind(21, "RT", At(2), 1, Bytes),
        kind(24, "SIG", At(18), 1, Bytes),
        kind(26, "PX", At(2), 2, Bytes),
        kind(30, "NXT", At(0), 1, Bytes),
        kind(33, "SRV", At(6), 1, Names),
        kind(35, "NAPTR", AfterStrings { at: 4, strings: 3 }, 1, Names),
        kind(39, "DNAME", At(0), 1, Bytes),
        kind(46, "RRSIG", At(18), 1, Bytes),
        kind(47, "NSEC", At(0), 1, Bytes),
        kind(64, "SVCB", At(2), 1, Names),
        kind(65, "HTTPS", At(2), 1, Names),
        kind(250, "TSIG", At(0), 1, Names),
        kind(65305, "ANAME", At(0), 1, Names),
    ]
};

impl Kind {
    fn of(number: usize) -> Option<&'static Self> {
        let number = u16::try_from(number).ok()?;
        let place = KINDS.binary_search_by_key(&number, |kind| kind.number);
        place.ok().map(|place| &KINDS[place])
    }
}

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
        if let Some(kind) = Kind::of(kind) {
            let offset = self.first_name(kind, data)?;
            let (mut at, mut is_compressed) = (data + offset, false);
            for _ in 0..kind.names {
                let name = self.name(at)?;
                at = name.end;
                is_compressed |= name.is_compressed;
            }
            // The names must end within the data: in another message, other bytes follow it.
            if at > self.at {
                return Err(MessageError::Truncated);
            }
            if is_compressed && kind.decoded == Decoded::Bytes {
                let data = self.spell_out(data, offset, kind.names)?;
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

    /// Offset of the first name in the data of a record of type `kind`, which begins at `data`.
    fn first_name(&self, kind: &Kind, data: usize) -> Result<usize, MessageError> {
        match kind.start {
            Start::At(offset) => Ok(offset),
            Start::AfterStrings { at, strings } => {
                let mut offset = at;
                for _ in 0..strings {
                    let length = self.message.get(data + offset);
                    offset += 1 + usize::from(*length.ok_or(MessageError::Truncated)?);
                }
                Ok(offset)
            }
        }
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

#[cfg(test)]
mod tests {
    use hickory_proto::op::Message;
    use hickory_proto::rr::{RData, RecordType};

    use super::{Decoded, HEADER, KINDS, Kind, Start, check};

    /// Types that the decoder knows, and whose data has no names.
    const WITHOUT_NAMES: [RecordType; 24] = [
        RecordType::ZERO,
        RecordType::A,
        RecordType::NULL,
        RecordType::HINFO,
        RecordType::TXT,
        RecordType::KEY,
        RecordType::AAAA,
        RecordType::CERT,
        RecordType::OPT,
        RecordType::DS,
        RecordType::SSHFP,
        RecordType::DNSKEY,
        RecordType::NSEC3,
        RecordType::NSEC3PARAM,
        RecordType::TLSA,
        RecordType::SMIMEA,
        RecordType::CDS,
        RecordType::CDNSKEY,
        RecordType::OPENPGPKEY,
        RecordType::CSYNC,
        RecordType::IXFR,
        RecordType::AXFR,
        RecordType::ANY,
        RecordType::CAA,
    ];

    #[test]
    fn each_type_that_the_decoder_knows_has_names_or_has_none() {
        for number in 0..=u16::MAX {
            let kind = RecordType::from(number);
            let has_names = KINDS.iter().any(|kind| kind.number == number);
            let has_none = WITHOUT_NAMES.contains(&kind);
            let is_known = !matches!(kind, RecordType::Unknown(_));
            assert!(!(has_names && has_none), "{kind}");
            assert!(has_names || has_none == is_known, "{kind}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_has_the_names_of_the_decoder() {
        assert!(KINDS.is_sorted_by(|one, next| one.number < next.number));
        for kind in &KINDS {
            let known = RecordType::from(kind.number);
            if !matches!(known, RecordType::Unknown(_)) {
                assert_eq!(known.to_string(), kind.mnemonic);
            }
        }
    }

    /// A message with a record of this type, whose names are pointers to the question.
    fn with_pointers(kind: &Kind) -> Vec<u8> {
        let mut message = b"\0\x01\x80\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01".to_vec();
        // A signature of the message is an additional record, the others are answers.
        let is_signature = matches!(kind.mnemonic, "SIG" | "TSIG");
        message[if is_signature { 11 } else { 7 }] = 1;
        message.push(0);
        message.extend(kind.number.to_be_bytes());
        message.extend(*b"\0\x01\0\0\0\0");
        let offset = match kind.start {
            Start::At(offset) => offset,
            Start::AfterStrings { at, strings } => at + strings,
        };
        let rest = match kind.mnemonic {
            "SOA" => 20,
            "TSIG" => 16,
            _ => 0,
        };
        let pointers = [0xc0, HEADER as u8].repeat(kind.names);
        let data = [vec![0; offset], pointers, vec![0; rest]].concat();
        message.extend((data.len() as u16).to_be_bytes());
        message.extend(data);
        message
    }

    #[test]
    fn the_decoder_keeps_bytes_of_the_types_that_are_spelled_out() {
        for kind in &KINDS {
            let message = with_pointers(kind);
            let spelled_out = check(&message).expect("a valid message");
            let is_kept = match Message::from_vec(&message) {
                Ok(decoded) => {
                    let mut records = decoded.all_sections();
                    records.any(|record| matches!(record.data, RData::Unknown { .. }))
                }
                // It reads the data, and wants more of it.
                Err(_) => false,
            };
            assert_eq!(is_kept, kind.decoded == Decoded::Bytes, "{}", kind.mnemonic);
            assert_eq!(is_kept, !spelled_out.is_empty(), "{}", kind.mnemonic);
        }
    }

    #[test]
    fn the_documentation_lists_the_types_that_are_spelled_out() {
        let kept = KINDS.iter().filter(|kind| kind.decoded == Decoded::Bytes);
        let mnemonics: Vec<_> = kept.map(|kind| kind.mnemonic).collect();
        let (last, others) = mnemonics.split_last().expect("there are some");
        let list = format!("the types {} and {last}", others.join(", "));
        let text = include_str!("mod.rs").replace("\n/// ", " ");
        assert!(text.contains(&list), "{list}");
    }
}
