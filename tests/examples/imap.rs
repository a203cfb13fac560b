//! `imap_watch`, against a server of this test.

use std::thread;

use deferred::Result;
use reactor::{Context, Lines, Listen, Protocol, Reactor};
use tests::Directory;
use tests::certificates::Pair;

use crate::program::Program;

/// A server with one user, whose mailbox gets a message as soon as the client idles.
#[derive(Default)]
struct Server {
    idling: String,
}

impl Protocol for Server {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.send_line("* OK [CAPABILITY IMAP4rev1 IDLE] ready");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let line = std::str::from_utf8(line)?;
        let Some((tag, command)) = line.split_once(' ') else {
            assert_eq!(line, "DONE");
            cx.send_line(format!("{} OK idled", self.idling));
            return Ok(());
        };
        match command {
            "LOGIN eve sesame" => {
                cx.send_line(format!("{tag} OK [CAPABILITY IMAP4rev1 IDLE] welcome"));
            }
            "SELECT INBOX" => cx.send_line(format!("* 3 EXISTS\r\n{tag} OK selected")),
            "IDLE" if self.idling.is_empty() => {
                cx.send_line("+ idling\r\n* 2 EXPUNGE\r\n* 4 EXISTS");
                self.idling = tag.to_owned();
            }
            "FETCH 3:4 ENVELOPE" => {
                let rest = "NIL NIL NIL NIL NIL NIL NIL NIL";
                cx.send_line(format!("* 3 FETCH (ENVELOPE (NIL \"hello\" {rest}))"));
                cx.send_line(format!("* 4 FETCH (ENVELOPE (NIL NIL {rest}))"));
                cx.send_line(format!("{tag} OK fetched"));
            }
            // Again, after the messages were fetched: enough for this test.
            "IDLE" => {
                // More than there are.
                cx.send_line(["* 1 EXPUNGE"; 5].join("\r\n"));
                cx.send_line("* BYE closing time");
                cx.lose_connection();
            }
            other => panic!("{other}"),
        }
        Ok(())
    }
}

#[test]
fn subjects_are_printed_as_messages_come() {
    let directory = Directory::new("imap-watch");
    let certificate = directory.path("certificate.pem");
    let pair = Pair::new("localhost");
    std::fs::write(&certificate, &pair.certificate).expect("it is written");

    let reactor = Reactor::new().expect("a reactor");
    let endpoint = pair.server().endpoint("127.0.0.1:0");
    let port = reactor
        .block_on(endpoint.listen(&reactor, Server::default))
        .expect("it listens");
    let at = format!(
        "localhost:{}",
        port.address().as_inet().expect("TCP").port()
    );
    let remote = reactor.remote();
    let client = thread::spawn(move || {
        let args = [&at, "eve", "--certificate", &certificate];
        let ended = Program::run_with_env("imap_watch", &args, "IMAP_PASSWORD", "sesame");
        let stopped = remote.call_from_thread(|handle| handle.stop());
        stopped.expect("it runs");
        ended
    });
    reactor.run().expect("it runs");
    let ended = client.join().expect("it has ended");
    assert_eq!(ended.lines, ["3 messages", "hello", "(no subject)"]);
    ended.failed_over("the server ended the connection: closing time");
}
