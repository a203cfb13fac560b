//! A server that speaks as much SMTP as a client needs to begin TLS.

use std::net::SocketAddr;

use deferred::Result;
use reactor::{Context, Lines, Protocol, Reactor};
use reactor_tls::{StartTls, TlsInfo, TlsServer};

use super::support::Files;

struct Smtp {
    tls: TlsServer,
}

impl Protocol for Smtp {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.send_line("220 localhost ESMTP");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let line = String::from_utf8_lossy(line);
        let (command, _) = line.split_once(' ').unwrap_or((&line, ""));
        match command {
            "EHLO" => cx.write("250-localhost\r\n250 STARTTLS\r\n"),
            "STARTTLS" => {
                cx.send_line("220 go ahead");
                cx.start_tls(self.tls.filter()).ignore();
            }
            "QUIT" => {
                cx.send_line("221 goodbye");
                cx.lose_connection();
            }
            other => {
                let is_encrypted = cx.filter_info::<TlsInfo>().is_some();
                let how = if is_encrypted {
                    "encrypted"
                } else {
                    "in the clear"
                };
                cx.send_line(format!("250 {other} {how}"));
            }
        }
        Ok(())
    }
}

/// A loop with such a server on it.
pub(crate) fn site(files: &Files) -> (Reactor, SocketAddr) {
    let tls = TlsServer::builder().identity(files.server.identity());
    let tls = tls.build().expect("a certificate");
    let reactor = Reactor::new().expect("a reactor");
    let factory = move || Smtp { tls: tls.clone() };
    let port = reactor
        .listen_tcp("127.0.0.1:0", factory)
        .expect("a free port");
    let address = port.address();
    (reactor, address)
}
