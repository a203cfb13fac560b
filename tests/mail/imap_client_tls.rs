//! `ImapClient`: STARTTLS, TLS from the beginning, and connections without.

use std::cell::RefCell;
use std::rc::Rc;

use deferred::Result;
use reactor::{Context, Lines, Listen, Protocol, testing};
use reactor_mail::{ImapClient, ImapClientBuilder, ImapError};
use reactor_tls::{StartTls, TlsClient, TlsError, TlsInfo, TlsServer};
use tests::certificates::Pair;

use crate::imap_script::AT;

/// A server that records what it hears, and how.
#[derive(Clone)]
struct Server {
    tls: TlsServer,
    greeting: &'static str,
    /// What follows the answer to STARTTLS in the clear; `None` refuses.
    injected: Option<&'static str>,
    heard: Rc<RefCell<Vec<String>>>,
}

impl Protocol for Server {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.send_line(self.greeting);
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        let line = std::str::from_utf8(line)?;
        let is_encrypted = cx.filter_info::<TlsInfo>().is_some();
        let how = if is_encrypted { "tls" } else { "clear" };
        self.heard.borrow_mut().push(format!("{how} {line}"));
        let (tag, command) = line.split_once(' ').expect("a command");
        match (command, self.injected) {
            ("STARTTLS", Some(injected)) => {
                cx.write(format!(
                    "{tag} OK [CAPABILITY X-CLEAR] go ahead\r\n{injected}"
                ));
                cx.start_tls(self.tls.filter()).ignore();
            }
            ("STARTTLS", None) => cx.send_line(format!("{tag} NO not here")),
            ("CAPABILITY", _) => {
                cx.send_line(format!("* CAPABILITY IMAP4rev1 X-{how}\r\n{tag} OK done"));
            }
            _ => cx.send_line(format!("{tag} OK [CAPABILITY IMAP4rev1] done")),
        }
        Ok(())
    }
}

struct Outcome {
    result: Result<Vec<String>>,
    heard: Vec<String>,
}

/// Connects, logs in, and asks for the capabilities that the client has in between.
fn talk(
    greeting: &'static str,
    injected: Option<&'static str>,
    is_implicit: bool,
    build: impl Fn(ImapClientBuilder, &TlsClient) -> ImapClientBuilder,
) -> Outcome {
    let pair = Pair::new("localhost");
    let server = Server {
        tls: pair.server(),
        greeting,
        injected,
        heard: Rc::default(),
    };
    let heard = Rc::clone(&server.heard);
    let tls = pair.client();
    let mut result = None;
    testing::run(|reactor| {
        let to_serve = server.clone();
        let factory = move || to_serve.clone();
        let port = match is_implicit {
            true => server.tls.endpoint(AT).listen(reactor, factory),
            false => AT.listen(reactor, factory),
        };
        let port = reactor.block_on(port).expect("it listens");
        let builder = build(ImapClient::builder(), &tls);
        let connect = match is_implicit {
            true => builder.connect(reactor, tls.endpoint("localhost", AT).expect("a name")),
            false => builder.connect(reactor, AT),
        };
        let talk = connect.add_callback(|client| {
            client.login("eve", "sesame").add_callback(move |()| {
                let capability = client.capability();
                capability.map_ok(move |list| (client, list).1)
            })
        });
        result = Some(reactor.block_on(talk));
        port.stop_listening();
        reactor.settle();
        reactor.shut_down();
    });
    Outcome {
        result: result.expect("it has run"),
        heard: heard.take(),
    }
}

fn starttls(builder: ImapClientBuilder, tls: &TlsClient) -> ImapClientBuilder {
    builder.with_starttls(tls, "localhost")
}

fn is_not_encrypted(outcome: &Outcome) -> bool {
    let failure = outcome.result.as_ref().expect_err("it is refused");
    failure.check::<ImapError>() == Some(&ImapError::NotEncrypted)
}

#[test]
fn starttls_is_the_first_thing_and_forgets_what_was_before() {
    let greeting = "* OK [CAPABILITY IMAP4rev1 LOGINDISABLED X-CLEAR] hi";
    let outcome = talk(greeting, Some(""), false, starttls);
    let capabilities = outcome.result.expect("it is in");
    assert_eq!(capabilities, ["IMAP4REV1", "X-TLS"]);
    assert_eq!(
        outcome.heard[..4],
        [
            "clear a1 STARTTLS",
            "tls a2 CAPABILITY",
            "tls a3 LOGIN eve sesame",
            "tls a4 CAPABILITY"
        ]
    );
}

#[test]
fn what_is_injected_behind_starttls_is_never_read() {
    let injected = "* CAPABILITY IMAP4rev1 X-EVIL\r\na2 OK done\r\n";
    let outcome = talk("* OK hi", Some(injected), false, starttls);
    assert!(outcome.result.expect_err("it fails").is::<TlsError>());
    assert_eq!(outcome.heard, ["clear a1 STARTTLS"]);
}

#[test]
fn without_encryption_nothing_is_sent() {
    let outcome = talk("* OK hi", Some(""), false, |builder, _| builder);
    assert!(is_not_encrypted(&outcome), "{:?}", outcome.result);
    assert_eq!(outcome.heard, [""; 0]);
}

#[test]
fn a_server_that_refuses_starttls_gets_no_password() {
    let outcome = talk("* OK hi", None, false, starttls);
    assert!(is_not_encrypted(&outcome), "{:?}", outcome.result);
    assert_eq!(outcome.heard, ["clear a1 STARTTLS"]);
    // An attacker could keep a session from being encrypted so.
    let outcome = talk("* PREAUTH hi", Some(""), false, starttls);
    assert!(is_not_encrypted(&outcome), "{:?}", outcome.result);
    assert_eq!(outcome.heard, [""; 0]);
}

#[test]
fn the_certificate_must_be_for_the_name() {
    let outcome = talk("* OK hi", Some(""), false, |builder, tls| {
        builder.with_starttls(tls, "example.org")
    });
    assert!(outcome.result.expect_err("it fails").is::<TlsError>());
    let outcome = talk("* OK hi", Some(""), false, |builder, tls| {
        builder.with_starttls(tls, "no name")
    });
    let failure = outcome.result.expect_err("it fails");
    let error = failure.check::<ImapError>();
    assert!(matches!(error, Some(ImapError::InvalidArgument { .. })));
}

#[test]
fn an_endpoint_that_encrypts_needs_no_starttls() {
    for build in [starttls, |builder: ImapClientBuilder, _: &TlsClient| {
        builder
    }] {
        let outcome = talk("* PREAUTH hi", Some(""), true, build);
        let capabilities = outcome.result.expect("it is in");
        assert_eq!(capabilities, ["IMAP4REV1", "X-TLS"]);
        assert_eq!(outcome.heard[0], "tls a1 CAPABILITY");
    }
}
