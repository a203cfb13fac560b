//! Panics of callbacks on TLS connections: each ends its own connection, and no other.

use deferred::Result;
use reactor::testing::TestReactor;
use reactor::{ConnectionClosed, Context, Protocol, Raw};
use reactor_tls::{Identity, StartTls, TlsClient, TlsErrorKind, TlsServer};

use crate::certificates::{Issuer, both};
use crate::connections::{Echo, handshake};
use crate::handshakes::{Sides, kind};

/// Panics in the handler of this name.
struct Panics(&'static str);

impl Panics {
    fn here(&self, name: &str) {
        assert_ne!(self.0, name, "as it should");
    }
}

impl Protocol for Panics {
    type Framing = Raw;

    fn framing(&self) -> Raw {
        self.here("framing");
        Raw
    }

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.here("connection_made");
        cx.when(deferred::succeed(()), |this, _, _| this.here("when"));
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.here("received");
        cx.write(data);
        Ok(())
    }

    fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.here("read_closed");
        cx.lose_write_connection();
        Ok(())
    }

    fn write_closed(&mut self, _: &mut Context<'_, Self>) -> Result<()> {
        self.here("write_closed");
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, _: ConnectionClosed) {
        self.here("connection_lost");
    }
}

#[test]
fn a_handler_that_panics_ends_its_own_connection() {
    let (server, tls) = both();
    let reactor = TestReactor::new();
    let (other, other_peer) = reactor.connect_to_peer_through(server.filter(), Echo);
    let mut other_driver = handshake(&tls, &other_peer);
    let other = other.into_result().unwrap().unwrap();
    for name in [
        "framing",
        "connection_made",
        "when",
        "received",
        "read_closed",
        "write_closed",
        "connection_lost",
    ] {
        let (opening, peer) = reactor.connect_to_peer_through(server.filter(), Panics(name));
        opening.ignore();
        let mut driver = handshake(&tls, &peer);
        driver.send("hello").unwrap();
        driver.finish().unwrap();
        peer.try_send(&driver.sent());
        peer.finish();
        reactor.settle();
        assert!(peer.is_closed(), "{name}");
        assert_eq!(reactor.counters().connections, 1, "{name}");
        other_driver.send(name).unwrap();
        other_peer.send(other_driver.sent());
        other_driver.receive(other_peer.received()).unwrap();
        assert_eq!(other_driver.delivered(), name.as_bytes());
    }
    other.abort();
}

#[test]
fn choosing_a_certificate_may_panic() {
    let issuer = Issuer::new();
    let identity = issuer.identity("localhost");
    let client = TlsClient::builder().roots(issuer.roots()).build().unwrap();

    // The callback itself.
    let server = TlsServer::builder()
        .choose_identity(|_| panic!("as it should"))
        .identity(identity.clone())
        .build()
        .unwrap();
    let mut sides = Sides::new(&client, &server);
    let failure = sides.talk(usize::MAX).1.unwrap_err();
    assert!(failure.message().contains("as it should"), "{failure}");
    assert!(!sides.server.is_open());

    // A callback of its Deferred: that is a failure like others.
    let panics = |_: &reactor_tls::ClientHello| {
        deferred::succeed(()).add_callback(|()| -> Result<Identity> { panic!("as it should") })
    };
    let server = TlsServer::builder().choose_identity(panics);
    let of_server = Sides::new(&client, &server.build().unwrap())
        .talk(usize::MAX)
        .1;
    assert!(matches!(kind(of_server), TlsErrorKind::NoIdentity(_)));
    let server = TlsServer::builder()
        .choose_identity(panics)
        .identity(identity);
    Sides::new(&client, &server.build().unwrap()).open();
}

/// Begins TLS, and panics when it is open.
struct Upgrades(TlsServer);

impl Protocol for Upgrades {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let opened = cx.start_tls(self.0.filter());
        cx.when(opened, |_, _, opened| {
            assert!(opened.is_err(), "as it should");
        });
        Ok(())
    }
}

#[test]
fn a_callback_of_start_tls_may_panic() {
    let (server, tls) = both();
    let reactor = TestReactor::new();
    let (connection, peer) = reactor.connect_to_peer(Upgrades(server));
    let driver = handshake(&tls, &peer);
    assert!(driver.is_open());
    assert!(connection.is_gone() && peer.is_closed());
    assert_eq!(reactor.counters().connections, 0);
}
