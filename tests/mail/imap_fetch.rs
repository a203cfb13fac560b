//! The IMAP server: FETCH.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use reactor::testing;
use reactor_mail::MailFlag;

use crate::imap_search::look;
use crate::imap_support::{Client, Mail, now};

const SIMPLE: &str = "Date: Wed, 17 Jul 1996 02:23:25 -0700\r\n\
    From: Terry Gray <gray@cac.washington.edu>, \"J\\\"r\" <jr@example.org>\r\n\
    Subject: IMAP4rev1 WG mtg\r\n  summary and minutes\r\n\
    To: imap@cac.washington.edu\r\n\
    Cc: A Group:Ed <ed@example.com>,joe@where.test;\r\n\
    Message-Id: <B27397-0100000@cac.washington.edu>\r\n\
    \r\n\
    one\r\ntwo\r\n";

const MIXED: &str = "Subject: parts\r\n\
    Content-Type: multipart/mixed; boundary=\"b 1\"\r\n\
    \r\n\
    preamble\r\n\
    --b 1\r\n\
    \r\n\
    plain\r\n\
    --b 12 is no delimiter\r\n\
    --b 1  \r\n\
    Content-Type: message/rfc822\r\n\
    \r\n\
    Subject: inner\r\n\
    From: eve@example.org\r\n\
    Content-Type: multipart/alternative; boundary=c\r\n\
    \r\n\
    --c\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    \r\n\
    A\r\n\
    --c\r\n\
    Content-Type: text/html\r\n\
    Content-Transfer-Encoding: Base64\r\n\
    \r\n\
    PGI+\r\n\
    --c--\r\n\
    --b 1\r\n\
    Content-Type: application/pdf; name=x.pdf\r\n\
    Content-Disposition: attachment; filename=x.pdf\r\n\
    Content-Id: <7@x>\r\n\
    Content-Language: en, de\r\n\
    \r\n\
    %PDF\r\n\
    --b 1--\r\n\
    epilogue\r\n";

#[test]
fn items_without_the_body() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(SIMPLE);
        let client = Client::select(reactor, &mail);
        let size = SIMPLE.len();
        let date = "\"09-Sep-2001 01:46:40 +0000\"";
        let fast = format!("* 1 FETCH (FLAGS () INTERNALDATE {date} RFC822.SIZE {size})\r\n");
        assert_eq!(client.ok("FETCH 1 FAST"), fast);
        assert_eq!(client.ok("FETCH 1:* UID"), "* 1 FETCH (UID 1)\r\n");
        assert_eq!(
            client.ok("UID FETCH 1 FLAGS"),
            "* 1 FETCH (UID 1 FLAGS ())\r\n"
        );
        assert_eq!(mail.control.count("body"), 0);
        let answer = client.say("x FETCH 1 BINARY[1]");
        assert!(answer.starts_with("x BAD "), "{answer}");
    });
}

#[test]
fn envelope() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(SIMPLE);
        mail.add("From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nReply-To: r@x.test\r\nSubject: \"a\\b\"\r\n\r\n");
        mail.add("no header at all");
        mail.add("");
        let client = Client::select(reactor, &mail);
        let from = "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")\
                    (\"J\\\"r\" NIL \"jr\" \"example.org\"))";
        let expected = format!(
            "* 1 FETCH (ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700\" \
             \"IMAP4rev1 WG mtg  summary and minutes\" {from} {from} {from} \
             ((NIL NIL \"imap\" \"cac.washington.edu\")) \
             ((NIL NIL \"A Group\" NIL)(\"Ed\" NIL \"ed\" \"example.com\")\
             (NIL NIL \"joe\" \"where.test\")(NIL NIL NIL NIL)) \
             NIL NIL \"<B27397-0100000@cac.washington.edu>\"))\r\n"
        );
        assert_eq!(client.ok("FETCH 1 ENVELOPE"), expected);
        let from = "((\"=?UTF-8?B?SsO8cmdlbg==?=\" NIL \"j\" \"example.org\"))";
        let reply = "((NIL NIL \"r\" \"x.test\"))";
        let expected = format!(
            "* 2 FETCH (ENVELOPE (NIL \"\\\"a\\\\b\\\"\" {from} {from} {reply} NIL NIL NIL NIL NIL))\r\n"
        );
        assert_eq!(client.ok("FETCH 2 ENVELOPE"), expected);
        let nothing = "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";
        assert_eq!(
            client.ok("FETCH 3 ENVELOPE"),
            format!("* 3 FETCH (ENVELOPE {nothing})\r\n")
        );
        assert_eq!(
            client.ok("FETCH 4 ENVELOPE"),
            format!("* 4 FETCH (ENVELOPE {nothing})\r\n")
        );
    });
}

