//! The web servers, asked over plain sockets.

use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::program::{PATIENCE, Program};

/// The whole answer to a `GET` of `path`.
fn get(address: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("a server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    write!(
        socket,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .expect("it fits");
    let mut answer = String::new();
    socket
        .read_to_string(&mut answer)
        .expect("text, to the end");
    answer
}

/// Asks the example for each path, checks what the answer ends with, and stops it.
fn check(name: &str, expected: &[(&str, &str)]) {
    let (server, address) = Program::serve(name);
    for (path, end) in expected {
        let answer = get(&address, path);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "{path}: {answer}"
        );
        assert!(answer.ends_with(end), "{path}: {answer}");
    }
    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn hello_greets_now_and_later() {
    check(
        "web_hello",
        &[
            ("/", "\r\n\r\nsay hello to /hello/NAME\n"),
            ("/hello/w%C3%B6rld", "\r\n\r\nhello, wörld\n"),
            ("/later", "\r\n\r\nat last\n"),
        ],
    );
}

#[test]
fn a_static_site_has_files_lists_and_an_api() {
    check(
        "web_static_site",
        &[
            ("/api/health", "\r\n\r\nall is well\n"),
            ("/Cargo.toml", "[lints]\nworkspace = true\n"),
            ("/examples/", "</table>\n"),
        ],
    );
}

#[test]
fn events_reach_a_client_as_they_happen() {
    let (server, address) = Program::serve("web_events");
    assert!(get(&address, "/").contains("new EventSource("));
    let mut socket = TcpStream::connect(&address).expect("a server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket
        .write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("it fits");
    let mut post = TcpStream::connect(&address).expect("a server listens");
    post.write_all(
        b"POST /target HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\
          content-type: application/x-www-form-urlencoded\r\n\r\ndegrees=27",
    )
    .expect("it fits");
    // The stream has no end, until the server stops.
    let mut got = String::new();
    while !got.contains("\"target\": 27.0") {
        let mut piece = [0; 1024];
        let count = socket.read(&mut piece).expect("an event");
        assert!(count > 0, "{got}");
        got.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    assert!(got.contains("id: 1\ndata: {\"temperature\": "), "{got}");
    server.send(Signal::TERM);
    server.end().succeeded();
    socket.read_to_string(&mut got).expect("an end");
    assert!(got.ends_with("\r\n0\r\n\r\n"), "{got}");
}

#[test]
fn hyper_runs_in_the_loop() {
    check("web_hyper", &[("/a", "\r\n\r\nhello from hyper, /a\n")]);
}

#[test]
fn axums_router_runs_in_the_loop() {
    check(
        "web_axum",
        &[
            ("/", "\r\n\r\nhello from axum\n"),
            ("/later/20", "\r\n\r\n20 ms later\n"),
        ],
    );
}

#[test]
fn many_urls_are_fetched_some_at_once() {
    let (server, address) = Program::serve("web_hello");
    let urls = ["/", "/later", "/hello/me", "/none"].map(|path| format!("http://{address}{path}"));
    let mut args = vec!["--at-once", "2"];
    args.extend(urls.iter().map(String::as_str));
    let ended = Program::start("fetch_many", &args).end();
    assert_eq!(ended.lines.len(), 4, "{ended:?}");
    for (line, (url, length)) in ended.lines.iter().zip(urls.iter().zip([25, 8, 10])) {
        assert_eq!(*line, format!("{url}: {length} bytes"));
    }
    assert!(ended.errors.contains("4 of 4"), "{ended:?}");
    let ended = Program::start("fetch_many", &["--timeout", "0.05", &urls[1]]).end();
    assert!(
        ended.lines[0].ends_with("the deferred was cancelled"),
        "{ended:?}"
    );
    server.send(Signal::TERM);
    server.end().succeeded();
}
