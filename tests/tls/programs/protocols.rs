//! What our side says to the programs, as a server and as a client.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use deferred::{Deferred, Result, Trigger};
use reactor::endpoint::{ClientEndpoint, Listen, ServerEndpoint};
use reactor::{Address, ConnectionClosed, Context, Lines, Protocol, Reactor, ReactorHandle, ask};
use reactor_tls::{TlsClient, TlsInfo, TlsServer};

use super::support::Files;
use crate::connections::turn_until;

/// The ends of the connections of a server.
#[derive(Clone, Default)]
pub(crate) struct Ends(Rc<RefCell<Vec<ConnectionClosed>>>);

impl Ends {
    /// Turns the loop until a connection has ended.
    #[track_caller]
    pub(crate) fn next(&self, reactor: &Reactor) -> ConnectionClosed {
        turn_until(reactor, || !self.0.borrow().is_empty());
        self.0.borrow_mut().remove(0)
    }

    /// Whether a connection has ended that was not asked about.
    pub(crate) fn is_any(&self) -> bool {
        !self.0.borrow().is_empty()
    }
}

/// Answers each line, and a request of HTTP as a whole; after that and after `bye`, it ends the
/// connection.
pub(crate) struct Answering {
    ends: Ends,
}

impl Protocol for Answering {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        match line {
            b"" => {
                cx.write(
                    "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nwelcome",
                );
                cx.lose_connection();
            }
            // A request of HTTP, which an empty line ends.
            line if line.starts_with(b"GET ") || line.contains(&b':') => {}
            b"bye" => {
                cx.send_line("goodbye");
                cx.lose_connection();
            }
            line => cx.send_line(format!(
                "{} from {}",
                String::from_utf8_lossy(line),
                cx.peer()
            )),
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.ends.0.borrow_mut().push(reason);
    }
}

/// A reactor with a server over TLS on it.
pub(crate) struct Site {
    pub(crate) reactor: Reactor,
    pub(crate) address: SocketAddr,
    pub(crate) ends: Ends,
}

impl Site {
    pub(crate) fn new(server: &TlsServer) -> Self {
        Self::at(server.endpoint("tcp:0:interface=127.0.0.1"))
    }

    /// Listens on an endpoint that ends in TCP.
    pub(crate) fn at(endpoint: impl ServerEndpoint) -> Self {
        let reactor = Reactor::new().expect("a reactor");
        let ends = Ends::default();
        let to_note = ends.clone();
        let factory = move || Answering {
            ends: to_note.clone(),
        };
        let port = reactor.block_on(endpoint.listen(&reactor, factory));
        let address = port.expect("a free port").address();
        Self {
            address: address.as_inet().expect("it is TCP"),
            reactor,
            ends,
        }
    }

    /// With the certificate of `files` and no particular settings.
    pub(crate) fn plain(files: &Files) -> Self {
        let server = TlsServer::builder().identity(files.server.identity());
        Self::new(&server.build().expect("a certificate"))
    }

    /// The same, for clients that have a certificate of the issuer of `files`.
    pub(crate) fn requiring_certificates(files: &Files) -> Self {
        let server = TlsServer::builder()
            .identity(files.server.identity())
            .require_client_certificates(files.issuer.roots());
        Self::new(&server.build().expect("a certificate"))
    }

    pub(crate) fn port(&self) -> String {
        self.address.port().to_string()
    }
}

/// How a conversation of a client of ours went.
#[derive(Debug)]
pub(crate) struct Talked {
    pub(crate) received: String,
    pub(crate) tls: TlsInfo,
    /// Our own address.
    pub(crate) host: Address,
    pub(crate) end: ConnectionClosed,
}

/// Sends lines, and hangs up when it has got as many.
struct Talking {
    lines: Vec<&'static str>,
    received: String,
    awaited: usize,
    tls: Option<TlsInfo>,
    done: Trigger<Talked>,
}

impl Protocol for Talking {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.awaited = self.lines.len();
        for line in &self.lines {
            cx.send_line(line);
        }
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        // Later than the opening: what TLS 1.3 sends behind its handshake has come, too.
        self.tls = cx.filter_info();
        self.received += &String::from_utf8_lossy(line);
        self.received.push('\n');
        self.awaited -= 1;
        if self.awaited == 0 {
            cx.lose_connection();
        }
        Ok(())
    }

    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, end: ConnectionClosed) {
        let talked = match self.tls.take() {
            Some(tls) => Ok(Talked {
                received: std::mem::take(&mut self.received),
                tls,
                host: cx.host(),
                end,
            }),
            None => Err(end.into()),
        };
        // Errs only if it has been fired already, which nothing else does.
        let _ = self.done.fire(talked);
    }
}

/// Has a client of ours send `lines` to `server`, and take as many.
pub(crate) fn talk(
    reactor: &ReactorHandle,
    server: impl ClientEndpoint,
    lines: &[&'static str],
) -> Deferred<Talked> {
    let lines = lines.to_vec();
    ask(reactor, server, |done| Talking {
        lines,
        received: String::new(),
        awaited: 0,
        tls: None,
        done,
    })
}

/// A client that trusts the issuer of `files`, and has a certificate of it.
pub(crate) fn trusting(files: &Files) -> reactor_tls::TlsClientBuilder {
    TlsClient::builder()
        .roots(files.issuer.roots())
        .identity(files.client.identity())
}
