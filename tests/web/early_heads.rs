//! Heads that begin in one piece with what came before them: a stop loses none, and one that is
//! never completed gets a 408.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::sleep;
use futures::stream;
use reactor::testing::Peer;
use reactor_web::testing::TestClient;
use reactor_web::{App, Body, Limits, Request};

use crate::support::{GET, answer, client, text, three_pieces};

const SECOND: Duration = Duration::from_secs(1);

/// A request for an answer of 400,000 bytes, which does not fit into the buffers of a connection.
const LARGE: &str = "GET /large HTTP/1.1\r\nhost: x\r\n\r\n";

/// A request for an answer in pieces, whose head is sent at once, and the last one after 3 s.
const PIECES: &str = "GET /pieces HTTP/1.1\r\nhost: x\r\n\r\n";

/// A request that is answered after 1 s.
const SLOW: &str = "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";

fn app() -> App {
    App::new()
        .get("/", |_| "quick")
        .get("/slow", async |req: Request| {
            sleep(req.reactor(), SECOND).await?;
            Ok("slow")
        })
        .get("/large", |_| "large".repeat(80_000))
        .get("/pieces", three_pieces)
}

/// The answers in `text`, each with its head.
fn answers(text: &str) -> Vec<&str> {
    let starts = text.match_indices("HTTP/1.1 ").map(|(at, _)| at);
    let ends = starts.clone().skip(1).chain([text.len()]);
    starts
        .zip(ends)
        .map(|(start, end)| &text[start..end])
        .collect()
}

/// Asserts that `got` has two answers, of which the second is the last on its connection.
#[track_caller]
fn assert_two(got: &str, first_length: usize) {
    let answers = answers(got);
    assert_eq!(answers.len(), 2, "{}", got.len());
    assert_eq!(answer(answers[0]).1.len(), first_length);
    assert_eq!(answer(answers[1]).1, "quick");
    assert!(answers[1].contains("connection: close"));
}

#[test]
fn a_head_behind_an_answer_that_waits_to_be_sent_is_answered() {
    for (first, length) in [(GET, 5), (LARGE, 400_000)] {
        for early in [1, GET.len() - 1, GET.len()] {
            if first == GET && early == GET.len() {
                continue; // Both are answered before the stop.
            }
            let client = client(app());
            let peer = client.connect();
            peer.set_reading(false);
            peer.send(format!("{first}{}", &GET[..early]));
            let finished = client.site().finish();
            client.reactor().settle();
            assert!(!peer.is_closed());
            peer.set_reading(true);
            client.reactor().settle();
            peer.send(&GET[early..]);
            assert_two(&text(&peer), length);
            assert!(peer.is_closed());
            client.reactor().result_of(finished).expect("all are over");
        }
    }
}

#[test]
fn a_head_behind_an_answer_whose_head_was_sent_is_answered() {
    for early in [1, GET.len() - 1, GET.len()] {
        let client = client(app());
        let peer = client.connect();
        peer.send(format!("{PIECES}{}", &GET[..early]));
        let finished = client.site().finish();
        client.advance(SECOND * 3);
        peer.send(&GET[early..]);
        assert_two(&text(&peer), "5\r\npiece\r\n".len() * 3 + 5);
        assert!(peer.is_closed());
        client.reactor().result_of(finished).expect("all are over");
    }
}

/// The client was told that it is the last answer, so it has to send its next request again.
#[test]
fn nothing_behind_an_answer_with_connection_close_is_answered() {
    let client = client(app());
    let peer = client.connect();
    peer.send(format!("{SLOW}{GET}"));
    let finished = client.site().finish();
    client.advance(SECOND);
    let got = text(&peer);
    assert_eq!(answer(&got).1, "slow");
    assert!(got.contains("connection: close"));
    assert!(peer.is_closed());
    client.reactor().result_of(finished).expect("all are over");
}

