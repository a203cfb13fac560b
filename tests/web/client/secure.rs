//! https, and HTTP/2.

use deferred::{gather_results, sleep};
use http::{Method, StatusCode, Version};
use reactor::endpoint::Connect;
use reactor::testing::TestReactor;
use reactor::{Context, Protocol, Raw};
use reactor_tls::{Roots, TlsClient, TlsError};
use reactor_web::client::{ClientError, ClientResponse, Step};
use reactor_web::{App, Client, Event, EventFeed, Request, Site};

use super::secs;
use crate::support::{EchoLines, serve_https};

const URL: &str = "https://localhost/";

fn app() -> App {
    App::new()
        .get("/", |req| {
            format!("{:?} {}", req.version(), req.is_secure())
        })
        .get("/slow", async |req: Request| {
            sleep(req.reactor(), secs(5)).await?;
            Ok("slow")
        })
        .get("/hangs", async |req: Request| {
            sleep(req.reactor(), secs(1000)).await?;
            Ok("never")
        })
        .post("/echo", |req| req.take_body())
}

/// A server of https that offers `alpn`, and what a client needs to trust it.
fn serve(reactor: &TestReactor, alpn: &[&str]) -> (Site, Roots) {
    let site = app().into_site().expect("no conflicts");
    let roots = serve_https(reactor, site.clone(), "localhost", alpn);
    (site, roots)
}

/// A client of `https://localhost/`.
fn client(reactor: &TestReactor, roots: Roots) -> Client {
    let tls = TlsClient::builder()
        .roots(roots)
        .alpn(["h2", "http/1.1"])
        .build();
    Client::builder()
        .tls(tls.expect("a client"))
        .connect_by(|_, port| (std::net::IpAddr::from([127, 0, 0, 1]), port))
        .head_timeout(secs(30))
        .build(reactor)
}

fn connections(reactor: &TestReactor) -> u64 {
    // One on each side.
    u64::try_from(reactor.counters().connections / 2).expect("a few")
}

#[test]
fn the_version_is_agreed_on() {
    for (alpn, expected) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0 true"),
        (&["http/1.1"][..], "HTTP/1.1 true"),
        (&[][..], "HTTP/1.1 true"),
    ] {
        let reactor = TestReactor::new();
        let (_site, roots) = serve(&reactor, alpn);
        let page = client(&reactor, roots)
            .get(URL)
            .add_callback(ClientResponse::text);
        assert_eq!(reactor.result_of(page).expect("an answer"), expected);
    }
}

/// Asks for `/feed` and reads nothing of it.
struct ReadsNothing;

impl Protocol for ReadsNothing {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.write("GET /feed HTTP/1.1\r\nhost: localhost\r\n\r\n");
        cx.pause_reading();
        Ok(())
    }
}

#[test]
fn what_tls_adds_does_not_count_as_sent() {
    let reactor = TestReactor::new();
    let feed = EventFeed::new();
    let feeds = feed.clone();
    let app = App::new().get("/feed", move |req| feeds.subscribe(&req));
    let site = app.into_site().expect("no conflicts");
    let roots = serve_https(&reactor, site.clone(), "localhost", &[]);
    let tls = TlsClient::builder().roots(roots).build().expect("a client");
    let address = (std::net::IpAddr::from([127, 0, 0, 1]), 443);
    let endpoint = tls.endpoint("localhost", address).expect("a name");
    let connecting = endpoint.connect(&reactor, ReadsNothing);
    let _connection = reactor.result_of(connecting).expect("a connection");
    // More than the network takes, in records of which TLS makes more than twice the bytes.
    for _ in 0..3500 {
        feed.send(&Event::data("x"));
        reactor.settle();
    }
    assert_eq!(feed.subscribers(), 1, "output waits, but not too much");
    for second in 0..100 {
        if site.connections() == 0 {
            assert!((60..=75).contains(&second), "{second}");
            return;
        }
        feed.send(&Event::data("x"));
        reactor.advance(secs(1));
    }
    panic!("a client that takes nothing holds its connection");
}

#[test]
fn a_server_that_is_not_trusted_is_not_asked() {
    let reactor = TestReactor::new();
    let (_site, _) = serve(&reactor, &["h2"]);
    let (_, other) = serve(&TestReactor::new(), &["h2"]);
    let failure = reactor
        .result_of(client(&reactor, other).get(URL))
        .expect_err("another authority");
    assert!(failure.is::<TlsError>(), "{failure:?}");
}

#[test]
fn all_requests_share_one_connection_from_the_first_on() {
    let reactor = TestReactor::new();
    let (_site, roots) = serve(&reactor, &["h2", "http/1.1"]);
    let client = client(&reactor, roots);
    let slow = (0..50).map(|_| {
        let url = format!("{URL}slow");
        client.get(url).add_callback(ClientResponse::text)
    });
    let all = gather_results(slow);
    reactor.settle();
    assert_eq!(connections(&reactor), 1);
    reactor.advance(secs(5));
    assert_eq!(reactor.result_of(all).expect("answers").len(), 50);
    assert_eq!(client.idle_connections(), 1);
    reactor.advance(secs(59));
    assert_eq!(connections(&reactor), 1);
    reactor.advance(secs(1));
    assert_eq!(connections(&reactor), 0);
}

