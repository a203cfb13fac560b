//! Reads the fuzzer's bytes as a DNS message: what was decoded and encoded again is decoded to the same names
//! and types, and a message that must fit into 512 bytes does.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_names::hickory_proto::op::Message;
use reactor_names::{MessageError, decode_message, encode_message};

/// What must be the same: the encoder may write the data of records in another way.
fn outline(message: &Message) -> Vec<(String, u16)> {
    let questions = message.queries.iter();
    let questions = questions.map(|query| (query.name().to_string(), query.query_type().into()));
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let records = sections.into_iter().flatten();
    let records = records.map(|record| (record.name.to_string(), record.record_type().into()));
    questions.chain(records).collect()
}

/// Types with names, as MD, DNAME and RRSIG, whose data the decoder keeps as it is: a pointer among it, which
/// senders must not use there, leads elsewhere in another message.
const OPAQUE: [u16; 9] = [3, 4, 7, 8, 9, 24, 39, 46, 47];

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = decode_message(bytes) else {
        return;
    };
    // Errs if the data of a record has no encoding, or no room without compression.
    let Ok(encoded) = encode_message(&message, u16::MAX) else {
        return;
    };
    let outlined = outline(&message);
    if outlined.iter().any(|(_, kind)| OPAQUE.contains(kind)) {
        return;
    }
    let again = decode_message(&encoded).expect("it was encoded here");
    if again.truncation == message.truncation {
        assert_eq!(outlined, outline(&again));
    }
    // For UDP.
    match encode_message(&message, 512) {
        Ok(short) => assert!(short.len() <= 512 && decode_message(&short).is_ok()),
        Err(error) => assert_eq!(error, MessageError::TooLong { max_size: 512 }),
    }
});
