//! Requests and answers.

use http::{Method, StatusCode, header};
use reactor::testing::TestReactor;
use reactor_web::client::{ClientError, ClientResponse};
use reactor_web::{App, Body, Client, Json};

use super::scripted::Script;
use super::{Pair, secs};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn a_page_comes_as_text_bytes_and_json() {
    let pair = Pair::new(App::new().get("/", |_| Json([1, 2, 3])));
    assert_eq!(pair.text("/"), "[1,2,3]");
    let bytes = pair.start("/").add_callback(ClientResponse::bytes);
    assert_eq!(pair.result(bytes).expect("an answer"), "[1,2,3]");
    let json = pair
        .start("/")
        .add_callback(ClientResponse::json::<Vec<u8>>);
    assert_eq!(pair.result(json).expect("an answer"), [1, 2, 3]);
    let text = pair.start("/").add_callback(ClientResponse::json::<String>);
    assert!(pair.result(text).is_err());
}

#[test]
fn what_is_sent_first_is_what_was_asked_for() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[OK]);
    let client = Client::new(&reactor);
    let text = client
        .get("http://127.0.0.1/a%20b?c=d#e")
        .add_callback(ClientResponse::text);
    assert_eq!(reactor.result_of(text).expect("an answer"), "ok");
    let request = script.take();
    let (first, headers) = request.split_once("\r\n").expect("a line");
    assert_eq!(first, "GET /a%20b?c=d HTTP/1.1");
    assert!(headers.contains("host: 127.0.0.1\r\n"), "{headers}");
    assert!(headers.contains("accept: */*\r\n"), "{headers}");
    assert!(headers.contains("user-agent: reactor-web/"), "{headers}");
}

#[test]
fn a_port_is_part_of_the_host() {
    let reactor = TestReactor::new();
    let script = Script::serve_at(&reactor, "[::1]:8080", &[OK]);
    let client = Client::new(&reactor);
    reactor
        .result_of(client.get("http://[::1]:8080"))
        .expect("an answer");
    assert!(script.take().contains("host: [::1]:8080\r\n"));
}

#[test]
fn servers_that_are_asked_by_turns_get_their_own_host_and_path() {
    let reactor = TestReactor::new();
    let addresses = ["127.0.0.1:80", "127.0.0.2:80", "127.0.0.1:81"];
    let scripts = addresses.map(|address| Script::serve_at(&reactor, address, &[OK; 3]));
    let client = Client::new(&reactor);
    for path in ["/a?b=c", "/", "/d/e"] {
        for (script, address) in scripts.iter().zip(addresses) {
            let page = client
                .get(format!("http://{address}{path}"))
                .add_callback(ClientResponse::text);
            assert_eq!(reactor.result_of(page).expect("an answer"), "ok");
            let host = address.strip_suffix(":80").unwrap_or(address);
            let sent = script.take();
            assert!(
                sent.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
                "{sent}"
            );
            assert!(sent.contains(&format!("host: {host}\r\n")), "{sent}");
            assert_eq!(sent.matches("host:").count(), 1, "{sent}");
        }
    }
    assert!(scripts.iter().all(|script| script.made() == 1));
}

#[test]
fn forms_json_and_text_are_posted_with_their_types() {
    let app = App::new().post("/", async |req: reactor_web::Request| {
        let kind = req.header(header::CONTENT_TYPE).unwrap_or("-").to_owned();
        let text = req.text().await?;
        Ok(format!("{kind} {text}"))
    });
    let pair = Pair::new(app);
    let url = "http://127.0.0.1/";
    let text = |response: reactor_web::client::ClientRequest| {
        let answer = response.send().add_callback(ClientResponse::text);
        pair.result(answer).expect("an answer")
    };
    let post = || pair.client.request(Method::POST, url);
    assert_eq!(
        text(post().form(&[("a", "b c")])),
        "application/x-www-form-urlencoded a=b+c"
    );
    assert_eq!(text(post().json(&[1, 2])), "application/json [1,2]");
    assert_eq!(
        text(post().header("content-type", "x/y").json(&"z")),
        "x/y \"z\""
    );
    let plain = pair
        .client
        .post(url, "plain")
        .add_callback(ClientResponse::text);
    assert_eq!(pair.result(plain).expect("an answer"), "- plain");
}

