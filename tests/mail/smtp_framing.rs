//! `SmtpFraming`: the same frames however the bytes are cut, and line ends.

use deferred::Result;
use proptest::prelude::*;
use reactor::{Decoded, Framing};
use reactor_mail::{SmtpFrame, SmtpFraming, SmtpFramingError};

/// Decodes `input` as a message, of which `cut` bytes more arrive each time.
fn message(input: &[u8], cut: usize) -> Result<(Vec<u8>, usize)> {
    let mut framing = SmtpFraming::default();
    framing.begin_data();
    let (mut message, mut start, mut arrived) = (Vec::new(), 0, 0);
    loop {
        match framing.decode(&input[start..arrived])? {
            Decoded::Frame { frame, consumed } => {
                start += consumed;
                match frame {
                    SmtpFrame::Data(data) => message.extend_from_slice(data),
                    SmtpFrame::EndOfData => return Ok((message, start)),
                    frame => panic!("{frame:?}"),
                }
            }
            Decoded::Skip { consumed } => start += consumed,
            Decoded::Incomplete => {
                assert!(arrived < input.len(), "no end");
                arrived = input.len().min(arrived + cut);
            }
            decoded => panic!("{decoded:?}"),
        }
    }
}

#[test]
fn dots_are_taken_off_however_the_message_is_cut() {
    let cases: &[(&[u8], &[u8])] = &[
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (
            b"a.\r\n..b\r\n...\r\n\r\n..\r\n.\r\n",
            b"a.\r\n.b\r\n..\r\n\r\n.\r\n",
        ),
        (b".a\r\nb.\r\n.\r\n", b"a\r\nb.\r\n"),
        (b"\r\n\r\n..\r\n.\r\n", b"\r\n\r\n.\r\n"),
    ];
    for (input, expected) in cases {
        let with_more = [*input, b"QUIT\r\n"].concat();
        for cut in 1..=with_more.len() {
            let (text, consumed) = message(&with_more, cut).expect("it is valid");
            let input = input.escape_ascii();
            assert_eq!(text, *expected, "{input} in pieces of {cut}");
            assert_eq!(with_more[consumed..], *b"QUIT\r\n", "{input}, {cut}");
        }
    }
}

#[test]
fn every_other_end_of_data_is_refused() {
    let line_ends = ["\r\n", "\n", "\r", "\r\r\n", "\n\r"];
    let (mut refused, mut accepted) = (0, 0);
    for before in line_ends {
        for after in line_ends {
            let input = format!("hello{before}.{after}MAIL FROM:<eve@example.org>\r\n.\r\n");
            let valid = before == "\r\n" && after == "\r\n";
            for cut in [1, 2, 3, 7, input.len()] {
                match message(input.as_bytes(), cut) {
                    Ok((text, _)) => {
                        assert!(valid, "{before:?}.{after:?} was taken");
                        assert_eq!(text, b"hello\r\n");
                        accepted += 1;
                    }
                    Err(failure) => {
                        assert!(!valid, "{failure}");
                        assert!(failure.is::<SmtpFramingError>());
                        refused += 1;
                    }
                }
            }
        }
    }
    assert_eq!((refused, accepted), (24 * 5, 5));
}

#[test]
fn a_command_ends_in_cr_lf_only() {
    for input in [
        "NOOP\nQUIT\r\n",
        "NOOP\rQUIT\r\n",
        "NOOP\r\rQUIT\r\n",
        "\nQUIT\r\n",
    ] {
        let failure = SmtpFraming::default().decode(input.as_bytes()).unwrap_err();
        assert!(failure.is::<SmtpFramingError>(), "{input:?}");
    }
}

#[test]
fn a_line_without_end_is_refused() {
    let mut framing = SmtpFraming::default();
    let input = vec![b'x'; 12 * 1024 + 1];
    let decoded = framing.decode(&input[..12 * 1024]).expect("not yet");
    assert_eq!(decoded, Decoded::Incomplete);
    let failure = framing.decode(&input).unwrap_err();
    let expected = SmtpFramingError::LineTooLong { limit: 12 * 1024 };
    assert_eq!(failure.downcast_ref(), Some(&expected));
}

