//! The framings of the crate: the same frames however the input is split, and their limits.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use reactor::framing::{
    BadNetstring, Delimited, FrameTooLong, LengthPrefix, LengthPrefixed, Netstrings, U8, U16,
    U16Le, U32, U32Le,
};
use reactor::{Context, Decoded, Framing, Lines, Protocol, testing};

use crate::filter_pair::{HELLO, Shift};
use crate::support::Bytes;

/// What a connection delivers of `pieces`: its frames, and the failure that ends it, if any.
fn decode<F>(mut framing: F, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<String>)
where
    F: for<'a> Framing<Frame<'a> = &'a [u8]>,
{
    let (mut rest, mut frames) = (Vec::new(), Vec::new());
    for piece in pieces {
        rest.extend_from_slice(piece);
        let mut taken = 0;
        while taken < rest.len() {
            match framing.decode(&rest[taken..]) {
                Ok(Decoded::Frame { frame, consumed }) => {
                    frames.push(frame.to_vec());
                    taken += consumed;
                }
                Ok(Decoded::Skip { consumed }) => taken += consumed,
                Ok(_) => break,
                Err(failure) => return (frames, Some(kind(&failure))),
            }
        }
        rest.drain(..taken);
    }
    (frames, None)
}

/// The kind of a failure; the lengths in it depend on how much has arrived.
fn kind(failure: &deferred::Failure) -> String {
    match failure.check::<BadNetstring>() {
        Some(bad) => format!("{bad:?}"),
        None if failure.is::<FrameTooLong>() => "FrameTooLong".to_owned(),
        None => failure.to_string(),
    }
}

/// Asserts that `input` gives the same when it is split in two at each byte, and byte by byte.
fn assert_splits_do_not_matter<F>(
    framing: &F,
    input: &[u8],
) -> Result<(Vec<Vec<u8>>, Option<String>), TestCaseError>
where
    F: for<'a> Framing<Frame<'a> = &'a [u8]> + Clone + Debug,
{
    let whole = decode(framing.clone(), &[input]);
    for at in 0..=input.len() {
        let (first, second) = input.split_at(at);
        let split = decode(framing.clone(), &[first, second]);
        prop_assert_eq!(&split, &whole, "{:?} split at {}", framing, at);
    }
    let bytes: Vec<_> = input.chunks(1).collect();
    prop_assert_eq!(
        &decode(framing.clone(), &bytes),
        &whole,
        "{:?} by bytes",
        framing
    );
    Ok(whole)
}

/// Asserts that the frames come back out of their encoding.
fn assert_round_trip<F>(
    framing: &F,
    frames: &[Vec<u8>],
    encoded: &[u8],
) -> Result<(), TestCaseError>
where
    F: for<'a> Framing<Frame<'a> = &'a [u8]> + Clone + Debug,
{
    let (decoded, failure) = assert_splits_do_not_matter(framing, encoded)?;
    prop_assert_eq!(decoded, frames);
    prop_assert_eq!(failure, None);
    Ok(())
}

fn assert_prefix_round_trip<N: LengthPrefix>(frames: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let encode = |frame: &Vec<u8>| LengthPrefixed::<N>::encode(frame).expect("a short frame");
    let encoded: Vec<u8> = frames.iter().flat_map(encode).collect();
    assert_round_trip(&LengthPrefixed::<N>::default(), frames, &encoded)
}

