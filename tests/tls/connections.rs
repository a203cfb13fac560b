//! TLS on connections: on the memory network and on sockets.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use deferred::Result;
use reactor::testing::{FilterDriver, Peer, TestReactor};
use reactor::{ConnectionClosed, Context, Protocol, Raw, Reactor, WriteLimits};
use reactor_tls::{Identity, StartTls, TlsClient, TlsError, TlsErrorKind, TlsInfo, TlsServer};
use tests::Directory;

use crate::certificates::{Issuer, Pem, both};

pub(crate) struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        cx.write(data);
        Ok(())
    }
}

/// What happened to a client.
#[derive(Clone, Default)]
pub(crate) struct Seen(pub(crate) Rc<RefCell<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) received: Vec<u8>,
    pub(crate) is_open: bool,
    pub(crate) info: Option<TlsInfo>,
    pub(crate) lost: Option<ConnectionClosed>,
    pub(crate) failure: Option<String>,
}

/// Begins TLS at once, sends, and ends its side.
pub(crate) struct Client {
    pub(crate) tls: TlsClient,
    pub(crate) to_send: Vec<u8>,
    pub(crate) seen: Seen,
}

impl Protocol for Client {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        let opened = cx.start_tls(self.tls.filter("localhost")?);
        cx.write(&self.to_send);
        cx.lose_write_connection();
        cx.when(opened, |this, cx, opened| {
            let mut seen = this.seen.0.borrow_mut();
            seen.is_open = opened.is_ok();
            seen.failure = opened.err().map(|failure| failure.to_string());
            seen.info = cx.filter_info();
        });
        Ok(())
    }

    fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        self.seen.0.borrow_mut().received.extend_from_slice(data);
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.seen.0.borrow_mut().lost = Some(reason);
    }
}

pub(crate) fn client(tls: &TlsClient, to_send: &[u8]) -> (Client, Seen) {
    let seen = Seen::default();
    let client = Client {
        tls: tls.clone(),
        to_send: to_send.to_vec(),
        seen: seen.clone(),
    };
    (client, seen)
}

/// A client behind `peer`, whose handshake goes as far as the server lets it.
pub(crate) fn handshake(tls: &TlsClient, peer: &Peer) -> FilterDriver {
    let mut driver = FilterDriver::new(tls.filter("localhost").unwrap()).unwrap();
    loop {
        let to_server = driver.sent();
        if to_server.is_empty() || peer.is_closed() {
            return driver;
        }
        peer.try_send(&to_server);
        // An alert that refuses is an error here, too.
        let _ = driver.receive(peer.received());
    }
}

/// Turns the loop until `condition` holds, for half a minute at the most.
pub(crate) fn turn_until(reactor: &Reactor, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "it never happens");
        reactor.turn(Some(Duration::from_millis(20))).unwrap();
    }
}

#[test]
fn an_echo_in_memory() {
    let (server, tls) = both();
    let reactor = TestReactor::new();
    reactor
        .listen_tcp("127.0.0.1:443", server.factory(|| Echo))
        .unwrap();
    let (client, seen) = client(&tls, b"hello");
    reactor.connect_tcp("127.0.0.1:443", client).detach();
    reactor.settle();
    let seen = seen.0.borrow();
    assert_eq!(seen.received, b"hello");
    assert!(seen.is_open && seen.info.is_some());
    assert!(
        matches!(seen.lost, Some(ConnectionClosed::Done)),
        "{:?}",
        seen.lost
    );
}

#[test]
fn much_both_ways_on_sockets() {
    let (server, tls) = both();
    let reactor = Reactor::new().unwrap();
    let port = reactor
        .listen_tcp("127.0.0.1:0", server.factory(|| Echo))
        .unwrap();
    let data: Vec<u8> = (0..64 * 1024 * 1024_u32).map(|i| (i % 251) as u8).collect();
    let (client, seen) = client(&tls, &data);
    // On a busy machine, both ends together may get no processor for as long as a peer may stall.
    let connecting = reactor.connect_tcp(port.address(), client);
    let connecting = connecting.add_callback(|connection| {
        let limits = WriteLimits::default().with_stall_timeout(Duration::from_secs(60));
        Ok(connection.set_write_limits(limits)?)
    });
    connecting.detach();
    turn_until(&reactor, || seen.0.borrow().lost.is_some());
    let seen = seen.0.borrow();
    assert!(
        matches!(seen.lost, Some(ConnectionClosed::Done)),
        "{:?}",
        seen.lost
    );
    assert_eq!(seen.received.len(), data.len());
    assert!(seen.received == data);
}

#[test]
fn a_resumed_session_on_another_loop() {
    let (server, tls) = both();
    let is_resumed = |server: TlsServer, tls: TlsClient| {
        let reactor = Reactor::new().unwrap();
        let port = reactor
            .listen_tcp("127.0.0.1:0", server.factory(|| Echo))
            .unwrap();
        let (client, seen) = client(&tls, b"hello");
        reactor.connect_tcp(port.address(), client).detach();
        turn_until(&reactor, || seen.0.borrow().lost.is_some());
        let info = seen.0.borrow().info.clone();
        info.unwrap().is_resumed
    };
    assert!(!is_resumed(server.clone(), tls.clone()));
    let other = std::thread::spawn(move || is_resumed(server, tls));
    assert!(other.join().unwrap());
}

