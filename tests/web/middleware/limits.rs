//! Middleware that bounds what a client gets: time, bytes, rate, number.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use deferred::sleep;
use http::Method;
use reactor_web::middleware::{BodyLimit, ConcurrencyLimit, RateLimit, Timeout};
use reactor_web::testing::TestClient;
use reactor_web::{App, Body, Limits, Request};

use crate::support::{answer, client, text};

const SECOND: Duration = Duration::from_secs(1);

async fn slow(req: Request) -> deferred::Result<&'static str> {
    sleep(req.reactor(), SECOND * 60).await?;
    Ok("at last")
}

#[test]
fn a_slow_handler_is_a_504_and_is_cancelled() {
    let reached = Rc::new(Cell::new(0));
    let counts = Rc::clone(&reached);
    let app = App::new()
        .get("/quick", |_| "quick")
        .get("/slow", move |req| {
            let counts = Rc::clone(&counts);
            sleep(req.reactor(), SECOND * 60).add_both(move |result| {
                counts.set(counts.get() + u32::from(result.is_err()));
                result.map(|()| "at last")
            })
        })
        .wrap(Timeout::after(SECOND * 5));
    let client = client(app);
    assert_eq!(client.get("/quick").text(), "quick");
    let slow = client.start_get("/slow");
    client.advance(SECOND * 5 - Duration::from_millis(1));
    assert!(slow.is_pending());
    assert_eq!(reached.get(), 0);
    client.advance(Duration::from_millis(1));
    assert_eq!(slow.answer().status(), 504);
    assert_eq!(reached.get(), 1, "it was cancelled");
    drop(client.start_get("/slow"));
    assert_eq!(reached.get(), 2, "as without a timeout if the client goes");
}

#[test]
fn a_handler_that_survives_its_cancel_does_not_keep_the_client() {
    let app = App::new()
        .get("/", async |req: Request| {
            loop {
                if sleep(req.reactor(), SECOND * 60).await.is_ok() {
                    return Ok("at last");
                }
            }
        })
        .wrap(Timeout::after(SECOND));
    let client = client(app);
    let pending = client.start_get("/");
    client.advance(SECOND);
    assert_eq!(pending.answer().status(), 504);
    client.advance(SECOND * 120);
}

#[test]
fn a_slow_client_is_a_408_and_its_connection_is_closed() {
    let app = App::new()
        .post("/", |req| {
            req.bytes()
                .add_callback(|bytes| Ok(bytes.len().to_string()))
        })
        .wrap(Timeout::after(SECOND * 5));
    let client = client(app);
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n12");
    client.advance(SECOND * 5);
    let received = text(&peer);
    assert_eq!(answer(&received).0, "HTTP/1.1 408 Request Timeout");
    assert!(received.contains("connection: close\r\n"), "{received}");
    assert!(peer.is_closed());
}

#[test]
fn a_handler_that_has_its_body_is_slow_by_itself() {
    let app = App::new()
        .post("/", async |req: Request| {
            req.bytes().await?;
            slow(req).await
        })
        .wrap(Timeout::after(SECOND * 5));
    let client = client(app);
    let peer = client.connect();
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n12");
    client.advance(SECOND * 5);
    assert_eq!(answer(&text(&peer)).0, "HTTP/1.1 504 Gateway Timeout");
    assert!(!peer.is_closed());
}

#[test]
fn routes_have_limits_of_their_own_for_bodies() {
    async fn count(req: Request) -> deferred::Result<String> {
        Ok(req.bytes().await?.len().to_string())
    }
    async fn stream(req: Request) -> deferred::Result<String> {
        let mut body = req.take_body();
        let mut size = 0;
        while let Some(bytes) = body.next().await {
            size += bytes?.len();
        }
        Ok(size.to_string())
    }
    let app = App::new()
        .limits(Limits::default().with_body(10))
        .post("/", count)
        .group(BodyLimit::new(20), |app| {
            app.post("/more", count).post("/stream", stream)
        })
        .group(BodyLimit::new(5), |app| app.post("/less", count));
    let client = client(app);
    let post = |path: &str, size: usize| client.post(path, "x".repeat(size)).status().as_u16();
    for (path, limit) in [("/", 10), ("/more", 20), ("/stream", 20), ("/less", 5)] {
        assert_eq!(post(path, limit), 200, "{path}");
        assert_eq!(post(path, limit + 1), 413, "{path}");
    }
}

