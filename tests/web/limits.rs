//! Clients that are slow, on a clock that the test moves.

use std::time::Duration;

use deferred::sleep;
use reactor_web::{App, Limits, Request};

use crate::support::{GET, answer, client, text};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_idle_connection_ends_after_a_minute_without_a_word() {
    let client = client(App::new().get("/", |_| "hello"));
    let fresh = client.connect();
    let used = client.connect();
    client.advance(SECOND * 30);
    used.send(GET);
    assert_eq!(answer(&text(&used)).1, "hello");
    client.advance(SECOND * 29);
    assert!(!fresh.is_closed());
    client.advance(SECOND);
    assert!(fresh.is_closed());
    assert_eq!(text(&fresh), "");
    client.advance(SECOND * 29);
    assert!(!used.is_closed(), "its minute began with its answer");
    client.advance(SECOND);
    assert!(used.is_closed());
    assert_eq!(client.site().connections(), 0);
}

#[test]
fn a_head_that_comes_slowly_gets_a_408() {
    let client = client(App::new().get("/", |_| "hello"));
    let peer = client.connect();
    for byte in GET.as_bytes().iter().take(20) {
        peer.send([*byte]);
        client.advance(SECOND * 3 - Duration::from_millis(1));
    }
    assert!(!peer.is_closed());
    client.advance(SECOND);
    assert_eq!(answer(&text(&peer)).0, "HTTP/1.1 408 Request Timeout");
    assert!(peer.is_closed());
}

#[test]
fn a_handler_may_take_its_time() {
    let app = App::new().get("/", async |req: Request| {
        sleep(req.reactor(), SECOND * 600).await?;
        Ok("at last")
    });
    let client = client(app);
    let peer = client.connect();
    peer.send(GET);
    client.advance(SECOND * 600);
    assert_eq!(answer(&text(&peer)).1, "at last");
    // And its minute begins then.
    client.advance(SECOND * 59);
    assert!(!peer.is_closed());
    client.advance(SECOND);
    assert!(peer.is_closed());
}

#[test]
fn a_body_that_stops_coming_ends_the_connection() {
    let client = client(App::new().post("/", |req| req.bytes()));
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n");
    for _ in 0..10 {
        peer.send("x");
        client.advance(SECOND * 40);
        assert!(!peer.is_closed(), "it comes, if slowly");
    }
    client.advance(SECOND * 60);
    assert!(peer.is_closed());
    assert_eq!(client.site().connections(), 0);
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let client = client(App::new().get("/", |_| vec![b'x'; 3_000_000]));
    let peer = client.connect();
    peer.set_reading(false);
    peer.send(GET);
    client.advance(SECOND * 59);
    assert_eq!(client.site().connections(), 1);
    client.advance(SECOND * 17);
    assert_eq!(
        client.site().connections(),
        0,
        "a quarter later at the most"
    );
}

#[test]
fn a_time_of_zero_concerns_only_what_waits() {
    let limits = Limits::default()
        .with_write_timeout(Duration::ZERO)
        .with_body_timeout(Duration::ZERO);
    let client = client(App::new().get("/", |_| "hello").limits(limits));
    let peer = client.connect();
    client.advance(SECOND * 59);
    peer.send(GET);
    assert_eq!(answer(&text(&peer)).1, "hello");
}

#[test]
fn limits_are_set() {
    let limits = Limits::default().with_head_timeout(SECOND * 5).with_body(3);
    let app = App::new().post("/", |req| req.bytes()).limits(limits);
    let client = client(app);
    assert_eq!(client.post("/", "1234").status(), 413);
    let peer = client.connect();
    client.advance(SECOND * 5);
    assert!(peer.is_closed());
}

#[test]
fn a_half_close_is_an_end_unless_it_is_allowed() {
    let app = || {
        App::new().get("/", async |req: Request| {
            sleep(req.reactor(), SECOND).await?;
            Ok("late")
        })
    };
    let ending = client(app());
    let peer = ending.connect();
    peer.send(GET);
    peer.finish();
    ending.advance(SECOND);
    assert_eq!(text(&peer), "");

    let going_on = client(app().limits(Limits::default().with_half_close(true)));
    let peer = going_on.connect();
    peer.send(GET);
    peer.finish();
    going_on.advance(SECOND);
    assert_eq!(answer(&text(&peer)).1, "late");
}

#[test]
fn no_timer_is_left_behind() {
    let client = client(App::new().get("/", |_| "hello"));
    let peer = client.connect();
    peer.send(GET);
    peer.close();
    assert!(client.reactor().leftovers().delayed_calls.is_empty());
}
