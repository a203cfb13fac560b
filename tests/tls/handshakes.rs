//! Handshakes without sockets: two filters back to back.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deferred::{Deferred, Failure, Result, Trigger, fail};
use reactor::testing::FilterDriver;
use reactor_tls::{
    Identity, TlsClient, TlsConfigError, TlsError, TlsErrorKind, TlsInfo, TlsServer, TlsVersion,
};
use tests::Directory;

use crate::certificates::{Issuer, both};

/// A client's filter and a server's.
pub(crate) struct Sides {
    pub(crate) client: FilterDriver,
    pub(crate) server: FilterDriver,
}

impl Sides {
    pub(crate) fn new(client: &TlsClient, server: &TlsServer) -> Self {
        Self::named(client, server, "localhost")
    }

    pub(crate) fn named(client: &TlsClient, server: &TlsServer, name: &str) -> Self {
        Self {
            client: FilterDriver::new(client.filter(name).unwrap()).unwrap(),
            server: FilterDriver::new(server.filter()).unwrap(),
        }
    }

    /// Passes on what each has sent, in pieces of `size`, until both are silent. An error of
    /// one is kept until the other has heard of it.
    pub(crate) fn talk(&mut self, size: usize) -> (Result<()>, Result<()>) {
        let (mut of_client, mut of_server) = (Ok(()), Ok(()));
        loop {
            let (to_server, to_client) = (self.client.sent(), self.server.sent());
            if to_server.is_empty() && to_client.is_empty() {
                return (of_client, of_server);
            }
            for piece in to_server.chunks(size) {
                if of_server.is_ok() {
                    of_server = self.server.receive(piece);
                }
            }
            for piece in to_client.chunks(size) {
                if of_client.is_ok() {
                    of_client = self.client.receive(piece);
                }
            }
        }
    }

    pub(crate) fn open(mut self) -> Self {
        let (of_client, of_server) = self.talk(usize::MAX);
        of_client.unwrap();
        of_server.unwrap();
        assert!(self.client.is_open() && self.server.is_open());
        self
    }

    fn info(&self) -> (TlsInfo, TlsInfo) {
        let of = |driver: &FilterDriver| driver.info::<TlsInfo>().unwrap();
        (of(&self.client), of(&self.server))
    }
}

pub(crate) fn kind(result: Result<()>) -> TlsErrorKind {
    let failure = result.unwrap_err();
    let error = failure.downcast_ref::<TlsError>();
    error.unwrap_or_else(|| panic!("{failure}")).kind().clone()
}

fn versions() -> [TlsVersion; 2] {
    [TlsVersion::Tls12, TlsVersion::Tls13]
}

#[test]
fn both_versions_in_pieces_of_each_size() {
    let issuer = Issuer::new();
    let identity = issuer.identity("localhost");
    for version in versions() {
        let server = TlsServer::builder()
            .identity(identity.clone())
            .versions([version]);
        let client = TlsClient::builder().roots(issuer.roots());
        let (server, client) = (server.build().unwrap(), client.build().unwrap());
        for size in [1, 2, 3, 5, 17, 100, 1000, usize::MAX] {
            let mut sides = Sides::new(&client, &server);
            sides.client.send("hello").unwrap();
            sides.server.send("welcome").unwrap();
            let (of_client, of_server) = sides.talk(size);
            of_client.unwrap();
            of_server.unwrap();
            assert_eq!(sides.server.delivered(), b"hello");
            assert_eq!(sides.client.delivered(), b"welcome");
            assert_eq!(sides.info().0.version, version);
            sides.client.finish().unwrap();
            sides.talk(size).1.unwrap();
            assert!(sides.server.has_ended());
            sides.server.finish().unwrap();
            sides.talk(size).0.unwrap();
            assert!(sides.client.has_ended());
        }
    }
}

#[test]
fn much_data_comes_through_whole() {
    let (server, client) = both();
    let mut sides = Sides::new(&client, &server).open();
    let data: Vec<u8> = (0..1_000_000_u32).map(|i| (i % 253) as u8).collect();
    sides.client.send(&data).unwrap();
    sides.server.send(&data).unwrap();
    let (of_client, of_server) = sides.talk(7919);
    of_client.unwrap();
    of_server.unwrap();
    assert!(sides.server.delivered() == data && sides.client.delivered() == data);
}

#[test]
fn many_little_writes_are_one_record() {
    let (server, client) = both();
    let mut sides = Sides::new(&client, &server);
    for byte in 0..=255_u8 {
        sides.client.send([byte]).unwrap();
    }
    sides.talk(usize::MAX).1.unwrap();
    let expected: Vec<_> = (0..=255).collect();
    assert_eq!(sides.server.delivered(), expected);
}

