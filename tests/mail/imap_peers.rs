//! The IMAP server with clients of other projects: imaplib, IMAPClient, curl, mbsync, mutt, Twisted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tests::python::has_module;
use tests::{Directory, is_there};

use crate::imap_support::{Mail, now};
use crate::support::serve;

const MESSAGE: &str = "From: eve@example.org\r\nTo: bob@example.org\r\n\
    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-Id: <1@example.org>\r\n\
    Date: Wed, 17 Jul 1996 02:23:25 -0700\r\n\r\nhello\r\n.dot\r\n";

fn succeed(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    output
}

fn python(module: &str, script: &str) {
    if !has_module(module) {
        return;
    }
    let mail = Mail::new();
    mail.add(MESSAGE);
    serve(mail.server(), |port| {
        succeed(Command::new("python3").args(["-c", script, &port.to_string(), MESSAGE]));
    });
}

#[test]
fn imaplib_reads() {
    python(
        "imaplib",
        r"
import imaplib, sys, time
imap = imaplib.IMAP4('127.0.0.1', int(sys.argv[1]), timeout=30)
message = sys.argv[2].encode()
def ok(answer):
    assert answer[0] == 'OK', answer
    return answer[1]
try:
    imap.login('bob', 'wrong')
    assert False
except imaplib.IMAP4.error:
    pass
ok(imap.authenticate('PLAIN', lambda challenge: b'\0bob\0sesame'))
ok(imap.create('Archive/2001'))
ok(imap.subscribe('Archive/2001'))
assert b'() \x22/\x22 Archive/2001' in ok(imap.list()), imap.list()
assert ok(imap.lsub()) == [b'() \x22/\x22 Archive/2001']
assert ok(imap.select()) == [b'1']
assert ok(imap.fetch('1', '(RFC822)'))[0][1] == message
assert ok(imap.search(None, 'SUBJECT', 'second')) == [b'']
ok(imap.append('INBOX', '(\\Flagged)', imaplib.Time2Internaldate(time.time()), b'Subject: second\n\nx\n'))
assert ok(imap.search(None, 'SUBJECT', 'second')) == [b'2']
assert b'\\Seen' in ok(imap.store('2', '+FLAGS', '\\Seen'))[0]
ok(imap.copy('1', 'Archive/2001'))
ok(imap.store('1', '+FLAGS', '\\Deleted'))
assert ok(imap.expunge()) == [b'1']
assert ok(imap.uid('SEARCH', 'ALL')) == [b'2']
assert b'MESSAGES 1' in ok(imap.status('Archive/2001', '(MESSAGES UIDNEXT)'))[0]
ok(imap.close())
ok(imap.rename('Archive/2001', 'Archive/x'))
ok(imap.delete('Archive/x'))
assert imap.logout()[0] == 'BYE'
",
    );
}

#[test]
fn imapclient_reads() {
    python(
        "imapclient",
        r"
import sys
from imapclient import IMAPClient
client = IMAPClient('127.0.0.1', int(sys.argv[1]), ssl=False, timeout=30)
other = IMAPClient('127.0.0.1', int(sys.argv[1]), ssl=False, timeout=30)
client.login('bob', 'sesame'); other.plain_login('bob', 'sesame')
client.create_folder('Entwürfe & Rest')
assert 'Entwürfe & Rest' in [name for _, _, name in client.list_folders()]
assert client.namespace().personal == (('', '/'),)
assert client.select_folder('INBOX')[b'EXISTS'] == 1
data = client.fetch([1], ['ENVELOPE', 'BODYSTRUCTURE', 'BODY.PEEK[]', 'INTERNALDATE', 'FLAGS'])[1]
assert data[b'BODY[]'] == sys.argv[2].encode()
assert data[b'ENVELOPE'].from_[0].mailbox == b'eve'
assert data[b'ENVELOPE'].subject == b'=?utf-8?q?Gr=C3=BC=C3=9Fe?='
assert data[b'BODYSTRUCTURE'][0] == b'TEXT'
client.idle()
other.append('INBOX', 'Subject: new\r\n\r\n', ['\\Seen'])
assert (2, b'EXISTS') in client.idle_check(timeout=10)
client.idle_done()
assert client.search(['SUBJECT', 'Grüße'], 'UTF-8') == [1]
assert client.add_flags([2], ['$Junk']) == {2: (b'\\Seen', b'$Junk', b'\\Recent')}
client.move([1], 'Entwürfe & Rest')
assert client.search() == [2]
client.uid_expunge([2])
client.unselect_folder()
client.logout(); other.logout()
",
    );
}

#[test]
fn the_client_of_twisted_reads() {
    python(
        "twisted.mail.imap4",
        r"
import io, sys
from twisted.internet import defer, endpoints, protocol, task
from twisted.mail import imap4
@defer.inlineCallbacks
def main(reactor):
    endpoint = endpoints.TCP4ClientEndpoint(reactor, '127.0.0.1', int(sys.argv[1]))
    client = yield endpoint.connect(protocol.Factory.forProtocol(imap4.IMAP4Client))
    client.registerAuthenticator(imap4.PLAINAuthenticator(b'bob'))
    yield client.authenticate(b'sesame')
    names = yield client.list('', '*')
    assert [name for _, _, name in names] == ['INBOX'], names
    info = yield client.select('inbox')
    assert info['EXISTS'] == 1 and info['UIDVALIDITY'] == 1, info
    data = yield client.fetchMessage('1')
    assert data[1]['RFC822'] == sys.argv[2], data
    data = yield client.fetchEnvelope('1')
    assert data[1]['ENVELOPE'][2][0][2:] == ['eve', 'example.org'], data
    data = yield client.fetchBodyStructure('1')
    assert data[1]['BODYSTRUCTURE'][0] == 'TEXT', data
    yield client.create('other')
    yield client.append('other', io.BytesIO(b'Subject: x\r\n\r\n'), ['\\Seen'])
    status = yield client.status('other', 'MESSAGES', 'UNSEEN')
    assert status['MESSAGES'] == 1 and status['UNSEEN'] == 0, status
    yield client.copy('1', 'other', False)
    yield client.setFlags('1', ['\\Deleted'])
    assert (yield client.expunge()) == [1]
    assert (yield client.search(imap4.Query(all=True))) == []
    yield client.logout()
task.react(main)
",
    );
}

