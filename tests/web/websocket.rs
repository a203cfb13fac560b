//! WebSockets of a site and of its client, on the memory network.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::assertions::capture_unhandled;
use http::StatusCode;
use reactor::testing::TestReactor;
use reactor::{ClientService, Connection, ConnectionClosed, Context, Protocol, Raw, ReactorHandle};
use reactor_tls::{TlsClient, TlsInfo};
use reactor_web::testing::TestClient;
use reactor_web::ws::{
    CloseCode, CloseEvent, Rooms, WebSocket, WebSocketClient, WebSocketOptions, WebSocketProtocol,
    WebSocketRefused, connect_websocket, on_message,
};
use reactor_web::{App, HttpError, Limits};

use crate::support::{client, serve_https};

const SECOND: Duration = Duration::from_secs(1);

/// What the handlers of a test have seen.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn note(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Notes all, and keeps its handle.
#[derive(Clone, Default)]
struct Noting {
    log: Log,
    ws: Rc<RefCell<Option<WebSocket>>>,
}

impl Noting {
    fn ws(&self) -> WebSocket {
        self.ws.borrow().clone().expect("it was opened")
    }
}

impl WebSocketProtocol for Noting {
    fn on_open(&mut self, ws: &WebSocket) -> deferred::Result<()> {
        self.log.note("open");
        *self.ws.borrow_mut() = Some(ws.clone());
        Ok(())
    }

    fn on_text(&mut self, _: &WebSocket, text: &str) -> deferred::Result<()> {
        self.log.note(format!("text {text}"));
        Ok(())
    }

    fn on_binary(&mut self, _: &WebSocket, data: &[u8]) -> deferred::Result<()> {
        self.log.note(format!("binary {data:?}"));
        Ok(())
    }

    fn on_pong(&mut self, _: &WebSocket, data: &[u8]) -> deferred::Result<()> {
        self.log.note(format!("pong {data:?}"));
        Ok(())
    }

    fn on_close(&mut self, ws: &WebSocket, event: &CloseEvent) {
        assert!(ws.is_gone() && ws.send_text("too late").is_err());
        self.log
            .note(format!("close {event} clean: {}", event.is_clean));
    }
}

/// A site with one WebSocket at `/`, and what it notes.
fn noting_with(options: WebSocketOptions) -> (TestClient, Noting) {
    let noting = Noting::default();
    let each = noting.clone();
    let app = App::new().get("/", move |req| req.websocket_with(&options, each.clone()));
    (client(app), noting)
}

fn noting() -> (TestClient, Noting) {
    noting_with(WebSocketOptions::default())
}

fn echo(options: WebSocketOptions) -> TestClient {
    client(App::new().get("/", move |req| {
        let echo = on_message(|ws, message| Ok(ws.send(message)?));
        req.websocket_with(&options, echo)
    }))
}

#[test]
fn handlers_are_called_in_order_and_the_end_is_the_last() {
    let (client, noting) = noting();
    let socket = client.websocket("/");
    socket.send_text("one");
    socket.send_binary([2]);
    socket.send_text("");
    socket.close(CloseCode(4321), "enough");
    let event = socket.closed().expect("it is closed");
    assert_eq!((event.code, event.is_clean), (CloseCode(4321), true));
    let expected = [
        "open",
        "text one",
        "binary [2]",
        "text ",
        "close the WebSocket was closed with 4321: enough clean: true",
    ];
    assert_eq!(noting.log.take(), expected);
    assert_eq!(client.site().connections(), 0);
}

#[test]
fn a_handle_sends_from_elsewhere_and_closes() {
    let (client, noting) = noting();
    let socket = client.websocket("/");
    let ws = noting.ws();
    let closed = ws.closed();
    client.reactor().call_later(SECOND, move || {
        ws.send_text("a")
            .and_then(|()| ws.send_binary(b"b"))
            .expect("it is open");
        ws.close(CloseCode::NORMAL, "x".repeat(500));
        assert!(ws.send_text("c").is_err());
    });
    client.advance(SECOND);
    assert_eq!(
        (socket.texts(), socket.binaries()),
        (vec!["a".to_owned()], vec![b"b".to_vec()])
    );
    let event = socket.closed().expect("it is closed");
    assert_eq!((event.code, event.reason.len()), (CloseCode::NORMAL, 123));
    assert!(
        client
            .reactor()
            .result_of(closed)
            .expect("it fires")
            .is_clean
    );
    assert!(
        noting
            .ws()
            .closed()
            .into_result()
            .expect("at once")
            .is_err()
    );
}

