//! The framing: the same commands however the bytes are cut, literals of all kinds, and limits.

use proptest::prelude::*;
use reactor::{Decoded, Framing};
use reactor_mail::imap_types::auth::AuthenticateData;
use reactor_mail::imap_types::command::CommandBody;
use reactor_mail::{ImapFrame, ImapFraming, ImapFramingError, ImapRefusal};

/// The frames of `pieces`, and the error that ends them.
fn decode_by<I: IntoIterator<Item: AsRef<[u8]>>>(
    framing: &mut ImapFraming,
    pieces: I,
) -> (Vec<ImapFrame>, Option<ImapFramingError>) {
    let (mut frames, mut input) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece.as_ref());
        loop {
            let taken = match framing.decode(&input) {
                Ok(Decoded::Frame { frame, consumed }) => {
                    frames.push(frame);
                    consumed
                }
                Ok(Decoded::Skip { consumed }) => consumed,
                Ok(_) => break,
                Err(failure) => {
                    let error = failure.downcast_ref::<ImapFramingError>().copied();
                    return (frames, Some(error.expect("of this crate")));
                }
            };
            assert!(taken > 0 && taken <= input.len());
            input.drain(..taken);
        }
        // Otherwise what the protocol does not want yet grows without a limit.
        assert!(input.is_empty(), "all that came is taken");
    }
    (frames, None)
}

fn decode(bytes: &[u8]) -> (Vec<ImapFrame>, Option<ImapFramingError>) {
    decode_by(&mut ImapFraming::with_max_command(64), [bytes])
}

/// The frames in short, for bytes that are no error.
fn summary(bytes: &[u8]) -> Vec<String> {
    let (frames, error) = decode(bytes);
    assert_eq!(error, None);
    frames.iter().map(describe).collect()
}

fn describe(frame: &ImapFrame) -> String {
    match frame {
        ImapFrame::Command(command) => format!("{} {}", command.tag.as_ref(), command.body.name()),
        ImapFrame::LiteralAnnounced { length } => format!("+{length}"),
        ImapFrame::Refused { tag, reason } => {
            let tag = tag.as_ref().map_or("*", |tag| tag.as_ref());
            format!("{tag} refused: {reason}")
        }
        other => format!("{other:?}"),
    }
}

/// Bytes in which commands, literals and ends of lines are frequent.
fn imap_bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"a NOOP\r\n",
        b"b LOGIN {3}\r\nbob {2+}\r\npw\r\n",
        b"c LOGIN {0}\r\n {0+}\r\n\r\n",
        b"d SELECT {99+}\r\n",
        b"e SELECT {99}\r\n",
        b"f SELECT {4294967296+}\r\n",
        b"g UID FETCH 1:* (FLAGS)\r\n",
        b"{3}\r\n",
        b"{7+}\n",
        b"{12",
        b"+}\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\"",
        b"text \0\xff",
    ];
    let piece = proptest::sample::select(pieces);
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn frames_are_the_same_however_the_bytes_are_cut(
        bytes in imap_bytes(),
        size in 1_usize..6,
    ) {
        let whole = decode(&bytes);
        let by = |size| decode_by(&mut ImapFraming::with_max_command(64), bytes.chunks(size));
        prop_assert_eq!(&whole, &by(size));
        prop_assert_eq!(&whole, &by(1));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut framing = ImapFraming::default();
        let _ = decode_by(&mut framing, [&b"a "[..], &bytes, b"\r\n"]);
    }
}

#[test]
fn a_dialogue_is_the_same_cut_at_each_byte() {
    let bytes = b"a CAPABILITY\r\nb LOGIN {3}\r\nbob {2+}\r\npw\r\n\
        c SELECT INBOX\r\nd APPEND x {99+}\r\n0123456789012345678901234567890123456789012345678\
        90123456789012345678901234567890123456789012345678\r\ne NOOP\r\n";
    let whole = decode(bytes);
    assert_eq!(whole.0.len(), 6);
    for at in 0..bytes.len() {
        let (head, rest) = bytes.split_at(at);
        let mut framing = ImapFraming::with_max_command(64);
        assert_eq!(decode_by(&mut framing, [head, rest]), whole, "cut at {at}");
    }
}

