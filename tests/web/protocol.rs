//! HTTP/1 by raw bytes: what is refused, and how.

use std::time::{SystemTime, UNIX_EPOCH};

use reactor_web::App;

use crate::support::{answer, client, text};

fn app() -> App {
    App::new()
        .any("/{*path}", |req| req.bytes())
        .any("/", |_| "index")
}

#[test]
fn there_is_exactly_one_host() {
    let client = client(app());
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: user@a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a:b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: [::1]:8x\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a:80\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nhost:\r\n\r\n", 200),
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n", 400),
    ] {
        let peer = client.connect();
        peer.send(request);
        let got = text(&peer);
        assert!(got.contains(&format!(" {status} ")), "{request}: {got}");
        // What follows cannot be trusted.
        assert_eq!(
            peer.is_closed(),
            status == 400 || request.contains("1.0"),
            "{request}"
        );
    }
}

/// RFC 9110, 6.6.1: a server with a clock sends it with each answer.
#[test]
fn each_answer_has_its_date() {
    let client = client(app());
    let second = |time: SystemTime| time.duration_since(UNIX_EPOCH).expect("a time").as_secs();
    for path in ["/", "/%ff", "/more"] {
        // hyper writes a date once in a second, so it may be a second old.
        let from = second(SystemTime::now()) - 1;
        let answer = client.get(path);
        let date = answer.header("date").expect("a date");
        let date = second(httpdate::parse_http_date(date).expect("a date of HTTP"));
        assert!((from..=second(SystemTime::now())).contains(&date), "{date}");
    }
}

#[test]
fn a_head_that_is_none_is_a_400_even_with_more_behind_it() {
    let client = client(app());
    for bad in [
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\n folded: y\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
    ] {
        let peer = client.connect();
        peer.send(format!("{bad}GET / HTTP/1.1\r\nhost: x\r\n\r\n"));
        let got = text(&peer);
        assert!(got.starts_with("HTTP/1.1 400 "), "{bad:?}: {got}");
        assert_eq!(got.matches("HTTP/1.1").count(), 1, "{bad:?}: {got}");
        assert!(peer.is_closed());
    }
}

#[test]
fn heads_and_headers_are_bounded() {
    let client = client(app());
    let peer = client.connect();
    let sent = peer.try_send(format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000)).as_bytes());
    assert!(sent > 60_000);
    let got = text(&peer);
    assert!(
        got.starts_with("HTTP/1.1 431 ") || got.starts_with("HTTP/1.1 414 "),
        "{got}"
    );

    let peer = client.connect();
    let headers: String = (0..101).map(|n| format!("x-{n}: y\r\n")).collect();
    peer.send(format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n"));
    assert_eq!(
        answer(&text(&peer)).0,
        "HTTP/1.1 431 Request Header Fields Too Large"
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let client = client(app());
    let peer = client.connect();
    let requests: String = (0..16)
        .map(|n| {
            let body = n.to_string();
            let length = body.len();
            format!("POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
        })
        .collect();
    peer.send(requests);
    let got = text(&peer);
    let bodies: Vec<_> = got
        .split("HTTP/1.1 200 OK")
        .skip(1)
        .map(|one| answer(one).1)
        .collect();
    let expected: Vec<_> = (0..16).map(|n| n.to_string()).collect();
    assert_eq!(bodies, expected);
    peer.close();
}

#[test]
fn a_client_is_told_to_continue_when_its_body_is_wanted() {
    let app = App::new()
        .post("/read", |req| req.bytes())
        .post("/not", |_| "not read");
    let client = client(app);
    let head = "HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    let peer = client.connect();
    peer.send(format!("POST /read {head}"));
    assert_eq!(text(&peer), "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send("ok");
    assert_eq!(answer(&text(&peer)), ("HTTP/1.1 200 OK", "ok"));

    let peer = client.connect();
    peer.send(format!("POST /not {head}"));
    assert_eq!(answer(&text(&peer)).1, "not read");
}

#[test]
fn with_both_lengths_the_connection_ends_after_the_answer() {
    let client = client(app());
    let peer = client.connect();
    peer.send(
        "POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nok\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
    );
    let got = text(&peer);
    assert_eq!(
        answer(&got).1,
        "ok",
        "and no answer to what is smuggled: {got}"
    );
    assert!(peer.is_closed());
}

#[test]
fn connections_are_kept_as_the_version_has_it() {
    let client = client(app());
    for (request, is_kept) in [
        ("GET / HTTP/1.1\r\nhost: x\r\n\r\n", true),
        (
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            false,
        ),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", true),
    ] {
        let peer = client.connect();
        peer.send(request);
        assert_eq!(answer(&text(&peer)).1, "index", "{request}");
        assert_eq!(!peer.is_closed(), is_kept, "{request}");
    }
}
