//! Content codings: answers that are compressed, requests that are decompressed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use deferred::Failure;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reactor::testing::Peer;
use reactor_web::testing::{TestAnswer, TestClient};
use reactor_web::{
    App, Body, Compression, Decompression, Event, EventFeed, Files, Html, HttpError, Request,
};

use crate::support::{Folder, client, text};

const CODINGS: [&str; 3] = ["br", "zstd", "gzip"];

fn prose(lines: usize) -> String {
    (0..lines)
        .map(|line| format!("this is line {line} of a text\n"))
        .collect()
}

/// A site that decodes what is posted.
fn decoder() -> TestClient {
    let limits = reactor_web::Limits::default().with_body(100_000_000);
    let app = App::new().post("/", |req| req.bytes()).limits(limits);
    client(app.wrap(Decompression::new()))
}

/// What a site has sent, decoded.
#[track_caller]
fn decoded(answer: &TestAnswer) -> Vec<u8> {
    let coding = answer.header("content-encoding").expect("it is encoded");
    let body = Body::from(answer.bytes().to_vec());
    let decoded = decoder().send(Method::POST, "/", &[("content-encoding", coding)], body);
    assert_eq!(
        decoded.status(),
        200,
        "{}",
        String::from_utf8_lossy(decoded.bytes())
    );
    decoded.bytes().to_vec()
}

/// `bytes` in a coding, also if that is longer.
fn encoded(coding: &str, bytes: Vec<u8>) -> Vec<u8> {
    let app = App::new().get("/", move |_| {
        let (writer, body) = Body::channel();
        writer.write(bytes.clone()).ignore();
        ([("content-type", "text/plain")], body)
    });
    let site = client(app.wrap(Compression::new()));
    let answer = site.get_with("/", &[("accept-encoding", coding)]);
    assert_eq!(answer.header("content-encoding"), Some(coding));
    answer.bytes().to_vec()
}

fn get(site: &TestClient, path: &str) -> TestAnswer {
    site.get_with(path, &[("accept-encoding", "gzip, deflate, br, zstd")])
}

#[test]
fn text_is_sent_in_the_coding_that_the_client_likes_best() {
    let site = client(
        App::new()
            .get("/short", |_| prose(100))
            .get("/long", |_| Html(prose(100_000)))
            .wrap(Compression::new()),
    );
    for (accepted, coding) in [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("br", "br"),
        ("gzip, zstd, br", "br"),
        ("gzip;q=1.0, zstd;q=0.9", "gzip"),
        ("*;q=0.1", "br"),
        ("GZIP", "gzip"),
    ] {
        for (path, lines) in [("/short", 100), ("/long", 100_000)] {
            let answer = site.get_with(path, &[("accept-encoding", accepted)]);
            assert_eq!(
                answer.header("content-encoding"),
                Some(coding),
                "{accepted}"
            );
            assert_eq!(answer.header("vary"), Some("accept-encoding"));
            assert!(answer.bytes().len() * 3 < prose(lines).len(), "{coding}");
            // Only of a short one, which is encoded before it is sent.
            let length = answer.bytes().len().to_string();
            let known = (lines == 100).then_some(length.as_str());
            assert_eq!(answer.header("content-length"), known);
            assert!(
                decoded(&answer) == prose(lines).into_bytes(),
                "{coding} {path}"
            );
        }
    }
    for accepted in [
        "",
        "deflate",
        "identity",
        "br;q=0",
        "*;q=0",
        "br;q=0.5, identity",
    ] {
        let answer = site.get_with("/short", &[("accept-encoding", accepted)]);
        assert_eq!(answer.header("content-encoding"), None, "{accepted}");
        assert_eq!(answer.header("vary"), Some("accept-encoding"));
        assert_eq!(answer.text(), prose(100));
    }
}