#[test]
fn body_structure() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(SIMPLE);
        mail.add(MIXED);
        let client = Client::select(reactor, &mail);
        let simple = "(\"TEXT\" \"plain\" NIL NIL NIL \"7bit\" 10 2)";
        assert_eq!(
            client.ok("FETCH 1 BODY"),
            format!("* 1 FETCH (BODY {simple})\r\n")
        );
        let answer = client.ok("FETCH 2 BODYSTRUCTURE");
        let plain = "(\"TEXT\" \"plain\" NIL NIL NIL \"7bit\" 29 1 NIL NIL NIL NIL)";
        let eve = "((NIL NIL \"eve\" \"example.org\"))";
        let inner = "((\"TEXT\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)\
             (\"TEXT\" \"html\" NIL NIL NIL \"base64\" 4 0 NIL NIL NIL NIL) \"alternative\" \
             (\"boundary\" \"c\") NIL NIL NIL)";
        let start = MIXED.find("Subject: inner").expect("it is there");
        let end = MIXED
            .find("\r\n--b 1\r\nContent-Type: app")
            .expect("it is there");
        let (size, lines) = (end - start, MIXED[start..end].matches('\n').count());
        let message = format!(
            "(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7bit\" {size} (NIL \"inner\" {eve} {eve} {eve} \
             NIL NIL NIL NIL NIL) {inner} {lines} NIL NIL NIL NIL)"
        );
        let pdf = "(\"application\" \"pdf\" (\"name\" \"x.pdf\") \"<7@x>\" NIL \"7bit\" 4 NIL \
                   (\"attachment\" (\"filename\" \"x.pdf\")) (\"en\" \"de\") NIL)";
        let expected = format!(
            "* 2 FETCH (BODYSTRUCTURE ({plain}{message}{pdf} \"mixed\" (\"boundary\" \"b 1\") NIL NIL NIL))\r\n"
        );
        assert_eq!(answer, expected);
    });
}

/// The section of message 1 as a client gets it.
fn section(client: &Client, section: &str) -> Option<String> {
    let answer = client.ok(&format!("FETCH 1 BODY.PEEK[{section}]"));
    let rest = answer
        .strip_prefix("* 1 FETCH (BODY[")
        .unwrap_or_else(|| panic!("{answer}"));
    let (_, rest) = rest.split_once("] ").expect("the section ends");
    if rest == "NIL)\r\n" {
        return None;
    }
    let (length, rest) = rest[1..].split_once("}\r\n").expect("a literal");
    let length: usize = length.parse().expect("a number");
    assert_eq!(&rest[length..], ")\r\n");
    Some(rest[..length].to_owned())
}

#[test]
fn sections() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(MIXED);
        let client = Client::select(reactor, &mail);
        let (header, body) = MIXED.split_at(MIXED.find("preamble").expect("it is there"));
        let inner_start = MIXED.find("Subject: inner").expect("it is there");
        let inner_end = MIXED
            .find("\r\n--b 1\r\nContent-Type: app")
            .expect("it is there");
        let inner = &MIXED[inner_start..inner_end];
        let (inner_header, inner_body) = inner.split_at(inner.find("--c").expect("it is there"));
        for (name, expected) in [
            ("", Some(MIXED)),
            ("HEADER", Some(header)),
            ("TEXT", Some(body)),
            ("HEADER.FIELDS (subject x)", Some("Subject: parts\r\n\r\n")),
            (
                "HEADER.FIELDS.NOT (Content-Type)",
                Some("Subject: parts\r\n\r\n"),
            ),
            ("1", Some("plain\r\n--b 12 is no delimiter")),
            ("1.MIME", Some("\r\n")),
            ("1.1", None),
            ("2", Some(inner)),
            ("2.MIME", Some("Content-Type: message/rfc822\r\n\r\n")),
            ("2.HEADER", Some(inner_header)),
            ("2.TEXT", Some(inner_body)),
            (
                "2.HEADER.FIELDS (FROM)",
                Some("From: eve@example.org\r\n\r\n"),
            ),
            ("2.1", Some("A")),
            ("2.2", Some("PGI+")),
            ("2.3", None),
            ("3", Some("%PDF")),
            ("3.HEADER", None),
            ("4", None),
            ("4294967295.4294967295", None),
        ] {
            assert_eq!(section(&client, name).as_deref(), expected, "{name}");
        }
    });
}

