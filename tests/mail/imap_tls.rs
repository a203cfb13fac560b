//! The IMAP server: STARTTLS.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::{Deferred, Trigger};
use reactor::{ConnectionClosed, Context, Lines, Protocol, testing};
use reactor_mail::ImapServer;
use reactor_tls::{StartTls, TlsClient};
use tests::certificates::Pair;

use crate::imap_support::Mail;

/// Says its lines one after the other, each when the last one is answered; TLS after STARTTLS.
struct Client {
    tls: TlsClient,
    lines: Vec<&'static str>,
    /// Sent in the clear with STARTTLS.
    injected: &'static str,
    answers: Rc<RefCell<Vec<String>>>,
    done: Trigger<()>,
}

impl Protocol for Client {
    type Framing = Lines;

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
        let line = String::from_utf8(line.to_vec())?;
        self.answers.borrow_mut().push(line.clone());
        if line.starts_with("* ") && self.answers.borrow().len() > 1 {
            return Ok(());
        }
        if line == "x OK go ahead" {
            cx.start_tls(self.tls.filter("localhost")?).ignore();
        }
        if self.lines.is_empty() {
            cx.lose_connection();
            return Ok(());
        }
        let line = self.lines.remove(0);
        let injected = match line {
            "STARTTLS" => self.injected,
            _ => "",
        };
        cx.write(format!("x {line}\r\n{injected}"));
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, _: ConnectionClosed) {
        // Errs never: it is fired once.
        let _ = self.done.callback(());
    }
}

fn talk(mail: &Mail, lines: &[&'static str], injected: &'static str) -> Vec<String> {
    let pair = Pair::new("localhost");
    let server = ImapServer::new("mail.example.org", mail.clone());
    let server = server.with_tls(pair.server());
    let answers = Rc::default();
    testing::run(|reactor| {
        let (done, closed) = Deferred::pair();
        let client = Client {
            tls: pair.client(),
            lines: lines.to_vec(),
            injected,
            answers: Rc::clone(&answers),
            done,
        };
        let _connections = reactor.connect_pair(server.session(), client);
        reactor.block_on(closed).expect("it is closed");
    });
    answers.take()
}

#[test]
fn a_login_is_possible_after_starttls() {
    let lines = [
        "LOGIN bob sesame",
        "STARTTLS",
        "CAPABILITY",
        "STARTTLS",
        "LOGIN bob sesame",
    ];
    let answers = talk(&Mail::new(), &lines, "");
    let [greeting, refused, go, capability, _, again, welcome] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert!(greeting.contains(" STARTTLS LOGINDISABLED]"), "{greeting}");
    assert_eq!(refused, "x NO [PRIVACYREQUIRED] only with encryption");
    assert_eq!(go, "x OK go ahead");
    assert!(capability.ends_with(" AUTH=PLAIN"), "{capability}");
    assert_eq!(again, "x BAD encrypted already");
    assert!(welcome.starts_with("x OK [CAPABILITY"), "{welcome}");
}

#[test]
fn commands_injected_behind_starttls_are_never_run() {
    let mail = Mail::new();
    let lines = ["STARTTLS", "NOOP"];
    let answers = talk(&mail, &lines, "y LOGIN bob sesame\r\ny CREATE injected\r\n");
    let last = answers.last().expect("there are some");
    assert_eq!(last, "x OK go ahead", "{answers:?}");
    assert_eq!(mail.control.count("login"), 0);
}
