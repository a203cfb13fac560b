//! A graceful stop: what runs is finished, and nothing is lost.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use deferred::sleep;
use reactor::{Phase, SystemEvent};
use reactor_web::{App, Limits, Request};

use crate::support::{GET, answer, client, text};

const SECOND: Duration = Duration::from_secs(1);

fn slow() -> App {
    App::new()
        .get("/", |_| "quick")
        .get("/slow", async |req: Request| {
            sleep(req.reactor(), SECOND * 5).await?;
            Ok("slow".repeat(100_000))
        })
}

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

#[test]
fn a_request_whose_head_is_on_its_way_is_answered() {
    let client = client(slow());
    let peer = client.connect();
    peer.send("GET / HTTP/1.1\r\n");
    let finished = client.site().finish();
    client.reactor().settle();
    assert!(!peer.is_closed());
    peer.send("host: x\r\n\r\n");
    assert_eq!(answer(&text(&peer)).1, "quick");
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
