//! Requests that two parsers may read in two ways, through a proxy: the proxy and the server agree,
//! or one of them refuses.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tests::certificates::Pair;
use tests::proxies::{Plain, Proxy};
use tests::{is_there, listener};

use crate::support::{Client, Kind, Server};

/// A request that no client has sent, if all are read as they were meant.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n";

/// Heads, whose bodies hide a request from one of two parsers.
fn attacks() -> Vec<String> {
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let sized = |head: &str| {
        format!(
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n{head}\r\n\r\n{chunked}",
            chunked.len()
        )
    };
    let mut attacks: Vec<_> = [
        "transfer-encoding: chunked",
        "transfer-encoding:chunked",
        "Transfer-Encoding: Chunked",
        "transfer-encoding : chunked",
        "transfer-encoding\t: chunked",
        "transfer-encoding: xchunked",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: \u{b}chunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity, chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: identity\r\ntransfer-encoding: chunked",
        "transfer-encoding:\r\n chunked",
        "x: y\r\n transfer-encoding: chunked",
        "x: y\ntransfer-encoding: chunked",
        "x: y\rtransfer-encoding: chunked",
        "x: y\0\r\ntransfer-encoding: chunked",
        "transfer_encoding: chunked",
        "transfer-encoding: chunked\r\nconnection: transfer-encoding",
        "connection: content-length",
        "upgrade: h2c\r\nconnection: upgrade",
    ]
    .map(sized)
    .into();
    attacks.extend(
        [
            "content-length: +0",
            "content-length: 00",
            "content-length: 0, 0",
            "content-length: 0x0",
            "content-length: 0 0",
            "content-length:",
            "content-length: 0\r\ncontent-length: 43",
            "content-length: 43\r\ncontent-length: 0",
            "content-length : 43",
            "content-length: 4\u{b}3",
            "content-length: -0",
            "content-length: 18446744073709551616",
        ]
        .map(|length| format!("POST /a HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n{HIDDEN}")),
    );
    attacks.extend(
        [
            "0;\nx\r\n\r\n",
            "0\n\r\n",
            "+0\r\n\r\n",
            "0x0\r\n\r\n",
            " 0\r\n\r\n",
            "0 \r\n\r\n",
            "0;a=\"\r\n\"\r\n\r\n",
            "0\r\nx: y\n\r\n",
            "1\r\nx0\r\n\r\n",
            "1\nx\n0\n\n",
            "00000000000000000\r\n\r\n",
            "-0\r\n\r\n",
            "1;a\rb\r\nx\r\n0\r\n\r\n",
        ]
        .map(|chunks| {
            format!(
                "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{chunks}{HIDDEN}"
            )
        }),
    );
    attacks.push(format!(
        "GET http://y/a HTTP/1.1\r\nhost: x\r\n\r\n{HIDDEN}"
    ));
    attacks
}

/// Sends an attack, and takes what comes in a moment.
fn attack(address: SocketAddr, bytes: &str) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let patience = Duration::from_millis(50);
    stream.set_read_timeout(Some(patience)).expect("a socket");
    // Errs if the proxy has closed already.
    let _ = stream.write_all(bytes.as_bytes());
    let mut buffer = [0; 4096];
    let mut answers = 0;
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        answers += String::from_utf8_lossy(&buffer[..count])
            .matches("HTTP/1.1 ")
            .count();
        // The proxy itself may read the hidden request as one.
        if answers >= 2 {
            break;
        }
    }
}

/// Nothing that was attacked changes the answers to other clients.
fn others_get_their_own(front: SocketAddr) {
    for bytes in attacks() {
        let mut others: Vec<_> = (0..3).map(|_| Client::new(front)).collect();
        attack(front, &bytes);
        for (number, other) in others.iter_mut().enumerate() {
            for turn in 0..2 {
                let path = format!("/check/{number}/{turn}");
                let answer = other.get(&path).expect("an answer");
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                assert_eq!(body, format!("<GET {path} >"), "after {bytes:?}");
            }
        }
    }
}

fn behind(proxy: fn(SocketAddr) -> Proxy) {
    for is_strict in [false, true] {
        let (listener, address) = listener();
        let kind = Kind {
            is_strict,
            ..Kind::default()
        };
        let server = Server::start(&listener, kind);
        let proxy = proxy(address);
        others_get_their_own(proxy.http);
        server.terminate();
        drop(proxy);
        server.wait();
    }
}

#[test]
fn behind_haproxy_nothing_is_hidden() {
    if is_there("haproxy") {
        behind(|server| Proxy::haproxy(&[server], Plain::Serves, &Pair::new("localhost")));
    }
}

#[test]
fn behind_nginx_nothing_is_hidden() {
    if is_there("nginx") {
        behind(|server| Proxy::nginx(server, Plain::Serves, &Pair::new("localhost")));
    }
}