#[test]
fn both_sides_know_what_was_agreed_on() {
    let issuer = Issuer::new();
    let server = TlsServer::builder()
        .identity(issuer.identity("localhost"))
        .alpn(["h2", "http/1.1"])
        .build()
        .unwrap();
    let client = TlsClient::builder()
        .roots(issuer.roots())
        .alpn(["http/1.1"]);
    let sides = Sides::new(&client.build().unwrap(), &server).open();
    let (of_client, of_server) = sides.info();
    assert_eq!(of_client.alpn.as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(of_server.alpn, of_client.alpn);
    assert_eq!(of_server.server_name.as_deref(), Some("localhost"));
    assert_eq!(of_client.cipher_suite, of_server.cipher_suite);
    assert!(
        of_client.cipher_suite.starts_with("TLS13_"),
        "{of_client:?}"
    );
    assert_eq!(of_client.peer_certificates.len(), 1);
    assert!(of_server.peer_certificates.is_empty());
    assert!(of_client.key_exchange.is_some());
    // Before the handshake, nothing is known.
    let sides = Sides::new(&TlsClient::builder().build().unwrap(), &server);
    assert_eq!(sides.client.info::<TlsInfo>(), None);
}

#[test]
fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
    let issuer = Issuer::new();
    let server = TlsServer::builder()
        .identity(issuer.identity("other.test"))
        .identity_for("one.test", issuer.identity("one.test"))
        .identity_for("*.many.test", issuer.identity("*.many.test"))
        .build()
        .unwrap();
    let client = TlsClient::builder().roots(issuer.roots()).build().unwrap();
    for name in ["other.test", "one.test", "a.many.test", "B.MANY.test"] {
        Sides::named(&client, &server, name).open();
    }
    let of_client = Sides::named(&client, &server, "a.b.many.test")
        .talk(usize::MAX)
        .0;
    let presented = vec!["other.test".to_owned()];
    assert_eq!(kind(of_client), TlsErrorKind::WrongName { presented });
}

#[test]
fn a_certificate_may_be_chosen_later() {
    let issuer = Issuer::new();
    thread_local! {
        static ASKED: RefCell<Option<Trigger<Identity>>> = const { RefCell::new(None) };
    }
    let server = TlsServer::builder().choose_identity(|hello| {
        assert_eq!(hello.server_name.as_deref(), Some("later.test"));
        assert_eq!(hello.alpn, [b"h2".to_vec()]);
        let (trigger, identity) = Deferred::pair();
        ASKED.set(Some(trigger));
        identity
    });
    let server = server.alpn(["h2"]).build().unwrap();
    let client = TlsClient::builder()
        .roots(issuer.roots())
        .alpn(["h2"])
        .build()
        .unwrap();

    let mut sides = Sides::named(&client, &server, "later.test");
    sides.client.send("hello").unwrap();
    sides.talk(1).1.unwrap();
    assert!(!sides.server.is_open());
    let trigger = ASKED.take().unwrap();
    trigger.callback(issuer.identity("later.test")).unwrap();
    sides.server.run_woken().unwrap();
    sides.talk(1).1.unwrap();
    assert_eq!(sides.server.delivered(), b"hello");

    // It takes too long.
    let mut sides = Sides::named(&client, &server, "later.test");
    sides.talk(usize::MAX).1.unwrap();
    let trigger = ASKED.take().unwrap();
    let late = sides.server.advance(Duration::from_secs(10));
    assert_eq!(kind(late), TlsErrorKind::TimedOut);
    drop(sides);
    assert!(trigger.is_fired(), "cancelled with its connection");

    // It fails, and there is no other.
    let server = TlsServer::builder()
        .choose_identity(|_| fail(Failure::msg("no such name").context("the table")));
    let mut sides = Sides::named(&client, &server.build().unwrap(), "later.test");
    let of_server = sides.talk(usize::MAX).1;
    assert_eq!(
        kind(of_server),
        TlsErrorKind::NoIdentity("the table: no such name".to_owned())
    );

    // It fails, and there is one for all.
    let server = TlsServer::builder()
        .choose_identity(|_| fail(Failure::msg("no such name")))
        .identity(issuer.identity("later.test"));
    let client = TlsClient::builder().roots(issuer.roots()).build().unwrap();
    Sides::named(&client, &server.build().unwrap(), "later.test").open();
}