#[test]
fn requests_to_a_server_of_http1_that_wait_for_the_version_are_answered() {
    let reactor = TestReactor::new();
    let (_site, roots) = serve(&reactor, &["http/1.1"]);
    let client = client(&reactor, roots);
    let slow = (0..5).map(|_| {
        let url = format!("{URL}slow");
        client.get(url).add_callback(ClientResponse::text)
    });
    let all = gather_results(slow);
    reactor.settle();
    assert_eq!(connections(&reactor), 5);
    reactor.advance(secs(5));
    assert_eq!(reactor.result_of(all).expect("answers").len(), 5);
}

#[test]
fn a_cancel_ends_its_stream_only() {
    let reactor = TestReactor::new();
    let (_site, roots) = serve(&reactor, &["h2"]);
    let client = client(&reactor, roots);
    let kept = client
        .get(format!("{URL}slow"))
        .add_callback(ClientResponse::text);
    let cancelled = client.get(format!("{URL}slow"));
    reactor.settle();
    cancelled.cancel();
    assert!(reactor.result_of(cancelled).is_err());
    reactor.advance(secs(5));
    assert_eq!(reactor.result_of(kept).expect("an answer"), "slow");
    assert_eq!(connections(&reactor), 1);
}

#[test]
fn a_connection_that_gives_no_answer_is_not_used_again() {
    let reactor = TestReactor::new();
    let (_site, roots) = serve(&reactor, &["h2"]);
    let client = client(&reactor, roots);
    let hangs = client.get(format!("{URL}hangs"));
    reactor.settle();
    reactor.advance(secs(30));
    let failure = reactor.result_of(hangs).expect_err("too slow");
    let Some(ClientError::TimedOut {
        step: Step::Head, ..
    }) = failure.check()
    else {
        panic!("another failure: {failure:?}");
    };
    reactor.settle();
    let page = client.get(URL).add_callback(ClientResponse::text);
    assert_eq!(reactor.result_of(page).expect("an answer"), "HTTP/2.0 true");
    assert_eq!(connections(&reactor), 1, "the first one has ended");
}

#[test]
fn a_server_that_finishes_is_asked_over_a_new_connection() {
    let reactor = TestReactor::new();
    let (site, roots) = serve(&reactor, &["h2"]);
    let client = client(&reactor, roots);
    let slow = client
        .get(format!("{URL}slow"))
        .add_callback(ClientResponse::text);
    reactor.settle();
    let finished = site.finish();
    reactor.advance(secs(5));
    assert_eq!(reactor.result_of(slow).expect("an answer"), "slow");
    reactor.result_of(finished).expect("all are over");
    assert_eq!(client.idle_connections(), 0);
    assert!(
        reactor.result_of(client.get(URL)).is_err(),
        "it takes no more"
    );
}

#[test]
fn large_bodies_go_both_ways_over_http2() {
    let reactor = TestReactor::new();
    let (_site, roots) = serve(&reactor, &["h2"]);
    let client = client(&reactor, roots);
    let body = "x".repeat(3_000_000);
    let echo = client
        .post(format!("{URL}echo"), body[..1_000_000].to_owned())
        .add_callback(ClientResponse::text);
    assert!(reactor.result_of(echo).expect("an echo") == body[..1_000_000]);
}

#[test]
fn servers_of_http_may_be_known_to_speak_http2() {
    let reactor = TestReactor::new();
    let client = Client::builder().http2_prior_knowledge().build(&reactor);
    let pair = super::Pair::with(reactor, client, app());
    assert_eq!(pair.text("/"), "HTTP/2.0 false");
    let response = pair.result(pair.start("/")).expect("an answer");
    assert_eq!(response.version(), Version::HTTP_2);
}

#[test]
fn an_upgrade_asks_for_http1_alone() {
    let reactor = TestReactor::new();
    let echo = App::new().get("/", |req| {
        let upgrade = req.upgrade().add_callback(|io| io.switch_to(EchoLines));
        upgrade.log_error().ignore();
        let headers = [("connection", "upgrade"), ("upgrade", "echo")];
        (StatusCode::SWITCHING_PROTOCOLS, (headers, ()))
    });
    let site = echo.into_site().expect("no conflicts");
    let roots = serve_https(&reactor, site, "localhost", &["h2", "http/1.1"]);
    let upgraded = client(&reactor, roots)
        .request(Method::GET, URL)
        .header("connection", "upgrade")
        .header("upgrade", "echo")
        .send()
        .add_callback(ClientResponse::upgrade);
    reactor.result_of(upgraded).expect("it is upgraded");
}
