//! Bodies of requests that go on beyond their answers: they are not taken for the next head.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use reactor::testing::Peer;
use reactor_web::testing::TestClient;
use reactor_web::{App, Limits};
use tests::debug_number;

use crate::support::{GET, answer, client, text};

const SECOND: Duration = Duration::from_secs(1);

/// The body of the last request that was read to its end.
type Read = Rc<RefCell<Vec<u8>>>;

/// A client of an app that answers before it reads, and what the app has read.
fn late(limits: Limits) -> (TestClient, Read) {
    let read = Read::default();
    let slot = Rc::clone(&read);
    let app = App::new().get("/", |_| "quick").post("/", move |req| {
        let (slot, mut body) = (Rc::clone(&slot), req.take_body());
        // Fails if the connection ends before the body.
        let reading = async move {
            if let Ok(bytes) = body.collect(1000).await {
                *slot.borrow_mut() = bytes.to_vec();
            }
            Ok(())
        };
        req.reactor().spawn(reading).log_error().ignore();
        "early"
    });
    (client(app.limits(limits)), read)
}

/// A connection that has had an answer, and that owes `length` bytes of its body.
fn answered(client: &TestClient, length: usize) -> Peer {
    let peer = client.connect();
    peer.send(format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n"
    ));
    assert_eq!(answer(&text(&peer)).1, "early");
    peer
}

/// hyper itself tells the end of such a body with the next request.
#[test]
fn the_end_of_a_late_body_comes_with_its_last_byte() {
    let (client, read) = late(Limits::default());
    let peer = answered(&client, 4);
    for byte in b"body" {
        assert!(read.borrow().is_empty());
        peer.send([*byte]);
    }
    client.reactor().settle();
    assert_eq!(*read.borrow(), b"body");
}

#[test]
fn a_late_body_may_take_longer_than_a_head() {
    let (client, read) = late(Limits::default());
    let peer = answered(&client, 100);
    for _ in 0..100 {
        client.advance(SECOND);
        assert!(!peer.is_closed());
        peer.send("x");
    }
    client.reactor().settle();
    assert_eq!(read.borrow().len(), 100);
    // The idle time begins with its last byte, and ends without a 408.
    client.advance(SECOND * 59);
    assert!(!peer.is_closed());
    assert_eq!(debug_number(client.site(), "parked"), 1);
    client.advance(SECOND);
    assert!(peer.is_closed());
    assert_eq!(text(&peer), "");
}

#[test]
fn a_late_body_that_stops_ends_by_the_time_for_bodies() {
    let limits = Limits::default()
        .with_head_timeout(SECOND * 5)
        .with_body_timeout(SECOND * 40);
    let (client, read) = late(limits);
    let peer = answered(&client, 100);
    peer.send("x");
    client.advance(SECOND * 39);
    assert!(!peer.is_closed());
    // Late by a tick, which is a quarter of it.
    client.advance(SECOND * 11);
    assert!(peer.is_closed());
    assert_eq!(text(&peer), "");
    assert!(read.borrow().is_empty());
}

#[test]
fn the_head_after_a_late_body_has_its_time() {
    let (client, _) = late(Limits::default());
    let peer = answered(&client, 4);
    peer.send("body");
    client.advance(SECOND * 10);
    peer.send("GET / HT");
    client.advance(SECOND * 50);
    assert_eq!(answer(&text(&peer)).0, "HTTP/1.1 408 Request Timeout");
    assert!(peer.is_closed());
}

#[test]
fn a_stop_waits_for_a_late_body_and_no_longer() {
    for (before, after) in [("body", ""), ("bo", "dy"), ("", "body")] {
        let (client, read) = late(Limits::default());
        let peer = answered(&client, 4);
        peer.send(before);
        let finished = client.site().finish();
        client.reactor().settle();
        peer.send(after);
        assert!(peer.is_closed(), "{before:?} {after:?}");
        assert_eq!(*read.borrow(), b"body");
        client.reactor().result_of(finished).expect("all are over");
    }
}

#[test]
fn a_stop_answers_the_head_that_has_begun_after_a_late_body() {
    let (client, _) = late(Limits::default());
    let peer = answered(&client, 4);
    peer.send("body");
    peer.send(&GET[..1]);
    let finished = client.site().finish();
    client.reactor().settle();
    assert!(!peer.is_closed());
    peer.send(&GET[1..]);
    assert_eq!(answer(&text(&peer)).1, "quick");
    assert!(peer.is_closed());
    client.reactor().result_of(finished).expect("all are over");
}
