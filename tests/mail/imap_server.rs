//! The IMAP server: login, order, failures, limits.

use std::time::Duration;

use reactor::testing;
use reactor_mail::{ImapServer, MailFlag, MailboxName};

use crate::imap_support::{Client, Mail, now};

#[test]
fn passwords_are_refused_in_the_clear() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let server = ImapServer::new("mail.example.org", mail.clone());
        let client = Client::connect(reactor, &server);
        assert!(client.ok("CAPABILITY").contains(" LOGINDISABLED"));
        let refused = "x NO [PRIVACYREQUIRED] only with encryption\r\n";
        assert_eq!(client.say("x LOGIN bob sesame"), refused);
        assert_eq!(client.say("x AUTHENTICATE PLAIN"), refused);
        assert_eq!(client.say("x AUTHENTICATE PLAIN AGJvYgBzZXNhbWU="), refused);
        assert_eq!(mail.control.count("login"), 0);
        assert_eq!(client.say("x STARTTLS"), "x BAD no TLS here\r\n");
    });
}

#[test]
fn a_client_logs_in() {
    testing::run(|reactor| {
        let mail = Mail::new();
        for dialogue in [
            &["x LOGIN bob sesame"][..],
            &["x LOGIN {3}", "bob {6}", "sesame"],
            &["x AUTHENTICATE PLAIN AGJvYgBzZXNhbWU="],
            &["x authenticate plain", "AGJvYgBzZXNhbWU="],
            &["x AUTHENTICATE PLAIN Ym9iAGJvYgBzZXNhbWU="],
        ] {
            let client = Client::connect(reactor, &mail.server());
            let mut answer = String::new();
            for line in dialogue {
                answer = client.say(line);
            }
            assert!(answer.starts_with("x OK [CAPABILITY IMAP4rev1"), "{answer}");
            assert!(!answer.contains("AUTH="), "{answer}");
            assert_eq!(
                client.say("y LOGIN bob sesame"),
                "y BAD logged in already\r\n"
            );
        }
    });
}

#[test]
fn a_wrong_login_is_refused() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let refused = "x NO [AUTHENTICATIONFAILED] wrong name or password\r\n";
        for dialogue in [
            "x LOGIN bob x",
            "x LOGIN eve sesame",
            // Acting for another, not UTF-8, a field too many.
            "x AUTHENTICATE PLAIN YWRtaW4AYm9iAHNlc2FtZQ==",
            "x AUTHENTICATE PLAIN AP9vYgBzZXNhbWU=",
            "x AUTHENTICATE PLAIN AGJvYgBzZXNhbWUAeA==",
        ] {
            let client = Client::connect(reactor, &mail.server());
            client.say(dialogue);
            reactor.advance(Duration::from_secs(2));
            assert_eq!(client.received(), refused);
            assert_eq!(client.say("y SELECT inbox"), "y BAD log in first\r\n");
        }
        let client = Client::connect(reactor, &mail.server());
        assert_eq!(client.say("x AUTHENTICATE PLAIN"), "+ \r\n");
        assert_eq!(client.say("*"), "x BAD cancelled\r\n");
        assert_eq!(
            client.say("x AUTHENTICATE LOGIN"),
            "x NO [CANNOT] only PLAIN\r\n"
        );
    });
}

#[test]
fn a_wrong_password_is_answered_late_and_the_third_is_the_last() {
    testing::run(|reactor| {
        let client = Client::connect(reactor, &Mail::new().server());
        for attempt in 1..=3 {
            // What was sent ahead waits, too: guesses do not get faster that way.
            let command = format!("x LOGIN bob {attempt}\r\ny NOOP");
            assert_eq!(client.say(&command), "");
            reactor.advance(Duration::from_millis(1999));
            assert_eq!(client.received(), "");
            reactor.advance(Duration::from_millis(1));
            let refused = "x NO [AUTHENTICATIONFAILED] wrong name or password\r\n";
            let rest = match attempt {
                3 => "* BYE too many wrong passwords\r\n",
                _ => "y OK done\r\n",
            };
            assert_eq!(client.received(), format!("{refused}{rest}"));
        }
        assert!(client.peer.is_closed());
    });
}