#[test]
fn curl_reads() {
    if !is_there("curl") {
        return;
    }
    let mail = Mail::new();
    mail.add(MESSAGE);
    serve(mail.server(), |port| {
        let curl = |arguments: &[&str]| {
            let mut command = Command::new("curl");
            command.args(["--silent", "--show-error", "--max-time", "30"]);
            succeed(command.args(["--user", "bob:sesame"]).args(arguments)).stdout
        };
        let url = format!("imap://127.0.0.1:{port}");
        assert_eq!(curl(&[&format!("{url}/INBOX;UID=1")]), MESSAGE.as_bytes());
        let text = curl(&[&format!("{url}/INBOX;UID=1;SECTION=TEXT")]);
        assert_eq!(text, b"hello\r\n.dot\r\n");
        assert_eq!(curl(&[&url]), b"* LIST () \"/\" INBOX\r\n");
        assert_eq!(curl(&[&format!("{url}/INBOX?ALL")]), b"* SEARCH 1\r\n");
        let folder = Directory::new("curl");
        let file = folder.path("message");
        fs::write(&file, MESSAGE).expect("it can be written");
        curl(&["--upload-file", &file, &format!("{url}/INBOX")]);
    });
    assert_eq!(now(mail.inbox().messages()).messages.len(), 2);
}

fn mbsync(folder: &Path, port: u16) -> String {
    let place = folder.display();
    let config = format!(
        "IMAPAccount test\nHost 127.0.0.1\nPort {port}\nUser bob\nPass sesame\nSSLType None\nAuthMechs *\n\n\
         IMAPStore far\nAccount test\n\n\
         MaildirStore near\nPath {place}/\nInbox {place}/INBOX\nSubFolders Verbatim\n\n\
         Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n"
    );
    let file = folder.join("config");
    fs::write(&file, config).expect("it can be written");
    let mut command = Command::new("mbsync");
    command.args(["--verbose", "--config"]).arg(file).arg("all");
    let output = succeed(&mut command);
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// The messages of a Maildir.
fn maildir(folder: &Path) -> Vec<PathBuf> {
    let folders = ["cur", "new"].map(|name| folder.join(name));
    let files = folders
        .into_iter()
        .filter_map(|folder| fs::read_dir(folder).ok());
    let entries = files
        .flatten()
        .map(|entry| entry.expect("it can be read").path());
    entries.collect()
}

#[test]
fn mbsync_goes_both_ways() {
    if !is_there("mbsync") {
        return;
    }
    let mail = Mail::new();
    for number in 0..20 {
        mail.add(&format!("Subject: {number}\r\n\r\nbody {number}\r\n"));
    }
    let folder = Directory::new("mbsync");
    serve(mail.server(), |port| {
        mbsync(&folder, port);
        assert_eq!(maildir(&folder.join("INBOX")).len(), 20);
        // One message more on the near side.
        let message = folder.join("INBOX/new/1.1.here");
        fs::write(message, "Subject: from here\n\nx\n").expect("it can be written");
        mbsync(&folder, port);
        // Nothing is left to do.
        let output = mbsync(&folder, port);
        assert!(!output.contains("error"), "{output}");
    });
    let messages = now(mail.inbox().messages()).messages;
    assert_eq!(messages.len(), 21);
    let appended = mail.control.count("append");
    assert_eq!(appended, 1, "the third run appended nothing");
    assert_eq!(mail.control.count("expunge"), 0);
}

#[test]
fn mutt_reads() {
    if !is_there("mutt") || !is_there("script") {
        return;
    }
    let mail = Mail::new();
    mail.add(MESSAGE);
    let home = Directory::new("mutt");
    serve(mail.server(), |port| {
        // Opens the message, flags it, and quits.
        let config = home.path("config");
        let settings = format!(
            "set folder=imap://bob@127.0.0.1:{port}\nset spoolfile=+INBOX\nset imap_user=bob\n\
             set imap_pass=sesame\nset ssl_starttls=no\nset ssl_force_tls=no\nset delete=yes\n\
             set quit=yes\nset copy=no\nset header_cache=\nset wait_key=no\nset beep=no\n\
             push '<display-message><exit><flag-message><sync-mailbox><quit>'\n"
        );
        fs::write(&config, settings).expect("it can be written");
        let line = format!("mutt -F {config}");
        let mut command = Command::new("timeout");
        command.args(["60", "script", "-qec", &line, "/dev/null"]);
        succeed(command.env("TERM", "vt100").env("HOME", &*home));
    });
    let flags = now(mail.inbox().messages()).messages[0].flags.to_string();
    assert_eq!(flags, "Flagged Seen");
}