#[test]
fn a_message_without_parts_has_part_1() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(SIMPLE);
        let client = Client::select(reactor, &mail);
        assert_eq!(section(&client, "1").as_deref(), Some("one\r\ntwo\r\n"));
        assert_eq!(section(&client, "1.1"), None);
        assert_eq!(section(&client, "2"), None);
    });
}

#[test]
fn pieces() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(SIMPLE);
        let client = Client::select(reactor, &mail);
        for (partial, expected) in [
            ("0.3", "<0> {3}\r\none"),
            ("2.5", "<2> {5}\r\ne\r\ntw"),
            ("8.100", "<8> {2}\r\n\r\n"),
            ("10.1", "<10> {0}\r\n"),
            ("4294967295.4294967295", "<4294967295> {0}\r\n"),
        ] {
            let answer = client.ok(&format!("FETCH 1 BODY.PEEK[TEXT]<{partial}>"));
            assert_eq!(
                answer,
                format!("* 1 FETCH (BODY[TEXT]{expected})\r\n"),
                "{partial}"
            );
        }
        let answer = client.ok("FETCH 1 (RFC822.HEADER BODY.PEEK[1]<0.1> UID)");
        let header = &SIMPLE[..SIMPLE.find("one").expect("it is there")];
        let length = header.len();
        let expected =
            format!("RFC822.HEADER {{{length}}}\r\n{header} BODY[1]<0> {{1}}\r\no UID 1");
        assert_eq!(answer, format!("* 1 FETCH ({expected})\r\n"));
    });
}

#[test]
fn reading_a_body_marks_the_message() {
    testing::run(|reactor| {
        for (item, is_read) in [
            ("BODY[]", true),
            ("BODY[HEADER]<0.1>", true),
            ("RFC822", true),
            ("RFC822.TEXT", true),
            ("BODY.PEEK[]", false),
            ("RFC822.HEADER", false),
            ("ENVELOPE", false),
        ] {
            let mail = Mail::new();
            mail.add(SIMPLE);
            let client = Client::select(reactor, &mail);
            let answer = client.ok(&format!("FETCH 1 {item}"));
            assert_eq!(
                answer.contains(" FLAGS (\\Seen)"),
                is_read,
                "{item}: {answer}"
            );
            let snapshot = now(mail.inbox().messages());
            assert_eq!(
                snapshot.messages[0].flags.contains(MailFlag::Seen),
                is_read,
                "{item}"
            );
            // Once is enough.
            let answer = client.ok(&format!("FETCH 1 {item}"));
            assert!(!answer.contains("FLAGS"), "{item}: {answer}");

            let other = Client::log_in(reactor, &mail);
            other.ok("EXAMINE inbox");
            other.ok("FETCH 1 BODY[]");
        }
    });
}

#[test]
fn examine_marks_nothing() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(SIMPLE);
        let client = Client::log_in(reactor, &mail);
        client.ok("EXAMINE inbox");
        client.ok("FETCH 1 BODY[]");
        assert!(now(mail.inbox().messages()).messages[0].flags.is_empty());
    });
}

