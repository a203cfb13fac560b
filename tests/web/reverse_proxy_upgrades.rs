//! What goes through the reverse proxy after an upgrade: bytes in memory, and WebSockets of other
//! projects over real sockets. `pip install websockets`; without it, these are skipped, by name.

use std::cell::{Cell, RefCell};
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use deferred::Result;
use http::StatusCode;
use reactor::testing::TestReactor;
use reactor::{
    Connection, ConnectionClosed, Context, Listen, Protocol, Raw, Reactor, ReactorHandle,
};
use reactor_tls::{Identity, Roots, TlsClient, TlsServer};
use reactor_web::reverse::ReverseProxy;
use reactor_web::ws::WebSocketClient;
use reactor_web::{App, Client, Site, serve};
use tests::Directory;

use crate::websocket_programs::{self as programs, PYTHON_CLIENT, PYTHON_SERVER, has, python, run};

const UPGRADE: &str = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: raw\r\n\r\n";

/// What one end of a tunnel has got, and how it fares.
#[derive(Default)]
struct Seen {
    received: RefCell<Vec<u8>>,
    has_ended: Cell<bool>,
    is_lost: Cell<bool>,
}

impl Seen {
    fn take(&self) -> String {
        String::from_utf8(self.received.take()).expect("text")
    }
}

/// One end of a tunnel. It can still send after the other one has finished.
struct End(Rc<Seen>);

impl Protocol for End {
    type Framing = Raw;

    fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.0.received.borrow_mut().extend_from_slice(data);
        Ok(())
    }

    fn read_closed(&mut self, _: &mut Context<'_, Self>) -> Result<()> {
        self.0.has_ended.set(true);
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, _: ConnectionClosed) {
        self.0.is_lost.set(true);
    }
}

/// A client and an upstream, with a tunnel between them.
struct Tunnel {
    reactor: TestReactor,
    proxy: ReverseProxy,
    client: (Connection<End>, Rc<Seen>),
    upstream: (Connection<End>, Rc<Seen>),
}

impl Tunnel {
    fn new() -> Self {
        let reactor = TestReactor::new();
        let slot = Rc::new(RefCell::new(None));
        let upstream = Rc::<Seen>::default();
        let (made, seen) = (Rc::clone(&slot), Rc::clone(&upstream));
        let app = App::new().get("/", move |req| {
            let (made, seen) = (Rc::clone(&made), Rc::clone(&seen));
            let upgrade = req.upgrade().add_callback(|io| io.switch_to(End(seen)));
            let upgrade = upgrade.map_ok(move |connection| {
                made.replace(Some(connection));
            });
            upgrade.log_error().ignore();
            let headers = [("connection", "upgrade"), ("upgrade", "raw")];
            (StatusCode::SWITCHING_PROTOCOLS, (headers, ()))
        });
        let listening = serve(&reactor, "tcp:8001:interface=127.0.0.1", app);
        reactor.result_of(listening).expect("a port");
        let proxy = ReverseProxy::to(&reactor, "http://127.0.0.1:8001").expect("a URL");
        let app = App::new().mount("/", proxy.clone());
        let listening = serve(&reactor, "tcp:80:interface=127.0.0.1", app);
        reactor.result_of(listening).expect("a port");
        let client = Rc::<Seen>::default();
        let connecting = reactor.connect_tcp("127.0.0.1:80", End(Rc::clone(&client)));
        let connection = reactor.result_of(connecting).expect("a connection");
        connection.write(UPGRADE).expect("it is open");
        reactor.settle();
        let head = client.take();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let made = slot.take().expect("it is switched");
        Self {
            reactor,
            proxy,
            client: (connection, client),
            upstream: (made, upstream),
        }
    }

    fn is_over(&self) {
        self.reactor.settle();
        assert!(self.client.1.is_lost.get() && self.upstream.1.is_lost.get());
        assert_eq!(self.proxy.upstreams()[0].in_flight, 0);
    }
}

#[test]
fn each_side_of_a_tunnel_may_finish_first() {
    for client_is_first in [true, false] {
        let tunnel = Tunnel::new();
        let (first, second) = match client_is_first {
            true => (&tunnel.client, &tunnel.upstream),
            false => (&tunnel.upstream, &tunnel.client),
        };
        first.0.write("last words").expect("it is open");
        first.0.lose_write_connection();
        tunnel.reactor.settle();
        assert_eq!(second.1.take(), "last words", "{client_is_first}");
        assert!(second.1.has_ended.get(), "{client_is_first}");
        assert!(!second.1.is_lost.get() && !first.1.is_lost.get());
        // The other direction goes on.
        second.0.write("an answer").expect("it is open");
        tunnel.reactor.settle();
        assert_eq!(first.1.take(), "an answer", "{client_is_first}");
        assert_eq!(tunnel.proxy.upstreams()[0].in_flight, 1);
        second.0.lose_connection();
        tunnel.is_over();
    }
}

#[test]
fn a_tunnel_ends_when_one_side_is_gone() {
    for client_goes in [true, false] {
        for is_half_closed in [false, true] {
            let tunnel = Tunnel::new();
            let (first, second) = match client_goes {
                true => (&tunnel.client, &tunnel.upstream),
                false => (&tunnel.upstream, &tunnel.client),
            };
            if is_half_closed {
                // Nothing reads from it any more, so a read does not find out.
                first.0.lose_write_connection();
                tunnel.reactor.settle();
                assert!(!second.1.is_lost.get());
            }
            first.0.abort();
            tunnel.reactor.settle();
            // The proxy has let go of it; what it says last is its own.
            assert!(
                second.1.has_ended.get() || second.1.is_lost.get(),
                "{client_goes} {is_half_closed}"
            );
            assert_eq!(
                tunnel.proxy.upstreams()[0].in_flight,
                0,
                "{client_goes} {is_half_closed}"
            );
            second.0.lose_connection();
            tunnel.is_over();
        }
    }
}

