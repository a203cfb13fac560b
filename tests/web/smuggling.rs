//! Requests that two parsers may read in two ways, by raw bytes.

use http::StatusCode;
use reactor_web::{App, Limits};

use crate::support::{EchoLines, client};

/// Answers with the path and what was read of the body.
fn app() -> App {
    App::new().any("/{*path}", async |req: reactor_web::Request| {
        let path = req.path().to_owned();
        let body = req.take_body().collect(1000).await?;
        Ok(format!("<{path} {}>", body.escape_ascii()))
    })
}

/// What comes back: the status and the body of each answer, and whether the connection ends.
fn exchange(is_strict: bool, bytes: &[u8], read_size: usize) -> String {
    let client = client(app().limits(Limits::default().with_strict(is_strict)));
    client.reactor().set_largest_read(read_size);
    let peer = client.connect();
    let _ = peer.try_send(bytes);
    let got = String::from_utf8_lossy(&peer.received()).into_owned();
    let mut story = String::new();
    for answer in got.split("HTTP/1.1 ").skip(1) {
        story.push_str(&answer[..3]);
        if let (Some(start), Some(end)) = (answer.find('<'), answer.rfind('>'))
            && answer.starts_with("200")
        {
            story.push_str(&answer[start..=end]);
        }
        story.push(' ');
    }
    story.push_str(if peer.is_closed() { "closed" } else { "open" });
    story
}

const NEXT: &str = "GET /next HTTP/1.1\r\nhost: x\r\n\r\n";

/// Both requests are answered; the first has the body `ok`.
const BODY: &str = "200</a ok> 200</next > open";

/// Both requests are answered; the first has no body.
const EMPTY: &str = "200</a > 200</next > open";

/// The first request is refused, and the second one not read.
const REFUSED: &str = "400 closed";

