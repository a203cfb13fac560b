//! TLS in the middle of a connection, both ways, and what is put behind the command.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::Result;
use reactor::testing::{FilterDriver, Peer, TestReactor};
use reactor::{Connection, ConnectionClosed, Context, Lines, Protocol};
use reactor_tls::{StartTls, TlsClient, TlsInfo, TlsServer};

use crate::certificates::both;

type Notes = Rc<RefCell<Vec<String>>>;

/// Answers each line, and begins TLS when asked to.
struct Server {
    tls: TlsServer,
    notes: Notes,
}

impl Protocol for Server {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let line = String::from_utf8_lossy(line).into_owned();
        self.notes.borrow_mut().push(line.clone());
        if line == "STARTTLS" {
            cx.send_line("220 go ahead");
            cx.start_tls(self.tls.filter()).ignore();
        } else {
            let encrypted = cx.filter_info::<TlsInfo>().is_some();
            cx.send_line(format!("{line} encrypted={encrypted}"));
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.notes.borrow_mut().push(format!("lost: {reason}"));
    }
}

struct Client {
    tls: TlsClient,
    notes: Notes,
}

impl Protocol for Client {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.send_line("one");
        cx.send_line("STARTTLS");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let line = String::from_utf8_lossy(line).into_owned();
        self.notes.borrow_mut().push(line.clone());
        if line == "220 go ahead" {
            cx.start_tls(self.tls.filter("localhost")?).ignore();
            cx.send_line("two");
            cx.lose_write_connection();
        }
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        self.notes.borrow_mut().push(format!("lost: {reason}"));
    }
}

/// A protocol on a connection to a test, and what it notes.
fn connected<P: Protocol>(
    reactor: &TestReactor,
    protocol: impl FnOnce(Notes) -> P,
) -> (Connection<P>, Peer, Notes) {
    let notes = Notes::default();
    let (connection, peer) = reactor.connect_to_peer(protocol(Rc::clone(&notes)));
    (connection, peer, notes)
}

const CLEAN: &str = "lost: the connection was closed cleanly";

#[test]
fn a_line_protocol_upgrades() {
    let (server, client) = both();
    let reactor = TestReactor::new();
    let (of_server, of_client) = (Notes::default(), Notes::default());
    let notes = Rc::clone(&of_server);
    let factory = move || Server {
        tls: server.clone(),
        notes: Rc::clone(&notes),
    };
    reactor.listen_tcp("127.0.0.1:25", factory).unwrap();
    let client = Client {
        tls: client,
        notes: Rc::clone(&of_client),
    };
    reactor.connect_tcp("127.0.0.1:25", client).detach();
    reactor.settle();
    assert_eq!(*of_server.borrow(), ["one", "STARTTLS", "two", CLEAN]);
    let expected = [
        "one encrypted=false",
        "220 go ahead",
        "two encrypted=true",
        CLEAN,
    ];
    assert_eq!(*of_client.borrow(), expected);
}

#[test]
fn what_is_put_behind_the_command_is_never_seen_by_the_server() {
    let (server, client) = both();
    for injected in ["evil\r\n", "evil", "e"] {
        let reactor = TestReactor::new();
        let (connection, peer, notes) = connected(&reactor, |notes| Server {
            tls: server.clone(),
            notes,
        });
        peer.send(format!("STARTTLS\r\n{injected}"));
        let mut driver = FilterDriver::new(client.filter("localhost").unwrap()).unwrap();
        peer.try_send(&driver.sent());
        assert!(connection.is_gone(), "{injected:?}");
        assert!(!driver.is_open());
        let notes = notes.borrow();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[1].contains("TLS"), "{notes:?}");
        driver.receive_end().unwrap_err();
    }
}

#[test]
fn what_is_put_behind_the_answer_is_never_seen_by_the_client() {
    let (_, client) = both();
    for injected in ["evil\r\n", "evil", "e"] {
        let reactor = TestReactor::new();
        let (connection, peer, notes) = connected(&reactor, |notes| Client {
            tls: client.clone(),
            notes,
        });
        peer.send(format!("220 go ahead\r\n{injected}"));
        peer.try_send(b" and the end of a line\r\n");
        assert!(connection.is_gone(), "{injected:?}");
        let notes = notes.borrow();
        assert_eq!(notes[0], "220 go ahead");
        assert_eq!(notes.len(), 2, "{notes:?}");
    }
}

/// The attacker's text stands before the handshake of a client that knows nothing of it, and
/// arrives with the command or after it.
#[test]
fn text_between_the_command_and_the_handshake_is_never_seen() {
    let (server, client) = both();
    for injected in ["evil\r\n", "e"] {
        let before = format!("STARTTLS\r\n{injected}");
        for at in 0..=before.len() {
            let reactor = TestReactor::new();
            let (connection, peer, notes) = connected(&reactor, |notes| Server {
                tls: server.clone(),
                notes,
            });
            let mut driver = FilterDriver::new(client.filter("localhost").unwrap()).unwrap();
            driver.send("two\r\n").unwrap();
            let (one, other) = before.as_bytes().split_at(at);
            peer.send(one);
            peer.try_send(&[other, &driver.sent()].concat());
            assert!(connection.is_gone(), "{injected:?} split at {at}");
            let notes = notes.borrow();
            assert_eq!(notes[0], "STARTTLS");
            assert_eq!(notes.len(), 2, "{notes:?}");
        }
    }
}

/// The same on its way to the client: an answer that an attacker has lengthened.
#[test]
fn text_between_the_answer_and_the_handshake_is_never_seen() {
    let (server, client) = both();
    for injected in ["evil\r\n", "e"] {
        let before = format!("220 go ahead\r\n{injected}");
        for at in 0..=before.len() {
            let reactor = TestReactor::new();
            let (connection, peer, notes) = connected(&reactor, |notes| Client {
                tls: client.clone(),
                notes,
            });
            let (one, other) = before.as_bytes().split_at(at);
            peer.send(one);
            peer.try_send(other);
            let mut driver = FilterDriver::new(server.filter()).unwrap();
            let received = peer.received();
            let clear = b"one\r\nSTARTTLS\r\n";
            // The server's answer to the hello arrives behind the text.
            if driver.receive(&received[clear.len()..]).is_ok() {
                peer.try_send(&driver.sent());
            }
            assert!(connection.is_gone(), "{injected:?} split at {at}");
            let notes = notes.borrow();
            assert_eq!(notes[0], "220 go ahead");
            assert_eq!(notes.len(), 2, "{notes:?}");
            assert!(notes[1].contains("TLS"), "{notes:?}");
        }
    }
}

#[test]
fn the_handshake_may_come_right_behind_the_command() {
    let (server, client) = both();
    let reactor = TestReactor::new();
    let (connection, peer, notes) = connected(&reactor, |notes| Server {
        tls: server.clone(),
        notes,
    });
    let mut driver = FilterDriver::new(client.filter("localhost").unwrap()).unwrap();
    driver.send("two\r\n").unwrap();
    peer.send([b"STARTTLS\r\n", &driver.sent()[..]].concat());
    let answer = peer.received();
    let tls = answer.strip_prefix(b"220 go ahead\r\n").unwrap();
    driver.receive(tls).unwrap();
    peer.send(driver.sent());
    assert_eq!(*notes.borrow(), ["STARTTLS", "two"]);
    connection.abort();
}
