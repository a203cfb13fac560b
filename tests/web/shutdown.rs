//! A graceful stop: what runs is finished, and nothing is lost.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::sleep;
use reactor::filter::proxy_protocol::ProxyProtocol;
use reactor::testing::{Peer, TestReactor};
use reactor::{Context, Factory, Phase, Protocol, Raw, SystemEvent};
use reactor_web::testing::TestClient;
use reactor_web::{App, Limits, Request, serve};

use crate::support::{GET, answer, client, text, three_pieces};

const SECOND: Duration = Duration::from_secs(1);

fn slow() -> App {
    App::new()
        .get("/", |_| "quick")
        .get("/slow", async |req: Request| {
            sleep(req.reactor(), SECOND * 5).await?;
            Ok("slow".repeat(100_000))
        })
}

/// What a proxy sends before the bytes of its client.
const HEADER: &str = "PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n";

const SLOW: &str = "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";

#[test]
fn a_stop_of_the_reactor_finishes_what_runs_to_the_last_byte() {
    let client = client(slow());
    let idle = client.connect();
    let used = client.connect();
    used.send(GET);
    let busy = client.connect();
    busy.send(SLOW);
    // The client takes nothing for now: the answer's end is not its last byte.
    busy.set_reading(false);

    // Once the shutdown goes on, connections that are left are lost.
    let has_waited = Rc::new(Cell::new(false));
    let mark = Rc::clone(&has_waited);
    let (phase, event) = (Phase::During, SystemEvent::Shutdown);
    client
        .reactor()
        .add_system_event_trigger(phase, event, move || mark.set(true));
    client.reactor().stop();
    client.reactor().settle();
    assert!(idle.is_closed(), "it never had a request");
    assert!(used.is_closed(), "it has none now");
    assert!(!busy.is_closed());
    client.advance(SECOND * 5);
    assert!(!has_waited.get(), "the answer is not sent");
    busy.set_reading(true);
    let got = text(&busy);
    assert!(got.contains("connection: close"));
    assert_eq!(answer(&got).1.len(), 400_000);
    assert!(has_waited.get(), "all was sent");
}

/// Stops the site while a head has begun, and sends the `rest` of it: its request is the last one
/// that is answered. Gives the answer.
#[track_caller]
fn completes_after_a_stop(client: &TestClient, peer: &Peer, rest: &str) -> String {
    let finished = client.site().finish();
    client.reactor().settle();
    assert!(!peer.is_closed());
    peer.send(rest);
    let got = text(peer);
    assert_eq!(answer(&got).1, "quick");
    assert!(peer.is_closed());
    client.reactor().result_of(finished).expect("all are over");
    got
}

#[test]
fn a_request_whose_head_is_on_its_way_is_answered() {
    let client = client(slow());
    let peer = client.connect();
    peer.send("GET / HTTP/1.1\r\n");
    completes_after_a_stop(&client, &peer, "host: x\r\n\r\n");
}

#[test]
fn a_head_that_has_begun_is_answered_also_after_another_request() {
    let client = client(slow());
    let peer = client.connect();
    peer.send(GET);
    text(&peer);
    peer.send("GET / HTTP/1.1\r\n");
    completes_after_a_stop(&client, &peer, "host: x\r\n\r\n");
}

#[test]
fn a_head_that_has_begun_with_the_request_before_is_answered() {
    // The second one has an empty line before it, which some clients send after a body.
    for early in ["G", "\r\nGET / HTTP/1.1\r\n"] {
        let client = client(slow());
        let peer = client.connect();
        peer.send(format!("{GET}{early}"));
        assert_eq!(answer(&text(&peer)).1, "quick");
        let got = completes_after_a_stop(&client, &peer, &GET[early.trim_start().len()..]);
        assert!(got.contains("connection: close"), "{early:?}: {got}");
    }
}

#[test]
fn an_empty_line_after_a_request_does_not_hold_a_stop() {
    let client = client(slow());
    let peer = client.connect();
    peer.send(format!("{GET}\r\n"));
    assert_eq!(answer(&text(&peer)).1, "quick");
    let finished = client.site().finish();
    client.reactor().settle();
    assert!(peer.is_closed());
    client.reactor().result_of(finished).expect("all are over");
}

#[test]
fn a_head_that_has_begun_as_that_of_http2_does_is_answered() {
    let client = client(App::new().post("/", |_| "quick"));
    let peer = client.connect();
    peer.send("P");
    completes_after_a_stop(
        &client,
        &peer,
        "OST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
    );
}

/// The head of its answer was sent before the stop, and so has no `Connection: close`.
#[test]
fn an_answer_that_is_being_sent_is_the_last_one() {
    let client = client(App::new().get("/", three_pieces));
    let peer = client.connect();
    peer.send(GET);
    assert!(text(&peer).ends_with("5\r\npiece\r\n"));
    let finished = client.site().finish();
    client.advance(SECOND * 3);
    assert!(text(&peer).ends_with("5\r\npiece\r\n0\r\n\r\n"));
    assert!(peer.is_closed());
    client.reactor().result_of(finished).expect("all are over");
}

#[test]
fn a_request_that_runs_too_long_is_cut_off() {
    let client = client(slow().limits(Limits::default().with_shutdown_timeout(SECOND)));
    let peer = client.connect();
    peer.send(SLOW);
    let finished = client.site().finish();
    client.advance(SECOND);
    assert!(peer.was_reset());
    client.reactor().result_of(finished).expect("all are over");
}

