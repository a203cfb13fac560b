//! `Forwarded`: the client behind proxies, and clients that claim to be another.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http::{Method, StatusCode};
use proptest::prelude::*;
use reactor::Factory;
use reactor::filter::proxy_protocol::ProxyProtocol;
use reactor::testing::TestReactor;
use reactor_web::middleware::{AccessLog, Forwarded, HttpsRedirect, RateLimit};
use reactor_web::reverse::ReverseProxy;
use reactor_web::testing::TestClient;
use reactor_web::{App, Body, Client, Request, serve};

use crate::support::{answer, client, text};

/// The other end of each connection in these tests, and a network of proxies.
const PROXIES: [&str; 3] = ["127.0.0.0/8", "10.0.0.0/8", "2001:db8:1::/48"];

/// What a handler sees of the client, and what is left of the headers.
fn show(req: &Request) -> String {
    let peer = match req.peer().as_inet() {
        // That of the connection has any port.
        Some(peer) if peer.ip().is_loopback() => "the connection".to_owned(),
        Some(peer) => peer.to_string(),
        None => "unknown".to_owned(),
    };
    let proto = if req.is_secure() { "https" } else { "http" };
    let host = req.header("host").unwrap_or_default();
    let left = ["forwarded", "x-forwarded-for", "x-real-ip"];
    let left: String = left
        .map(|name| {
            if req.headers().contains_key(name) {
                'y'
            } else {
                'n'
            }
        })
        .iter()
        .collect();
    format!("{peer} {proto} {host} {left}")
}

fn behind(forwarded: Forwarded) -> TestClient {
    client(App::new().get("/", |req| show(&req)).wrap(forwarded))
}

/// What is shown to a client that sends these headers through the connection of a proxy.
#[track_caller]
fn shown(client: &TestClient, headers: &[(&str, &str)]) -> String {
    let answer = client.get_with("/", headers);
    match answer.status() {
        StatusCode::OK => answer.text().to_owned(),
        status => status.as_str().to_owned(),
    }
}

#[test]
fn the_right_most_address_that_is_no_proxy_is_the_client() {
    let client = behind(Forwarded::from_proxies(PROXIES));
    for (list, peer) in [
        ("203.0.113.9", "203.0.113.9:0"),
        ("203.0.113.9:4711", "203.0.113.9:4711"),
        ("2001:db8::9", "[2001:db8::9]:0"),
        ("[2001:db8::9]:4711", "[2001:db8::9]:4711"),
        ("[2001:db8::9]", "[2001:db8::9]:0"),
        ("::ffff:203.0.113.9", "203.0.113.9:0"),
        // What the client claims, and what proxies have added.
        ("192.0.2.1, 203.0.113.9", "203.0.113.9:0"),
        ("10.0.0.7, 203.0.113.9", "203.0.113.9:0"),
        (
            "192.0.2.1, 203.0.113.9, 10.0.0.1, 2001:db8:1::5",
            "203.0.113.9:0",
        ),
        ("192.0.2.1, 203.0.113.9, ::ffff:10.0.0.1", "203.0.113.9:0"),
        ("garbage\", 203.0.113.9, 10.0.0.1", "203.0.113.9:0"),
        // A client within the network of the proxies.
        ("10.0.0.9, 10.0.0.1", "10.0.0.9:0"),
        (" , 203.0.113.9,, ", "203.0.113.9:0"),
        // An unknown address is no way to what stands before it.
        ("203.0.113.9, unknown", "the connection"),
        ("203.0.113.9, unknown, 10.0.0.1", "10.0.0.1:0"),
        ("203.0.113.9 10.0.0.1", "the connection"),
        ("", "the connection"),
    ] {
        let shown = shown(&client, &[("x-forwarded-for", list)]);
        assert_eq!(shown, format!("{peer} http localhost nyn"), "{list}");
    }
    let lines = [
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    assert_eq!(shown(&client, &lines), "203.0.113.9:0 http localhost nyn");
    assert_eq!(shown(&client, &[]), "the connection http localhost nnn");
}

#[test]
fn a_peer_that_is_not_trusted_is_not_believed() {
    let client = behind(
        Forwarded::from_proxies(["10.0.0.0/8", "::1"])
            .standard_first()
            .x_forwarded_host(),
    );
    let headers = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=203.0.113.9;proto=https;host=evil.example"),
        ("x-real-ip", "203.0.113.9"),
    ];
    // Nor does a handler that reads the headers itself believe it.
    assert_eq!(
        shown(&client, &headers),
        "the connection http localhost nnn"
    );
    assert_eq!(
        shown(&client, &[("forwarded", "\"")]),
        "the connection http localhost nnn"
    );
}

