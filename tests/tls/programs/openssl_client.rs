//! `openssl s_client` as a client.

use std::process::Command;

use reactor::Reactor;
use reactor_tls::TlsServer;
use tests::is_there;

use super::protocols::Site;
use super::support::{Files, Program};

fn s_client(site: &Site, files: &Files, arguments: &[&str]) -> Program {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &site.address.to_string()])
        .args(["-CAfile", &files.path("ca.pem"), "-verify_return_error"])
        .args(["-servername", "localhost", "-verify_hostname", "localhost"])
        .args(arguments);
    Program::start(&mut command)
}

/// Has it send a line, and end after our answer.
fn converse(reactor: &Reactor, mut client: Program) -> String {
    client.asks(reactor, "hello\r\n", "hello from 127.0.0.1");
    client.types("bye\r\n");
    client.succeeds(reactor)
}

/// Both versions, ALPN, and a close_notify in each direction.
#[test]
fn openssl_talks_and_says_goodbye() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_client");
    let server = TlsServer::builder()
        .identity(files.server.identity())
        .alpn(["echo/1"])
        .build()
        .unwrap();
    let site = Site::new(&server);
    for (version, name) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let client = s_client(&site, &files, &[version, "-alpn", "echo/1", "-msg"]);
        let output = converse(&site.reactor, client);
        assert!(
            output.contains(&format!("New, {name}, Cipher is ")),
            "{output}"
        );
        assert!(output.contains("ALPN protocol: echo/1"), "{output}");
        assert!(output.contains("Verify return code: 0 (ok)"), "{output}");
        assert!(output.contains("Compression: NONE"), "{output}");
        let goodbyes = |arrow: &str| {
            let is_goodbye = |line: &&str| line.starts_with(arrow) && line.contains("close_notify");
            output.lines().filter(is_goodbye).count()
        };
        assert_eq!((goodbyes("<<<"), goodbyes(">>>")), (1, 1), "{output}");
        assert!(site.ends.next(&site.reactor).is_clean());
    }
}

#[test]
fn openssl_resumes() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_client-resume");
    let site = Site::plain(&files);
    let session = files.path("session");
    files.write("early", "early\r\n");
    for (version, name) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let first = s_client(&site, &files, &[version, "-sess_out", &session]);
        let output = converse(&site.reactor, first);
        assert!(output.contains(&format!("New, {name}")), "{output}");
        let second = s_client(&site, &files, &[version, "-sess_in", &session]);
        let output = converse(&site.reactor, second);
        assert!(output.contains(&format!("Reused, {name}")), "{output}");
    }
    // Tickets do not allow any 0-RTT data.
    let first = s_client(&site, &files, &["-tls1_3", "-sess_out", &session]);
    let output = converse(&site.reactor, first);
    assert!(output.contains("Max Early Data: 0"), "{output}");
    let arguments = ["-tls1_3", "-sess_in", &session, "-early_data"];
    let early = s_client(
        &site,
        &files,
        &[&arguments[..], &[&files.path("early")]].concat(),
    );
    let output = converse(&site.reactor, early);
    assert!(output.contains("Early data was not sent"), "{output}");
    assert!(!output.contains("early from"), "{output}");
}

#[test]
fn openssl_with_a_certificate() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_client-mutual");
    let site = Site::requiring_certificates(&files);
    let (certificate, key) = (files.path("client.pem"), files.path("client.key"));
    for version in ["-tls1_3", "-tls1_2"] {
        let own = ["-cert", &*certificate, "-key", &*key];
        let with = s_client(&site, &files, &[&[version][..], &own].concat());
        converse(&site.reactor, with);
        let (status, output) = s_client(&site, &files, &[version]).end(&site.reactor);
        assert!(!status.success(), "{output}");
        assert!(output.contains("alert"), "{output}");
    }
}

/// Of TLS 1.2. A client that insists ends its own connection.
#[test]
fn renegotiation_is_refused() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_client-renegotiate");
    let site = Site::plain(&files);
    let mut client = s_client(&site, &files, &["-tls1_2", "-msg"]);
    client.asks(&site.reactor, "hello\r\n", "hello from 127.0.0.1");
    client.asks(&site.reactor, "R\n", "RENEGOTIATING");
    let (status, output) = client.end(&site.reactor);
    assert!(!status.success(), "{output}");
    assert!(output.contains("no renegotiation"), "{output}");
    let handshakes = output.matches("ServerHello").count();
    assert_eq!(
        handshakes, 2,
        "ServerHello and ServerHelloDone, once: {output}"
    );
    // Others are served.
    converse(&site.reactor, s_client(&site, &files, &["-tls1_2"]));
}

/// Of TLS 1.3: the keys change in both directions, and the connection goes on.
#[test]
fn keys_are_updated_when_openssl_asks() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_client-keys");
    let site = Site::plain(&files);
    let mut client = s_client(&site, &files, &["-tls1_3", "-msg"]);
    client.asks(&site.reactor, "hello\r\n", "hello from 127.0.0.1");
    client.asks(&site.reactor, "K\n", "KEYUPDATE");
    client.asks(&site.reactor, "again\r\n", "again from 127.0.0.1");
    assert!(
        client
            .output()
            .contains("<<< TLS 1.3, Handshake [length 0005], KeyUpdate")
    );
    client.types("bye\r\n");
    client.succeeds(&site.reactor);
}

/// A client that is killed says no goodbye: what it has sent may be incomplete.
#[test]
fn an_end_of_openssl_without_a_goodbye_is_a_loss() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_client-killed");
    let site = Site::plain(&files);
    for version in ["-tls1_3", "-tls1_2"] {
        let mut client = s_client(&site, &files, &[version]);
        client.asks(&site.reactor, "hello\r\n", "hello from 127.0.0.1");
        client.kill();
        let end = site.ends.next(&site.reactor);
        assert!(end.is_lost(), "{end}");
    }
}

#[test]
fn openssl_with_old_settings_is_refused() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_client-old");
    let site = Site::plain(&files);
    for old in [
        &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"][..],
        &["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-SHA"],
        &["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
        &["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"],
    ] {
        let (status, output) = s_client(&site, &files, old).end(&site.reactor);
        assert!(!status.success(), "{old:?}: {output}");
        assert!(output.contains("Cipher is (NONE)"), "{old:?}: {output}");
    }
}

/// Its own client of SMTP, as far as the upgrade.
#[test]
fn openssl_upgrades_by_starttls() {
    if !is_there("openssl") {
        return;
    }
    let files = Files::new("s_client-smtp");
    let (site, server) = super::starttls::site(&files);
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &server.to_string()])
        .args(["-CAfile", &files.path("ca.pem"), "-verify_return_error"])
        .args(["-starttls", "smtp"]);
    let mut client = Program::start(&mut command);
    client.wait_for(&site, "Verify return code: 0 (ok)");
    client.asks(&site, "NOOP\r\n", "250 NOOP encrypted");
    client.types("QUIT\r\n");
    client.succeeds(&site);
}
