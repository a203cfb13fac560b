//! `ImapClient`: order of commands, IDLE, streaming, cancelling, timeouts.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use deferred::{Cancelled, Deferred, Failure, Trigger, fail, succeed};
use reactor_mail::imap_types::fetch::{MessageDataItem, MessageDataItemName};
use reactor_mail::imap_types::flag::{Flag, StoreType};
use reactor_mail::imap_types::search::SearchKey;
use reactor_mail::imap_types::status::StatusDataItemName;
use reactor_mail::{FetchHandler, ImapError, ImapMessage, ImapMessages};

use crate::imap_script::{
    AT, BODY, connect, error, events, in_the_clear, with_capabilities, with_client, with_server,
};

#[test]
fn commands_that_cannot_be_mixed_up_are_sent_at_once() {
    with_client(|reactor, server, client| {
        let numbers = || ImapMessages::numbers("1:3");
        let flags = vec![MessageDataItemName::Flags];
        let fetch = client.fetch(numbers(), flags.clone());
        let search = client.search([SearchKey::Seen]);
        let list = client.list("", "*");
        let noop = client.noop();
        // Two that collect messages, and one that has numbers of messages behind a NOOP, which may
        // expunge some.
        let store = client.store(numbers(), StoreType::Replace, [Flag::Seen]);
        let status = client.status("x", [StatusDataItemName::Unseen]);
        server.hears("a1 FETCH 1:3 FLAGS\r\na2 UID SEARCH SEEN\r\na3 LIST \"\" *\r\na4 NOOP\r\n");
        server.says("* SEARCH 5\r\na2 OK done\r\n* LIST () \"/\" x\r\n* 1 FETCH (FLAGS ())\r\n");
        assert_eq!(reactor.result_of(search).expect("a search").len(), 1);
        server.says("a1 OK done\r\na3 OK done\r\n");
        assert_eq!(reactor.result_of(list).expect("a list").len(), 1);
        assert_eq!(reactor.result_of(fetch).expect("messages").len(), 1);
        server.hears("");
        server.says("a4 OK done\r\n");
        reactor.result_of(noop).expect("it is done");
        server.hears("a5 STORE 1:3 FLAGS (\\Seen)\r\na6 STATUS x (UNSEEN)\r\n");
        // Alone.
        let select = client.select("INBOX");
        client.noop().ignore();
        server.says("a5 OK done\r\n");
        reactor.result_of(store).expect("it is done");
        server.hears("");
        server.says("a6 OK done\r\n");
        reactor.result_of(status).expect("it is done");
        server.hears("a7 SELECT INBOX\r\n");
        server.says("a7 OK done\r\n");
        reactor.result_of(select).expect("it is done");
        server.hears("a8 NOOP\r\n");
    });
}

#[test]
fn idle_is_interrupted_by_commands_and_begun_again() {
    with_client(|reactor, server, client| {
        let events = events(client);
        let idle = client.idle();
        server.hears("a1 IDLE\r\n");
        // Not before the server idles.
        let noop = client.noop();
        server.hears("");
        server.says("+ idling\r\n");
        server.hears("DONE\r\n");
        server.says("* 5 EXISTS\r\na1 OK done\r\n");
        server.hears("a2 NOOP\r\n");
        server.says("a2 OK done\r\n");
        reactor.result_of(noop).expect("it is done");
        server.hears("a3 IDLE\r\n");
        server.says("+ idling\r\n* 2 EXPUNGE\r\n* 6 RECENT\r\n* OK [ALERT] hot\r\n");
        assert_eq!(events.borrow().len(), 4, "{events:?}");
        // Before the server would hang up, and without a timeout while it idles.
        reactor.advance(Duration::from_secs(1_679));
        server.hears("");
        reactor.advance(Duration::from_secs(1));
        server.hears("DONE\r\n");
        server.says("a3 OK done\r\n");
        server.hears("a4 IDLE\r\n");
        server.says("+ idling\r\n");
        let second = error(reactor, client.idle());
        assert!(matches!(second, ImapError::InvalidArgument { .. }));
        client.idle_done();
        server.hears("DONE\r\n");
        let idle = idle.into_result().expect_err("it has not ended");
        server.says("a4 OK done\r\n");
        reactor.result_of(idle).expect("it has ended");
        server.hears("");

        // Cancelled.
        let idle = client.idle();
        server.hears("a5 IDLE\r\n");
        idle.cancel();
        assert!(reactor.result_of(idle).unwrap_err().is::<Cancelled>());
        server.says("+ idling\r\n");
        server.hears("DONE\r\n");
        server.says("a5 OK done\r\n");
        server.hears("");
    });
}

