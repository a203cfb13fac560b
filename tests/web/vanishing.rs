//! Clients that vanish at any point of an exchange, bodies without measure, and panics in
//! whatever an app calls.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, sleep};
use futures::stream;
use reactor_web::testing::TestClient;
use reactor_web::{Answer, App, Body, Limits, Next, Request, Response};

use crate::support::{GET, answer, client, text};

const SECOND: Duration = Duration::from_secs(1);

/// An app with an answer of each kind.
fn app() -> App {
    App::new()
        .get("/", |_| "hello")
        .get("/large", |_| vec![b'x'; 1_000_000])
        .get("/slow", async |req: Request| {
            sleep(req.reactor(), SECOND * 5).await?;
            Ok("slow")
        })
        .get("/stream", |req| {
            let (writer, body) = Body::channel();
            let reactor = req.reactor().clone();
            let writing = async move {
                for _ in 0..5 {
                    writer.write("piece").await?;
                    sleep(&reactor, SECOND).await?;
                }
                Ok(())
            };
            // It fails if the client is gone.
            req.reactor().spawn(writing).ignore();
            body
        })
        .post("/", |req| req.bytes())
}

#[track_caller]
fn nothing_is_left(client: &TestClient, what: &str) {
    client.reactor().settle();
    assert_eq!(client.site().connections(), 0, "{what}");
    let leftovers = client.reactor().leftovers();
    assert!(leftovers.delayed_calls.is_empty(), "{what}: {leftovers:?}");
}

#[test]
fn a_client_may_vanish_after_any_byte() {
    let client = client(app());
    for request in [
        GET,
        "GET /large HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /stream HTTP/1.1\r\nhost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbody",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\nbody",
    ] {
        for count in 0..=request.len() {
            for is_reset in [false, true] {
                let peer = client.connect();
                peer.set_reading(count % 2 == 0);
                peer.send(&request[..count]);
                if is_reset {
                    peer.reset();
                } else {
                    peer.close();
                }
                client.advance(SECOND);
                nothing_is_left(&client, &format!("{:?}", &request[..count]));
            }
        }
    }
    assert_eq!(client.get("/").text(), "hello");
}

/// hyper may wait for something else than input: for the handler after a half-close, or while the
/// body of its request is not read.
#[test]
fn a_lost_connection_cancels_its_handler_whatever_hyper_waits_for() {
    let body = "x".repeat(200_000);
    let unread = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n{body}");
    for (half_close, request) in [
        (true, GET),
        (true, &*unread),
        (false, GET),
        (false, &unread),
    ] {
        for is_cut_off in [false, true] {
            let running = Rc::new(());
            let in_handler = Rc::clone(&running);
            let handler = move |req: Request| {
                let running = Rc::clone(&in_handler);
                async move {
                    sleep(req.reactor(), SECOND * 3600).await?;
                    drop(running);
                    Ok("never")
                }
            };
            let limits = Limits::default()
                .with_half_close(half_close)
                .with_shutdown_timeout(SECOND);
            let client = client(App::new().any("/", handler).limits(limits));
            let peer = client.connect();
            peer.try_send(request.as_bytes());
            assert_eq!(Rc::strong_count(&running), 3, "it runs");
            if half_close {
                peer.finish();
                assert_eq!(Rc::strong_count(&running), 3, "the client may still read");
            }
            if is_cut_off {
                client.site().finish().ignore();
                client.advance(SECOND);
            } else {
                peer.reset();
            }
            let what = format!("{half_close} {} {is_cut_off}", request.len());
            nothing_is_left(&client, &what);
            assert_eq!(Rc::strong_count(&running), 2, "{what}");
        }
    }
}

#[test]
fn a_client_may_vanish_while_an_answer_is_sent() {
    let client = client(app());
    for path in ["/large", "/stream"] {
        for seconds in 0..4 {
            for is_reset in [false, true] {
                let peer = client.connect();
                peer.set_reading(false);
                peer.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
                client.advance(SECOND * seconds);
                // The large one is read a bit, so that the next piece is on its way.
                peer.set_reading(seconds % 2 == 1);
                if is_reset {
                    peer.reset();
                } else {
                    peer.close();
                }
                client.advance(SECOND * 5);
                nothing_is_left(&client, path);
            }
        }
    }
}

#[test]
fn a_body_without_measure_is_refused() {
    let client = client(app());
    // By its length, before it is read.
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000000000000000\r\n\r\n");
    assert!(text(&peer).starts_with("HTTP/1.1 413 "));
    peer.close();
    // By what has come, with no length.
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0;
    while !peer.is_closed() && sent < 8 * 1024 * 1024 {
        match peer.try_send(chunk.as_bytes()) {
            0 => break,
            count => sent += count,
        }
    }
    assert!(text(&peer).starts_with("HTTP/1.1 413 "));
    assert!(sent < 4 * 1024 * 1024, "{sent}: it goes on after the 413");
    peer.close();
    nothing_is_left(&client, "bodies");
}

#[test]
fn a_body_that_nothing_reads_is_not_received() {
    let app = App::new().post("/", async |req: Request| {
        sleep(req.reactor(), SECOND * 5).await?;
        Ok("not read")
    });
    let client = client(app);
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n");
    let (piece, mut sent) = (vec![b'x'; 64 * 1024], 0);
    loop {
        match peer.try_send(&piece) {
            0 => break,
            count => sent += count,
        }
    }
    assert!(sent < 1024 * 1024, "{sent} bytes wait");
    client.advance(SECOND * 5);
    assert_eq!(answer(&text(&peer)).1, "not read");
    peer.close();
    nothing_is_left(&client, "a body");
}

