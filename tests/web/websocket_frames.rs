//! WebSocket by raw bytes: the rules of RFC 6455 and RFC 7692, as a client breaks or keeps them.
//! The cases are those of the Autobahn test suite, sections 1 to 7, 10 and 12; `websocket_autobahn.rs`
//! runs the suite itself, where it is installed.

use std::time::Duration;

use reactor::testing::Peer;
use reactor_web::App;
use reactor_web::testing::TestClient;
use reactor_web::ws::{WebSocketOptions, on_message};

use crate::support::client;
use crate::websocket::{HANDSHAKE, handshake};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CONTINUE: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FINAL: u8 = 0x80;
/// The bit of compression.
const SMALL: u8 = 0x40;

/// A client's frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len() as u64);
    let key = [0x12, 0x34, 0x56, 0x78];
    frame.extend(key);
    frame.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

/// The head of a client's frame, without its mask.
fn head(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match length {
        0..=125 => head.push(0x80 | length as u8),
        126..=0xFFFF => {
            head.push(0x80 | 126);
            head.extend((length as u16).to_be_bytes());
        }
        _ => {
            head.push(0x80 | 127);
            head.extend(length.to_be_bytes());
        }
    }
    head
}

/// A server's frame of up to 64 KiB.
fn answer(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(length as u8),
        length => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

fn echo_with(options: WebSocketOptions) -> TestClient {
    client(App::new().get("/", move |req| {
        let echo = on_message(|ws, message| Ok(ws.send(message)?));
        req.websocket_with(&options, echo)
    }))
}

fn echo() -> TestClient {
    echo_with(WebSocketOptions::default())
}

/// The code of the close frame that ends `received`; nothing may stand before it but `before`.
#[track_caller]
fn close_code(peer: &Peer, before: &[u8]) -> u16 {
    let received = peer.received();
    assert!(received.starts_with(before), "{received:?}");
    let close = &received[before.len()..];
    assert_eq!(close.first(), Some(&(FINAL | CLOSE)), "{received:?}");
    assert_eq!(
        close.len(),
        2 + usize::from(close[1]),
        "nothing behind a close: {close:?}"
    );
    u16::from_be_bytes([close[2], close[3]])
}

#[test]
fn valid_input_is_answered_wherever_it_is_split() {
    let client = echo();
    let input = [
        frame(FINAL | TEXT, b"hello"),
        frame(FINAL | PING, b"?"),
        frame(TEXT, b"a"),
        frame(FINAL | PING, b"in between"),
        frame(CONTINUE, b""),
        frame(FINAL | PONG, b"unasked for"),
        frame(FINAL | CONTINUE, b"b"),
        frame(FINAL | BINARY, &[0xFF; 200]),
        frame(FINAL | TEXT, b""),
        frame(FINAL | CLOSE, b"\x03\xE8done"),
    ]
    .concat();
    let expected = [
        answer(FINAL | TEXT, b"hello"),
        answer(FINAL | PONG, b"?"),
        answer(FINAL | PONG, b"in between"),
        answer(FINAL | TEXT, b"ab"),
        answer(FINAL | BINARY, &[0xFF; 200]),
        answer(FINAL | TEXT, b""),
        answer(FINAL | CLOSE, b"\x03\xE8"),
    ]
    .concat();
    for split in 0..=input.len() {
        let peer = handshake(&client);
        let (first, second) = input.split_at(split);
        peer.send(first);
        peer.send(second);
        assert_eq!(peer.received(), expected, "{split}");
        assert!(peer.is_closed(), "{split}");
    }
    // Byte by byte, and behind the handshake at once.
    let peer = handshake(&client);
    for byte in &input {
        peer.send([*byte]);
    }
    assert_eq!(peer.received(), expected);
    let peer = client.connect();
    peer.send([HANDSHAKE.as_bytes(), &input].concat());
    assert!(peer.received().ends_with(&expected));
}

#[test]
fn what_breaks_the_protocol_is_closed_with_1002() {
    let client = echo();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("reserved opcode 3", frame(FINAL | 3, b"")),
        ("reserved opcode 7", frame(FINAL | 7, b"x")),
        ("reserved opcode 11", frame(FINAL | 11, b"")),
        ("reserved opcode 15", frame(FINAL | 15, b"x")),
        (
            "bit 1 without compression",
            frame(FINAL | SMALL | TEXT, b"x"),
        ),
        ("bit 2", frame(FINAL | 0x20 | TEXT, b"x")),
        ("bit 3", frame(FINAL | 0x10 | BINARY, b"x")),
        ("bits of a ping", frame(FINAL | 0x70 | PING, b"")),
        ("not masked", answer(FINAL | TEXT, b"x")),
        ("a long ping", frame(FINAL | PING, &[b'x'; 126])),
        ("a long close", frame(FINAL | CLOSE, &[3; 126])),
        ("a fragmented ping", frame(PING, b"x")),
        ("a fragmented close", frame(CLOSE, b"")),
        ("nothing to continue", frame(FINAL | CONTINUE, b"x")),
        (
            "nothing to continue, with more to come",
            frame(CONTINUE, b"x"),
        ),
        (
            "the length of 64 bits has its sign set",
            head(FINAL | BINARY, u64::MAX),
        ),
        ("half a code", frame(FINAL | CLOSE, b"\x03")),
        (
            "a message inside another",
            [frame(TEXT, b"x"), frame(FINAL | TEXT, b"x")].concat(),
        ),
        (
            "behind a message",
            [frame(BINARY, b"x"), frame(BINARY, b"x")].concat(),
        ),
    ];
    for (name, mut input) in cases {
        // The mask of the heads that have none.
        input.extend([0; 4]);
        let peer = handshake(&client);
        peer.send(input);
        assert_eq!(close_code(&peer, b""), 1002, "{name}");
        peer.close();
        client.reactor().settle();
        assert_eq!(client.site().connections(), 0, "{name}");
    }
    for code in [
        0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        let peer = handshake(&client);
        peer.send(frame(FINAL | CLOSE, &code.to_be_bytes()));
        assert_eq!(close_code(&peer, b""), 1002, "{code}");
        peer.close();
    }
}