#[test]
fn a_chunk_is_taken_as_it_is() {
    let mut framing = SmtpFraming::default();
    framing.begin_chunk(7);
    let decoded = framing.decode(b"\n.\n").expect("it is valid");
    let frame = SmtpFrame::Chunk {
        data: b"\n.\n",
        remaining: 4,
    };
    assert_eq!(decoded, Decoded::Frame { frame, consumed: 3 });
    let decoded = framing.decode(b"\r\n.\rQUIT\r\n").expect("it is valid");
    let frame = SmtpFrame::Chunk {
        data: b"\r\n.\r",
        remaining: 0,
    };
    assert_eq!(decoded, Decoded::Frame { frame, consumed: 4 });
    let decoded = framing.decode(b"QUIT\r\n").expect("it is valid");
    let frame = SmtpFrame::Command(b"QUIT");
    assert_eq!(decoded, Decoded::Frame { frame, consumed: 6 });
}

/// A part of a dialogue: of a message or a chunk, all that follows each other are one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Command(Vec<u8>),
    Data(Vec<u8>),
    EndOfData,
    /// With what remains of it.
    Chunk(Vec<u8>, u64),
    Refused,
}

/// What a server reads that takes DATA and BDAT. Ends at the first error.
fn dialogue(pieces: impl IntoIterator<Item: AsRef<[u8]>>) -> Vec<Part> {
    let (mut framing, mut bytes, mut parts) = (SmtpFraming::default(), Vec::new(), Vec::new());
    for piece in pieces {
        bytes.extend_from_slice(piece.as_ref());
        loop {
            let part = match framing.decode(&bytes) {
                Ok(Decoded::Frame { frame, consumed }) => {
                    let part = match frame {
                        SmtpFrame::Command(command) => Part::Command(command.to_vec()),
                        SmtpFrame::Data(data) => Part::Data(data.to_vec()),
                        SmtpFrame::EndOfData => Part::EndOfData,
                        SmtpFrame::Chunk { data, remaining } => {
                            Part::Chunk(data.to_vec(), remaining)
                        }
                    };
                    bytes.drain(..consumed);
                    part
                }
                Ok(Decoded::Skip { consumed }) => {
                    bytes.drain(..consumed);
                    continue;
                }
                Ok(Decoded::Incomplete) => break,
                Ok(decoded) => panic!("{decoded:?}"),
                Err(_) => {
                    // What came of a message that is refused is discarded by its receiver.
                    parts.pop_if(|part| matches!(part, Part::Data(_)));
                    parts.push(Part::Refused);
                    return parts;
                }
            };
            match (&part, parts.last_mut()) {
                (Part::Data(more), Some(Part::Data(data))) => data.extend_from_slice(more),
                (Part::Chunk(more, remaining), Some(Part::Chunk(data, rest))) if *rest > 0 => {
                    data.extend_from_slice(more);
                    *rest = *remaining;
                }
                _ => parts.push(part.clone()),
            }
            match &part {
                Part::Command(command) if command == b"DATA" => framing.begin_data(),
                Part::Command(command) if command == b"BDAT" => framing.begin_chunk(5),
                _ => {}
            }
        }
    }
    parts
}

fn smtp_bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"NOOP\r\n",
        b"DATA\r\n",
        b"DATA\r\n",
        b"BDAT\r\n",
        b"abc",
        b"\r\n",
        b"\r\n",
        b".",
        b".\r\n",
        b"\r\n.\r\n",
        b"\r\n..x\r\n",
        b"\r",
        b"\n",
        b"\0\xff",
    ];
    let piece = proptest::sample::select(pieces);
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn frames_are_the_same_however_the_bytes_are_cut(bytes in smtp_bytes(), size in 1_usize..9) {
        let whole = dialogue([bytes.as_slice()]);
        prop_assert_eq!(&whole, &dialogue(bytes.chunks(size)));
        prop_assert_eq!(&whole, &dialogue(bytes.chunks(1)));
    }
}
