//! Answers that are written bit by bit.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Failure, sleep};
use reactor_web::{App, Body, BodyWriter, ClientGone, Request};

use crate::support::{GET, answer, client, text};

#[test]
fn each_piece_is_sent_when_it_is_written() {
    let app = App::new().get("/", |req| {
        let (writer, body) = Body::channel();
        let reactor = req.reactor().clone();
        let ticking = async move {
            for n in 0..3 {
                writer.write(format!("tick {n}\n")).await?;
                sleep(&reactor, Duration::from_secs(1)).await?;
            }
            Ok(())
        };
        req.reactor().spawn(ticking).log_error().ignore();
        body
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(GET);
    let first = text(&peer);
    assert!(first.contains("transfer-encoding: chunked"), "{first}");
    assert!(first.ends_with("7\r\ntick 0\n\r\n"), "{first}");
    client.advance(Duration::from_secs(1));
    assert_eq!(text(&peer), "7\r\ntick 1\n\r\n");
    client.advance(Duration::from_secs(2));
    assert_eq!(text(&peer), "7\r\ntick 2\n\r\n0\r\n\r\n");
    peer.close();
}

#[test]
fn a_writer_waits_for_a_client_that_does_not_read() {
    let written = Rc::new(Cell::new(0));
    let count = Rc::clone(&written);
    let app = App::new().get("/", move |req| {
        let (writer, body) = Body::channel();
        let count = Rc::clone(&count);
        let writing = async move {
            for _ in 0..1000 {
                writer.write(vec![b'x'; 10_000]).await?;
                count.set(count.get() + 10_000);
            }
            Ok(())
        };
        req.reactor().spawn(writing).log_error().ignore();
        body
    });
    let client = client(app);
    let peer = client.connect();
    peer.set_reading(false);
    peer.send(GET);
    assert!(written.get() < 500_000, "{} were written", written.get());
    peer.set_reading(true);
    assert_eq!(written.get(), 10_000_000);
    assert!(text(&peer).ends_with("\r\n0\r\n\r\n"));
    peer.close();
}

#[test]
fn a_writer_hears_that_the_client_is_gone() {
    let writers: Rc<RefCell<Vec<BodyWriter>>> = Rc::default();
    let kept = Rc::clone(&writers);
    let app = App::new().get("/", move |_| {
        let (writer, body) = Body::channel();
        kept.borrow_mut().push(writer);
        body
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(GET);
    let writer = writers.borrow_mut().pop().expect("the handler was called");
    assert!(!writer.is_gone());
    peer.reset();
    assert!(writer.is_gone());
    let failure = writer
        .write("x")
        .into_result()
        .expect("at once")
        .expect_err("it is gone");
    assert!(failure.is::<ClientGone>());
}

#[test]
fn a_stream_that_fails_ends_the_connection_without_an_end() {
    let app = App::new().get("/", |_| {
        let (writer, body) = Body::channel();
        writer.write("some").ignore();
        writer.abort(Failure::msg("the disk is on fire"));
        body
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(GET);
    let got = text(&peer);
    assert!(!got.ends_with("0\r\n\r\n"), "{got}");
    assert!(peer.is_closed());
    assert!(client.start_get("/").result().is_err());
}

#[test]
fn trailers_come_after_the_body() {
    let app = App::new().get("/", |_| {
        let (writer, body) = Body::channel();
        writer.write("content").ignore();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", http::HeaderValue::from_static("42"));
        writer.write_trailers(trailers).ignore();
        ([("trailer", "x-sum")], body)
    });
    let client = client(app);
    let peer = client.connect();
    peer.send("GET / HTTP/1.1\r\nhost: x\r\nte: trailers\r\n\r\n");
    let got = text(&peer);
    assert!(
        got.ends_with("7\r\ncontent\r\n0\r\nx-sum: 42\r\n\r\n"),
        "{got}"
    );
    peer.close();
}

#[test]
fn an_upload_is_echoed_while_it_comes() {
    let app = App::new().post("/", |req| req.take_body());
    let client = client(app);
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    peer.send("3\r\none\r\n");
    let got = text(&peer);
    assert!(got.ends_with("3\r\none\r\n"), "{got}");
    peer.send("3\r\ntwo\r\n0\r\n\r\n");
    assert_eq!(text(&peer), "3\r\ntwo\r\n0\r\n\r\n");
    peer.close();
}

#[test]
fn a_finished_answer_leaves_the_connection_for_the_next() {
    let app = App::new().get("/", async |req: Request| {
        sleep(req.reactor(), Duration::ZERO).await?;
        Ok("again")
    });
    let client = client(app);
    let peer = client.connect();
    for _ in 0..3 {
        peer.send(GET);
        assert_eq!(answer(&text(&peer)).1, "again");
    }
    peer.close();
}
