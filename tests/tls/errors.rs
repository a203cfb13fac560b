//! What is said when a handshake fails: on which side, about whom, and what to do.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Mutex;

use reactor::Address;
use reactor::testing::FilterDriver;
use reactor_tls::{
    TlsClient, TlsClientBuilder, TlsConfigError, TlsError, TlsErrorKind, TlsServer, TlsVersion,
};

use crate::certificates::{Issuer, both};
use crate::handshakes::{Sides, kind};

fn params(name: &str, from: i32, until: i32) -> rcgen::CertificateParams {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    params
}

/// What the client says, and what the server then hears.
fn refused(client: &TlsClient, server: &TlsServer) -> (TlsError, TlsErrorKind) {
    let (of_client, of_server) = Sides::new(client, server).talk(usize::MAX);
    let failure = of_client.unwrap_err();
    let error = failure.downcast_ref::<TlsError>().unwrap().clone();
    (error, kind(of_server))
}

#[test]
fn certificates_that_are_not_good() {
    let issuer = Issuer::new();
    let client = TlsClient::builder().roots(issuer.roots()).build().unwrap();
    let server = |params: &rcgen::CertificateParams| {
        let identity = issuer.issue_with(params).identity();
        TlsServer::builder().identity(identity).build().unwrap()
    };
    let (error, of_server) = refused(&client, &server(&params("localhost", 2001, 2002)));
    assert_eq!(error.kind(), &TlsErrorKind::Expired);
    assert_eq!(error.peer(), "localhost");
    assert!(
        error.to_string().contains("has expired; have it renewed"),
        "{error}"
    );
    assert_eq!(
        of_server,
        TlsErrorKind::Refused("CertificateExpired".to_owned())
    );

    let (error, _) = refused(&client, &server(&params("localhost", 2090, 2091)));
    assert_eq!(error.kind(), &TlsErrorKind::NotValidYet);

    let (error, _) = refused(&client, &server(&params("other.test", 2001, 2090)));
    assert!(error.to_string().contains("but for"), "{error}");
    assert!(error.to_string().contains("other.test"), "{error}");

    let stranger = Issuer::new();
    let client = TlsClient::builder()
        .roots(stranger.roots())
        .build()
        .unwrap();
    let (error, of_server) = refused(&client, &server(&params("localhost", 2001, 2090)));
    assert_eq!(error.kind(), &TlsErrorKind::UnknownIssuer);
    assert!(error.to_string().contains("Roots::from_pem"), "{error}");
    assert_eq!(of_server, TlsErrorKind::Refused("UnknownCA".to_owned()));

    // The roots of the platform do not have it either.
    #[cfg(target_os = "linux")]
    {
        let client = TlsClient::builder().build().unwrap();
        let (error, _) = refused(&client, &server(&params("localhost", 2001, 2090)));
        assert_eq!(error.kind(), &TlsErrorKind::UnknownIssuer);
    }
    let client = TlsClient::builder().dangerously_accept_any_certificate();
    Sides::new(
        &client.build().unwrap(),
        &server(&params("other.test", 2001, 2002)),
    )
    .open();
}

#[test]
fn who_trusts_anybody_is_warned() {
    let logged = |builder: fn() -> TlsClientBuilder| {
        let (mut log, writer) = std::io::pipe().expect("a pipe");
        let subscriber = tracing_subscriber::fmt()
            .with_writer(Mutex::new(writer))
            .finish();
        tracing::subscriber::with_default(subscriber, || builder().build().expect("a client"));
        let mut text = String::new();
        log.read_to_string(&mut text).expect("the log");
        text
    };
    let text = logged(|| TlsClient::builder().dangerously_accept_any_certificate());
    assert!(text.contains("WARN") && text.contains("not safe"), "{text}");
    assert_eq!(logged(TlsClient::builder), "");
}

#[test]
fn nothing_in_common() {
    let issuer = Issuer::new();
    let server = || TlsServer::builder().identity(issuer.identity("localhost"));
    let client = || TlsClient::builder().roots(issuer.roots());
    let (error, of_server) = refused(
        &client().alpn(["h2"]).build().unwrap(),
        &server().alpn(["http/1.1"]).build().unwrap(),
    );
    assert_eq!(of_server, TlsErrorKind::NoCommonProtocol);
    assert!(
        error
            .to_string()
            .contains("offer one of its application protocols"),
        "{error}"
    );

    let (error, of_server) = refused(
        &client().versions([TlsVersion::Tls12]).build().unwrap(),
        &server().versions([TlsVersion::Tls13]).build().unwrap(),
    );
    assert!(
        matches!(of_server, TlsErrorKind::Incompatible(_)),
        "{of_server:?}"
    );
    assert!(error.to_string().contains("another version"), "{error}");
}