#[test]
fn messages_of_all_sizes_come_back_with_and_without_compression() {
    for is_deflating in [false, true] {
        let options = WebSocketOptions::default().with_deflate(is_deflating);
        let client = echo(options.clone());
        let asking = WebSocketClient::new("ws://x/")
            .expect("a URL")
            .with_options(options);
        let socket = client.try_websocket(&asking).expect("it opens");
        assert_eq!(socket.handle().is_deflating(), is_deflating);
        for length in [0, 1, 125, 126, 255, 256, 65_535, 65_536, 1_048_576] {
            let text: String = ('a'..='z').cycle().take(length).collect();
            socket.send_text(&text);
            assert!(socket.texts() == [text], "{length}");
            let noise: Vec<u8> = (0..length).map(|n| ((n * n * 31) >> 3) as u8).collect();
            socket.send_binary(&noise);
            assert!(socket.binaries() == [noise], "{length}");
        }
    }
}

#[test]
fn compression_makes_what_is_sent_smaller() {
    let options = WebSocketOptions::default().with_deflate(true);
    let client = echo(options);
    let peer = client.connect();
    peer.send(
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
    );
    let head = String::from_utf8(peer.received()).expect("text");
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n";
    assert!(head.contains(agreed), "{head}");
    // Masked with zeros, so as it is: 1000 bytes in a binary message.
    let mut frame = vec![0x82, 0x80 | 126, 3, 0xE8, 0, 0, 0, 0];
    frame.extend([b'x'; 1000]);
    peer.send(frame);
    let answer = peer.received();
    assert_eq!(answer[0], 0x82 | 0x40, "final, compressed, binary");
    assert!(answer.len() < 30, "{}", answer.len());
    peer.close();
}

#[test]
fn the_first_common_subprotocol_is_chosen() {
    let options = WebSocketOptions::default().with_subprotocols(["v3", "v2"]);
    let (client, noting) = noting_with(options);
    for (offered, chosen) in [
        (vec!["v1", "v2"], Some("v2")),
        (vec!["v1"], None),
        (vec![], None),
    ] {
        let options = WebSocketOptions::default().with_subprotocols(offered);
        let asking = WebSocketClient::new("ws://x/")
            .expect("a URL")
            .with_options(options);
        let socket = client.try_websocket(&asking).expect("it opens");
        assert_eq!(socket.handle().subprotocol(), chosen);
        assert_eq!(noting.ws().subprotocol(), chosen);
    }
}

/// The status that a page of `origin` gets, asking for the host `example.org`.
fn status_for(client: &TestClient, origin: &str) -> StatusCode {
    let asking = WebSocketClient::new("ws://example.org/").expect("a URL");
    let asking = asking.with_header("origin", origin).expect("a header");
    match client.try_websocket(&asking) {
        Ok(_) => StatusCode::SWITCHING_PROTOCOLS,
        Err(failure) => failure.check::<WebSocketRefused>().expect("refused").status,
    }
}

#[test]
fn pages_of_other_hosts_are_refused_by_default() {
    let (yes, no) = (StatusCode::SWITCHING_PROTOCOLS, StatusCode::FORBIDDEN);
    let (client, _) = noting();
    for (origin, status) in [
        ("http://example.org", yes),
        ("https://EXAMPLE.org", yes),
        ("http://EXAMPLE.org:80", yes),
        ("http://example.org:8080", no),
        ("http://example.org.evil.com", no),
        ("http://evil.com", no),
        ("null", no),
        ("file://", no),
    ] {
        assert_eq!(status_for(&client, origin), status, "{origin}");
    }
    let listed = WebSocketOptions::default().with_origins(["https://app.example.com"]);
    let (client, _) = noting_with(listed);
    assert_eq!(status_for(&client, "https://app.example.com"), yes);
    assert_eq!(status_for(&client, "http://example.org"), no);
    let (client, _) = noting_with(WebSocketOptions::default().with_any_origin());
    assert_eq!(status_for(&client, "null"), yes);
}