#[test]
fn a_handshake_that_fails_is_told_to_the_client_only() {
    let (server, _) = both();
    let (_, stranger) = both();
    let reactor = TestReactor::new();
    reactor
        .listen_tcp("127.0.0.1:443", server.factory(|| Echo))
        .unwrap();
    let (client, seen) = client(&stranger, b"secret");
    reactor.connect_tcp("127.0.0.1:443", client).detach();
    reactor.settle();
    let seen = seen.0.borrow();
    assert!(!seen.is_open && seen.received.is_empty());
    let Some(ConnectionClosed::Failed(failure)) = &seen.lost else {
        panic!("{:?}", seen.lost);
    };
    let error = failure.downcast_ref::<TlsError>().unwrap();
    assert_eq!(error.kind(), &TlsErrorKind::UnknownIssuer);
}

#[test]
fn half_open_handshakes_time_out_and_others_are_served() {
    let (server, tls) = both();
    let reactor = TestReactor::new();
    reactor
        .listen_tcp("127.0.0.1:443", server.factory(|| Echo))
        .unwrap();
    for _ in 0..1000 {
        reactor.connect_tcp("127.0.0.1:443", Echo).ignore();
    }
    reactor.settle();
    let open = reactor.counters().connections;
    assert!(open >= 2000, "{open}");
    let (client, seen) = client(&tls, b"hello");
    reactor.connect_tcp("127.0.0.1:443", client).detach();
    reactor.settle();
    assert_eq!(seen.0.borrow().received, b"hello");
    reactor.advance(Duration::from_secs(10));
    assert_eq!(reactor.counters().connections, 0);
}

#[test]
fn an_end_without_a_close_notify_is_a_loss() {
    let (server, tls) = both();
    for is_cut in [false, true] {
        let reactor = TestReactor::new();
        let lost = Rc::new(RefCell::new(None));
        let to_note = Rc::clone(&lost);
        struct Notes(Rc<RefCell<Option<ConnectionClosed>>>);
        impl Protocol for Notes {
            type Framing = Raw;
            fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
                self.0.replace(Some(reason));
            }
        }
        let (connecting, peer) = reactor.connect_to_peer_through(server.filter(), Notes(to_note));
        let mut driver = handshake(&tls, &peer);
        connecting.into_result().unwrap().unwrap();
        if !is_cut {
            driver.finish().unwrap();
            peer.send(driver.sent());
        }
        peer.finish();
        let reason = lost.take().unwrap();
        assert_eq!(
            matches!(reason, ConnectionClosed::Lost(_)),
            is_cut,
            "{reason}"
        );
        if is_cut {
            assert!(reason.to_string().contains("close_notify"), "{reason}");
        } else {
            driver.receive(peer.received()).unwrap();
            assert!(driver.has_ended(), "it has said goodbye, too");
        }
    }
}

#[test]
fn certificates_are_reloaded_under_load() {
    let issuer = Issuer::new();
    let directory = Directory::new("tls-reload");
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    let write = |pem: &Pem| {
        std::fs::write(&certificate, &pem.certificate).unwrap();
        std::fs::write(&key, &pem.key).unwrap();
    };
    write(&issuer.issue("localhost"));
    let identity = Identity::from_pem_files(&certificate, &key).unwrap();
    let server = TlsServer::builder().identity(identity).build().unwrap();
    let reactor = Reactor::new().unwrap();
    let port = reactor
        .listen_tcp("127.0.0.1:0", server.factory(|| Echo))
        .unwrap();
    let mut all = Vec::new();
    let mut connect = |round| {
        for _ in 0..5 {
            // A client for each connection: none has a session to resume.
            let tls = TlsClient::builder().roots(issuer.roots()).build().unwrap();
            let (client, seen) = client(&tls, &vec![round; 50_000]);
            reactor.connect_tcp(port.address(), client).detach();
            all.push(seen);
        }
        reactor.turn(Some(Duration::ZERO)).unwrap();
    };
    for round in 0..10 {
        let pem = issuer.issue("localhost");
        // Between the two files: the certificate is new, its key is not there yet.
        std::fs::write(&certificate, &pem.certificate).unwrap();
        server.reload().unwrap_err();
        connect(round);
        write(&pem);
        server.reload().unwrap();
        connect(round);
    }
    turn_until(&reactor, || {
        all.iter().all(|seen| seen.0.borrow().lost.is_some())
    });
    let mut shown = HashSet::new();
    for seen in &all {
        let seen = seen.0.borrow();
        assert!(
            matches!(seen.lost, Some(ConnectionClosed::Done)),
            "{:?}",
            seen.lost
        );
        assert_eq!(seen.received.len(), 50_000);
        shown.insert(seen.info.as_ref().unwrap().peer_certificates[0].clone());
    }
    assert!(
        shown.len() > 2,
        "only {} certificates were seen",
        shown.len()
    );
}
