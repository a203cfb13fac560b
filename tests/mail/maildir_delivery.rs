//! Maildirs behind the SMTP receiver.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use reactor::testing::{self, TestReactor};
use reactor_mail::{Maildir, MaildirDelivery, SmtpServer};

use crate::folder::{Folder, files};
use crate::support::{codes, greeted};

/// A server whose users are `ann` and `bob`, and two more: `robert` has the Maildir of `bob`, and
/// that of `lost` cannot be created.
fn server(reactor: &TestReactor, folder: &Folder) -> SmtpServer {
    let path = folder.0.to_path_buf();
    let delivery = MaildirDelivery::new(reactor, move |to| {
        let name = match to.local_part() {
            name @ ("ann" | "bob") => name,
            "robert" => "bob",
            "lost" => "not/there",
            _ => return None,
        };
        Some(Maildir::new(path.join(name)))
    });
    SmtpServer::new("mx.example.org", delivery)
}

fn begin(to: &[&str]) -> String {
    let recipients = to
        .iter()
        .map(|to| format!("RCPT TO:<{to}@example.org>\r\n"));
    let recipients: String = recipients.collect();
    format!("MAIL FROM:<eve@example.org>\r\n{recipients}DATA\r\n")
}

fn messages(folder: &Folder, name: &str) -> Vec<String> {
    let maildir = Maildir::new(folder.0.join(name));
    let entries = maildir.list().unwrap_or_default();
    let text = |entry| String::from_utf8(maildir.read(entry).expect("it is there"));
    entries
        .iter()
        .map(|entry| text(entry).expect("it is text"))
        .collect()
}

/// Files that are in no list.
fn unfinished(folder: &Folder) -> usize {
    let count = |name: &str| {
        let path = folder.0.join(name).join("tmp");
        fs::read_dir(path).map_or(0, Iterator::count)
    };
    count("ann") + count("bob")
}

#[test]
fn each_recipient_gets_the_message_once() {
    testing::run(|reactor| {
        let folder = Folder::new();
        let server = server(reactor, &folder);
        let (_connection, peer) = greeted(reactor, &server);
        peer.send(begin(&["ann", "bob", "mallory", "robert"]));
        peer.send("Subject: hi\r\n\r\n..dot\r\n.\r\n");
        reactor.settle();
        assert_eq!(codes(&peer), [250, 250, 250, 550, 250, 354, 250]);
        for name in ["ann", "bob"] {
            let [message] = &messages(&folder, name)[..] else {
                panic!("{name} has others");
            };
            assert!(
                message.starts_with("Return-Path: <eve@example.org>\n"),
                "{message}"
            );
            assert!(message.ends_with("Subject: hi\n\n.dot\n"), "{message}");
        }
        peer.send("MAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nBDAT 0 LAST\r\n");
        reactor.settle();
        assert_eq!(codes(&peer), [250, 250, 250]);
        assert!(messages(&folder, "ann")[1].starts_with("Return-Path: <>\n"));
        assert_eq!(unfinished(&folder), 0);
    });
}

#[test]
fn a_long_message_is_written_while_it_comes() {
    testing::run(|reactor| {
        let folder = Folder::new();
        folder.maildir("ann");
        let server = server(reactor, &folder);
        let (_connection, peer) = greeted(reactor, &server);
        peer.send(begin(&["ann"]));
        let line = format!("{}\r\n", "x".repeat(998));
        let mut sent = 0_u64;
        for _ in 0..50 {
            peer.send(line.repeat(20));
            reactor.settle();
            sent += 999 * 20;
            let written: u64 = files(&Maildir::new(folder.0.join("ann")), "tmp")
                .iter()
                .map(|name| {
                    let path: PathBuf = folder.0.join("ann/tmp").join(name);
                    fs::metadata(path).map_or(0, |metadata| metadata.len())
                })
                .sum();
            // What waits is not more than the buffers of this side.
            assert!(
                sent.saturating_sub(written) < 256 * 1024,
                "{written} of {sent}"
            );
        }
        peer.send(".\r\n");
        reactor.settle();
        assert_eq!(codes(&peer), [250, 250, 354, 250]);
        let messages = messages(&folder, "ann");
        assert!(messages[0].ends_with(&line.repeat(1000).replace('\r', "")));
        assert_eq!(unfinished(&folder), 0);
    });
}

#[test]
fn a_hang_up_leaves_nothing() {
    for pieces in [0, 1, 300] {
        testing::run(|reactor| {
            let folder = Folder::new();
            let server = server(reactor, &folder);
            let (connection, peer) = greeted(reactor, &server);
            peer.send(begin(&["ann", "bob"]));
            for _ in 0..pieces {
                peer.send("x".repeat(998) + "\r\n");
                reactor.settle();
            }
            assert_eq!(unfinished(&folder), usize::from(pieces > 200));
            peer.reset();
            reactor.settle();
            assert!(connection.is_gone());
            assert_eq!(unfinished(&folder), 0);
            assert!(messages(&folder, "ann").is_empty() && messages(&folder, "bob").is_empty());
        });
    }
}

