//! Gives the fuzzer's bytes to a web server, whole and in pieces: as requests of HTTP/1.1, and as the
//! frames of a WebSocket.

#![no_main]

mod pieces;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use reactor_web::testing::TestClient;
use reactor_web::ws::{WebSocketOptions, on_message};
use reactor_web::{App, Limits, Request};

use crate::pieces::split;

const HANDSHAKE: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// What was asked, with the bodies.
type Log = Rc<RefCell<Vec<String>>>;

/// Sends `pieces`, and waits until the connection is over; returns what has come.
fn talk(app: App, pieces: &[&[u8]]) -> Vec<u8> {
    let client = TestClient::new(app).expect("no conflicts");
    let peer = client.connect();
    for piece in pieces {
        // The rest has no reader if the connection is over.
        if peer.is_closed() {
            break;
        }
        peer.send(piece);
    }
    let mut received = peer.received();
    // Longer than all limits.
    for _ in 0..20 {
        client.advance(Duration::from_secs(20));
        received.extend(peer.received());
    }
    assert_eq!(client.site().connections(), 0, "nothing is left");
    received
}

fn requests(is_strict: bool, pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    let log = Log::default();
    let asked = {
        let log = Rc::clone(&log);
        move |req: Request| {
            let what = format!("{} {:?} {:?}", req.method(), req.uri(), req.headers());
            let log = Rc::clone(&log);
            req.bytes().add_callbacks(
                {
                    let (log, what) = (Rc::clone(&log), what.clone());
                    move |body| {
                        log.borrow_mut().push(format!("{what} {}", body.len()));
                        Ok(body)
                    }
                },
                move |failure| {
                    log.borrow_mut().push(what);
                    Err(failure)
                },
            )
        }
    };
    let app = App::new()
        .fallback(asked)
        .limits(Limits::default().with_body(100).with_strict(is_strict));
    let received = talk(app, pieces);
    (log.take(), received)
}

fn check_requests(is_strict: bool, data: &[u8], pieces: &[&[u8]]) {
    let (whole, answers) = requests(is_strict, &[data]);
    assert!(answers.is_empty() || answers.starts_with(b"HTTP/1."));
    let (cut, answers) = requests(is_strict, pieces);
    assert!(answers.is_empty() || answers.starts_with(b"HTTP/1."));
    // How much of a body that is refused is waited for depends on what has come, and so whether the
    // connection goes on; but the requests are the same.
    let common = whole.len().min(cut.len());
    assert_eq!(whole[..common], cut[..common]);
}

/// The frames of a client. Each begins with two bytes of `data`, its first byte and its length.
fn frames_of(mut data: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = data {
        let length = usize::from(length % 126).min(rest.len());
        let (payload, behind) = rest.split_at(length);
        // The mask is zero.
        frames.extend([*first, 0x80 | length as u8, 0, 0, 0, 0]);
        frames.extend(payload);
        data = behind;
    }
    frames
}

fn web_socket(deflates: bool, pieces: &[&[u8]]) -> Vec<u8> {
    let options = WebSocketOptions::default().with_deflate(deflates);
    let app = App::new().get("/", move |req| {
        let echo = on_message(|socket, message| Ok(socket.send(message)?));
        req.websocket_with(&options, echo)
    });
    talk(app, pieces)
}

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, ref sizes @ ..], data)) = data.split_first_chunk::<4>() else {
        return;
    };
    if kind % 4 < 2 {
        return check_requests(kind % 4 == 1, data, &split(data, sizes, 61));
    }
    let deflates = kind % 4 == 3;
    let extension = match deflates {
        true => "sec-websocket-extensions: permessage-deflate\r\n\r\n",
        false => "\r\n",
    };
    let mut sent = [HANDSHAKE, extension].concat().into_bytes();
    // Half of the inputs are frames by themselves.
    match kind & 4 {
        0 => sent.extend(data),
        _ => sent.extend(frames_of(data)),
    }
    // The head has the date.
    let frames = |pieces: &[&[u8]]| {
        let received = web_socket(deflates, pieces);
        assert!(received.starts_with(b"HTTP/1.1 101 "));
        let end = received.windows(4).position(|four| four == b"\r\n\r\n");
        received[end.expect("a whole head")..].to_vec()
    };
    assert!(frames(&[&sent]) == frames(&split(&sent, sizes, 61)));
});
