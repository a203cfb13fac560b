//! The connections of a client.

use std::cell::Cell;
use std::rc::Rc;

use deferred::{gather_results, settled, sleep};
use http::Method;
use reactor::testing::TestReactor;
use reactor_web::client::ClientResponse;
use reactor_web::{App, Body, Client, Request};

use super::scripted::Script;
use super::{Pair, secs};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const URL: &str = "http://127.0.0.1/";

#[test]
fn requests_one_after_the_other_share_a_connection() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[OK, OK, OK]);
    let client = Client::new(&reactor);
    let body = async move {
        for _ in 0..3 {
            assert_eq!(client.get(URL).await?.text().await?, "ok");
        }
        Ok(client)
    };
    let client = reactor.result_of(reactor.spawn(body)).expect("answers");
    assert_eq!((script.made(), script.lost.get()), (1, 0));
    assert_eq!(client.idle_connections(), 1);
}

#[test]
fn an_answer_in_chunks_leaves_the_connection_for_the_next() {
    let app = App::new().get("/", |_| {
        let (writer, body) = Body::channel();
        writer.write("chunk").ignore();
        body
    });
    let pair = Pair::new(app);
    let client = pair.client.clone();
    let body = async move {
        for _ in 0..10 {
            assert_eq!(client.get(URL).await?.text().await?, "chunk");
            assert!(client.idle_connections() <= 1);
        }
        Ok(())
    };
    pair.result(pair.reactor.spawn(body)).expect("answers");
    assert_eq!(pair.reactor.counters().connections, 2);
}

/// An app that counts how many requests it answers at once.
fn counting() -> (App, Rc<Cell<usize>>) {
    let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let record = Rc::clone(&most);
    let app = App::new().get("/", move |req: Request| {
        let (now, most) = (Rc::clone(&now), Rc::clone(&record));
        now.set(now.get() + 1);
        most.set(most.get().max(now.get()));
        sleep(req.reactor(), secs(1)).add_callback(move |()| {
            now.set(now.get() - 1);
            Ok("done")
        })
    });
    (app, most)
}

#[test]
fn no_more_requests_are_under_way_than_the_cap() {
    let reactor = TestReactor::new();
    let client = Client::builder().in_flight_per_origin(4).build(&reactor);
    let (app, most) = counting();
    let pair = Pair::with(reactor, client, app);
    let pages = (0..12).map(|_| pair.start("/").add_callback(ClientResponse::text));
    let all = gather_results(pages);
    for _ in 0..3 {
        pair.reactor.settle();
        assert_eq!(pair.reactor.counters().connections, 8, "4 on each side");
        pair.reactor.advance(secs(1));
    }
    assert_eq!(pair.result(all).expect("all are answered").len(), 12);
    assert_eq!(most.get(), 4);
}

#[test]
fn a_request_that_is_cancelled_in_the_queue_leaves_its_place() {
    let reactor = TestReactor::new();
    let client = Client::builder().in_flight_per_origin(1).build(&reactor);
    let (app, most) = counting();
    let pair = Pair::with(reactor, client, app);
    let first = pair.start("/");
    let second = pair.start("/");
    let third = pair.start("/").add_callback(ClientResponse::text);
    pair.reactor.settle();
    second.cancel();
    assert!(pair.result(second).is_err());
    pair.reactor.advance(secs(1));
    pair.result(first.add_callback(ClientResponse::text))
        .expect("an answer");
    pair.reactor.settle();
    pair.reactor.advance(secs(1));
    assert_eq!(pair.result(third).expect("an answer"), "done");
    assert_eq!(most.get(), 1);
}

#[test]
fn origins_do_not_wait_for_one_another() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[]);
    let other = Script::serve_at(&reactor, "127.0.0.2:80", &[OK]);
    let client = Client::builder().in_flight_per_origin(1).build(&reactor);
    let stuck = client.get(URL);
    let page = client
        .get("http://127.0.0.2/")
        .add_callback(ClientResponse::text);
    assert_eq!(reactor.result_of(page).expect("an answer"), "ok");
    assert_eq!((script.made(), other.made()), (1, 1));
    stuck.cancel();
    stuck.ignore();
}

