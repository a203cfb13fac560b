//! `ImapClient`: servers that break the protocol, and arguments that try to.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use deferred::{Deferred, succeed};
use reactor_mail::imap_types::core::AString;
use reactor_mail::imap_types::fetch::MessageDataItemName;
use reactor_mail::imap_types::search::SearchKey;
use reactor_mail::{FetchHandler, ImapError, ImapEvent, ImapMessage, ImapMessages};

use crate::imap_script::{
    AT, connect, error, events, in_the_clear, with_capabilities, with_client, with_server,
    with_whole_reads,
};

/// The error of a FETCH during which the server says `text`.
fn fetch_during(text: &str) -> ImapError {
    let found = RefCell::new(None);
    with_client(|reactor, server, client| {
        let items = vec![MessageDataItemName::Rfc822];
        let fetch = client.fetch(ImapMessages::numbers(1), items);
        reactor.settle();
        server.says(text);
        found.replace(Some(error(reactor, fetch)));
    });
    found.take().expect("it has run")
}

fn protocol(text: &str) -> &'static str {
    match fetch_during(text) {
        ImapError::Protocol { what } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn what_breaks_the_protocol_ends_the_connection() {
    for (text, what) in [
        ("a7 OK done\r\n", "it answered a command that was not sent"),
        (
            "+ go on\r\n",
            "it asked for the rest of a command that was sent",
        ),
        ("* OK done\n", "a line ends with a line feed alone"),
        ("a1 WHAT\r\n", "the answer to a command is not valid"),
        ("a1\r\n", "the answer to a command is not valid"),
        ("\r\n", "the answer to a command is not valid"),
        (
            "* 1 FETCH (RFC822 {4294967296}\r\n",
            "a literal is too large",
        ),
        (
            "* 1 FETCH (RFC822 {99999999999999999999}\r\n",
            "a literal is too large",
        ),
        // Refused when it is announced: nothing of it has come.
        (
            "* 1 FETCH (RFC822 {4294967295}\r\n",
            "a response is too long",
        ),
        ("* 1 FETCH (RFC822 {8388608}\r\n", "a response is too long"),
        // The carriage return is of the literal.
        (
            "* 1 FETCH (RFC822 {1}\r\n\r\n",
            "a line ends with a line feed alone",
        ),
    ] {
        assert_eq!(protocol(text), what, "{text:?}");
    }
}

#[test]
fn a_greeting_is_one_of_imap() {
    for (greeting, is_bye) in [
        ("220 mail.example.org ESMTP\r\n", false),
        ("* NO\r\n", false),
        ("a1 OK hello\r\n", false),
        ("* BYE not today\r\n", true),
    ] {
        with_server(|reactor, server| {
            let connect = in_the_clear().connect(reactor, AT);
            reactor.settle();
            server.says(greeting);
            let error = error(reactor, connect);
            assert_eq!(matches!(error, ImapError::Bye { .. }), is_bye, "{error}");
            assert!(error.ends_connection());
            assert!(server.is_left());
            server.hears("");
        });
    }
}

#[test]
fn a_line_without_an_end_is_bounded() {
    with_server(|reactor, server| {
        let builder = in_the_clear().max_response(1_000);
        let client = connect(reactor, server, &builder, "IMAP4rev1");
        let noop = client.noop();
        reactor.settle();
        server.says("* OK ".to_owned() + &"x".repeat(993) + "\r\n");
        let noop = noop.into_result().expect_err("it waits");
        server.says("x".repeat(1_001));
        let what = "a response is too long";
        assert_eq!(error(reactor, noop), ImapError::Protocol { what });
        assert!(server.is_left());
    });
}

#[test]
fn a_response_that_is_not_valid_fails_its_command_alone() {
    let deep = format!("{}\"a\"{}", "(".repeat(100_000), ")".repeat(100_000));
    for response in [
        "* 1 FETCH (RFC822 what)\r\n",
        "* 1 FETCH (RFC822.SIZE 99999999999)\r\n",
        "* 1 FETCH\r\n",
        &format!("* 1 FETCH (BODYSTRUCTURE {deep})\r\n"),
    ] {
        with_client(|reactor, server, client| {
            let items = vec![MessageDataItemName::Rfc822];
            let fetch = client.fetch(ImapMessages::numbers(1), items);
            reactor.settle();
            server.says(response);
            let error = error(reactor, fetch);
            assert!(matches!(error, ImapError::Malformed { .. }), "{error}");
            assert!(error.to_string().len() < 400);
            server.says("a1 OK done\r\n");
            server.hears("a1 FETCH 1 RFC822\r\n");
            let noop = client.noop();
            server.hears("a2 NOOP\r\n");
            server.says("a2 OK done\r\n");
            reactor.result_of(noop).expect("it is done");
        });
    }
}

#[test]
fn what_is_unknown_or_unasked_is_an_event_or_nothing() {
    with_client(|reactor, server, client| {
        let events = events(client);
        let items = vec![MessageDataItemName::Envelope];
        let fetch = client.fetch(ImapMessages::numbers(1), items);
        reactor.settle();
        server.says("* XYZZY 5 {3}\r\na b\r\n* ESEARCH (TAG \"a1\") ALL 1\r\n* 3 VANISHED\r\n");
        // A brace in a text announces nothing.
        server.says("* OK quota {90}\r\n* NO [ALERT] {5}\r\n* STATUS x (MESSAGES 1)\r\n");
        // A body that was not asked for is no answer either, if only its flags have changed.
        server.says("* 1 FETCH (FLAGS (\\Seen))\r\na1 OK done {5}\r\n");
        assert_eq!(reactor.result_of(fetch).expect("it is done"), []);
        let events = events.take();
        assert!(
            matches!(
                &events[..],
                [
                    ImapEvent::Notice { .. },
                    ImapEvent::Notice { .. },
                    ImapEvent::Data(_),
                    ImapEvent::Message(_)
                ]
            ),
            "{events:?}"
        );
    });
}

#[test]
fn a_goodbye_in_the_middle_fails_what_waits() {
    for text in [
        "* BYE over\r\n",
        "* 1 FETCH (RFC822 {5}\r\nab",
        "* 1 FETCH (RF",
    ] {
        with_client(|reactor, server, client| {
            let items = vec![MessageDataItemName::Rfc822];
            let fetch = client.fetch(ImapMessages::numbers(1), items);
            reactor.settle();
            server.says(text);
            server.hangs_up();
            let error = error(reactor, fetch);
            assert!(error.ends_connection(), "{error}");
            assert_eq!(matches!(error, ImapError::Bye { .. }), text.contains("BYE"));
        });
    }
}

#[test]
fn an_answer_before_the_end_of_its_command_ends_the_connection() {
    with_capabilities("IMAP4rev1", |reactor, server, client| {
        let append = client.append("x", [], None, "12345");
        server.hears("a1 APPEND x {5}\r\n");
        server.says("a1 OK done\r\n");
        // The Deferred of the append fails as the connection does.
        let error = error(reactor, append);
        assert!(error.ends_connection(), "{error}");
        assert!(server.is_left());
    });
}

#[test]
fn what_could_end_a_command_is_not_sent() {
    with_client(|reactor, server, client| {
        for (name, password) in [("e\0ve", "x"), ("eve", "x\0")] {
            let error = error(reactor, client.login(name, password));
            assert!(
                matches!(error, ImapError::InvalidArgument { .. }),
                "{error}"
            );
        }
        for messages in ["", "0", "1 2", "x\r\na LOGOUT"] {
            let found = client.copy(ImapMessages::uids(messages), "x");
            let error = error(reactor, found);
            assert!(
                matches!(error, ImapError::InvalidArgument { .. }),
                "{error}"
            );
        }
        let message = client.append("x", [], None, "a\0b");
        let error = error(reactor, message);
        assert!(
            matches!(error, ImapError::InvalidArgument { .. }),
            "{error}"
        );
        server.hears("");

        client.login("e\r\nve", "\"\\").ignore();
        server.hears("a8 LOGIN {5+}\r\ne\r\nve \"\\\"\\\\\"\r\n");
        server.says("a8 NO no\r\n");
        let key = AString::try_from("x\r\na1 LOGOUT").expect("text");
        client.search([SearchKey::Subject(key)]).ignore();
        server.hears("a9 UID SEARCH SUBJECT {12+}\r\nx\r\na1 LOGOUT\r\n");
    });
}

#[test]
fn a_login_that_is_disabled_is_not_sent() {
    with_capabilities("IMAP4rev1 LOGINDISABLED", |reactor, server, client| {
        let error = error(reactor, client.login("eve", "sesame"));
        assert_eq!(
            error,
            ImapError::NotSupported {
                capability: "LOGIN"
            }
        );
        server.hears("");
    });
}

#[test]
fn a_command_collects_no_more_than_its_limit() {
    // Whole reads only: byte by byte, this would take a minute.
    with_whole_reads(|reactor, server, client| {
        let items = vec![MessageDataItemName::Rfc822];
        let fetch = client.fetch(ImapMessages::numbers("1:*"), items);
        reactor.settle();
        let length = 7 * 1024 * 1024;
        let message = format!(
            "* 1 FETCH (RFC822 {{{length}}}\r\n{})\r\n",
            "x".repeat(length)
        );
        for _ in 0..9 {
            server.says(&message);
        }
        let fetch = fetch.into_result().expect_err("it waits");
        server.says(&message);
        let limit = 64 * 1024 * 1024;
        assert_eq!(error(reactor, fetch), ImapError::TooLong { limit });
        server.says("a1 OK done\r\n");
        server.hears("a1 FETCH 1:* RFC822\r\n");
        client.noop().ignore();
        server.hears("a2 NOOP\r\n");
    });
}

/// Counts what it is handed.
#[derive(Clone, Default)]
struct Counter(Rc<Counts>);

#[derive(Default)]
struct Counts {
    bodies: Cell<usize>,
    /// Items of the last message.
    items: Cell<usize>,
}

impl FetchHandler for Counter {
    fn body(&mut self, message: &ImapMessage, length: u32) -> Deferred<()> {
        assert_eq!((message.items.len(), length), (20_001, 0));
        self.0.bodies.set(self.0.bodies.get() + 1);
        succeed(())
    }

    fn data(&mut self, _data: &[u8]) -> Deferred<()> {
        panic!("the bodies are empty")
    }

    fn message(&mut self, message: ImapMessage) -> Deferred<()> {
        self.0.items.set(message.items.len());
        succeed(())
    }
}

/// A copy of the items for each body would take 400 million of them.
#[test]
fn a_response_with_many_items_and_bodies_is_handed_on_without_copies() {
    with_whole_reads(|reactor, server, client| {
        let counter = Counter::default();
        let items = vec![MessageDataItemName::Rfc822];
        let fetch = client.fetch_streamed(ImapMessages::uids("1:*"), items, counter.clone());
        reactor.settle();
        let items = "UID 1 ".repeat(20_000);
        let bodies = vec!["RFC822 \"\""; 20_000].join(" ");
        server.says(format!("* 1 FETCH ({items}{bodies})\r\na1 OK done\r\n"));
        reactor.result_of(fetch).expect("it is done");
        assert_eq!(
            (counter.0.bodies.get(), counter.0.items.get()),
            (20_000, 20_000)
        );
    });
}