#[test]
fn literals_are_part_of_their_command() {
    let (frames, _) = decode(b"a LOGIN {3}\r\nb\r\n {4+}\r\n{1}\n\r\n");
    let [
        ImapFrame::LiteralAnnounced { length: 3 },
        ImapFrame::Command(command),
    ] = &frames[..]
    else {
        panic!("{frames:?}")
    };
    let CommandBody::Login { username, password } = &command.body else {
        panic!("{command:?}")
    };
    assert_eq!(username.as_ref(), b"b\r\n");
    assert_eq!(password.declassify().as_ref(), b"{1}\n");
}

#[test]
fn commands_in_a_discarded_literal_are_not_run() {
    let literal =
        b"\r\nx DELETE INBOX\r\ny DELETE INBOX {5+}\r\nz DELETE INBOX\r\n                 ";
    let command = format!("a APPEND INBOX {{{}+}}\r\n", literal.len());
    let bytes = [command.as_bytes(), literal, b"\r\nb NOOP\r\n"].concat();
    let expected = ["a refused: longer than 64 bytes", "b Noop"];
    assert_eq!(
        summary(&bytes).join(";").to_lowercase(),
        expected.join(";").to_lowercase()
    );
}

/// The rest of a refused command may announce further literals, which are discarded too.
#[test]
fn literals_behind_a_discarded_literal_are_discarded() {
    let long = "x".repeat(70);
    let bytes = format!("a LOGIN {{70+}}\r\n{long} {{8+}}\r\nb NOOP\r\n\r\nc NOOP\r\n");
    let frames = summary(bytes.as_bytes());
    assert_eq!(frames, ["a refused: longer than 64 bytes", "c NOOP"]);

    let bytes = format!("a LOGIN {{70+}}\r\n{long} {{8}}\r\nb NOOP\r\n");
    let frames = summary(bytes.as_bytes());
    assert_eq!(frames, ["a refused: longer than 64 bytes", "b NOOP"]);
}

#[test]
fn a_synchronising_literal_that_is_too_long_ends_its_command() {
    let frames = summary(b"a LOGIN {65}\r\nb NOOP\r\n");
    assert_eq!(frames, ["a refused: longer than 64 bytes", "b NOOP"]);
    let frames = summary(b"a LOGIN {4294967295}\r\nb NOOP\r\n");
    assert_eq!(frames, ["a refused: longer than 64 bytes", "b NOOP"]);
}

/// Its bytes would be commands otherwise.
#[test]
fn a_literal_of_4_gib_or_more_is_an_error() {
    for length in ["4294967296", "99999999999999999999999", &"9".repeat(100)] {
        for sign in ["", "+"] {
            for end in ["\r\n", "\n"] {
                let bytes = format!("a APPEND INBOX {{{length}{sign}}}{end}b DELETE INBOX\r\n");
                let expected = (Vec::new(), Some(ImapFramingError::LiteralTooLarge));
                assert_eq!(decode(bytes.as_bytes()), expected, "{bytes:?}");
                let mut framing = ImapFraming::with_max_command(64);
                let pieces = bytes.as_bytes().chunks(1);
                assert_eq!(decode_by(&mut framing, pieces), expected, "{bytes:?}");
            }
        }
    }
}

/// 64 MiB of a literal of nearly 4 GiB: nothing of it is kept.
#[test]
fn a_discarded_literal_takes_no_memory() {
    let mut framing = ImapFraming::default();
    let (frames, _) = decode_by(&mut framing, [b"a APPEND INBOX {4294967295+}\r\n"]);
    assert_eq!(frames, []);
    let piece = vec![b'\n'; 64 * 1024];
    for _ in 0..1024 {
        let decoded = framing.decode(&piece).expect("it is discarded");
        assert_eq!(
            decoded,
            Decoded::Skip {
                consumed: piece.len()
            }
        );
    }
    assert!(format!("{framing:?}").contains("4227858431"), "{framing:?}");
}

#[test]
fn a_line_without_an_end_is_an_error() {
    let mut framing = ImapFraming::with_max_command(u32::MAX);
    let pieces = (0..=64).map(|_| [b'x'; 1024]);
    let limit = 64 * 1024;
    let expected = Some(ImapFramingError::LineTooLong { limit });
    assert_eq!(decode_by(&mut framing, pieces), (Vec::new(), expected));

    // Nor do many lines, each with a literal of nothing, grow without a limit.
    let mut framing = ImapFraming::with_max_command(u32::MAX);
    let pieces = (0..10_000).map(|_| b" x {0+}\r\n");
    assert_eq!(decode_by(&mut framing, pieces), (Vec::new(), expected));
}