#[test]
fn a_side_that_does_not_read_stops_the_other_one() {
    for client_reads in [true, false] {
        let tunnel = Tunnel::new();
        let (reader, writer) = match client_reads {
            true => (&tunnel.client, &tunnel.upstream),
            false => (&tunnel.upstream, &tunnel.client),
        };
        reader.0.pause_reading().expect("it is open");
        let mut written = 0;
        while writer.0.buffered().expect("it is open") == 0 {
            writer.0.write(vec![b'x'; 10_000]).expect("it is open");
            written += 10_000;
            assert!(written < 4_000_000, "{client_reads}: all of it is taken");
            tunnel.reactor.settle();
        }
        reader.0.resume_reading().expect("it is open");
        tunnel.reactor.settle();
        assert_eq!(
            reader.1.take().len(),
            written,
            "{client_reads}: nothing is lost"
        );
    }
}

#[test]
fn a_tunnel_on_which_one_side_sends_is_not_idle() {
    let tunnel = Tunnel::new();
    // Twice the hour after which it would be closed.
    for _ in 0..8 {
        tunnel.reactor.advance(Duration::from_secs(900));
        tunnel.upstream.0.write("x").expect("it is open");
        tunnel.reactor.settle();
    }
    assert_eq!(tunnel.client.1.take(), "xxxxxxxx");
    tunnel.reactor.advance(Duration::from_secs(3_600));
    tunnel.client.0.lose_connection();
    tunnel.upstream.0.lose_connection();
    tunnel.is_over();
}

/// What upstreams speak over real sockets.
#[derive(Clone, Copy, Debug)]
enum Scheme {
    Plain,
    Secure,
}

/// A certificate for 127.0.0.1.
struct Certificate {
    pem: String,
    key: String,
}

impl Certificate {
    fn new() -> Self {
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a key");
        Self {
            pem: key.cert.pem(),
            key: key.signing_key.serialize_pem(),
        }
    }

    /// A client that trusts it, and would rather speak HTTP/2.
    fn client(&self) -> TlsClient {
        let roots = Roots::from_pem(&self.pem).expect("a certificate");
        let tls = TlsClient::builder().roots(roots).alpn(["h2", "http/1.1"]);
        tls.build().expect("a client")
    }

    fn server(&self) -> TlsServer {
        let identity = Identity::from_pem(&self.pem, &self.key).expect("it is one");
        let tls = TlsServer::builder().identity(identity);
        tls.alpn(["h2", "http/1.1"]).build().expect("a server")
    }
}

/// A proxy on a free port, in front of an upstream; its address.
fn proxy(reactor: &ReactorHandle, upstream: &str, certificate: &Certificate) -> Site {
    let proxy = ReverseProxy::builder()
        .upstream(upstream)
        .client(Client::builder().tls(certificate.client()))
        .build(reactor)
        .expect("a URL");
    let app = App::new().mount("/", proxy);
    app.into_site().expect("an app")
}

fn listen(reactor: &Reactor, site: Site) -> String {
    let listening = "tcp:0:interface=127.0.0.1".listen(reactor, site);
    let port = reactor.block_on(listening).expect("a port");
    port.address().to_string()
}

#[test]
fn pythons_client_talks_to_our_site_through_the_proxy() {
    if !has("python3", "-c", "import websockets") {
        return;
    }
    let certificate = Certificate::new();
    for scheme in [Scheme::Plain, Scheme::Secure] {
        let reactor = Reactor::new().expect("a reactor");
        let site = programs::app().into_site().expect("an app");
        let upstream = match scheme {
            Scheme::Plain => format!("http://{}", listen(&reactor, site)),
            Scheme::Secure => {
                let endpoint = certificate.server().endpoint("tcp:0:interface=127.0.0.1");
                let listening = endpoint.listen(&reactor, site);
                let port = reactor.block_on(listening).expect("a port");
                format!("https://{}", port.address())
            }
        };
        let address = listen(&reactor, proxy(&reactor, &upstream, &certificate));
        let said = run(&reactor, python(PYTHON_CLIENT, &[&address]));
        assert_eq!(said, "all right\n", "{scheme:?}");
    }
}

#[test]
fn our_client_talks_to_pythons_server_through_the_proxy() {
    if !has("python3", "-c", "import websockets") {
        return;
    }
    let certificate = Certificate::new();
    let directory = Directory::new("proxy-websocket");
    let (chain, key) = (directory.path("cert.pem"), directory.path("key.pem"));
    fs::write(&chain, &certificate.pem).expect("a file");
    fs::write(&key, &certificate.key).expect("a file");
    for scheme in [Scheme::Plain, Scheme::Secure] {
        for is_deflating in [true, false] {
            let compression = if is_deflating { "deflate" } else { "plain" };
            let (name, files) = match scheme {
                Scheme::Plain => ("http", vec![]),
                Scheme::Secure => ("https", vec![&*chain, &*key]),
            };
            let command = python(PYTHON_SERVER, &[&[compression], &files[..]].concat());
            programs::talk_by(command, is_deflating, |reactor, port| {
                let upstream = format!("{name}://127.0.0.1:{port}");
                let address = listen(reactor, proxy(reactor, &upstream, &certificate));
                WebSocketClient::new(&format!("ws://{address}/a?b=c"))
            });
        }
    }
}