#[test]
fn valid_codes_of_a_close_are_answered_with_the_same() {
    let client = echo();
    let codes = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
    ];
    for code in codes.into_iter().chain([3000_u16, 3999, 4000, 4999]) {
        let peer = handshake(&client);
        let reason = [&code.to_be_bytes()[..], "x".repeat(123).as_bytes()].concat();
        peer.send(frame(FINAL | CLOSE, &reason));
        assert_eq!(close_code(&peer, b""), code);
        assert!(peer.is_closed());
    }
    let peer = handshake(&client);
    peer.send(frame(FINAL | CLOSE, b""));
    assert_eq!(peer.received(), [FINAL | CLOSE, 0]);
    assert!(peer.is_closed());
}

#[test]
fn nothing_is_answered_behind_a_close() {
    let client = echo();
    let peer = handshake(&client);
    let close = frame(FINAL | CLOSE, b"\x03\xE8");
    peer.send([close, frame(FINAL | TEXT, b"x"), frame(FINAL | PING, b"x")].concat());
    assert_eq!(close_code(&peer, b""), 1000);
}

#[test]
fn text_that_is_not_utf_8_is_closed_with_1007_as_soon_as_that_is_known() {
    let client = echo();
    let bad: [&[u8]; 6] = [
        b"\xFF",
        b"\xC0\xAF",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"a\xE2\x28\xA1",
        b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80edited",
    ];
    for text in bad {
        let peer = handshake(&client);
        peer.send(frame(FINAL | TEXT, text));
        assert_eq!(close_code(&peer, b""), 1007, "{text:?}");
        // In a frame that never ends.
        let peer = handshake(&client);
        let mut input = head(FINAL | TEXT, 1000);
        input.extend([0; 4]);
        input.extend(text);
        peer.send(input);
        assert_eq!(close_code(&peer, b""), 1007, "{text:?}");
        // In fragments, each of a byte.
        let peer = handshake(&client);
        peer.send(frame(TEXT, b""));
        for byte in text {
            if !peer.is_closed() {
                peer.send(frame(CONTINUE, &[*byte]));
            }
        }
        assert_eq!(close_code(&peer, b""), 1007, "{text:?}");
    }
    // An end within a character, and a close with such a reason.
    let peer = handshake(&client);
    peer.send(frame(FINAL | TEXT, b"ab\xE2\x82"));
    assert_eq!(close_code(&peer, b""), 1007);
    let peer = handshake(&client);
    peer.send(frame(FINAL | CLOSE, b"\x03\xE8\xFF"));
    assert_eq!(close_code(&peer, b""), 1007);
}

#[test]
fn text_may_be_split_within_a_character() {
    let client = echo();
    let text = "κόσμε 💥 \u{0}\u{10FFFF}";
    for split in 0..=text.len() {
        let peer = handshake(&client);
        let (first, second) = text.as_bytes().split_at(split);
        peer.send([frame(TEXT, first), frame(FINAL | CONTINUE, second)].concat());
        assert_eq!(
            peer.received(),
            answer(FINAL | TEXT, text.as_bytes()),
            "{split}"
        );
        peer.close();
    }
}