#[test]
fn the_protocol_is_the_last_that_was_set() {
    let client = behind(Forwarded::from_proxies(PROXIES));
    for (proto, scheme) in [
        ("https", "https"),
        ("HTTPS", "https"),
        ("wss", "https"),
        ("http", "http"),
        ("https, http", "http"),
        ("http,https", "https"),
        ("gopher", "http"),
    ] {
        let headers = [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-proto", proto),
        ];
        let shown = shown(&client, &headers);
        assert_eq!(
            shown,
            format!("203.0.113.9:0 {scheme} localhost nyn"),
            "{proto}"
        );
    }
    let alone = [("x-forwarded-proto", "https")];
    assert_eq!(shown(&client, &alone), "the connection https localhost nnn");
}

#[test]
fn the_host_is_taken_if_that_was_chosen() {
    let headers = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-host", "a.example, shop.example:8443"),
    ];
    let client = behind(Forwarded::from_proxies(PROXIES));
    assert_eq!(shown(&client, &headers), "203.0.113.9:0 http localhost nyn");
    let client = behind(Forwarded::from_proxies(PROXIES).x_forwarded_host());
    assert_eq!(
        shown(&client, &headers),
        "203.0.113.9:0 http shop.example:8443 nyn"
    );
    for wrong in ["a b", "me@a.example", "a/b", "a.example:x"] {
        assert_eq!(
            shown(&client, &[("x-forwarded-host", wrong)]),
            "400",
            "{wrong}"
        );
    }
}

#[test]
fn the_host_counts_for_routes_also_where_the_target_has_one() {
    let shop = App::new().get("/", |req: Request| format!("shop {}", req.uri()));
    let app = App::new()
        .host("shop.example", shop)
        .get("/", |_| "other")
        .wrap(Forwarded::from_proxies(["127.0.0.1"]).x_forwarded_host());
    let client = client(app);
    for (target, seen) in [
        ("http://inner.example/", "https://shop.example/"),
        ("/", "/"),
    ] {
        let peer = client.connect();
        peer.send(format!(
            "GET {target} HTTP/1.1\r\nhost: inner.example\r\nconnection: close\r\n\
             x-forwarded-host: shop.example\r\nx-forwarded-proto: https\r\n\r\n"
        ));
        let answer = text(&peer);
        assert!(answer.ends_with(&format!("shop {seen}")), "{answer}");
    }
}