#[test]
fn an_idle_that_is_refused_or_ended_fails() {
    with_client(|reactor, server, client| {
        let idle = client.idle();
        server.hears("a1 IDLE\r\n");
        server.says("a1 BAD no\r\n");
        assert!(matches!(error(reactor, idle), ImapError::Bad { .. }));
        let idle = client.idle();
        server.hears("a2 IDLE\r\n");
        server.says("+ idling\r\na2 OK that is enough\r\n");
        let ended = error(reactor, idle);
        assert_eq!(ended, ImapError::IdleEnded);
        assert!(!ended.ends_connection());
        server.hears("");
        let idle = client.idle();
        server.says("+ idling\r\n* BYE closing time\r\n");
        server.hangs_up();
        assert!(
            matches!(error(reactor, idle), ImapError::Bye { text, .. } if text == "closing time")
        );
    });
    with_capabilities("IMAP4rev1", |reactor, server, client| {
        let capability = "IDLE";
        let expected = ImapError::NotSupported { capability };
        assert_eq!(error(reactor, client.idle()), expected);
        let capability = "MOVE";
        let expected = ImapError::NotSupported { capability };
        let moved = client.move_to(ImapMessages::uids(1), "x");
        assert_eq!(error(reactor, moved), expected);
        server.hears("");
    });
}

/// Records what it gets; its next `data` waits or fails if a test says so.
#[derive(Clone, Default)]
struct Recorder(Rc<State>);

#[derive(Default)]
struct State {
    /// The length that was announced, the bytes, and how many items came before.
    bodies: RefCell<Vec<(u32, Vec<u8>, usize)>>,
    messages: RefCell<Vec<ImapMessage>>,
    waits: Cell<bool>,
    waiting: RefCell<Option<Trigger<()>>>,
    fails: Cell<bool>,
}

impl FetchHandler for Recorder {
    fn body(&mut self, message: &ImapMessage, length: u32) -> Deferred<()> {
        let last = message.items.last().expect("the body");
        assert!(matches!(
            last,
            MessageDataItem::BodyExt { .. } | MessageDataItem::Rfc822(_)
        ));
        let body = (length, Vec::new(), message.items.len());
        self.0.bodies.borrow_mut().push(body);
        succeed(())
    }

    fn data(&mut self, data: &[u8]) -> Deferred<()> {
        assert!(!data.is_empty());
        let mut bodies = self.0.bodies.borrow_mut();
        bodies.last_mut().expect("begun").1.extend_from_slice(data);
        if self.0.fails.get() {
            return fail(Failure::msg("the disk is full"));
        }
        if !self.0.waits.take() {
            return succeed(());
        }
        let (trigger, deferred) = Deferred::pair();
        self.0.waiting.replace(Some(trigger));
        deferred
    }

    fn message(&mut self, message: ImapMessage) -> Deferred<()> {
        self.0.messages.borrow_mut().push(message);
        succeed(())
    }
}

#[test]
fn bodies_are_streamed_however_they_come() {
    with_client(|reactor, server, client| {
        let recorder = Recorder::default();
        let handler = recorder.clone();
        let fetch = client.fetch_streamed(ImapMessages::uids("1:*"), vec![BODY], handler);
        server.hears("a1 UID FETCH 1:* BODY.PEEK[]\r\n");
        let text = "x".repeat(100_000);
        server.says(format!(
            "* 1 FETCH (UID 4 BODY[] {{{}}}\r\n{text} FLAGS ())\r\n",
            text.len()
        ));
        server.says("* 2 FETCH (UID 5 BODY[] \"short\")\r\n* 3 FETCH (UID 6 BODY[] NIL)\r\n");
        server.says("* 4 FETCH (UID 7 BODY[HEADER] {0}\r\n BODY[TEXT]<5> {2}\r\n\r\n)\r\n");
        // A literal that is no body is collected.
        server.says("* 5 FETCH (ENVELOPE (NIL {3}\r\nabc NIL NIL NIL NIL NIL NIL NIL NIL))\r\n");
        server.says("* 6 FETCH (RFC822 {1}\r\n) UID 9)\r\na1 OK done\r\n");
        reactor.result_of(fetch).expect("it is done");
        let bodies = recorder.0.bodies.take();
        let expected = [
            (100_000, text.into_bytes(), 2),
            (5, b"short".to_vec(), 2),
            (0, Vec::new(), 2),
            (2, b"\r\n".to_vec(), 2 + 1),
            (1, b")".to_vec(), 1),
        ];
        assert_eq!(bodies, expected);
        let messages = recorder.0.messages.take();
        let kept: Vec<_> = messages.iter().map(|it| it.items.len()).collect();
        // Without bodies, but for the one that is not there.
        assert_eq!(kept, [2, 1, 2, 1, 1, 1]);
        let subject = messages[4].envelope().and_then(|it| it.subject.0.clone());
        assert_eq!(subject.expect("it has one").as_ref(), b"abc");
    });
}