#[test]
fn credentials_come_from_the_url_or_the_request() {
    let app = App::new().get("/", |req| {
        req.header(header::AUTHORIZATION).unwrap_or("-").to_owned()
    });
    let pair = Pair::new(app);
    let text = |request: reactor_web::client::ClientRequest| {
        let answer = request.send().add_callback(ClientResponse::text);
        pair.result(answer).expect("an answer")
    };
    let get = |url| pair.client.request(Method::GET, url);
    // `Aladdin:open sesame` of RFC 7617.
    let expected = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    assert_eq!(
        text(get("http://Aladdin:open%20sesame@127.0.0.1/")),
        expected
    );
    let request = get("http://127.0.0.1/").basic_auth("Aladdin", "open sesame");
    assert_eq!(text(request), expected);
    let request = get("http://other:one@127.0.0.1/").bearer_auth("abc");
    assert_eq!(text(request), "Bearer abc");
}

#[test]
fn an_error_is_an_answer_until_it_is_made_one() {
    let pair = Pair::new(App::new());
    let response = pair.result(pair.start("/none")).expect("an answer");
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.url(), "http://127.0.0.1/none");
    let failure = response.error_for_status().expect_err("it is one");
    let Some(ClientError::Status { status, .. }) = failure.check() else {
        panic!("another failure: {failure:?}");
    };
    assert_eq!(*status, 404);
}

#[test]
fn what_cannot_be_asked_for_says_why() {
    let reactor = TestReactor::new();
    let client = Client::new(&reactor);
    for (url, reason) in [
        ("", "relative URL without a base"),
        ("/path", "relative URL without a base"),
        ("ftp://x/", "only http and https"),
        ("http://", "empty host"),
        ("http://x:0/", "port 0"),
        ("http://a b/", "invalid international domain name"),
    ] {
        let failure = reactor.result_of(client.get(url)).expect_err(url);
        assert!(failure.is::<ClientError>(), "{url}: {failure:?}");
        assert!(failure.to_string().contains(reason), "{url}: {failure}");
    }
    let bad = client
        .request(Method::GET, "http://x/")
        .header("a", "b\r\nc")
        .send();
    assert!(reactor.result_of(bad).is_err());
}

#[test]
fn a_failure_names_the_request_without_its_password() {
    let reactor = TestReactor::new();
    let failure = reactor
        .result_of(Client::new(&reactor).get("http://me:secret@127.0.0.1/x"))
        .expect_err("nothing listens there");
    let story = format!("{failure:?}");
    assert!(story.contains("GET http://127.0.0.1/x"), "{story}");
    assert!(!story.contains("secret"), "{story}");
}

#[test]
fn content_beyond_the_limit_fails_and_is_not_kept() {
    let reactor = TestReactor::new();
    let client = Client::builder().body_limit(1000).build(&reactor);
    let app = App::new()
        .get("/known", |_| vec![b'x'; 1001])
        .get("/fits", |_| "x".repeat(1000))
        .get("/chunked", |_| {
            let (writer, body) = Body::channel();
            for _ in 0..11 {
                writer.write(vec![b'x'; 100]).ignore();
            }
            body
        });
    let pair = Pair::with(reactor, client, app);
    assert_eq!(pair.text("/fits").len(), 1000);
    for path in ["/known", "/chunked"] {
        let text = pair.start(path).add_callback(ClientResponse::text);
        let failure = pair.result(text).expect_err(path);
        assert!(
            matches!(
                failure.check(),
                Some(ClientError::BodyTooLarge { limit: 1000, .. })
            ),
            "{path}: {failure:?}"
        );
    }
}

#[test]
fn a_body_streams_both_ways() {
    let pair = Pair::new(App::new().post("/", |req| req.take_body()));
    let (writer, body) = Body::channel();
    let asked = pair.client.post("http://127.0.0.1/", body);
    writer.write("one").ignore();
    let mut echo = pair.result(asked).expect("an answer").into_body();
    let next = |echo: Body| {
        let mut echo = echo;
        let piece = pair.reactor.spawn(async move {
            let piece = echo.next().await.transpose()?;
            Ok((echo, piece))
        });
        pair.result(piece).expect("a piece")
    };
    let piece;
    (echo, piece) = next(echo);
    assert_eq!(piece.expect("there is one"), "one");
    writer.write("two").ignore();
    let (echo, piece) = next(echo);
    assert_eq!(piece.expect("there is one"), "two");
    drop(writer);
    assert!(next(echo).1.is_none());
    assert_eq!(pair.client.idle_connections(), 1);
}

