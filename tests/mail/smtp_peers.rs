//! SMTP with programs of other projects: smtplib, swaks, curl, msmtp, Twisted.

use std::process::Command;

use tests::python::has_module;
use tests::{Directory, is_there};

use crate::support::{serve, server};

const MESSAGE: &str =
    "From: eve@example.org\r\nTo: bob@example.org\r\nSubject: dots\r\n\r\n.\r\n..two\r\nend\r\n";

/// Serves until the program has ended well; gives the messages.
fn receive(command: impl FnOnce(u16) -> Command + Send) -> Vec<Vec<u8>> {
    let (inbox, server) = server();
    let output = serve(server, |port| command(port).output().expect("it starts"));
    assert!(output.status.success(), "{output:?}");
    inbox.messages()
}

fn python(module: &str, script: &str) {
    if !has_module(module) {
        return;
    }
    let messages = receive(|port| {
        let mut command = Command::new("python3");
        command.args(["-c", script, &port.to_string(), MESSAGE]);
        command
    });
    assert_eq!(messages, [MESSAGE.as_bytes()]);
}

#[test]
fn smtplib_sends() {
    python(
        "smtplib",
        r"
import smtplib, sys
with smtplib.SMTP('127.0.0.1', int(sys.argv[1]), timeout=30) as server:
    refused = server.sendmail('eve@example.org', ['nobody@example.org', 'bob@example.org'], sys.argv[2])
assert list(refused) == ['nobody@example.org'], refused
",
    );
}

#[test]
fn sendmail_of_twisted_sends() {
    python(
        "twisted.mail.smtp",
        r"
import sys
from twisted.internet.task import react
from twisted.mail.smtp import sendmail

def main(reactor):
    # Twisted makes CR LF of each LF, also behind a CR.
    message = sys.argv[2].replace('\r\n', '\n').encode()
    return sendmail('127.0.0.1', 'eve@example.org', ['bob@example.org'], message, port=int(sys.argv[1]))

react(main)
",
    );
}

#[test]
fn curl_sends() {
    if !is_there("curl") {
        return;
    }
    let folder = Directory::new("mail-of-curl");
    let file = folder.path("message");
    std::fs::write(&file, MESSAGE).expect("it is written");
    let messages = receive(|port| {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "--max-time", "30", "--mail-from", "eve@example.org"])
            .args(["--mail-rcpt", "bob@example.org", "--upload-file"])
            .arg(&file)
            .arg(format!("smtp://127.0.0.1:{port}"));
        command
    });
    assert_eq!(messages, [MESSAGE.as_bytes()]);
}

#[test]
fn swaks_sends_pipelined() {
    if !is_there("swaks") {
        return;
    }
    let messages = receive(|port| {
        let mut command = Command::new("swaks");
        command
            .args([
                "--server",
                "127.0.0.1",
                "--port",
                &port.to_string(),
                "--pipeline",
            ])
            .args(["--from", "eve@example.org", "--to", "bob@example.org"])
            .args(["--data", MESSAGE]);
        command
    });
    assert_eq!(messages.len(), 1);
    let text = String::from_utf8_lossy(&messages[0]);
    assert!(text.contains("\r\n.\r\n..two\r\nend\r\n"), "{text}");
}

#[test]
fn msmtp_sends() {
    if !is_there("msmtp") {
        return;
    }
    let messages = receive(|port| {
        let mut command = Command::new("sh");
        let msmtp = format!(
            "printf 'Subject: dots\\n\\n.\\n..two\\nend\\n' | msmtp --host=127.0.0.1 --port={port} \
             --from=eve@example.org --timeout=30 bob@example.org"
        );
        command.args(["-c", &msmtp]);
        command
    });
    assert_eq!(messages.len(), 1);
    let text = String::from_utf8_lossy(&messages[0]);
    assert!(
        text.ends_with("Subject: dots\r\n\r\n.\r\n..two\r\nend\r\n"),
        "{text}"
    );
}
