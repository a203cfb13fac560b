//! `SmtpFraming`: the same frames however the bytes are cut, and line ends.

use deferred::Result;
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
