//! SMTP clients: extensions that are used, STARTTLS, TLS from the beginning, and AUTH.

use std::time::Duration;

use deferred::{Failure, Result};
use reactor::testing::{self, TestReactor};
use reactor_mail::{Sent, SmtpClient, SmtpError, SmtpServer, send_mail};
use reactor_tls::{TlsClient, TlsError, TlsServer};
use tests::certificates::Pair;

use crate::script::Script;
use crate::support::{error, server};

const AT: &str = "192.0.2.1:587";
const EVE: &str = "eve@example.org";
const BOB: &[&str] = &["bob@example.org"];

fn tls() -> (TlsServer, TlsClient) {
    let pair = Pair::new("mx.example.org");
    (pair.server(), pair.client())
}

/// Sends one message.
fn submit(reactor: &TestReactor, client: SmtpClient) -> Result<Sent> {
    let sent = reactor.block_on(client.send(EVE, BOB, "hi"));
    reactor.block_on(client.quit()).unwrap();
    sent
}

/// A client for a server of `change`; gives the outcome, and how the message came.
fn submitted(
    change: impl Fn(SmtpServer, TlsServer) -> SmtpServer,
    client: impl Fn(SmtpClient, TlsClient) -> SmtpClient,
) -> (Result<Sent>, Vec<(bool, Option<String>)>) {
    let mut outcome = None;
    for largest_read in [1, usize::MAX] {
        testing::run(|reactor| {
            reactor.set_largest_read(largest_read);
            let (inbox, server) = server();
            let (tls_server, tls_client) = tls();
            let server = change(server, tls_server);
            let port = reactor.listen_tcp(AT, server).expect("it listens");
            let client = client(SmtpClient::new(reactor, AT), tls_client);
            let result = submit(reactor, client);
            let delivered = inbox.0.delivered.borrow();
            let envelopes = delivered.iter().map(|(envelope, _)| envelope);
            let how = envelopes.map(|it| (it.is_encrypted, it.login.clone()));
            outcome = Some((result, how.collect()));
            port.stop_listening();
        });
    }
    outcome.expect("it has run")
}

#[test]
fn starttls_is_used_and_the_login_comes_after_it() {
    let (result, how) = submitted(
        |server, tls| server.with_tls(tls).with_login(),
        |client, tls| {
            let client = client.with_tls(tls, "mx.example.org").expect("a name");
            client.with_login("eve", "sesame")
        },
    );
    result.expect("it is sent");
    assert_eq!(how, [(true, Some("eve".to_owned()))]);
}

#[test]
fn without_an_offer_of_starttls_nothing_is_sent_unless_it_is_allowed() {
    let (result, how) = submitted(
        |server, _| server,
        |client, tls| client.with_tls(tls, "mx.example.org").expect("a name"),
    );
    let error = error(result);
    assert_eq!(error, SmtpError::NotEncrypted);
    assert!(!error.is_permanent(), "an attacker may have taken it away");
    assert_eq!(how, []);

    let if_offered = |client: SmtpClient, tls| {
        let client = client.with_tls_if_offered(tls, "mx.example.org");
        client.expect("a name")
    };
    let (result, how) = submitted(|server, _| server, if_offered);
    result.expect("it is sent");
    assert_eq!(how, [(false, None)]);
    let (result, how) = submitted(|server, tls| server.with_tls(tls), if_offered);
    result.expect("it is sent");
    assert_eq!(how, [(true, None)]);
}

#[test]
fn a_server_of_another_name_gets_nothing() {
    let (result, how) = submitted(
        |server, tls| server.with_tls(tls).with_login(),
        |client, tls| {
            let client = client.with_tls(tls, "mail.example.org").expect("a name");
            client.with_login("eve", "sesame")
        },
    );
    let failure = result.expect_err("the name is another one");
    assert!(failure.is::<TlsError>(), "{failure}");
    assert_eq!(how, []);
}