#[test]
fn the_host_of_the_target_is_the_one_that_a_page_must_be_of() {
    let (client, _) = noting();
    for (origin, status) in [("http://example.org", "101"), ("http://x", "403")] {
        let target = HANDSHAKE.replace("GET / ", "GET http://example.org/ ");
        let asking = target.replace("host: x\r\n", &format!("host: x\r\norigin: {origin}\r\n"));
        let peer = client.connect();
        peer.send(asking);
        let head = String::from_utf8(peer.received()).expect("text");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
    }
}

#[test]
fn a_silent_peer_is_pinged_and_then_aborted() {
    let (client, noting) = noting();
    // It never answers.
    let peer = handshake(&client);
    client.advance(SECOND * 29);
    assert_eq!(peer.received(), b"");
    client.advance(SECOND);
    assert_eq!(peer.received(), [0x89, 0]);
    client.advance(SECOND * 29);
    assert!(!peer.is_closed());
    client.advance(SECOND);
    assert!(peer.was_reset());
    let last = noting.log.take().pop();
    let expected = "close the WebSocket was closed with 1006: a ping was not answered clean: false";
    assert_eq!(last.as_deref(), Some(expected));
}

#[test]
fn a_peer_that_answers_pings_stays() {
    let (client, noting) = noting();
    let socket = client.websocket("/");
    for _ in 0..100 {
        client.advance(SECOND * 30);
    }
    socket.send_text("still here");
    noting.ws().ping("now").expect("it is open");
    client.reactor().settle();
    let log = noting.log.take();
    assert!(log.contains(&"text still here".to_owned()));
    assert!(log.contains(&format!("pong {:?}", b"now")));
}

#[test]
fn without_pings_nothing_is_sent() {
    let (client, _) = noting_with(WebSocketOptions::default().with_ping_interval(None));
    let peer = handshake(&client);
    client.advance(SECOND * 3600);
    assert_eq!(peer.received(), b"");
    peer.close();
}

#[test]
fn a_pause_is_no_silence() {
    let (client, noting) = noting();
    let silent = WebSocketOptions::default().with_ping_interval(None);
    let asking = WebSocketClient::new("ws://x/")
        .expect("a URL")
        .with_options(silent);
    let socket = client.try_websocket(&asking).expect("it opens");
    noting.ws().pause_reading().expect("it is open");
    socket.send_text("held");
    client.advance(SECOND * 600);
    assert_eq!(noting.log.take(), ["open"]);
    noting.ws().resume_reading().expect("it is open");
    client.reactor().settle();
    assert_eq!(noting.log.take(), ["text held"]);
}

#[test]
fn a_peer_that_does_not_close_is_cut_off() {
    let (client, noting) = noting();
    let peer = handshake(&client);
    noting.ws().close(CloseCode::GOING_AWAY, "");
    client.advance(SECOND * 9);
    assert_eq!(peer.received(), [0x88, 2, 0x03, 0xE9]);
    assert!(!peer.is_closed());
    client.advance(SECOND);
    assert!(peer.was_reset());
    let last = noting.log.take().pop().expect("a line");
    assert!(last.contains("1006"), "{last}");
}

#[test]
fn both_may_close_at_the_same_time() {
    let (client, noting) = noting();
    let socket = client.websocket("/");
    noting.ws().close(CloseCode(4001), "server");
    socket.handle().close(CloseCode(4002), "client");
    client.reactor().settle();
    let event = socket.closed().expect("it is closed");
    assert_eq!((event.code, event.is_clean), (CloseCode(4001), true));
    let last = noting.log.take().pop().expect("a line");
    assert_eq!(
        last,
        "close the WebSocket was closed with 4002: client clean: true"
    );
}

