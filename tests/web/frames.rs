//! Frames of HTTP/2 by hand: what a client of good will does not send.

/// Types of frames (RFC 9113, §6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// `GET http://localhost/` in HPACK, and `POST`.
pub(crate) const GET_FIELDS: &[u8] = b"\x82\x86\x84\x01\x09localhost";
pub(crate) const POST_FIELDS: &[u8] = b"\x83\x86\x84\x01\x09localhost";

/// What a client sends first: the preface, its settings, and that it has read the server's.
pub(crate) fn beginning() -> Vec<u8> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let frames = [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, ACK, 0, &[])];
    [preface, frames.concat()].concat()
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is short");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// The types, flags and payloads of whole frames in what was received.
pub(crate) fn parse(mut bytes: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            break;
        };
        frames.push((head[3], head[4], payload.to_vec()));
        bytes = rest;
    }
    frames
}