#[test]
fn a_handler_that_waits_holds_the_server_back() {
    with_client(|reactor, server, client| {
        let recorder = Recorder::default();
        recorder.0.waits.set(true);
        let handler = recorder.clone();
        let fetch = client.fetch_streamed(ImapMessages::uids("1:*"), vec![BODY], handler);
        server.hears("a1 UID FETCH 1:* BODY.PEEK[]\r\n");
        let part = "x".repeat(99_999);
        server.says(format!("* 1 FETCH (BODY[] {{100001}}\r\ny{part}"));
        let arrived = || recorder.0.bodies.borrow().last().map(|body| body.1.len());
        let before = arrived();
        assert!(before < Some(100_000), "{before:?}");
        // No timeout while this side is the one that waits.
        reactor.advance(Duration::from_secs(1_000));
        assert_eq!(arrived(), before);
        let waiting = recorder.0.waiting.take().expect("it waits");
        waiting.callback(()).expect("it waits");
        server.says("z)\r\na1 OK done\r\n");
        reactor.result_of(fetch).expect("it is done");
        assert_eq!(arrived(), Some(100_001));
    });
}

#[test]
fn a_handler_that_fails_ends_its_fetch_alone() {
    with_client(|reactor, server, client| {
        let recorder = Recorder::default();
        recorder.0.fails.set(true);
        let handler = recorder.clone();
        let fetch = client.fetch_streamed(ImapMessages::uids("1:*"), vec![BODY], handler);
        server.says("* 1 FETCH (BODY[] {5}\r\nHello)\r\n* 2 FETCH (BODY[] {5}\r\nagain)\r\n");
        let failure = reactor.result_of(fetch).unwrap_err();
        assert_eq!(failure.to_string(), "the disk is full");
        server.says("a1 OK done\r\n");
        assert_eq!(recorder.0.bodies.borrow().len(), 1);
        assert_eq!(Rc::strong_count(&recorder.0), 1, "the handler is kept");
        server.hears("a1 UID FETCH 1:* BODY.PEEK[]\r\n");
        let noop = client.noop();
        server.hears("a2 NOOP\r\n");
        server.says("a2 OK done\r\n");
        reactor.result_of(noop).expect("it is done");
    });
}

#[test]
fn each_message_is_handed_over_when_it_comes() {
    with_client(|reactor, server, client| {
        let seen = Rc::<Cell<usize>>::default();
        let to_count = Rc::clone(&seen);
        let fetch = client.fetch_each(ImapMessages::uids("1:*"), vec![BODY], move |message| {
            assert_eq!(message.body(), Some(&b"Hello"[..]));
            to_count.set(to_count.get() + 1);
        });
        server.says("* 1 FETCH (BODY[] {5}\r\nHello)\r\n");
        assert_eq!(seen.get(), 1);
        server.says("* 2 FETCH (BODY[] \"Hello\")\r\na1 OK done\r\n");
        reactor.result_of(fetch).expect("it is done");
        assert_eq!(seen.get(), 2);
    });
}