/// Few different bytes, so that delimiters, digits and small lengths are likely.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        8 => prop::sample::select(&b"\0\x01\x02\x03\r\n|0123:,ab"[..]),
        1 => any::<u8>(),
    ];
    vec(byte, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn frames_come_back_wherever_the_input_is_split(frames in vec(vec(any::<u8>(), 0..12), 0..6)) {
        assert_prefix_round_trip::<U8>(&frames)?;
        assert_prefix_round_trip::<U16>(&frames)?;
        assert_prefix_round_trip::<U32>(&frames)?;
        assert_prefix_round_trip::<U16Le>(&frames)?;
        assert_prefix_round_trip::<U32Le>(&frames)?;
        let encoded: Vec<u8> = frames.iter().flat_map(|frame| Netstrings::encode(frame)).collect();
        assert_round_trip(&Netstrings::default(), &frames, &encoded)?;
    }

    #[test]
    fn delimited_frames_come_back_wherever_the_input_is_split(
        frames in vec(vec(prop::sample::select(&b"abc-"[..]), 0..12), 0..6),
    ) {
        for delimiter in [&b"|"[..], b"\r\n", b"--|", b"|-|-|"] {
            let framing = Delimited::by(delimiter);
            let encoded: Vec<u8> = frames.iter().flat_map(|frame| framing.encode(frame)).collect();
            assert_round_trip(&framing, &frames, &encoded)?;
        }
    }

    #[test]
    fn any_input_gives_the_same_wherever_it_is_split(input in input()) {
        assert_splits_do_not_matter(&LengthPrefixed::<U8>::with_max_length(4), &input)?;
        assert_splits_do_not_matter(&LengthPrefixed::<U16>::with_max_length(4), &input)?;
        assert_splits_do_not_matter(&LengthPrefixed::<U16Le>::with_max_length(4), &input)?;
        assert_splits_do_not_matter(&LengthPrefixed::<U32>::default(), &input)?;
        assert_splits_do_not_matter(&LengthPrefixed::<U32Le>::default(), &input)?;
        assert_splits_do_not_matter(&Netstrings::with_max_length(12), &input)?;
        assert_splits_do_not_matter(&Lines::default(), &input)?;
        assert_splits_do_not_matter(&Lines::with_max_length(4), &input)?;
        assert_splits_do_not_matter(&Lines::default().crlf(), &input)?;
        assert_splits_do_not_matter(&Lines::with_max_length(4).crlf(), &input)?;
    }

    #[test]
    fn delimiters_are_found_wherever_the_input_is_split(input in input()) {
        for delimiter in [&b"\r\n"[..], b"|", b"||", b"aab"] {
            let framing = Delimited::by(delimiter);
            let (frames, _) = assert_splits_do_not_matter(&framing, &input)?;
            for frame in frames {
                let has_delimiter = frame.windows(delimiter.len()).any(|part| part == delimiter);
                prop_assert!(!has_delimiter);
            }
        }
    }
}

#[test]
fn lengths_are_written_in_their_byte_order() {
    assert_eq!(LengthPrefixed::<U8>::encode(b"hi").unwrap(), b"\x02hi");
    assert_eq!(LengthPrefixed::<U16>::encode(b"hi").unwrap(), b"\0\x02hi");
    assert_eq!(LengthPrefixed::<U16Le>::encode(b"hi").unwrap(), b"\x02\0hi");
    assert_eq!(
        LengthPrefixed::<U32>::encode(b"hi").unwrap(),
        b"\0\0\0\x02hi"
    );
    assert_eq!(
        LengthPrefixed::<U32Le>::encode(b"hi").unwrap(),
        b"\x02\0\0\0hi"
    );
}

#[test]
fn a_frame_that_does_not_fit_into_its_prefix_is_not_written() {
    let frame = vec![0; 0x1_0000];
    let error = LengthPrefixed::<U8>::encode(&frame[..256]).unwrap_err();
    assert_eq!((error.length(), error.max_length()), (256, 255));
    assert!(LengthPrefixed::<U8>::encode(&frame[..255]).is_ok());
    let error = LengthPrefixed::<U16Le>::encode(&frame).unwrap_err();
    assert_eq!((error.length(), error.max_length()), (0x1_0000, 0xffff));
    assert!(LengthPrefixed::<U16>::encode(&frame[..0xffff]).is_ok());
}