#[test]
fn the_end_can_be_waited_for_after_the_own_close() {
    let (client, noting) = noting();
    let socket = client.websocket("/");
    let ws = noting.ws();
    ws.close(CloseCode(4001), "server");
    let closed = ws.closed();
    assert!(ws.is_gone());
    let event = client.reactor().result_of(closed).expect("it fires");
    assert_eq!((event.code, event.is_clean), (CloseCode(4001), true));
    assert_eq!(noting.log.take().len(), 2, "after `on_close`");
    assert!(ws.closed().into_result().expect("at once").is_err());
    // The same for a close of the peer, which the client's handler hears of.
    let seen = Noting::default();
    let opening = connect_websocket(client.reactor(), "ws://127.0.0.1/", seen.clone());
    client.reactor().result_of(opening).expect("it opens");
    noting.ws().close(CloseCode(4002), "server");
    client.reactor().turn();
    while !seen.ws().is_gone() {
        client.reactor().turn();
    }
    let closed = seen.ws().closed();
    client.reactor().settle();
    let event = closed.into_result().expect("it fires").expect("it is over");
    assert_eq!(event.code, CloseCode(4002));
    drop(socket);
}

/// A server whose bytes are those of a test.
#[derive(Clone, Default)]
struct ByHand {
    received: Rc<RefCell<Vec<u8>>>,
    connection: Rc<RefCell<Option<Connection<Self>>>>,
}

impl Protocol for ByHand {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        *self.connection.borrow_mut() = Some(cx.connection());
        Ok(())
    }

    fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
        self.received.borrow_mut().extend_from_slice(data);
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, _: ConnectionClosed) {
        *self.connection.borrow_mut() = None;
    }
}

#[test]
fn what_comes_behind_the_close_of_the_peer_changes_nothing() {
    // A frame with a reserved bit, half a close, a text that is none.
    for garbage in [&[0xA1, 0][..], &[0x88, 1, 3], &[0x81, 1, 0xFF]] {
        let (client, _) = noting();
        let (reactor, seen) = (client.reactor(), Noting::default());
        let server = ByHand::default();
        let each = server.clone();
        reactor
            .listen_tcp("192.0.2.7:80", move || each.clone())
            .expect("a free address");
        let opening = WebSocketClient::new("ws://192.0.2.7/")
            .expect("a URL")
            .connect(reactor, seen.clone());
        reactor.settle();
        // The site knows the answer to the client's key.
        let other = client.connect();
        other.send(server.received.take());
        let to_client = |bytes: &[u8]| {
            let connection = server.connection.borrow();
            let connection = connection.as_ref().expect("it was made");
            connection.write(bytes).expect("it is open");
        };
        to_client(&other.received());
        reactor.result_of(opening).expect("it opens");
        seen.log.take();
        to_client(&[&[0x88, 2, 0x03, 0xE8], garbage].concat());
        client.advance(SECOND * 60);
        let expected = "close the WebSocket was closed with 1000 clean: true";
        assert_eq!(seen.log.take(), [expected], "{garbage:?}");
        assert!(server.connection.borrow().is_none(), "it is over");
        other.reset();
    }
}

#[test]
fn messages_behind_the_own_close_are_dropped() {
    let (client, noting) = noting();
    let socket = client.websocket("/");
    socket.handle().send_text("before").expect("it is open");
    noting.ws().close(CloseCode::NORMAL, "");
    socket
        .handle()
        .send_text("behind")
        .expect("it has not heard");
    client.reactor().settle();
    let log = noting.log.take();
    assert!(!log.iter().any(|line| line.contains("text")), "{log:?}");
    assert!(socket.closed().expect("it is closed").is_clean);
}

#[test]
fn a_client_that_vanishes_is_no_clean_close() {
    let (client, noting) = noting();
    drop(client.websocket("/"));
    let last = noting.log.take().pop().expect("a line");
    assert!(
        last.contains("1006") && last.ends_with("clean: false"),
        "{last}"
    );
    let peer = handshake(&client);
    peer.finish();
    let last = noting.log.take().pop().expect("a line");
    assert!(
        last.contains("1006") && last.ends_with("clean: false"),
        "{last}"
    );
}

struct Failing;

impl WebSocketProtocol for Failing {
    fn on_text(&mut self, ws: &WebSocket, text: &str) -> deferred::Result<()> {
        ws.send_text("before")?;
        match text {
            "panic" => panic!("a bug"),
            text => {
                text.parse::<u32>()?;
                Ok(())
            }
        }
    }
}

