//! Gives the fuzzer's bytes to an IMAP server, whole and in pieces, behind a login: the answers are the
//! same, and nothing panics.

#![no_main]

use std::time::{Duration, SystemTime};

use libfuzzer_sys::fuzz_target;
use reactor::testing::TestReactor;
use reactor_mail::{ImapServer, MailboxName, MemoryMail, NewMessage};

const MESSAGE: &str = "From: Eve <eve@example.org>\r\nTo: bob@example.org\r\nSubject: =?utf-8?q?hi?=\r\n\
    Date: Sun, 29 Nov 2026 10:00:00 +0100\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\
    text\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nbody\r\n--b--\r\n";

/// What comes back if the server reads at most so many bytes at once. An account as at the beginning for
/// each.
fn answers(bytes: &[u8], largest_read: usize) -> Vec<u8> {
    let mail = MemoryMail::new().with_account("bob", "sesame");
    let account = mail.account("bob").expect("it was made");
    let inbox = account.open(&MailboxName::inbox()).into_result();
    let inbox = inbox.expect("at once").expect("it is there");
    for seconds in [1_000_000_000, 1_700_000_000] {
        let mut message = NewMessage::new(MESSAGE);
        message.date = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        inbox.append(message).ignore();
    }
    let reactor = TestReactor::new();
    let server = ImapServer::new("mail.test", mail).dangerously_with_login_in_the_clear();
    let (_session, client) = reactor.connect_to_peer(server.session());
    client.send("a LOGIN bob sesame\r\nb SELECT inbox\r\n");
    client.received();
    reactor.set_largest_read(largest_read);
    client.send(bytes);
    let mut answers = client.received();
    // Long answers come as the client takes them.
    loop {
        reactor.settle();
        match client.received() {
            more if more.is_empty() => break,
            more => answers.extend(more),
        }
    }
    client.close();
    reactor.settle();
    answers
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else {
        return;
    };
    let whole = answers(bytes, 64 * 1024);
    let in_pieces = answers(bytes, usize::from(cut % 16) + 1);
    // The date of what was appended is the time of each run.
    if whole != in_pieces
        && !bytes
            .to_ascii_uppercase()
            .windows(6)
            .any(|part| part == b"APPEND")
    {
        panic!("{}\n{}", whole.escape_ascii(), in_pieces.escape_ascii());
    }
});
