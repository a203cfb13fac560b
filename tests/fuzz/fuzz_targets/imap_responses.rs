//! Gives the fuzzer's bytes to the framing of an IMAP client, whole and in pieces, with and without
//! streamed bodies: the frames are the same, and none is above the limit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reactor::{Decoded, Framing};
use reactor_mail::{ImapResponseError, ImapResponseFrame, ImapResponseFraming};

const MAX_RESPONSE: usize = 300;

/// The frames in text, with the pieces of a body put together.
fn decode(streams: bool, pieces: &[&[u8]]) -> (Vec<String>, Option<ImapResponseError>) {
    let mut framing = ImapResponseFraming::with_max_response(MAX_RESPONSE);
    framing.stream_bodies(streams);
    let (mut got, mut body) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut input = *piece;
        while !input.is_empty() {
            let consumed = match framing.decode(input) {
                Ok(Decoded::Frame { frame, consumed }) => {
                    if let ImapResponseFrame::BodyData { data, remaining } = frame {
                        assert!(streams);
                        body.extend_from_slice(data);
                        if remaining == 0 {
                            got.push(format!("{:?}", std::mem::take(&mut body)));
                        }
                    } else {
                        got.push(format!("{frame:?}"));
                    }
                    consumed
                }
                Ok(Decoded::Skip { consumed }) => consumed,
                Ok(other) => panic!("{other:?}"),
                Err(failure) => {
                    got.push(format!("{body:?}"));
                    return (got, failure.downcast_ref().copied());
                }
            };
            assert!(0 < consumed && consumed <= input.len());
            input = &input[consumed..];
        }
    }
    got.push(format!("{body:?}"));
    (got, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else {
        return;
    };
    let bytes = [b"* OK hi\r\n", bytes].concat();
    for streams in [false, true] {
        let whole = decode(streams, &[&bytes]);
        let at = usize::from(cut) % (bytes.len() + 1);
        let (head, tail) = bytes.split_at(at);
        assert_eq!(whole, decode(streams, &[head, tail]));
        let each: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(whole, decode(streams, &each));
    }
});