#[test]
fn a_client_that_does_not_read_takes_little_memory() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let body = "x".repeat(100_000);
        for _ in 0..100 {
            mail.add(&body);
        }
        let client = Client::select(reactor, &mail);
        client.peer.set_reading(false);
        client.peer.send("x FETCH 1:* BODY.PEEK[]\r\n");
        reactor.settle();
        // 64 KiB are written before the mark is reached, and the memory network takes some.
        let read = mail.control.count("body");
        assert!(read < 15, "{read} of 100 messages were read ahead");
        client.peer.set_reading(true);
        let answer = client.received();
        assert_eq!(answer.matches("FETCH (BODY[] {100000}\r\n").count(), 100);
        assert!(answer.ends_with(")\r\nx OK done\r\n"));
        assert_eq!(mail.control.count("body"), 100);
    });
}

#[test]
fn a_message_that_has_gone_is_left_out() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let first = mail.add("first");
        mail.add("second");
        let client = Client::select(reactor, &mail);
        now(mail.inbox().expunge(&[first]));
        let answer = client.say("x FETCH 1:2 BODY.PEEK[]");
        // No EXPUNGE: the numbers must not change during FETCH.
        let expected = "* 2 FETCH (BODY[] {6}\r\nsecond)\r\n\
                        x NO [EXPUNGEISSUED] some messages are gone\r\n";
        assert_eq!(answer, expected);
        assert_eq!(client.ok("NOOP"), "* 1 EXPUNGE\r\n");
    });
}

/// Prints how long an answer takes, which must not be quadratic.
fn fetch_quickly(message: &str) -> String {
    let mut answer = String::new();
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(message);
        let client = Client::select(reactor, &mail);
        let start = Instant::now();
        answer = client.ok("FETCH 1 (ENVELOPE BODYSTRUCTURE BODY.PEEK[1.1.1.MIME])");
        let fetched = start.elapsed();
        client.ok("SEARCH TEXT none");
        let took = start.elapsed();
        println!(
            "{} bytes: {fetched:?}, {took:?} with a search",
            message.len()
        );
        assert!(took.as_secs() < 10, "it took {took:?}");
    });
    answer
}

#[test]
fn hostile_messages_cost_little() {
    // Multiparts whose boundary never comes.
    let part = "--b\r\nContent-Type: multipart/mixed; boundary=zz\r\n\r\n";
    let parts = part.repeat(10_000);
    let message = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}");
    let answer = fetch_quickly(&message);
    assert!(answer.matches("octet-stream").count() <= 1000);

    // Messages in messages, and multiparts in multiparts.
    fetch_quickly(&"Content-Type: message/rfc822\r\n\r\n".repeat(25_000));
    let nested: String = (0..10_000)
        .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
        .collect();
    fetch_quickly(&nested);

    // Fields without end, and fields that are slow to parse.
    fetch_quickly(&"a:\n".repeat(200_000));
    let words = " =?utf-8?q?x".repeat(100_000);
    fetch_quickly(&format!(
        "Subject: x\r\nFrom:{words}\r\nTo:{words}\r\nContent-Type: a/b;{words}\r\n\r\n"
    ));
    let words = " =?utf-8?q?x".repeat(5_000);
    let fields = format!("From:{words}\r\nTo:{words}\r\nCc:{words}\r\nBcc:{words}\r\n");
    fetch_quickly(&format!("{fields}Sender:{words}\r\n\r\n"));
    let comments = "(".repeat(60_000);
    fetch_quickly(&format!(
        "From: {comments}\r\nContent-Type: {comments}\r\n\r\n"
    ));
}

#[test]
fn a_failure_stands_behind_a_whole_response() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(&"x".repeat(100_000));
        mail.add("second");
        let client = Client::select(reactor, &mail);
        mail.control.wait_at("body");
        client.peer.send("x FETCH 1:2 BODY.PEEK[]\r\n");
        reactor.settle();
        mail.control.fail_at.set("body");
        mail.control.go_on();
        let answer = client.received();
        assert!(answer.starts_with("* 1 FETCH (BODY[] {100000}\r\nx"));
        let end = &answer[answer.len() - 40..];
        assert!(
            end.ends_with("x)\r\nx NO [SERVERBUG] local error\r\n"),
            "{end}"
        );
    });
}

