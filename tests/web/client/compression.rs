//! Content that comes compressed.

use std::pin::pin;

use async_compression::futures::bufread::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use futures::executor::block_on;
use futures::io::{AsyncRead, AsyncReadExt};
use http::{Method, StatusCode};
use reactor::testing::TestReactor;
use reactor_web::client::{ClientError, ClientResponse};
use reactor_web::{App, Body, Client};

use super::Pair;

fn all(encoder: impl AsyncRead) -> Vec<u8> {
    let mut bytes = Vec::new();
    block_on(pin!(encoder).read_to_end(&mut bytes)).expect("memory");
    bytes
}

fn compressed(encoding: &str, text: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => all(GzipEncoder::new(text)),
        "br" => all(BrotliEncoder::new(text)),
        "zstd" => all(ZstdEncoder::new(text)),
        "deflate" => all(ZlibEncoder::new(text)),
        _ => text.to_vec(),
    }
}

/// Answers `/ENCODING` with a text that is compressed in that way.
fn app(text: &'static [u8]) -> App {
    App::new().get("/{encoding}", move |req| {
        let encoding = req.param("encoding")?.to_owned();
        let accepts = req.header("accept-encoding").unwrap_or_default().to_owned();
        let body = compressed(&encoding, text);
        Ok((
            [("content-encoding", encoding), ("x-accepts", accepts)],
            body,
        ))
    })
}

#[test]
fn each_kind_is_decompressed() {
    let text: &'static [u8] = Box::leak("hello ".repeat(10_000).into_bytes().into_boxed_slice());
    let pair = Pair::new(app(text));
    for encoding in ["gzip", "br", "zstd", "deflate", "unknown"] {
        let response = pair.result(pair.start(&format!("/{encoding}")));
        let response = response.expect("an answer");
        assert_eq!(
            response.header("x-accepts"),
            Some("gzip, br, zstd, deflate")
        );
        let is_known = encoding != "unknown";
        assert_eq!(response.header("content-encoding").is_none(), is_known);
        assert_eq!(response.header("content-length").is_none(), is_known);
        let bytes = pair.result(response.bytes()).expect("the content");
        assert!(bytes == text, "{encoding}: {} bytes", bytes.len());
    }
    assert_eq!(pair.client.idle_connections(), 1);
}

#[test]
fn a_request_that_says_what_it_accepts_gets_it_as_it_is() {
    let pair = Pair::new(app(b"hello"));
    for (name, value) in [("accept-encoding", "gzip"), ("range", "bytes=0-")] {
        let request = pair.client.request(Method::GET, "http://127.0.0.1/gzip");
        let bytes = request
            .header(name, value)
            .send()
            .add_callback(ClientResponse::bytes);
        assert_eq!(
            pair.result(bytes).expect("the content"),
            compressed("gzip", b"hello")
        );
    }
    let reactor = TestReactor::new();
    let client = Client::builder().decompress(false).build(&reactor);
    let pair = Pair::with(reactor, client, app(b"hello"));
    let response = pair.result(pair.start("/gzip")).expect("an answer");
    assert_eq!(response.header("x-accepts"), Some(""));
}

#[test]
fn a_bomb_is_stopped_by_the_limit() {
    let zeros: &'static [u8] = Box::leak(vec![0; 3_000_000].into_boxed_slice());
    let reactor = TestReactor::new();
    let client = Client::builder().body_limit(1_000_000).build(&reactor);
    let pair = Pair::with(reactor, client, app(zeros));
    for encoding in ["gzip", "zstd", "br"] {
        let bytes = pair
            .start(&format!("/{encoding}"))
            .add_callback(ClientResponse::bytes);
        let failure = pair.result(bytes).expect_err("it is too large");
        assert!(
            matches!(failure.check(), Some(ClientError::BodyTooLarge { .. })),
            "{failure:?}"
        );
    }
}

#[test]
fn broken_content_fails_and_none_is_none() {
    let app = App::new()
        .get("/cut", |_| {
            let mut bytes = compressed("gzip", b"hello hello hello");
            bytes.truncate(15);
            ([("content-encoding", "gzip")], bytes)
        })
        .get("/junk", |_| ([("content-encoding", "br")], vec![0xff; 100]))
        .get("/none", |_| {
            (
                StatusCode::NO_CONTENT,
                ([("content-encoding", "gzip")], Body::empty()),
            )
        });
    let pair = Pair::new(app);
    for path in ["/cut", "/junk"] {
        let text = pair.start(path).add_callback(ClientResponse::text);
        let failure = pair.result(text).expect_err(path);
        assert!(
            failure.to_string().contains("cannot be decompressed"),
            "{failure}"
        );
    }
    assert_eq!(pair.text("/none"), "");
}