#[test]
fn an_idle_connection_is_closed_in_time() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[OK]);
    let client = Client::builder().idle_timeout(secs(10)).build(&reactor);
    let page = client.get(URL).add_callback(ClientResponse::text);
    reactor.result_of(page).expect("an answer");
    reactor.advance(secs(9));
    assert_eq!((client.idle_connections(), script.lost.get()), (1, 0));
    reactor.advance(secs(1));
    assert_eq!((client.idle_connections(), script.lost.get()), (0, 1));
    drop(client);
    assert!(reactor.leftovers().delayed_calls.is_empty());
}

#[test]
fn no_more_connections_are_kept_than_said() {
    let reactor = TestReactor::new();
    let client = Client::builder().idle_per_origin(2).build(&reactor);
    let pair = Pair::with(reactor, client, App::new().get("/", |_| "x"));
    let pages = (0..5).map(|_| pair.start("/").add_callback(ClientResponse::text));
    pair.result(gather_results(pages))
        .expect("all are answered");
    assert_eq!(pair.client.idle_connections(), 2);
}

#[test]
fn a_dropped_client_closes_what_it_keeps() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[OK]);
    let client = Client::new(&reactor);
    let page = client.get(URL).add_callback(ClientResponse::text);
    reactor.result_of(page).expect("an answer");
    let clone = client.clone();
    drop(client);
    reactor.settle();
    assert_eq!(script.lost.get(), 0);
    drop(clone);
    reactor.settle();
    assert_eq!(script.lost.get(), 1);
    assert!(reactor.leftovers().delayed_calls.is_empty());
}

#[test]
fn a_request_goes_on_when_its_client_is_dropped() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[]);
    let page = Client::new(&reactor)
        .get(URL)
        .add_callback(ClientResponse::text);
    reactor.settle();
    script.send(OK);
    assert_eq!(reactor.result_of(page).expect("an answer"), "ok");
    reactor.settle();
    assert_eq!(script.lost.get(), 1);
}

#[test]
fn a_connection_that_the_server_closes_is_not_used_again() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[OK, OK]);
    let client = Client::new(&reactor);
    reactor
        .result_of(client.get(URL).add_callback(ClientResponse::text))
        .expect("an answer");
    script.connections.borrow()[0].lose_connection();
    reactor.settle();
    assert_eq!(client.idle_connections(), 0);
    let page = client.get(URL).add_callback(ClientResponse::text);
    assert_eq!(reactor.result_of(page).expect("an answer"), "ok");
    assert_eq!(script.made(), 2);
}

#[test]
fn connection_close_is_obeyed() {
    let reactor = TestReactor::new();
    let last = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let script = Script::serve(&reactor, &[last, OK]);
    let client = Client::new(&reactor);
    for made in [1, 2] {
        let page = client.get(URL).add_callback(ClientResponse::text);
        assert_eq!(reactor.result_of(page).expect("an answer"), "ok");
        assert_eq!(script.made(), made);
    }
}

/// A kept connection, which the server closes at the next request.
fn stale(end: &'static str, method: Method, body: Option<Body>) -> (Rc<Script>, bool, String) {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[OK, end, OK]);
    let client = Client::new(&reactor);
    reactor
        .result_of(client.get(URL).add_callback(ClientResponse::text))
        .expect("an answer");
    script.take();
    let request = client.request(method, URL).body(body.unwrap_or_default());
    let result = reactor.result_of(request.send().add_callback(ClientResponse::text));
    (Rc::clone(&script), result.is_ok(), script.take())
}

#[test]
fn a_repeatable_request_is_sent_again_when_its_connection_is_stale() {
    for end in ["close", "abort"] {
        let (script, is_answered, _) = stale(end, Method::GET, None);
        assert!(is_answered, "{end}");
        assert_eq!(script.made(), 2);
        let (script, is_answered, sent) = stale(end, Method::PUT, Some("twice".into()));
        assert!(is_answered, "{end}");
        assert_eq!(script.made(), 2);
        assert_eq!(sent.matches("twice").count(), 2);
    }
}