#[test]
fn a_rate_is_kept_by_each_key_on_the_clock() {
    let app = App::new()
        .get("/", |_| "hello")
        .wrap(RateLimit::new(3, SECOND * 6).key(|req| req.header("x-key").map(str::to_owned)));
    let client = client(app);
    let get = |key: &str| client.get_with("/", &[("x-key", key)]);
    for _ in 0..3 {
        assert_eq!(get("a").status(), 200);
    }
    let refused = get("a");
    assert_eq!(
        (refused.status().as_u16(), refused.header("retry-after")),
        (429, Some("2"))
    );
    assert_eq!(get("b").status(), 200);
    client.advance(Duration::from_millis(500));
    assert_eq!(
        get("a").header("retry-after"),
        Some("2"),
        "1.5 s, rounded up"
    );
    client.advance(Duration::from_millis(1500));
    assert_eq!(get("a").status(), 200);
    assert_eq!(get("a").status(), 429);
    for _ in 0..10 {
        assert_eq!(client.get("/").status(), 200, "no key, no limit");
    }
}

#[test]
fn a_shared_limit_counts_for_several_apps_and_a_limit_of_addresses_for_all() {
    let limit = Rc::new(RateLimit::new(2, SECOND * 60));
    let app = App::new()
        .group(Rc::clone(&limit), |app| app.get("/a", |_| "a"))
        .group(limit, |app| app.get("/b", |_| "b"))
        .get("/c", |_| "c");
    let client = client(app);
    let status = |path: &str| client.get(path).status().as_u16();
    assert_eq!(
        ["/a", "/b", "/a", "/b", "/c"].map(status),
        [200, 200, 429, 429, 200]
    );
}

#[test]
fn the_table_of_a_rate_limit_is_bounded() {
    let app = App::new().get("/", |_| "hello").wrap(
        RateLimit::new(1, SECOND * 60)
            .max_keys(2)
            .key(|req| req.uri().query().map(str::to_owned)),
    );
    let client = client(app);
    let status = |key: &str| client.get(&format!("/?{key}")).status().as_u16();
    assert_eq!(
        ["a", "a", "b", "b", "c", "a"].map(status),
        [200, 429, 200, 429, 200, 200]
    );
}

fn reports(limit: ConcurrencyLimit) -> TestClient {
    client(
        App::new()
            .get("/", slow)
            .get("/quick", |_| "quick")
            .wrap(limit),
    )
}

#[test]
fn so_many_handlers_run_at_once_and_so_many_requests_wait() {
    let client = reports(ConcurrencyLimit::new(2).queue(1));
    let running = [client.start_get("/"), client.start_get("/")];
    client.advance(SECOND * 30);
    let waiting = client.start_get("/quick");
    assert!(waiting.is_pending());
    let refused = client.get("/quick");
    assert_eq!(
        (refused.status().as_u16(), refused.header("retry-after")),
        (503, Some("1"))
    );
    client.advance(SECOND * 30);
    assert_eq!(waiting.answer().text(), "quick");
    for answer in running {
        assert_eq!(answer.answer().text(), "at last");
    }
    assert_eq!(client.get("/quick").text(), "quick");
}

#[test]
fn a_client_that_goes_gives_its_place_to_the_next() {
    let client = reports(ConcurrencyLimit::new(1).queue(1));
    let running = client.start_get("/");
    let waiting = client.start_get("/quick");
    drop(waiting);
    let next = client.start_get("/quick");
    assert!(next.is_pending(), "the place in the queue is free");
    drop(running);
    assert_eq!(next.answer().text(), "quick");
    let again = client.start_get("/");
    assert!(client.start_get("/quick").is_pending());
    drop(again);
    assert_eq!(client.get("/quick").text(), "quick");
}

#[test]
fn a_limit_of_nothing_is_a_limit_of_one() {
    let client = reports(ConcurrencyLimit::new(0));
    assert_eq!(client.get("/quick").text(), "quick");
    let _running = client.start_get("/");
    let answer = client.send(Method::GET, "/quick", &[], Body::empty());
    assert_eq!(answer.status(), 503);
}
