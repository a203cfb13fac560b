//! Proxies: whole URLs for http, tunnels for https.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Deferred, Result};
use reactor::testing::TestReactor;
use reactor::{Connection, Context, Protocol, Raw};
use reactor_tls::TlsClient;
use reactor_web::client::{ClientError, ClientResponse, Proxy};
use reactor_web::{App, Client};

use super::scripted::Script;
use crate::support::serve_https;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn client(reactor: &TestReactor, proxy: Proxy) -> Client {
    Client::builder().proxy(proxy).build(reactor)
}

#[test]
fn http_is_sent_to_the_proxy_as_a_whole_url() {
    let reactor = TestReactor::new();
    let script = Script::serve_at(&reactor, "127.0.0.9:3128", &[OK, OK]);
    let proxy = Proxy::all("http://me:pass%20word@127.0.0.9:3128").expect("a URL");
    let client = client(&reactor, proxy);
    for url in ["http://user:pw@example.org/a?b#c", "http://example.net:81/"] {
        let page = client.get(url).add_callback(ClientResponse::text);
        assert_eq!(reactor.result_of(page).expect("an answer"), "ok");
    }
    let sent = script.take();
    assert!(
        sent.starts_with("GET http://example.org/a?b HTTP/1.1\r\n"),
        "{sent}"
    );
    assert!(
        sent.contains("GET http://example.net:81/ HTTP/1.1\r\n"),
        "{sent}"
    );
    assert!(sent.contains("host: example.org\r\n"), "{sent}");
    // `me:pass word`, with both requests.
    assert_eq!(
        sent.matches("proxy-authorization: Basic bWU6cGFzcyB3b3Jk\r\n")
            .count(),
        2
    );
    assert_eq!(script.made(), 1, "one connection is enough for both");
}

#[test]
fn some_hosts_are_asked_directly() {
    let reactor = TestReactor::new();
    let direct = Script::serve(&reactor, &[OK, OK]);
    let by_proxy = Script::serve_at(&reactor, "127.0.0.9:80", &[OK]);
    let proxy = Proxy::http("127.0.0.9")
        .expect("a host")
        .except("example.org,127.0.0.0/30");
    let client = client(&reactor, proxy);
    let get = |url| reactor.result_of(client.get(url).add_callback(ClientResponse::text));
    get("http://127.0.0.1/").expect("an answer");
    assert_eq!((direct.made(), by_proxy.made()), (1, 0));
    get("http://127.0.0.4/").expect("an answer");
    assert_eq!((direct.made(), by_proxy.made()), (1, 1));
}

#[test]
fn what_is_no_proxy_is_refused_and_not_left_out() {
    for url in [
        "",
        "socks5://127.0.0.1",
        "https://127.0.0.1",
        "http://",
        "http://a b",
    ] {
        let error = Proxy::all(url).expect_err(url);
        assert!(
            matches!(error, ClientError::BadUrl { .. }),
            "{url}: {error}"
        );
    }
    let error = Proxy::all("ftp://me:secret@x").expect_err("no proxy");
    assert!(!error.to_string().contains("secret"), "{error}");
}

/// A proxy that makes tunnels to one server.
struct Tunneller {
    requests: Rc<RefCell<Vec<String>>>,
    to: &'static str,
    other: Option<Connection<Far>>,
}

/// Its connection to the server.
struct Far(Connection<Tunneller>);

impl Protocol for Tunneller {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        if let Some(other) = &self.other {
            return Ok(other.write(data)?);
        }
        self.requests
            .borrow_mut()
            .push(str::from_utf8(data)?.to_owned());
        let this = cx.connection();
        let connecting: Deferred<Connection<Far>> =
            cx.reactor().connect_tcp(self.to, Far(this.clone()));
        connecting
            .add_callback(move |other| {
                this.call(move |tunneller, cx| {
                    tunneller.other = Some(other);
                    cx.write("HTTP/1.1 200 Connected\r\n\r\n");
                    deferred::succeed(())
                })
            })
            .detach();
        Ok(())
    }
}

impl Protocol for Far {
    type Framing = Raw;

    fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        Ok(self.0.write(data)?)
    }
}

#[test]
fn https_goes_through_a_tunnel() {
    for alpn in ["h2", "http/1.1"] {
        let reactor = TestReactor::new();
        let site = App::new()
            .get("/", |req| format!("{:?}", req.version()))
            .into_site();
        let site = site.expect("no conflicts");
        let roots = serve_https(&reactor, site, "shop.example", &[alpn]);
        let requests: Rc<RefCell<Vec<String>>> = Rc::default();
        let log = Rc::clone(&requests);
        reactor
            .listen_tcp("127.0.0.9:3128", move || Tunneller {
                requests: Rc::clone(&log),
                to: "127.0.0.1:443",
                other: None,
            })
            .expect("a port");
        let tls = TlsClient::builder()
            .roots(roots)
            .alpn(["h2", "http/1.1"])
            .build();
        let client = Client::builder()
            .tls(tls.expect("a client"))
            .proxy(Proxy::https("http://me:pw@127.0.0.9:3128").expect("a URL"))
            .build(&reactor);
        for _ in 0..2 {
            let page = client
                .get("https://shop.example/")
                .add_callback(ClientResponse::text);
            let text = reactor.result_of(page).expect("an answer");
            assert_eq!(text, if alpn == "h2" { "HTTP/2.0" } else { "HTTP/1.1" });
        }
        let requests = requests.borrow();
        assert_eq!(requests.len(), 1, "the tunnel is used again");
        assert!(
            requests[0].starts_with("CONNECT shop.example:443 HTTP/1.1\r\n"),
            "{requests:?}"
        );
        assert!(
            requests[0].contains("host: shop.example:443\r\n"),
            "{requests:?}"
        );
        assert!(
            requests[0].contains("proxy-authorization: Basic bWU6cHc=\r\n"),
            "{requests:?}"
        );
    }
}

#[test]
fn a_proxy_that_refuses_says_with_what_status() {
    let reactor = TestReactor::new();
    let refuses = "HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n";
    let script = Script::serve_at(&reactor, "127.0.0.9:80", &[refuses]);
    let client = client(&reactor, Proxy::all("127.0.0.9").expect("a host"));
    let failure = reactor
        .result_of(client.get("https://example.org/"))
        .expect_err("no tunnel");
    let Some(ClientError::ProxyRefused { status, .. }) = failure.check() else {
        panic!("another failure: {failure:?}");
    };
    assert_eq!(*status, 407);
    reactor.settle();
    assert_eq!(script.lost.get(), 1);
}