#[test]
fn what_comes_while_a_certificate_is_chosen_waits() {
    let issuer = Issuer::new();
    thread_local! {
        static ASKED: RefCell<Option<Trigger<Identity>>> = const { RefCell::new(None) };
    }
    let server = TlsServer::builder().choose_identity(|_| {
        let (trigger, identity) = Deferred::pair();
        ASKED.set(Some(trigger));
        identity
    });
    let server = server.build().unwrap();
    let client = TlsClient::builder().roots(issuer.roots()).build().unwrap();
    let mut sides = Sides::new(&client, &server);
    sides.server.receive(sides.client.sent()).unwrap();
    assert_ne!(sides.server.read_limit(), 0);
    sides.server.receive(vec![0; 100_000]).unwrap();
    assert_eq!(
        sides.server.read_limit(),
        0,
        "not read from until there is one"
    );
    drop(sides);
    assert!(ASKED.take().unwrap().is_fired());
}

#[test]
fn clients_show_certificates() {
    let (issuer, other) = (Issuer::new(), Issuer::new());
    let identity = issuer.identity("localhost");
    for version in versions() {
        let server = || {
            TlsServer::builder()
                .identity(identity.clone())
                .versions([version])
        };
        let requires = server()
            .require_client_certificates(issuer.roots())
            .build()
            .unwrap();
        let requests = server()
            .request_client_certificates(issuer.roots())
            .build()
            .unwrap();
        let client = || TlsClient::builder().roots(issuer.roots());
        let with = client()
            .identity(issuer.identity("client"))
            .build()
            .unwrap();
        let without = client().build().unwrap();
        let with_other = client().identity(other.identity("client")).build().unwrap();

        let certificates = |client: &TlsClient, server: &TlsServer| {
            let (_, of_server) = Sides::new(client, server).open().info();
            of_server.peer_certificates.len()
        };
        assert_eq!(certificates(&with, &requires), 1);
        assert_eq!(certificates(&with, &requests), 1);
        assert_eq!(certificates(&without, &requests), 0);
        let refused = |client: &TlsClient, server: &TlsServer| {
            let (of_client, of_server) = Sides::new(client, server).talk(usize::MAX);
            (kind(of_client), kind(of_server))
        };
        let (of_client, of_server) = refused(&without, &requires);
        assert_eq!(of_server, TlsErrorKind::NoCertificate);
        assert!(
            matches!(of_client, TlsErrorKind::Refused(_)),
            "{of_client:?}"
        );
        assert_eq!(
            refused(&with_other, &requires).1,
            TlsErrorKind::UnknownIssuer
        );
        assert_eq!(
            refused(&with_other, &requests).1,
            TlsErrorKind::UnknownIssuer
        );
    }
}

#[test]
fn revoked_certificates_are_refused() {
    let issuer = Issuer::new();
    let issue = |serial: u64| {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.serial_number = Some(serial.into());
        issuer.issue_with(&params).identity()
    };
    let roots = issuer.roots().revocation_lists(issuer.revoke(13)).unwrap();
    let server = |serial| {
        TlsServer::builder()
            .identity(issue(serial))
            .build()
            .unwrap()
    };
    let client = TlsClient::builder().roots(roots).build().unwrap();
    Sides::new(&client, &server(12)).open();
    let of_client = Sides::new(&client, &server(13)).talk(usize::MAX).0;
    assert_eq!(kind(of_client), TlsErrorKind::Revoked);
}

#[test]
fn sessions_are_resumed_also_by_another_thread_and_after_a_reload() {
    let issuer = Issuer::new();
    let identity = issuer.identity("localhost");
    for version in versions() {
        let server = TlsServer::builder()
            .identity(identity.clone())
            .versions([version]);
        let server = server.build().unwrap();
        let client = TlsClient::builder().roots(issuer.roots()).build().unwrap();
        let is_resumed = |client: &TlsClient, server: &TlsServer| {
            let sides = Sides::new(client, server).open();
            let (of_client, of_server) = sides.info();
            assert_eq!(of_client.is_resumed, of_server.is_resumed);
            of_client.is_resumed
        };
        assert!(!is_resumed(&client, &server));
        assert!(is_resumed(&client, &server));
        server.reload().unwrap();
        assert!(is_resumed(&client, &server));
        let (for_thread, client_of_thread) = (server.clone(), client.clone());
        let thread = std::thread::spawn(move || is_resumed(&client_of_thread, &for_thread));
        assert!(thread.join().unwrap());
        let stranger = TlsClient::builder().roots(issuer.roots()).build().unwrap();
        assert!(!is_resumed(&stranger, &server));
    }
}

