//! Server-sent events: to one client, and the same to many.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Failure, sleep};
use reactor::testing::Peer;
use reactor_web::testing::TestClient;
use reactor_web::{App, ClientGone, Event, EventFeed, EventSender, Events};

use crate::support::{GET, client, text};

/// What `peer` has received, without the framing of chunks.
fn events(peer: &Peer) -> String {
    let got = text(peer);
    let body = got
        .split_once("\r\n\r\n")
        .map_or(got.as_str(), |(_, body)| body);
    let mut lines = body.split("\r\n");
    let mut events = String::new();
    while let (Some(_size), Some(chunk)) = (lines.next(), lines.next()) {
        events.push_str(chunk);
    }
    events
}

/// A site whose only page is the events of a sender, which is kept.
fn site_of_a_sender() -> (TestClient, Rc<RefCell<Vec<EventSender>>>) {
    let senders: Rc<RefCell<Vec<EventSender>>> = Rc::default();
    let list = Rc::clone(&senders);
    let app = App::new().get("/", move |req| {
        let (sender, events) = Events::channel(&req);
        list.borrow_mut().push(sender);
        events
    });
    (client(app), senders)
}

fn site_of_a_feed(feed: &EventFeed) -> TestClient {
    let feed = feed.clone();
    client(App::new().get("/", move |req| feed.subscribe(&req)))
}

fn get(site: &TestClient) -> Peer {
    let peer = site.connect();
    peer.send(GET);
    peer
}

#[test]
fn an_event_is_written_in_the_form_of_the_standard() {
    for (event, expected) in [
        (Event::data("x"), "data: x\n\n"),
        (Event::data(""), "data: \n\n"),
        (Event::data("a\nb"), "data: a\ndata: b\n\n"),
        (
            Event::data("a\r\nb\rc\n"),
            "data: a\ndata: b\ndata: c\ndata: \n\n",
        ),
        (Event::data(" x"), "data:  x\n\n"),
        (
            Event::data("x").named("n").with_id("7"),
            "id: 7\nevent: n\ndata: x\n\n",
        ),
        (
            Event::data("x").with_retry(Duration::from_millis(1500)),
            "data: x\nretry: 1500\n\n",
        ),
        (Event::comment("a\nb"), ": a\n: b\n\n"),
        (Event::json(&[1, 2]).expect("JSON"), "data: [1,2]\n\n"),
        // What would be a line of its own, and forge another field.
        (
            Event::data("x").named("a\ndata: y\r\0"),
            "event: adata: y\ndata: x\n\n",
        ),
        (
            Event::data("x").with_id("1\nretry: 1"),
            "id: 1retry: 1\ndata: x\n\n",
        ),
    ] {
        assert_eq!(event.encode(), expected, "{event:?}");
    }
}

#[test]
fn an_event_is_sent_when_it_happens() {
    let (site, senders) = site_of_a_sender();
    let peer = get(&site);
    let head = text(&peer);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("content-type: text/event-stream\r\n"),
        "{head}"
    );
    assert!(head.contains("cache-control: no-store\r\n"), "{head}");
    assert!(head.contains("x-accel-buffering: no\r\n"), "{head}");
    let sender = senders.borrow_mut().pop().expect("the handler was called");
    sender.send(&Event::data("one")).ignore();
    assert_eq!(events(&peer), "data: one\n\n");
    sender.send(&Event::data("two")).ignore();
    assert_eq!(events(&peer), "data: two\n\n");
    drop(sender);
    assert_eq!(text(&peer), "0\r\n\r\n");
}

#[test]
fn a_comment_keeps_a_silent_stream_alive() {
    let (site, senders) = site_of_a_sender();
    let peer = get(&site);
    text(&peer);
    let tick = |seconds| site.advance(Duration::from_secs(seconds));
    tick(14);
    assert_eq!(text(&peer), "");
    tick(1);
    assert_eq!(events(&peer), ":\n\n");
    tick(10);
    let sender = senders.borrow()[0].clone();
    sender.send(&Event::data("x")).ignore();
    assert_eq!(events(&peer), "data: x\n\n");
    // The time begins anew with an event.
    tick(14);
    assert_eq!(text(&peer), "");
    tick(1);
    assert_eq!(events(&peer), ":\n\n");
    // It goes on for longer than any limit of a connection.
    tick(3600);
    assert_eq!(events(&peer), ":\n\n".repeat(240));
    assert!(!peer.is_closed());
}