#[test]
fn an_element_of_forwarded_is_taken_whole() {
    let client = behind(Forwarded::from_proxies(PROXIES).standard());
    for (header, seen) in [
        ("for=203.0.113.9", "203.0.113.9:0 http localhost"),
        (
            "For=\"203.0.113.9:4711\" ; Proto=HTTPS",
            "203.0.113.9:4711 https localhost",
        ),
        (
            "for=\"[2001:db8::9]:_x\";by=_gate;host=\"shop.example\"",
            "[2001:db8::9]:0 http shop.example",
        ),
        // The element of the first proxy says how the client has connected.
        (
            "for=192.0.2.1;host=evil.example, for=203.0.113.9;proto=https;host=shop.example,\
             for=10.0.0.1;proto=http;host=inner.example",
            "203.0.113.9:0 https shop.example",
        ),
        (
            "for=203.0.113.9;proto=https, for=10.0.0.1;host=inner.example",
            "203.0.113.9:0 https localhost",
        ),
        (
            "for=10.0.0.9;proto=https, for=10.0.0.1",
            "10.0.0.9:0 https localhost",
        ),
        // What has no address ends the way.
        (
            "for=192.0.2.1, for=unknown;proto=https",
            "the connection https localhost",
        ),
        (
            "for=192.0.2.1, for=_hidden;proto=https, for=10.0.0.1",
            "10.0.0.1:0 https localhost",
        ),
        (
            "for=192.0.2.1;proto=http, proto=https",
            "the connection https localhost",
        ),
        (
            ", ,for=203.0.113.9;host=\"\",",
            "203.0.113.9:0 http localhost",
        ),
    ] {
        let shown = shown(&client, &[("forwarded", header)]);
        assert_eq!(shown, format!("{seen} ynn"), "{header}");
    }
    let lines = [
        ("forwarded", "for=192.0.2.1"),
        ("forwarded", "for=203.0.113.9"),
    ];
    assert_eq!(shown(&client, &lines), "203.0.113.9:0 http localhost ynn");
}

#[test]
fn a_forwarded_that_a_client_has_broken_is_a_400() {
    let client = behind(Forwarded::from_proxies(PROXIES).standard());
    for header in [
        // A quote that would swallow what the proxy has added.
        "for=\"192.0.2.1, for=203.0.113.9",
        "for=\"192.0.2.1, for=\"[2001:db8::9]\"",
        "for=192.0.2.1;host=\"a\\, for=\"203.0.113.9\"",
        "for",
        "for=",
        "=203.0.113.9",
        "for=203.0.113.9 proto=https",
        "for=203.0.113.9;for=192.0.2.1",
        "for=203.0.113.9;",
        "for=203.0.113.9;;proto=http",
        "for=a\"b",
        "for=203.0.113.9;host=\"a b\"",
    ] {
        assert_eq!(shown(&client, &[("forwarded", header)]), "400", "{header}");
    }
    // Each line is parsed by itself.
    let lines = [
        ("forwarded", "for=\"192.0.2.1"),
        ("forwarded", "for=\"[2001:db8::9]\""),
    ];
    assert_eq!(shown(&client, &lines), "400");
}

#[test]
fn the_headers_that_were_not_chosen_are_removed() {
    let both = [
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "203.0.113.9"),
        ("x-real-ip", "192.0.2.1"),
    ];
    let x = behind(Forwarded::from_proxies(PROXIES));
    assert_eq!(shown(&x, &both), "203.0.113.9:0 http localhost nyy");
    let standard = behind(Forwarded::from_proxies(PROXIES).standard());
    assert_eq!(shown(&standard, &both), "192.0.2.1:0 http localhost ynn");
    assert_eq!(
        shown(&standard, &both[1..]),
        "the connection http localhost nnn"
    );
    let first = behind(Forwarded::from_proxies(PROXIES).standard_first());
    assert_eq!(shown(&first, &both), "192.0.2.1:0 http localhost ynn");
    assert_eq!(
        shown(&first, &both[1..]),
        "203.0.113.9:0 http localhost nyy"
    );
}

#[test]
fn hidden_ports_without_end_are_no_address() {
    let hidden = format!("203.0.113.9{}", ":_".repeat(30_000));
    for (forwarded, header, value) in [
        (
            Forwarded::from_proxies(PROXIES),
            "x-forwarded-for",
            hidden.clone(),
        ),
        (
            Forwarded::from_proxies(PROXIES).standard(),
            "forwarded",
            format!("for=\"{hidden}\""),
        ),
    ] {
        let shown = shown(&behind(forwarded), &[(header, &value)]);
        assert!(
            shown.starts_with("the connection http localhost "),
            "{shown}"
        );
    }
}