#[test]
fn a_handler_that_fails_closes_its_own_with_1011() {
    let client = client(App::new().get("/", |req| req.websocket(Failing)));
    let other = client.websocket("/");
    for text in ["panic", "no number"] {
        let socket = client.websocket("/");
        socket.send_text(text);
        assert_eq!(socket.texts(), ["before"]);
        let event = socket.closed().expect("it is closed");
        assert_eq!(event.code, CloseCode::INTERNAL_ERROR, "{text}");
        assert_eq!(event.reason, "", "the peer hears nothing of it");
    }
    other.send_text("5");
    assert_eq!(other.texts(), ["before"]);
}

#[test]
fn a_stop_of_the_site_closes_with_1001() {
    let (client, noting) = noting();
    let socket = client.websocket("/");
    let finished = client.site().finish();
    client.reactor().result_of(finished).expect("all are over");
    assert_eq!(
        socket.closed().expect("it is closed").code,
        CloseCode::GOING_AWAY
    );
    let last = noting.log.take().pop().expect("a line");
    assert!(last.ends_with("clean: true"), "{last}");
}

#[test]
fn a_stop_of_the_reactor_closes_with_1001_during_a_chat() {
    let rooms = Rooms::new();
    let each = rooms.clone();
    let client = client(App::new().get("/", move |req| req.websocket(Guest(each.clone()))));
    let sockets: Vec<_> = (0..10).map(|_| client.websocket("/")).collect();
    sockets[0].send_text("hello");
    client.reactor().stop();
    client.reactor().settle();
    for socket in &sockets {
        assert_eq!(socket.texts(), ["hello"]);
        assert_eq!(socket.closed().expect("closed").code, CloseCode::GOING_AWAY);
    }
    assert!(rooms.names().is_empty());
}

#[test]
fn a_peer_that_ignores_the_stop_is_cut_off() {
    let each = Noting::default();
    let limits = Limits::default().with_shutdown_timeout(SECOND * 3);
    let client = client(
        App::new()
            .limits(limits)
            .get("/", move |req| req.websocket(each.clone())),
    );
    let peer = handshake(&client);
    let finished = client.site().finish();
    client.advance(SECOND * 3);
    assert!(peer.was_reset());
    client.reactor().result_of(finished).expect("all are over");
}

#[test]
fn a_guest_that_comes_and_leaves_again_and_again_leaves_nothing_behind() {
    let rooms = Rooms::new();
    let (client, noting) = noting();
    let socket = client.websocket("/");
    for round in 0..1000 {
        let room = format!("room {round}");
        rooms.join(&room, &noting.ws());
        assert_eq!(rooms.broadcast(&room, "hello"), 1);
        assert!(rooms.leave(&room, &noting.ws()));
    }
    assert!(rooms.names().is_empty());
    rooms.join("a", &noting.ws());
    rooms.join("b", &noting.ws());
    drop(socket);
    assert!(rooms.names().is_empty());
}

/// A member of one room.
struct Guest(Rooms);

impl WebSocketProtocol for Guest {
    fn on_open(&mut self, ws: &WebSocket) -> deferred::Result<()> {
        self.0.join("room", ws);
        self.0.join("room", ws);
        Ok(())
    }

    fn on_text(&mut self, ws: &WebSocket, text: &str) -> deferred::Result<()> {
        match text {
            "leave" => assert!(self.0.leave("room", ws) && !self.0.leave("room", ws)),
            text if text.starts_with("others") => {
                self.0.broadcast_from(ws, "room", text);
            }
            text => {
                self.0.broadcast("room", text);
            }
        }
        Ok(())
    }

    fn on_close(&mut self, ws: &WebSocket, _: &CloseEvent) {
        assert!(!self.0.members("room").contains(ws));
        self.0.broadcast("room", "gone");
    }
}

fn room(rooms: &Rooms, options: WebSocketOptions) -> TestClient {
    let rooms = rooms.clone();
    client(App::new().get("/", move |req| {
        req.websocket_with(&options, Guest(rooms.clone()))
    }))
}

