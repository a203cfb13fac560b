//! Idle connections, which give the memory of hyper back: nothing of them changes for a client.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::sleep;
use reactor::testing::{Peer, TestReactor};
use reactor_tls::TlsClient;
use reactor_web::testing::TestClient;
use reactor_web::{App, Client, Limits, Request, Site};
use tests::debug_number;

use crate::frames::beginning;
use crate::support::{EchoLines, GET, answer, client, serve_https, text};

const SECOND: Duration = Duration::from_secs(1);

/// The time after which an idle connection is parked, by the defaults of the limits.
const IDLE: Duration = Duration::from_secs(20);

fn app() -> App {
    App::new()
        .get("/", |_| "hello")
        .get("/{name}", |req| Ok(req.param("name")?.to_owned()))
        .post("/", |req| req.bytes())
}

/// Number of connections that have given the memory of hyper back.
fn parked(site: &Site) -> usize {
    debug_number(site, "parked")
}

/// A connection that has had an answer, and is parked.
#[track_caller]
fn parked_peer(client: &TestClient) -> Peer {
    let peer = client.connect();
    peer.send(GET);
    assert_eq!(answer(&text(&peer)).1, "hello");
    assert_eq!(parked(client.site()), 0);
    client.advance(IDLE);
    assert_eq!(parked(client.site()), 1);
    peer
}

#[test]
fn a_connection_is_parked_after_five_seconds() {
    let client = client(app());
    let peer = client.connect();
    // The limits are looked at after 15 s, so this request is seen to be over a second later.
    client.advance(SECOND * 14);
    peer.send(GET);
    client.advance(SECOND * 5 - Duration::from_millis(1));
    assert_eq!(parked(client.site()), 0);
    client.advance(Duration::from_millis(1));
    assert_eq!(parked(client.site()), 1);
    // One that is in use is not, however long it is.
    for _ in 0..100 {
        peer.send(GET);
        client.advance(SECOND * 4);
        assert_eq!(parked(client.site()), 0);
    }
}

#[test]
fn a_parked_connection_answers_in_one_piece_and_byte_by_byte() {
    let client = client(app());
    let peer = parked_peer(&client);
    for _ in 0..3 {
        text(&peer);
        peer.send(GET);
        assert_eq!(answer(&text(&peer)).1, "hello");
        client.advance(IDLE);
        assert_eq!(parked(client.site()), 1);
        for byte in GET.bytes() {
            assert_eq!(text(&peer), "");
            peer.send([byte]);
            assert_eq!(parked(client.site()), 0);
        }
        assert_eq!(answer(&text(&peer)).1, "hello");
        client.advance(IDLE);
        assert_eq!(parked(client.site()), 1);
    }
    assert_eq!(client.site().connections(), 1);
}

#[test]
fn a_parked_connection_answers_pipelined_requests() {
    let client = client(app());
    let peer = parked_peer(&client);
    let requests: String = (0..40)
        .map(|n| format!("GET /n{n} HTTP/1.1\r\nhost: x\r\n\r\n"))
        .collect();
    // Twice as many as hyper answers in one poll.
    peer.send(&requests);
    let got = text(&peer);
    let bodies: Vec<&str> = got
        .split("HTTP/1.1 200 OK\r\n")
        .skip(1)
        .map(|answer| answer.split_once("\r\n\r\n").expect("a whole head").1)
        .collect();
    let expected: Vec<String> = (0..40).map(|n| format!("n{n}")).collect();
    assert_eq!(bodies, expected);
}

#[test]
fn what_came_with_the_request_before_is_kept() {
    for (early, late) in [
        ("G", "ET / HTTP/1.1\r\nhost: x\r\n\r\n"),
        ("GET / HTTP/1.1\r\nhost: x\r\n\r", "\n"),
        // Some clients send it after a body.
        ("\r\n", GET),
    ] {
        for is_strict in [false, true] {
            let app = app().limits(Limits::default().with_strict(is_strict));
            let client = client(app);
            let peer = client.connect();
            peer.send(format!("{GET}{early}"));
            assert_eq!(answer(&text(&peer)).1, "hello");
            client.advance(IDLE);
            peer.send(late);
            let got = text(&peer);
            assert_eq!(answer(&got).1, "hello", "{early:?} {late:?}: {got}");
            peer.close();
        }
    }
}

