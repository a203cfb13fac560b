//! HTTP/2 by hyper's client, on the port that speaks HTTP/1.1, too.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, gather_results, sleep};
use http::{Method, Request, Version};
use hyper::client::conn::http2::{self, SendRequest};
use reactor::Connect;
use reactor_tls::TlsClient;
use reactor_web::testing::TestClient;
use reactor_web::{App, Body, IoProtocol, LoopExecutor};

use crate::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, beginning, frame, parse,
};
use crate::support::{client, serve_https};

fn app() -> App {
    App::new()
        .get("/", |req| {
            format!("{:?} {}", req.version(), req.is_secure())
        })
        .get("/slow/{n}", async |req: reactor_web::Request| {
            sleep(req.reactor(), Duration::from_secs(5)).await?;
            Ok(format!("slow {}", req.param("n")?))
        })
        .post("/echo", |req| req.take_body())
}

pub(crate) type Sender = SendRequest<Body>;

/// A protocol that speaks HTTP/2, and what sends its requests.
pub(crate) fn speaker() -> (IoProtocol, Deferred<Sender>) {
    let (trigger, sender) = Deferred::pair();
    let protocol = IoProtocol::new(|io| {
        let reactor = io.reactor().clone();
        let executor = LoopExecutor::new(&reactor);
        let body = async move {
            let (sender, connection) = http2::handshake(executor, io).await?;
            // `AlreadyCalled` is impossible: it is fired once.
            let _ = trigger.callback(sender);
            Ok(connection.await?)
        };
        reactor.spawn(body).ignore();
    });
    (protocol, sender)
}

fn connect(client: &TestClient) -> Sender {
    let (protocol, sender) = speaker();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    client.reactor().connect_tcp(address, protocol).ignore();
    client.reactor().result_of(sender).expect("a handshake")
}

fn ask(
    client: &TestClient,
    sender: &Sender,
    method: Method,
    path: &str,
    body: Body,
) -> Deferred<String> {
    let uri = format!("http://localhost{path}");
    let request = Request::builder().method(method).uri(uri).body(body);
    let mut sender = sender.clone();
    client.reactor().spawn(async move {
        let response = sender.send_request(request?).await?;
        assert_eq!(response.version(), Version::HTTP_2);
        let mut body = Body::wrap(response.into_body());
        Ok(String::from_utf8(body.collect(10_000_000).await?.into())?)
    })
}

/// Asks for `path`, and waits for the answer.
#[track_caller]
fn get(client: &TestClient, sender: &Sender, path: &str) -> String {
    let asked = ask(client, sender, Method::GET, path, Body::empty());
    client.reactor().result_of(asked).expect("an answer")
}

#[test]
fn both_versions_are_spoken_on_one_port() {
    let client = client(app());
    let sender = connect(&client);
    assert_eq!(get(&client, &sender, "/"), "HTTP/2.0 false");
    assert_eq!(client.get("/").text(), "HTTP/1.1 false");
}

#[test]
fn the_preface_may_come_byte_by_byte() {
    let client = client(app());
    client.reactor().set_largest_read(1);
    let sender = connect(&client);
    assert_eq!(get(&client, &sender, "/"), "HTTP/2.0 false");
    // `PUT` begins as the preface does.
    let put = client.send(Method::PUT, "/", &[], Body::empty());
    assert_eq!(put.status(), 405);
}

#[test]
fn streams_run_side_by_side_and_a_stop_finishes_them() {
    let client = client(app());
    let sender = connect(&client);
    let slow: Vec<_> = (0..16)
        .map(|n| {
            ask(
                &client,
                &sender,
                Method::GET,
                &format!("/slow/{n}"),
                Body::empty(),
            )
        })
        .collect();
    let all = gather_results(slow);
    client.reactor().settle();
    let finished = client.site().finish();
    client.advance(Duration::from_secs(5));
    let answers = client.reactor().result_of(all).expect("all are answered");
    let expected: Vec<_> = (0..16).map(|n| format!("slow {n}")).collect();
    assert_eq!(answers, expected);
    client
        .reactor()
        .result_of(finished)
        .expect("the connection is over");
}