#[test]
fn a_room_reaches_its_members_and_forgets_those_that_go() {
    let rooms = Rooms::new();
    let client = room(&rooms, WebSocketOptions::default());
    let (ann, bob, eve) = (
        client.websocket("/"),
        client.websocket("/"),
        client.websocket("/"),
    );
    assert_eq!(rooms.members("room").len(), 3);
    ann.send_text("hello");
    ann.send_text("others only");
    assert_eq!(ann.texts(), ["hello"]);
    assert_eq!(bob.texts(), ["hello", "others only"]);
    eve.send_text("leave");
    bob.close(CloseCode::NORMAL, "");
    assert_eq!(ann.texts(), ["gone"]);
    assert_eq!(eve.texts(), ["hello", "others only"]);
    assert_eq!(rooms.broadcast("nowhere", "x"), 0);
    drop((ann, eve));
    client.reactor().settle();
    assert!(rooms.names().is_empty());
    assert_eq!(format!("{rooms:?}"), "{}");
}

#[test]
fn members_with_and_without_compression_get_the_same() {
    let rooms = Rooms::new();
    let options = WebSocketOptions::default().with_deflate(true);
    let client = room(&rooms, options.clone());
    let asking = WebSocketClient::new("ws://x/")
        .expect("a URL")
        .with_options(options);
    let (small, plain) = (
        client.try_websocket(&asking).expect("open"),
        client.websocket("/"),
    );
    let text = "all the same ".repeat(1000);
    assert_eq!(rooms.broadcast("room", &text), 2);
    assert_eq!(rooms.broadcast("room", "short"), 2);
    for socket in [&small, &plain] {
        assert!(socket.texts() == [text.clone(), "short".to_owned()]);
    }
}

#[test]
fn a_slow_reader_does_not_hold_up_the_others_and_is_closed() {
    let rooms = Rooms::new().with_max_unsent(500_000);
    let client = room(&rooms, WebSocketOptions::default());
    let (quick, slow) = (client.websocket("/"), client.websocket("/"));
    slow.handle().pause_reading().expect("it is open");
    let text = "x".repeat(100_000);
    let mut most = 0;
    for _ in 0..50 {
        rooms.broadcast("room", &text);
        client.reactor().settle();
        for ws in rooms.members("room") {
            most = most.max(ws.buffered());
        }
        assert_eq!(quick.texts().iter().filter(|it| **it == text).count(), 1);
    }
    assert!(most > 400_000 && most < 700_000, "{most}");
    // It is closing: its close frame waits behind what it does not read.
    client.advance(SECOND * 10);
    assert_eq!(rooms.members("room").len(), 1);
    assert_eq!(quick.texts(), ["gone"]);
    assert!(slow.closed().is_some());
}

#[test]
fn a_slow_reader_may_miss_messages_instead() {
    let rooms = Rooms::new()
        .with_max_unsent(500_000)
        .skipping_slow_members();
    let options = WebSocketOptions::default().with_ping_interval(None);
    let client = room(&rooms, options);
    let slow = client.websocket("/");
    slow.handle().pause_reading().expect("it is open");
    let text = "x".repeat(100_000);
    let reached: usize = (0..50).map(|_| rooms.broadcast("room", &text)).sum();
    assert!((4..15).contains(&reached), "{reached}");
    slow.handle().resume_reading().expect("it is open");
    assert_eq!(slow.texts().len(), reached);
    assert_eq!(rooms.broadcast("room", "again"), 1);
    assert_eq!(slow.texts(), ["again"]);
}

#[test]
fn a_sender_waits_for_room() {
    let (client, noting) = noting();
    let socket = client.websocket("/");
    socket.handle().pause_reading().expect("it is open");
    let sent = Rc::new(Cell::new(0));
    let (ws, count) = (noting.ws(), Rc::clone(&sent));
    let sending = async move {
        for _ in 0..100 {
            ws.send_binary(vec![0; 10_000])?;
            count.set(count.get() + 1);
            ws.ready().await?;
        }
        Ok(())
    };
    client.reactor().spawn(sending).log_error().ignore();
    client.reactor().settle();
    assert!(sent.get() < 40, "{}", sent.get());
    socket.handle().resume_reading().expect("it is open");
    assert_eq!(socket.binaries().len(), 100);
}

#[test]
fn what_is_no_handshake_gets_426_and_a_broken_one_400() {
    let (client, _) = noting();
    let answer = client.get("/");
    assert_eq!(answer.status(), StatusCode::UPGRADE_REQUIRED);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    let whole = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    for (name, value, status) in [
        ("sec-websocket-version", "8", 426),
        ("upgrade", "h2c", 426),
        ("connection", "close", 400),
        ("sec-websocket-key", "short", 400),
        ("sec-websocket-key", "", 400),
    ] {
        let headers = whole.map(|(own, usual)| (own, if own == name { value } else { usual }));
        let answer = client.get_with("/", &headers);
        assert_eq!(answer.status(), status, "{name}: {value}");
        if name == "sec-websocket-version" {
            assert_eq!(answer.header(name), Some("13"));
        }
    }
}

