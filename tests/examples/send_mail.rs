//! `send_mail`, by a server of this test.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::{fs, thread};

use deferred::{Deferred, fail, succeed};
use reactor::Reactor;
use reactor_mail::{Delivery, Envelope, Message, Recipient, SmtpReply, SmtpServer};
use tests::Directory;
use tests::certificates::Pair;

use crate::program::Program;

#[derive(Clone, Default)]
struct Inbox(Rc<RefCell<Vec<String>>>);

impl Delivery for Inbox {
    fn validate_to(&self, _: &Envelope, to: &Recipient) -> Deferred<()> {
        if to.address.local_part() == "bob" {
            return succeed(());
        }
        fail(SmtpReply::new(550, "5.1.1 no such user"))
    }

    fn begin(&self, envelope: &Envelope) -> Deferred<Box<dyn Message>> {
        let login = envelope.login.clone().unwrap_or_default();
        self.0.borrow_mut().push(format!("login: {login}\r\n"));
        succeed(Box::new(self.clone()))
    }

    fn login(&self, name: &str, password: &str) -> Deferred<()> {
        if (name, password) == ("eve", "sesame") {
            return succeed(());
        }
        fail(SmtpReply::new(535, "5.7.8 wrong name or password"))
    }
}

impl Message for Inbox {
    fn data(&mut self, data: &[u8]) -> Deferred<()> {
        let text = String::from_utf8_lossy(data);
        self.0.borrow_mut().push(text.into_owned());
        succeed(())
    }

    fn end(self: Box<Self>) -> Deferred<()> {
        succeed(())
    }
}

#[test]
fn a_mail_is_sent_after_a_login_over_tls() {
    let pair = Pair::new("localhost");
    let folder = Directory::new("send-mail");
    let (certificate, password) = (folder.path("roots.pem"), folder.path("password"));
    fs::write(&certificate, &pair.certificate).expect("it is written");
    let (to_say, said) = channel();
    let server = thread::spawn(move || {
        let inbox = Inbox::default();
        let server = SmtpServer::new("localhost", inbox.clone())
            .with_tls(pair.server())
            .with_login();
        let reactor = Reactor::new().expect("a reactor");
        let port = reactor.listen_tcp("127.0.0.1:0", server).expect("a port");
        let said = to_say.send((port.address().port(), reactor.remote()));
        said.expect("it is awaited");
        reactor.run().expect("it runs");
        inbox.0.take().concat()
    });
    let (port, remote) = said.recv().expect("it listens");
    let args = [
        ("--server", "localhost"),
        ("--port", &port.to_string()),
        ("--roots", &certificate),
        ("--from", "eve@example.org"),
        ("--subject", "Gr\u{fc}\u{df}e"),
        ("--login", "eve"),
        ("--password", &password),
    ];
    let mut args: Vec<&str> = args.into_iter().flat_map(|(a, b)| [a, b]).collect();
    args.extend(["bob@example.org", "nobody@example.org"]);

    let send = |text: &str| {
        fs::write(&password, text).expect("it is written");
        let mut program = Program::start_to_type("send_mail", &args);
        program.types("It works.\n.");
        program.finishes();
        program
    };
    let ended = send("open").end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.errors.contains("535 5.7.8"), "{ended:?}");
    let expected = [
        "nobody@example.org was refused: 550 5.1.1 no such user",
        "sent: 250 2.0.0 delivered",
    ];
    assert_eq!(send("sesame\n").end().succeeded().lines, expected);

    let stop = remote.call_from_thread(|handle| handle.stop());
    stop.expect("it runs");
    let text = server.join().expect("it has run");
    assert!(text.starts_with("login: eve\r\n"), "{text}");
    assert!(text.contains("\r\nSubject: =?utf-8?"), "{text}");
    assert!(text.ends_with("\r\n\r\nIt works.\r\n.\r\n"), "{text}");
}
