//! The IMAP server: SEARCH.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use reactor::ReactorHandle;
use reactor::testing;
use reactor_mail::{NewMessage, Uid};

use crate::imap_support::{Client, Mail, now};

const FIRST: &str = "Date: Sat, 1 Feb 2003 23:30:00 -0800\r\n\
    From: \"Eve\" <eve@example.org>\r\n\
    To: bob@example.org\r\nCc: carol@x.test\r\nBcc: dave@x.test\r\n\
    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= an\r\n alle\r\nX-Empty:\r\n\r\n\
    Hello World\r\n";

const SECOND: &str = "Date: 4 Mar 2004 10:00:00 +0000\r\n\
    From: mallory@example.com\r\nSubject: second\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\
    Content-Transfer-Encoding: quoted-printable\r\n\r\n\
    caf=E9 soft=\r\nbreak\r\n\
    --b\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n\
    c2VjcmV0IHdvcmQ=\r\n--b\r\nContent-Type: application/x\r\n\r\nbinary\r\n--b--\r\n";

fn mail() -> Mail {
    let mail = Mail::new();
    mail.add(FIRST);
    let mut second = NewMessage::new(SECOND);
    let date = std::time::SystemTime::UNIX_EPOCH;
    second.date = Some(date + Duration::from_secs(1_100_000_000));
    second.flags = [reactor_mail::MailFlag::Seen].into_iter().collect();
    second.flags.insert_keyword("$Junk");
    now(mail.inbox().append(second));
    mail
}

#[test]
fn keys() {
    testing::run(|reactor| {
        let mail = mail();
        let client = Client::select(reactor, &mail);
        for (keys, found) in [
            ("ALL", " 1 2"),
            ("1", " 1"),
            ("2:*", " 2"),
            ("UID 2", " 2"),
            ("SEEN", " 2"),
            ("UNSEEN", " 1"),
            ("KEYWORD $junk", " 2"),
            ("UNKEYWORD $Junk", " 1"),
            ("ANSWERED", ""),
            ("UNANSWERED UNDELETED UNDRAFT UNFLAGGED", " 1 2"),
            ("DELETED", ""),
            ("DRAFT", ""),
            ("FLAGGED", ""),
            ("NEW", ""),
            ("OLD", " 1"),
            ("RECENT", " 2"),
            ("NOT SEEN", " 1"),
            ("OR SEEN UNSEEN", " 1 2"),
            ("(SEEN UNSEEN)", ""),
            ("LARGER 300", " 2"),
            ("SMALLER 300", " 1"),
            ("BEFORE 10-Sep-2001", " 1"),
            ("ON 9-Sep-2001", " 1"),
            ("SINCE 10-Sep-2001", " 2"),
            ("SENTON 1-Feb-2003", " 1"),
            ("SENTBEFORE 1-Feb-2003", ""),
            ("SENTSINCE 2-Feb-2003", " 2"),
            ("FROM eve@EXAMPLE", " 1"),
            ("FROM Eve", " 1"),
            ("TO bob", " 1"),
            ("CC carol", " 1"),
            ("BCC dave", " 1"),
            ("SUBJECT second", " 2"),
            ("SUBJECT \"an alle\"", " 1"),
            ("CHARSET UTF-8 SUBJECT {4+}\r\ngrü", " 1"),
            ("HEADER X-EMPTY \"\"", " 1"),
            ("HEADER x-empty x", ""),
            ("BODY \"hello world\"", " 1"),
            ("BODY eve", ""),
            ("TEXT eve", " 1"),
            ("CHARSET UTF-8 BODY {5+}\r\ncafé", " 2"),
            ("BODY softbreak", " 2"),
            ("BODY \"secret word\"", " 2"),
            ("BODY binary", ""),
            ("OR FROM mallory BODY hello", " 1 2"),
            ("NOT BODY hello", " 2"),
        ] {
            assert_eq!(
                client.ok(&format!("SEARCH {keys}")),
                format!("* SEARCH{found}\r\n"),
                "{keys}"
            );
        }
    });
}

#[test]
fn uids_are_found() {
    testing::run(|reactor| {
        let mail = mail();
        now(mail.inbox().expunge(&[Uid::MIN]));
        let client = Client::select(reactor, &mail);
        assert_eq!(client.ok("SEARCH SEEN"), "* SEARCH 1\r\n");
        assert_eq!(client.ok("UID SEARCH SEEN"), "* SEARCH 2\r\n");
        assert_eq!(client.ok("UID SEARCH UID 2:9 1:*"), "* SEARCH 2\r\n");
    });
}

#[test]
fn bodies_are_read_only_if_they_decide() {
    testing::run(|reactor| {
        let mail = mail();
        let client = Client::select(reactor, &mail);
        client.ok("SEARCH SEEN SINCE 1-Jan-1990 OR SEEN BODY x");
        assert_eq!(mail.control.count("body"), 0);
        client.ok("SEARCH UNSEEN BODY x");
        assert_eq!(mail.control.count("body"), 1);
        client.ok("SEARCH BODY x SUBJECT y TEXT z");
        assert_eq!(mail.control.count("body"), 3);
    });
}

