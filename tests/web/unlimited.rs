//! `Duration::MAX` and `usize::MAX` where a program sets a bound: there is none then.
//!
//! The clock has moved before each test, so that a sum with its time would overflow.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http::{Method, StatusCode};
use reactor::testing::TestReactor;
use reactor_web::client::ClientResponse;
use reactor_web::middleware::{BasicAuth, RateLimit};
use reactor_web::reverse::ReverseProxy;
use reactor_web::sessions::Sessions;
use reactor_web::testing::TestClient;
use reactor_web::ws::{WebSocketClient, WebSocketOptions, on_message};
use reactor_web::{App, Client, Limits, Request, serve};

use crate::support::{client, text};

const MAX: Duration = Duration::MAX;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const URL: &str = "http://127.0.0.1/";

/// A client of `app`, a day after the beginning of time.
#[track_caller]
fn a_day_later(app: App) -> TestClient {
    let client = client(app);
    client.advance(DAY);
    client
}

#[test]
fn the_times_of_a_client() {
    let reactor = TestReactor::new();
    reactor.advance(DAY);
    let app = App::new().get("/", |_| "hello");
    reactor
        .result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", app))
        .expect("a port");
    let client = Client::builder()
        .connect_timeout(MAX)
        .head_timeout(MAX)
        .read_timeout(MAX)
        .timeout(MAX)
        .idle_timeout(MAX)
        .build(&reactor);
    for _ in 0..2 {
        let request = client.request(Method::GET, URL).timeout(MAX).send();
        let page = request.add_callback(ClientResponse::text);
        assert_eq!(reactor.result_of(page).expect("an answer"), "hello");
    }
    reactor.advance(Duration::from_secs(50));
    assert_eq!(client.idle_connections(), 1);
    client.close_idle();
}

#[test]
fn the_time_of_an_upstream_that_is_ejected() {
    let reactor = TestReactor::new();
    reactor.advance(DAY);
    let app = App::new().get("/", |_| "second");
    reactor
        .result_of(serve(&reactor, "tcp:8002:interface=127.0.0.1", app))
        .expect("a port");
    // Nothing listens on port 8001.
    let proxy = ReverseProxy::builder()
        .upstream("http://127.0.0.1:8001")
        .upstream("http://127.0.0.1:8002")
        .eject_after(1, MAX)
        .build(&reactor)
        .expect("URLs");
    let front = App::new().mount("/", proxy.clone());
    reactor
        .result_of(serve(&reactor, "tcp:80:interface=127.0.0.1", front))
        .expect("a port");
    let client = Client::new(&reactor);
    for _ in 0..3 {
        let page = client.get(URL).add_callback(ClientResponse::text);
        assert_eq!(reactor.result_of(page).expect("an answer"), "second");
    }
    reactor.advance(DAY);
    let is_available: Vec<bool> = proxy
        .upstreams()
        .iter()
        .map(|upstream| upstream.is_available)
        .collect();
    assert_eq!(is_available, [false, true]);
}

#[test]
fn the_period_of_a_rate_limit() {
    let limited = App::new()
        .get("/", |_| "hello")
        .wrap(RateLimit::new(3, MAX));
    let client = a_day_later(limited);
    for _ in 0..3 {
        assert_eq!(client.get("/").status(), 200);
    }
    for _ in 0..3 {
        assert_eq!(client.get("/").status(), 429);
        client.advance(DAY);
    }
}

#[test]
fn the_period_of_failed_logins() {
    let auth = BasicAuth::new("vault", |login| Ok(login.matches("ann", "secret")));
    let client = a_day_later(
        App::new()
            .get("/", |_| "hello")
            .wrap(auth.failure_limit(2, MAX)),
    );
    let wrong = [("authorization", "Basic Ym9iOmd1ZXNz")];
    let statuses: Vec<u16> = (0..4)
        .map(|_| {
            let status = client.get_with("/", &wrong).status();
            client.advance(DAY);
            status.as_u16()
        })
        .collect();
    assert_eq!(statuses, [401, 401, 429, 429]);
}

#[test]
fn the_times_of_a_session() {
    let sessions = Sessions::in_memory().idle_time(MAX).absolute_time(MAX);
    let app = App::new()
        .post("/", |req| req.session()?.insert("value", 7))
        .get("/", |req| {
            let value: Option<u32> = req.session()?.get("value")?;
            Ok(format!("{value:?}"))
        })
        .wrap(sessions);
    let client = a_day_later(app);
    let answer = client.post("/", "");
    assert!(answer.status().is_success(), "{}", answer.status());
    let cookie = answer.header("set-cookie").expect("a session").to_owned();
    let pair = cookie.split(';').next().expect("it has one").to_owned();
    client.advance(DAY * 1000);
    let page = client.get_with("/", &[("cookie", &pair)]);
    assert_eq!(page.text(), "Some(7)");
}

#[test]
fn the_length_of_a_compressed_message() {
    let options = WebSocketOptions::default()
        .with_max_message(usize::MAX)
        .with_max_frame(usize::MAX)
        .with_deflate(true);
    let each = options.clone();
    let client = a_day_later(App::new().get("/", move |req| {
        let echo = on_message(|ws, message| Ok(ws.send(message)?));
        req.websocket_with(&each, echo)
    }));
    let asking = WebSocketClient::new("ws://x/")
        .expect("a URL")
        .with_options(options);
    let socket = client.try_websocket(&asking).expect("it opens");
    assert!(socket.handle().is_deflating());
    for length in [300, 5000, 2_000_000] {
        let text: String = ('a'..='z').cycle().take(length).collect();
        socket.send_text(&text);
        assert!(socket.texts() == [text], "{length}");
    }
}

#[test]
fn the_number_of_headers() {
    let count = Rc::new(Cell::new(0));
    let seen = Rc::clone(&count);
    let app = App::new().get("/", move |req: Request| {
        seen.set(req.headers().len());
        "hello"
    });
    let limits = Limits::default()
        .with_headers(usize::MAX)
        .with_head(usize::MAX)
        .with_body(u64::MAX)
        .with_head_timeout(MAX)
        .with_body_timeout(MAX)
        .with_write_timeout(MAX)
        .with_shutdown_timeout(MAX)
        .with_idle_grace(MAX);
    let client = a_day_later(app.limits(limits));
    for (headers, status) in [
        (1000, StatusCode::OK),
        (30_000, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
    ] {
        let peer = client.connect();
        let lines: String = (1..headers).map(|n| format!("x-{n}: a\r\n")).collect();
        peer.send(format!("GET / HTTP/1.1\r\nhost: x\r\n{lines}\r\n"));
        let answer = text(&peer);
        let expected = format!("HTTP/1.1 {}", status.as_u16());
        assert!(answer.starts_with(&expected), "{headers}: {answer}");
        assert_eq!(count.get(), 1000);
        peer.close();
    }
}