#[test]
fn a_password_is_not_sent_in_the_clear() {
    for if_offered in [true, false] {
        let script = Script::new(&["220 a\r\n", "250-b\r\n250 AUTH PLAIN LOGIN\r\n"], true);
        let commands = script.commands.clone();
        testing::run(|reactor| {
            let script = script.clone();
            let port = reactor.listen_tcp(AT, move || script.clone()).unwrap();
            let mut client = SmtpClient::new(reactor, AT).with_login("eve", "sesame");
            if if_offered {
                client = client.with_tls_if_offered(tls().1, "mx").expect("a name");
            }
            let result = submit(reactor, client);
            assert_eq!(error(result), SmtpError::NotEncrypted);
            port.stop_listening();
        });
        assert_eq!(commands.borrow()[1..], ["QUIT"]);
    }
    let (result, how) = submitted(
        |server, _| server.dangerously_with_login_in_the_clear(),
        |client, _| client.dangerously_with_login_in_the_clear("eve", "sesame"),
    );
    result.expect("it is sent");
    assert_eq!(how, [(false, Some("eve".to_owned()))]);
}

#[test]
fn a_refused_login_sends_nothing() {
    let (result, how) = submitted(
        |server, tls| server.with_tls(tls).with_login(),
        |client, tls| {
            let client = client.with_tls(tls, "mx.example.org").expect("a name");
            client.with_login("eve", "open")
        },
    );
    let error = error(result);
    assert!(matches!(&error, SmtpError::LoginRefused { reply } if reply.code() == 535));
    assert!(!error.is_permanent(), "it is not the fault of the message");
    assert_eq!(how, []);
}

/// Logs in in the clear at a server that says `replies` after EHLO.
fn log_in(offer: &'static str, replies: &[&'static str]) -> (Result<Sent>, Vec<String>) {
    let replies = [&["220 a\r\n", offer], replies].concat();
    let script = Script::new(&replies, true);
    let (server, mut outcome) = (script.clone(), None);
    testing::run(|reactor| {
        let port = reactor.listen_tcp(AT, move || server.clone()).unwrap();
        let client = SmtpClient::new(reactor, AT);
        let client = client.dangerously_with_login_in_the_clear("eve", "sesame");
        outcome = Some(submit(reactor, client));
        port.stop_listening();
    });
    (outcome.expect("it has run"), script.commands.take())
}

#[test]
fn the_mechanism_is_one_that_the_server_has() {
    let done = ["250 c\r\n", "250 d\r\n", "354 e\r\n", "", "250 f\r\n"];
    let plain = [&["235 in\r\n"], &done[..]].concat();
    let (result, commands) = log_in("250-b\r\n250 AUTH LOGIN PLAIN\r\n", &plain);
    result.expect("it is sent");
    assert_eq!(commands[1], "AUTH PLAIN AGV2ZQBzZXNhbWU=");

    let prompts = ["334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 in\r\n"];
    let login = [&prompts[..], &done].concat();
    let (result, commands) = log_in("250-b\r\n250 auth login CRAM-MD5\r\n", &login);
    result.expect("it is sent");
    assert_eq!(commands[1..4], ["AUTH LOGIN", "ZXZl", "c2VzYW1l"]);

    let (result, commands) = log_in("250-b\r\n250 AUTH CRAM-MD5\r\n", &[]);
    assert!(matches!(error(result), SmtpError::NotSupported { .. }));
    assert_eq!(commands[1..], ["QUIT"]);

    // A server that is in at the name does not get the password.
    let (result, commands) = log_in("250-b\r\n250 AUTH LOGIN\r\n", &["334 \r\n", "235 in\r\n"]);
    assert!(matches!(error(result), SmtpError::LoginRefused { .. }));
    assert_eq!(commands[1..], ["AUTH LOGIN", "ZXZl", "QUIT"]);
}