#[test]
fn the_time_until_a_comment_can_be_set() {
    let app = App::new().get("/", |req| {
        let (sender, events) = Events::channel(&req);
        req.notify_finish().add_both(move |_| drop(sender)).ignore();
        events.keep_alive(Duration::from_secs(2))
    });
    let site = client(app);
    let peer = get(&site);
    text(&peer);
    site.advance(Duration::from_secs(4));
    assert_eq!(events(&peer), ":\n\n:\n\n");
}

#[test]
fn a_client_that_goes_ends_its_stream() {
    let (site, senders) = site_of_a_sender();
    let peer = get(&site);
    let sender = senders.borrow()[0].clone();
    assert!(!sender.is_gone());
    peer.reset();
    assert!(sender.is_gone());
    let sent = sender.send(&Event::data("late")).into_result();
    let failure = sent.expect("at once").expect_err("it is gone");
    assert!(failure.is::<ClientGone>());
    // Not even a timer is left.
    assert!(site.reactor().leftovers().delayed_calls.is_empty());
}

#[test]
fn a_stream_ends_when_the_site_finishes() {
    let (site, senders) = site_of_a_sender();
    let peer = get(&site);
    senders.borrow()[0].send(&Event::data("last")).ignore();
    let finished = site.site().finish();
    site.reactor().settle();
    assert!(text(&peer).ends_with("data: last\n\n\r\n0\r\n\r\n"));
    assert!(peer.is_closed());
    finished
        .into_result()
        .expect("nothing is left")
        .expect("it ends");
    assert!(senders.borrow()[0].is_gone());
}

#[test]
fn a_stream_ends_when_the_reactor_stops() {
    let feed = EventFeed::new();
    let site = site_of_a_feed(&feed);
    let peer = get(&site);
    site.reactor().shut_down();
    assert!(text(&peer).ends_with("0\r\n\r\n"));
    assert_eq!(feed.subscribers(), 0);
}

