//! The access log: what a line holds, and what it does not.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use deferred::sleep;
use http::{Method, StatusCode};
use reactor_web::middleware::{AccessLog, RequestId};
use reactor_web::{App, Body, Next, Request};

use crate::support::{client, text};

type Lines = Rc<RefCell<Vec<String>>>;

fn into(lines: &Lines, log: AccessLog) -> AccessLog {
    let lines = Rc::clone(lines);
    log.sink(move |line| lines.borrow_mut().push(line.to_owned()))
}

fn app() -> App {
    App::new()
        .get("/hello", |_| "hello")
        .get("/nothing", |_| ())
        .get("/slow", async |req: Request| {
            sleep(req.reactor(), Duration::from_secs(90)).await?;
            Ok("at last")
        })
        .get("/broken", |_| {
            Err::<(), _>(deferred::Failure::msg("a secret"))
        })
        .get("/stream", |req| {
            let (writer, body) = Body::channel();
            let writing = async move {
                writer.write("one").await?;
                writer.write("two").await
            };
            req.reactor().spawn(writing).log_error().ignore();
            body
        })
}

#[test]
fn a_line_says_when_who_what_and_how_much() {
    let lines = Lines::default();
    let client = client(app().wrap(into(&lines, AccessLog::common())));
    client.advance(Duration::from_secs(86_400 * 59 + 3_600 * 13 + 60 * 5 + 9));
    client.get("/hello?a=b");
    client.send(Method::HEAD, "/hello", &[], Body::empty());
    client.get("/nothing");
    client.get("/nowhere");
    client.get("/broken");
    client.get("/stream");
    let date = "127.0.0.1 - - [01/Mar/1970:13:05:09 +0000]";
    let not_found = client.get("/nowhere").bytes().len();
    let broken = client.get("/broken").bytes().len();
    assert_eq!(
        lines.borrow()[..6],
        [
            format!("{date} \"GET /hello?a=b HTTP/1.1\" 200 5"),
            format!("{date} \"HEAD /hello HTTP/1.1\" 200 -"),
            format!("{date} \"GET /nothing HTTP/1.1\" 204 -"),
            format!("{date} \"GET /nowhere HTTP/1.1\" 404 {not_found}"),
            format!("{date} \"GET /broken HTTP/1.1\" 500 {broken}"),
            format!("{date} \"GET /stream HTTP/1.1\" 200 6"),
        ]
    );
}

#[test]
fn combined_has_referer_and_user_agent() {
    let lines = Lines::default();
    let client = client(app().wrap(into(&lines, AccessLog::combined())));
    client.get_with(
        "/hello",
        &[("referer", "http://a/"), ("user-agent", "x/1 (y)")],
    );
    client.get("/hello");
    let line = &lines.borrow()[0];
    assert!(line.ends_with(" 200 5 \"http://a/\" \"x/1 (y)\""), "{line}");
    let line = &lines.borrow()[1];
    assert!(line.ends_with(" 200 5 \"-\" \"-\""), "{line}");
}

#[test]
fn a_line_cannot_be_forged() {
    let lines = Lines::default();
    let user = |mut req: Request, next: Next| {
        req.set_user("ann\n\" 200 1 \u{e9}");
        next.run(req)
    };
    let client = client(app().wrap(user).wrap(into(&lines, AccessLog::combined())));
    let peer = client.connect();
    peer.send(
        b"GET /hello?%22 HTTP/1.1\r\nhost: x\r\nreferer: \" \\ \xe9\t\r\nuser-agent: a\" 200 1 \"b\r\n\r\n"
            .as_slice(),
    );
    assert!(
        text(&peer).starts_with("HTTP/1.1 200 OK"),
        "{}",
        text(&peer)
    );
    let line = &lines.borrow()[0];
    assert_eq!(
        line,
        "127.0.0.1 - ann\\x0a\\\"\\x20200\\x201\\x20\\xc3\\xa9 [01/Jan/1970:00:00:00 +0000] \
         \"GET /hello?%22 HTTP/1.1\" 200 5 \"\\\" \\\\ \\xe9\" \"a\\\" 200 1 \\\"b\""
    );
}

