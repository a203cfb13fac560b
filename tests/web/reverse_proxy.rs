//! The reverse proxy, between clients and upstreams on a network in memory.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Failure, Result, sleep};
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use reactor::testing::TestReactor;
use reactor::{Connection, Context, ListeningPort, Protocol, Raw, ReactorHandle};
use reactor_web::client::{ClientError, ClientResponse};
use reactor_web::reverse::{
    Balance, ReverseProxy, ReverseProxyBuilder, ReverseProxyError, ReverseProxyErrorKind,
};
use reactor_web::{Answer, App, Body, Client, IoProtocol, Next, Request, serve};

use crate::client::scripted::Script;
use crate::support::EchoLines;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const FIRST: &str = "http://127.0.0.1:8001";
const SECOND: &str = "http://127.0.0.1:8002";

/// A client of a proxy, which listens on 127.0.0.1, port 80.
struct Fixture {
    reactor: TestReactor,
    client: Client,
    proxy: ReverseProxy,
    kinds: Rc<RefCell<Vec<ReverseProxyErrorKind>>>,
}

impl Fixture {
    fn new(rules: impl FnOnce(ReverseProxyBuilder) -> ReverseProxyBuilder) -> Self {
        Self::mounted("/", TestReactor::new(), rules)
    }

    fn mounted(
        place: &str,
        reactor: TestReactor,
        rules: impl FnOnce(ReverseProxyBuilder) -> ReverseProxyBuilder,
    ) -> Self {
        let proxy = rules(ReverseProxy::builder())
            .build(&reactor)
            .expect("URLs");
        let kinds = Rc::<RefCell<Vec<_>>>::default();
        let noted = Rc::clone(&kinds);
        let note = move |req: Request, next: Next| -> Answer {
            let noted = Rc::clone(&noted);
            next.run(req).map(move |result| {
                if let Err(failure) = &result
                    && let Some(error) = failure.check::<ReverseProxyError>()
                {
                    noted.borrow_mut().push(error.kind());
                }
                result
            })
        };
        let app = App::new().mount(place, proxy.clone()).wrap(note);
        listen(&reactor, 80, app);
        let client = Client::new(&reactor);
        Self {
            reactor,
            client,
            proxy,
            kinds,
        }
    }

    fn ask(&self, method: Method, path: &str) -> Deferred<ClientResponse> {
        let url = format!("http://127.0.0.1{path}");
        self.client.request(method, url).send()
    }

    #[track_caller]
    fn status(&self, method: Method) -> StatusCode {
        let answer = self.reactor.result_of(self.ask(method, "/"));
        answer.expect("an answer").status()
    }

    #[track_caller]
    fn text(&self, path: &str) -> String {
        let text = self
            .ask(Method::GET, path)
            .add_callback(ClientResponse::text);
        self.reactor.result_of(text).expect("a text")
    }

    /// Bytes to the proxy, and what has come back.
    fn raw(&self, bytes: &str) -> (Connection<Collector>, Rc<RefCell<Vec<u8>>>) {
        let received = Rc::<RefCell<Vec<u8>>>::default();
        let shared = Rc::clone(&received);
        let connecting = self.reactor.connect_tcp("127.0.0.1:80", Collector(shared));
        let connection = self.reactor.result_of(connecting).expect("a connection");
        connection.write(bytes).expect("it is open");
        self.reactor.settle();
        (connection, received)
    }
}

struct Collector(Rc<RefCell<Vec<u8>>>);

impl Protocol for Collector {
    type Framing = Raw;

    fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.0.borrow_mut().extend_from_slice(data);
        Ok(())
    }
}

fn string(bytes: &RefCell<Vec<u8>>) -> String {
    String::from_utf8(bytes.borrow().clone()).expect("text")
}

#[track_caller]
fn listen(reactor: &TestReactor, port: u16, app: App) {
    let endpoint = format!("tcp:{port}:interface=127.0.0.1");
    reactor
        .result_of(serve(reactor, endpoint.as_str(), app))
        .expect("a free port");
}