#[test]
fn a_body_that_sends_is_cancelled_when_the_client_goes() {
    struct Log(Rc<RefCell<Vec<&'static str>>>);
    impl Drop for Log {
        fn drop(&mut self) {
            self.0.borrow_mut().push("dropped");
        }
    }
    let log: Rc<RefCell<Vec<_>>> = Rc::default();
    let kept = Rc::clone(&log);
    let app = App::new()
        .get("/", move |req| {
            let (reactor, log) = (req.reactor().clone(), Log(Rc::clone(&kept)));
            Events::run(&req, async move |sender: EventSender| {
                loop {
                    sender.send(&Event::data("tick")).await?;
                    sleep(&reactor, Duration::from_secs(1)).await?;
                    log.0.borrow_mut().push("tick");
                }
            })
        })
        .get("/fails", |req| {
            Events::run(&req, async move |sender: EventSender| {
                sender.send(&Event::data("x")).await?;
                Err(Failure::msg("it broke"))
            })
        });
    let site = client(app);
    let peer = get(&site);
    site.advance(Duration::from_secs(1));
    assert!(events(&peer).ends_with("data: tick\n\ndata: tick\n\n"));
    peer.reset();
    assert_eq!(*log.borrow(), ["tick", "dropped"]);
    // At the end of the site, too.
    let peer = get(&site);
    assert!(site.start_get("/fails").result().is_err(), "it has no end");
    site.site().finish().ignore();
    site.reactor().settle();
    assert!(text(&peer).ends_with("0\r\n\r\n"));
    assert_eq!(log.borrow().len(), 3);
    assert!(site.reactor().leftovers().delayed_calls.is_empty());
}

#[test]
fn a_feed_sends_to_all_who_are_there() {
    let feed = EventFeed::new();
    let site = site_of_a_feed(&feed);
    feed.send(&Event::data("before"));
    let peers = [get(&site), get(&site), get(&site)];
    assert_eq!(feed.subscribers(), 3);
    for peer in &peers {
        text(peer);
    }
    feed.send(&Event::data("one"));
    for peer in &peers {
        assert_eq!(events(peer), "data: one\n\n");
    }
    peers[1].reset();
    assert_eq!(feed.subscribers(), 2);
    feed.send(&Event::data("two"));
    assert_eq!(events(&peers[2]), "data: two\n\n");
    feed.end();
    assert!(text(&peers[0]).ends_with("data: two\n\n\r\n0\r\n\r\n"));
    assert_eq!(feed.subscribers(), 0);
    peers[0].close();
    peers[2].close();
    assert!(site.reactor().leftovers().delayed_calls.is_empty());
}

#[test]
fn a_slow_client_is_ended_and_finds_the_rest_in_the_history() {
    let feed = EventFeed::with_history(100);
    let site = site_of_a_feed(&feed);
    let (slow, quick) = (get(&site), get(&site));
    slow.set_reading(false);
    let line = "x".repeat(10_000);
    let received = |peer: &Peer| text(peer).matches("id: ").count();
    let mut sent = 0;
    while feed.subscribers() == 2 {
        assert!(sent < 100, "it was not ended");
        feed.send(&Event::data(&line).with_id(sent.to_string()));
        sent += 1;
        assert_eq!(received(&quick), 1);
    }
    assert_eq!(feed.subscribers(), 1);
    slow.set_reading(true);
    site.reactor().settle();
    let got = text(&slow);
    let had = got.matches("id: ").count();
    assert!(
        got.ends_with("\r\n0\r\n\r\n"),
        "{} of {}: {}",
        had,
        sent,
        &got[got.len() - 50..]
    );
    // What was sent to it has come whole; the event that found it full has not.
    assert_eq!(had, sent - 1);
    let again = site.connect();
    again.send(format!(
        "GET / HTTP/1.1\r\nhost: x\r\nlast-event-id: {}\r\n\r\n",
        had - 1
    ));
    assert_eq!(received(&again), 1);
}

#[test]
fn the_history_has_what_a_client_has_missed() {
    let feed = EventFeed::with_history(3);
    let feeds = feed.clone();
    let site = client(
        App::new()
            .get("/", move |req| feeds.subscribe(&req))
            .get("/all", {
                let feed = feed.clone();
                move |req| feed.subscribe_after(&req, "")
            }),
    );
    for id in 1..=5 {
        feed.send(&Event::data(id.to_string()).with_id(format!("n{id}")));
        feed.send(&Event::data("without an id"));
    }
    let after = |path: &str, last: &str| {
        let peer = site.connect();
        let last = if last.is_empty() {
            String::new()
        } else {
            format!("last-event-id: {last}\r\n")
        };
        peer.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n{last}\r\n"));
        let lines = events(&peer);
        let data = lines.lines().filter_map(|line| line.strip_prefix("data: "));
        data.collect::<String>()
    };
    assert_eq!(after("/", "n4"), "5");
    assert_eq!(after("/", "n5"), "");
    assert_eq!(after("/", "n2"), "345", "it is not kept: all that is");
    assert_eq!(after("/", ""), "", "a new client");
    assert_eq!(after("/all", ""), "345");
}

#[test]
fn a_subscriber_may_go_or_come_while_an_event_is_sent() {
    let feed = EventFeed::new();
    let site = site_of_a_feed(&feed);
    let peers: Vec<_> = (0..10).map(|_| get(&site)).collect();
    for (index, peer) in peers.iter().enumerate() {
        if index % 3 == 0 {
            peer.reset();
        }
        feed.send(&Event::data("x"));
    }
    assert_eq!(feed.subscribers(), 6);
}
