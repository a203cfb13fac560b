//! `Question`: one question to a server, with the random parts that make an answer hard to forge,
//! and the check of the messages that come back.

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{Name, RecordType};

use crate::message::{MessageError, decode_message, encode_message};

/// The size of answers over UDP that a question allows by EDNS: so small that no path on the
/// Internet needs to fragment them (DNS flag day 2020).
const UDP_PAYLOAD: u16 = 1232;

/// A name and a type of records.
pub(super) type Key = (Name, RecordType);

const HEADER: usize = 12;

/// Multiple of bytes to which an encrypted question is padded (RFC 8467).
const PADDED_TO: usize = 128;
/// Code and length of an option.
const OPTION_HEADER: usize = 4;

/// The EDNS record of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edns {
    None,
    /// EDNS with the size that an answer may have.
    Size,
    /// EDNS with that size, and with padding that hides the length of the question.
    Padded,
}

/// A question with its random id, and random case of its letters ("0x20"), which a server repeats.
pub(super) struct Question {
    /// The whole message.
    bytes: Vec<u8>,
    /// The encoded name in the case of the caller, with type and class: it replaces the random case
    /// in an answer.
    in_callers_case: Vec<u8>,
    edns: Edns,
}

/// A message that came, compared with a question.
#[derive(Debug)]
pub(super) enum Reply {
    Answer(Box<Message>),
    /// An answer to the question, but with another case of the name: it is forged, or the server
    /// does not keep the case.
    WrongCase(Box<Message>),
    /// Not an answer to this question; to be ignored.
    Unrelated,
}

impl Question {
    pub(super) fn new((name, record_type): &Key, edns: Edns) -> Result<Self, MessageError> {
        let mut random_case = name.clone();
        // A forger that does not see the question has to guess one more bit for each letter.
        random_case.randomize_label_case();
        Ok(Self {
            bytes: encode(random_case, *record_type, edns)?,
            // Of the same length as the question in `bytes`: the case changes no length, and the
            // only name of a message is not compressed.
            in_callers_case: encode(name.clone(), *record_type, Edns::None)?.split_off(HEADER),
            edns,
        })
    }

    pub(super) fn id(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    pub(super) fn set_id(&mut self, id: u16) {
        self.bytes[..2].copy_from_slice(&id.to_be_bytes());
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Compares `bytes` with this question. Nothing is decoded before the id and the question are
    /// found to be right, so that forged messages cost little.
    pub(super) fn reply(&self, bytes: &[u8]) -> Reply {
        // The flags of a response, with the opcode of a query.
        let is_response = bytes.get(2).is_some_and(|flags| flags & 0xf8 == 0x80);
        if bytes.len() < HEADER || bytes[..2] != self.bytes[..2] || !is_response {
            return Reply::Unrelated;
        }
        // QDCOUNT, the number of questions.
        if bytes[4..6] == [0, 0] {
            return self.refusal_without_question(bytes);
        }
        let asked = &self.bytes[HEADER..][..self.in_callers_case.len()];
        let Some(repeated) = bytes[HEADER..].get(..asked.len()) else {
            return Reply::Unrelated;
        };
        // The last four bytes are type and class, which have no case.
        let (name, kind) = asked.split_at(asked.len() - 4);
        let is_same = repeated[..name.len()].eq_ignore_ascii_case(name) && repeated.ends_with(kind);
        if bytes[4..6] != [0, 1] || !is_same {
            return Reply::Unrelated;
        }
        let is_exact = repeated == asked;
        // Names of the answer are often compression pointers into the question: with the caller's
        // case restored there, all of them have it.
        // Copied, because the message belongs to the socket's buffer. The case of the name has been
        // checked: what follows needs only the caller's.
        let mut restored = bytes.to_vec();
        restored[HEADER..][..asked.len()].copy_from_slice(&self.in_callers_case);
        match decode_message(&restored) {
            Ok(message) if is_exact => Reply::Answer(Box::new(message)),
            Ok(message) => Reply::WrongCase(Box::new(message)),
            Err(error) => {
                tracing::debug!(target: "reactor", %error, "a DNS answer is malformed");
                Reply::Unrelated
            }
        }
    }

    /// The reply for a message without a question: an answer only if it refuses EDNS, since a
    /// server that does not know EDNS may send the header alone.
    fn refusal_without_question(&self, bytes: &[u8]) -> Reply {
        match decode_message(bytes) {
            Ok(message) if self.edns != Edns::None && refuses_edns(message.response_code) => {
                Reply::Answer(Box::new(message))
            }
            _ => Reply::Unrelated,
        }
    }
}

fn encode(name: Name, record_type: RecordType, edns: Edns) -> Result<Vec<u8>, MessageError> {
    let mut message = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, record_type));
    if edns == Edns::None {
        // No limit: a question is a name of at most 255 bytes and, with EDNS, one more record.
        return encode_message(&message, u16::MAX);
    }
    let mut with_size = hickory_proto::op::Edns::new();
    with_size.set_max_payload(UDP_PAYLOAD);
    message.set_edns(with_size);
    let bytes = encode_message(&message, u16::MAX)?;
    if edns == Edns::Size {
        return Ok(bytes);
    }
    let length = bytes.len() + OPTION_HEADER;
    let padding = vec![0; length.next_multiple_of(PADDED_TO) - length];
    if let Some(edns) = &mut message.edns {
        let options = edns.options_mut();
        options.insert(EdnsOption::Unknown(EdnsCode::Padding.into(), padding));
    }
    encode_message(&message, u16::MAX)
}

/// Whether this is the code of a server that does not know EDNS.
pub(super) fn refuses_edns(code: ResponseCode) -> bool {
    matches!(
        code,
        ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS
    )
}