#[test]
fn a_command_that_is_cancelled_is_not_sent_or_not_answered() {
    with_client(|reactor, server, client| {
        let select = client.select("a");
        let waiting = client.select("b");
        server.hears("a1 SELECT a\r\n");
        waiting.cancel();
        select.cancel();
        for cancelled in [select, waiting] {
            assert!(reactor.result_of(cancelled).unwrap_err().is::<Cancelled>());
        }
        server.hears("");
        let noop = client.noop();
        // What it was answered is dropped, and the next command waits for that.
        server.says("* 5 EXISTS\r\n* OK [UIDNEXT 3] next\r\n");
        server.hears("");
        server.says("a1 OK [READ-WRITE] done\r\n");
        server.hears("a3 NOOP\r\n");
        server.says("a3 OK done\r\n");
        reactor.result_of(noop).expect("it is done");

        // In the middle of a body.
        let recorder = Recorder::default();
        let handler = recorder.clone();
        let fetch = client.fetch_streamed(ImapMessages::uids("1:*"), vec![BODY], handler);
        server.says("* 1 FETCH (BODY[] {10}\r\nHello");
        fetch.cancel();
        reactor.result_of(fetch).unwrap_err();
        assert_eq!(Rc::strong_count(&recorder.0), 1, "the handler is kept");
        server.says("again)\r\na4 OK done\r\n");
        assert_eq!(recorder.0.bodies.borrow()[0].1, b"Hello");
        assert!(!server.is_left());
    });
}

#[test]
fn an_append_that_is_cancelled_is_completed() {
    with_capabilities("IMAP4rev1", |_reactor, server, client| {
        let append = client.append("x", [], None, "12345");
        server.hears("a1 APPEND x {5}\r\n");
        append.cancel();
        append.ignore();
        client.noop().ignore();
        server.hears("");
        server.says("+ go on\r\n");
        server.hears("12345\r\n");
        server.says("a1 OK done\r\n");
        server.hears("a2 NOOP\r\n");
    });
}

#[test]
fn a_connect_that_is_cancelled_ends_the_connection() {
    with_server(|reactor, server| {
        let connect = in_the_clear().connect(reactor, AT);
        reactor.settle();
        connect.cancel();
        connect.ignore();
        assert!(server.is_left());
    });
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    with_server(|reactor, server| {
        let timeout = Duration::from_secs(10);
        let connect = in_the_clear().timeout(timeout).connect(reactor, AT);
        reactor.settle();
        reactor.advance(timeout);
        assert_eq!(error(reactor, connect), ImapError::TimedOut);
        assert!(server.is_left());
    });
    with_client(|reactor, server, client| {
        // Nothing is expected of it.
        reactor.advance(Duration::from_secs(1_000));
        let noop = client.noop();
        server.hears("a1 NOOP\r\n");
        reactor.advance(Duration::from_secs(59));
        server.says("* OK wait\r\n");
        reactor.advance(Duration::from_secs(59));
        let noop = noop.into_result().expect_err("it waits");
        reactor.advance(Duration::from_secs(1));
        assert_eq!(error(reactor, noop), ImapError::TimedOut);
        assert!(server.is_left());
    });
}

#[test]
fn the_last_handle_logs_out() {
    with_server(|reactor, server| {
        let client = connect(reactor, server, &in_the_clear(), "IMAP4rev1");
        let other = client.clone();
        let noop = client.noop();
        drop(client);
        server.hears("a1 NOOP\r\n");
        drop(other);
        server.hears("");
        server.says("a1 OK done\r\n");
        reactor.result_of(noop).expect("it is done");
        server.hears("a2 LOGOUT\r\n");
        server.says("* BYE\r\na2 OK done\r\n");
        assert!(server.is_left());
    });
}

#[test]
fn a_fetch_that_is_cancelled_while_its_handler_waits_reads_on() {
    with_client(|reactor, server, client| {
        let recorder = Recorder::default();
        recorder.0.waits.set(true);
        let handler = recorder.clone();
        let fetch = client.fetch_streamed(ImapMessages::uids("1:*"), vec![BODY], handler);
        server.says("* 1 FETCH (BODY[] {10}\r\nHello");
        let waiting = recorder.0.waiting.take().expect("it waits");
        fetch.cancel();
        fetch.ignore();
        server.says("again)\r\na1 OK done\r\n");
        server.hears("a1 UID FETCH 1:* BODY.PEEK[]\r\n");
        let noop = client.noop();
        server.hears("a2 NOOP\r\n");
        server.says("a2 OK done\r\n");
        reactor.result_of(noop).expect("it is done");
        drop(waiting);
    });
}