#[test]
fn chunk_extensions_and_trailers_are_bounded() {
    let client = client(app());
    let head = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    for (begin, piece) in [
        ("1;", "a=b;"),
        ("0\r\n", "a: b\r\n"),
        ("", "1;abcdefgh\r\nx\r\n"),
    ] {
        let peer = client.connect();
        peer.send(format!("{head}{begin}"));
        let pieces = piece.repeat(1000);
        let mut sent = 0;
        while !peer.is_closed() && sent < 4 * 1024 * 1024 {
            match peer.try_send(pieces.as_bytes()) {
                0 => break,
                count => sent += count,
            }
        }
        assert!(sent < 1024 * 1024, "{piece:?}: {sent}");
        assert!(text(&peer).starts_with("HTTP/1.1 400 "), "{piece:?}");
        peer.close();
        nothing_is_left(&client, piece);
    }
}

/// Panics when it is dropped.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("of a drop");
    }
}

#[test]
fn a_panic_of_a_handler_is_a_500_and_the_connection_goes_on() {
    let handlers = App::new()
        .get("/at-once", |_| -> &str { panic!("of a handler") })
        .get("/later", async |req: Request| -> deferred::Result<()> {
            sleep(req.reactor(), SECOND).await?;
            panic!("of a body")
        })
        .get("/callback", |req| {
            sleep(req.reactor(), SECOND)
                .add_callback(|()| -> deferred::Result<&str> { panic!("of a callback") })
        })
        .get("/", |_| "hello");
    let client = client(handlers);
    let peer = client.connect();
    for path in ["/at-once", "/later", "/callback"] {
        peer.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        client.advance(SECOND);
        assert!(text(&peer).starts_with("HTTP/1.1 500 "), "{path}");
        peer.send(GET);
        assert_eq!(answer(&text(&peer)).1, "hello", "{path}");
    }
    peer.close();
    nothing_is_left(&client, "handlers");
}

#[test]
fn a_panic_of_middleware_or_of_an_error_page_is_contained() {
    let before = |_: Request, _: Next| -> Answer { panic!("before") };
    let after = |req: Request, next: Next| {
        next.run(req)
            .map(|_| -> deferred::Result<Response> { panic!("after") })
    };
    for (app, status) in [
        (
            App::new().get("/", |_| "hello").wrap(before),
            "HTTP/1.1 500 ",
        ),
        (
            App::new().get("/", |_| "hello").wrap(after),
            "HTTP/1.1 500 ",
        ),
        // The page of the crate takes its place.
        (
            App::new().error_page(|_| -> &str { panic!("of a page") }),
            "HTTP/1.1 404 ",
        ),
    ] {
        let client = client(app);
        let peer = client.connect();
        for _ in 0..2 {
            peer.send(GET);
            let got = text(&peer);
            assert!(got.starts_with(status), "{got}");
        }
        peer.close();
        nothing_is_left(&client, "middleware");
    }
}

#[test]
fn a_panic_of_a_body_ends_its_connection_only() {
    let app = App::new()
        .get("/stream", |_| {
            let mut left = 3;
            Body::from_stream(stream::poll_fn(move |_| {
                left -= 1;
                assert!(left > 0, "of a stream");
                std::task::Poll::Ready(Some(Ok("piece")))
            }))
        })
        .get("/", |_| "hello");
    let client = client(app);
    let other = client.connect();
    let peer = client.connect();
    peer.send("GET /stream HTTP/1.1\r\nhost: x\r\n\r\n");
    let got = text(&peer);
    assert!(!got.ends_with("0\r\n\r\n"), "it is not whole: {got}");
    assert!(peer.is_closed());
    other.send(GET);
    assert_eq!(answer(&text(&other)).1, "hello");
    other.close();
    nothing_is_left(&client, "a stream");
}

#[test]
fn panics_of_drops_are_contained() {
    let dropped = Rc::new(Cell::new(0));
    let count = Rc::clone(&dropped);
    let app = App::new()
        .get("/body", |_| {
            let held = PanicsOnDrop;
            Body::from_stream(stream::poll_fn(move |_| {
                let _ = &held;
                std::task::Poll::<Option<deferred::Result<&str>>>::Pending
            }))
        })
        .get("/wait", move |req| {
            let count = Rc::clone(&count);
            sleep(req.reactor(), SECOND * 100).add_both(move |_| -> deferred::Result<()> {
                count.set(count.get() + 1);
                panic!("of a cancel")
            })
        })
        .get("/notified", |req| {
            req.notify_finish()
                .add_both(|_| -> deferred::Result<()> { panic!("of a notification") })
                .ignore();
            Deferred::<()>::pair().1
        })
        .get("/", |_| "hello");
    let client = client(app);
    for path in ["/body", "/wait", "/notified"] {
        let other = client.connect();
        let peer = client.connect();
        peer.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        peer.reset();
        client.reactor().settle();
        other.send(GET);
        assert_eq!(answer(&text(&other)).1, "hello", "{path}");
        other.close();
        nothing_is_left(&client, path);
    }
    assert_eq!(dropped.get(), 1);
}