#[test]
fn certificates_are_reloaded_all_or_none() {
    let issuer = Issuer::new();
    let directory = Directory::new("reactor-tls");
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    let write = |name: &str| {
        let pem = issuer.issue(name);
        std::fs::write(&certificate, pem.certificate).unwrap();
        std::fs::write(&key, pem.key).unwrap();
    };
    write("one.test");
    let identity = Identity::from_pem_files(&certificate, &key).unwrap();
    let server = TlsServer::builder().identity(identity).build().unwrap();
    let client = TlsClient::builder().roots(issuer.roots()).build().unwrap();
    let works = |name| {
        // One that has no session to resume.
        let client = TlsClient::builder().roots(issuer.roots()).build().unwrap();
        let mut sides = Sides::named(&client, &server, name);
        sides.talk(usize::MAX).0.is_ok()
    };
    let before = Sides::named(&client, &server, "one.test").open();
    write("two.test");
    assert!(works("one.test") && !works("two.test"));
    server.reload().unwrap();
    assert!(!works("one.test") && works("two.test"));
    // The key of another one.
    std::fs::write(&key, issuer.issue("three.test").key).unwrap();
    assert!(matches!(
        server.reload().unwrap_err(),
        TlsConfigError::Invalid { .. }
    ));
    assert!(works("two.test"));
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(
        server.reload().unwrap_err(),
        TlsConfigError::Unreadable { .. }
    ));
    assert!(works("two.test"));
    // One that was there is not touched.
    let mut before = before;
    before.client.send("still here").unwrap();
    before.talk(usize::MAX).1.unwrap();
    assert_eq!(before.server.delivered(), b"still here");
}

#[test]
fn a_handshake_has_to_be_finished_in_time() {
    let (server, client) = both();
    let mut sides = Sides::new(&client, &server);
    for driver in [&mut sides.server, &mut sides.client] {
        driver.advance(Duration::from_millis(9_999)).unwrap();
        assert_eq!(
            kind(driver.advance(Duration::from_millis(1))),
            TlsErrorKind::TimedOut
        );
    }
    let mut open = Sides::new(&client, &server).open();
    // Ended, not only without effect: it would wake the loop for nothing.
    assert_eq!((open.client.wake_at(), open.server.wake_at()), (None, None));
    open.server.advance(Duration::from_secs(100)).unwrap();
    open.client.advance(Duration::from_secs(100)).unwrap();
    assert_eq!(open.server.wake_at(), None);
}

#[test]
fn no_early_data_is_taken() {
    let (server, client) = both();
    Sides::new(&client, &server).open();
    // A resumed session: what is written before the handshake waits for it.
    let mut sides = Sides::new(&client, &server);
    sides.client.send("early").unwrap();
    let first = sides.client.sent();
    sides.server.receive(first).unwrap();
    assert!(sides.server.delivered().is_empty() && !sides.server.is_open());
}

#[test]
fn keys_are_not_shown_and_counted_choices_are() {
    let issuer = Issuer::new();
    let pem = issuer.issue("localhost");
    let shown = format!("{:?}", pem.identity());
    let secret = pem.key.lines().nth(1).unwrap();
    assert!(!shown.contains(secret));
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&asked);
    let identity = pem.identity();
    let server = TlsServer::builder().choose_identity(move |_| {
        counting.fetch_add(1, Ordering::Relaxed);
        deferred::succeed(identity.clone())
    });
    let server = server.build().unwrap();
    let client = TlsClient::builder().roots(issuer.roots()).build().unwrap();
    Sides::new(&client, &server).open();
    Sides::new(&client, &server).open();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

/// The server chooses by the first message; what came with it in the same read counts all the same,
/// in whatever pieces it takes its input.
#[test]
fn what_follows_the_first_message_at_once_is_not_lost() {
    // A fatal alert, handshake_failure, before there are keys (RFC 8446, section 6).
    const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
    let (server, _) = both();
    let hello = |padding: usize| {
        let mut names = vec!["x".repeat(250); 14];
        names.extend(["y".repeat(padding / 2), "z".repeat(padding - padding / 2)]);
        let roots = Issuer::new().roots();
        let client = TlsClient::builder().roots(roots).alpn(names);
        let client = client.build().unwrap();
        let mut driver = FilterDriver::new(client.filter("localhost").unwrap()).unwrap();
        driver.sent()
    };
    let shortest = hello(2).len();
    for length in 4090..=4096 {
        let mut input = hello(2 + length - shortest);
        assert_eq!(input.len(), length);
        input.extend(ALERT);
        let mut driver = FilterDriver::new(server.filter()).unwrap();
        assert!(driver.receive(&input).is_err(), "{length}");
    }
}
