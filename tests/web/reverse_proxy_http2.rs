//! The reverse proxy with TLS and HTTP/2: on the side of the clients, of the upstreams, and of both.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::Write;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deferred::{Deferred, Result, sleep};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use reactor::testing::TestReactor;
use reactor::{Connection, Context, Listen, Protocol, Raw};
use reactor_tls::{Roots, TlsClient};
use reactor_web::client::ClientResponse;
use reactor_web::reverse::{
    ReverseProxy, ReverseProxyBuilder, ReverseProxyError, ReverseProxyErrorKind,
};
use reactor_web::{
    Answer, App, Body, Client, IoProtocol, LoopExecutor, Next, Request, Site, serve,
};

use crate::client::scripted::Script;
use crate::http2::speaker;
use crate::support::{EchoLines, serve_https};

const UPSTREAM: &str = "https://127.0.0.1";

/// The version that clients speak to the proxy.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Front {
    Http1,
    Http2,
}

/// What the upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Back {
    Http1,
    Https1,
    Https2,
}

const ALL: [(Front, Back); 6] = [
    (Front::Http1, Back::Http1),
    (Front::Http1, Back::Https1),
    (Front::Http1, Back::Https2),
    (Front::Http2, Back::Http1),
    (Front::Http2, Back::Https1),
    (Front::Http2, Back::Https2),
];

impl Back {
    fn url(self) -> &'static str {
        match self {
            Self::Http1 => "http://127.0.0.1:8001",
            Self::Https1 | Self::Https2 => UPSTREAM,
        }
    }

    fn alpn(self) -> &'static [&'static str] {
        match self {
            Self::Https2 => &["h2", "http/1.1"],
            Self::Http1 | Self::Https1 => &["http/1.1"],
        }
    }

    /// Serves `site` as the upstream; returns what trusts it.
    fn serve(self, reactor: &TestReactor, site: Site) -> Option<Roots> {
        if self == Self::Http1 {
            let listening = "tcp:8001:interface=127.0.0.1".listen(reactor, site);
            reactor.result_of(listening).expect("a port");
            return None;
        }
        Some(serve_https(reactor, site, "127.0.0.1", self.alpn()))
    }
}

fn client_tls(roots: Roots) -> TlsClient {
    let tls = TlsClient::builder().roots(roots).alpn(["h2", "http/1.1"]);
    tls.build().expect("a client")
}

/// A client of a proxy at `http://127.0.0.1/`.
struct Fixture {
    reactor: TestReactor,
    proxy: ReverseProxy,
    client: Client,
    kinds: Rc<RefCell<Vec<ReverseProxyErrorKind>>>,
}

impl Fixture {
    /// A proxy of one upstream, which is `app`.
    fn new(front: Front, back: Back, app: App) -> Self {
        let reactor = TestReactor::new();
        let roots = back.serve(&reactor, app.into_site().expect("no conflicts"));
        Self::with(front, reactor, |it| trust(it.upstream(back.url()), roots))
    }

    fn with(
        front: Front,
        reactor: TestReactor,
        rules: impl FnOnce(ReverseProxyBuilder) -> ReverseProxyBuilder,
    ) -> Self {
        let proxy = rules(ReverseProxy::builder()).build(&reactor);
        let proxy = proxy.expect("URLs");
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
        let app = App::new().mount("/", proxy.clone()).wrap(note);
        let listening = serve(&reactor, "tcp:80:interface=127.0.0.1", app);
        reactor.result_of(listening).expect("a port");
        let builder = Client::builder();
        let builder = match front {
            Front::Http1 => builder,
            Front::Http2 => builder.http2_prior_knowledge(),
        };
        let client = builder.build(&reactor);
        Self {
            reactor,
            proxy,
            client,
            kinds,
        }
    }

    fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Asked {
        let url = format!("http://127.0.0.1{path}");
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: header::HeaderName = name.parse().expect("a name");
            map.append(name, value.parse().expect("a value"));
        }
        let request = self.client.request(method, url);
        request.headers(map).body(body).send()
    }

    fn get(&self, path: &str) -> Asked {
        self.ask(Method::GET, path, &[], Body::empty())
    }

    #[track_caller]
    fn text(&self, path: &str) -> String {
        let text = self.get(path).add_callback(ClientResponse::text);
        self.reactor.result_of(text).expect("a text")
    }

    #[track_caller]
    fn status(&self, method: Method, path: &str) -> StatusCode {
        let asked = self.ask(method, path, &[], Body::empty());
        self.reactor.result_of(asked).expect("an answer").status()
    }

    #[track_caller]
    fn is_idle(&self) {
        assert_eq!(self.proxy.upstreams()[0].in_flight, 0);
    }
}