#[test]
fn a_forwarded_host_that_was_not_chosen_is_removed() {
    let shown = |forwarded: Forwarded, headers: &[(&str, &str)]| {
        let app = App::new().get("/", |req| {
            let host = req.header("x-forwarded-host");
            host.unwrap_or("removed").to_owned()
        });
        shown(&client(app.wrap(forwarded)), headers)
    };
    let x = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-host", "evil.example"),
    ];
    let both = [x[0], x[1], ("forwarded", "for=203.0.113.9")];
    let behind = || Forwarded::from_proxies(PROXIES);
    assert_eq!(shown(behind(), &x), "removed");
    assert_eq!(shown(behind().x_forwarded_host(), &x), "evil.example");
    assert_eq!(shown(behind().standard_first(), &x), "removed");
    let first = behind().standard_first().x_forwarded_host();
    assert_eq!(shown(first.clone(), &x), "evil.example");
    assert_eq!(shown(first, &both), "removed");
    assert_eq!(
        shown(behind().standard().x_forwarded_host(), &both),
        "removed"
    );
}

#[test]
fn a_proxy_header_is_the_first_address() {
    for (source, seen) in [
        // The client of a balancer is no proxy: it may not say that it is another.
        ("203.0.113.9", "203.0.113.9:4711 http localhost nnn"),
        // A proxy behind a balancer.
        ("10.0.0.1", "198.51.100.7:0 https localhost nyn"),
    ] {
        let app = App::new()
            .get("/", |req| show(&req))
            .wrap(Forwarded::from_proxies(PROXIES));
        let mut site = app.into_site().expect("a site");
        let reactor = TestReactor::new();
        let address = reactor::Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
        let protocol = site.build_protocol(&address).expect("it takes connections");
        let filter = ProxyProtocol::from_any().filter();
        let (_connecting, peer) = reactor.connect_to_peer_through(filter, protocol);
        peer.send(&*format!(
            "PROXY TCP4 {source} 192.0.2.1 4711 80\r\nGET / HTTP/1.1\r\nhost: localhost\r\n\
             x-forwarded-for: 198.51.100.7\r\nx-forwarded-proto: https\r\n\r\n"
        ));
        assert_eq!(answer(&text(&peer)), ("HTTP/1.1 200 OK", seen));
    }
}

#[test]
fn a_proxy_on_a_unix_socket_is_trusted_if_that_was_chosen() {
    let none: [&str; 0] = [];
    for (forwarded, seen) in [
        (
            Forwarded::from_proxies(none).unix(),
            "203.0.113.9:0 http localhost nyn",
        ),
        (
            Forwarded::from_proxies(["0.0.0.0/0", "::/0"]),
            "unknown http localhost nnn",
        ),
    ] {
        let reactor = TestReactor::new();
        let app = App::new().get("/", |req| show(&req)).wrap(forwarded);
        let listening = serve(&reactor, "unix:/run/app", app);
        reactor.result_of(listening).expect("a socket");
        let proxy = ReverseProxy::builder().upstream("unix:/run/app");
        let proxy = proxy.build(&reactor).expect("an upstream");
        assert_eq!(through(&reactor, proxy), seen);
    }
}

#[test]
fn a_proxy_that_adds_to_the_list_adds_its_own_client() {
    for (appends, seen) in [(false, "203.0.113.9"), (true, "203.0.113.9, 127.0.0.1")] {
        let reactor = TestReactor::new();
        let app = App::new().get("/", |req| {
            req.header("x-forwarded-for").unwrap_or_default().to_owned()
        });
        let listening = serve(&reactor, "tcp:81:interface=127.0.0.1", app);
        reactor.result_of(listening).expect("a port");
        let proxy = ReverseProxy::builder().upstream("http://127.0.0.1:81");
        let proxy = if appends {
            proxy.append_forwarded()
        } else {
            proxy
        };
        let proxy = proxy.build(&reactor).expect("an upstream");
        assert_eq!(through(&reactor, proxy), seen);
    }
}

