//! `SmtpClient`: several messages over one connection, and lost ones.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Cancelled, Result, TimedOut};
use reactor::ListeningPort;
use reactor::testing::{self, TestReactor};
use reactor_mail::{Sent, SmtpClient, SmtpError, SmtpServer};

use crate::script::{HANG_UP, Script};
use crate::support::{Inbox, server};

const AT: &str = "192.0.2.1:25";
const EVE: &str = "eve@example.org";
const BOB: &[&str] = &["bob@example.org"];

/// Serves, and counts the connections.
fn listen(reactor: &TestReactor, server: SmtpServer) -> (ListeningPort, Rc<Cell<usize>>) {
    let count = Rc::new(Cell::new(0));
    let made = Rc::clone(&count);
    let new = move || {
        made.set(made.get() + 1);
        server.receiver()
    };
    (reactor.listen_tcp(AT, new).expect("it listens"), count)
}

fn texts(inbox: &Inbox) -> Vec<String> {
    let messages = inbox.messages().into_iter();
    let text = |message| String::from_utf8(message).expect("it is text");
    messages
        .map(|message| text(message).trim_end().to_owned())
        .collect()
}

#[test]
fn messages_go_one_after_the_other_over_one_connection() {
    for largest_read in [1, usize::MAX] {
        testing::run(|reactor| {
            reactor.set_largest_read(largest_read);
            let (inbox, server) = server();
            let (port, connections) = listen(reactor, server);
            let client = SmtpClient::new(reactor, AT);
            assert_eq!(reactor.counters().connections, 0, "it waits for a message");
            let nobody = &["nobody@example.org"];
            let sent = [
                client.send(EVE, BOB, "one"),
                client.clone().send(EVE, nobody, "two"),
                client.send(EVE, BOB, "three"),
            ];
            let sent = reactor.block_on(deferred::settled(sent)).unwrap();
            let [Ok(_), Err(refused), Ok(_)] = &sent[..] else {
                panic!("{sent:?}")
            };
            let refused = refused.check::<SmtpError>().expect("an error of SMTP");
            assert!(matches!(refused, SmtpError::AllRefused { .. }));
            reactor.block_on(client.send("", BOB, "four")).unwrap();
            assert_eq!(texts(&inbox), ["one", "three", "four"]);
            assert_eq!(inbox.0.lost.get(), 0);
            assert_eq!(connections.get(), 1);
            reactor.block_on(client.quit()).unwrap();
            reactor.settle(); // the server's side
            assert_eq!(reactor.counters().connections, 0);
            reactor.block_on(client.send(EVE, BOB, "five")).unwrap();
            assert_eq!(connections.get(), 2);
            drop(client);
            reactor.settle();
            assert_eq!(
                reactor.counters().connections,
                0,
                "the last clone says QUIT"
            );
            port.stop_listening();
        });
    }
}

