//! Reads the fuzzer's bytes as a DNS message: what was decoded and encoded again is decoded to the same names,
//! types and bytes, and a message that must fit into 512 bytes does.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor_names::hickory_proto::op::Message;
use reactor_names::hickory_proto::rr::RData;
use reactor_names::{MessageError, decode_message, encode_message};

/// What must be the same: the encoder may write the data of records in another way, except for that which
/// it has as bytes.
fn outline(message: &Message) -> Vec<(String, u16, Vec<u8>)> {
    let questions = message.queries.iter();
    let questions = questions.map(|query| {
        let kind = query.query_type().into();
        (query.name().to_string(), kind, Vec::new())
    });
    let sections = [&message.answers, &message.authorities, &message.additionals];
    let records = sections.into_iter().flatten();
    let records = records.map(|record| {
        let data = match &record.data {
            RData::Unknown { rdata, .. } => rdata.anything.clone(),
            _ => Vec::new(),
        };
        (record.name.to_string(), record.record_type().into(), data)
    });
    questions.chain(records).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = decode_message(bytes) else {
        return;
    };
    // Errs if the data of a record has no encoding, or no room without compression.
    let Ok(encoded) = encode_message(&message, u16::MAX) else {
        return;
    };
    let outlined = outline(&message);
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
