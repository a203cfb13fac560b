//! What is in a request.

use std::time::Duration;

use http::Method;
use reactor_web::{App, Body, HttpError, Limits, Request, multipart_error};
use serde::Deserialize;

use crate::support::{answer, client, text};

#[derive(Deserialize)]
struct Login {
    name: String,
    #[serde(default)]
    keep: bool,
}

#[test]
fn a_form_and_json_become_types() {
    let app = App::new()
        .post("/form", |req| {
            req.form()
                .add_callback(|Login { name, keep }| Ok(format!("{name} {keep}")))
        })
        .post("/json", async |req: Request| {
            let Login { name, keep } = req.json().await?;
            Ok(format!("{name} {keep}"))
        });
    let client = client(app);
    assert_eq!(
        client.post_form("/form", "name=A+b&keep=true").text(),
        "A b true"
    );
    assert_eq!(
        client.post_json("/json", r#"{"name":"Ann"}"#).text(),
        "Ann false"
    );
    let json = [("content-type", "application/problem+json; charset=utf-8")];
    let sent = client.send(Method::POST, "/json", &json, Body::from(r#"{"name":"B"}"#));
    assert_eq!(sent.text(), "B false");

    assert_eq!(client.post_form("/form", "keep=true").status(), 400);
    assert_eq!(client.post_json("/json", "{").status(), 400);
    assert_eq!(client.post("/form", "name=A").status(), 415, "no type");
    assert_eq!(client.post_form("/json", "{}").status(), 415);
}

#[test]
fn query_and_cookies_are_decoded() {
    let app = App::new()
        .get("/query", |req| {
            let pairs: Vec<(String, String)> = req.query()?;
            Ok(format!("{pairs:?}"))
        })
        .get("/cookie", |req| req.cookie("id").unwrap_or_default());
    let client = client(app);
    assert_eq!(
        client.get("/query?a=1&b=%C3%A4+x").text(),
        r#"[("a", "1"), ("b", "ä x")]"#
    );
    assert_eq!(client.get("/query").text(), "[]");
    let cookies = [("cookie", "other=1; id=a%20b; id2=3")];
    assert_eq!(client.get_with("/cookie", &cookies).text(), "a b");
    assert_eq!(client.get("/cookie").text(), "");
}

#[test]
fn a_body_that_is_too_long_is_a_413_before_it_is_sent() {
    let app = App::new()
        .post("/", |req| {
            req.bytes().add_callback(|body| Ok(body.len().to_string()))
        })
        .limits(Limits::default().with_body(10));
    let client = client(app);
    assert_eq!(client.post("/", "0123456789").text(), "10");
    assert_eq!(client.post("/", "0123456789a").status(), 413);

    // By its length, with no 100 (Continue).
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 11\r\n\r\n");
    assert_eq!(answer(&text(&peer)).0, "HTTP/1.1 413 Payload Too Large");

    // By what comes, where the length is not known.
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    peer.send("6\r\n012345\r\n");
    assert_eq!(text(&peer), "");
    peer.send("6\r\n012345\r\n");
    assert_eq!(answer(&text(&peer)).0, "HTTP/1.1 413 Payload Too Large");
}

#[test]
fn a_handler_may_lift_the_limit_and_read_bit_by_bit() {
    let app = App::new()
        .post("/", async |req: Request| {
            let mut body = req.take_body();
            body.set_limit(None);
            let (mut pieces, mut bytes) = (0, 0);
            while let Some(piece) = body.next().await.transpose()? {
                pieces += 1;
                bytes += piece.len();
            }
            Ok(format!(
                "{bytes} in {}",
                if pieces > 1 { "pieces" } else { "one" }
            ))
        })
        .limits(Limits::default().with_body(10));
    let client = client(app);
    assert_eq!(
        client.post("/", vec![b'x'; 3_000_000]).text(),
        "3000000 in pieces"
    );
}

#[test]
fn a_client_waits_while_a_handler_does_not_read() {
    let app = App::new().post("/", async |req: Request| {
        let mut body = req.take_body();
        body.set_limit(None);
        deferred::sleep(req.reactor(), Duration::from_secs(1)).await?;
        let mut bytes = 0;
        while let Some(piece) = body.next().await.transpose()? {
            bytes += piece.len();
        }
        Ok(bytes.to_string())
    });
    let client = client(app);
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n");
    let body = vec![b'x'; 10_000_000];
    let sent = peer.try_send(&body);
    assert!(sent < 1_000_000, "{sent} were taken that nothing has read");
    client.advance(Duration::from_secs(1));
    peer.send(&body[sent..]);
    assert_eq!(answer(&text(&peer)).1, "10000000");
    peer.close();
}

#[test]
fn the_parts_of_a_form_with_files_are_streams() {
    let app = App::new()
        .post("/", async |req: Request| {
            let mut parts = req.multipart()?;
            let mut seen = Vec::new();
            while let Some(mut part) = parts.next_field().await.map_err(multipart_error)? {
                let mut bytes = 0;
                while let Some(piece) = part.chunk().await.map_err(multipart_error)? {
                    bytes += piece.len();
                }
                let file = part.file_name().unwrap_or("-").to_owned();
                seen.push(format!("{}/{file}: {bytes}", part.name().unwrap_or("-")));
            }
            Ok(seen.join(", "))
        })
        .limits(Limits::default().with_body(1000));
    let client = client(app);
    let kind = [("content-type", "multipart/form-data; boundary=xx")];
    let form = |content: &str| {
        format!(
            "--xx\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\nhello\r\n\
             --xx\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n\
             {content}\r\n--xx--\r\n"
        )
    };
    let post = |body: String| client.send(Method::POST, "/", &kind, Body::from(body));
    assert_eq!(post(form("12345")).text(), "title/-: 5, file/a.txt: 5");
    assert_eq!(post(form(&"x".repeat(2000))).status(), 413);
    assert_eq!(post("--xx\r\nnonsense".to_owned()).status(), 400);
    assert_eq!(client.post("/", "x").status(), 415);
}

#[test]
fn a_body_that_breaks_off_is_the_fault_of_the_client() {
    let app = App::new().post("/", |req| req.text());
    let client = client(app);
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n");
    assert_eq!(answer(&text(&peer)).0, "HTTP/1.1 400 Bad Request");
}

#[test]
fn a_body_is_taken_once() {
    let app = App::new().post("/", async |req: Request| {
        let first = req.text().await?;
        Ok(format!("{first}, then {:?}", req.text().await?))
    });
    assert_eq!(client(app).post("/", "all").text(), "all, then \"\"");
}

#[test]
fn addresses_and_headers_are_there() {
    let app = App::new().get("/", |req| {
        let ip = req.peer().ip().ok_or_else(HttpError::forbidden)?;
        let agent = req.header("user-agent").unwrap_or("none");
        Ok(format!("{ip} {} {} {agent}", req.host(), req.is_secure()))
    });
    let answer = client(app).get_with("/", &[("user-agent", "test")]);
    assert_eq!(answer.text(), "127.0.0.1 127.0.0.1:80 false test");
}