#[test]
fn what_may_not_be_repeated_is_sent_once() {
    let (script, is_answered, sent) = stale("close", Method::POST, Some("once".into()));
    assert!(!is_answered);
    assert_eq!(script.made(), 1);
    assert_eq!(sent.matches("once").count(), 1);
    // A stream cannot be sent again.
    let (writer, body) = Body::channel();
    writer.write("once").ignore();
    drop(writer);
    let (script, is_answered, _) = stale("close", Method::PUT, Some(body));
    assert!(!is_answered);
    assert_eq!(script.made(), 1);
}

#[test]
fn a_new_connection_that_ends_is_not_tried_again() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &["close", OK]);
    let failure = reactor
        .result_of(Client::new(&reactor).get(URL))
        .expect_err("there is no answer");
    assert!(failure.is::<hyper::Error>(), "{failure:?}");
    assert_eq!(script.made(), 1);
}

#[test]
fn a_cancel_ends_the_connection_at_each_step() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[]);
    let client = Client::new(&reactor);
    // While it connects.
    let connecting = client.get(URL);
    connecting.cancel();
    assert!(reactor.result_of(connecting).is_err());
    assert_eq!(script.made(), script.lost.get());
    // While it waits for the head.
    let waiting = client.get(URL);
    reactor.settle();
    let (made, lost) = (script.made(), script.lost.get());
    assert_eq!(made, lost + 1);
    waiting.cancel();
    assert!(reactor.result_of(waiting).is_err());
    assert_eq!(script.lost.get(), made);
    // While it waits for the content.
    let reading = client.get(URL).add_callback(ClientResponse::text);
    reactor.settle();
    script.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
    reactor.settle();
    reading.cancel();
    assert!(reactor.result_of(reading).is_err());
    assert_eq!(script.lost.get(), script.made());
    assert_eq!(client.idle_connections(), 0);
    drop(client);
    assert!(reactor.leftovers().delayed_calls.is_empty());
}

#[test]
fn an_answer_that_is_dropped_ends_the_connection() {
    let reactor = TestReactor::new();
    let script = Script::serve(
        &reactor,
        &["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"],
    );
    let client = Client::new(&reactor);
    let response = reactor.result_of(client.get(URL)).expect("a head");
    drop(response);
    reactor.settle();
    assert_eq!(script.lost.get(), 1);
    assert_eq!(client.idle_connections(), 0);
}

#[test]
fn a_stop_of_the_reactor_ends_everything_quietly() {
    deferred::assertions::with_no_unhandled(|| {
        let reactor = TestReactor::new();
        let script = Script::serve(&reactor, &[OK]);
        let client = Client::new(&reactor);
        let page = client.get(URL).add_callback(ClientResponse::text);
        reactor.result_of(page).expect("an answer");
        let waiting = client.get(URL);
        let queued: Vec<_> = (0..3).map(|_| client.get(URL)).collect();
        reactor.settle();
        reactor.shut_down();
        reactor.settle();
        assert!(reactor.result_of(waiting).is_err());
        let results = reactor.result_of(settled(queued)).expect("a list");
        assert!(results.iter().all(Result::is_err));
        assert_eq!(script.lost.get(), script.made());
        drop(client);
    });
}

#[test]
fn close_idle_closes_and_keeps_nothing() {
    let reactor = TestReactor::new();
    let script = Script::serve(&reactor, &[OK, OK]);
    let client = Client::new(&reactor);
    let get = || reactor.result_of(client.get(URL).add_callback(ClientResponse::text));
    get().expect("an answer");
    client.close_idle();
    reactor.settle();
    assert_eq!(script.lost.get(), 1);
    get().expect("an answer");
    reactor.settle();
    assert_eq!((script.made(), script.lost.get()), (2, 2));
}