#[test]
fn what_would_not_become_shorter_or_must_not_be_changed_is_left_alone() {
    let with = |name: &'static str, value: &'static str| {
        move |_: Request| ([("content-type", "text/plain"), (name, value)], prose(100))
    };
    let site = client(
        App::new()
            .get("/short", |_| "x".repeat(1023))
            .get("/png", |_| ([("content-type", "image/png")], prose(100)))
            .get("/untyped", |_| Body::from(prose(100)))
            .get("/encoded", with("content-encoding", "gzip"))
            .get(
                "/no-transform",
                with("cache-control", "private, No-Transform"),
            )
            .get("/range", |_| (StatusCode::PARTIAL_CONTENT, prose(100)))
            .get("/nothing", |_| {})
            .wrap(Compression::new()),
    );
    for path in [
        "/short",
        "/png",
        "/untyped",
        "/encoded",
        "/no-transform",
        "/range",
        "/nothing",
    ] {
        let answer = get(&site, path);
        let coding = answer.header("content-encoding");
        assert_eq!(coding, (path == "/encoded").then_some("gzip"), "{path}");
        assert_eq!(answer.header("vary"), None, "{path}");
    }
    // What looks like text, but is noise: it becomes longer.
    let mut state = 1_u64;
    let mut noise = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    let noise: Vec<u8> = (0..5000).map(|_| noise()).collect();
    let sent = noise.clone();
    let site = client(
        App::new()
            .get("/", move |_| {
                ([("content-type", "text/plain")], sent.clone())
            })
            .wrap(Compression::new()),
    );
    let answer = get(&site, "/");
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.bytes(), noise);
    assert_eq!(answer.header("content-length"), Some("5000"));
}

#[test]
fn errors_and_json_are_compressed_and_the_size_can_be_set() {
    let site = client(
        App::new()
            .get("/json", |_| {
                (
                    [("content-type", "application/problem+json; a=b")],
                    prose(9),
                )
            })
            .get("/error", |_| {
                let error = HttpError::not_found().with_message(prose(9));
                Err::<(), _>(error.into())
            })
            .get("/vary", |_| {
                ([("vary", "cookie, Accept-Encoding")], prose(9))
            })
            .get("/other", |_| ([("vary", "cookie")], prose(9)))
            .wrap(Compression::new().min_size(10)),
    );
    for (path, status) in [
        ("/json", 200),
        ("/error", 404),
        ("/vary", 200),
        ("/other", 200),
    ] {
        let answer = get(&site, path);
        assert_eq!(answer.status(), status);
        assert_eq!(answer.header("content-encoding"), Some("br"), "{path}");
        let vary = answer.headers().get_all("vary").iter();
        let vary: Vec<_> = vary.map(|value| value.to_str().expect("text")).collect();
        let expected: &[_] = match path {
            "/vary" => &["cookie, Accept-Encoding"],
            "/other" => &["cookie", "accept-encoding"],
            _ => &["accept-encoding"],
        };
        assert_eq!(vary, expected, "{path}");
    }
}

#[test]
fn files_have_weak_tags_then_and_no_ranges() {
    let folder = Folder::new("compressed");
    folder.write("long.txt", prose(50_000));
    folder.write("short.txt", prose(100));
    let files = Files::new(folder.path());
    let site = client(App::new().mount("/", files).wrap(Compression::new()));
    for (path, lines) in [("/long.txt", 50_000), ("/short.txt", 100)] {
        let answer = get(&site, path);
        assert!(decoded(&answer) == prose(lines).into_bytes());
        assert_eq!(answer.header("accept-ranges"), None);
        let tag = answer.header("etag").expect("it has one");
        assert!(tag.starts_with("W/\""), "{tag}");
        let headers = [("accept-encoding", "br"), ("if-none-match", tag)];
        let unchanged = site.get_with(path, &headers);
        assert_eq!(unchanged.status(), 304);
        assert_eq!(unchanged.header("vary"), Some("accept-encoding"));
        // A range is one of the plain bytes, and so is its tag.
        let headers = [("accept-encoding", "br"), ("range", "bytes=5-9")];
        let part = site.get_with(path, &headers);
        assert_eq!((part.status().as_u16(), part.text()), (206, "is li"));
        assert!(part.header("etag").expect("it has one").starts_with('"'));
    }
}

#[test]
fn a_head_is_that_of_the_compressed_answer() {
    let folder = Folder::new("compressed-head");
    folder.write("file.txt", prose(1000));
    let app = App::new()
        .get("/page", |_| prose(1000))
        .mount("/", Files::new(folder.path()));
    let site = client(app.wrap(Compression::new()));
    for path in ["/page", "/file.txt"] {
        let peer = site.connect();
        peer.send(format!(
            "HEAD {path} HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n"
        ));
        let got = text(&peer);
        assert!(got.contains("content-encoding: gzip\r\n"), "{got}");
        assert!(got.contains("vary: accept-encoding\r\n"), "{got}");
        assert!(!got.contains("content-length"), "{got}");
        assert!(got.ends_with("\r\n\r\n"), "{got}");
    }
}