#[test]
fn a_head_that_came_with_the_request_before_gets_a_408() {
    let client = client(app());
    let peer = client.connect();
    peer.send(format!("{GET}GET / HT"));
    assert_eq!(answer(&text(&peer)).1, "hello");
    client.advance(SECOND * 60);
    assert_eq!(answer(&text(&peer)).0, "HTTP/1.1 408 Request Timeout");
    assert!(peer.is_closed());

    // After an empty line, nothing has begun.
    let peer = client.connect();
    peer.send(format!("{GET}\r\n"));
    assert_eq!(answer(&text(&peer)).1, "hello");
    client.advance(IDLE);
    assert_eq!(parked(client.site()), 1);
    client.advance(SECOND * 40);
    assert_eq!(text(&peer), "");
    assert!(peer.is_closed());
}

#[test]
fn a_head_that_has_begun_is_not_parked() {
    let client = client(app());
    let peer = client.connect();
    peer.send(GET);
    client.advance(SECOND);
    peer.send("GET / HT");
    client.advance(SECOND * 50);
    assert_eq!(parked(client.site()), 0);
    text(&peer);
    peer.send("TP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(answer(&text(&peer)).1, "hello");
}

#[test]
fn a_client_that_goes_while_it_is_parked_ends_the_connection() {
    for half_close in [false, true] {
        let limits = Limits::default().with_half_close(half_close);
        let client = client(app().limits(limits));
        for go in [Peer::finish, Peer::close, Peer::reset] {
            let peer = parked_peer(&client);
            go(&peer);
            client.reactor().settle();
            assert!(peer.is_closed());
            assert_eq!(client.site().connections(), 0);
        }
        assert!(client.reactor().leftovers().delayed_calls.is_empty());
    }
}

#[test]
fn a_last_request_while_it_is_parked_is_answered() {
    let limits = Limits::default().with_half_close(true);
    let client = client(app().limits(limits));
    let peer = parked_peer(&client);
    peer.send(GET);
    peer.finish();
    assert_eq!(answer(&text(&peer)).1, "hello");
    assert!(peer.is_closed());
}

#[test]
fn the_idle_time_and_the_time_for_a_head_go_on() {
    let client = client(app());
    let peer = parked_peer(&client);
    client.advance(SECOND * 39);
    assert!(!peer.is_closed());
    client.advance(SECOND);
    assert!(peer.is_closed(), "a minute after its answer");
    assert_eq!(text(&peer), "");

    let peer = parked_peer(&client);
    client.advance(SECOND * 10);
    peer.send("GET / HTTP/1.1\r\n");
    client.advance(SECOND * 29);
    assert!(!peer.is_closed());
    client.advance(SECOND);
    assert_eq!(answer(&text(&peer)).0, "HTTP/1.1 408 Request Timeout");
    assert!(peer.is_closed());
}

#[test]
fn a_stop_closes_parked_connections() {
    let client = client(app());
    let (first, second) = (parked_peer(&client), client.connect());
    let finished = client.site().finish();
    assert!(first.is_closed() && second.is_closed());
    client.reactor().result_of(finished).expect("all are over");
}

#[test]
fn a_stop_with_a_grace_answers_a_request_on_a_parked_connection() {
    let limits = Limits::default().with_idle_grace(SECOND * 3);
    let client = client(app().limits(limits));
    let (used, unused) = (parked_peer(&client), client.connect());
    unused.send(GET);
    text(&unused);
    client.advance(IDLE);
    let finished = client.site().finish();
    client.advance(SECOND * 2);
    assert_eq!(parked(client.site()), 2);
    used.send(GET);
    let got = text(&used);
    assert!(got.contains("connection: close"), "{got}");
    assert!(used.is_closed());
    client.advance(SECOND);
    assert!(unused.is_closed());
    client.reactor().result_of(finished).expect("all are over");
}

/// The first byte comes while the connection is parked, the stop after it, and then the rest.
#[test]
fn a_head_that_begins_on_a_parked_connection_is_answered_by_a_stop() {
    let client = client(app());
    let peer = parked_peer(&client);
    peer.send("G");
    let finished = client.site().finish();
    assert!(!peer.is_closed());
    peer.send(&GET[1..]);
    let got = text(&peer);
    assert!(got.contains("connection: close"), "{got}");
    assert!(peer.is_closed());
    client.reactor().result_of(finished).expect("all are over");
}

#[test]
fn a_strict_site_stays_strict() {
    let client = client(app().limits(Limits::default().with_strict(true)));
    let peer = parked_peer(&client);
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(answer(&text(&peer)).1, "ok");
    client.advance(IDLE);
    assert_eq!(parked(client.site()), 1);
    peer.send("GET / HTTP/1.1\nhost: x\n\n");
    assert_eq!(answer(&text(&peer)).0, "HTTP/1.1 400 Bad Request");
    assert!(peer.is_closed());
}

#[test]
fn a_body_that_outlives_its_answer_is_still_received() {
    let read = Rc::new(RefCell::new(Vec::new()));
    let slot = Rc::clone(&read);
    let app = app().post("/later", move |req| {
        let (slot, mut body) = (Rc::clone(&slot), req.take_body());
        let reading = async move {
            *slot.borrow_mut() = body.collect(1000).await?.to_vec();
            Ok(())
        };
        req.reactor().spawn(reading).log_error().ignore();
        "hello"
    });
    let client = client(app);
    let peer = client.connect();
    peer.send("POST /later HTTP/1.1\r\nhost: x\r\ncontent-length: 34\r\n\r\n");
    assert_eq!(answer(&text(&peer)).1, "hello");
    client.advance(IDLE);
    assert_eq!(parked(client.site()), 0);
    // A body that looks like a request: it must not be answered.
    let body = "GET /stolen HTTP/1.1\r\nhost: other\r\n\r\n";
    peer.send(&body[..34]);
    assert_eq!(text(&peer), "");
    assert_eq!(*read.borrow(), body.as_bytes()[..34]);
    peer.send(GET);
    assert_eq!(answer(&text(&peer)).1, "hello");
    client.advance(IDLE);
    assert_eq!(parked(client.site()), 1);
}

#[test]
fn a_body_that_nothing_reads_ends_the_connection_as_before() {
    for expects in ["", "expect: 100-continue\r\n"] {
        let client = client(App::new().post("/", |_| "hello"));
        let peer = client.connect();
        peer.send(format!(
            "POST / HTTP/1.1\r\nhost: x\r\n{expects}content-length: 30\r\n\r\n"
        ));
        assert_eq!(answer(&text(&peer)).1, "hello");
        client.advance(IDLE);
        assert!(peer.is_closed());
        assert_eq!(client.site().connections(), 0);
    }
}

#[test]
fn an_upload_after_a_pause_is_asked_for() {
    let client = client(app());
    let peer = parked_peer(&client);
    peer.send("POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
    assert_eq!(text(&peer), "HTTP/1.1 100 Continue\r\n\r\n");
    // The request runs, so it is not idle.
    client.advance(IDLE);
    assert_eq!(parked(client.site()), 0);
    peer.send("ok");
    assert_eq!(answer(&text(&peer)).1, "ok");
}

#[test]
fn an_answer_that_is_not_taken_is_not_parked() {
    // Less than hyper hands over at once, and more.
    for length in [1_000, 3_000_000] {
        let app = App::new().get("/", move |_| "x".repeat(length));
        let client = client(app);
        let peer = client.connect();
        peer.set_reading(false);
        peer.send(GET);
        client.advance(SECOND * 30);
        // The system takes a small one.
        let is_sent = length == 1_000;
        assert_eq!(parked(client.site()), usize::from(is_sent));
        peer.set_reading(true);
        assert_eq!(answer(&text(&peer)).1.len(), length);
        client.advance(IDLE);
        assert_eq!(parked(client.site()), 1);
    }
}

#[test]
fn a_handler_that_takes_its_time_is_not_parked() {
    let app = App::new().get("/", async |req: Request| {
        sleep(req.reactor(), SECOND * 100).await?;
        Ok("hello")
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(GET);
    client.advance(SECOND * 99);
    assert_eq!(parked(client.site()), 0);
    client.advance(SECOND);
    assert_eq!(answer(&text(&peer)).1, "hello");
    client.advance(IDLE);
    assert_eq!(parked(client.site()), 1);
}

#[test]
fn an_upgraded_connection_is_not_parked_and_a_parked_one_can_be_upgraded() {
    let app = app().any("/echo", |req| {
        let upgrade = req.upgrade().add_callback(|io| io.switch_to(EchoLines));
        upgrade.log_error().ignore();
        let headers = [("connection", "upgrade"), ("upgrade", "echo")];
        (http::StatusCode::SWITCHING_PROTOCOLS, (headers, ()))
    });
    let client = client(app);
    let peer = parked_peer(&client);
    let upgrade = "GET /echo HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    peer.send(format!("{upgrade}one\r\n"));
    assert_eq!(answer(&text(&peer)).1, "one\r\n");
    client.advance(SECOND * 300);
    assert_eq!(parked(client.site()), 0);
    peer.send("two\r\n");
    assert_eq!(text(&peer), "two\r\n");
    peer.close();
}

#[test]
fn a_parked_connection_does_not_change_to_http2() {
    let mut answers = Vec::new();
    for pause in [Duration::ZERO, IDLE] {
        let client = client(app());
        let peer = client.connect();
        peer.send(GET);
        text(&peer);
        client.advance(pause);
        assert_eq!(parked(client.site()), usize::from(!pause.is_zero()));
        peer.send(beginning());
        assert!(peer.is_closed());
        answers.push(peer.received());
    }
    assert_eq!(answers[0], answers[1]);
    // And not the frame of settings with which HTTP/2 begins.
    assert!(answers[1].is_empty() || answers[1].starts_with(b"HTTP/1.1 4"));
}

#[test]
fn connections_of_the_client_are_parked_below_tls_too() {
    let reactor = TestReactor::new();
    let site = app().into_site().expect("a site");
    let roots = serve_https(&reactor, site.clone(), "127.0.0.1", &["http/1.1"]);
    let tls = TlsClient::builder().roots(roots).build().expect("roots");
    let asking = Client::builder().tls(tls).build(&reactor);
    for _ in 0..3 {
        let answer = reactor.result_of(asking.get("https://127.0.0.1/name"));
        let answer = answer.expect("an answer");
        let text = reactor.result_of(answer.text()).expect("a body");
        assert_eq!(text, "name");
        reactor.advance(IDLE);
        assert_eq!((site.connections(), parked(&site)), (1, 1));
    }
}

#[test]
fn http2_is_not_parked() {
    let reactor = TestReactor::new();
    let site = app().into_site().expect("a site");
    let port = reactor.listen_tcp(("127.0.0.1", 80), site.clone());
    let _port = port.expect("it is free");
    let asking = Client::builder().http2_prior_knowledge().build(&reactor);
    for _ in 0..3 {
        let answer = reactor.result_of(asking.get("http://127.0.0.1/name"));
        let answer = answer.expect("an answer");
        let text = reactor.result_of(answer.text()).expect("a body");
        assert_eq!(text, "name");
        reactor.advance(IDLE);
        assert_eq!((site.connections(), parked(&site)), (1, 0));
    }
}

#[test]
fn callbacks_of_the_end_of_a_request_run_before() {
    let finished = Rc::new(Cell::new(0));
    let count = Rc::clone(&finished);
    let app = App::new().get("/", move |req| {
        let count = Rc::clone(&count);
        let end = req.notify_finish().add_callback(move |()| {
            count.set(count.get() + 1);
            Ok(())
        });
        end.log_error().ignore();
        "hello"
    });
    let client = client(app);
    let peer = parked_peer(&client);
    assert_eq!(finished.get(), 1);
    peer.send(GET);
    assert_eq!(finished.get(), 2);
    peer.close();
    assert_eq!(finished.get(), 2);
}
