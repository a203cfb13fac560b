//! Bodies of requests that go on beyond their answers.

use std::cell::RefCell;
use std::rc::Rc;

use reactor::testing::Peer;
use reactor_web::App;
use reactor_web::testing::TestClient;

use crate::support::{answer, client, text};

/// The body of the last request that was read to its end.
type Read = Rc<RefCell<Vec<u8>>>;

/// A client of an app that answers before it reads, and what the app has read.
fn late() -> (TestClient, Read) {
    let read = Read::default();
    let slot = Rc::clone(&read);
    let app = App::new().post("/", move |req| {
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
    (client(app), read)
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
    let (client, read) = late();
    let peer = answered(&client, 4);
    for byte in b"body" {
        assert!(read.borrow().is_empty());
        peer.send([*byte]);
    }
    client.reactor().settle();
    assert_eq!(*read.borrow(), b"body");
}