/// Answers with its name and the target.
fn named(name: &'static str) -> App {
    App::new().fallback(move |req: Request| format!("{name} {}", req.uri()))
}

#[test]
fn requests_are_sent_below_the_path_of_the_upstream() {
    let proxy = Fixture::mounted("/shop", TestReactor::new(), |it| {
        it.upstream(format!("{FIRST}/app/"))
    });
    listen(&proxy.reactor, 8001, named("one"));
    assert_eq!(proxy.text("/shop/a%20b//c?d=e"), "one /app/a%20b//c?d=e");
    assert_eq!(proxy.text("/shop"), "one /app");
}

#[test]
fn paths_do_not_leave_that_of_the_upstream() {
    let proxy = Fixture::new(|it| it.upstream(format!("{FIRST}/app")));
    listen(&proxy.reactor, 8001, named("one"));
    for path in ["/../x", "/a/%2e%2E/../x", "/.%2e/x", "/..", "/..\\x"] {
        let (_connection, received) = proxy.raw(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        let answer = string(&received);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
    }
    assert_eq!(proxy.text("/..a/b.."), "one /app/..a/b..");
    let (_connection, received) = proxy.raw("GET /a\\b HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(string(&received).ends_with("one /app/a%5Cb"));
}

#[test]
fn headers_of_one_connection_end_at_the_proxy() {
    let proxy = Fixture::new(|it| it.upstream(FIRST));
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: x-hop\r\nx-hop: 1\r\n\
        keep-alive: timeout=5\r\nproxy-authenticate: Basic\r\nx-end: 1\r\n\r\nok";
    let upstream = Script::serve_at(&proxy.reactor, "127.0.0.1:8001", &[answer]);
    let (_connection, received) = proxy.raw(
        "POST / HTTP/1.1\r\nhost: site.example:8080\r\nconnection: x-one, host\r\n\
         connection: x-two\r\nx-one: 1\r\nx-two: 2\r\nkeep-alive: 1\r\nte: gzip\r\n\
         proxy-authorization: secret\r\nproxy-connection: x\r\nupgrade: h2c\r\n\
         expect: 100-continue\r\nx-end: 3\r\ncontent-length: 2\r\n\r\nhi",
    );
    let sent = upstream.take();
    for gone in [
        "x-one",
        "x-two",
        "keep-alive",
        "te:",
        "secret",
        "proxy-",
        "upgrade",
        "expect",
        "gzip",
    ] {
        assert!(!sent.contains(gone), "{gone}: {sent}");
    }
    for there in [
        "\nx-end: 3\r\n",
        "\ncontent-length: 2\r\n",
        "\nhost: site.example:8080\r\n",
        "via: 1.1 reactor-web\r\n",
    ] {
        assert_eq!(sent.matches(there).count(), 1, "{there}: {sent}");
    }
    assert!(
        !sent.contains("user-agent"),
        "the client's are enough: {sent}"
    );
    let received = string(&received);
    assert!(received.contains("x-end: 1\r\n"), "{received}");
    for gone in ["x-hop", "keep-alive", "proxy-auth"] {
        assert!(!received.contains(gone), "{gone}: {received}");
    }
}

/// What an upstream gets of a request with these headers.
fn forwarded(rules: fn(ReverseProxyBuilder) -> ReverseProxyBuilder, headers: &str) -> HeaderMap {
    let proxy = Fixture::new(|it| rules(it.upstream(FIRST)));
    let seen = Rc::new(RefCell::new(HeaderMap::new()));
    let slot = Rc::clone(&seen);
    let app = App::new().fallback(move |req: Request| {
        slot.replace(req.headers().clone());
        "ok"
    });
    listen(&proxy.reactor, 8001, app);
    let request = format!("GET / HTTP/1.1\r\nhost: site.example\r\n{headers}\r\n");
    let (_connection, received) = proxy.raw(&request);
    assert!(string(&received).ends_with("ok"));
    seen.take()
}

const CLAIMS: &str = "x-forwarded-for: 6.6.6.6\r\nforwarded: for=6.6.6.6\r\nx-real-ip: 6.6.6.6\r\n\
    x-forwarded-host: evil\r\nx-forwarded-proto: https\r\n";

#[test]
fn what_clients_say_of_their_origin_is_replaced() {
    let seen = forwarded(|it| it, CLAIMS);
    assert_eq!(seen["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["x-forwarded-host"], "site.example");
    assert_eq!(seen["x-forwarded-proto"], "http");
    let element = "for=127.0.0.1;host=\"site.example\";proto=http";
    assert_eq!(seen["forwarded"], element);
    assert!(!seen.contains_key("x-real-ip"));
    assert_eq!(seen["host"], "site.example");
}

#[test]
fn what_another_proxy_says_is_added_to() {
    let seen = forwarded(ReverseProxyBuilder::append_forwarded, CLAIMS);
    assert_eq!(seen["x-forwarded-for"], "6.6.6.6, 127.0.0.1");
    assert_eq!(seen["x-forwarded-host"], "evil");
    assert_eq!(seen["x-forwarded-proto"], "https");
    let list = "for=6.6.6.6, for=127.0.0.1;host=\"site.example\";proto=http";
    assert_eq!(seen["forwarded"], list);
    assert_eq!(seen["x-real-ip"], "6.6.6.6");
}

#[test]
fn the_host_is_that_of_the_upstream_if_asked_for() {
    let seen = forwarded(ReverseProxyBuilder::rewrite_host, "");
    assert_eq!(seen["host"], "127.0.0.1:8001");
    assert_eq!(seen["x-forwarded-host"], "site.example");
}

#[test]
fn upstreams_take_turns() {
    let proxy = Fixture::new(|it| it.upstream(FIRST).upstream(SECOND));
    listen(&proxy.reactor, 8001, named("one"));
    listen(&proxy.reactor, 8002, named("two"));
    let texts: Vec<String> = (0..4).map(|_| proxy.text("/")).collect();
    assert_eq!(texts, ["one /", "two /", "one /", "two /"]);
}

#[test]
fn the_upstream_with_the_fewest_requests_is_asked() {
    let proxy = Fixture::new(|it| {
        it.upstream(FIRST)
            .upstream(SECOND)
            .balance(Balance::LeastConnections)
    });
    let slow = App::new().fallback(async |req: Request| {
        sleep(req.reactor(), Duration::from_secs(10)).await?;
        Ok("one late")
    });
    listen(&proxy.reactor, 8001, slow);
    listen(&proxy.reactor, 8002, named("two"));
    let late = proxy.ask(Method::GET, "/");
    proxy.reactor.settle();
    assert_eq!(proxy.proxy.upstreams()[0].in_flight, 1);
    for _ in 0..3 {
        assert_eq!(proxy.text("/"), "two /");
    }
    proxy.reactor.advance(Duration::from_secs(10));
    let late = proxy
        .reactor
        .result_of(late.add_callback(ClientResponse::text));
    assert_eq!(late.expect("an answer"), "one late");
    assert_eq!(proxy.proxy.upstreams()[0].in_flight, 0);
}

#[test]
fn another_upstream_is_asked_where_nothing_was_sent() {
    let proxy = Fixture::new(|it| it.upstream(FIRST).upstream(SECOND));
    let echo = App::new().post("/", |req| req.text());
    listen(&proxy.reactor, 8002, echo);
    for _ in 0..2 {
        let (_connection, received) =
            proxy.raw("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello");
        let received = string(&received);
        assert!(received.ends_with("\r\n\r\nhello"), "{received}");
    }
    assert!(proxy.kinds.borrow().is_empty());
}

#[test]
fn a_broken_connection_is_retried_if_the_request_may_be_repeated() {
    for (method, body, status) in [
        ("GET", "", 200),
        ("DELETE", "", 200),
        ("POST", "", 502),
        ("PUT", "hello", 502),
    ] {
        let proxy = Fixture::new(|it| it.upstream(FIRST).upstream(SECOND));
        let broken = Script::serve_at(&proxy.reactor, "127.0.0.1:8001", &["close"]);
        let good = Script::serve_at(&proxy.reactor, "127.0.0.1:8002", &[OK]);
        let length = body.len();
        let (_connection, received) = proxy.raw(&format!(
            "{method} / HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        let received = string(&received);
        let line = format!("HTTP/1.1 {status} ");
        assert!(received.starts_with(&line), "{method}: {received}");
        assert_eq!(broken.made(), 1);
        assert_eq!(good.made(), usize::from(status == 200), "{method}");
        if status == 502 {
            assert_eq!(*proxy.kinds.borrow(), [ReverseProxyErrorKind::Broken]);
        }
    }
}

#[test]
fn an_upstream_that_refuses_is_a_502() {
    let proxy = Fixture::new(|it| it.upstream(FIRST));
    assert_eq!(proxy.status(Method::POST), 502);
    assert_eq!(*proxy.kinds.borrow(), [ReverseProxyErrorKind::Unreachable]);
}

#[test]
fn a_timeout_is_a_504_and_no_reason_to_ask_again() {
    let proxy = Fixture::new(|it| {
        it.upstream(FIRST)
            .upstream(SECOND)
            .client(Client::builder().head_timeout(Duration::from_secs(5)))
    });
    let silent = Script::serve_at(&proxy.reactor, "127.0.0.1:8001", &[]);
    let other = Script::serve_at(&proxy.reactor, "127.0.0.1:8002", &[]);
    let late = proxy.ask(Method::GET, "/");
    proxy.reactor.advance(Duration::from_secs(6));
    let answer = proxy.reactor.result_of(late).expect("an answer");
    assert_eq!(answer.status(), 504);
    assert_eq!((silent.made(), other.made()), (1, 0));
    assert_eq!(silent.lost.get(), 1, "its connection is closed");
    let kinds = proxy.kinds.borrow();
    assert!(
        matches!(kinds[..], [ReverseProxyErrorKind::TimedOut(_)]),
        "{kinds:?}"
    );
}

#[test]
fn an_upstream_that_fails_is_ejected_until_a_probe_is_answered() {
    let proxy = Fixture::new(|it| {
        it.upstream(FIRST)
            .upstream(SECOND)
            .eject_after(2, Duration::from_secs(10))
    });
    let available = || {
        let states = proxy.proxy.upstreams();
        states.iter().map(|it| it.is_available).collect::<Vec<_>>()
    };
    // Nothing listens: both fail once for each request.
    assert_eq!(proxy.status(Method::GET), 502);
    assert_eq!(available(), [true, true]);
    assert_eq!(proxy.status(Method::GET), 502);
    assert_eq!(available(), [false, false]);
    assert_eq!(proxy.status(Method::GET), 503);
    assert_eq!(
        proxy.kinds.borrow().last(),
        Some(&ReverseProxyErrorKind::NoUpstream)
    );
    let probes = Rc::new(Cell::new(0));
    let count = Rc::clone(&probes);
    let slow = App::new().fallback(move |req: Request| {
        count.set(count.get() + 1);
        let wait = sleep(req.reactor(), Duration::from_secs(1));
        wait.map_ok(|()| "back")
    });
    listen(&proxy.reactor, 8001, slow);
    proxy.reactor.advance(Duration::from_secs(10));
    let probe = proxy.ask(Method::GET, "/");
    proxy.reactor.settle();
    // The second is free for a probe, too, which fails; the first has one already.
    assert_eq!(proxy.status(Method::GET), 502);
    assert_eq!(proxy.status(Method::GET), 503);
    assert_eq!(probes.get(), 1, "a single probe");
    proxy.reactor.advance(Duration::from_secs(1));
    assert_eq!(proxy.reactor.result_of(probe).expect("back").status(), 200);
    assert_eq!(available(), [true, false]);
}

#[test]
fn a_probe_whose_client_goes_is_followed_by_another() {
    let proxy = Fixture::new(|it| {
        it.upstream(FIRST)
            .upstream(SECOND)
            .eject_after(1, Duration::from_secs(10))
    });
    assert_eq!(proxy.status(Method::GET), 502);
    let silent = Script::serve_at(&proxy.reactor, "127.0.0.1:8001", &[]);
    proxy.reactor.advance(Duration::from_secs(10));
    let probe = proxy.ask(Method::GET, "/");
    proxy.reactor.settle();
    assert_eq!(silent.made(), 1);
    assert!(!proxy.proxy.upstreams()[0].is_available);
    probe.cancel();
    probe.ignore();
    proxy.reactor.settle();
    assert!(proxy.proxy.upstreams()[0].is_available);
    assert_eq!(silent.lost.get(), 1, "the request ends with its client");
}

#[test]
fn a_single_upstream_is_never_ejected() {
    let proxy = Fixture::new(|it| it.upstream(FIRST).eject_after(1, Duration::from_secs(10)));
    assert_eq!(proxy.status(Method::GET), 502);
    listen(&proxy.reactor, 8001, named("one"));
    assert_eq!(proxy.text("/"), "one /");
}

#[test]
fn checks_find_out_which_upstreams_are_well() {
    let reactor = TestReactor::new();
    let is_well = Rc::new(Cell::new(false));
    let well = Rc::clone(&is_well);
    let checked = named("one").get("/health", move |_| match well.get() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    });
    listen(&reactor, 8001, checked);
    listen(&reactor, 8002, named("two"));
    let proxy = Fixture::mounted("/", reactor, |it| {
        it.upstream(FIRST)
            .upstream(SECOND)
            .health_check("/health", Duration::from_secs(5))
    });
    proxy.reactor.settle();
    assert_eq!([proxy.text("/"), proxy.text("/")], ["two /", "two /"]);
    is_well.set(true);
    proxy.reactor.advance(Duration::from_secs(5));
    let mut both = [proxy.text("/"), proxy.text("/")];
    both.sort();
    assert_eq!(both, ["one /", "two /"]);
}

#[test]
fn checks_end_with_the_proxy() {
    let reactor = TestReactor::new();
    let upstream = Script::serve_at(&reactor, "127.0.0.1:8001", &[OK, OK, OK]);
    let check = |it: ReverseProxyBuilder| it.health_check("/up", Duration::from_secs(5));
    let proxy = check(ReverseProxy::builder().upstream(FIRST)).build(&reactor);
    reactor.settle();
    assert!(upstream.take().starts_with("GET /up HTTP/1.1\r\n"));
    drop(proxy);
    reactor.advance(Duration::from_secs(60));
    assert_eq!(upstream.take(), "");
    assert_eq!(upstream.lost.get(), 1);
}

#[test]
fn a_check_that_waits_ends_with_the_proxy() {
    let reactor = TestReactor::new();
    let upstream = Script::serve_at(&reactor, "127.0.0.1:8001", &[]);
    let proxy = ReverseProxy::builder()
        .upstream(FIRST)
        .health_check("/up", Duration::from_secs(5))
        .build(&reactor);
    reactor.settle();
    assert_eq!((upstream.made(), upstream.lost.get()), (1, 0));
    drop(proxy);
    reactor.settle();
    assert_eq!(upstream.lost.get(), 1);
    reactor.advance(Duration::from_secs(60));
    assert_eq!(upstream.made(), 1);
}

#[test]
fn a_request_whose_client_goes_is_sent_to_no_other_upstream() {
    let proxy = Fixture::new(|it| it.upstream(FIRST).upstream(SECOND));
    let silent = Script::serve_at(&proxy.reactor, "127.0.0.1:8001", &[]);
    let other = Script::serve_at(&proxy.reactor, "127.0.0.1:8002", &[]);
    let (connection, _received) = proxy.raw("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    connection.abort();
    proxy.reactor.settle();
    assert_eq!((silent.lost.get(), other.made()), (1, 0));
    assert!(proxy.kinds.borrow().is_empty());
}

#[test]
fn bodies_are_streams_both_ways() {
    let proxy = Fixture::new(|it| it.upstream(FIRST));
    let upstream = Script::serve_at(
        &proxy.reactor,
        "127.0.0.1:8001",
        &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n"],
    );
    let (connection, received) =
        proxy.raw("PUT / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    assert!(
        upstream.take().ends_with("5\r\nfirst\r\n"),
        "before its end"
    );
    assert!(
        string(&received).ends_with("3\r\none\r\n"),
        "before its end"
    );
    connection.write("4\r\nnext\r\n0\r\n\r\n").expect("open");
    upstream.send("3\r\ntwo\r\n0\r\n\r\n");
    proxy.reactor.settle();
    assert!(upstream.take().ends_with("4\r\nnext\r\n0\r\n\r\n"));
    assert!(string(&received).ends_with("3\r\ntwo\r\n0\r\n\r\n"));
}

#[test]
fn a_get_with_a_stream_keeps_it() {
    let proxy = Fixture::new(|it| it.upstream(FIRST));
    listen(&proxy.reactor, 8001, App::new().get("/", |req| req.text()));
    let (_connection, received) = proxy
        .raw("GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
    let received = string(&received);
    assert!(received.ends_with("\r\n\r\nhi"), "{received}");
}

#[test]
fn a_client_that_does_not_read_stops_the_upstream() {
    let proxy = Fixture::new(|it| it.upstream(FIRST));
    let written = Rc::new(Cell::new(0));
    let count = Rc::clone(&written);
    let endless = App::new().get("/", move |req| {
        let (writer, body) = Body::channel();
        let count = Rc::clone(&count);
        let writing = async move {
            loop {
                writer.write(vec![b'x'; 10_000]).await?;
                count.set(count.get() + 10_000);
            }
        };
        req.reactor().spawn::<(), _>(writing).ignore();
        body
    });
    listen(&proxy.reactor, 8001, endless);
    let (connection, _received) = proxy.raw("");
    connection.pause_reading().expect("it is open");
    connection
        .write("GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("open");
    proxy.reactor.settle();
    let stopped_at = written.get();
    assert!((10_000..2_000_000).contains(&stopped_at), "{stopped_at}");
    assert_eq!(proxy.proxy.upstreams()[0].in_flight, 1);
    connection.abort();
    proxy.reactor.settle();
    assert_eq!(
        proxy.proxy.upstreams()[0].in_flight,
        0,
        "a client that goes ends it"
    );
}

#[test]
fn an_answer_that_breaks_off_breaks_off_for_the_client() {
    let proxy = Fixture::new(|it| {
        it.upstream(FIRST)
            .upstream(SECOND)
            .eject_after(1, Duration::MAX / 4)
    });
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
    let upstream = Script::serve_at(&proxy.reactor, "127.0.0.1:8001", &[half]);
    let answer = proxy.reactor.result_of(proxy.ask(Method::GET, "/"));
    let text = answer.expect("a head").text();
    let latest = upstream.connections.borrow()[0].clone();
    latest.lose_connection();
    assert!(proxy.reactor.result_of(text).is_err());
    assert!(!proxy.proxy.upstreams()[0].is_available, "it counts");
}

#[test]
fn a_body_above_the_limit_is_the_fault_of_the_client() {
    let proxy = Fixture::new(|it| it.upstream(FIRST).upstream(SECOND));
    listen(&proxy.reactor, 8001, App::new().post("/", |req| req.text()));
    let chunk = format!("200000\r\n{}\r\n", "x".repeat(0x20_0000));
    let (_connection, received) = proxy.raw(&format!(
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunk}1\r\nx\r\n"
    ));
    proxy.reactor.settle();
    let (_other, more) = proxy.raw("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n");
    for received in [received, more] {
        let received = string(&received);
        assert!(received.starts_with("HTTP/1.1 413 "), "{received}");
    }
    assert!(proxy.kinds.borrow().is_empty());
}

#[test]
fn upgrades_are_passed_on_both_ways() {
    let proxy = Fixture::new(|it| it.upstream(FIRST));
    let echo = App::new().get("/echo", |req| {
        let upgrade = req.upgrade().add_callback(|io| io.switch_to(EchoLines));
        upgrade.log_error().ignore();
        let headers = [("connection", "upgrade"), ("upgrade", "echo")];
        (StatusCode::SWITCHING_PROTOCOLS, (headers, ()))
    });
    listen(&proxy.reactor, 8001, echo);
    let ask = |path| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")
    };
    // The first line is sent too early, and is not lost.
    let (connection, received) = proxy.raw(&(ask("/echo") + "one\r\n"));
    connection.write("two\r\n").expect("open");
    proxy.reactor.settle();
    let text = string(&received);
    assert!(text.starts_with("HTTP/1.1 101 "), "{text}");
    assert!(text.contains("upgrade: echo\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\none\r\ntwo\r\n"), "{text}");
    assert_eq!(proxy.proxy.upstreams()[0].in_flight, 1);
    connection.lose_connection();
    proxy.reactor.settle();
    assert_eq!(proxy.proxy.upstreams()[0].in_flight, 0);
    let (_connection, received) = proxy.raw(&ask("/none"));
    assert!(string(&received).starts_with("HTTP/1.1 404 "));
}

#[test]
fn an_upgrade_on_which_nothing_comes_is_closed() {
    let proxy = Fixture::new(|it| {
        it.upstream(FIRST)
            .tunnel_idle_timeout(Duration::from_secs(60))
    });
    let switched = "HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let upstream = Script::serve_at(&proxy.reactor, "127.0.0.1:8001", &[switched]);
    let (connection, _received) =
        proxy.raw("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    proxy.reactor.advance(Duration::from_secs(50));
    connection.write("x").expect("open");
    proxy.reactor.advance(Duration::from_secs(50));
    assert_eq!(upstream.lost.get(), 0);
    proxy.reactor.advance(Duration::from_secs(70));
    assert_eq!(upstream.lost.get(), 1);
    assert!(connection.is_gone());
}

#[test]
fn an_upgrade_that_was_not_asked_for_is_broken() {
    let proxy = Fixture::new(|it| it.upstream(FIRST));
    let switched = "HTTP/1.1 101 Yes\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
    let _upstream = Script::serve_at(&proxy.reactor, "127.0.0.1:8001", &[switched]);
    assert_eq!(proxy.status(Method::GET), 502);
    assert_eq!(*proxy.kinds.borrow(), [ReverseProxyErrorKind::Broken]);
}

#[test]
fn connect_is_refused() {
    let proxy = Fixture::new(|it| it.upstream(FIRST));
    let upstream = Script::serve_at(&proxy.reactor, "127.0.0.1:8001", &[OK]);
    let (_connection, received) =
        proxy.raw("CONNECT other.example:443 HTTP/1.1\r\nhost: other.example:443\r\n\r\n");
    let received = string(&received);
    assert!(received.starts_with("HTTP/1.1 4"), "{received}");
    assert_eq!(upstream.made(), 0);
}

#[test]
fn an_upstream_may_be_a_unix_socket() {
    let proxy = Fixture::new(|it| it.upstream("unix:/run/one").rewrite_host());
    let app = App::new().get("/", |req| req.header("host").unwrap_or_default().to_owned());
    let listening = serve(&proxy.reactor, "unix:/run/one", app);
    proxy.reactor.result_of(listening).expect("a socket");
    assert_eq!(proxy.text("/"), "localhost");
}

#[test]
fn what_is_no_upstream_is_refused() {
    let reactor = TestReactor::new();
    for url in [
        "",
        "x",
        "ftp://x",
        "http://x?y",
        "http://x#y",
        "http://me:pw@x",
    ] {
        let failure = ReverseProxy::to(&reactor, url).expect_err(url);
        assert!(
            matches!(failure.check(), Some(ClientError::BadUrl { .. })),
            "{url}"
        );
        assert!(!failure.message().contains("pw"), "{failure}");
    }
    assert!(ReverseProxy::builder().build(&reactor).is_err());
}

/// A server that answers with the path, after some milliseconds, as long as it lives.
struct Mortal {
    port: ListeningPort,
    connections: Rc<RefCell<Vec<Connection<IoProtocol>>>>,
}

impl Mortal {
    fn start(reactor: &TestReactor, port: u16) -> Self {
        let connections = Rc::<RefCell<Vec<_>>>::default();
        let made = Rc::clone(&connections);
        let answer = |request: http::Request<Incoming>, reactor: ReactorHandle| async move {
            let path = request.uri().path()[1..].to_owned();
            let wait: u64 = path.parse().expect("a number");
            sleep(&reactor, Duration::from_millis(wait % 7)).await?;
            Ok::<_, Failure>(http::Response::new(Body::from(path)))
        };
        let factory = move || {
            let made = Rc::clone(&made);
            IoProtocol::new(move |io| {
                made.borrow_mut().push(io.connection().clone());
                let reactor = io.reactor().clone();
                let service = service_fn({
                    let reactor = reactor.clone();
                    move |request| answer(request, reactor.clone())
                });
                let serving = http1::Builder::new().serve_connection(io, service);
                // It errs when the server dies.
                reactor.spawn(async { Ok(serving.await?) }).ignore();
            })
        };
        let port = reactor.listen_tcp(("127.0.0.1", port), factory);
        Self {
            port: port.expect("free"),
            connections,
        }
    }

    /// Resets its connections, whatever is under way there.
    fn die(self) {
        self.port.stop_listening().ignore();
        for connection in self.connections.take() {
            connection.abort();
        }
    }
}

#[test]
fn upstreams_that_die_under_load_cost_no_answer() {
    let proxy = Fixture::new(|it| {
        it.upstream(FIRST)
            .upstream(SECOND)
            .upstream("http://127.0.0.1:8003")
            .balance(Balance::LeastConnections)
            .eject_after(1, Duration::from_millis(10))
    });
    let ports: Vec<u16> = vec![8001, 8002, 8003];
    let start = |port: u16| Mortal::start(&proxy.reactor, port);
    let mut servers: Vec<_> = ports.iter().map(|port| Some(start(*port))).collect();
    let mut answers = Vec::new();
    for round in 0..60_u64 {
        for n in round * 10..round * 10 + 10 {
            answers.push((
                n,
                proxy
                    .ask(Method::GET, &format!("/{n}"))
                    .add_callback(ClientResponse::text),
            ));
        }
        // One dies, or comes back, while requests are under way; at least one lives.
        if round % 5 == 0 {
            let step = usize::try_from(round / 5).expect("small");
            servers[step % 3] = match servers[step % 3].take() {
                Some(server) if step % 2 == 0 => {
                    server.die();
                    None
                }
                Some(server) => Some(server),
                None => Some(start(ports[step % 3])),
            };
        }
        proxy.reactor.advance(Duration::from_millis(5));
    }
    proxy.reactor.advance(Duration::from_secs(5));
    let mut failed = 0;
    for (n, answer) in answers {
        match proxy.reactor.result_of(answer) {
            Ok(text) if text == n.to_string() => {}
            // An error is an answer, too: it has a page, and says so.
            Ok(text) => {
                assert!(text.contains("50"), "{n}: {text}");
                failed += 1;
            }
            Err(failure) => panic!("{n}: {failure:?}"),
        }
    }
    assert!(failed < 60, "{failed} of 600");
    assert!(proxy.proxy.upstreams().iter().all(|it| it.in_flight == 0));
}
