//! `mail_queue`, which is killed and started again.

use std::cell::{Cell, RefCell};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use deferred::{Deferred, fail, succeed};
use reactor::Reactor;
use reactor_mail::{Delivery, Envelope, MailAddress, Message, Recipient, SmtpReply, SmtpServer};
use tests::{Directory, wait_for};

use crate::program::{PATIENCE, Program};

/// Refuses the first message for a while, and `nobody` for good.
struct Inbox {
    is_first: Cell<bool>,
    taken: Rc<RefCell<Vec<u8>>>,
    refused: Sender<()>,
}

impl Delivery for Inbox {
    fn validate_from(&self, _: &Envelope, _: Option<&MailAddress>) -> Deferred<()> {
        if self.is_first.replace(false) {
            self.refused.send(()).expect("it is awaited");
            return fail(SmtpReply::new(451, "4.3.0 later"));
        }
        succeed(())
    }

    fn validate_to(&self, _: &Envelope, to: &Recipient) -> Deferred<()> {
        if to.address.local_part() == "nobody" {
            return fail(SmtpReply::new(550, "5.1.1 no such user"));
        }
        succeed(())
    }

    fn begin(&self, _: &Envelope) -> Deferred<Box<dyn Message>> {
        succeed(Box::new(Text(Rc::clone(&self.taken))))
    }
}

struct Text(Rc<RefCell<Vec<u8>>>);

impl Message for Text {
    fn data(&mut self, data: &[u8]) -> Deferred<()> {
        self.0.borrow_mut().extend_from_slice(data);
        succeed(())
    }

    fn end(self: Box<Self>) -> Deferred<()> {
        succeed(())
    }
}

/// Gives a message to the queue.
fn put(address: &str) {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is set");
    let mut replies = BufReader::new(stream.try_clone().expect("a socket")).lines();
    let mut said = move |expected: &str| {
        let line = replies.next().expect("a reply").expect("text");
        assert!(line.starts_with(expected), "{line}");
    };
    said("220");
    for (text, reply) in [
        ("HELO test", "250"),
        ("MAIL FROM:<eve@example.org>", "250"),
        ("RCPT TO:<nobody@example.org>", "250"),
        ("RCPT TO:<bob@example.org>", "250"),
        ("DATA", "354"),
        ("Subject: hi\r\n\r\nHello!\r\n.", "250"),
        ("QUIT", "221"),
    ] {
        write!(&stream, "{text}\r\n").expect("it is sent");
        said(reply);
    }
}

#[test]
fn a_message_outlives_the_program() {
    let (to_say, said) = channel();
    let (refused, is_refused) = channel();
    let server = thread::spawn(move || {
        let taken = Rc::default();
        let inbox = Inbox {
            is_first: Cell::new(true),
            taken: Rc::clone(&taken),
            refused,
        };
        let reactor = Reactor::new().expect("a reactor");
        let server = SmtpServer::new("localhost", inbox);
        let port = reactor.listen_tcp("127.0.0.1:0", server).expect("a port");
        let said = to_say.send((port.address().to_string(), reactor.remote()));
        said.expect("it is awaited");
        reactor.run().expect("it runs");
        taken.take()
    });
    let (target, remote) = said.recv().expect("it listens");
    let folder = Directory::new("mail-queue");
    let folder_text = folder.path("");
    let files = |name: &str| -> Vec<PathBuf> {
        let files = fs::read_dir(folder.join(name)).expect("it is made");
        files
            .map(|file| file.expect("it is there").path())
            .collect()
    };
    let start = || {
        Program::serve_with(
            "mail_queue",
            &["--server", &target, "--folder", &folder_text],
        )
    };

    let (program, address) = start();
    put(&address);
    is_refused.recv_timeout(PATIENCE).expect("it is tried");
    drop(program); // killed
    assert_eq!(files("waiting").len(), 1);

    let (program, _) = start();
    wait_for("an empty queue", || files("waiting").is_empty());
    drop(program);
    let bounce = fs::read_to_string(&files("bounced")[0]).expect("it is text");
    assert!(
        bounce.starts_with("nobody@example.org: 550 5.1.1 no such user\n\n"),
        "{bounce}"
    );
    let stop = remote.call_from_thread(|handle| handle.stop());
    stop.expect("it runs");
    let message = server.join().expect("it has run");
    // Both servers have added their header.
    let message = String::from_utf8(message).expect("it is text");
    assert_eq!(message.matches("Received: from ").count(), 2, "{message}");
    assert!(
        message.ends_with("\r\nSubject: hi\r\n\r\nHello!\r\n"),
        "{message}"
    );
}