/// The bytes of the chunks that `peer` has received.
fn chunks(peer: &Peer) -> Vec<u8> {
    let got = peer.received();
    let head = got.windows(4).position(|four| four == b"\r\n\r\n");
    let mut rest = match head {
        Some(end) if got.starts_with(b"HTTP") => &got[end + 4..],
        _ => &got[..],
    };
    let mut bytes = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        bytes.extend_from_slice(&rest[end + 2..][..size]);
        rest = &rest[end + 2 + size + 2..];
    }
    bytes
}

#[test]
fn each_event_can_be_read_at_once() {
    for coding in CODINGS {
        let feed = EventFeed::new();
        let events = feed.clone();
        let site = client(
            App::new()
                .get("/", move |req| events.subscribe(&req))
                .wrap(Compression::new()),
        );
        let reader = site.connect();
        reader.send(format!(
            "GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: {coding}\r\n\r\n"
        ));
        // Decodes what it gets, as far as it can.
        let echo = client(
            App::new()
                .post("/", |req| req.take_body())
                .wrap(Decompression::new()),
        );
        let decoder = echo.connect();
        decoder.send(format!(
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-encoding: {coding}\r\n\
             transfer-encoding: chunked\r\n\r\n"
        ));
        for number in 0..20 {
            feed.send(&Event::data(format!("number {number}")));
            let bytes = chunks(&reader);
            assert!(!bytes.is_empty(), "{coding}");
            decoder.send(format!("{:x}\r\n", bytes.len()));
            decoder.send(&bytes);
            decoder.send("\r\n");
            let event = chunks(&decoder);
            let event = String::from_utf8(event).expect("text");
            assert_eq!(event, format!("data: number {number}\n\n"), "{coding}");
        }
        // A comment that keeps the stream alive.
        site.advance(Duration::from_secs(15));
        assert!(!chunks(&reader).is_empty(), "{coding}");
    }
}

#[test]
fn trailers_stay_and_a_failure_is_no_end() {
    let stream = |fails: bool| {
        move |_: Request| {
            let (writer, body) = Body::channel();
            writer.write(prose(100)).ignore();
            if fails {
                writer.abort(Failure::msg("the disk is on fire"));
            } else {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-sum", HeaderValue::from_static("42"));
                writer.write_trailers(trailers).ignore();
            }
            ([("content-type", "text/plain"), ("trailer", "x-sum")], body)
        }
    };
    let site = client(
        App::new()
            .get("/", stream(false))
            .get("/fails", stream(true))
            .wrap(Compression::new()),
    );
    let peer = site.connect();
    peer.send("GET / HTTP/1.1\r\nhost: x\r\nte: trailers\r\naccept-encoding: br\r\n\r\n");
    assert!(peer.received().ends_with(b"\r\n0\r\nx-sum: 42\r\n\r\n"));
    let peer = site.connect();
    peer.send("GET /fails HTTP/1.1\r\nhost: x\r\naccept-encoding: br\r\n\r\n");
    assert!(!peer.received().ends_with(b"\r\n0\r\n\r\n"));
    assert!(peer.is_closed());
}

#[test]
fn a_client_that_does_not_read_stops_the_encoding() {
    let written = Rc::new(Cell::new(0));
    let count = Rc::clone(&written);
    let site = client(
        App::new()
            .get("/", move |req| {
                let (writer, body) = Body::channel();
                let count = Rc::clone(&count);
                let writing = async move {
                    for number in 0..1000 {
                        writer.write(prose(2000 + number)).await?;
                        count.set(number + 1);
                    }
                    Ok(())
                };
                // It ends when the client goes.
                req.reactor().spawn(writing).ignore();
                ([("content-type", "text/plain")], body)
            })
            .wrap(Compression::new()),
    );
    let peer = site.connect();
    peer.set_reading(false);
    peer.send("GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n");
    site.reactor().settle();
    assert!(written.get() < 100, "{} were written", written.get());
    peer.reset();
    assert_eq!(site.site().connections(), 0);
}