#[test]
fn an_empty_line_does_not_hold_a_stop() {
    for before in ["", GET] {
        let client = client(app());
        let peer = client.connect();
        peer.send(before);
        peer.send("\r\n");
        let finished = client.site().finish();
        client.reactor().settle();
        assert!(peer.is_closed(), "{before:?}");
        client.reactor().result_of(finished).expect("all are over");
    }
}

/// A body that its handler has not read or dropped.
type Kept = Rc<RefCell<Option<Body>>>;

/// A client of an app that answers a `POST` and keeps its body, and how often it was asked for
/// `/secret`.
fn keeping(limits: Limits) -> (TestClient, Kept, Rc<Cell<u32>>) {
    let (kept, secrets) = (Kept::default(), Rc::new(Cell::new(0)));
    let (slot, count) = (Rc::clone(&kept), Rc::clone(&secrets));
    let app = App::new()
        .get("/", |_| "quick")
        .get("/secret", move |_| {
            count.set(count.get() + 1);
            "secret"
        })
        .post("/", move |req| {
            slot.replace(Some(req.take_body()));
            "early"
        })
        .post("/unread", |_| "unread")
        .post("/later", async |req: Request| {
            sleep(req.reactor(), SECOND).await?;
            Ok("later")
        })
        .post("/held", |req| {
            let (body, reactor) = (req.take_body(), req.reactor().clone());
            let piece = async move {
                sleep(&reactor, SECOND).await?;
                drop(body);
                Ok("held")
            };
            Body::from_stream(stream::once(piece))
        });
    (client(app.limits(limits)), kept, secrets)
}

/// A request that must not be taken out of a body. hyper skips empty lines before a request, so it
/// reads this one wherever it begins, and has not read all of it with the head.
fn secret() -> String {
    let lines = "\r\n".repeat(50_000);
    format!("{lines}GET /secret HTTP/1.1\r\nhost: x\r\n\r\n")
}

#[test]
fn a_body_that_is_dropped_with_its_answer_is_not_read_as_a_request() {
    let (body, length) = (secret(), secret().len());
    for path in ["/unread", "/later", "/held"] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        // What has come when the stop begins.
        for early in [1, head.len(), head.len() + length] {
            let (client, _, secrets) = keeping(Limits::default());
            let peer = client.connect();
            let all = format!("{head}{body}");
            peer.send(&all[..early]);
            let finished = client.site().finish();
            peer.send(&all[early..]);
            client.advance(SECOND);
            assert!(peer.is_closed());
            assert_eq!(secrets.get(), 0);
            client.reactor().result_of(finished).expect("all are over");
        }
    }
}

#[test]
fn a_body_that_is_dropped_with_a_stop_is_not_read_as_a_request() {
    let (client, kept, secrets) = keeping(Limits::default());
    let peer = client.connect();
    let body = secret();
    let (head, size) = (
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
        body.len(),
    );
    peer.send(format!("{head}1\r\nx\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"));
    assert_eq!(answer(&text(&peer)).1, "early");
    drop(kept.take());
    let finished = client.site().finish();
    client.reactor().settle();
    assert!(peer.is_closed());
    assert_eq!((text(&peer).as_str(), secrets.get()), ("", 0));
    client.reactor().result_of(finished).expect("all are over");
}

/// The framing and the bytes of the body `body`.
fn framed(chunked: bool) -> (&'static str, &'static str) {
    match chunked {
        true => ("transfer-encoding: chunked", "4\r\nbody\r\n0\r\n\r\n"),
        false => ("content-length: 4", "body"),
    }
}

/// A connection that has had an answer, and that owes the body of its request.
#[track_caller]
fn owing(client: &TestClient, chunked: bool) -> Peer {
    let peer = client.connect();
    let framing = framed(chunked).0;
    peer.send(format!("POST / HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n"));
    assert_eq!(answer(&text(&peer)).1, "early");
    peer
}

