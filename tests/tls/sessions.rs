//! Sessions that are resumed: on all loops of `Cores`, with tickets whose keys change, and without
//! early data. Half-closed connections, and ends without a close_notify.

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use deferred::Result;
use reactor::testing::{FilterDriver, TestReactor};
use reactor::{ConnectionClosed, Context, Cores, Protocol, Raw, Reactor, TcpListenOptions};
use reactor_tls::{TlsClient, TlsServer, TlsVersion};
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, NamedGroup, RootCertStore, ServerConfig,
    ServerConnection,
};

use crate::certificates::{Issuer, both};
use crate::connections::{client, turn_until};

/// Says which loop it is on, and ends.
struct Numbered(usize);

impl Protocol for Numbered {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.write([self.0 as u8]);
        cx.lose_connection();
        Ok(())
    }
}

#[test]
fn all_loops_of_cores_take_the_tickets_of_each_other() {
    let (server, tls) = both();
    let address: SocketAddr = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let cores = Cores::start(2, move |reactor, number| {
        let options = TcpListenOptions::new(address).reuse_port(true);
        reactor.listen_tcp(options, server.factory(move || Numbered(number)))?;
        Ok(())
    })
    .unwrap();
    let reactor = Reactor::new().unwrap();
    let mut resumed_on = [false; 2];
    let mut is_first = true;
    let deadline = Instant::now() + Duration::from_secs(30);
    while resumed_on != [true; 2] {
        assert!(Instant::now() < deadline, "one of them gets nothing");
        let (asking, seen) = client(&tls, b"");
        reactor.connect_tcp(address, asking).detach();
        turn_until(&reactor, || seen.0.borrow().lost.is_some());
        let seen = seen.0.borrow();
        assert_eq!(seen.received.len(), 1, "{:?}", seen.lost);
        let number = usize::from(seen.received[0]);
        let is_resumed = seen.info.as_ref().unwrap().is_resumed;
        assert_eq!(is_resumed, !is_first, "on loop {number}");
        resumed_on[number] |= is_resumed;
        is_first = false;
    }
    cores.stop();
    cores.join().unwrap();
}

/// Sessions of a client that keeps its first ticket for ever.
#[derive(Debug, Default)]
struct FirstTicket(Mutex<Option<Tls12ClientSessionValue>>);

impl ClientSessionStore for FirstTicket {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.lock().unwrap().get_or_insert(value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.lock().unwrap().clone()
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

/// A client of rustls's own, which does what ours does not.
fn raw_client(issuer: &Issuer) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(issuer.pem().as_bytes()).unwrap();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Opens a connection, and gives the client its tickets; says whether it could send early data.
fn connect(config: &Arc<ClientConfig>, server: &TlsServer) -> (ClientConnection, bool) {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(Arc::clone(config), name).unwrap();
    let has_early_data = client.early_data().is_some();
    let mut driver = FilterDriver::new(server.filter()).unwrap();
    while client.wants_write() {
        let mut to_server = Vec::new();
        client.write_tls(&mut to_server).unwrap();
        driver.receive(to_server).unwrap();
        let to_client = driver.sent();
        let mut rest = &to_client[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    assert!(driver.is_open() && !client.is_handshaking());
    (client, has_early_data)
}

#[test]
fn the_keys_of_tickets_change() {
    let issuer = Issuer::new();
    let server = TlsServer::builder()
        .identity(issuer.identity("localhost"))
        .versions([TlsVersion::Tls12])
        .ticket_key_lifetime(Duration::from_secs(1))
        .build()
        .unwrap();
    let mut config = raw_client(&issuer);
    config.resumption = Resumption::store(Arc::new(FirstTicket::default()));
    let config = Arc::new(config);
    let is_resumed = || {
        let (client, _) = connect(&config, &server);
        client.handshake_kind() == Some(HandshakeKind::Resumed)
    };
    let start = Instant::now();
    assert!(!is_resumed());
    assert!(is_resumed());
    while is_resumed() {
        assert!(start.elapsed() < Duration::from_secs(30), "for ever");
    }
    // The key is accepted for as long again as it is used for new tickets.
    assert!(start.elapsed() > Duration::from_secs(1));
    assert!(!is_resumed(), "it stays refused");
}

#[test]
fn a_server_offers_no_early_data() {
    let issuer = Issuer::new();
    let server = TlsServer::builder().identity(issuer.identity("localhost"));
    let server = server.build().unwrap();
    let mut config = raw_client(&issuer);
    config.enable_early_data = true;
    let config = Arc::new(config);
    let (first, _) = connect(&config, &server);
    assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
    let (second, has_early_data) = connect(&config, &server);
    assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));
    assert!(!has_early_data, "the ticket permits none");
}

#[test]
fn a_client_offers_no_early_data() {
    let issuer = Issuer::new();
    let pem = issuer.issue("localhost");
    let chain = vec![CertificateDer::from_pem_slice(pem.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.max_early_data_size = 16384;
    let config = Arc::new(config);
    let tls = TlsClient::builder().roots(issuer.roots()).build().unwrap();
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut server = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut driver = FilterDriver::new(tls.filter("localhost").unwrap()).unwrap();
        loop {
            let to_server = driver.sent();
            if to_server.is_empty() {
                break;
            }
            let mut rest = &to_server[..];
            while !rest.is_empty() {
                server.read_tls(&mut rest).unwrap();
                server.process_new_packets().unwrap();
                assert!(server.early_data().is_none(), "it was offered");
            }
            let mut to_client = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut to_client).unwrap();
            }
            driver.receive(to_client).unwrap();
        }
        assert!(driver.is_open());
        assert_eq!(server.handshake_kind(), Some(expected));
    }
}

/// Answers when the client has finished, in part a second later.
struct Late;

impl Protocol for Late {
    type Framing = Raw;

