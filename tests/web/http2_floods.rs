//! HTTP/2 under fire, by raw frames: each flood ends its connection or costs nothing that stays,
//! and other connections are served.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use deferred::sleep;
use reactor::testing::Peer;
use reactor_web::testing::TestClient;
use reactor_web::{App, Request};

use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GET_FIELDS, GOAWAY, HEADERS, PING,
    POST_FIELDS, RST_STREAM, SETTINGS, WINDOW_UPDATE, beginning, frame, parse,
};
use crate::support::client;

/// Counts the requests that run, and those that ever ran.
#[derive(Clone, Default)]
struct Running {
    now: Rc<Cell<usize>>,
    most: Rc<Cell<usize>>,
    all: Rc<Cell<usize>>,
}

struct One(Rc<Cell<usize>>);

impl Running {
    fn enter(&self) -> One {
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
        self.all.set(self.all.get() + 1);
        One(Rc::clone(&self.now))
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// A site whose `GET` takes a minute, and whose `POST` reads its body.
fn site() -> (TestClient, Running) {
    let running = Running::default();
    let of_get = running.clone();
    let app = App::new()
        .get("/", move |req| {
            let one = of_get.enter();
            sleep(req.reactor(), Duration::from_secs(60)).add_callback(move |()| {
                drop(one);
                Ok("at last")
            })
        })
        .post("/", |req| req.bytes())
        .get("/quick", |_| "quick");
    (client(app), running)
}

/// Sends all of `bytes`, as far as they are taken; gives what came back.
fn flood(peer: &Peer, bytes: &[u8]) -> Vec<(u8, u8, Vec<u8>)> {
    let mut received = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() && !peer.is_closed() {
        let sent = peer.try_send(rest);
        received.extend(peer.received());
        if sent == 0 {
            break;
        }
        rest = &rest[sent..];
    }
    received.extend(peer.received());
    parse(&received)
}

/// The codes of errors in the `GOAWAY` frames (RFC 9113, §7).
fn goaways(frames: &[(u8, u8, Vec<u8>)]) -> Vec<u8> {
    let goaways = frames.iter().filter(|(kind, ..)| *kind == GOAWAY);
    goaways.map(|(.., payload)| payload[7]).collect()
}

const PROTOCOL_ERROR: u8 = 1;
const FLOW_CONTROL_ERROR: u8 = 3;
const ENHANCE_YOUR_CALM: u8 = 11;

/// A new connection is served, and the one of the flood leaves nothing behind.
#[track_caller]
fn others_are_served(client: &TestClient, flooding: Peer) {
    assert_eq!(client.get("/quick").text(), "quick");
    flooding.close();
    client.reactor().settle();
    assert_eq!(client.site().connections(), 0);
}

fn begin(client: &TestClient) -> Peer {
    let peer = client.connect();
    peer.send(beginning());
    peer
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection() {
    let (client, running) = site();
    let peer = begin(&client);
    let attack: Vec<u8> = (0..10_000)
        .flat_map(|n| {
            let stream = 2 * n + 1;
            let ask = frame(HEADERS, END_HEADERS | END_STREAM, stream, GET_FIELDS);
            [ask, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
        })
        .collect();
    let frames = flood(&peer, &attack);
    assert_eq!(goaways(&frames), [ENHANCE_YOUR_CALM]);
    assert!(peer.is_closed());
    assert_eq!(running.now.get(), 0, "what was reset runs no more");
    assert!(running.all.get() < 2000, "{}", running.all.get());
    others_are_served(&client, peer);
}

#[test]
fn no_more_streams_run_at_a_time_than_the_settings_say() {
    let (client, running) = site();
    let peer = begin(&client);
    let attack: Vec<u8> = (0..1000)
        .flat_map(|n| frame(HEADERS, END_HEADERS | END_STREAM, 2 * n + 1, GET_FIELDS))
        .collect();
    let frames = flood(&peer, &attack);
    let settings = frames
        .iter()
        .find(|(kind, flags, _)| *kind == SETTINGS && *flags == 0);
    assert!(
        running.most.get() <= 200,
        "{} {settings:?}",
        running.most.get()
    );
    others_are_served(&client, peer);
    assert_eq!(running.now.get(), 0, "the client is gone");
}

#[test]
fn a_head_without_an_end_is_bounded() {
    let (client, _) = site();
    let peer = begin(&client);
    let mut attack = frame(HEADERS, 0, 1, GET_FIELDS);
    // A literal of 16 KiB, in pieces that never end; then as many empty ones.
    for _ in 0..10_000 {
        attack.extend(frame(
            CONTINUATION,
            0,
            1,
            &[b"\x00\x01a\x0a".as_slice(), &[b'x'; 10]].concat(),
        ));
    }
    let frames = flood(&peer, &attack);
    assert!(!goaways(&frames).is_empty(), "{}", frames.len());
    assert!(peer.is_closed());
    others_are_served(&client, peer);

    let peer = begin(&client);
    let mut attack = frame(HEADERS, 0, 1, GET_FIELDS);
    for _ in 0..100_000 {
        attack.extend(frame(CONTINUATION, 0, 1, &[]));
    }
    flood(&peer, &attack);
    assert!(peer.is_closed(), "empty ones, too");
    others_are_served(&client, peer);
}

#[test]
fn a_small_head_that_means_a_large_one_is_refused() {
    let (client, running) = site();
    let peer = begin(&client);
    // A field of 4000 bytes goes into the table; each further byte is that field again.
    let mut fields = GET_FIELDS.to_vec();
    fields.extend_from_slice(b"\x40\x01a\x7f\xa1\x1e");
    fields.extend_from_slice(&[b'x'; 4000]);
    fields.extend_from_slice(&[0xbe; 12_000]);
    let frames = flood(&peer, &frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields));
    assert_eq!(running.all.get(), 0, "{frames:?}");
    others_are_served(&client, peer);
}

#[test]
fn settings_and_pings_are_answered_as_they_are_read() {
    let (client, _) = site();
    for (kind, payload) in [(SETTINGS, &[][..]), (PING, &[7; 8])] {
        let peer = begin(&client);
        // The client does not read: then the server does not, either.
        peer.set_reading(false);
        let one = frame(kind, 0, 0, payload);
        let attack = one.repeat(200_000);
        let mut sent = 0;
        while sent < attack.len() && !peer.is_closed() {
            match peer.try_send(&attack[sent..]) {
                0 => break,
                count => sent += count,
            }
        }
        assert!(sent < attack.len(), "{kind}: all of it was read");
        peer.set_reading(true);
        if !peer.is_closed() {
            let frames = parse(&peer.received());
            let acknowledged = frames
                .iter()
                .filter(|(got, flags, _)| *got == kind && *flags == ACK);
            assert!(acknowledged.count() > 0);
        }
        others_are_served(&client, peer);
    }
}

#[test]
fn empty_frames_of_a_body_add_up_to_nothing() {
    let (client, _) = site();
    let peer = begin(&client);
    let mut attack = frame(HEADERS, END_HEADERS, 1, POST_FIELDS);
    for _ in 0..100_000 {
        attack.extend(frame(DATA, 0, 1, &[]));
    }
    attack.extend(frame(DATA, END_STREAM, 1, b"the end"));
    let frames = flood(&peer, &attack);
    let is_answered = frames
        .iter()
        .any(|(kind, _, payload)| *kind == DATA && payload == b"the end");
    assert!(is_answered || !goaways(&frames).is_empty(), "{frames:?}");
    others_are_served(&client, peer);
}

#[test]
fn windows_that_make_no_sense_are_errors() {
    let (client, _) = site();
    let max = 0x7fff_ffff_u32.to_be_bytes();
    for (what, attack, code) in [
        (
            "an increment of nothing",
            frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
            PROTOCOL_ERROR,
        ),
        (
            "a window beyond 2^31",
            frame(WINDOW_UPDATE, 0, 0, &max),
            FLOW_CONTROL_ERROR,
        ),
        (
            "an initial window beyond 2^31",
            frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]),
            FLOW_CONTROL_ERROR,
        ),
    ] {
        let peer = begin(&client);
        let codes = goaways(&flood(&peer, &attack));
        assert_eq!(codes.len(), 1, "{what}");
        assert!(
            codes == [code] || codes == [PROTOCOL_ERROR],
            "{what}: {codes:?}"
        );
        assert!(peer.is_closed(), "{what}");
        others_are_served(&client, peer);
    }
}

#[test]
fn a_client_that_opens_no_window_is_cut_off() {
    let app = App::new().get("/", |_| vec![b'x'; 1_000_000]);
    let client = client(app);
    let peer = client.connect();
    let mut attack = beginning();
    attack.extend(frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1]));
    attack.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET_FIELDS));
    let frames = flood(&peer, &attack);
    let data: usize = frames
        .iter()
        .filter(|(kind, ..)| *kind == DATA)
        .map(|(.., data)| data.len())
        .sum();
    assert_eq!(data, 1);
    client.advance(Duration::from_secs(76));
    assert_eq!(
        client.site().connections(),
        0,
        "an answer that is not taken"
    );
}

#[test]
fn a_client_that_leaves_a_body_open_is_cut_off() {
    let (client, _) = site();
    let peer = begin(&client);
    flood(&peer, &frame(HEADERS, END_HEADERS, 1, POST_FIELDS));
    client.advance(Duration::from_secs(76));
    assert_eq!(client.site().connections(), 0);
}

#[test]
fn a_flood_is_over_when_the_client_is() {
    let app = App::new().get("/", async |req: Request| {
        sleep(req.reactor(), Duration::from_secs(3600)).await?;
        Ok(())
    });
    let client = client(app);
    let peer = client.connect();
    let mut attack = beginning();
    for n in 0..100 {
        attack.extend(frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            2 * n + 1,
            GET_FIELDS,
        ));
    }
    flood(&peer, &attack);
    peer.close();
    client.reactor().settle();
    assert_eq!(client.site().connections(), 0);
    assert!(client.reactor().leftovers().delayed_calls.is_empty());
}
