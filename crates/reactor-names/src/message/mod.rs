//! DNS messages as bytes: decoding behind a check of its cost, encoding within a size.

mod error;
mod walk;

use hickory_proto::op::Message;
use hickory_proto::rr::RData;
use reactor::framing::{LengthPrefixed, U16};

pub use self::error::MessageError;
use self::walk::SpelledOut;

/// Framing of DNS over TCP and TLS: each message follows its length, a number of two bytes.
///
/// # Examples
///
/// ```
/// use reactor_names::TcpFraming;
///
/// assert_eq!(TcpFraming::encode(b"message")?, b"\0\x07message");
/// # Ok::<(), reactor::framing::FrameTooLong>(())
/// ```
pub type TcpFraming = LengthPrefixed<U16>;

/// Decodes a message.
///
/// Before anything is allocated, one pass over the bytes checks that they are worth decoding: the
/// counts of the header fit into them, each name has at most 255 bytes and comes to its end within
/// 128 compression pointers, which all point backward, and the number of pointers and labels of
/// all names together is bounded. So the cost of a message is bounded by its length.
///
/// Names in the data of the types MD, MF, MB, MG, MR, MINFO, RP, AFSDB, RT, SIG, PX, NXT, DNAME, RRSIG
/// and NSEC, which [`RData::Unknown`] keeps as bytes, are spelled out: so the bytes have no compression
/// pointers, and mean the same in another message (RFC 3597, section 4).
///
/// # Errors
///
/// See [`MessageError`].
///
/// # Examples
///
/// ```
/// use reactor_names::{MessageError, decode_message};
///
/// let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01";
/// let message = decode_message(question)?;
/// assert_eq!(message.queries[0].name().to_string(), "example.org.");
///
/// let endless = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01";
/// assert_eq!(decode_message(endless), Err(MessageError::ForwardPointer));
/// # Ok::<(), MessageError>(())
/// ```
pub fn decode_message(bytes: &[u8]) -> Result<Message, MessageError> {
    let spelled_out = walk::check(bytes)?;
    let message = Message::from_vec(bytes);
    let mut message = message.map_err(|error| MessageError::Malformed(error.to_string()))?;
    replace_data(&mut message, spelled_out);
    Ok(message)
}

fn replace_data(message: &mut Message, spelled_out: Vec<SpelledOut>) {
    let sections = [
        &mut message.answers,
        &mut message.authorities,
        &mut message.additionals,
    ];
    let mut records = sections.into_iter().flatten();
    let mut place = 0;
    for spelled in spelled_out {
        let record = records.nth(spelled.place - place);
        place = spelled.place + 1;
        if let Some(RData::Unknown { rdata, .. }) = record.map(|record| &mut record.data) {
            rdata.anything = spelled.data;
        }
    }
}

/// Encodes a message in at most `max_size` bytes.
///
/// If it is longer, the additional records are left out, which are optional. If that is not
/// enough, all records are left out and the truncation bit is set, so that the client asks again
/// over TCP. The EDNS record is always kept.
///
/// # Errors
///
/// [`MessageError::TooLong`] if not even the question fits; [`MessageError::Malformed`] if the
/// message has something that cannot be encoded.
///
/// # Examples
///
/// ```
/// use hickory_proto::op::{Message, OpCode, Query};
/// use hickory_proto::rr::{Name, RData, Record, RecordType, rdata::TXT};
/// use reactor_names::{decode_message, encode_message};
///
/// let name = Name::from_ascii("example.org.")?;
/// let mut message = Message::response(1, OpCode::Query);
/// message.add_query(Query::query(name.clone(), RecordType::TXT));
/// let text = TXT::new(vec!["x".repeat(200); 4]);
/// message.add_answer(Record::from_rdata(name, 300, RData::TXT(text)));
///
/// let truncated = decode_message(&encode_message(&message, 512)?)?;
/// assert!(truncated.truncation && truncated.answers.is_empty());
/// assert_eq!(decode_message(&encode_message(&message, 1232)?)?.answers, message.answers);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn encode_message(message: &Message, max_size: u16) -> Result<Vec<u8>, MessageError> {
    if let Some(bytes) = fitting(message, max_size)? {
        return Ok(bytes);
    }
    if !message.additionals.is_empty() {
        let mut required = message.clone();
        required.additionals.clear();
        if let Some(bytes) = fitting(&required, max_size)? {
            return Ok(bytes);
        }
    }
    fitting(&message.truncate(), max_size)?.ok_or(MessageError::TooLong { max_size })
}

/// `None` if the encoded message is longer than `max_size`.
fn fitting(message: &Message, max_size: u16) -> Result<Option<Vec<u8>>, MessageError> {
    let bytes = message
        .to_vec()
        .map_err(|error| MessageError::Malformed(error.to_string()))?;
    // Behind 65,535 bytes the encoder stops and sets the bit itself.
    let truncated_by_encoder = !message.truncation && bytes.get(2).is_some_and(|b| b & 2 != 0);
    Ok((bytes.len() <= usize::from(max_size) && !truncated_by_encoder).then_some(bytes))
}