#[test]
fn if_one_maildir_fails_no_recipient_gets_the_message() {
    testing::run(|reactor| {
        let folder = Folder::new();
        let server = server(reactor, &folder);
        let (_connection, peer) = greeted(reactor, &server);
        for length in [1, 300] {
            peer.send(begin(&["ann", "lost"]));
            peer.send(("x".repeat(998) + "\r\n").repeat(length));
            peer.send(".\r\nNOOP\r\n");
            reactor.settle();
            assert_eq!(codes(&peer), [250, 250, 250, 354, 451, 250]);
            assert!(messages(&folder, "ann").is_empty());
            assert_eq!(unfinished(&folder), 0);
        }
    });
}

/// A file of this process may have 32 KiB, in the child: as on a disk with so much room.
#[test]
fn a_full_disk_is_temporary_and_loses_nothing() {
    const IN_CHILD: &str = "MAIL_TESTS_FILES_ARE_LIMITED";
    if std::env::var_os(IN_CHILD).is_none() {
        // Ignored, the signal is an error of the write.
        let limited = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
        let output = Command::new("sh")
            .args(["-c", limited])
            .arg(std::env::current_exe().expect("it runs"))
            .args([
                "--exact",
                "maildir_delivery::a_full_disk_is_temporary_and_loses_nothing",
            ])
            .env(IN_CHILD, "1")
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{output:?}");
        return;
    }
    testing::run(|reactor| {
        let folder = Folder::new();
        let server = server(reactor, &folder);
        let (_connection, peer) = greeted(reactor, &server);
        let line = "x".repeat(998) + "\r\n";
        // Written at the end, and while it comes.
        for (lines, reply) in [(1, 250), (100, 452), (400, 452), (20, 250)] {
            peer.send(begin(&["ann", "bob"]));
            peer.send(line.repeat(lines));
            peer.send(".\r\n");
            reactor.settle();
            assert_eq!(codes(&peer), [250, 250, 250, 354, reply], "{lines}");
            assert_eq!(unfinished(&folder), 0);
        }
        for name in ["ann", "bob"] {
            let messages = messages(&folder, name);
            let lines: Vec<_> = messages
                .iter()
                .map(|text| text.matches("\nx").count())
                .collect();
            assert_eq!(lines, [1, 20]);
        }
    });
}

/// The smuggled ends of a message, and hang-ups in each state: no file is left.
#[test]
fn no_smuggled_message_and_no_unfinished_one_is_in_a_maildir() {
    for end in [
        "\n.\n",
        "\r.\r",
        "\n.\r\n",
        "\r.\r\n",
        "\r\n.\n",
        "\r\n.\r",
        "\r\r\n.\r\n",
    ] {
        for before in [1, 300] {
            testing::run(|reactor| {
                let folder = Folder::new();
                let server = server(reactor, &folder);
                let (_connection, peer) = greeted(reactor, &server);
                peer.send(begin(&["ann", "bob"]));
                peer.send(("x".repeat(998) + "\r\n").repeat(before));
                reactor.settle();
                peer.send(format!("hello{end}MAIL FROM:<mallory@example.org>\r\n"));
                reactor.settle();
                assert_eq!(codes(&peer).last(), Some(&521), "{end:?}");
                assert!(peer.is_closed());
                assert_eq!(unfinished(&folder), 0);
                assert!(messages(&folder, "ann").is_empty());
            });
        }
    }
    let whole = format!("EHLO x\r\n{}a\r\n.\r\nQUIT\r\n", begin(&["ann"]));
    let end_of_message = whole.find("QUIT").expect("it is there");
    for sent in 0..whole.len() {
        testing::run(|reactor| {
            let folder = Folder::new();
            let server = server(reactor, &folder);
            let (connection, peer) = reactor.connect_to_peer(server.receiver());
            peer.send(&whole[..sent]);
            reactor.settle();
            peer.reset();
            reactor.settle();
            assert!(connection.is_gone());
            assert_eq!(unfinished(&folder), 0);
            let expected = usize::from(sent >= end_of_message);
            assert_eq!(
                messages(&folder, "ann").len(),
                expected,
                "{:?}",
                &whole[..sent]
            );
        });
    }
}

/// Folders that lead to themselves cannot be read, not even by root.
#[test]
fn an_unreadable_maildir_is_a_temporary_failure() {
    testing::run(|reactor| {
        let folder = Folder::new();
        std::os::unix::fs::symlink("ann", folder.0.join("ann")).expect("it is made");
        let bob = folder.maildir("bob");
        fs::remove_dir(bob.path().join("new")).expect("it is empty");
        fs::write(bob.path().join("new"), "").expect("it is written");
        let server = server(reactor, &folder);
        let (_connection, peer) = greeted(reactor, &server);
        for to in ["ann", "bob"] {
            peer.send(begin(&[to]));
            peer.send("a\r\n.\r\n");
            reactor.settle();
            assert_eq!(codes(&peer), [250, 250, 354, 451], "{to}");
        }
        assert_eq!(unfinished(&folder), 0);
    });
}
