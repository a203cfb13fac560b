//! Redirects: which request follows, with what in it.

use http::{HeaderValue, Method, header};
use reactor::testing::TestReactor;
use reactor_web::client::{ClientError, ClientResponse};
use reactor_web::{App, Body, Client, Redirect};

use super::Pair;
use super::scripted::Script;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const URL: &str = "http://127.0.0.1/a";

/// An answer that redirects with `status` to `location`.
fn redirect(status: u16, location: &str) -> &'static str {
    let answer =
        format!("HTTP/1.1 {status} Go\r\nlocation: {location}\r\ncontent-length: 4\r\n\r\naway");
    Box::leak(answer.into_boxed_str())
}

#[test]
fn methods_and_bodies_change_as_the_rules_say() {
    for (status, method, expected, has_body) in [
        (301, Method::GET, "GET", false),
        (301, Method::POST, "GET", false),
        (301, Method::PUT, "PUT", true),
        (302, Method::POST, "GET", false),
        (302, Method::DELETE, "DELETE", true),
        (303, Method::POST, "GET", false),
        (303, Method::PUT, "GET", false),
        (303, Method::HEAD, "HEAD", false),
        (307, Method::POST, "POST", true),
        (308, Method::POST, "POST", true),
        (308, Method::PATCH, "PATCH", true),
    ] {
        let reactor = TestReactor::new();
        let no_body = "HTTP/1.1 303 Go\r\nlocation: /b\r\ncontent-length: 4\r\n\r\n";
        let first = match method {
            Method::HEAD => no_body,
            _ => redirect(status, "/b"),
        };
        let script = Script::serve(&reactor, &[first, OK]);
        let request = Client::new(&reactor).request(method.clone(), URL);
        let request = match method {
            Method::GET | Method::HEAD => request,
            _ => request.header("content-type", "text/x").body("the body"),
        };
        let response = reactor.result_of(request.send()).expect("an answer");
        assert_eq!(response.url(), "http://127.0.0.1/b");
        let sent = script.take();
        let (_, second) = sent.split_once(" /b HTTP/1.1\r\n").expect("two requests");
        assert!(
            sent.contains(&format!("{expected} /b ")),
            "{status} {method}: {sent}"
        );
        assert_eq!(second.contains("the body"), has_body, "{status} {method}");
        assert_eq!(second.contains("text/x"), has_body, "{status} {method}");
        assert!(has_body || !second.contains("content-length"), "{second}");
        assert_eq!(script.made(), 1, "the connection is used again");
    }
}

#[test]
fn a_stream_cannot_be_sent_again() {
    let reactor = TestReactor::new();
    Script::serve(&reactor, &[redirect(307, "/b"), OK]);
    let (writer, body) = Body::channel();
    let asked = Client::new(&reactor).post(URL, body);
    writer.write("once").ignore();
    drop(writer);
    let failure = reactor.result_of(asked).expect_err("it is spent");
    assert!(
        matches!(failure.check(), Some(ClientError::BodySpent { .. })),
        "{failure:?}"
    );
}

#[test]
fn credentials_stay_with_their_origin() {
    let reactor = TestReactor::new();
    let first = Script::serve(
        &reactor,
        &[redirect(302, "/b"), redirect(302, "http://127.0.0.2/c")],
    );
    let second = Script::serve_at(
        &reactor,
        "127.0.0.2:80",
        &[redirect(302, "http://127.0.0.1:81/d")],
    );
    let third = Script::serve_at(&reactor, "127.0.0.1:81", &[OK]);
    let asked = Client::new(&reactor)
        .request(Method::GET, "http://me:secret@127.0.0.1/a")
        .header("cookie", "a=b")
        .header("x-other", "kept")
        .send();
    reactor.result_of(asked).expect("an answer");
    let sent = first.take();
    assert_eq!(sent.matches("authorization: Basic").count(), 2, "{sent}");
    assert_eq!(sent.matches("cookie: a=b").count(), 2, "{sent}");
    for (script, host) in [(second, "127.0.0.2"), (third, "127.0.0.1:81")] {
        let sent = script.take();
        assert!(!sent.contains("authorization"), "{sent}");
        assert!(!sent.contains("cookie"), "{sent}");
        assert!(sent.contains("x-other: kept"), "{sent}");
        assert!(sent.contains(&format!("host: {host}\r\n")), "{sent}");
    }
}