#[test]
fn a_length_above_the_limit_fails_by_the_prefix_alone() {
    fn check<F: Framing>(mut framing: F, allowed: &[u8], too_long: &[u8]) {
        let decoded = framing.decode(allowed);
        assert!(matches!(decoded, Ok(Decoded::Incomplete)), "{allowed:?}");
        let failure = framing.decode(too_long).map(drop).unwrap_err();
        let error = failure.check::<FrameTooLong>().expect("a long frame");
        assert_eq!(error.max_length(), 10);
    }
    check(LengthPrefixed::<U8>::with_max_length(10), &[10], &[11]);
    check(
        LengthPrefixed::<U16>::with_max_length(10),
        &[0, 10],
        &[1, 0],
    );
    check(
        LengthPrefixed::<U16Le>::with_max_length(10),
        &[10, 0],
        &[0, 1],
    );
    check(
        LengthPrefixed::<U32>::with_max_length(10),
        &[0, 0, 0, 10],
        &[0xff; 4],
    );
    check(
        LengthPrefixed::<U32Le>::with_max_length(10),
        &[10, 0, 0, 0],
        &[0, 0, 0, 1],
    );
    check(Netstrings::with_max_length(10), b"10", b"11");
}

#[test]
fn a_delimited_frame_above_the_limit_fails_with_and_without_its_delimiter() {
    let too_long = |input: &[u8]| {
        let decoded = Delimited::by("--")
            .with_max_length(3)
            .decode(input)
            .map(drop);
        decoded.is_err_and(|failure| failure.is::<FrameTooLong>())
    };
    assert!(!too_long(b"abc--"));
    assert!(!too_long(b"abc-"));
    assert!(too_long(b"abcd--"));
    assert!(too_long(b"abcde"));
}

#[test]
fn an_empty_delimiter_is_never_found() {
    let mut framing = Delimited::by("").with_max_length(3);
    assert_eq!(framing.decode(b"abc").unwrap(), Decoded::Incomplete);
    assert!(framing.decode(b"abcd").unwrap_err().is::<FrameTooLong>());
}

#[test]
fn the_digits_of_a_netstring_are_bounded_whatever_the_limit_is() {
    let mut netstrings = Netstrings::with_max_length(usize::MAX);
    assert_eq!(netstrings.decode(&[b'9'; 20]).unwrap(), Decoded::Incomplete);
    let failure = netstrings.decode(&[b'9'; 21]).unwrap_err();
    assert!(failure.is::<FrameTooLong>());
}

#[test]
fn malformed_netstrings_are_refused() {
    let bad = |input: &[u8]| {
        let failure = Netstrings::default().decode(input).unwrap_err();
        *failure.check::<BadNetstring>().expect("a bad netstring")
    };
    assert_eq!(bad(b":,"), BadNetstring::NoLength);
    assert_eq!(bad(b"-1:a,"), BadNetstring::NoLength);
    assert_eq!(bad(b"1 :a,"), BadNetstring::NoLength);
    assert_eq!(bad(b"00:,"), BadNetstring::LeadingZero);
    assert_eq!(bad(b"1:ab"), BadNetstring::NoComma);
    assert_eq!(
        Netstrings::default().decode(b"0:,").unwrap(),
        Decoded::Frame {
            frame: &b""[..],
            consumed: 3
        }
    );
}

/// Lines without those that begin with `#`, which are skipped as they come, whatever their length.
#[derive(Default)]
struct Uncommented {
    lines: Lines,
    is_in_comment: bool,
}

impl Framing for Uncommented {
    type Frame<'a> = &'a [u8];

    fn decode<'a>(&mut self, input: &'a [u8]) -> deferred::Result<Decoded<&'a [u8]>> {
        if self.is_in_comment || input.starts_with(b"#") {
            let end = input.iter().position(|&byte| byte == b'\n');
            self.is_in_comment = end.is_none();
            let consumed = end.map_or(input.len(), |end| end + 1);
            return Ok(Decoded::Skip { consumed });
        }
        self.lines.decode(input)
    }
}

struct Echo;

impl Protocol for Echo {
    type Framing = Uncommented;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        cx.write_sequence([b"<", line, b">"]);
        Ok(())
    }
}

#[test]
fn skipped_bytes_are_not_delivered() {
    for largest_read in [1, 2, 7, 100] {
        testing::run(|reactor| {
            reactor.set_largest_read(largest_read);
            let (_connection, peer) = reactor.connect_to_peer(Echo);
            peer.send("one\n# two\n#\nthree\n#");
            peer.send(vec![b'x'; 2 * Lines::DEFAULT_MAX_LENGTH]);
            peer.send("\nfour\n# last");
            assert_eq!(peer.received(), b"<one><three><four>");
            assert!(!peer.is_closed());
        });
    }
}

