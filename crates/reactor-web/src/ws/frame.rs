//! `Frames`: cuts input into the frames of RFC 6455 (§5.2), and encodes output as such.
//!
//! A frame that has not come completely is passed on in pieces, so that a large frame is not
//! buffered twice, and invalid text is refused before its end. The heads are read and written by
//! `tungstenite`; its message layer is not used, since it does not support compression, and has a
//! buffer of its own for each connection.

use std::io::Cursor;

use deferred::Result;
use reactor::{Decoded, Framing};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::close::Violation;

/// Most bytes of the payload of a control frame.
pub(super) const CONTROL: usize = 125;

/// Which side of a connection this is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
    #[default]
    Server,
    /// Masks what it sends.
    Client,
}

/// The framing of a WebSocket.
#[derive(Debug, Default)]
pub(super) struct Frames {
    role: Role,
    max_length: u64,
    /// Whether the first frame of a message may say that it is compressed.
    is_deflating: bool,
    /// The frame whose payload is coming.
    // Set when a part of a frame has come, cleared with its last byte. Never a control frame.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    left: u64,
    mask: [u8; 4],
}

/// A frame, or a part of one.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    /// The head of the frame, if it begins here.
    pub(super) head: Option<Head>,
    /// As it was received, so masked if a client has sent it.
    pub(super) payload: &'a [u8],
    /// The mask, from the first byte of this payload on.
    pub(super) mask: [u8; 4],
    /// Whether the frame ends here.
    pub(super) is_end: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) opcode: OpCode,
    pub(super) is_final: bool,
    pub(super) is_compressed: bool,
    pub(super) length: u64,
}

impl Frames {
    pub(super) fn new(role: Role, max_length: usize, is_deflating: bool) -> Self {
        Self {
            role,
            max_length: max_length as u64,
            is_deflating,
            current: None,
        }
    }

    fn check(&self, header: &FrameHeader, length: u64) -> std::result::Result<(), Violation> {
        // No extension that uses these bits is ever agreed on (RFC 6455, 5.2).
        if header.rsv2 || header.rsv3 {
            return Err(Violation::protocol("a reserved bit is set"));
        }
        let begins = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        // Set in the first frame of a message only (RFC 7692, 6).
        if header.rsv1 && !(self.is_deflating && begins) {
            return Err(Violation::protocol("the bit of compression is set"));
        }
        // RFC 6455, 5.1: a client masks, a server does not.
        if header.mask.is_some() == (self.role == Role::Client) {
            return Err(Violation::protocol(match self.role {
                Role::Server => "a client's frame is not masked",
                Role::Client => "a server's frame is masked",
            }));
        }
        if length >> 63 != 0 {
            return Err(Violation::protocol("the highest bit of a length is set"));
        }
        // RFC 6455, 5.5.
        if matches!(header.opcode, OpCode::Control(_)) {
            if !header.is_final {
                return Err(Violation::protocol("a control frame is fragmented"));
            }
            if length > CONTROL as u64 {
                return Err(Violation::protocol("a control frame is too long"));
            }
        } else if length > self.max_length {
            // Refused by the head, before the payload takes memory.
            return Err(Violation::too_large("a frame is too long"));
        }
        Ok(())
    }
}

impl Framing for Frames {
    type Frame<'a> = Piece<'a>;

    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<Piece<'a>>> {
        if let Some(current) = &mut self.current {
            if input.is_empty() {
                return Ok(Decoded::Incomplete);
            }
            let count = at_most(current.left, input.len());
            let mask = current.mask;
            current.left -= count as u64;
            // Rotated, so that the next piece begins with the right byte of the key.
            current.mask.rotate_left(count % 4);
            let is_end = current.left == 0;
            if is_end {
                self.current = None;
            }
            let frame = Piece {
                head: None,
                payload: &input[..count],
                mask,
                is_end,
            };
            return Ok(Decoded::Frame {
                frame,
                consumed: count,
            });
        }
        let mut cursor = Cursor::new(input);
        let parsed = FrameHeader::parse(&mut cursor)
            // The only error of the parser: an incomplete head is `None`.
            .map_err(|_| Violation::protocol("an opcode is reserved"))?;
        let Some((header, length)) = parsed else {
            return Ok(Decoded::Incomplete);
        };
        self.check(&header, length)?;
        let begin = at_most(cursor.position(), input.len());
        let payload = &input[begin..];
        let count = at_most(length, payload.len());
        let left = length - count as u64;
        // A control frame is passed on only when it is complete, since it has at most 125 bytes.
        if left > 0 && matches!(header.opcode, OpCode::Control(_)) {
            return Ok(Decoded::Incomplete);
        }
        let mask = header.mask.unwrap_or_default();
        if left > 0 {
            let mut rotated = mask;
            rotated.rotate_left(count % 4);
            self.current = Some(Current {
                left,
                mask: rotated,
            });
        }
        let head = Head {
            opcode: header.opcode,
            is_final: header.is_final,
            is_compressed: header.rsv1,
            length,
        };
        let frame = Piece {
            head: Some(head),
            payload: &payload[..count],
            mask,
            is_end: left == 0,
        };
        Ok(Decoded::Frame {
            frame,
            consumed: begin + count,
        })
    }
}