/// A name, what is sent before [`NEXT`], and what comes back, by default and if it is strict.
const CORPUS: &[(&str, &str, &str, &str)] = &[
    (
        "plain",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nok",
        BODY,
        BODY,
    ),
    (
        "chunked",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        BODY,
        BODY,
    ),
    (
        "both, length first",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "200</a ok> closed",
        REFUSED,
    ),
    (
        "both, coding first",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "200</a ok> closed",
        REFUSED,
    ),
    (
        "two lengths that differ",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "two lengths that agree",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
        BODY,
        REFUSED,
    ),
    (
        "a list of lengths",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2, 2\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "a length with a plus",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: +2\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "a negative length",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: -2\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "a length with leading zeros",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 002\r\n\r\nok",
        BODY,
        REFUSED,
    ),
    (
        "a length in hex",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0x2\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "a length with a space in it",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2 0\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "an empty length",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length:\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "a length beyond 64 bits",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 18446744073709551618\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "a length of 2^64-1",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 18446744073709551615\r\n\r\nok",
        "431 closed",
        REFUSED,
    ),
    (
        "two codings",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        BODY,
        REFUSED,
    ),
    (
        "chunked is not the last",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "chunked, then another header says identity",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "gzip, chunked",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        BODY,
        REFUSED,
    ),
    (
        "an unknown coding",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a coding in quotes",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: \"chunked\"\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a vertical tab before the coding",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: \u{b}chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "an empty coding",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding:\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a coding in HTTP/1.0",
        "POST /a HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "both in HTTP/1.0",
        "POST /a HTTP/1.0\r\nhost: x\r\nconnection: keep-alive\r\ncontent-length: 12\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a folded coding",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding:\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a folded header",
        "POST /a HTTP/1.1\r\nhost: x\r\nx: y\r\n z\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a space before the colon",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length : 2\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "a tab before the colon",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding\t: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a space before the first header",
        "POST /a HTTP/1.1\r\n host: x\r\ncontent-length: 2\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "a header without a name",
        "POST /a HTTP/1.1\r\nhost: x\r\n: y\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a header without a colon",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length 2\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "a NUL in a value",
        "POST /a HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a CR in a value",
        "POST /a HTTP/1.1\r\nhost: x\r\nx: a\rb\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a bare LF after the request line",
        "POST /a HTTP/1.1\nhost: x\r\n\r\n",
        EMPTY,
        REFUSED,
    ),
    (
        "a bare LF after a header",
        "POST /a HTTP/1.1\r\nhost: x\ncontent-length: 2\r\n\r\nok",
        BODY,
        REFUSED,
    ),
    (
        "a bare LF at the end of the head",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\nok",
        BODY,
        REFUSED,
    ),
    (
        "only bare LF",
        "POST /a HTTP/1.1\nhost: x\ncontent-length: 2\n\nok",
        BODY,
        REFUSED,
    ),
    (
        "a bare CR at the end of a header",
        "POST /a HTTP/1.1\r\nhost: x\rcontent-length: 2\r\n\r\nok",
        REFUSED,
        REFUSED,
    ),
    (
        "a chunk extension",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0;c\r\n\r\n",
        BODY,
        BODY,
    ),
    (
        "a quoted chunk extension",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2;a=\"b\"\r\nok\r\n0\r\n\r\n",
        BODY,
        BODY,
    ),
    (
        "a bare LF in a chunk extension",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2;a\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a bare CR in a chunk extension",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2;a\rb\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a space before a chunk extension",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2 ;a\r\nok\r\n0\r\n\r\n",
        BODY,
        REFUSED,
    ),
    (
        "a space after a chunk size",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2 \r\nok\r\n0\r\n\r\n",
        BODY,
        REFUSED,
    ),
    (
        "a bare LF after a chunk size",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a bare LF after a chunk",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a bare LF at the end of the chunks",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\n",
        "200</a ok> open",
        REFUSED,
    ),
    (
        "a chunk size with a plus",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n+2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a chunk size with 0x",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a chunk size with leading zeros",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n002\r\nok\r\n0\r\n\r\n",
        BODY,
        REFUSED,
    ),
    (
        "a chunk size beyond 64 bits",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n10000000000000002\r\nok\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a chunk that is longer than its size",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a last chunk of several zeros",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n000\r\n\r\n",
        BODY,
        BODY,
    ),
    (
        "trailers",
        "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ncontent-length: 9\r\n\r\n",
        BODY,
        BODY,
    ),
    (
        "an absolute target with another host",
        "GET http://y/a HTTP/1.1\r\nhost: x\r\n\r\n",
        EMPTY,
        EMPTY,
    ),
    (
        "an absolute target without a host",
        "GET http://y/a HTTP/1.1\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "an absolute target with two hosts",
        "GET http://y/a HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a body of GET",
        "GET /a HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nok",
        BODY,
        BODY,
    ),
    (
        "two spaces in the request line",
        "GET  /a HTTP/1.1\r\nhost: x\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a tab in the request line",
        "GET\t/a HTTP/1.1\r\nhost: x\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a request line without a version",
        "GET /a\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "a version in small letters",
        "GET /a http/1.1\r\nhost: x\r\n\r\n",
        REFUSED,
        REFUSED,
    ),
    (
        "empty lines before",
        "\r\n\r\nGET /a HTTP/1.1\r\nhost: x\r\n\r\n",
        EMPTY,
        EMPTY,
    ),
    (
        "a fragment in the target",
        "GET /a#b HTTP/1.1\r\nhost: x\r\n\r\n",
        EMPTY,
        EMPTY,
    ),
    (
        "an underscore for a dash",
        "POST /a HTTP/1.1\r\nhost: x\r\ncontent_length: 2\r\n\r\n",
        EMPTY,
        EMPTY,
    ),
];

#[test]
fn each_is_read_in_one_way_or_refused() {
    for (name, bytes, by_default, strict) in CORPUS {
        let bytes = format!("{bytes}{NEXT}");
        for read_size in [1, 7, 65_536] {
            for (is_strict, wanted) in [(false, by_default), (true, strict)] {
                let got = exchange(is_strict, bytes.as_bytes(), read_size);
                assert_eq!(
                    got, *wanted,
                    "{name}, strict: {is_strict}, {read_size} at a time"
                );
            }
        }
    }
}

#[test]
fn requests_before_a_refused_one_are_answered() {
    let refused = CORPUS.iter().find(|row| row.0 == "both, length first");
    let (_, refused, ..) = refused.expect("it is there");
    for read_size in [1, 65_536] {
        let got = exchange(
            true,
            format!("{NEXT}{NEXT}{refused}{NEXT}").as_bytes(),
            read_size,
        );
        assert_eq!(got, "200</next > 200</next > 400 closed");
    }
}

#[test]
fn after_an_upgrade_nothing_is_refused() {
    let app = App::new().get("/", |req| {
        let upgrade = req.upgrade().add_callback(|io| io.switch_to(EchoLines));
        upgrade.log_error().ignore();
        let headers = [("connection", "upgrade"), ("upgrade", "echo")];
        (StatusCode::SWITCHING_PROTOCOLS, (headers, ()))
    });
    let client = client(app.limits(Limits::default().with_strict(true)));
    let peer = client.connect();
    peer.send("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert!(peer.received().starts_with(b"HTTP/1.1 101 "));
    peer.send("a\rb\r\n");
    assert_eq!(peer.received(), b"a\rb\r\n");
    peer.close();
}