#[test]
fn the_limits_of_wrong_passwords_are_set() {
    testing::run(|reactor| {
        let server = Mail::new().server().with_max_failed_logins(2);
        let server = server.with_failed_login_delay(Duration::from_secs(9));
        let client = Client::connect(reactor, &server);
        client.say("x LOGIN bob 1\r\nx LOGIN bob sesame\r\nx LOGOUT");
        reactor.advance(Duration::from_secs(9));
        assert!(client.received().ends_with("x OK done\r\n"));
        let client = Client::connect(reactor, &server);
        client.say("x LOGIN bob 1\r\nx LOGIN bob 2\r\nx LOGIN bob sesame");
        reactor.advance(Duration::from_secs(18));
        assert!(client.received().ends_with("wrong passwords\r\n"));
        // A hang-up while the answer waits leaves nothing behind.
        let client = Client::connect(reactor, &server);
        client.say("x LOGIN bob 1");
        client.peer.reset();
        reactor.settle();
    });
}

#[test]
fn pipelined_commands_wait_for_the_login() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.control.wait_at("login");
        let client = Client::connect(reactor, &mail.server());
        let answer = client.say("a LOGIN bob sesame\r\nb SELECT inbox\r\nc NOOP\r\nd LOGOUT");
        assert_eq!(answer, "");
        mail.control.wait_at("open");
        mail.control.go_on();
        let answer = client.received();
        assert!(
            answer.starts_with("a OK ") && !answer.contains("\r\nb "),
            "{answer}"
        );
        mail.control.go_on();
        let answer = client.received();
        let tagged: Vec<_> = answer
            .lines()
            .filter(|line| !line.starts_with('*'))
            .collect();
        assert_eq!(tagged, ["b OK [READ-WRITE] done", "c OK done", "d OK done"]);
        assert!(client.peer.is_closed());
    });
}

#[test]
fn answers_are_the_same_however_the_bytes_arrive() {
    let dialogue = "a LOGIN {3+}\r\nbob sesame\r\nb APPEND inbox (\\Seen) {5}\r\nhello\r\n\
                    c SELECT inbox\r\nd FETCH 1 (FLAGS BODY.PEEK[])\r\ne LOGOUT\r\n";
    let answers = [1, 2, 7, 100_000].map(|bytes| {
        let mut answers = String::new();
        testing::run(|reactor| {
            reactor.set_largest_read(bytes);
            let client = Client::connect(reactor, &Mail::new().server());
            client.peer.send(dialogue);
            answers = client.received();
            assert!(answers.contains("BODY[] {5}\r\nhello)\r\n"), "{answers}");
            assert!(answers.ends_with("e OK done\r\n"), "{answers}");
        });
        answers
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[test]
fn a_failure_of_the_store_is_not_told() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add("x");
        for (step, command) in [
            ("login", "LOGIN bob sesame"),
            ("list", "LIST \"\" *"),
            ("open", "SELECT inbox"),
            ("open", "STATUS inbox (MESSAGES)"),
            ("create", "CREATE x"),
            ("messages", "SELECT inbox"),
            ("body", "FETCH 1 BODY.PEEK[]"),
            ("append", "APPEND inbox {1+}\r\nx"),
            ("change_flags", "STORE 1 +FLAGS (\\Seen)"),
            ("body", "SEARCH BODY x"),
        ] {
            let client = match step {
                "login" => Client::connect(reactor, &mail.server()),
                _ => Client::select(reactor, &mail),
            };
            let say = || {
                let answer = client.say(&format!("x {command}"));
                // A failed login is answered late.
                reactor.advance(Duration::from_secs(2));
                answer + &client.received()
            };
            mail.control.fail_at.set(step);
            assert_eq!(say(), "x NO [SERVERBUG] local error\r\n", "{command}");
            mail.control.fail_at.set("");
            mail.control.panic_at.set(step);
            assert_eq!(say(), "x NO [SERVERBUG] local error\r\n", "{command}");
            mail.control.panic_at.set("");
            assert!(
                client.say("y CAPABILITY").ends_with("y OK done\r\n"),
                "{command}"
            );
        }
    });
}

#[test]
fn a_hang_up_cancels_what_only_reads() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add("x");
        for (step, command, cancels) in [
            ("body", "FETCH 1 BODY.PEEK[]", true),
            ("open", "SELECT inbox", true),
            ("append", "APPEND inbox {1+}\r\nx", false),
            ("change_flags", "STORE 1 +FLAGS (\\Seen)", false),
            ("create", "CREATE x", false),
        ] {
            let client = Client::select(reactor, &mail);
            mail.control.wait_at(step);
            client.say(&format!("x {command}"));
            let expected = mail.control.cancelled.get() + usize::from(cancels);
            client.peer.reset();
            reactor.settle();
            assert_eq!(mail.control.cancelled.get(), expected, "{command}");
            if !cancels {
                mail.control.go_on();
            }
        }
        assert_eq!(now(mail.inbox().messages()).messages.len(), 2);
        now(mail
            .account()
            .open(&MailboxName::new("x").expect("a good name")));
    });
}