#[test]
fn json_has_all_of_it() {
    let lines = Lines::default();
    let app = app()
        .wrap(RequestId::new())
        .wrap(into(&lines, AccessLog::json()));
    let client = client(app);
    let slow = client.start(
        http::Request::get("/slow?a=%22")
            .header("x-request-id", "id-7")
            .header("user-agent", "x\"y")
            .body(Body::empty())
            .unwrap(),
    );
    client.advance(Duration::from_secs(90));
    assert_eq!(slow.answer().text(), "at last");
    let line: serde_json::Value = serde_json::from_str(&lines.borrow()[0]).unwrap();
    assert_eq!(
        line,
        serde_json::json!({
            "time": "1970-01-01T00:00:00.000Z", "client": "127.0.0.1", "user": null,
            "method": "GET", "target": "/slow?a=%22", "version": "HTTP/1.1", "host": "localhost",
            "status": 200, "bytes": 7, "complete": true, "duration_ms": 90_000.0,
            "route": "/slow", "id": "id-7", "referer": null, "user_agent": "x\"y",
        })
    );
}

#[test]
fn the_host_is_that_of_the_target_where_it_has_one() {
    let lines = Lines::default();
    let client = client(app().wrap(into(&lines, AccessLog::json())));
    let peer = client.connect();
    peer.send("GET http://shop.example:80/hello HTTP/1.1\r\nhost: x\r\n\r\n");
    let line: serde_json::Value = serde_json::from_str(&lines.borrow()[0]).unwrap();
    assert_eq!(line["host"], "shop.example:80");
}

#[test]
fn a_client_that_goes_is_a_499_and_a_stream_that_breaks_off_counts_what_was_sent() {
    let lines = Lines::default();
    let app = app().get("/endless", |_| {
        let (writer, body) = Body::channel();
        writer.write("12345").ignore();
        std::mem::forget(writer);
        body
    });
    let client = client(app.wrap(into(&lines, AccessLog::json())));
    drop(client.start_get("/slow"));
    drop(client.start_get("/endless"));
    let fields = |line: &String| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        (
            line["status"].clone(),
            line["bytes"].clone(),
            line["complete"].clone(),
        )
    };
    let lines: Vec<_> = lines.borrow().iter().map(fields).collect();
    assert_eq!(lines[0], (499.into(), 0.into(), false.into()));
    assert_eq!(lines[1], (200.into(), 5.into(), false.into()));
}

#[test]
fn it_goes_to_a_writer_line_by_line_and_an_error_there_is_no_error_here() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let answer = client(app().wrap(AccessLog::common().writer(Broken))).get("/hello");
    assert_eq!(answer.status(), StatusCode::OK);

    #[derive(Clone, Default)]
    struct Shared(Rc<RefCell<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.borrow_mut().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let written = Shared::default();
    let client = client(app().wrap(AccessLog::common().writer(written.clone())));
    client.get("/hello");
    client.get("/nothing");
    let written = String::from_utf8(written.0.take()).unwrap();
    assert_eq!(written.lines().count(), 2);
    assert!(
        written.ends_with("\"GET /nothing HTTP/1.1\" 204 -\n"),
        "{written}"
    );
}

#[test]
fn pipelined_requests_have_a_line_each_in_order() {
    let lines = Lines::default();
    let client = client(app().wrap(into(&lines, AccessLog::common())));
    let peer = client.connect();
    peer.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\nGET /nothing HTTP/1.1\r\nhost: x\r\n\r\n");
    let lines = lines.borrow();
    assert_eq!(lines.len(), 2);
    assert!(
        lines[0].contains("/hello") && lines[1].contains("/nothing"),
        "{lines:?}"
    );
}
