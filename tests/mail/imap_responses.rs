//! The framing of an IMAP client: the same frames however the bytes are cut, and limits.

use proptest::prelude::*;
use reactor::{Decoded, Framing};
use reactor_mail::{ImapMessage, ImapResponseError, ImapResponseFrame, ImapResponseFraming};

/// A frame, with the pieces of a body put together.
#[derive(Clone, Debug, PartialEq)]
enum Got {
    Frame(ImapResponseFrame<'static>),
    Body(ImapMessage, u32, Vec<u8>),
}

const LIMIT: usize = 200;

fn decode_by<I: IntoIterator<Item: AsRef<[u8]>>>(
    streams: bool,
    pieces: I,
) -> (Vec<Got>, Option<ImapResponseError>) {
    let mut framing = ImapResponseFraming::with_max_response(LIMIT);
    framing.stream_bodies(streams);
    let (mut got, mut input) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece.as_ref());
        while !input.is_empty() {
            let consumed = match framing.decode(&input) {
                Ok(Decoded::Frame { frame, consumed }) => {
                    take(&mut got, frame);
                    consumed
                }
                Ok(Decoded::Skip { consumed }) => consumed,
                Ok(other) => panic!("{other:?}"),
                Err(failure) => {
                    let error = failure.downcast_ref::<ImapResponseError>().copied();
                    return (got, Some(error.expect("of this crate")));
                }
            };
            assert!(consumed > 0 && consumed <= input.len());
            input.drain(..consumed);
        }
    }
    (got, None)
}

fn take(got: &mut Vec<Got>, frame: ImapResponseFrame<'_>) {
    use ImapResponseFrame::*;
    got.push(Got::Frame(match frame {
        Body { message, length } => {
            return got.push(Got::Body(message, length, Vec::new()));
        }
        BodyData { data, remaining } => {
            let Some(Got::Body(_, length, bytes)) = got.last_mut() else {
                panic!("a piece of no body");
            };
            bytes.extend_from_slice(data);
            assert_eq!(bytes.len() as u32 + remaining, *length);
            return;
        }
        Greeting(greeting) => Greeting(greeting),
        Response(response) => Response(response),
        Continuation => Continuation,
        Message(message) => Message(message),
        Unknown { beginning } => Unknown { beginning },
        _ => panic!("a new frame"),
    }));
}

const PIECES: &[&str] = &[
    "* OK [CAPABILITY IMAP4rev1] ready\r\n",
    "* 1 FETCH (UID 7 BODY[] {5}\r\nHello FLAGS (\\Seen))\r\n",
    "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {2}\r\n\r\n BODY[TEXT]<0> {0}\r\n UID 3)\r\n",
    "* 2 FETCH (ENVELOPE (NIL {1}\r\n) NIL NIL NIL NIL NIL NIL NIL NIL))\r\n",
    "* 2 FETCH (RFC822 NIL)\r\n",
    "* LIST () \"/\" {3}\r\na b\r\n",
    "* OK quota {90}\r\n",
    "+ go on\r\n",
    "a1 OK done\r\n",
    "a2 NO [TRYCREATE] gr\u{fc}n\r\n",
    "* SEARCH 1 2 3\r\n",
    "* BYE over\r\n",
    "* XYZZY {2}\r\n\r\n\r\n",
    "{5}\r\n",
    "\n",
    "\r\n",
    "* ",
    "1 FETCH (BODY[] ",
    "{4294967296}\r\n",
    "x",
    "{300}\r\n",
    ")\r\n",
];

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = proptest::sample::select(PIECES);
    proptest::collection::vec(piece, 0..12)
        .prop_map(|pieces| (PIECES[0].to_owned() + &pieces.concat()).into_bytes())
}

proptest! {
    #[test]
    fn frames_are_the_same_however_the_bytes_are_cut(
        bytes in bytes(),
        size in 1_usize..9,
        streams: bool,
    ) {
        let whole = decode_by(streams, [&bytes]);
        prop_assert_eq!(&whole, &decode_by(streams, bytes.chunks(size)));
        prop_assert_eq!(&whole, &decode_by(streams, bytes.chunks(1)));
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        streams: bool,
    ) {
        let _ = decode_by(streams, [PIECES[0].as_bytes(), b"* 1 FETCH (", &bytes, b"\r\n"]);
    }
}

#[test]
fn a_body_is_streamed_and_the_rest_is_a_message() {
    let input = [PIECES[0], PIECES[1], PIECES[2], PIECES[3]].concat();
    let (got, error) = decode_by(true, [input]);
    assert_eq!(error, None);
    let [
        _,
        Got::Body(before, 5, body),
        Got::Frame(ImapResponseFrame::Message(message)),
        rest @ ..,
    ] = &got[..]
    else {
        panic!("{got:?}")
    };
    assert_eq!((before.items.len(), &body[..]), (2, &b"Hello"[..]));
    assert_eq!(message.items.len(), 2, "the identifier and the flags");
    assert!(
        matches!(
            rest,
            [
                Got::Body(_, 2, _),
                Got::Body(_, 0, _),
                Got::Frame(ImapResponseFrame::Message(_)),
                Got::Frame(ImapResponseFrame::Message(_))
            ]
        ),
        "{rest:?}"
    );
}

#[test]
fn a_streamed_body_of_4_gib_takes_no_memory() {
    let begin = "* 1 FETCH (RFC822 {4294967295}\r\n";
    let mut framing = ImapResponseFraming::with_max_response(LIMIT);
    framing.stream_bodies(true);
    framing.decode(PIECES[0].as_bytes()).expect("a greeting");
    framing.decode(begin.as_bytes()).expect("it is streamed");
    let mut left = u32::MAX;
    let piece = vec![0; 1 << 20];
    for _ in 0..100 {
        let Ok(Decoded::Frame { frame, consumed }) = framing.decode(&piece) else {
            panic!()
        };
        left -= consumed as u32;
        assert!(
            matches!(frame, ImapResponseFrame::BodyData { remaining, .. } if remaining == left)
        );
    }
}

#[test]
fn only_so_many_bodies_of_a_response_are_streamed() {
    let body = " BODY[1] {0}\r\n".repeat(300);
    let input = format!("* 1 FETCH (UID 1{body})\r\n");
    let mut framing = ImapResponseFraming::default();
    framing.stream_bodies(true);
    framing.decode(PIECES[0].as_bytes()).expect("a greeting");
    let (mut streamed, mut input) = (0, input.as_bytes());
    let message = loop {
        match framing.decode(input).expect("it is valid") {
            Decoded::Frame { frame, consumed } => match frame {
                ImapResponseFrame::Body { .. } => {
                    streamed += 1;
                    input = &input[consumed..];
                }
                ImapResponseFrame::Message(message) => break message,
                other => panic!("{other:?}"),
            },
            Decoded::Skip { consumed } => input = &input[consumed..],
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((streamed, message.items.len()), (256, 1 + 300 - 256));
}