#[test]
fn what_is_too_large_is_closed_with_1009_before_it_comes() {
    let options = WebSocketOptions::default()
        .with_max_message(1000)
        .with_max_frame(600);
    let client = echo_with(options);
    // A giant frame: refused by its head.
    for length in [601, 100_000, u64::MAX >> 1] {
        let peer = handshake(&client);
        let mut input = head(FINAL | BINARY, length);
        input.extend([0; 4]);
        peer.send(input);
        assert_eq!(close_code(&peer, b""), 1009, "{length}");
    }
    // A message of frames that are allowed.
    let peer = handshake(&client);
    peer.send(frame(BINARY, &[1; 600]));
    peer.send(frame(CONTINUE, &[1; 400]));
    assert_eq!(peer.received(), b"");
    peer.send(frame(CONTINUE, &[1; 1]));
    assert_eq!(close_code(&peer, b""), 1009);
    // The largest that are allowed.
    let peer = handshake(&client);
    peer.send([frame(BINARY, &[1; 600]), frame(FINAL | CONTINUE, &[1; 400])].concat());
    assert_eq!(peer.received(), answer(FINAL | BINARY, &[1; 1000]));
    peer.close();
}

#[test]
fn fragments_without_an_end_are_refused() {
    let client = echo_with(WebSocketOptions::default().with_max_fragments(100));
    let peer = handshake(&client);
    peer.send(frame(TEXT, b""));
    for _ in 0..99 {
        peer.send(frame(CONTINUE, b""));
    }
    assert_eq!(peer.received(), b"");
    peer.send(frame(CONTINUE, b""));
    assert_eq!(close_code(&peer, b""), 1009);
}

#[test]
fn a_flood_of_pings_from_a_peer_that_does_not_read_is_not_read_either() {
    let client = echo();
    let peer = handshake(&client);
    peer.set_reading(false);
    let pings = frame(FINAL | PING, &[b'x'; 125]).repeat(1000);
    let mut taken = 0;
    // 12 MB, of which some 300 KB are taken: the buffers of both directions.
    for _ in 0..100 {
        taken += peer.try_send(&pings);
    }
    assert!(taken < 1_000_000, "{taken}");
    peer.set_reading(true);
    let answered = peer.received();
    assert!(answered.len() > 100_000);
    assert!(
        answered
            .chunks_exact(127)
            .all(|pong| pong[0] == FINAL | PONG)
    );
    peer.close();
}

/// A peer whose messages may be compressed.
fn compressing(client: &TestClient) -> Peer {
    let peer = client.connect();
    let asks = "sec-websocket-extensions: permessage-deflate\r\n\r\n";
    peer.send(HANDSHAKE.replace("\r\n\r\n", "\r\n") + asks);
    let head = peer.received();
    assert!(String::from_utf8_lossy(&head).contains("permessage-deflate"));
    peer
}

/// "Hello", of RFC 7692, 7.2.3.
const HELLO: &[u8] = &[0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];

#[test]
fn compressed_messages_are_read_in_each_form_of_the_standard() {
    let client = echo_with(WebSocketOptions::default().with_deflate(true));
    let without_huffman = [0, 5, 0, 0xFA, 0xFF, b'H', b'e', b'l', b'l', b'o', 0];
    let with_final_block = [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00];
    let two_blocks = [
        0xF2, 0x48, 0x05, 0, 0, 0, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00,
    ];
    for small in [HELLO, &without_huffman, &with_final_block, &two_blocks] {
        let peer = compressing(&client);
        peer.send(frame(FINAL | SMALL | TEXT, small));
        assert_eq!(peer.received(), answer(FINAL | TEXT, b"Hello"), "{small:?}");
        // In fragments: the first one says that it is compressed.
        let (first, second) = small.split_at(3);
        peer.send([frame(SMALL | TEXT, first), frame(FINAL | CONTINUE, second)].concat());
        assert_eq!(peer.received(), answer(FINAL | TEXT, b"Hello"), "{small:?}");
        // One that is not compressed is taken, too.
        peer.send(frame(FINAL | TEXT, b"plain"));
        assert_eq!(peer.received(), answer(FINAL | TEXT, b"plain"));
        peer.close();
    }
}

#[test]
fn compression_that_breaks_the_rules_is_refused() {
    let options = WebSocketOptions::default().with_deflate(true);
    let client = echo_with(options.with_max_message(100_000));
    let mut bomb = Vec::new();
    // A block of 32 KiB of zeros, again and again.
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    bomb.reserve(100_000);
    let zeros = vec![0; 50_000_000];
    compress
        .compress_vec(&zeros, &mut bomb, flate2::FlushCompress::Sync)
        .expect("it compresses");
    assert!(bomb.len() < 99_000, "{}", bomb.len());
    for (name, input, code) in [
        ("a bomb", frame(FINAL | SMALL | BINARY, &bomb), 1009),
        ("garbage", frame(FINAL | SMALL | BINARY, &[0xFF; 30]), 1007),
        (
            "no UTF-8",
            frame(FINAL | SMALL | TEXT, &[0, 1, 0, 0xFE, 0xFF, 0xFF, 0]),
            1007,
        ),
        ("a bit on a ping", frame(FINAL | SMALL | PING, b""), 1002),
        (
            "a bit on a continuation",
            [
                frame(SMALL | TEXT, HELLO),
                frame(FINAL | SMALL | CONTINUE, b""),
            ]
            .concat(),
            1002,
        ),
    ] {
        let peer = compressing(&client);
        peer.send(input);
        assert_eq!(close_code(&peer, b""), code, "{name}");
    }
}