#[test]
fn requests_are_decoded() {
    let app = App::new()
        .post("/", async |req: Request| {
            assert!(req.header("content-encoding").is_none());
            req.text().await
        })
        .post("/json", async |req: Request| {
            Ok(req.json::<Vec<u8>>().await?.len().to_string())
        });
    let site = client(app.wrap(Decompression::new()));
    let post = |coding: &str, body: Vec<u8>| {
        site.send(
            Method::POST,
            "/",
            &[("content-encoding", coding)],
            Body::from(body),
        )
    };
    for coding in CODINGS {
        let sent = encoded(coding, prose(1000).into_bytes());
        assert_eq!(post(coding, sent.clone()).text(), prose(1000), "{coding}");
        assert_eq!(post(&coding.to_uppercase(), sent.clone()).status(), 200);
        // Cut off anywhere, and with something else behind it.
        for length in [1, 5, sent.len() / 2, sent.len() - 1] {
            assert_eq!(
                post(coding, sent[..length].to_vec()).status(),
                400,
                "{coding} {length}"
            );
        }
        let garbage = [&sent[..], b"garbage"].concat();
        assert_eq!(post(coding, garbage).status(), 400, "{coding}");
        assert_eq!(
            post(coding, b"no such coding".to_vec()).status(),
            400,
            "{coding}"
        );
        assert_eq!(post(coding, Vec::new()).text(), "", "{coding}");
        let json = encoded(coding, b"[1, 2, 3]".to_vec());
        let headers = [
            ("content-encoding", coding),
            ("content-type", "application/json"),
        ];
        assert_eq!(
            site.send(Method::POST, "/json", &headers, Body::from(json))
                .text(),
            "3"
        );
    }
    // Members one after the other.
    for coding in ["gzip", "zstd"] {
        let sent = [
            encoded(coding, b"one".to_vec()),
            encoded(coding, b"two".to_vec()),
        ];
        assert_eq!(post(coding, sent.concat()).text(), "onetwo", "{coding}");
    }
    assert_eq!(post("identity", b"plain".to_vec()).text(), "plain");
    assert_eq!(site.post("/", "plain").text(), "plain");
    for coding in ["deflate", "gzip, br", "compress", ""] {
        let answer = post(coding, b"x".to_vec());
        assert_eq!(answer.status(), 415, "{coding}");
        assert_eq!(answer.header("accept-encoding"), Some("br, zstd, gzip"));
    }
    let twice = [("content-encoding", "gzip"), ("content-encoding", "br")];
    assert_eq!(
        site.send(Method::POST, "/", &twice, Body::from("x"))
            .status(),
        415
    );
}

#[test]
fn what_comes_out_of_a_request_is_bounded() {
    let seen = Rc::new(Cell::new(0));
    let count = Rc::clone(&seen);
    let app = App::new()
        .post("/whole", |req| req.bytes())
        .post("/stream", move |req| {
            let (mut body, count) = (req.take_body(), Rc::clone(&count));
            async move {
                while let Some(bytes) = body.next().await {
                    count.set(count.get() + bytes?.len());
                }
                Ok(())
            }
        });
    let site = client(app.wrap(Decompression::new().limit(1_000_000)));
    for coding in CODINGS {
        let bomb = encoded(coding, vec![0; 50_000_000]);
        assert!(bomb.len() < 100_000, "{coding}: {}", bomb.len());
        for path in ["/whole", "/stream"] {
            seen.set(0);
            let body = Body::from(bomb.clone());
            let answer = site.send(Method::POST, path, &[("content-encoding", coding)], body);
            assert_eq!(answer.status(), 413, "{coding} {path}");
            assert!(seen.get() <= 1_000_000, "{coding}: {}", seen.get());
        }
    }
    // Without a limit of its own: that of the app.
    let app = App::new()
        .post("/", |req| req.bytes())
        .wrap(Decompression::new());
    let bomb = encoded("gzip", vec![0; 3_000_000]);
    let headers = [("content-encoding", "gzip")];
    let answer = client(app).send(Method::POST, "/", &headers, Body::from(bomb));
    assert_eq!(answer.status(), 413);
}
