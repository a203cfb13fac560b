//! Decoding hostile messages, encoding within a size.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use reactor_names::hickory_proto::op::{Edns, Message, OpCode, Query};
use reactor_names::hickory_proto::rr::rdata::{A, CNAME, MX, SOA, SRV};
use reactor_names::hickory_proto::rr::{Name, RData, Record, RecordType};
use reactor_names::{MessageError, decode_message, encode_message};

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

/// A response with records of several types.
fn answer(records: u32) -> Message {
    let owner = name("www.example.org.");
    let mut message = Message::response(7, OpCode::Query);
    message.add_query(Query::query(owner.clone(), RecordType::A));
    for i in 0..records {
        let address = RData::A(A(i.into()));
        message.add_answer(Record::from_rdata(owner.clone(), 300, address));
    }
    let zone = name("example.org.");
    let soa = SOA::new(zone.clone(), zone.clone(), 1, 2, 3, 4, 5);
    message.add_authority(Record::from_rdata(zone.clone(), 300, RData::SOA(soa)));
    let (mx, srv) = (MX::new(10, owner.clone()), SRV::new(1, 2, 53, owner));
    message.add_additional(Record::from_rdata(zone.clone(), 300, RData::MX(mx)));
    message.add_additional(Record::from_rdata(zone, 300, RData::SRV(srv)));
    message.set_edns(Edns::new());
    message
}

/// A header with these counts of questions and answers.
fn header(questions: u16, answers: u16) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0x81, 0x80];
    for count in [questions, answers, 0, 0] {
        bytes.extend(count.to_be_bytes());
    }
    bytes
}

#[test]
fn what_is_encoded_decodes() {
    let message = answer(3);
    let bytes = encode_message(&message, 512).unwrap();
    assert_eq!(decode_message(&bytes).unwrap(), message);
}

