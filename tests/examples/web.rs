//! The web servers, asked over plain sockets.

use std::io::{Read, Write};
use std::net::TcpStream;

use deferred::DeferredQueue;
use reactor::Reactor;
use reactor_web::ws::{CloseEvent, WebSocket, WebSocketProtocol, connect_websocket};
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
fn streams_go_both_ways_and_wait_for_their_client() {
    let (mut server, address) = Program::serve("web_stream");
    let numbers = get(&address, "/numbers/1000");
    assert!(numbers.starts_with("HTTP/1.1 200 OK\r\n"), "{numbers}");
    assert!(numbers.contains("\n999\n"), "{numbers}");
    // The answer to an upload comes before its end.
    let mut socket = TcpStream::connect(&address).expect("a server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let head = "PUT /upper HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    write!(socket, "{head}5\r\nhello\r\n").expect("it fits");
    let mut got = String::new();
    while !got.ends_with("HELLO\r\n") {
        let mut buffer = [0; 1024];
        let count = socket.read(&mut buffer).expect("it goes on");
        assert_ne!(count, 0, "{got}");
        got.push_str(std::str::from_utf8(&buffer[..count]).expect("text"));
    }
    drop(socket);
    // A client that reads nothing of much, and goes: the handler has not run ahead of it.
    let mut socket = TcpStream::connect(&address).expect("a server listens");
    write!(socket, "GET /numbers/100000000 HTTP/1.1\r\nhost: x\r\n\r\n").expect("it fits");
    socket.read_exact(&mut [0; 1000]).expect("it begins");
    drop(socket);
    let line = server.line();
    let (number, _) = line.split_once(" was not sent").expect("a report");
    let number: u64 = number.parse().expect("a number");
    assert!(number < 10_000_000, "{number} were written");
    server.send(Signal::TERM);
    server.end().succeeded();
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

/// What a server answers to `request`, whose connection it closes.
fn ask(address: &str, request: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("a server listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    socket.write_all(request.as_bytes()).expect("it fits");
    let mut answer = String::new();
    socket
        .read_to_string(&mut answer)
        .expect("text, to the end");
    answer
}

/// A `POST` of `body`, and what the server answers.
fn post(address: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    ask(
        address,
        &format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\
             content-length: {length}\r\n\r\n{body}"
        ),
    )
}

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";

#[test]
fn json_is_taken_and_given() {
    let (server, address) = Program::serve("web_json");
    let kind = "content-type: application/json\r\n";
    let answer = post(&address, "/orders", kind, r#"{"item":"lamp","count":2}"#);
    assert!(
        answer.ends_with(r#"{"item":"lamp","total":60}"#),
        "{answer}"
    );
    let answer = post(&address, "/orders", kind, r#"{"item":"lamp"}"#);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn tea_comes_later_or_is_not_needed() {
    let (mut server, address) = Program::serve("web_later");
    assert!(get(&address, "/tea/0").ends_with("\r\n\r\nyour tea\n"));
    let mut guest = TcpStream::connect(&address).expect("a server listens");
    let request = b"GET /tea/600 HTTP/1.1\r\nhost: x\r\n\r\n";
    guest.write_all(request).expect("it fits");
    drop(guest);
    server.prints("the tea is not needed: the deferred was cancelled");
    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn a_form_with_files_is_read_as_a_stream() {
    let (server, address) = Program::serve("web_form");
    assert!(get(&address, "/").contains("multipart/form-data"));
    let picture = "y".repeat(3_000_000);
    let form = format!(
        "--b\r\ncontent-disposition: form-data; name=name\r\n\r\nann\r\n\
         --b\r\ncontent-disposition: form-data; name=picture; filename=a.png\r\n\r\n\
         {picture}\r\n--b--\r\n"
    );
    let kind = "content-type: multipart/form-data; boundary=b\r\n";
    let answer = post(&address, "/", kind, &form);
    let report = "name: ann\npicture: a.png, 3000000 bytes\n";
    assert!(answer.ends_with(report), "{answer}");
    server.send(Signal::TERM);
    server.end().succeeded();
}

/// A browser: its cookie, and the token of the page that it was given last.
struct Browser {
    address: String,
    cookie: String,
    token: String,
}

impl Browser {
    fn new(address: &str) -> Self {
        let mut browser = Self {
            address: address.to_owned(),
            cookie: String::new(),
            token: String::new(),
        };
        browser.home();
        browser
    }

    fn home(&mut self) -> String {
        let cookie = &self.cookie;
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{cookie}\r\n");
        let answer = ask(&self.address, &head);
        self.keep_cookie(&answer);
        let (_, token) = answer.split_once("csrf_token value=").expect("a form");
        self.token = token
            .split('>')
            .next()
            .expect("there is a first")
            .to_owned();
        answer
    }

    fn post(&mut self, path: &str, form: &str) -> String {
        let headers = format!("{FORM}{}", self.cookie);
        let body = format!("csrf_token={}&{form}", self.token);
        let answer = post(&self.address, path, &headers, &body);
        self.keep_cookie(&answer);
        answer
    }

    fn keep_cookie(&mut self, answer: &str) {
        if let Some((_, set)) = answer.split_once("set-cookie: ") {
            let pair = set.split(';').next().expect("there is a first");
            self.cookie = format!("cookie: {pair}\r\n");
        }
    }
}

#[test]
fn users_log_in_and_out() {
    let (server, address) = Program::serve("web_login");
    let mut browser = Browser::new(&address);
    let refused = browser.post("/login", "user=ann&password=guess");
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let answer = browser.post("/login", "user=ann&password=secret");
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert!(browser.home().contains("hello, ann"));
    browser.post("/logout", "");
    assert!(browser.home().contains("Log in"));
    server.send(Signal::TERM);
    server.end().succeeded();
}

#[test]
fn links_are_added_by_users_and_followed_by_all() {
    let (mut server, address) = Program::serve_with("web_shortener", &["--password", "secret"]);
    let mut browser = Browser::new(&address);
    let link = "name=rust&target=https%3A%2F%2Fwww.rust-lang.org%2F";
    let refused = browser.post("/links", link);
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    browser.post("/login", "user=admin&password=secret");
    browser.home();
    let added = browser.post("/links", link);
    assert!(added.starts_with("HTTP/1.1 303 "), "{added}");
    let wrong = browser.post("/links", "name=%3Cb%3E&target=javascript:alert(1)");
    assert!(wrong.starts_with("HTTP/1.1 400 "), "{wrong}");
    let followed = get(&address, "/rust");
    let location = "location: https://www.rust-lang.org/\r\n";
    assert!(followed.contains(location), "{followed}");
    let page = browser.home();
    let line = "rust</a> to https://www.rust-lang.org/, 1 visits";
    assert!(page.contains(line), "{page}");
    assert!(page.contains("x-frame-options: DENY\r\n"), "{page}");
    let line = server.line();
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(line.contains("\"GET / HTTP/1.1\" 200 "), "{line}");
    server.send(Signal::TERM);
    server.end().succeeded();
}

/// Puts what it gets into a queue.
#[derive(Clone)]
struct Guest(DeferredQueue<String>);

impl WebSocketProtocol for Guest {
    fn on_text(&mut self, _: &WebSocket, text: &str) -> deferred::Result<()> {
        Ok(self.0.put(text.to_owned())?)
    }

    fn on_close(&mut self, _: &WebSocket, event: &CloseEvent) {
        self.0.put(event.to_string()).expect("there is room");
    }
}

#[test]
fn the_chat_reaches_all_in_a_room_until_the_server_stops() {
    let (server, address) = Program::serve("web_chat");
    assert!(get(&address, "/").contains("new WebSocket(url)"));
    let reactor = Reactor::new().expect("a reactor");
    let enter = |name: &str| {
        let guest = Guest(DeferredQueue::new());
        let url = format!("ws://{address}/rooms/lobby?name={name}");
        let opening = connect_websocket(&reactor, &url, guest.clone());
        (reactor.block_on(opening).expect("it opens"), guest.0)
    };
    let next = |lines: &DeferredQueue<String>| {
        let line = lines.get().expect("one waits");
        reactor.block_on(line).expect("a line")
    };
    let (ann, to_ann) = enter("Ann");
    assert_eq!(next(&to_ann), "* Ann has come");
    let (bob, to_bob) = enter("Bob");
    assert_eq!(next(&to_bob), "* Bob has come");
    assert_eq!(next(&to_ann), "* Bob has come");
    bob.send_text("hello").expect("it is open");
    assert_eq!(next(&to_bob), "Bob: hello");
    assert_eq!(next(&to_ann), "Bob: hello");
    bob.abort();
    assert_eq!(next(&to_ann), "* Bob has left");
    let nameless = format!("ws://{address}/rooms/lobby");
    let refused = connect_websocket(&reactor, &nameless, Guest(DeferredQueue::new()));
    let failure = reactor.block_on(refused).expect_err("a name is missing");
    assert!(failure.to_string().contains("status 400"), "{failure}");
    server.send(Signal::TERM);
    let end = "the WebSocket was closed with 1001: the server stops";
    assert_eq!(next(&to_ann), end);
    assert!(ann.is_gone());
    server.end().succeeded();
}

#[test]
fn a_proxy_passes_requests_on() {
    let (server, upstream) = Program::serve("web_hello");
    let (proxy, address) = Program::serve("web_proxy");
    let answer = get(&address, &format!("http://{upstream}/hello/you"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello, you\n"), "{answer}");
    let answer = get(&address, "/hello/you");
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    server.send(Signal::TERM);
    server.end().succeeded();
    let answer = get(&address, &format!("http://{upstream}/hello/you"));
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    proxy.send(Signal::TERM);
    proxy.end().succeeded();
}

#[test]
fn a_reverse_proxy_goes_on_with_the_servers_that_live() {
    let (first, one) = Program::serve("web_hello");
    let (second, two) = Program::serve("web_hello");
    let upstreams = [format!("http://{one}"), format!("http://{two}")];
    let args = ["--upstream", &upstreams[0], "--upstream", &upstreams[1]];
    let (proxy, address) = Program::serve_with("web_reverse_proxy", &args);
    let check = || {
        let answer = get(&address, "/hello/you");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\nhello, you\n"), "{answer}");
    };
    check();
    let status = get(&address, "/proxy/status");
    let lines = format!("{} up, 0 under way\n", upstreams[1]);
    assert!(status.ends_with(&lines), "{status}");
    first.send(Signal::TERM);
    first.end().succeeded();
    // Round robin: each server is the next for some of these.
    for _ in 0..4 {
        check();
    }
    second.send(Signal::TERM);
    second.end().succeeded();
    let answer = get(&address, "/hello/you");
    assert!(answer.starts_with("HTTP/1.1 50"), "{answer}");
    proxy.send(Signal::TERM);
    proxy.end().succeeded();
}

#[test]
fn resources_find_what_is_below_them() {
    check(
        "web_resources",
        &[
            ("/", "\r\n\r\nsee /calendar\n"),
            ("/calendar", "append a year to the address\n"),
            ("/calendar/2026", "<a href='2026/12'>12</a>\n"),
            ("/calendar/2028/2", "\r\n\r\n2028-02 has 29 days\n"),
        ],
    );
}