/// Sends two messages by a server that says `replies`.
fn two(replies: &[&'static str]) -> (Vec<Result<Sent>>, Script) {
    let script = Script::new(replies, false);
    let (server, mut results) = (script.clone(), Vec::new());
    testing::run(|reactor| {
        let port = reactor.listen_tcp(AT, move || server.clone()).unwrap();
        let client = SmtpClient::new(reactor, AT);
        for text in ["one", "two"] {
            let sent = client.send(EVE, BOB, text);
            let sent = sent.add_timeout(Duration::from_secs(60), &**reactor);
            results.push(reactor.block_on(sent));
        }
        reactor.block_on(client.quit()).unwrap();
        port.stop_listening();
    });
    (results, script)
}

const GREETED: [&str; 2] = ["220 a\r\n", "250-b\r\n250 PIPELINING\r\n"];
/// MAIL, RCPT, DATA, the message and its end.
const TAKEN: [&str; 5] = ["250 c\r\n", "250 d\r\n", "354 e\r\n", "", "250 f\r\n"];

#[test]
fn a_refused_message_is_reset() {
    let refused = ["250 c\r\n", "550 no\r\n"];
    let replies = [&GREETED[..], &refused, &["250 reset\r\n"], &TAKEN].concat();
    let (results, script) = two(&replies);
    assert!(results[0].is_err() && results[1].is_ok(), "{results:?}");
    let commands = script.commands.borrow();
    let verbs = commands
        .iter()
        .map(|command| &command[..4.min(command.len())]);
    let verbs: Vec<&str> = verbs.collect();
    let expected = [
        "EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "two", ".", "QUIT",
    ];
    assert_eq!(verbs, expected);
    assert_eq!(script.connections.get(), 1);
}

#[test]
fn a_connection_that_was_closed_is_made_anew() {
    // It is closed, or about to be, when the second message comes.
    for end in ["421 4.4.2 too long idle\r\n", HANG_UP] {
        let first = [&GREETED[..], &TAKEN].concat();
        let second = [&[end, ""][..], &first, &[HANG_UP]].concat();
        let (results, script) = two(&[&first[..], &second].concat());
        assert!(results.iter().all(Result::is_ok), "{end}: {results:?}");
        assert_eq!(script.connections.get(), 2, "{end}");
    }
    // The server says so before.
    testing::run(|reactor| {
        let (inbox, server) = server();
        let (port, connections) = listen(reactor, server.with_idle_timeout(Duration::from_secs(9)));
        let client = SmtpClient::new(reactor, AT);
        for text in ["one", "two"] {
            reactor.block_on(client.send(EVE, BOB, text)).unwrap();
            assert_eq!(reactor.counters().connections, 2);
            reactor.advance(Duration::from_secs(10));
            assert_eq!(reactor.counters().connections, 0);
        }
        assert_eq!((texts(&inbox).len(), connections.get()), (2, 2));
        port.stop_listening();
    });
}

#[test]
fn a_message_that_may_have_arrived_is_not_sent_again() {
    let lost = ["250 c\r\n", "250 d\r\n", "354 e\r\n", "", HANG_UP];
    let replies = [&GREETED[..], &TAKEN, &lost, &GREETED, &TAKEN].concat();
    let (results, script) = two(&replies);
    let failure = results[1].as_ref().unwrap_err();
    assert_eq!(failure.check(), Some(&SmtpError::HungUp));
    assert_eq!(script.connections.get(), 1);
}

#[test]
fn a_new_connection_is_not_tried_twice() {
    let (results, script) = two(&[GREETED[0], GREETED[1], HANG_UP, "220 a\r\n", "", HANG_UP]);
    assert!(results.iter().all(Result::is_err), "{results:?}");
    assert_eq!(script.connections.get(), 2);
}

#[test]
fn an_idle_connection_is_closed_in_time() {
    testing::run(|reactor| {
        let (_inbox, server) = server();
        let (port, connections) = listen(reactor, server);
        let client = SmtpClient::new(reactor, AT).with_idle_time(Duration::from_secs(5));
        for _ in 0..3 {
            reactor.block_on(client.send(EVE, BOB, "hi")).unwrap();
            reactor.advance(Duration::from_secs(4));
            assert_eq!(connections.get(), 1);
        }
        reactor.advance(Duration::from_secs(2));
        assert_eq!(reactor.counters().connections, 0);
        reactor.block_on(client.send(EVE, BOB, "hi")).unwrap();
        assert_eq!(connections.get(), 2);
        reactor.block_on(client.quit()).unwrap();
        assert_eq!(reactor.delayed_calls().len(), 0, "its timer is gone");
        port.stop_listening();
    });
}

#[test]
fn cancelling_ends_what_is_being_sent_and_nothing_else() {
    for step in ["from", "to", "begin", "end"] {
        testing::run(|reactor| {
            let (inbox, server) = server();
            let (port, connections) = listen(reactor, server);
            let client = SmtpClient::new(reactor, AT);
            inbox.0.wait_at.set(step);
            let timeout = Duration::from_secs(5);
            let first = client
                .send(EVE, BOB, "one")
                .add_timeout(timeout, &**reactor);
            let second = client.send(EVE, BOB, "two");
            let third = client.send(EVE, BOB, "three");
            reactor.settle();
            assert!(inbox.0.waiting.borrow().is_some(), "{step}");
            second.cancel();
            assert!(second.into_result().unwrap().unwrap_err().is::<Cancelled>());
            reactor.advance(timeout);
            let failure = first.into_result().unwrap().unwrap_err();
            assert!(failure.is::<TimedOut>(), "{step}: {failure}");
            reactor.block_on(third).unwrap();
            assert_eq!(connections.get(), 2, "{step}");
            assert_eq!(texts(&inbox).last().unwrap(), "three");
            reactor.block_on(client.quit()).unwrap();
            // What was taken before is delivered.
            if step == "end" {
                inbox.go_on();
            }
            port.stop_listening();
            reactor.settle();
        });
    }
}

#[test]
fn a_large_message_waits_for_a_slow_server() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let (port, _) = listen(reactor, server);
        let client = SmtpClient::new(reactor, AT);
        let text = "0123456789\r\n".repeat(100_000);
        inbox.0.wait_at.set("data");
        let sent = client.send(EVE, BOB, &text);
        reactor.settle();
        let buffered = reactor.connections().into_iter();
        let buffered = buffered
            .map(|connection| connection.buffered().unwrap())
            .max();
        assert!(
            buffered.is_some_and(|bytes| bytes < 256 * 1024),
            "{buffered:?}"
        );
        inbox.go_on();
        reactor.block_on(sent).unwrap();
        assert_eq!(inbox.messages(), [text.as_bytes()]);
        // Cancelled in the middle.
        inbox.0.wait_at.set("data");
        let sent = client.send(EVE, BOB, &text);
        reactor.settle();
        sent.cancel();
        reactor.settle();
        assert!(sent.into_result().unwrap().unwrap_err().is::<Cancelled>());
        assert_eq!(reactor.counters().connections, 0);
        assert_eq!(inbox.0.lost.get(), 1);
        port.stop_listening();
    });
}

#[test]
fn commands_are_sent_together_only_if_the_server_takes_them() {
    let (results, script) = two(&[&GREETED[..], &TAKEN, &TAKEN].concat());
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let together = "MAIL FROM:<eve@example.org>\r\nRCPT TO:<bob@example.org>\r\n";
    let pieces = script.pieces.borrow();
    let count = pieces.iter().filter(|piece| *piece == together).count();
    assert_eq!(count, 2, "{pieces:?}");

    let greeted = ["220 a\r\n", "250 b\r\n"];
    let (results, script) = two(&[&greeted[..], &TAKEN, &TAKEN].concat());
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert!(!script.pieces.borrow().iter().any(|piece| piece == together));
}