/// Skips a number of bytes that cannot be skipped.
#[derive(Default)]
struct BadSkip(usize);

impl Framing for BadSkip {
    type Frame<'a> = ();

    fn decode(&mut self, _input: &[u8]) -> deferred::Result<Decoded<()>> {
        Ok(Decoded::Skip { consumed: self.0 })
    }
}

struct Skipper(usize);

impl Protocol for Skipper {
    type Framing = BadSkip;

    fn framing(&self) -> BadSkip {
        BadSkip(self.0)
    }
}

#[test]
fn a_skip_of_no_bytes_or_of_too_many_ends_the_connection() {
    for consumed in [0, 4, usize::MAX] {
        testing::run(|reactor| {
            let (_connection, peer) = reactor.connect_to_peer(Skipper(consumed));
            peer.send("abc");
            assert!(peer.is_closed(), "a skip of {consumed}");
        });
    }
}

// --- on connections, with and without a filter ---

/// Writes down the frames of a framing, and `!` where it refuses.
struct Frames<F> {
    framing: F,
    log: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl<F: Bytes + Clone> Protocol for Frames<F> {
    type Framing = F;

    fn framing(&self) -> F {
        self.framing.clone()
    }

    fn received(&mut self, _: &mut Context<'_, Self>, frame: &[u8]) -> deferred::Result<()> {
        self.log.borrow_mut().push(frame.to_vec());
        Ok(())
    }

    fn framing_failed(
        &mut self,
        _: &mut Context<'_, Self>,
        failure: deferred::Failure,
        _: &[u8],
    ) -> deferred::Result<()> {
        self.log.borrow_mut().push(b"!".to_vec());
        Err(failure)
    }
}

/// The frames on a connection for `input` in `pieces`, behind a filter if `is_filtered`.
fn delivered<F: Bytes + Clone>(framing: &F, pieces: &[&[u8]], is_filtered: bool) -> Vec<Vec<u8>> {
    let log = Rc::new(RefCell::new(Vec::new()));
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(Frames {
            framing: framing.clone(),
            log: Rc::clone(&log),
        });
        let mut shift = 0;
        if is_filtered {
            connection.insert_filter(Shift::new(1)).detach();
            peer.send([HELLO + 1]);
            shift = 1;
        }
        for piece in pieces {
            if !peer.is_closed() {
                let piece: Vec<_> = piece.iter().map(|byte| byte.wrapping_add(shift)).collect();
                peer.send(piece);
            }
        }
        connection.abort();
    });
    log.take()
}

fn assert_delivered<F: Bytes + Clone + Debug>(
    framing: &F,
    input: &[u8],
) -> Result<(), TestCaseError> {
    let (mut expected, failure) = decode(framing.clone(), &[input]);
    if failure.is_some() {
        expected.push(b"!".to_vec());
    }
    for is_filtered in [false, true] {
        for at in 0..=input.len() {
            let (first, second) = input.split_at(at);
            let split = delivered(framing, &[first, second], is_filtered);
            prop_assert_eq!(
                &split,
                &expected,
                "{:?} split at {}, filtered: {}",
                framing,
                at,
                is_filtered
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn connections_deliver_the_same_frames_with_and_without_a_filter(input in input()) {
        assert_delivered(&Lines::with_max_length(6), &input)?;
        assert_delivered(&Lines::with_max_length(6).crlf(), &input)?;
        assert_delivered(&Delimited::by("|").with_max_length(6), &input)?;
        assert_delivered(&Delimited::by("\r\n"), &input)?;
        assert_delivered(&Delimited::by("aab"), &input)?;
        assert_delivered(&LengthPrefixed::<U8>::with_max_length(4), &input)?;
        assert_delivered(&LengthPrefixed::<U16>::default(), &input)?;
        assert_delivered(&LengthPrefixed::<U16Le>::default(), &input)?;
        assert_delivered(&LengthPrefixed::<U32>::default(), &input)?;
        assert_delivered(&LengthPrefixed::<U32Le>::default(), &input)?;
        assert_delivered(&Netstrings::with_max_length(12), &input)?;
    }
}