#[test]
fn a_server_that_takes_nothing_stops_the_source() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[]);
    let (writer, body) = Body::channel();
    let asked = Client::new(&reactor).post("http://127.0.0.1/", body);
    reactor.settle();
    let connection = script.connections.borrow()[0].clone();
    connection.pause_reading().expect("it is open");
    let written = std::rc::Rc::new(std::cell::Cell::new(0));
    let count = std::rc::Rc::clone(&written);
    let writing = reactor.spawn(async move {
        for _ in 0..1000 {
            writer.write(vec![b'x'; 10_000]).await?;
            count.set(count.get() + 10_000);
        }
        Ok(())
    });
    reactor.settle();
    assert!(written.get() < 500_000, "{} were written", written.get());
    connection.resume_reading().expect("it is open");
    reactor.result_of(writing).expect("all is written");
    assert_eq!(written.get(), 10_000_000);
    asked.cancel();
    asked.ignore();
    reactor.advance(secs(1));
}

#[test]
fn text_is_in_the_encoding_that_its_type_names() {
    let app = App::new().get("/{charset}", |req| {
        let kind = format!("text/plain; x=y; Charset=\"{}\"", req.param("charset")?);
        Ok(([("content-type", kind)], vec![b'a', 0xe9]))
    });
    let pair = Pair::new(app);
    assert_eq!(pair.text("/iso-8859-1"), "aé");
    assert_eq!(pair.text("/koi8-r"), "aИ");
    assert_eq!(pair.text("/utf-8"), "a\u{fffd}");
    assert_eq!(pair.text("/unknown"), "a\u{fffd}");
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_text() {
    let app = App::new()
        .get("/{charset}", |req| {
            let charset = req.param("charset")?;
            let bytes = match charset {
                "utf-16le" => vec![0xFF, 0xFE, b'a', 0],
                _ => "\u{feff}a\u{feff}b".into(),
            };
            Ok((
                [("content-type", format!("text/plain; charset={charset}"))],
                bytes,
            ))
        })
        .get("/", |_| "\u{feff}")
        .get("/wrong/utf-8", |_| b"\xEF\xBB\xBFa\xFF".to_vec());
    let pair = Pair::new(app);
    assert_eq!(pair.text("/utf-8"), "a\u{feff}b", "the first one alone");
    assert_eq!(pair.text("/unknown"), "a\u{feff}b");
    assert_eq!(pair.text("/utf-16le"), "a");
    assert_eq!(pair.text("/"), "");
    assert_eq!(pair.text("/wrong/utf-8"), "a\u{fffd}");
}

#[test]
fn an_answer_before_the_end_of_the_request_ends_the_connection() {
    let reactor = TestReactor::new();
    let refuses = "HTTP/1.1 413 No\r\ncontent-length: 2\r\n\r\nno";
    let script = Script::serve(&reactor, &[refuses, OK]);
    let client = Client::new(&reactor);
    let (writer, body) = Body::channel();
    let asked = client
        .post("http://127.0.0.1/", body)
        .add_callback(ClientResponse::text);
    writer.write("a part").ignore();
    assert_eq!(reactor.result_of(asked).expect("an answer"), "no");
    let next = client
        .get("http://127.0.0.1/")
        .add_callback(ClientResponse::text);
    assert_eq!(reactor.result_of(next).expect("an answer"), "ok");
    assert_eq!(script.made(), 2);
    drop(writer);
}

#[test]
fn an_answer_that_is_whole_has_no_time() {
    let reactor = TestReactor::new();
    Script::serve(&reactor, &["HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]);
    let client = Client::builder().timeout(secs(10)).build(&reactor);
    let response = reactor
        .result_of(client.get("http://127.0.0.1/"))
        .expect("an answer");
    reactor.advance(secs(20));
    assert_eq!(reactor.result_of(response.text()).expect("no content"), "");
}