#[test]
fn a_line_that_ends_with_a_line_feed_alone_is_refused() {
    let frames = summary(b"a NOOP\nb NOOP\r\n");
    assert_eq!(frames, ["a refused: a line must end with CRLF", "b NOOP"]);
    let frames = summary(b"a LOGIN {8+}\nx NOOP\r\n\r\nb NOOP\r\n");
    assert_eq!(frames, ["a refused: a line must end with CRLF", "b NOOP"]);
    let frames = summary(b"a LOGIN {8}\nb NOOP\r\n");
    assert_eq!(frames, ["a refused: a line must end with CRLF", "b NOOP"]);
}

#[test]
fn malformed_commands_are_refused_with_their_tag() {
    let frames = summary(b"a EAT CAKE\r\n\r\n+ NOOP\r\nb NOOP \r\nc NOOP\r\n");
    let refused = |tag| format!("{tag} refused: {}", ImapRefusal::Malformed);
    assert_eq!(
        frames,
        [
            refused("a"),
            refused("*"),
            refused("*"),
            refused("b"),
            "c NOOP".into()
        ]
    );
}

#[test]
fn deep_nesting_is_refused() {
    let (depth, mut framing) = (30_000, ImapFraming::default());
    for (open, key) in [("(", "ALL"), ("NOT ", "ALL"), ("OR ALL ", "ALL")] {
        let depth = depth / open.len();
        let close = if open == "(" {
            ")".repeat(depth)
        } else {
            String::new()
        };
        let bytes = format!("a SEARCH {}{key}{close}\r\n", open.repeat(depth));
        let (frames, _) = decode_by(&mut framing, [bytes]);
        let [frame] = &frames[..] else {
            panic!("{}", frames.len())
        };
        assert_eq!(
            describe(frame),
            format!("a refused: {}", ImapRefusal::Malformed)
        );
    }
}

#[test]
fn lines_that_are_expected_are_no_commands() {
    let mut framing = ImapFraming::default();
    framing.expect_authenticate_data();
    let (frames, _) = decode_by(&mut framing, ["AGJvYgBwdw==\r\na NOOP\r\n"]);
    let data = AuthenticateData::r#continue(&b"\0bob\0pw"[..]);
    assert_eq!(frames[0], ImapFrame::AuthenticateData(data));
    assert_eq!(describe(&frames[1]), "a NOOP");

    framing.expect_authenticate_data();
    let (frames, _) = decode_by(&mut framing, ["*\r\n"]);
    assert_eq!(
        frames,
        [ImapFrame::AuthenticateData(AuthenticateData::Cancel)]
    );

    framing.expect_idle_done();
    let (frames, _) = decode_by(&mut framing, ["done\r\na NOOP\r\n"]);
    assert_eq!(frames[0], ImapFrame::IdleDone);
    assert_eq!(describe(&frames[1]), "a NOOP");

    framing.expect_idle_done();
    let (frames, _) = decode_by(&mut framing, ["a NOOP\r\nb NOOP\r\n"]);
    assert_eq!(
        describe(&frames[0]),
        format!("a refused: {}", ImapRefusal::Malformed)
    );
    assert_eq!(describe(&frames[1]), "b NOOP");
}

#[test]
fn a_new_limit_holds_from_the_next_command_on() {
    let mut framing = ImapFraming::with_max_command(16);
    framing.set_max_command(64);
    let (frames, _) = decode_by(&mut framing, ["a LOGIN {30+}\r\n"]);
    assert_eq!(frames, []);
    framing.set_max_command(16);
    let rest = ["123456789012345678901234567890 x\r\n", "b LOGIN {30}\r\n"];
    let (frames, _) = decode_by(&mut framing, rest);
    let frames: Vec<_> = frames.iter().map(describe).collect();
    assert_eq!(frames, ["a LOGIN", "b refused: longer than 16 bytes"]);
}

#[test]
fn passwords_are_not_in_debug_output() {
    let mut framing = ImapFraming::default();
    let (frames, _) = decode_by(&mut framing, ["a LOGIN bob hunter2\r\nb LOGIN bob hunter2"]);
    assert!(!format!("{framing:?} {frames:?}").contains("hunter2"));
}
