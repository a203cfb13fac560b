//! HAProxy in front of our server: it passes TLS on, or ends it and begins it anew, and says in
//! a PROXY header whose connection it is.

use std::net::{IpAddr, SocketAddr};
use std::process::Command;

use reactor::filter::proxy_protocol::ProxyProtocol;
use reactor_tls::TlsServer;
use tests::is_there;

use super::protocols::{Site, talk, trusting};
use super::support::{Files, Program};

/// A server that takes a PROXY header first, and then TLS.
pub(super) fn behind_a_balancer(files: &Files) -> Site {
    let tls = TlsServer::builder()
        .identity(files.server.identity())
        .alpn(["echo/1"])
        .build()
        .expect("a certificate");
    let proxy = ProxyProtocol::from_addresses([IpAddr::from([127, 0, 0, 1])]);
    Site::at(tls.endpoint(proxy.endpoint("tcp:0:interface=127.0.0.1")))
}

/// Has a client of ours talk through the balancer, which the server does not notice.
#[track_caller]
pub(super) fn talks_through(site: &Site, balancer: SocketAddr, files: &Files) {
    let tls = trusting(files).alpn(["echo/1"]).build().unwrap();
    let endpoint = tls.endpoint("localhost", balancer).unwrap();
    for _ in 0..2 {
        let talked = talk(&site.reactor, &endpoint, &["hello", "again"]);
        let talked = site.reactor.block_on(talked).unwrap();
        let host = &talked.host;
        assert_eq!(
            talked.received,
            format!("hello from {host}\nagain from {host}\n")
        );
        assert!(talked.end.is_clean(), "{}", talked.end);
        let end = site.ends.next(&site.reactor);
        assert!(end.is_clean(), "{end}");
    }
}

/// HAProxy in the foreground.
fn haproxy(files: &Files, bind: &str, server: &str) -> (Program, SocketAddr) {
    let configuration = files.path("haproxy.cfg");
    let text = format!(
        "listen example\n  mode tcp\n  bind fd@3 {bind}\n  timeout connect 30s\n  \
         timeout client 1m\n  timeout server 1m\n  server example {server}\n"
    );
    files.write("haproxy.cfg", &text);
    let mut command = Command::new("haproxy");
    command.args(["-db", "-f", &configuration]);
    Program::start_listening(command)
}

#[test]
fn haproxy_passes_tls_on() {
    if !is_there("haproxy") {
        return;
    }
    let files = Files::new("haproxy-through");
    let site = behind_a_balancer(&files);
    for header in ["send-proxy", "send-proxy-v2"] {
        let server = format!("{} {header}", site.address);
        let (_haproxy, address) = haproxy(&files, "", &server);
        talks_through(&site, address, &files);
    }
}

/// With a certificate of its own on both sides.
#[test]
fn haproxy_ends_tls_and_begins_it_anew() {
    if !is_there("haproxy") {
        return;
    }
    let files = Files::new("haproxy-anew");
    let site = behind_a_balancer(&files);
    let (certificate, roots) = (files.path("server.both"), files.path("ca.pem"));
    for header in ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn"] {
        for version in ["tlsv12", "tlsv13"] {
            let bind = format!("ssl crt {certificate} ca-file {roots} verify required alpn echo/1");
            let server = format!(
                "{} {header} ssl force-{version} ca-file {roots} verify required \
                 verifyhost localhost sni str(localhost) alpn echo/1",
                site.address
            );
            let (_haproxy, address) = haproxy(&files, &bind, &server);
            talks_through(&site, address, &files);
        }
    }
}