#[test]
fn too_many_errors_close_the_connection() {
    testing::run(|reactor| {
        let server = Mail::new().server().with_max_errors(3);
        let client = Client::connect(reactor, &server);
        assert_eq!(
            client.say("x EAT CAKE"),
            "x BAD no command of IMAP4rev1\r\n"
        );
        client.say("x SELECT inbox");
        let answer = client.say("x FETCH 1 ALL");
        assert_eq!(answer, "x BAD log in first\r\n* BYE too many errors\r\n");
        assert!(client.peer.is_closed());
    });
}

#[test]
fn a_refusal_does_not_count_after_the_login() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let client = Client::log_in(reactor, &mail);
        for _ in 0..30 {
            let answer = client.say("x SELECT none");
            assert_eq!(answer, "x NO [NONEXISTENT] no such mailbox\r\n");
        }
    });
}

#[test]
fn a_client_has_a_time_to_log_in() {
    testing::run(|reactor| {
        let client = Client::connect(reactor, &Mail::new().server());
        reactor.advance(Duration::from_secs(59));
        assert_eq!(client.say("x NOOP"), "x OK done\r\n");
        reactor.advance(Duration::from_secs(1));
        assert_eq!(
            client.received(),
            "* BYE nothing was received for too long\r\n"
        );
        assert!(client.peer.is_closed());
    });
}

#[test]
fn a_silent_client_is_closed_also_in_idle() {
    testing::run(|reactor| {
        let mail = Mail::new();
        for line in ["x NOOP", "x IDLE"] {
            let client = Client::select(reactor, &mail);
            reactor.advance(Duration::from_secs(29 * 60));
            client.say(line);
            reactor.advance(Duration::from_secs(29 * 60));
            assert!(!client.peer.is_closed());
            reactor.advance(Duration::from_secs(60));
            let answer = client.received();
            assert_eq!(answer, "* BYE nothing was received for too long\r\n");
            assert!(client.peer.is_closed());
        }
    });
}

#[test]
fn a_client_that_waits_is_not_idle() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let client = Client::log_in(reactor, &mail);
        mail.control.wait_at("list");
        client.say("x LIST \"\" *");
        reactor.advance(Duration::from_secs(45 * 60));
        mail.control.go_on();
        assert!(client.received().ends_with("x OK done\r\n"));
        reactor.advance(Duration::from_secs(29 * 60));
        assert_eq!(client.say("x NOOP"), "x OK done\r\n");
    });
}

#[test]
fn broken_framing_says_bye() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let client = Client::log_in(reactor, &mail);
        let answer = client.say("x APPEND inbox {4294967296+}");
        assert_eq!(
            answer,
            "* BYE the length of a literal is no number of 32 bits\r\n"
        );
        assert!(client.peer.is_closed());
    });
}

#[test]
fn a_session_takes_no_memory_of_the_mailbox_when_it_ends() {
    testing::run(|reactor| {
        let mail = Mail::new();
        let client = Client::select(reactor, &mail);
        client.peer.close();
        reactor.settle();
        assert!(client.connection.peer().is_err());
        // No session watches any more.
        mail.add("x");
        reactor.assert_clean();
    });
}

#[test]
fn a_hang_up_lets_a_fetch_mark_the_message() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add("x");
        let client = Client::select(reactor, &mail);
        mail.control.wait_at("change_flags");
        client.say("x FETCH 1 BODY[]");
        client.peer.reset();
        reactor.settle();
        assert_eq!(mail.control.cancelled.get(), 0);
        assert_eq!(mail.control.count("body"), 0);
        mail.control.go_on();
        let snapshot = now(mail.inbox().messages());
        assert!(snapshot.messages[0].flags.contains(MailFlag::Seen));
        reactor.settle();
        assert_eq!(mail.control.count("body"), 0);
    });
}

#[test]
fn a_fetch_waits_for_the_mark_and_learns_of_its_failure() {
    testing::run(|reactor| {
        let mail = Mail::new();
        mail.add("x");
        let client = Client::select(reactor, &mail);
        mail.control.fail_at.set("change_flags");
        let answer = client.say("x FETCH 1 BODY[]");
        assert_eq!(answer, "x NO [SERVERBUG] local error\r\n");
        mail.control.fail_at.set("");
        mail.control.wait_at("change_flags");
        assert_eq!(client.say("x FETCH 1 BODY[]"), "");
        mail.control.go_on();
        let answer = client.received();
        let expected = "* 1 FETCH (BODY[] {1}\r\nx FLAGS (\\Seen))\r\nx OK done\r\n";
        assert_eq!(answer, expected);
    });
}