#[test]
fn a_handler_may_refuse_before_it_opens() {
    let app = App::new().get("/{name}", |req| match req.param("name")? {
        "ann" => req.websocket(on_message(|_, _| Ok(()))),
        _ => Err(HttpError::forbidden().into()),
    });
    let client = client(app);
    client.websocket("/ann");
    let asking = WebSocketClient::new("ws://x/eve").expect("a URL");
    let failure = client.try_websocket(&asking).expect_err("it is refused");
    assert_eq!(
        failure
            .check::<WebSocketRefused>()
            .map(|it| it.status.as_u16()),
        Some(403)
    );
}

#[test]
fn a_client_that_goes_during_the_handshake_leaves_nothing() {
    let ((), unhandled) = capture_unhandled(|| {
        let (client, noting) = noting();
        for length in 1..HANDSHAKE.len() {
            let peer = client.connect();
            peer.send(&HANDSHAKE[..length]);
            peer.reset();
        }
        client.reactor().settle();
        assert_eq!(client.site().connections(), 0);
        assert!(noting.log.take().is_empty());
        let peer = client.connect();
        peer.send(HANDSHAKE);
        peer.reset();
        client.reactor().settle();
        assert_eq!(client.site().connections(), 0);
        assert_eq!(noting.log.take().len(), 2);
    });
    assert!(unhandled.is_empty(), "{unhandled:?}");
}

#[test]
fn a_client_service_stays_connected() {
    let (client, noting) = noting();
    let asking = WebSocketClient::new("ws://127.0.0.1/").expect("a URL");
    let endpoint = asking.endpoint().expect("no TLS is needed");
    let seen = Noting::default();
    let each = seen.clone();
    let service = ClientService::builder(endpoint, move || asking.protocol(each.clone()))
        .retry(|_| SECOND)
        .start(client.reactor());
    client.reactor().settle();
    for round in 0..3 {
        assert_eq!(client.site().connections(), 1, "{round}");
        noting
            .ws()
            .send_text(round.to_string())
            .expect("it is open");
        client.reactor().settle();
        noting.ws().abort();
        client.reactor().settle();
        let log = seen.log.take();
        assert_eq!(log[..2], ["open".to_owned(), format!("text {round}")]);
        client.advance(SECOND);
    }
    let stopped = service.stop();
    noting.ws().close(CloseCode::NORMAL, "");
    client.reactor().result_of(stopped).expect("it stops");
    client.reactor().settle();
    assert_eq!(client.site().connections(), 0);
}

#[test]
fn an_attempt_to_connect_can_be_cancelled_and_times_out() {
    let reactor = TestReactor::new();
    let seen = Noting::default();
    struct Mute;
    impl Protocol for Mute {
        type Framing = Raw;
    }
    reactor
        .listen_tcp("192.0.2.1:80", || Mute)
        .expect("the address is free");
    let asking = WebSocketClient::new("ws://192.0.2.1/").expect("a URL");
    for is_cancelled in [true, false] {
        let opening = asking.connect(&reactor, seen.clone());
        reactor.settle();
        if is_cancelled {
            opening.cancel();
        } else {
            reactor.advance(SECOND * 30);
        }
        let failure = reactor.result_of(opening).expect_err("it never opens");
        assert_eq!(
            failure.is::<deferred::Cancelled>(),
            is_cancelled,
            "{failure}"
        );
        reactor.settle();
        let left = reactor.leftovers();
        assert_eq!(
            (left.sources, left.delayed_calls.len()),
            (1, 0),
            "the port is left"
        );
    }
    assert!(seen.log.take().is_empty());
}

#[test]
fn urls_that_are_none_are_refused() {
    for url in [
        "",
        "example.org",
        "ftp://example.org/",
        "ws://",
        "ws://ann@example.org/",
    ] {
        assert!(WebSocketClient::new(url).is_err(), "{url}");
    }
    for url in [
        "ws://example.org",
        "wss://[::1]:8443/a?b#c",
        "ws://127.0.0.1:80/",
    ] {
        assert!(WebSocketClient::new(url).is_ok(), "{url}");
    }
}

