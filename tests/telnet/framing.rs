//! The framing: the same frames however the bytes are cut, and limits.

use proptest::prelude::*;
use reactor::{Decoded, Framing};
use reactor_telnet::{Command, TelnetError, TelnetFrame, TelnetFraming, TelnetOption, Verb};

use crate::support::IAC;

const SB: u8 = 250;
const SE: u8 = 240;

/// A frame that owns what it holds, with runs of data joined.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Data(Vec<u8>),
    Command(Command),
    Negotiation(Verb, TelnetOption),
    Subnegotiation(TelnetOption, Vec<u8>),
}

fn join(parts: &mut Vec<Part>, frame: TelnetFrame<'_>) {
    let part = match frame {
        TelnetFrame::Data(data) => {
            assert!(!data.is_empty());
            if let Some(Part::Data(last)) = parts.last_mut() {
                return last.extend_from_slice(data);
            }
            Part::Data(data.to_vec())
        }
        TelnetFrame::Command(command) => Part::Command(command),
        TelnetFrame::Negotiation(verb, option) => Part::Negotiation(verb, option),
        TelnetFrame::Subnegotiation(option, content) => {
            Part::Subnegotiation(option, content.into_owned())
        }
    };
    parts.push(part);
}

/// The frames of `pieces`, and the message of the error that ends them.
fn decode<I: IntoIterator<Item: AsRef<[u8]>>>(pieces: I) -> (Vec<Part>, Option<TelnetError>) {
    let mut framing = TelnetFraming::with_max_subnegotiation(8);
    let (mut parts, mut input) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece.as_ref());
        loop {
            let taken = match framing.decode(&input) {
                Ok(Decoded::Frame { frame, consumed }) => {
                    join(&mut parts, frame);
                    consumed
                }
                Ok(Decoded::Skip { consumed }) => consumed,
                Ok(_) => break,
                Err(failure) => {
                    let error = failure.downcast_ref::<TelnetError>().copied();
                    return (parts, Some(error.expect("of this crate")));
                }
            };
            assert!(taken > 0);
            input.drain(..taken);
        }
    }
    (parts, None)
}

/// Bytes in which commands, ends of lines and subnegotiations are frequent.
fn telnet_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(vec![IAC]),
        Just(vec![IAC, IAC]),
        Just(vec![IAC, SB, 31]),
        Just(vec![IAC, SE]),
        Just(vec![IAC, 253, 1]),
        Just(vec![IAC, 246]),
        Just(b"\r\n".to_vec()),
        Just(b"\r\0".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"\r".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
        Just(b"text".to_vec()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn frames_are_the_same_however_the_bytes_are_cut(
        bytes in telnet_bytes(),
        size in 1_usize..6,
    ) {
        let whole = decode([bytes.as_slice()]);
        prop_assert_eq!(&whole, &decode(bytes.chunks(size)));
        prop_assert_eq!(&whole, &decode(bytes.chunks(1)));
    }
}

#[test]
fn data_is_unescaped() {
    let bytes = b"a\xff\xffb\r\0c\r\nd\0e\xff\xf1f";
    let (parts, error) = decode([&bytes[..]]);
    let expected = [
        Part::Data(b"a\xffb\rc\r\nd\0e".to_vec()),
        Part::Command(Command::NO_OPERATION),
        Part::Data(b"f".to_vec()),
    ];
    assert_eq!((parts, error), (expected.to_vec(), None));
}

#[test]
fn a_command_between_a_cr_and_its_nul_changes_nothing() {
    let (parts, _) = decode([&b"a\r\xff\xf1\0b"[..]]);
    let expected = [
        Part::Data(b"a\r".to_vec()),
        Part::Command(Command::NO_OPERATION),
        Part::Data(b"b".to_vec()),
    ];
    assert_eq!(parts, expected);
}

#[test]
fn a_nul_is_data_if_the_peer_sends_binary() {
    let mut framing = TelnetFraming::default();
    framing.set_binary(true);
    let decoded = framing.decode(b"a\r\0b").expect("it is data");
    assert_eq!(
        decoded,
        Decoded::Frame {
            frame: TelnetFrame::Data(b"a\r\0b"),
            consumed: 4
        }
    );
}

#[test]
fn a_window_of_255_columns_is_one_frame() {
    let bytes = [IAC, SB, 31, 0, IAC, IAC, 0, 24, IAC, SE];
    let (parts, error) = decode(bytes.chunks(1));
    let expected = Part::Subnegotiation(TelnetOption::WINDOW_SIZE, vec![0, 255, 0, 24]);
    assert_eq!((parts, error), (vec![expected], None));
}

#[test]
fn a_subnegotiation_without_an_end_is_refused() {
    let mut bytes = vec![IAC, SB, 24];
    bytes.extend_from_slice(b"123456789");
    let (_, error) = decode(bytes.chunks(1));
    let option = TelnetOption::TERMINAL_TYPE;
    assert_eq!(
        error,
        Some(TelnetError::SubnegotiationTooLong { option, limit: 8 })
    );

    let (_, error) = decode([&[IAC, SB, 24, b'x', IAC, 253, 1][..]]);
    let command = Command(253);
    assert_eq!(
        error,
        Some(TelnetError::CommandInSubnegotiation { option, command })
    );
}

/// 200 kB that arrive a byte at a time, each looked at once: otherwise this takes minutes.
#[test]
fn a_long_subnegotiation_is_looked_through_once() {
    let mut framing = TelnetFraming::with_max_subnegotiation(200_000);
    let mut input = vec![IAC, SB, 39];
    input.resize(200_000, b'x');
    for end in 0..input.len() {
        let decoded = framing.decode(&input[..end]).expect("no end yet");
        assert_eq!(decoded, Decoded::Incomplete);
    }
}