/// RFC 9113, 6.8: the client learns which of its requests are answered, and closes.
#[test]
fn a_stop_says_goaway_and_then_closes() {
    let client = client(app());
    let peer = client.connect();
    peer.send(beginning());
    let fields = b"\x82\x86\x04\x07/slow/1\x01\x09localhost";
    peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, fields));
    client.reactor().settle();
    peer.received();
    let finished = client.site().finish();
    client.reactor().settle();
    let goaways = |frames: &[(u8, u8, Vec<u8>)]| -> Vec<Vec<u8>> {
        let goaways = frames.iter().filter(|(kind, ..)| *kind == GOAWAY);
        goaways.map(|(.., payload)| payload.clone()).collect()
    };
    let frames = parse(&peer.received());
    let first = goaways(&frames);
    assert!(!first.is_empty(), "{frames:?}");
    assert!(
        first.iter().all(|it| it[4..8] == [0; 4]),
        "an error: {first:?}"
    );
    assert!(!peer.is_closed(), "a request is under way");
    // A server that asks for an end in order sends a PING, and then names the last stream.
    for (kind, flags, payload) in &frames {
        if (*kind, *flags) == (PING, 0) {
            peer.send(frame(PING, ACK, 0, payload));
        }
    }
    client.advance(Duration::from_secs(5));
    let frames = parse(&peer.received());
    let is_answer = |(kind, _, payload): &(u8, u8, Vec<u8>)| *kind == DATA && payload == b"slow 1";
    assert!(frames.iter().any(is_answer), "{frames:?}");
    let all = [first, goaways(&frames)].concat();
    assert_eq!(
        all.last().expect("one")[..4],
        [0, 0, 0, 1],
        "the last stream"
    );
    assert!(peer.is_closed());
    client.reactor().result_of(finished).expect("an end");
}

#[test]
fn a_large_body_goes_both_ways() {
    let client = client(app());
    let sender = connect(&client);
    let body = "x".repeat(1_000_000);
    let echo = ask(
        &client,
        &sender,
        Method::POST,
        "/echo",
        Body::from(body.clone()),
    );
    assert!(client.reactor().result_of(echo).expect("an echo") == body);
}

#[test]
fn an_idle_connection_ends_without_a_word_of_http1() {
    let client = client(app());
    let sender = connect(&client);
    get(&client, &sender, "/");
    client.advance(Duration::from_secs(60));
    assert_eq!(client.site().connections(), 0);
    assert!(sender.is_closed());
}

#[test]
fn over_tls_both_versions_are_agreed_on_by_alpn() {
    let client = client(app());
    let site = client.site().clone();
    serve_https(client.reactor(), site, "localhost", &["h2", "http/1.1"]);
    let secure = TlsClient::builder()
        .dangerously_accept_any_certificate()
        .alpn(["h2"])
        .build()
        .expect("a client");
    let (protocol, sender) = speaker();
    let endpoint = secure.endpoint("localhost", "tcp:127.0.0.1:443");
    let endpoint = endpoint.expect("a name");
    endpoint.connect(client.reactor(), protocol).ignore();
    let sender = client.reactor().result_of(sender).expect("a handshake");
    assert_eq!(get(&client, &sender, "/"), "HTTP/2.0 true");
}

#[test]
fn a_client_that_goes_cancels_its_streams() {
    let ends: Rc<RefCell<Vec<bool>>> = Rc::default();
    let log = Rc::clone(&ends);
    let app = App::new().get("/", move |req| {
        let log = Rc::clone(&log);
        sleep(req.reactor(), Duration::from_secs(5))
            .add_both(move |slept| {
                log.borrow_mut().push(slept.is_ok());
                slept
            })
            .add_callback(|()| Ok("late"))
    });
    let client = client(app);
    let sender = connect(&client);
    let pending = ask(&client, &sender, Method::GET, "/", Body::empty());
    client.reactor().settle();
    pending.cancel();
    pending.ignore();
    drop(sender);
    client.advance(Duration::from_secs(1));
    assert_eq!(*ends.borrow(), [false], "it was cancelled");
}
