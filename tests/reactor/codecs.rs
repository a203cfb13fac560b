//! Codecs of `tokio-util` as framings: the same frames as on Tokio, however the input is split.

use std::cell::RefCell;
use std::fmt::Debug;
use std::io;
use std::rc::Rc;

use deferred::Failure;
use reactor::framing::Codec;
use reactor::{ConnectionClosed, Context, Framing, Protocol, testing};
use tokio_util::bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::{
    AnyDelimiterCodec, BytesCodec, Decoder, Encoder, LengthDelimitedCodec, LinesCodec,
};

/// Writes down its frames.
struct Recorder<C> {
    codec: C,
    frames: Rc<RefCell<Vec<String>>>,
}

impl<C> Protocol for Recorder<C>
where
    C: Decoder<Item: Debug> + Clone + Default + 'static,
    Failure: From<C::Error>,
{
    type Framing = Codec<C>;

    fn framing(&self) -> Codec<C> {
        Codec::new(self.codec.clone())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, frame: C::Item) -> deferred::Result<()> {
        self.frames.borrow_mut().push(format!("{frame:?}"));
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        if let ConnectionClosed::Failed(failure) = reason {
            self.frames.borrow_mut().push(failure.message());
        }
    }
}

/// What a codec gives on a connection, for the input in these pieces.
fn frames<C>(codec: &C, pieces: &[&[u8]]) -> Vec<String>
where
    C: Decoder<Item: Debug> + Clone + Default + 'static,
    Failure: From<C::Error>,
{
    let frames = Rc::new(RefCell::new(Vec::new()));
    testing::run(|reactor| {
        let (connection, peer) = reactor.connect_to_peer(Recorder {
            codec: codec.clone(),
            frames: Rc::clone(&frames),
        });
        for piece in pieces {
            if !peer.is_closed() {
                peer.send(piece);
            }
        }
        connection.abort();
    });
    frames.take()
}

/// Asserts that a codec gives `expected`, wherever the input is split.
fn assert_frames<C>(codec: &C, input: &[u8], expected: &[&str])
where
    C: Decoder<Item: Debug> + Clone + Default + 'static,
    Failure: From<C::Error>,
{
    for at in 0..=input.len() {
        let (one, other) = input.split_at(at);
        assert_eq!(frames(codec, &[one, other]), expected, "split at {at}");
    }
    let bytes: Vec<_> = input.chunks(1).collect();
    assert_eq!(frames(codec, &bytes), expected, "byte by byte");
}

#[test]
fn codecs_of_tokio_give_their_frames_wherever_the_input_is_split() {
    let lines = b"one\r\n\ntwo\nrest";
    assert_frames(&LinesCodec::new(), lines, &["\"one\"", "\"\"", "\"two\""]);
    let codec = LengthDelimitedCodec::builder()
        .length_field_length(2)
        .new_codec();
    let prefixed = b"\0\x02hi\0\0\0\x03one\0";
    assert_frames(&codec, prefixed, &["b\"hi\"", "b\"\"", "b\"one\""]);
    let codec = AnyDelimiterCodec::new(b",;".to_vec(), b";".to_vec());
    assert_frames(&codec, b"a,b;;c", &["b\"a\"", "b\"b\"", "b\"\""]);
}

#[test]
fn what_a_codec_refuses_ends_the_connection() {
    let codec = LinesCodec::new_with_max_length(3);
    let expected = ["\"one\"", "max line length exceeded"];
    assert_frames(&codec, b"one\nthree\n", &expected);
}

/// Takes a digit and the bytes that it counts at once, then gives each of them as a frame.
#[derive(Clone, Default)]
struct Burst {
    waiting: Vec<u8>,
    /// Gives this frame for ever.
    for_ever: bool,
}

impl Decoder for Burst {
    type Item = u8;
    type Error = io::Error;

    fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<u8>> {
        if self.for_ever {
            return Ok(Some(0));
        }
        if self.waiting.is_empty()
            && let Some(&digit) = src.first()
            && let length = usize::from(digit - b'0') + 1
            && src.len() >= length
        {
            self.waiting = src.split_to(length)[1..].iter().rev().copied().collect();
        }
        Ok(self.waiting.pop())
    }
}

#[test]
fn a_codec_may_give_several_frames_for_what_it_takes_at_once() {
    let expected = ["97", "98", "99", "100"];
    assert_frames(&Burst::default(), b"3abc01d2x", &expected);
}

#[test]
fn a_codec_that_gives_frames_for_nothing_ends_its_connection() {
    let codec = Burst {
        for_ever: true,
        ..Burst::default()
    };
    let got = frames(&codec, &[b"x"]);
    assert_eq!(got, ["the codec gave more frames than it took bytes"]);
}

/// Skips what it does not know, without a frame.
#[derive(Clone, Default)]
struct Hashes;

impl Decoder for Hashes {
    type Item = ();
    type Error = io::Error;

    fn decode(&mut self, src: &mut BytesMut) -> io::Result<Option<()>> {
        let skipped = src.iter().position(|&byte| byte == b'#');
        src.advance(skipped.unwrap_or(src.len()));
        Ok((!src.is_empty()).then(|| src.advance(1)))
    }
}

#[test]
fn a_codec_may_take_bytes_without_a_frame() {
    assert_frames(&Hashes, b"abc#d##ef", &["()", "()", "()"]);
}

struct Echo;

impl Protocol for Echo {
    type Framing = Codec<BytesCodec>;

    fn received(&mut self, cx: &mut Context<'_, Self>, bytes: BytesMut) -> deferred::Result<()> {
        Ok(cx.send(bytes.freeze())?)
    }
}

#[test]
fn a_context_sends_through_the_encoder() {
    testing::run(|reactor| {
        let (_connection, peer) = reactor.connect_to_peer(Echo);
        peer.send("hello");
        assert_eq!(peer.received(), b"hello");
    });
    let mut codec = Codec::new(LengthDelimitedCodec::new());
    assert_eq!(
        codec.encode(Bytes::from("hi")).unwrap(),
        b"\0\0\0\x02hi"[..]
    );
    codec.codec().set_max_frame_length(1);
    assert!(codec.encode(Bytes::from("hi")).is_err());
    assert!(codec.decode(b"\0\0\0\x02").is_err());
    fn is_encoder(_: impl Encoder<Bytes>) {}
    is_encoder(BytesCodec::new());
}