/// What an attacker appends to the reply to STARTTLS is not taken for the server's.
#[test]
fn replies_injected_behind_starttls_are_an_error() {
    for injected in [
        "250-mx\r\n250 AUTH PLAIN\r\n235 in\r\n",
        "250 ",
        "250-x\r\n",
    ] {
        let reply = Box::leak(format!("220 go ahead\r\n{injected}").into_boxed_str());
        let replies = ["220 a\r\n", "250-b\r\n250 STARTTLS\r\n", reply];
        let script = Script::new(&replies, true);
        let commands = script.commands.clone();
        testing::run(|reactor| {
            let script = script.clone();
            let port = reactor.listen_tcp(AT, move || script.clone()).unwrap();
            let client = SmtpClient::new(reactor, AT).with_tls(tls().1, "mx.example.org");
            let client = client.expect("a name").with_login("eve", "sesame");
            let failure: Failure = submit(reactor, client).expect_err("it was injected");
            assert!(
                failure.is::<TlsError>() || failure.is::<SmtpError>(),
                "{failure}"
            );
            port.stop_listening();
            reactor.advance(Duration::from_secs(60));
        });
        let commands = commands.borrow();
        assert_eq!(commands[1], "STARTTLS");
        let said = commands[2..].concat();
        assert!(!said.contains("AUTH") && !said.contains("MAIL"), "{said}");
    }
}

#[test]
fn tls_from_the_beginning_is_the_endpoint_s() {
    testing::run(|reactor| {
        let (inbox, server) = server();
        let (tls_server, tls_client) = tls();
        // STARTTLS is neither offered nor needed.
        let server = server.with_login().with_tls(tls_server.clone());
        let listening = reactor::Listen::listen(&tls_server.endpoint(AT), reactor, server);
        let port = reactor.block_on(listening).expect("it listens");
        let endpoint = tls_client.endpoint("mx.example.org", AT).expect("a name");
        reactor
            .block_on(send_mail(reactor, endpoint, EVE, BOB, "hi"))
            .unwrap();
        let endpoint = tls_client.endpoint("mx.example.org", AT).expect("a name");
        let client = SmtpClient::new(reactor, endpoint)
            .with_tls(tls_client.clone(), "mx.example.org")
            .expect("a name")
            .with_login("eve", "sesame");
        submit(reactor, client).expect("it is sent");
        let delivered = inbox.0.delivered.borrow();
        assert!(delivered.iter().all(|(envelope, _)| envelope.is_encrypted));
        assert_eq!(delivered[1].0.login.as_deref(), Some("eve"));
        let endpoint = tls_client.endpoint("mail.example.org", AT).expect("a name");
        let failed = reactor.block_on(send_mail(reactor, endpoint, EVE, BOB, "hi"));
        assert!(failed.unwrap_err().is::<TlsError>());
        port.stop_listening();
    });
}

/// Sends to a server that offers `offer`; gives the outcome and the MAIL command.
fn mail(
    offer: &'static str,
    from: &str,
    to: &str,
    text: impl AsRef<[u8]>,
) -> (Result<Sent>, String) {
    let mut replies = vec!["220 a\r\n", offer, "250 c\r\n", "250 d\r\n", "354 e\r\n"];
    // One for each line of the message, and for the dot behind it.
    let lines = String::from_utf8_lossy(text.as_ref()).replace("\r\n", "\n");
    replies.extend(lines.split_terminator(['\r', '\n']).map(|_| ""));
    replies.push("250 f\r\n");
    let script = Script::new(&replies, true);
    let (server, mut outcome) = (script.clone(), None);
    testing::run(|reactor| {
        let port = reactor.listen_tcp(AT, move || server.clone()).unwrap();
        outcome = Some(reactor.block_on(send_mail(reactor, AT, from, &[to], text)));
        port.stop_listening();
    });
    let command = script.commands.borrow()[1].clone();
    (outcome.expect("it has run"), command)
}

#[test]
fn the_size_is_announced_and_one_too_large_is_not_sent() {
    // Without the dot that is added, nor the end.
    let (result, command) = mail("250-b\r\n250 SIZE 12\r\n", EVE, BOB[0], ".tw\nlines");
    result.expect("it is sent");
    assert_eq!(command, "MAIL FROM:<eve@example.org> SIZE=12");
    for offer in ["250-b\r\n250 SIZE\r\n", "250-b\r\n250 size 0\r\n"] {
        let (result, command) = mail(offer, "", BOB[0], ".tw\nlines");
        result.expect("it is sent");
        assert_eq!(command, "MAIL FROM:<> SIZE=12");
    }
    let (result, command) = mail("250-b\r\n250 SIZE 11\r\n", EVE, BOB[0], ".tw\nlines");
    let error = error(result);
    assert_eq!(
        (&error, error.is_permanent()),
        (&SmtpError::TooLarge { limit: 11 }, true)
    );
    assert_eq!(command, "QUIT");
    let (result, command) = mail("250 b\r\n", EVE, BOB[0], "a\nb");
    result.expect("it is sent");
    assert_eq!(command, "MAIL FROM:<eve@example.org>");
}