/// The page behind `proxy`, for a client that a proxy before it calls 203.0.113.9.
#[track_caller]
fn through(reactor: &TestReactor, proxy: ReverseProxy) -> String {
    let front = App::new()
        .mount("/", proxy)
        .wrap(Forwarded::from_proxies(["127.0.0.1"]));
    let listening = serve(reactor, "tcp:80:interface=127.0.0.1", front);
    reactor.result_of(listening).expect("a port");
    let asked = Client::new(reactor)
        .request(Method::GET, "http://127.0.0.1/")
        .header("host", "localhost")
        .header("x-forwarded-for", "203.0.113.9")
        .send();
    let answer = reactor.result_of(asked).expect("an answer");
    reactor.result_of(answer.text()).expect("a body")
}

#[test]
fn middleware_within_sees_the_client() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let app = App::new()
        .get("/", |_| "hello")
        .wrap(RateLimit::new(1, Duration::from_secs(60)))
        .wrap(HttpsRedirect::new())
        .wrap(AccessLog::common().writer(Shared(Rc::clone(&log))))
        .wrap(Forwarded::from_proxies(["127.0.0.1"]));
    let client = client(app);
    let status = |peer: &str, proto: &str| {
        let headers = [("x-forwarded-for", peer), ("x-forwarded-proto", proto)];
        client
            .send(Method::GET, "/", &headers, Body::empty())
            .status()
    };
    assert_eq!(status("203.0.113.9", "http"), 308);
    assert_eq!(status("203.0.113.9", "https"), 200);
    assert_eq!(status("203.0.113.9", "https"), 429);
    // Another client, and one that claims to be another.
    assert_eq!(status("203.0.113.8", "https"), 200);
    assert_eq!(status("192.0.2.1, 203.0.113.9", "https"), 429);
    let log = String::from_utf8(log.borrow().clone()).expect("text");
    let peers: Vec<_> = log
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let nine = "203.0.113.9";
    assert_eq!(peers, [nine, nine, nine, "203.0.113.8", nine]);
}

struct Shared(Rc<RefCell<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_no_prefix_is_not_served() {
    for wrong in ["", "10.0.0.0/33", "localhost", "10.0.0.0/8/8", "*"] {
        let app = App::new().wrap(Forwarded::from_proxies(["10.0.0.1", wrong]));
        let failure = app.into_site().expect_err(wrong);
        let expected = format!("{wrong:?} is no address of a proxy, and no prefix of addresses");
        assert!(failure.to_string().contains(&expected), "{failure}");
    }
}

proptest! {
    /// Whatever the client sends, it is at most refused: what the proxy has added decides.
    #[test]
    fn no_claim_of_a_client_wins(claim in r#"([ -~\t]|for=|10\.0\.0\.1|, |"|\\|;host=|192\.0\.2\.1){0,12}"#) {
        let added = "203.0.113.9";
        let x = behind(Forwarded::from_proxies(PROXIES));
        let list = format!("{claim}, {added}");
        let seen = shown(&x, &[("x-forwarded-for", &list)]);
        prop_assert_eq!(seen, format!("{added}:0 http localhost nyn"));

        let standard = behind(Forwarded::from_proxies(PROXIES).standard());
        for element in ["for=203.0.113.9;host=\"shop.example\"", "for=\"203.0.113.9\";host=shop.example;by=\"[::1]\""] {
            let list = format!("{claim}, {element}");
            let seen = shown(&standard, &[("forwarded", &list)]);
            let expected = format!("{added}:0 http shop.example ynn");
            prop_assert!(seen == "400" || seen == expected, "{} gave {}", list, seen);
        }
    }
}