#[test]
fn wss_is_encrypted_and_verified() {
    let client = echo(WebSocketOptions::default());
    // A server that would agree on HTTP/2, too: a WebSocket asks for HTTP/1.1.
    let alpn = ["h2", "http/1.1"];
    let site = client.site().clone();
    let roots = serve_https(client.reactor(), site, "127.0.0.1", &alpn);
    let trusting = TlsClient::builder().roots(roots).alpn(["http/1.1"]).build();
    let noting = Noting::default();
    let opening = WebSocketClient::new("wss://127.0.0.1/")
        .expect("a URL")
        .with_tls(trusting.expect("a client"))
        .connect(client.reactor(), noting.clone());
    let ws = client.reactor().result_of(opening).expect("it opens");
    let text = "secret ".repeat(50_000);
    ws.send_text(&text).expect("it is open");
    client.reactor().settle();
    assert!(noting.log.take() == ["open".to_owned(), format!("text {text}")]);
    ws.close(CloseCode::NORMAL, "");
    client.reactor().settle();
    assert!(noting.log.take()[0].ends_with("clean: true"));
    // Not by the roots of the platform.
    let opening = connect_websocket(client.reactor(), "wss://127.0.0.1/", Noting::default());
    client
        .reactor()
        .result_of(opening)
        .expect_err("its issuer is unknown");
}

/// Notes the protocol that TLS has agreed on.
struct NotesAlpn(Rc<RefCell<Option<TlsInfo>>>);

impl Protocol for NotesAlpn {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        *self.0.borrow_mut() = cx.connection().filter_info();
        Ok(())
    }
}

#[test]
fn wss_asks_for_http1_alone_whatever_the_given_tls_offers() {
    let alpn = ["h2", "http/1.1"];
    let reactor = TestReactor::new();
    let agreed = Rc::default();
    let noting = Rc::clone(&agreed);
    let roots = serve_https(
        &reactor,
        move || NotesAlpn(Rc::clone(&noting)),
        "127.0.0.1",
        &alpn,
    );
    let trusting = TlsClient::builder().roots(roots).alpn(alpn).build();
    let opening = WebSocketClient::new("wss://127.0.0.1/")
        .expect("a URL")
        .with_tls(trusting.expect("a client"))
        .connect(&reactor, Noting::default());
    reactor.settle();
    let agreed = agreed.borrow_mut().take().expect("it was made");
    assert_eq!(agreed.alpn.as_deref(), Some(&b"http/1.1"[..]));
    opening.cancel();
    opening.ignore();
    reactor.settle();
}

// ANCHOR: pages
/// An open page.
struct Page(Rooms);

impl WebSocketProtocol for Page {
    fn on_open(&mut self, ws: &WebSocket) -> deferred::Result<()> {
        self.0.join("all", ws);
        Ok(())
    }
}

fn app(rooms: &Rooms) -> App {
    let rooms = rooms.clone();
    App::new().get("/live", move |req| req.websocket(Page(rooms.clone())))
}

/// Tells all pages, each second.
fn tick(reactor: ReactorHandle, rooms: Rooms) {
    rooms.broadcast("all", "tick");
    let again = reactor.clone();
    reactor.call_later(SECOND, move || tick(again, rooms));
}
// ANCHOR_END: pages

#[test]
fn all_open_pages_are_told() {
    let rooms = Rooms::new();
    let client = client(app(&rooms));
    let (one, other) = (client.websocket("/live"), client.websocket("/live"));
    tick(ReactorHandle::clone(client.reactor()), rooms);
    client.advance(SECOND * 2);
    assert_eq!((one.texts().len(), other.texts().len()), (3, 3));
}

pub(crate) const HANDSHAKE: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A peer that has made the handshake, for raw bytes.
#[track_caller]
pub(crate) fn handshake(client: &TestClient) -> reactor::testing::Peer {
    let peer = client.connect();
    peer.send(HANDSHAKE);
    let head = String::from_utf8(peer.received()).expect("text");
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    // That of RFC 6455, 1.3.
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    peer
}