#[test]
fn addresses_beyond_ascii_need_smtputf8() {
    let offer = "250-b\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n";
    for (from, to) in [
        (EVE, "b\u{f6}b@example.org"),
        ("\u{e9}ve@example.org", BOB[0]),
    ] {
        let (result, command) = mail(offer, from, to, "a\nb");
        result.expect("it is sent");
        assert_eq!(command, format!("MAIL FROM:<{from}> SMTPUTF8"));
        let (result, command) = mail("250-b\r\n250 8BITMIME\r\n", from, to, "a\nb");
        let extension = "SMTPUTF8";
        assert_eq!(error(result), SmtpError::NotSupported { extension });
        assert_eq!(command, "QUIT");
    }
    let (result, command) = mail(offer, EVE, BOB[0], "Subject: x\n\n\u{e4}\nb");
    result.expect("it is sent");
    assert_eq!(command, "MAIL FROM:<eve@example.org> BODY=8BITMIME");
}

#[test]
fn headers_beyond_ascii_need_smtputf8() {
    let offer = "250-b\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n";
    let (plain, utf8) = (" BODY=8BITMIME", " BODY=8BITMIME SMTPUTF8");
    for (message, parameters) in [
        (&b"Subject: gr\xc3\xbcn\r\n\r\nx"[..], utf8),
        (b"Subject: gr\xc3\xbcn", utf8),
        (b"A: x\nSubject: gr\xc3\xbcn\n\nx", utf8),
        (b"A: x\rSubject: gr\xc3\xbcn\r\rx", utf8),
        (b"Subject: x\r\n\r\n\r\ngr\xc3\xbcn", plain),
        (b"Subject: x\n\ngr\xc3\xbcn", plain),
        (b"\r\ngr\xc3\xbcn", plain),
        (b"\ngr\xc3\xbcn\n\nx", plain),
        // Latin-1, which SMTPUTF8 does not allow either.
        (b"Subject: gr\xfcn\r\n\r\nx", plain),
    ] {
        let shown = message.escape_ascii();
        let (result, command) = mail(offer, EVE, BOB[0], message);
        result.expect("it is sent");
        assert_eq!(command, format!("MAIL FROM:<{EVE}>{parameters}"), "{shown}");
        let (result, command) = mail("250-b\r\n250 8BITMIME\r\n", EVE, BOB[0], message);
        if parameters == utf8 {
            let extension = "SMTPUTF8";
            assert_eq!(error(result), SmtpError::NotSupported { extension });
            assert_eq!(command, "QUIT", "{shown}");
        } else {
            result.expect("it is sent");
        }
    }
}

#[test]
fn the_name_of_this_side_can_be_set() {
    for (name, is_valid) in [
        ("client.example.org", true),
        ("a\r\nMAIL FROM:<>", false),
        ("a b", false),
    ] {
        let script = Script::new(&["220 a\r\n", "550 no\r\n", "550 no\r\n"], true);
        let commands = script.commands.clone();
        testing::run(|reactor| {
            let script = script.clone();
            let port = reactor.listen_tcp(AT, move || script.clone()).unwrap();
            let client = SmtpClient::new(reactor, AT).with_hello(name);
            let error = error(submit(reactor, client));
            let is_invalid = matches!(error, SmtpError::InvalidAddress { .. });
            assert_eq!(is_invalid, !is_valid, "{error}");
            port.stop_listening();
        });
        let commands = commands.borrow();
        if is_valid {
            assert_eq!(
                commands[..2],
                [format!("EHLO {name}"), format!("HELO {name}")]
            );
        } else {
            assert_eq!(commands[..], ["QUIT"]);
        }
    }
}