type Asked = Deferred<ClientResponse>;

fn trust(builder: ReverseProxyBuilder, roots: Option<Roots>) -> ReverseProxyBuilder {
    match roots {
        Some(roots) => builder.client(Client::builder().tls(client_tls(roots))),
        None => builder,
    }
}

/// A body whose frames are taken one by one.
struct Frames(Body);

impl Frames {
    fn of(response: ClientResponse) -> Self {
        Self(response.into_body())
    }

    /// The bytes that are there now.
    fn now(&mut self, reactor: &TestReactor) -> String {
        reactor.settle();
        let mut text = String::new();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Some(Ok(frame))) =
            Pin::new(&mut self.0).poll_frame(&mut cx)
        {
            let bytes = frame.into_data().expect("no trailers yet");
            text += str::from_utf8(&bytes).expect("text");
            reactor.settle();
        }
        text
    }
}

/// All of a body, and its trailers.
async fn whole(mut body: Body) -> Result<(String, HeaderMap)> {
    let (mut content, mut trailers) = (Vec::new(), HeaderMap::new());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame?.into_data() {
            Ok(bytes) => content.extend_from_slice(&bytes),
            Err(frame) => trailers = frame.into_trailers().expect("data or trailers"),
        }
    }
    Ok((String::from_utf8(content)?, trailers))
}

fn sum(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        header::HeaderName::from_static("x-sum"),
        HeaderValue::from_static(value),
    )])
}

#[test]
fn each_side_has_its_own_version() {
    for (front, back) in ALL {
        let app = App::new().get("/", |req| {
            format!("{:?} {}", req.version(), req.is_secure())
        });
        let proxy = Fixture::new(front, back, app);
        let answer = proxy.reactor.result_of(proxy.get("/")).expect("an answer");
        let version = match front {
            Front::Http1 => http::Version::HTTP_11,
            Front::Http2 => http::Version::HTTP_2,
        };
        assert_eq!(answer.version(), version, "{front:?} {back:?}");
        let text = proxy.reactor.result_of(answer.text()).expect("a text");
        let expected = match back {
            Back::Http1 => "HTTP/1.1 false",
            Back::Https1 => "HTTP/1.1 true",
            Back::Https2 => "HTTP/2.0 true",
        };
        assert_eq!(text, expected, "{front:?} {back:?}");
        proxy.is_idle();
    }
}

#[test]
fn bodies_are_streams_both_ways_in_each_version() {
    for (front, back) in ALL {
        let app = App::new().post("/", |req| req.take_body());
        let proxy = Fixture::new(front, back, app);
        let (writer, body) = Body::channel();
        let asked = proxy.ask(Method::POST, "/", &[], body);
        writer.write("one").ignore();
        let answer = proxy.reactor.result_of(asked).expect("a head");
        let mut frames = Frames::of(answer);
        assert_eq!(frames.now(&proxy.reactor), "one", "{front:?} {back:?}");
        writer.write("two").ignore();
        assert_eq!(frames.now(&proxy.reactor), "two", "{front:?} {back:?}");
        drop(writer);
        let rest = proxy.reactor.spawn(whole(frames.0));
        let (rest, _) = proxy.reactor.result_of(rest).expect("an end");
        assert_eq!(rest, "", "{front:?} {back:?}");
        proxy.is_idle();
    }
}

#[test]
fn large_bodies_go_both_ways_in_each_version() {
    for (front, back) in ALL {
        let app = App::new().post("/", |req| req.take_body());
        let proxy = Fixture::new(front, back, app);
        let body = "x".repeat(1_000_000);
        let asked = proxy.ask(Method::POST, "/", &[], body.clone().into());
        let text = proxy
            .reactor
            .result_of(asked.add_callback(ClientResponse::text));
        assert!(text.expect("an echo") == body, "{front:?} {back:?}");
    }
}