#[test]
fn an_unknown_charset_is_refused() {
    testing::run(|reactor| {
        let client = Client::select(reactor, &mail());
        let answer = client.say("x SEARCH CHARSET KOI8-R ALL");
        assert_eq!(
            answer,
            "x NO [BADCHARSET (US-ASCII UTF-8)] unknown charset\r\n"
        );
        assert_eq!(client.ok("SEARCH CHARSET us-ascii ALL"), "* SEARCH 1 2\r\n");
    });
}

#[test]
fn keys_are_limited() {
    testing::run(|reactor| {
        let client = Client::select(reactor, &mail());
        let keys = "SEEN ".repeat(256);
        assert_eq!(
            client.ok(&format!("SEARCH {}", keys.trim_end())),
            "* SEARCH 2\r\n"
        );
        let answer = client.say(&format!("x SEARCH {keys}SEEN"));
        assert_eq!(answer, "x NO [LIMIT] too many keys\r\n");
        let answer = client.say(&format!("x SEARCH {}SEEN", "NOT ".repeat(10_000)));
        assert_eq!(answer, "x BAD no command of IMAP4rev1\r\n");
    });
}

#[test]
fn a_long_search_lets_the_loop_do_other_work() {
    testing::run(|reactor| {
        let mail = Mail::new();
        for _ in 0..2_000 {
            mail.add("Subject: x\r\n\r\ny\r\n");
        }
        let client = Client::select(reactor, &mail);
        // Each turn of the loop looks how far the search has come.
        let seen = Rc::new(RefCell::new(Vec::new()));
        look(reactor, &mail, &seen, 100);
        client.peer.send("x SEARCH BODY z\r\n");
        reactor.settle();
        let between = |read: &&usize| (1..2_000).contains(*read);
        assert!(seen.borrow().iter().filter(between).count() > 0, "{seen:?}");
        assert_eq!(client.received(), "* SEARCH\r\nx OK done\r\n");
    });
}

/// 120 keys, each of which reads all of a message of a megabyte.
#[test]
fn many_keys_of_a_long_message_let_the_loop_do_other_work() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(&format!("Subject: x\r\n\r\n{}", "y\r\n".repeat(350_000)));
        for (keys, found) in [
            ("NOT TEXT z ".repeat(120).trim_end().to_owned(), "1"),
            ("NOT BODY q ".repeat(119).trim_end().to_owned(), "1"),
            ("OR BODY z ".repeat(7) + "BODY y", "1"),
            ("NOT OR BODY z BODY y".to_owned(), ""),
        ] {
            let client = Client::select(reactor, &mail);
            let turns = Rc::new(Cell::new(0));
            count_turns(reactor, &mail, &turns, 200);
            // The next command says when it is done.
            let answer = client.say(&format!("x SEARCH {keys}\r\ny CREATE a{}", keys.len()));
            let found = format!("* SEARCH {found}").trim_end().to_owned();
            assert_eq!(answer, format!("{found}\r\nx OK done\r\ny OK done\r\n"));
            reactor.settle();
            mail.control.steps.borrow_mut().clear();
            assert!(keys.len() < 1_000 || turns.get() > 20, "{turns:?}");
        }
    });
}

/// Counts the turns of the loop until a mailbox is created.
fn count_turns(reactor: &ReactorHandle, mail: &Mail, turns: &Rc<Cell<usize>>, most: usize) {
    let (handle, mail, turns) = (reactor.clone(), mail.clone(), Rc::clone(turns));
    reactor.call_later(Duration::ZERO, move || {
        if mail.control.count("create") == 0 && most > 0 {
            turns.set(turns.get() + 1);
            count_turns(&handle, &mail, &turns, most - 1);
        }
    });
}

pub(crate) fn look(
    reactor: &ReactorHandle,
    mail: &Mail,
    seen: &Rc<RefCell<Vec<usize>>>,
    times: usize,
) {
    let (handle, mail, seen) = (reactor.clone(), mail.clone(), Rc::clone(seen));
    reactor.call_later(Duration::ZERO, move || {
        seen.borrow_mut().push(mail.control.count("body"));
        if times > 0 {
            look(&handle, &mail, &seen, times - 1);
        }
    });
}

#[test]
fn fields_of_many_parts_and_keys_cost_little() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let subject = format!("Subject:{}\r\n", " =?AA?q?x".repeat(1_800));
        let part = format!("--b\r\nContent-Type: message/rfc822\r\n\r\n{subject}\r\n\r\n");
        let parts = part.repeat(200);
        mail.add(&format!(
            "{subject}Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n"
        ));
        let client = Client::select(reactor, &mail);
        let start = Instant::now();
        // What is not decoded is compared as it stands there.
        assert_eq!(client.ok("SEARCH TEXT =?aa?q?x"), "* SEARCH 1\r\n");
        let text = start.elapsed();
        let keys = "SUBJECT =?aa ".repeat(255);
        client.ok(&format!("SEARCH {keys}SEEN"));
        client.ok(&format!("SEARCH {keys}UNSEEN"));
        let took = start.elapsed();
        println!("the text: {text:?}, in all {took:?}");
        assert!(took.as_secs() < 10, "it took {took:?}");
    });
}