#[test]
fn each_cut_is_an_error() {
    let bytes = encode_message(&answer(3), 512).unwrap();
    for length in 0..bytes.len() {
        assert!(decode_message(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn counts_beyond_the_bytes_are_refused_at_once() {
    for (questions, answers) in [(65_535, 0), (0, 65_535), (65_535, 65_535), (1, 0), (0, 1)] {
        let bytes = header(questions, answers);
        assert_eq!(decode_message(&bytes), Err(MessageError::Counts));
    }
}

/// A name of 127 labels, to which 4,000 records point twice.
#[test]
fn names_that_are_far_longer_than_the_message_are_refused() {
    let mut bytes = header(1, 4000);
    bytes.extend([1, b'x'].repeat(126));
    bytes.extend([0, 0, 5, 0, 1]);
    let alias = [0xc0, 12, 0, 5, 0, 1, 0, 0, 1, 0, 0, 2, 0xc0, 12];
    bytes.extend(alias.repeat(4000));
    assert_eq!(decode_message(&bytes), Err(MessageError::TooManyLabels));
    // One of them is no harm.
    let mut bytes = header(1, 1);
    bytes.extend([1, b'x'].repeat(126));
    bytes.extend([0, 0, 5, 0, 1]);
    bytes.extend(alias);
    assert!(decode_message(&bytes).is_ok());
}

#[test]
fn long_names_of_a_reverse_zone_decode() {
    let mut message = Message::response(7, OpCode::Query);
    for i in 0..400_u128 {
        let of = |network: u128| {
            let digits = format!("{:032x}", (network << 64) | i);
            let labels = digits.chars().rev().map(|digit| format!("{digit}."));
            name(&format!("{}ip6.arpa.", labels.collect::<String>()))
        };
        let alias = RData::CNAME(CNAME(of(0x2001_0db8_0000_0002)));
        let record = Record::from_rdata(of(0x2001_0db8_0000_0001), 300, alias);
        message.add_answer(record);
    }
    let bytes = encode_message(&message, u16::MAX).unwrap();
    let decoded = decode_message(&bytes).unwrap();
    assert_eq!(decoded.answers.len(), 400);
}

#[test]
fn pointers_to_themselves_and_forward_are_refused() {
    for target in [12u8, 13, 14, 18, 255] {
        let mut bytes = header(1, 0);
        bytes.extend([0xc0, target, 0, 1, 0, 1, 0, 0]);
        assert_eq!(
            decode_message(&bytes),
            Err(MessageError::ForwardPointer),
            "{target}"
        );
    }
    // A label, then a pointer to that label.
    let mut bytes = header(1, 0);
    bytes.extend([1, b'a', 0xc0, 12, 0, 1, 0, 1]);
    assert_eq!(decode_message(&bytes), Err(MessageError::ForwardPointer));
}

/// The header has no names, even where its zeros look like the end of one.
#[test]
fn pointers_into_the_header_are_refused() {
    for target in 0..12 {
        let mut bytes = header(1, 0);
        bytes.extend([0xc0, target, 0, 1, 0, 1]);
        let refused = Err(MessageError::ForwardPointer);
        assert_eq!(decode_message(&bytes), refused, "{target}");
    }
}

#[test]
fn labels_of_reserved_types_are_refused() {
    for first in [64, 100, 128, 191] {
        let mut bytes = header(1, 0);
        bytes.extend([first, 0, 0, 1, 0, 1]);
        assert_eq!(
            decode_message(&bytes),
            Err(MessageError::LabelType),
            "{first}"
        );
    }
}

#[test]
fn names_have_at_most_255_bytes() {
    // Three labels of 63, one of `last`, and the end.
    let question = |last: u8| {
        let mut bytes = header(1, 0);
        for length in [63, 63, 63, last] {
            bytes.push(length);
            bytes.extend(vec![b'x'; length.into()]);
        }
        bytes.extend([0, 0, 1, 0, 1]);
        bytes
    };
    assert!(decode_message(&question(61)).is_ok());
    assert_eq!(
        decode_message(&question(62)),
        Err(MessageError::NameTooLong)
    );
}

/// A question with `hops` pointers, each to the one before it. They stand in the data of a record
/// of an unknown type.
fn chain(hops: u16, names: u16) -> Vec<u8> {
    let mut bytes = header(0, 1 + names);
    bytes.extend([0, 0xff, 0x00, 0, 1, 0, 0, 0, 0]);
    bytes.extend((2 * hops - 1).to_be_bytes());
    bytes.push(0);
    let mut target = 12 + 11;
    for hop in 1..hops {
        bytes.extend((0xc000u16 | target).to_be_bytes());
        target = 12 + 12 + 2 * (hop - 1);
    }
    for _ in 0..names {
        bytes.extend((0xc000u16 | target).to_be_bytes());
        bytes.extend([0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    bytes
}

#[test]
fn pointers_of_a_name_are_bounded() {
    assert!(decode_message(&chain(128, 1)).is_ok());
    assert_eq!(
        decode_message(&chain(129, 1)),
        Err(MessageError::TooManyPointers)
    );
}

#[test]
fn pointers_of_a_message_are_bounded() {
    assert!(decode_message(&chain(102, 10)).is_ok());
    assert_eq!(
        decode_message(&chain(103, 10)),
        Err(MessageError::TooManyPointers)
    );
    // A zone transfer has one or two for each record.
    assert!(decode_message(&chain(2, 3_000)).is_ok());
}

/// The pointers of names in the data of records count as those of their owners.
#[test]
fn pointers_in_data_are_bounded() {
    for (kind, before) in [
        (2u16, 0),
        (5, 0),
        (6, 0),
        (12, 0),
        (15, 2),
        (33, 6),
        (64, 2),
    ] {
        let mut bytes = chain(129, 0);
        let last = u16::try_from(bytes.len()).unwrap() - 2;
        bytes[7] += 1;
        bytes.push(0);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1, 0, 0, 0, 0, 0, before + 2]);
        bytes.extend(vec![0; before.into()]);
        bytes.extend((0xc000 | last).to_be_bytes());
        assert_eq!(
            decode_message(&bytes),
            Err(MessageError::TooManyPointers),
            "{kind}"
        );
    }
}

/// Also those of types whose data the decoder keeps as it is.
#[test]
fn names_in_data_end_with_it() {
    for (kind, before) in [(2u16, 0u8), (6, 1), (15, 2), (39, 0), (46, 18), (47, 0)] {
        let record = |length: u8| {
            let mut bytes = header(0, 1);
            bytes.push(0);
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 1, 0, 0, 0, 0, 0, length]);
            bytes.extend(vec![0; before.into()]);
            bytes.extend([1, b'a', 0]);
            bytes.extend([0; 20]);
            decode_message(&bytes)
        };
        let cut = [before + 1, before + 2].map(record);
        assert_eq!(
            cut,
            [Err(MessageError::Truncated), Err(MessageError::Truncated)],
            "{kind}"
        );
        let whole = if kind == 6 { 24 } else { before + 3 };
        assert!(record(whole).is_ok(), "{kind}: {:?}", record(whole));
    }
}

/// The message that costs the decoder seconds without the check.
#[test]
fn a_hostile_message_costs_little_more_than_an_ordinary_one() {
    let cost = |bytes: &[u8]| {
        let time = |_| {
            let start = Instant::now();
            let _ = std::hint::black_box(decode_message(bytes));
            start.elapsed()
        };
        (0..5).map(time).min().unwrap()
    };
    let ordinary = chain(2, 4_000);
    let hostile = chain(7_000, 3_185);
    assert!(hostile.len() > 60_000);
    let limit = 20 * cost(&ordinary) + Duration::from_millis(1);
    assert!(cost(&hostile) < limit, "{:?}", cost(&hostile));
    // The most that is let through.
    assert!(cost(&chain(128, 7)) < limit);
}

#[test]
fn additional_records_go_first() {
    let message = answer(20);
    let whole = encode_message(&message, u16::MAX).unwrap();
    let size = u16::try_from(whole.len() - 1).unwrap();
    let shorter = decode_message(&encode_message(&message, size).unwrap()).unwrap();
    assert!(!shorter.truncation && shorter.additionals.is_empty());
    assert_eq!(
        (&shorter.answers, &shorter.edns),
        (&message.answers, &message.edns)
    );
}

#[test]
fn what_does_not_fit_is_truncated_and_keeps_edns() {
    let message = answer(40);
    let truncated = decode_message(&encode_message(&message, 512).unwrap()).unwrap();
    assert!(truncated.truncation && truncated.answers.is_empty());
    assert_eq!(
        (&truncated.queries, &truncated.edns),
        (&message.queries, &message.edns)
    );
    let failed = encode_message(&message, 20);
    assert_eq!(failed, Err(MessageError::TooLong { max_size: 20 }));
}

#[test]
fn what_is_longer_than_any_message_is_truncated() {
    let truncated = encode_message(&answer(5_000), u16::MAX).unwrap();
    let truncated = decode_message(&truncated).unwrap();
    assert!(truncated.truncation && truncated.answers.is_empty());
}

proptest! {
    /// `PROPTEST_CASES=100000` changes 100,000 messages.
    #[test]
    fn changed_messages_are_decoded_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = encode_message(&answer(3), 512).unwrap();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        if let Ok(message) = decode_message(&bytes) {
            // What was let through can be answered.
            let _ = encode_message(&message, 512);
        }
    }

    #[test]
    fn random_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode_message(&bytes);
    }
}