#[test]
fn a_site_that_is_finishing_takes_no_connections() {
    let client = client(slow());
    let peer = client.connect();
    peer.send(SLOW);
    let finished = client.site().finish();
    assert!(client.start_get("/").result().is_err());
    client.advance(SECOND * 5);
    assert!(text(&peer).contains("slow"));
    client.reactor().result_of(finished).expect("all are over");
}

#[test]
fn a_site_without_connections_is_finished_at_once() {
    let client = client(slow());
    client
        .site()
        .finish()
        .into_result()
        .expect("at once")
        .expect("it is");
}

#[test]
fn a_connection_that_opens_after_the_end_is_closed() {
    for is_idle_at_first in [true, false] {
        let client = client(slow().limits(Limits::default().with_idle_grace(SECOND * 3)));
        let reactor = client.reactor();
        let connect = || {
            let mut site = client.site().clone();
            let protocol = site.build_protocol(&client.port().address());
            let protocol = protocol.expect("it is not finishing yet");
            // The header that the filter waits for stands for a handshake of TLS.
            let filter = ProxyProtocol::from_any().filter();
            reactor.connect_to_peer_through(filter, protocol).1
        };
        let (late, later) = (connect(), connect());
        let other = (!is_idle_at_first).then(|| client.connect());
        let finished = client.site().finish();
        drop(other);
        reactor.result_of(finished).expect("all are over");
        late.send(HEADER);
        assert!(late.is_closed(), "idle");
        later.send(format!("{HEADER}{SLOW}"));
        client.advance(SECOND * 5);
        assert_eq!(text(&later), "");
        assert!(later.is_closed());
        assert_eq!(client.site().connections(), 0);
    }
}

#[test]
fn idle_connections_are_left_to_their_clients_for_the_grace() {
    let client = client(slow().limits(Limits::default().with_idle_grace(SECOND * 3)));
    let fresh = client.connect();
    let used = client.connect();
    used.send(GET);
    assert!(!text(&used).contains("connection: close"));
    let busy = client.connect();
    busy.send(SLOW);
    let silent = client.connect();
    let finished = client.site().finish();
    client.advance(SECOND * 2);
    for peer in [&fresh, &used] {
        assert!(!peer.is_closed());
        peer.send(GET);
        let got = text(peer);
        assert!(got.contains("connection: close"), "{got}");
        assert_eq!(answer(&got).1, "quick");
        assert!(peer.is_closed());
    }
    assert!(!silent.is_closed());
    client.advance(SECOND);
    assert!(silent.is_closed(), "the grace is over");
    client.advance(SECOND * 2);
    let got = text(&busy);
    assert!(got.contains("connection: close"));
    assert_eq!(answer(&got).1.len(), 400_000);
    client.reactor().result_of(finished).expect("all are over");
    assert!(client.reactor().leftovers().delayed_calls.is_empty());
}

/// Asks for what takes its time, and keeps the answer.
struct Asking(Rc<RefCell<Vec<u8>>>);

impl Protocol for Asking {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.write(SLOW);
        Ok(())
    }

    fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
        self.0.borrow_mut().extend_from_slice(data);
        Ok(())
    }
}

#[test]
fn a_stop_closes_the_port_before_it_waits() {
    let reactor = TestReactor::new();
    let serving = serve(&reactor, "tcp:80:interface=127.0.0.1", slow());
    let port = reactor.result_of(serving).expect("a port");
    let received = Rc::new(RefCell::new(Vec::new()));
    let address = SocketAddr::from(([127, 0, 0, 1], 80));
    let connecting = reactor.connect_tcp(address, Asking(Rc::clone(&received)));
    let _busy = reactor.result_of(connecting).expect("it listens");
    reactor.settle();
    reactor.stop();
    reactor.settle();
    assert!(!port.is_listening());
    assert!(received.borrow().is_empty());
    reactor.advance(SECOND * 5);
    // The connection of this test ends with the reactor, too, maybe before it has read the rest.
    assert!(received.borrow().starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_site_that_is_gone_leaves_no_trigger_in_its_reactor() {
    let reactor = TestReactor::new();
    let triggers = || reactor.counters().system_event_triggers;
    for _ in 0..3 {
        let serving = serve(&reactor, "tcp:80:interface=127.0.0.1", slow());
        let port = reactor.result_of(serving).expect("a port");
        assert_eq!(triggers(), 1, "of the port");
        let received = Rc::new(RefCell::new(Vec::new()));
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let connecting = reactor.connect_tcp(address, Asking(Rc::clone(&received)));
        let client = reactor.result_of(connecting).expect("it listens");
        reactor.settle();
        assert_eq!(triggers(), 2, "of the port and of the site");
        reactor
            .result_of(port.stop_listening())
            .expect("it listened");
        assert_eq!(triggers(), 1, "of the site, which has a connection");
        drop(port);
        reactor.advance(SECOND * 5);
        client.lose_connection();
        reactor.settle();
        assert_eq!(triggers(), 0);
    }
}

#[test]
fn a_port_that_listens_again_is_closed_first_by_a_stop() {
    let reactor = TestReactor::new();
    let serving = serve(&reactor, "tcp:80:interface=127.0.0.1", slow());
    let port = reactor.result_of(serving).expect("a port");
    for _ in 0..3 {
        port.stop_listening().ignore();
        port.start_listening().expect("its address is free");
    }
    assert_eq!(reactor.counters().system_event_triggers, 1);
    let seen = Rc::new(Cell::new(None));
    let see = Rc::clone(&seen);
    let (phase, event) = (Phase::Before, SystemEvent::Shutdown);
    reactor.add_system_event_trigger(phase, event, move || see.set(Some(port.is_listening())));
    reactor.shut_down();
    assert_eq!(seen.get(), Some(false));
}
