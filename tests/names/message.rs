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
    for (kind, before) in [
        (2u16, 0u8),
        (6, 1),
        (14, 1),
        (15, 2),
        (17, 1),
        (18, 2),
        (21, 2),
        (26, 3),
        (30, 0),
        (39, 0),
        (46, 18),
        (47, 0),
    ] {
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

/// A response to `example.org.` with one record of a type, whose data has a pointer to that name in the
/// place of each `None`.
fn response_with(kind: u16, data: &[Option<&[u8]>]) -> Vec<u8> {
    let mut bytes = header(1, 2);
    bytes.extend(b"\x07example\x03org\0\0\xff\0\x01");
    // One before it, and EDNS behind it: neither is taken for it.
    bytes.extend(b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x7f\0\0\x01\xc0\x0c");
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1, 0, 0, 0, 0]);
    let data: Vec<_> = data.iter().map(|it| it.unwrap_or(b"\xc0\x0c")).collect();
    let data = data.concat();
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes[11] = 1;
    bytes.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    bytes
}

/// A pointer would lead elsewhere in another message.
#[test]
fn pointers_in_data_that_stays_bytes_are_spelled_out() {
    let rrsig = [7; 18];
    let cases: [(u16, &[Option<&[u8]>]); 19] = [
        (3, &[None]),
        (4, &[None]),
        (7, &[None]),
        (8, &[Some(b"\x01a"), None]),
        (9, &[None]),
        (14, &[None, None]),
        (14, &[Some(b"\x01a\0"), None]),
        (17, &[None, Some(b"\x01a\0")]),
        (18, &[Some(b"\0\x01"), None]),
        (21, &[Some(b"\0\x01"), None]),
        (26, &[Some(b"\0\x01"), None, Some(b"\x01b"), None]),
        (30, &[None, Some(b"\x40")]),
        (39, &[None]),
        (39, &[Some(b"\x03new"), None]),
        (46, &[Some(&rrsig), None, Some(b"signature \xc0\x0c")]),
        (46, &[Some(&rrsig), Some(b"\x01a"), None, Some(b"\xc0")]),
        (47, &[None, Some(b"\0\x01\x40")]),
        (47, &[Some(b"\x01a\0\0\x02\xc0\x0c")]),
        // Data of an unknown type has no pointers.
        (65_400, &[Some(b"\xc0\x0c")]),
    ];
    for (kind, data) in cases {
        let message = decode_message(&response_with(kind, data)).unwrap();
        let name = b"\x07example\x03org\0";
        let expected: Vec<_> = data.iter().map(|it| it.unwrap_or(name)).collect();
        let [_, record] = &message.answers[..] else {
            panic!("{kind}: {message}");
        };
        let RData::Unknown { rdata, .. } = &record.data else {
            panic!("{kind}: {record}");
        };
        assert_eq!(rdata.anything, expected.concat(), "{kind}");
        // So it is the same in another message.
        let mut other = Message::response(8, OpCode::Query);
        other.add_answer(record.clone());
        let other = decode_message(&encode_message(&other, 512).unwrap()).unwrap();
        assert_eq!(other.answers, std::slice::from_ref(record), "{kind}");
    }
    // SIG is in the additional section alone, and its place is behind EDNS here.
    let mut bytes = header(1, 0);
    bytes.extend(b"\x07example\x03org\0\0\xff\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0");
    bytes.extend(b"\0\0\x18\0\xff\0\0\0\0\0\x16");
    bytes.extend([7; 18]);
    bytes.extend(b"\xc0\x0csg");
    bytes[11] = 2;
    let message = decode_message(&bytes).unwrap();
    let RData::Unknown { rdata, .. } = &message.additionals[0].data else {
        panic!("{message}");
    };
    assert_eq!(rdata.anything[18..], *b"\x07example\x03org\0sg");
}

/// Data that would get longer than a length of two bytes says.
#[test]
fn data_that_is_too_long_when_spelled_out_is_refused() {
    let signature = vec![0; 65_300];
    let long = response_with(46, &[Some(&[7; 18]), None, Some(&signature)]);
    assert!(decode_message(&long).is_ok());
    let mut name = [63; 64].repeat(3);
    name.push(0);
    let mut bytes = header(1, 1);
    bytes.extend(&name);
    bytes.extend([0, 0xff, 0, 1, 0xc0, 12, 0, 46, 0, 1, 0, 0, 0, 0]);
    let signature = vec![0; 65_400];
    bytes.extend(u16::try_from(20 + signature.len()).unwrap().to_be_bytes());
    bytes.extend([7; 18]);
    bytes.extend([0xc0, 12]);
    bytes.extend(signature);
    let max_size = u16::MAX;
    assert_eq!(
        decode_message(&bytes),
        Err(MessageError::TooLong { max_size })
    );
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