/// Reads the body that `kept` has, and puts it back.
#[track_caller]
fn read(client: &TestClient, kept: &Kept) -> String {
    let mut body = kept.take().expect("it was not dropped");
    let slot = Rc::clone(kept);
    let reading = async move {
        let bytes = body.collect(1000).await?;
        slot.replace(Some(body));
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let reading = client.reactor().spawn(reading);
    client.reactor().result_of(reading).expect("all has come")
}

/// A connection whose next head has begun in one piece with a late body.
#[track_caller]
fn begun_with_a_late_body(client: &TestClient, chunked: bool) -> Peer {
    let peer = owing(client, chunked);
    peer.send(format!("{}{}", framed(chunked).1, &GET[..9]));
    peer
}

#[test]
fn a_stop_waits_for_the_head_that_has_begun_with_a_late_body() {
    for chunked in [false, true] {
        let (client, kept, _) = keeping(Limits::default());
        let peer = begun_with_a_late_body(&client, chunked);
        let finished = client.site().finish();
        client.reactor().settle();
        assert!(!peer.is_closed());
        assert_eq!(read(&client, &kept), "body");
        client.reactor().settle();
        peer.send(&GET[9..]);
        let got = text(&peer);
        assert_eq!(answer(&got).1, "quick");
        assert!(got.contains("connection: close"));
        assert!(peer.is_closed());
        client.reactor().result_of(finished).expect("all are over");
    }
}

/// The end of a body counts, and not when its handler drops it.
#[test]
fn a_stop_does_not_wait_for_the_drop_of_a_late_body() {
    for chunked in [false, true] {
        let (client, kept, _) = keeping(Limits::default());
        let peer = owing(&client, chunked);
        peer.send(framed(chunked).1);
        let finished = client.site().finish();
        client.reactor().settle();
        assert_eq!(read(&client, &kept), "body");
        client.reactor().settle();
        assert!(peer.is_closed(), "chunked: {chunked}");
        client.reactor().result_of(finished).expect("all are over");
        assert!(kept.borrow().is_some());
    }
}

/// Asserts that `peer` gets a 408 within `limit`, and not at once.
#[track_caller]
fn assert_408(client: &TestClient, peer: &Peer, limit: Duration) {
    text(peer);
    client.advance(limit - Duration::from_millis(1));
    assert!(!peer.is_closed());
    client.advance(Duration::from_millis(1));
    assert!(peer.is_closed());
    assert_eq!(answer(&text(peer)).0, "HTTP/1.1 408 Request Timeout");
}

#[test]
fn a_head_that_has_begun_with_the_request_before_gets_a_408() {
    // Shorter and longer than the time after which an idle connection is parked.
    for limit in [SECOND * 4, SECOND * 60] {
        let client = client(app().limits(Limits::default().with_head_timeout(limit)));
        let peer = client.connect();
        peer.send(format!("{GET}{}", &GET[..1]));
        assert_408(&client, &peer, limit);
    }
}

#[test]
fn a_head_that_has_begun_with_a_late_body_gets_a_408() {
    for limit in [SECOND * 4, SECOND * 60] {
        for is_dropped in [true, false] {
            for chunked in [true, false] {
                let (client, kept, _) = keeping(Limits::default().with_head_timeout(limit));
                let peer = begun_with_a_late_body(&client, chunked);
                assert_eq!(read(&client, &kept), "body");
                if is_dropped {
                    drop(kept.take());
                }
                assert_408(&client, &peer, limit);
            }
        }
    }
}

#[test]
fn an_idle_connection_ends_without_a_408_also_before_it_is_parked() {
    let limit = SECOND * 4;
    for after in ["", "\r\n"] {
        let client = client(app().limits(Limits::default().with_head_timeout(limit)));
        let peer = client.connect();
        peer.send(format!("{GET}{after}"));
        assert_eq!(answer(&text(&peer)).1, "quick");
        client.advance(limit);
        assert!(peer.is_closed());
        assert_eq!(text(&peer), "");
    }
}
