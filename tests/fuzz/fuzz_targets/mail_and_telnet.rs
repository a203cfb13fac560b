//! Gives the fuzzer's bytes to the framings of SMTP and telnet, whole and in pieces: the frames are
//! the same, no message holds a CR or LF alone, and one that is sent comes back.

#![no_main]

mod pieces;

use libfuzzer_sys::fuzz_target;
use reactor::{Decoded, Framing};
use reactor_mail::{SmtpFrame, SmtpFraming};
use reactor_telnet::{TelnetFrame, TelnetFraming};

use crate::pieces::split;

/// What comes out of `framing` that gets `pieces`: frames as text, and those that are data, which
/// may be cut anywhere, joined.
fn decode<F: Framing>(
    mut framing: F,
    pieces: &[&[u8]],
    mut took: impl FnMut(&mut F, Took, &mut Vec<(bool, Vec<u8>)>),
    name: impl Fn(F::Frame<'_>) -> Took,
) -> Vec<(bool, Vec<u8>)> {
    let (mut rest, mut got) = (Vec::new(), Vec::new());
    for piece in pieces {
        rest.extend_from_slice(piece);
        let mut taken = 0;
        while taken < rest.len() {
            let input = &rest[taken..];
            let (consumed, frame) = match framing.decode(input) {
                Ok(Decoded::Frame { frame, consumed }) => (consumed, Some(name(frame))),
                Ok(Decoded::Skip { consumed }) => (consumed, None),
                Ok(_) => break,
                Err(failure) => {
                    // How much of a line is taken before its fault is found depends on the pieces;
                    // a message with an error is thrown away as a whole.
                    got.pop_if(|(is_data, _)| *is_data);
                    got.push((false, failure.to_string().into_bytes()));
                    return got;
                }
            };
            assert!(0 < consumed && consumed <= input.len());
            taken += consumed;
            if let Some(frame) = frame {
                took(&mut framing, frame, &mut got);
            }
        }
        rest.drain(..taken);
    }
    got
}

enum Took {
    Data(Vec<u8>),
    Other(Vec<u8>),
}

fn add(frame: Took, got: &mut Vec<(bool, Vec<u8>)>) {
    match (frame, got.last_mut()) {
        (Took::Data(data), Some((true, last))) => last.extend(data),
        (Took::Data(data), _) => got.push((true, data)),
        (Took::Other(text), _) => got.push((false, text)),
    }
}

fn smtp(pieces: &[&[u8]]) -> Vec<(bool, Vec<u8>)> {
    let name = |frame: SmtpFrame<'_>| match frame {
        SmtpFrame::Data(data) => Took::Data(data.to_vec()),
        SmtpFrame::Chunk { data, .. } => Took::Data(data.to_vec()),
        SmtpFrame::Command(line) => Took::Other([b"command ", line].concat()),
        SmtpFrame::EndOfData => Took::Other(b"end".to_vec()),
    };
    let took = |framing: &mut SmtpFraming, frame: Took, got: &mut Vec<_>| {
        match &frame {
            Took::Other(line) if line.starts_with(b"command D") => framing.begin_data(),
            Took::Other(line) if line.starts_with(b"command B") => {
                framing.begin_chunk(line.len() as u64 - 9);
            }
            _ => {}
        }
        add(frame, got);
    };
    decode(SmtpFraming::default(), pieces, took, name)
}

/// Whether each CR stands before an LF, and each LF behind a CR.
fn has_whole_line_ends(text: &[u8]) -> bool {
    let mut before = b' ';
    for &byte in text {
        if (before == b'\r') != (byte == b'\n') {
            return false;
        }
        before = byte;
    }
    true
}

/// A message that is sent with its dots comes back as it was.
fn comes_back(message: &[u8], sizes: &[u8]) {
    let mut sent = b"D\r\n".to_vec();
    let mut text = Vec::new();
    for line in message.split(|byte| b"\r\n".contains(byte)) {
        text.extend([line, b"\r\n"].concat());
        sent.extend(
            [
                if line.starts_with(b".") {
                    &b"."[..]
                } else {
                    b""
                },
                line,
                b"\r\n",
            ]
            .concat(),
        );
    }
    sent.extend_from_slice(b".\r\n");
    let expected = [
        (false, b"command D".to_vec()),
        (true, text),
        (false, b"end".to_vec()),
    ];
    assert_eq!(smtp(&split(&sent, sizes, 9)), expected);
}

fn telnet(is_binary: bool, pieces: &[&[u8]]) -> Vec<(bool, Vec<u8>)> {
    let mut framing = TelnetFraming::with_max_subnegotiation(12);
    framing.set_binary(is_binary);
    let name = |frame: TelnetFrame<'_>| match frame {
        TelnetFrame::Data(data) => {
            assert!(!data.is_empty());
            Took::Data(data.to_vec())
        }
        other => Took::Other(format!("{other:?}").into_bytes()),
    };
    decode(framing, pieces, |_, frame, got| add(frame, got), name)
}

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, ref sizes @ ..], data)) = data.split_first_chunk::<5>() else {
        return;
    };
    let pieces = split(data, sizes, 9);
    match kind % 4 {
        0 => {
            let got = smtp(&pieces);
            assert_eq!(got, smtp(&[data]));
            // Chunks are taken as they are, and so is what stands behind one.
            if !got.iter().any(|(_, text)| text.starts_with(b"command B")) {
                let messages = got.iter().filter(|(is_data, _)| *is_data);
                for (_, text) in messages {
                    // The last CR may be that of a line end that has not come.
                    assert!(has_whole_line_ends(
                        text.strip_suffix(b"\r").unwrap_or(text)
                    ));
                }
            }
        }
        1 => comes_back(data, sizes),
        kind => {
            let is_binary = kind == 2;
            assert_eq!(telnet(is_binary, &pieces), telnet(is_binary, &[data]));
        }
    }
});