#[test]
fn a_cancel_of_another_command_keeps_a_handler_busy() {
    with_client(|reactor, server, client| {
        let recorder = Recorder::default();
        recorder.0.waits.set(true);
        let handler = recorder.clone();
        let fetch = client.fetch_streamed(ImapMessages::uids("1:*"), vec![BODY], handler);
        server.says("* 1 FETCH (BODY[] {10}\r\nHello");
        let waiting = recorder.0.waiting.take().expect("it waits");
        let noop = client.noop();
        server.hears("a1 UID FETCH 1:* BODY.PEEK[]\r\na2 NOOP\r\n");
        noop.cancel();
        assert!(reactor.result_of(noop).unwrap_err().is::<Cancelled>());
        // No timeout, because this side is the one that waits.
        reactor.advance(Duration::from_secs(1_000));
        assert!(!server.is_left());
        waiting.callback(()).expect("it waits");
        server.says("again)\r\na1 OK done\r\na2 OK done\r\n");
        reactor.result_of(fetch).expect("it is done");
        assert_eq!(recorder.0.bodies.borrow()[0].1, b"Helloagain");
    });
}

#[test]
fn a_handler_that_waits_gets_the_rest_of_a_message_later() {
    with_client(|reactor, server, client| {
        let recorder = Recorder::default();
        recorder.0.waits.set(true);
        let handler = recorder.clone();
        let fetch = client.fetch_streamed(ImapMessages::uids("1:*"), vec![BODY], handler);
        reactor.settle();
        server.says("* 1 FETCH (BODY[HEADER] \"one\" UID 7 BODY[TEXT] \"two\")\r\na1 OK done\r\n");
        let one = (3, b"one".to_vec(), 1);
        assert_eq!(*recorder.0.bodies.borrow(), std::slice::from_ref(&one));
        let waiting = recorder.0.waiting.take().expect("it waits");
        assert!(recorder.0.messages.borrow().is_empty());
        waiting.callback(()).expect("it waits");
        reactor.result_of(fetch).expect("it is done");
        assert_eq!(recorder.0.bodies.take(), [one, (3, b"two".to_vec(), 2)]);
        let messages = recorder.0.messages.take();
        assert_eq!((messages.len(), messages[0].items.len()), (1, 1));
    });
}

#[test]
fn a_cancel_of_a_second_idle_keeps_the_first() {
    with_client(|reactor, server, client| {
        let first = client.idle();
        server.hears("a1 IDLE\r\n");
        server.says("+ idling\r\n");
        let second = client.idle();
        second.cancel();
        second.ignore();
        server.hears("");
        let first = first.into_result().expect_err("it has not ended");
        client.idle_done();
        server.hears("DONE\r\n");
        server.says("a1 OK done\r\n");
        reactor.result_of(first).expect("it has ended");
    });
}

#[test]
fn an_idle_that_was_cancelled_is_followed_by_the_next() {
    with_client(|reactor, server, client| {
        // While the first one has not begun, the second takes its place.
        let first = client.idle();
        server.hears("a1 IDLE\r\n");
        first.cancel();
        first.ignore();
        reactor.settle();
        let second = client.idle();
        server.says("+ idling\r\n");
        server.hears("");
        // While the server has to confirm it, the next one waits.
        second.cancel();
        second.ignore();
        server.hears("DONE\r\n");
        let third = client.idle();
        server.hears("");
        server.says("a1 OK done\r\n");
        server.hears("a2 IDLE\r\n");
        server.says("+ idling\r\n");
        client.idle_done();
        server.hears("DONE\r\n");
        server.says("a2 OK done\r\n");
        reactor.result_of(third).expect("it has ended");
        server.hears("");
    });
}

#[test]
fn commands_that_wait_do_not_put_the_timeout_off() {
    with_client(|reactor, server, client| {
        let select = client.select("INBOX");
        server.hears("a1 SELECT INBOX\r\n");
        for _ in 0..2 {
            reactor.advance(Duration::from_secs(29));
            // Behind SELECT, which is sent alone; and a cancel.
            let noop = client.noop();
            client.noop().ignore();
            server.hears("");
            noop.cancel();
            noop.ignore();
        }
        let select = select.into_result().expect_err("it waits");
        reactor.advance(Duration::from_secs(2));
        assert_eq!(error(reactor, select), ImapError::TimedOut);
        assert!(server.is_left());
    });
}