#[test]
fn names_of_fields_that_come_as_literals() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add(SIMPLE);
        let client = Client::select(reactor, &mail);
        let date = "Date: Wed, 17 Jul 1996 02:23:25 -0700\r\n\r\n";
        for (names, answered, expected) in [
            ("{4+}\r\ndate", "date", date),
            ("{5+}\r\nx y\"\\", "\"x y\\\"\\\\\"", "\r\n"),
            ("{0+}\r\n", "\"\"", "\r\n"),
            ("{0+}\r\n {4+}\r\ndate \"\"", "\"\" date \"\"", date),
            ("{3+}\r\na\r\n date", "{3}\r\na\r\n date", date),
        ] {
            let answer = client.ok(&format!("FETCH 1 BODY.PEEK[HEADER.FIELDS ({names})]"));
            let length = expected.len();
            assert_eq!(
                answer,
                format!(
                    "* 1 FETCH (BODY[HEADER.FIELDS ({answered})] {{{length}}}\r\n{expected})\r\n"
                ),
                "{names}"
            );
        }
        client.say("x FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT ({0}");
        let answer = client.say(")]<0.4>");
        assert_eq!(
            answer,
            "* 1 FETCH (BODY[HEADER.FIELDS.NOT (\"\")]<0> {4}\r\nDate)\r\nx OK done\r\n"
        );
    });
}

#[test]
fn items_are_limited() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add("x");
        let client = Client::select(reactor, &mail);
        let items = "UID ".repeat(256);
        client.ok(&format!("FETCH 1 ({})", items.trim_end()));
        let answer = client.say(&format!("x FETCH 1 ({items}UID)"));
        assert_eq!(answer, "x NO [LIMIT] too many items\r\n");
    });
}

#[test]
fn many_items_of_a_hostile_message_cost_little() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let boundary = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        let lines = "\n--b is none".repeat(100_000);
        mail.add(&format!("{boundary}--b\r\n\r\nx{lines}\r\n--b--\r\n"));
        // The end of each word is looked for to the end of the field.
        let words = " =?AA?q?x".repeat(1_800);
        mail.add(&format!("From:{words}\r\n\r\n"));
        let client = Client::select(reactor, &mail);
        let start = Instant::now();
        let items = "BODY.PEEK[1]<0.1> ".repeat(128) + &"BODY.PEEK[1.MIME] ".repeat(127);
        let answer = client.ok(&format!("FETCH 1 ({items}UID)"));
        assert_eq!(answer.matches("BODY[1]<0> {1}\r\nx").count(), 128);
        let parts = start.elapsed();
        let items = "ENVELOPE ".repeat(255);
        let answer = client.ok(&format!("FETCH 2 ({items}UID)"));
        assert_eq!(answer.matches("ENVELOPE").count(), 255);
        let took = start.elapsed();
        println!("the parts: {parts:?}, in all {took:?}");
        assert!(took.as_secs() < 10, "it took {took:?}");

        // Names of fields.
        mail.add(&"b:\n".repeat(10_000));
        client.ok("NOOP");
        let names: String = (0..8_000).map(|n| format!(" {n}")).collect();
        let names = names.trim_start();
        let start = Instant::now();
        client.ok(&format!("FETCH 3 BODY.PEEK[HEADER.FIELDS ({names})]"));
        let took = start.elapsed();
        println!("names: {took:?}");
        assert!(took.as_secs() < 5, "it took {took:?}");
    });
}

#[test]
fn many_items_of_a_large_message_let_the_loop_do_other_work() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let part = "x".repeat(5_000_000);
        let header = "Content-Type: multipart/mixed; boundary=b";
        mail.add(&format!("{header}\r\n\r\n--b\r\n\r\n{part}\r\n--b--\r\n"));
        mail.add("second");
        let client = Client::select(reactor, &mail);
        let seen = Rc::new(RefCell::new(Vec::new()));
        look(reactor, &mail, &seen, 100);
        let items = " BODYSTRUCTURE".repeat(9);
        let command = format!("x FETCH 1:2 (ENVELOPE{items})\r\n");
        client.peer.send(&command);
        reactor.settle();
        // While the items of the first message are made.
        let turns = seen.borrow().iter().filter(|read| **read == 1).count();
        assert!(turns >= 10, "{seen:?}");
        assert!(client.received().ends_with("x OK done\r\n"));
    });
}