#[test]
fn a_client_that_does_not_read_stops_the_upstream_in_each_version() {
    for (front, back) in ALL {
        let written = Rc::new(Cell::new(0));
        let count = Rc::clone(&written);
        let app = App::new().get("/", move |req| {
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
        let proxy = Fixture::new(front, back, app);
        let answer = proxy.reactor.result_of(proxy.get("/")).expect("a head");
        proxy.reactor.settle();
        let stopped_at = written.get();
        let range = 10_000..8_000_000;
        assert!(
            range.contains(&stopped_at),
            "{front:?} {back:?}: {stopped_at}"
        );
        assert_eq!(proxy.proxy.upstreams()[0].in_flight, 1);
        drop(answer);
        proxy.reactor.settle();
        proxy.is_idle();
    }
}

#[test]
fn a_client_that_goes_ends_its_stream_and_no_other() {
    for (front, back) in ALL {
        let ends = Rc::<RefCell<Vec<bool>>>::default();
        let log = Rc::clone(&ends);
        let app = App::new().get("/", move |req| {
            let log = Rc::clone(&log);
            sleep(req.reactor(), Duration::from_secs(5))
                .add_both(move |slept| {
                    log.borrow_mut().push(slept.is_ok());
                    slept
                })
                .add_callback(|()| Ok("late"))
        });
        let proxy = Fixture::new(front, back, app);
        let kept = proxy.get("/");
        let cancelled = proxy.get("/");
        proxy.reactor.settle();
        assert_eq!(proxy.proxy.upstreams()[0].in_flight, 2);
        cancelled.cancel();
        cancelled.ignore();
        proxy.reactor.settle();
        assert_eq!(*ends.borrow(), [false], "{front:?} {back:?}");
        proxy.reactor.advance(Duration::from_secs(5));
        let answer = proxy.reactor.result_of(kept).expect("an answer");
        assert_eq!(answer.status(), 200, "{front:?} {back:?}");
        drop(answer);
        proxy.reactor.settle();
        proxy.is_idle();
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("one thread").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_a_502_with_its_story_in_the_log_only() {
    for (front, back) in ALL {
        if back == Back::Http1 {
            continue;
        }
        let reactor = TestReactor::new();
        let asked = Rc::new(Cell::new(0));
        let count = Rc::clone(&asked);
        let app = App::new().get("/", move |_| count.set(count.get() + 1));
        back.serve(&reactor, app.into_site().expect("no conflicts"));
        let other = back.serve(&TestReactor::new(), App::new().into_site().expect("an app"));
        let proxy = Fixture::with(front, reactor, |it| trust(it.upstream(UPSTREAM), other));
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        let page = tracing::subscriber::with_default(subscriber, || {
            // Makes the callsites known, so that they can be asked again: one that another thread,
            // which has no subscriber, meets first, is disabled.
            assert_eq!(proxy.status(Method::GET, "/"), 502);
            tracing::callsite::rebuild_interest_cache();
            proxy.text("/")
        });
        let log = String::from_utf8(log.0.lock().expect("one thread").clone()).expect("text");
        assert!(log.contains(UPSTREAM), "{log}");
        assert!(log.contains("cannot be reached"), "{log}");
        assert!(log.to_lowercase().contains("certificate"), "{log}");
        for secret in ["ertificate", "127.0.0.1", "TLS", "UnknownIssuer"] {
            assert!(!page.contains(secret), "{secret}: {page}");
        }
        assert!(page.contains("502 Bad Gateway"), "{page}");
        let kinds = proxy.kinds.take();
        assert_eq!(kinds, [ReverseProxyErrorKind::Unreachable; 2]);
        assert_eq!(asked.get(), 0, "it is not asked");
    }
}

/// An upstream whose connections can be killed: it never answers `/hangs`, and answers `/half` with
/// half of a body.
struct Mortal {
    connections: Rc<RefCell<Vec<Connection<IoProtocol>>>>,
    roots: Roots,
    writers: Rc<RefCell<Vec<reactor_web::BodyWriter>>>,
}

impl Mortal {
    fn start(reactor: &TestReactor, back: Back) -> Self {
        let connections = Rc::<RefCell<Vec<_>>>::default();
        let writers = Rc::<RefCell<Vec<_>>>::default();
        let (made, kept) = (Rc::clone(&connections), Rc::clone(&writers));
        let factory = move || {
            let (made, kept) = (Rc::clone(&made), Rc::clone(&kept));
            IoProtocol::new(move |io| {
                made.borrow_mut().push(io.connection().clone());
                let reactor = io.reactor().clone();
                let service = service_fn(move |request: http::Request<Incoming>| {
                    let kept = Rc::clone(&kept);
                    async move {
                        if request.uri().path() == "/hangs" {
                            std::future::pending::<()>().await;
                        }
                        let (writer, body) = Body::channel();
                        writer.write("half").ignore();
                        kept.borrow_mut().push(writer);
                        Ok::<_, deferred::Failure>(http::Response::new(body))
                    }
                });
                // Both err when it is killed.
                if back == Back::Https2 {
                    let builder = http2::Builder::new(LoopExecutor::new(&reactor));
                    let serving = builder.serve_connection(io, service);
                    reactor.spawn(async { Ok(serving.await?) }).ignore();
                } else {
                    let serving = http1::Builder::new().serve_connection(io, service);
                    reactor.spawn(async { Ok(serving.await?) }).ignore();
                }
            })
        };
        let roots = serve_https(reactor, factory, "127.0.0.1", back.alpn());
        Self {
            connections,
            roots,
            writers,
        }
    }

    fn kill(&self) {
        let connections = self.connections.take();
        assert!(!connections.is_empty(), "there is one to kill");
        for connection in connections {
            connection.abort();
        }
    }
}

#[test]
fn an_upstream_that_is_killed_breaks_what_is_under_way() {
    for (front, back) in ALL {
        if back == Back::Http1 {
            continue;
        }
        let reactor = TestReactor::new();
        let upstream = Mortal::start(&reactor, back);
        let roots = Some(upstream.roots.clone());
        let proxy = Fixture::with(front, reactor, |it| trust(it.upstream(UPSTREAM), roots));
        let half = proxy.reactor.result_of(proxy.get("/half"));
        let mut half = Frames::of(half.expect("a head"));
        assert_eq!(half.now(&proxy.reactor), "half", "{front:?} {back:?}");
        let hangs = proxy.ask(Method::POST, "/hangs", &[], Body::empty());
        proxy.reactor.settle();
        assert_eq!(proxy.proxy.upstreams()[0].in_flight, 2);
        upstream.kill();
        proxy.reactor.settle();
        let rest = proxy.reactor.spawn(whole(half.0));
        let broken = proxy.reactor.result_of(rest);
        assert!(broken.is_err(), "{front:?} {back:?}: not taken for whole");
        let answer = proxy.reactor.result_of(hangs).expect("an answer");
        assert_eq!(answer.status(), 502, "{front:?} {back:?}");
        assert_eq!(proxy.kinds.take(), [ReverseProxyErrorKind::Broken]);
        drop(answer);
        // The next one is made anew.
        let again = proxy.reactor.result_of(proxy.get("/half"));
        assert_eq!(again.expect("a head").status(), 200, "{front:?} {back:?}");
        assert_eq!(upstream.writers.borrow().len(), 2);
        proxy.reactor.settle();
        proxy.is_idle();
    }
}

#[test]
fn an_upstream_that_says_goaway_answers_what_it_has() {
    for front in [Front::Http1, Front::Http2] {
        let reactor = TestReactor::new();
        let slow = || {
            App::new().get("/", async |req: Request| {
                sleep(req.reactor(), Duration::from_secs(5)).await?;
                Ok("late")
            })
        };
        let site = slow().into_site().expect("no conflicts");
        let roots = serve_https(&reactor, site.clone(), "127.0.0.1", &["h2"]);
        let other = App::new().fallback(|_| "other");
        let listening = serve(&reactor, "tcp:8002:interface=127.0.0.1", other);
        reactor.result_of(listening).expect("a port");
        let proxy = Fixture::with(front, reactor, |it| {
            let it = it.upstream(UPSTREAM).upstream("http://127.0.0.1:8002");
            trust(it, Some(roots))
        });
        let late = proxy.get("/").add_callback(ClientResponse::text);
        proxy.reactor.settle();
        assert_eq!(proxy.text("/"), "other");
        let finished = site.finish();
        proxy.reactor.settle();
        // Its turn, but it takes no more: nothing was sent there.
        assert_eq!(proxy.text("/"), "other", "{front:?}");
        proxy.reactor.advance(Duration::from_secs(5));
        assert_eq!(proxy.reactor.result_of(late).expect("a text"), "late");
        let finished = proxy.reactor.result_of(finished);
        finished.expect("its connections are over");
        assert!(proxy.kinds.borrow().is_empty());
        proxy.is_idle();
    }
}

/// Frames of HTTP/2 by hand: settings, and `GOAWAY` with stream 0 as the last one that was processed,
/// once a request has come.
struct TakesNothing {
    made: Rc<Cell<usize>>,
    received: usize,
}

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// The preface, and settings without a value: what any client sends first has more bytes.
const OPENING: usize = 24 + 9;

impl Protocol for TakesNothing {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.made.set(self.made.get() + 1);
        cx.write(SETTINGS);
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        // A frame of headers: its type is the fourth byte. The preface and the settings of hyper
        // come as one piece, or with the first request.
        let is_request = data
            .windows(9)
            .any(|it| it[3] == 1 && it[5..] == [0, 0, 0, 1]);
        self.received += data.len();
        if is_request && self.received > OPENING {
            cx.write(GOAWAY);
            cx.lose_connection();
        }
        Ok(())
    }
}

#[test]
fn a_request_that_goaway_leaves_out_is_asked_again_if_it_may_be_repeated() {
    for front in [Front::Http1, Front::Http2] {
        for (method, status) in [(Method::GET, 200), (Method::POST, 502)] {
            let reactor = TestReactor::new();
            let made = Rc::new(Cell::new(0));
            let count = Rc::clone(&made);
            let factory = move || TakesNothing {
                made: Rc::clone(&count),
                received: 0,
            };
            reactor
                .listen_tcp("127.0.0.1:8001", factory)
                .expect("a free port");
            let good = App::new().fallback(|_| "good");
            let listening = serve(&reactor, "tcp:8002:interface=127.0.0.1", good);
            reactor.result_of(listening).expect("a port");
            let proxy = Fixture::with(front, reactor, |it| {
                it.upstream("http://127.0.0.1:8001")
                    .upstream("http://127.0.0.1:8002")
                    .client(Client::builder().http2_prior_knowledge())
            });
            assert_eq!(proxy.status(method.clone(), "/"), status, "{method}");
            assert_eq!(made.get(), 1, "{method}");
        }
    }
}

/// What the upstream has got, as headers.
fn seen(
    front: Front,
    back: Back,
    headers: &[(&str, &str)],
    rules: fn(ReverseProxyBuilder) -> ReverseProxyBuilder,
) -> (HeaderMap, Option<String>) {
    let reactor = TestReactor::new();
    let seen = Rc::new(RefCell::new(None));
    let slot = Rc::clone(&seen);
    let app = App::new().fallback(move |req: Request| {
        let authority = req.uri().authority().map(ToString::to_string);
        slot.replace(Some((req.headers().clone(), authority)));
        "ok"
    });
    let roots = back.serve(&reactor, app.into_site().expect("no conflicts"));
    let proxy = Fixture::with(front, reactor, |it| {
        rules(trust(it.upstream(back.url()), roots))
    });
    let asked = proxy.ask(Method::GET, "/", headers, Body::empty());
    let answer = proxy.reactor.result_of(asked).expect("an answer");
    assert_eq!(answer.status(), 200);
    seen.take().expect("it was asked")
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?;
    Some(value.to_str().expect("text"))
}

#[test]
fn the_host_reaches_the_upstream_in_the_form_of_its_version() {
    for (front, back) in ALL {
        for (rules, expected) in [
            (
                std::convert::identity as fn(ReverseProxyBuilder) -> _,
                "site.example:8080",
            ),
            (
                ReverseProxyBuilder::rewrite_host,
                back.url().rsplit('/').next().expect("a host"),
            ),
        ] {
            // Our client sends it as `:authority` in HTTP/2.
            let host = [("host", "site.example:8080")];
            let (headers, authority) = seen(front, back, &host, rules);
            let host = text_of(&headers, "host");
            if back == Back::Https2 {
                assert_eq!(authority.as_deref(), Some(expected), "{front:?} {back:?}");
                assert_eq!(host, None, "{front:?} {back:?}");
            } else {
                assert_eq!(host, Some(expected), "{front:?} {back:?}");
            }
            let name = "x-forwarded-host";
            assert_eq!(text_of(&headers, name), Some("site.example:8080"));
        }
    }
}

#[test]
fn the_authority_counts_and_not_a_host_beside_it() {
    let proxy = Fixture::new(
        Front::Http1,
        Back::Http1,
        App::new().fallback(|req: Request| {
            let header = |name| req.header(name).unwrap_or("none");
            format!("{} {}", header("host"), header("x-forwarded-host"))
        }),
    );
    let (protocol, sender) = speaker();
    proxy.reactor.connect_tcp("127.0.0.1:80", protocol).ignore();
    let mut sender = proxy.reactor.result_of(sender).expect("a handshake");
    let asked = proxy.reactor.spawn(async move {
        let request = http::Request::get("http://good.example/").header("host", "evil.example");
        let response = sender.send_request(request.body(Body::empty())?).await?;
        whole(Body::wrap(response.into_body())).await
    });
    let (text, _) = proxy.reactor.result_of(asked).expect("an answer");
    assert_eq!(text, "good.example good.example");
    // RFC 9112, 3.2.2.
    let received = raw(
        &proxy.reactor,
        "GET http://good.example/ HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    );
    assert!(
        received.ends_with("\r\n\r\ngood.example good.example"),
        "{received}"
    );
}

/// What the proxy answers to these bytes.
fn raw(reactor: &TestReactor, bytes: &str) -> String {
    struct Collector(Rc<RefCell<Vec<u8>>>);

    impl Protocol for Collector {
        type Framing = Raw;

        fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
            self.0.borrow_mut().extend_from_slice(data);
            Ok(())
        }
    }

    let received = Rc::<RefCell<Vec<u8>>>::default();
    let connecting = reactor.connect_tcp("127.0.0.1:80", Collector(Rc::clone(&received)));
    let connection = reactor.result_of(connecting).expect("a connection");
    connection.write(bytes).expect("it is open");
    reactor.settle();
    connection.abort();
    String::from_utf8(received.take()).expect("text")
}

#[test]
fn of_te_only_trailers_passes() {
    for (front, back) in ALL {
        for (sent, expected) in [
            ("trailers", Some("trailers")),
            ("gzip;q=0.5, trailers", Some("trailers")),
            ("gzip", None),
        ] {
            if front == Front::Http2 && sent != "trailers" {
                // A request with it is malformed (RFC 9113, 8.2.2).
                continue;
            }
            let (headers, _) = seen(front, back, &[("te", sent)], |it| it);
            assert_eq!(
                text_of(&headers, "te"),
                expected,
                "{front:?} {back:?} {sent}"
            );
            // HTTP/1.1 names it there (RFC 9110, 10.1.4), HTTP/2 has no such header.
            let is_named = expected.filter(|_| back != Back::Https2).map(|_| "te");
            assert_eq!(
                text_of(&headers, "connection"),
                is_named,
                "{front:?} {back:?} {sent}"
            );
        }
    }
}

#[test]
fn headers_of_a_connection_end_between_the_versions() {
    for back in [Back::Https1, Back::Https2] {
        let headers = [
            ("connection", "x-one, keep-alive"),
            ("x-one", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "secret"),
            ("x-end", "1"),
        ];
        let (headers, _) = seen(Front::Http1, back, &headers, |it| it);
        for (name, _) in &headers {
            assert!(
                !["connection", "x-one", "keep-alive", "transfer-encoding"]
                    .contains(&name.as_str())
                    && !name.as_str().starts_with("proxy-"),
                "{back:?}: {name}"
            );
        }
        assert_eq!(text_of(&headers, "x-end"), Some("1"));
    }
    let reactor = TestReactor::new();
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: x-hop, keep-alive\r\n\
                  x-hop: 1\r\nkeep-alive: timeout=5\r\nx-end: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let _upstream = Script::serve_at(&reactor, "127.0.0.1:8001", &[answer]);
    let proxy = Fixture::with(Front::Http2, reactor, |it| it.upstream(Back::Http1.url()));
    let answer = proxy.reactor.result_of(proxy.get("/")).expect("an answer");
    assert_eq!(answer.header("x-end"), Some("1"));
    for gone in ["connection", "x-hop", "keep-alive", "transfer-encoding"] {
        assert_eq!(answer.header(gone), None, "{gone}");
    }
    let text = proxy.reactor.result_of(answer.text());
    assert_eq!(text.expect("a text"), "ok");
}

#[test]
fn trailers_pass_both_ways_in_each_version() {
    for (front, back) in ALL {
        let seen = Rc::<RefCell<HeaderMap>>::default();
        let slot = Rc::clone(&seen);
        // As gRPC does: a status behind the content.
        let app = App::new().post("/", move |req: Request| {
            let slot = Rc::clone(&slot);
            async move {
                let (content, trailers) = whole(req.take_body()).await?;
                slot.replace(trailers);
                let (writer, body) = Body::channel();
                writer.write(content).ignore();
                writer.write_trailers(sum("42")).ignore();
                Ok(([("trailer", "x-sum")], body))
            }
        });
        let proxy = Fixture::new(front, back, app);
        let (writer, body) = Body::channel();
        let headers = [("te", "trailers"), ("trailer", "x-sum")];
        let asked = proxy.ask(Method::POST, "/", &headers, body);
        writer.write("message").ignore();
        writer.write_trailers(sum("7")).ignore();
        drop(writer);
        let answer = proxy.reactor.result_of(asked).expect("a head");
        let whole = proxy.reactor.spawn(whole(answer.into_body()));
        let (text, trailers) = proxy.reactor.result_of(whole).expect("an end");
        assert_eq!(text, "message", "{front:?} {back:?}");
        assert_eq!(trailers, sum("42"), "{front:?} {back:?}");
        assert_eq!(*seen.borrow(), sum("7"), "{front:?} {back:?}");
    }
}

#[test]
fn the_origin_of_a_request_over_http2_and_tls_is_told() {
    let reactor = TestReactor::new();
    let back = App::new().fallback(|req: Request| {
        let names = ["x-forwarded-for", "x-forwarded-proto", "forwarded", "via"];
        let values = names.map(|name| req.header(name).unwrap_or("none").to_owned());
        values.join(" | ")
    });
    let listening = serve(&reactor, "tcp:8001:interface=127.0.0.1", back);
    reactor.result_of(listening).expect("a port");
    let proxy = ReverseProxy::to(&reactor, Back::Http1.url()).expect("a URL");
    let site = App::new().mount("/", proxy).into_site().expect("an app");
    let roots = serve_https(&reactor, site, "127.0.0.1", &["h2"]);
    let client = Client::builder().tls(client_tls(roots)).build(&reactor);
    let asked = client
        .request(Method::GET, UPSTREAM)
        .header("x-forwarded-proto", "http")
        .header("x-forwarded-for", "6.6.6.6");
    let text = reactor.result_of(asked.send().add_callback(ClientResponse::text));
    let told = "127.0.0.1 | https | for=127.0.0.1;host=\"127.0.0.1\";proto=https | 2.0 reactor-web";
    assert_eq!(text.expect("a text"), told);
}

#[test]
fn cookies_that_http2_splits_are_one_header_of_http1() {
    for (front, back) in ALL {
        let headers = [("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")];
        let (headers, _) = seen(front, back, &headers, |it| it);
        let cookies: Vec<_> = headers.get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3; d=4"], "{front:?} {back:?}");
    }
}

#[test]
fn an_upgrade_goes_to_an_upstream_that_offers_http2() {
    for back in [Back::Https1, Back::Https2] {
        let app = App::new().get("/", |req| {
            let upgrade = req.upgrade().add_callback(|io| io.switch_to(EchoLines));
            upgrade.log_error().ignore();
            let headers = [("connection", "upgrade"), ("upgrade", "echo")];
            (StatusCode::SWITCHING_PROTOCOLS, (headers, ()))
        });
        let proxy = Fixture::new(Front::Http1, back, app);
        let received = raw(
            &proxy.reactor,
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhi\r\n",
        );
        assert!(
            received.starts_with("HTTP/1.1 101 "),
            "{back:?}: {received}"
        );
        assert!(received.ends_with("\r\n\r\nhi\r\n"), "{back:?}: {received}");
        proxy.reactor.settle();
        proxy.is_idle();
    }
}