#[test]
fn what_is_no_tls() {
    let (server, client) = both();
    let peer = Address::from(SocketAddr::from(([192, 0, 2, 9], 50000)));
    for size in [1, 3, 100] {
        let speaks = |text: &[u8]| {
            let mut driver = FilterDriver::with_peer(server.filter(), peer.clone()).unwrap();
            let mut outcome = Ok(());
            for piece in text.chunks(size) {
                outcome = outcome.and_then(|()| driver.receive(piece));
            }
            outcome.unwrap_err()
        };
        let http = speaks(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let http = http.downcast_ref::<TlsError>().unwrap().clone();
        assert_eq!(http.kind(), &TlsErrorKind::PlainHttp);
        assert_eq!(http.peer(), "192.0.2.9:50000");
        assert!(http.to_string().contains("begins with https"), "{http}");
        let ssh = speaks(b"SSH-2.0-OpenSSH_9.9\r\n");
        assert_eq!(
            ssh.downcast_ref::<TlsError>().unwrap().kind(),
            &TlsErrorKind::NotTls
        );

        let answers = |text: &[u8]| {
            let mut driver = FilterDriver::new(client.filter("localhost").unwrap()).unwrap();
            let mut outcome = Ok(());
            for piece in text.chunks(size) {
                outcome = outcome.and_then(|()| driver.receive(piece));
            }
            kind(outcome)
        };
        assert_eq!(
            answers(b"HTTP/1.1 400 Bad Request\r\n"),
            TlsErrorKind::PlainHttp
        );
        assert_eq!(answers(b"220 mail.test ESMTP\r\n"), TlsErrorKind::NotTls);
    }
}

#[test]
fn garbage_and_large_records_are_refused() {
    let (server, _) = both();
    let refuses = |bytes: &[u8]| {
        let mut driver = FilterDriver::new(server.filter()).unwrap();
        driver.receive(bytes).is_err()
    };
    assert!(refuses(&[0xff; 1000]));
    // A record that says that it is larger than records are.
    assert!(refuses(&[22, 3, 1, 0xff, 0xff, 1]));
    // A handshake record with nonsense in it.
    assert!(refuses(&[22, 3, 1, 0, 4, 9, 9, 9, 9]));
}

#[test]
fn truncations_at_each_byte() {
    let (server, client) = both();
    let mut sides = Sides::new(&client, &server).open();
    sides.client.send("hello").unwrap();
    sides.client.finish().unwrap();
    let data = sides.client.sent();
    for until in 0..data.len() {
        let mut sides = Sides::new(&client, &server).open();
        sides.client.send("hello").unwrap();
        sides.client.finish().unwrap();
        let data = sides.client.sent();
        sides.server.receive(&data[..until]).unwrap();
        assert_eq!(
            kind(sides.server.receive_end()),
            TlsErrorKind::Truncated,
            "at {until}"
        );
        let delivered = sides.server.delivered();
        assert!(delivered.is_empty() || delivered == b"hello");
    }
    let mut sides = Sides::new(&client, &server).open();
    sides.client.finish().unwrap();
    sides.server.receive(sides.client.sent()).unwrap();
    assert!(sides.server.has_ended());
    sides.server.receive_end().unwrap();
    // In the handshake.
    let mut sides = Sides::new(&client, &server);
    assert_eq!(kind(sides.server.receive_end()), TlsErrorKind::Interrupted);
    assert_eq!(kind(sides.client.receive_end()), TlsErrorKind::Interrupted);
}

#[test]
fn one_half_may_end() {
    let (server, client) = both();
    let mut sides = Sides::new(&client, &server).open();
    sides.client.send("a question").unwrap();
    sides.client.finish().unwrap();
    sides.talk(usize::MAX).1.unwrap();
    assert!(sides.server.has_ended());
    sides.server.send("a late answer").unwrap();
    sides.talk(usize::MAX).0.unwrap();
    assert_eq!(sides.client.delivered(), b"a late answer");
}

#[test]
fn configurations_that_cannot_be() {
    let issuer = Issuer::new();
    let (one, other) = (issuer.issue("one.test"), issuer.issue("other.test"));
    use reactor_tls::Identity;
    let error = |certificate: &str, key: &str| Identity::from_pem(certificate, key).unwrap_err();
    let text = error(&one.certificate, &other.key).to_string();
    assert!(
        text.starts_with("bad certificate and private key"),
        "{text}"
    );
    let text = error("", &one.key).to_string();
    assert!(text.contains("no section with a `CERTIFICATE`"), "{text}");
    let text = error(&one.certificate, &one.certificate).to_string();
    assert!(text.contains("no section with a `PRIVATE KEY`"), "{text}");
    let none = TlsServer::builder().build().unwrap_err();
    assert!(matches!(none, TlsConfigError::NoCertificate));
    let client = TlsClient::builder().build().unwrap();
    let bad = client.filter("not a name").unwrap_err();
    assert!(bad.to_string().contains("\"not a name\""), "{bad}");
    client.filter("192.0.2.1").unwrap();
    client.filter("2001:db8::1").unwrap();
}