#[test]
fn what_a_redirect_removes_is_sent_with_the_next_request() {
    let reactor = TestReactor::new();
    let first = Script::serve(&reactor, &[redirect(302, "http://127.0.0.2/b"), OK]);
    let second = Script::serve_at(&reactor, "127.0.0.2:80", &[OK]);
    let secret = HeaderValue::from_static("Bearer secret");
    let client = Client::builder()
        .default_header(header::AUTHORIZATION, secret)
        .build(&reactor);
    for _ in 0..2 {
        let asked = client.get("http://127.0.0.1/a");
        let page = asked.add_callback(ClientResponse::text);
        reactor.result_of(page).expect("an answer");
        let sent = first.take();
        assert!(sent.contains("authorization: Bearer secret\r\n"), "{sent}");
    }
    let sent = second.take();
    assert!(sent.contains("host: 127.0.0.2\r\n"), "{sent}");
    assert!(!sent.contains("authorization"), "{sent}");
}

#[test]
fn locations_are_read_beside_the_url() {
    for (location, expected) in [
        ("c", "/x/c"),
        ("/c", "/c"),
        ("?q", "/x/a?q"),
        ("//127.0.0.1/c", "/c"),
        ("http://127.0.0.1/c#d", "/c#d"),
        ("../c", "/c#frag"),
    ] {
        let reactor = TestReactor::new();
        Script::serve(&reactor, &[redirect(301, location), OK]);
        let asked = Client::new(&reactor).get("http://127.0.0.1/x/a#frag");
        let response = reactor.result_of(asked).expect("an answer");
        let url = response.url();
        let path = url.strip_prefix("http://127.0.0.1").expect("the same host");
        let with_fragment = match expected.contains('#') {
            true => expected.to_owned(),
            false => format!("{expected}#frag"),
        };
        assert_eq!(path, with_fragment, "{location}");
    }
}

#[test]
fn there_is_a_limit_and_a_way_to_follow_none() {
    let app = || App::new().get("/a", |_| Redirect::see_other("/a"));
    let pair = Pair::new(app());
    let failure = pair.result(pair.start("/a")).expect_err("a loop");
    let Some(ClientError::TooManyRedirects { limit: 10, .. }) = failure.check() else {
        panic!("another failure: {failure:?}");
    };
    let reactor = TestReactor::new();
    let client = Client::builder().redirects(0).build(&reactor);
    let pair = Pair::with(reactor, client, app());
    let response = pair.result(pair.start("/a")).expect("an answer");
    assert_eq!(response.status(), 303);
}

#[test]
fn a_redirect_that_leads_nowhere_says_so() {
    for location in ["http://", "mailto:me@example.org", "http://[::1"] {
        let reactor = TestReactor::new();
        Script::serve(&reactor, &[redirect(301, location)]);
        let failure = reactor
            .result_of(Client::new(&reactor).get(URL))
            .expect_err(location);
        assert!(failure.is::<ClientError>(), "{failure:?}");
    }
    // Without a place, it is an answer as any other.
    let reactor = TestReactor::new();
    Script::serve(&reactor, &["HTTP/1.1 302 Go\r\ncontent-length: 0\r\n\r\n"]);
    let response = reactor.result_of(Client::new(&reactor).get(URL));
    assert_eq!(response.expect("an answer").status(), 302);
}

#[test]
fn a_redirect_with_much_content_is_not_read_to_its_end() {
    let reactor = TestReactor::new();
    let long = "HTTP/1.1 302 Go\r\nlocation: /b\r\ncontent-length: 1000000\r\n\r\n";
    let script = Script::serve(&reactor, &[long, OK]);
    let page = Client::new(&reactor)
        .get(URL)
        .add_callback(ClientResponse::text);
    reactor.settle();
    let piece: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
    script.send(piece);
    assert_eq!(reactor.result_of(page).expect("an answer"), "ok");
    assert_eq!(script.made(), 2);
}