#[test]
fn a_peer_may_vanish_at_each_byte() {
    let client = echo();
    let input = [
        frame(TEXT, b"a"),
        frame(FINAL | PING, b"p"),
        frame(FINAL | CONTINUE, b"b"),
        frame(FINAL | BINARY, &[1; 130]),
        frame(FINAL | CLOSE, b"\x03\xE8"),
    ]
    .concat();
    for length in 0..=input.len() {
        for is_reset in [false, true] {
            let peer = handshake(&client);
            peer.send(&input[..length]);
            if is_reset {
                peer.reset();
            } else {
                peer.close();
            }
            client.reactor().settle();
            assert_eq!(client.site().connections(), 0, "{length}");
        }
    }
}

#[test]
fn an_answer_to_a_close_that_comes_late_is_in_time() {
    let client = client(App::new().get("/", |req| {
        req.websocket(on_message(|ws, _| {
            ws.close(reactor_web::ws::CloseCode::NORMAL, "");
            Ok(())
        }))
    }));
    let peer = handshake(&client);
    peer.send(frame(FINAL | TEXT, b"end"));
    assert_eq!(close_code(&peer, b""), 1000);
    client.advance(Duration::from_secs(9));
    assert!(!peer.is_closed());
    peer.send(frame(FINAL | CLOSE, b"\x03\xE8"));
    assert!(peer.is_closed());
}

/// Numbers that look random, from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("below a usize")
    }
}

/// The frames that a server has sent: first byte and payload. The last one may be cut off.
fn frames(mut sent: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = sent {
        let (length, rest) = match *length {
            126 => (u16::from_be_bytes([rest[0], rest[1]]).into(), &rest[2..]),
            127 => panic!("nothing so large was sent"),
            length => (usize::from(length), rest),
        };
        frames.push((*first, rest[..length].to_vec()));
        sent = &rest[length..];
    }
    frames
}

/// `WS_SEEDS=100000 cargo test --release -p tests --test web random_input` for more.
#[test]
fn random_input_gets_echoes_or_a_close_and_never_harms_the_site() {
    let options = WebSocketOptions::default().with_deflate(true);
    let client = echo_with(options.with_max_message(5000).with_max_fragments(20));
    let seeds = std::env::var("WS_SEEDS").map_or(300, |seeds| seeds.parse().expect("a number"));
    for seed in 1..=seeds {
        let mut random = Random(seed);
        let peer = compressing(&client);
        let mut input = Vec::new();
        for _ in 0..random.below(8) {
            let opcode = [TEXT, BINARY, CONTINUE, PING, PONG, CLOSE][random.below(6)];
            let bits = [FINAL, FINAL, 0, FINAL | SMALL, SMALL][random.below(5)];
            let payload = vec![random.below(256) as u8; random.below(200)];
            let payload = [HELLO, &payload, b"", b"\x03\xE8"][random.below(4)];
            input.extend(frame(opcode | bits, payload));
        }
        // Some of it turned into nonsense.
        for _ in 0..random.below(3) {
            if !input.is_empty() {
                let at = random.below(input.len());
                input[at] = random.below(256) as u8;
            }
        }
        while !input.is_empty() && !peer.is_closed() {
            let rest = input.split_off(random.below(input.len()) + 1);
            peer.send(std::mem::replace(&mut input, rest));
        }
        let sent = frames(&peer.received());
        let closes: Vec<_> = sent
            .iter()
            .filter(|(first, _)| first & 15 == CLOSE)
            .collect();
        assert!(closes.len() <= 1, "seed {seed}");
        if let [(_, payload)] = closes[..] {
            assert_eq!(
                sent.last().map(|last| last.0),
                Some(FINAL | CLOSE),
                "seed {seed}"
            );
            let code = payload
                .first_chunk()
                .map_or(1000, |code| u16::from_be_bytes(*code));
            assert_ne!(code, 1011, "seed {seed}: no handler has failed");
            assert!(peer.is_closed(), "seed {seed}");
        }
        peer.close();
    }
    client.reactor().settle();
    assert_eq!(client.site().connections(), 0);
    let peer = handshake(&client);
    peer.send(frame(FINAL | TEXT, b"still there"));
    assert_eq!(peer.received(), answer(FINAL | TEXT, b"still there"));
    peer.close();
}
