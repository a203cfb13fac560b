//! What each program does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use deferred::DeferredQueue;
use reactor::Reactor;
use reactor_web::ws::{WebSocket, WebSocketProtocol, connect_websocket};

use crate::{Library, Server, each, folder};

/// Long enough for whatever is waited for on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a request of HTTP/1.0, whose answer has no chunks; gives all of the answer.
fn ask(address: &str, head: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("a server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let length = body.len();
    let request =
        format!("{head}host: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).expect("it fits");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an end");
    String::from_utf8(answer).expect("text")
}

fn get(server: &Server, path: &str) -> String {
    ask(&server.address, &format!("GET {path} HTTP/1.0\r\n"), "")
}

fn post(server: &Server, path: &str, kind: &str, body: &str) -> String {
    let head = format!("POST {path} HTTP/1.0\r\ncontent-type: {kind}\r\n");
    ask(&server.address, &head, body)
}

/// The status of an answer.
fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).expect("a status line")
}

#[track_caller]
fn is_fine(answer: &str, end: &str) {
    assert_eq!(status(answer), "200", "{answer}");
    assert!(answer.ends_with(end), "{answer}");
}

#[test]
fn hello() {
    each("hello", &[], |_, server| {
        is_fine(&get(server, "/"), "\r\n\r\nhello\n");
    });
}

#[test]
fn parameter() {
    each("parameter", &[], |_, server| {
        is_fine(&get(server, "/hello/w%C3%B6rld"), "hello, wörld\n");
    });
}

#[test]
fn json() {
    each("json", &[], |library, server| {
        let send = |body| post(server, "/orders", "application/json", body);
        let receipt = send(r#"{"item":"lämp","count":2}"#);
        let receipt = receipt.replace(": ", ":").replace(", ", ",");
        is_fine(&receipt, r#"{"item":"lämp","total":60}"#);
        let refused = send(r#"{"item":"lamp"}"#);
        assert!(status(&refused).starts_with('4'), "{library:?}: {refused}");
    });
}

#[test]
fn form() {
    each("form", &[], |library, server| {
        is_fine(
            &get(server, "/"),
            "<form method=post><input name=name></form>",
        );
        let kind = "application/x-www-form-urlencoded";
        is_fine(&post(server, "/", kind, "name=%3Cb"), "hello, &lt;b");
        let refused = post(server, "/", kind, "");
        assert!(status(&refused).starts_with('4'), "{library:?}: {refused}");
    });
}

#[test]
fn stream() {
    each("stream", &[], |library, server| {
        let numbers = get(server, "/numbers");
        assert!(numbers.ends_with("\n99999\n100000\n"), "{library:?}");
        let upper = post(server, "/upper", "text/plain", &"a".repeat(100_000));
        assert!(upper.ends_with(&"A".repeat(100_000)), "{library:?}");
    });
}

#[test]
fn later() {
    for library in Library::ALL {
        let Some(server) = Server::start(library, "later", &[]) else {
            continue;
        };
        is_fine(&get(&server, "/tea/0"), "your tea\n");
        let mut client = TcpStream::connect(&server.address).expect("a server listens");
        let request = "GET /tea/3600 HTTP/1.0\r\nhost: x\r\n\r\n";
        client.write_all(request.as_bytes()).expect("it fits");
        // A request on another connection is answered after this one has come.
        is_fine(&get(&server, "/tea/0"), "your tea\n");
        client.shutdown(Shutdown::Both).expect("it is open");
        drop(client);
        is_fine(&get(&server, "/tea/0"), "your tea\n");
        let text = server.end();
        assert!(
            text.contains("the tea is not needed"),
            "{library:?}: {text}"
        );
    }
}

#[test]
fn files() {
    let folder = folder();
    let path = folder.to_str().expect("text");
    each("files", &[("FOLDER", path)], |library, server| {
        is_fine(&get(server, "/file.txt"), "0123456789");
        let head = "GET /file.txt HTTP/1.0\r\nrange: bytes=2-4\r\n";
        let part = ask(&server.address, head, "");
        assert_eq!(status(&part), "206", "{library:?}: {part}");
        assert!(part.ends_with("\r\n\r\n234"), "{library:?}: {part}");
    });
}

/// Puts what it gets into a queue.
struct Guest(DeferredQueue<String>);

impl WebSocketProtocol for Guest {
    fn on_text(&mut self, _: &WebSocket, text: &str) -> deferred::Result<()> {
        Ok(self.0.put(text.to_owned())?)
    }
}

#[test]
fn chat() {
    for library in [Library::ReactorWeb, Library::Axum] {
        let server = Server::start(library, "chat", &[]).expect("it is there");
        let reactor = Reactor::new().expect("a reactor");
        let guests = [(); 2].map(|()| {
            let queue = DeferredQueue::new();
            let url = format!("ws://{}/chat", server.address);
            let opening = connect_websocket(&reactor, &url, Guest(queue.clone()));
            (reactor.block_on(opening).expect("it opens"), queue)
        });
        guests[0].0.send_text("hello").expect("it is open");
        for (_, queue) in &guests {
            let next = queue
                .get()
                .expect("no limit")
                .add_timeout(PATIENCE, &*reactor);
            assert_eq!(
                reactor.block_on(next).expect("a text"),
                "hello",
                "{library:?}"
            );
        }
        server.end();
    }
}

#[test]
fn proxy() {
    let upstream = Server::start(Library::ReactorWeb, "parameter", &[]).expect("it is there");
    let url = format!("http://{}", upstream.address);
    each("proxy", &[("UPSTREAM", &url)], |_, server| {
        is_fine(&get(server, "/hello/you"), "hello, you\n");
    });
}

#[test]
fn fetch() {
    let upstream = Server::start(Library::ReactorWeb, "hello", &[]).expect("it is there");
    let url = format!("http://{}/", upstream.address);
    for library in Library::ALL {
        let Some(mut command) = library.command("fetch") else {
            continue;
        };
        let output = command.env("URL", &url).output().expect("it runs");
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(
            text.lines().filter(|line| *line == "6").count(),
            10,
            "{library:?}: {text}"
        );
    }
}