    fn read_closed(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.write("at once");
        cx.call_later(Duration::from_secs(1), |_, cx| {
            cx.write(", and later");
            cx.lose_connection();
        });
        Ok(())
    }
}

#[test]
fn a_connection_may_be_half_closed() {
    let issuer = Issuer::new();
    let server = TlsServer::builder()
        .identity(issuer.identity("localhost"))
        .versions([TlsVersion::Tls13])
        .build()
        .unwrap();
    let tls = TlsClient::builder().roots(issuer.roots()).build().unwrap();
    let reactor = TestReactor::new();
    reactor
        .listen_tcp("127.0.0.1:443", server.factory(|| Late))
        .unwrap();
    let (asking, seen) = client(&tls, b"a question");
    reactor.connect_tcp("127.0.0.1:443", asking).detach();
    reactor.settle();
    assert_eq!(seen.0.borrow().received, b"at once");
    assert!(seen.0.borrow().lost.is_none());
    reactor.advance(Duration::from_secs(1));
    assert_eq!(seen.0.borrow().received, b"at once, and later");
    let lost = seen.0.borrow_mut().lost.take();
    assert!(matches!(lost, Some(ConnectionClosed::Done)), "{lost:?}");
}

/// Ends in the way of a server that crashes: the system closes its socket.
#[test]
fn a_client_hears_of_a_loss_if_its_server_ends_without_a_close_notify() {
    let (server, tls) = both();
    for says_goodbye in [false, true] {
        let reactor = TestReactor::new();
        let was_lost = Rc::new(Cell::new(None));
        struct Waits(Rc<Cell<Option<bool>>>);
        impl Protocol for Waits {
            type Framing = Raw;
            fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
                let is_lost = matches!(reason, ConnectionClosed::Lost(_));
                assert_eq!(is_lost, reason.to_string().contains("close_notify"));
                self.0.set(Some(is_lost));
            }
        }
        let filter = tls.filter("localhost").unwrap();
        let (connecting, peer) =
            reactor.connect_to_peer_through(filter, Waits(Rc::clone(&was_lost)));
        let mut driver = FilterDriver::new(server.filter()).unwrap();
        while !driver.is_open() {
            driver.receive(peer.received()).unwrap();
            peer.send(driver.sent());
        }
        connecting.into_result().unwrap().unwrap();
        if says_goodbye {
            driver.finish().unwrap();
            peer.send(driver.sent());
        }
        peer.close();
        reactor.settle();
        assert_eq!(was_lost.get(), Some(!says_goodbye));
    }
}