fn at_most(count: u64, most: usize) -> usize {
    usize::try_from(count).map_or(most, |count| count.min(most))
}

/// Applies `key`. The same operation masks and unmasks.
pub(super) fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    // The key twice. Both conversions use the machine's byte order, so the bytes stay in order.
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key) {
        *byte ^= key;
    }
    // The rest has up to 7 bytes, and begins with the first byte of the key: 8 is a multiple of 4.
    for (byte, key) in rest.iter_mut().skip(4).zip(key) {
        *byte ^= key;
    }
}

/// Appends a frame to `output`.
pub(super) fn encode(
    output: &mut Vec<u8>,
    role: Role,
    opcode: OpCode,
    is_compressed: bool,
    payload: &[u8],
) {
    let header = FrameHeader {
        is_final: true,
        rsv1: is_compressed,
        opcode,
        // RFC 6455, 5.3: a new key for each frame that the peer, or a page, cannot guess.
        // `rand::random` is seeded by the system.
        mask: (role == Role::Client).then(rand::random),
        ..FrameHeader::default()
    };
    let length = payload.len() as u64;
    output.reserve(header.len(length) + payload.len());
    // Writing to a vector does not fail.
    let _ = header.format(length, output);
    let begin = output.len();
    output.extend_from_slice(payload);
    if let Some(key) = header.mask {
        mask(&mut output[begin..], key);
    }
}

pub(super) const TEXT: OpCode = OpCode::Data(Data::Text);
pub(super) const BINARY: OpCode = OpCode::Data(Data::Binary);
pub(super) const CLOSE: OpCode = OpCode::Control(Control::Close);
pub(super) const PING: OpCode = OpCode::Control(Control::Ping);
pub(super) const PONG: OpCode = OpCode::Control(Control::Pong);

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `input` in parts of `size` bytes; returns the unmasked payload of each frame.
    fn frames_of(input: &[u8], size: usize) -> Vec<Vec<u8>> {
        let mut framing = Frames::new(Role::Server, 1000, false);
        let (mut frames, mut rest) = (Vec::new(), Vec::new());
        let mut payload = Vec::new();
        for part in input.chunks(size) {
            rest.extend_from_slice(part);
            while let Decoded::Frame { frame, consumed } = framing.decode(&rest).unwrap() {
                let begin = payload.len();
                payload.extend_from_slice(frame.payload);
                mask(&mut payload[begin..], frame.mask);
                if frame.is_end {
                    frames.push(std::mem::take(&mut payload));
                }
                rest.drain(..consumed);
            }
        }
        assert!(rest.is_empty(), "{rest:?}");
        frames
    }

    #[test]
    fn frames_are_the_same_wherever_the_input_is_split() {
        let payloads: Vec<Vec<u8>> = [0, 1, 3, 4, 5, 8, 13, 125, 126, 127, 300]
            .map(|length| (0..length).map(|n| n as u8).collect())
            .to_vec();
        let mut input = Vec::new();
        for payload in &payloads {
            encode(&mut input, Role::Client, BINARY, false, payload);
            encode(&mut input, Role::Client, PING, false, b"ping");
        }
        let expected: Vec<_> = payloads
            .into_iter()
            .flat_map(|payload| [payload, b"ping".to_vec()])
            .collect();
        for size in 1..400 {
            assert_eq!(frames_of(&input, size), expected, "{size}");
        }
    }

    #[test]
    fn masking_twice_changes_nothing_and_masks_each_byte() {
        for length in 0..40 {
            let plain: Vec<u8> = (0..length).collect();
            let mut bytes = plain.clone();
            mask(&mut bytes, [1, 2, 4, 8]);
            for (index, byte) in bytes.iter().enumerate() {
                assert_eq!(*byte, plain[index] ^ [1, 2, 4, 8][index % 4], "{length}");
            }
        }
    }
}
