//! `ImapClient` against servers of other projects: Dovecot, Twisted.

use std::net::TcpStream;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{fs, thread};

use deferred::{Deferred, Result, succeed};
use reactor::{Reactor, ReactorHandle};
use reactor_mail::imap_types::fetch::MessageDataItemName;
use reactor_mail::imap_types::flag::{Flag, StoreType};
use reactor_mail::imap_types::response::Code;
use reactor_mail::imap_types::search::SearchKey;
use reactor_mail::{FetchHandler, ImapClient, ImapEvent, ImapMessage, ImapMessages};
use tests::{Directory, free_port, is_there, python, skip};

use crate::imap_script::BODY;

const PATIENCE: Duration = Duration::from_secs(60);
/// Twisted needs the headers of MIME to describe a message.
const HEADERS: &str = "From: eve@example.org\r\nTo: bob@example.org\r\nMime-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n";

fn message(subject: &str, text: &str) -> String {
    format!("{HEADERS}Subject: {subject}\r\n\r\n{text}\r\n")
}

/// A server that is killed at the end.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // Errs if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run<T: 'static>(talk: impl FnOnce(ReactorHandle) -> Deferred<T>) -> T {
    let reactor = Reactor::new().expect("a reactor");
    let talk = talk(reactor.handle()).add_timeout(PATIENCE, &reactor);
    reactor.block_on(talk).expect("it goes well")
}

/// Counts the bytes of bodies.
struct Counting(std::rc::Rc<std::cell::Cell<usize>>);

impl FetchHandler for Counting {
    fn body(&mut self, _: &ImapMessage, _: u32) -> Deferred<()> {
        succeed(())
    }

    fn data(&mut self, data: &[u8]) -> Deferred<()> {
        self.0.set(self.0.get() + data.len());
        succeed(())
    }
}

/// What each server must be able to do.
async fn basics(client: &ImapClient) -> Result<()> {
    client.login("eve", "sesame").await?;
    let inbox = client.select("INBOX").await?;
    assert_eq!(inbox.exists, 0);
    let short = message("short", "Hello");
    client
        .append("INBOX", [Flag::Flagged], None, short.clone())
        .await?;
    let large = message("large", &format!("{}\r\n", "x".repeat(78)).repeat(20_000));
    let length = large.len();
    // Twisted does not take a message without flags.
    client.append("INBOX", [Flag::Draft], None, large).await?;
    client.noop().await?;
    let found = client.search([SearchKey::Flagged]).await?;
    assert_eq!(found.len(), 1);
    let items = vec![
        MessageDataItemName::Envelope,
        MessageDataItemName::Flags,
        MessageDataItemName::Rfc822Size,
        MessageDataItemName::BodyStructure,
    ];
    let messages = client.fetch(ImapMessages::uids("1:*"), items).await?;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1].size(), Some(length as u32));
    let fetched = client
        .fetch(ImapMessages::uids(found.clone()), vec![BODY])
        .await?;
    assert_eq!(fetched[0].body(), Some(short.as_bytes()));
    let bytes = std::rc::Rc::default();
    let counting = Counting(std::rc::Rc::clone(&bytes));
    client
        .fetch_streamed(ImapMessages::numbers("1:*"), vec![BODY], counting)
        .await?;
    assert_eq!(bytes.get(), short.len() + length);
    let flags = [Flag::Seen, Flag::Deleted];
    let stored = client
        .store(ImapMessages::uids(found), StoreType::Add, flags)
        .await?;
    assert_eq!(stored.len(), 1);
    client.expunge().await?;
    let inbox = client.select("INBOX").await?;
    assert_eq!(inbox.exists, 1);
    Ok(())
}

/// What comes with the extensions of Dovecot.
async fn extensions(client: &ImapClient) -> Result<()> {
    client.create("Entw\u{fc}rfe & more").await?;
    let list = client.list("", "*").await?;
    assert!(
        list.iter().any(|it| it.name == "Entw\u{fc}rfe & more"),
        "{list:?}"
    );
    let green = message("gr\u{fc}n", "Hello");
    let code = client
        .append("Entw\u{fc}rfe & more", [], None, green.clone())
        .await?;
    assert!(matches!(code, Some(Code::AppendUid { .. })), "{code:?}");
    client.select("Entw\u{fc}rfe & more").await?;
    let found = client
        .search([SearchKey::Subject("gr\u{fc}n".try_into()?)])
        .await?;
    assert_eq!(found.len(), 1);
    let code = client.copy(ImapMessages::uids("1:*"), "INBOX").await?;
    assert!(matches!(code, Some(Code::CopyUid { .. })), "{code:?}");
    let code = client.move_to(ImapMessages::uids("1:*"), "INBOX").await?;
    assert!(matches!(code, Some(Code::CopyUid { .. })), "{code:?}");
    let inbox = client.select("INBOX").await?;
    assert_eq!(inbox.exists, 3);
    client.delete("Entw\u{fc}rfe & more").await?;

    // A message that comes while the client idles: another client appends it.
    let (came, coming) = Deferred::pair();
    client.on_event(move |event| {
        if let ImapEvent::Exists(count) = event {
            // Errs if it has come before.
            let _ = came.callback(count);
        }
    });
    let idle = client.idle();
    client.append("INBOX", [], None, green).await?;
    assert_eq!(coming.await?, 4);
    client.idle_done();
    idle.await?;
    client
        .store(ImapMessages::uids("1:*"), StoreType::Add, [Flag::Deleted])
        .await?;
    client.expunge_only(ImapMessages::uids("1:*")).await?;
    client.close().await
}

#[test]
fn dovecot_serves() {
    let dovecot = "/usr/sbin/dovecot";
    if !is_there(dovecot) || !rustix::process::geteuid().is_root() {
        return skip("no dovecot, or not root");
    }
    let directory = Directory::new("dovecot");
    let at = |name: &str| directory.path(name);
    let port = free_port();
    // Dovecot does not serve root's mail.
    fs::write(at("users"), "eve:{PLAIN}sesame:33:33::/nowhere::\n").expect("it is written");
    fs::create_dir(at("mail")).expect("a directory");
    for name in ["", "mail"] {
        std::os::unix::fs::chown(at(name), Some(33), Some(33)).expect("root may");
    }
    let config = format!(
        "protocols = imap\nlisten = 127.0.0.1\nbase_dir = {base}\nstate_dir = {state}\n\
         log_path = {log}\nssl = no\ndisable_plaintext_auth = no\n\
         mail_location = maildir:{mail}/%u\nfirst_valid_uid = 33\nmail_uid = 33\nmail_gid = 33\n\
         default_internal_user = www-data\ndefault_internal_group = www-data\n\
         default_login_user = www-data\nservice imap-login {{\n  chroot =\n  inet_listener imap {{\n    port = {port}\n  }}\n  \
         inet_listener imaps {{\n    port = 0\n  }}\n}}\nservice anvil {{\n  chroot =\n}}\n\
         service stats {{\n  chroot =\n}}\n\
         passdb {{\n  driver = passwd-file\n  args = {users}\n}}\n\
         userdb {{\n  driver = passwd-file\n  args = {users}\n}}\n",
        base = at("run"),
        state = at("state"),
        log = at("log"),
        mail = at("mail"),
        users = at("users"),
    );
    fs::write(at("dovecot.conf"), config).expect("it is written");
    let mut command = Command::new(dovecot);
    command.args(["-F", "-c", &at("dovecot.conf")]);
    let server = Server(command.spawn().expect("it starts"));
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            Instant::now() < deadline,
            "{:?}",
            fs::read_to_string(at("log"))
        );
        thread::yield_now();
    }
    let talked = std::panic::catch_unwind(|| {
        run(|reactor| {
            reactor.clone().spawn(async move {
                let builder = ImapClient::builder().dangerously_in_the_clear();
                let client = builder.connect(&reactor, ("127.0.0.1", port)).await?;
                basics(&client).await?;
                extensions(&client).await?;
                client.logout().await?;
                let client = builder.connect(&reactor, ("127.0.0.1", port)).await?;
                client.authenticate_plain("eve", "sesame").await?;
                client.logout().await
            })
        });
    });
    if let Err(panic) = talked {
        eprintln!("{}", fs::read_to_string(at("log")).unwrap_or_default());
        std::panic::resume_unwind(panic);
    }
    // Dovecot stops its processes when it is asked to, not when it is killed.
    let stop = Command::new("/usr/bin/doveadm")
        .args(["-c", &at("dovecot.conf"), "stop"])
        .status();
    assert!(stop.is_ok_and(|status| status.success()));
    drop(server);
}

const TWISTED: &str = r#"
import sys
from io import BytesIO
from twisted.cred import portal, checkers, credentials
from twisted.internet import reactor, protocol, defer
from twisted.mail import imap4
from zope.interface import implementer

@implementer(imap4.IMailbox, imap4.IMessage)
class Nothing: pass

@implementer(imap4.IMessage)
class Message:
    def __init__(self, uid, data, flags):
        self.uid, self.data, self.flags = uid, data, set(flags)
        head, _, self.text = data.partition(b"\r\n\r\n")
        self.head = [line.split(b": ", 1) for line in head.split(b"\r\n")]
    def getUID(self): return self.uid
    def getFlags(self): return list(self.flags)
    def getInternalDate(self): return "01-Jan-2026 00:00:00 +0000"
    def getHeaders(self, negate, *names):
        names = [n.lower() for n in names]
        pairs = [(k.decode().lower(), v.decode()) for k, v in self.head]
        return {k: v for k, v in pairs if (k.encode() in names or k in names) != negate}
    def getBodyFile(self): return BytesIO(self.text)
    def getSize(self): return len(self.data)
    def isMultipart(self): return False
    def getSubPart(self, part): raise IndexError

@implementer(imap4.IMailbox)
class Box:
    def __init__(self): self.all, self.next = [], 1
    def getFlags(self): return ["\\Seen", "\\Deleted", "\\Flagged"]
    def getHierarchicalDelimiter(self): return "/"
    def getUIDValidity(self): return 1
    def getUIDNext(self): return self.next
    def getUID(self, n): return self.all[n - 1].uid
    def getMessageCount(self): return len(self.all)
    def getRecentCount(self): return 0
    def getUnseenCount(self): return 0
    def isWriteable(self): return True
    def destroy(self): pass
    def requestStatus(self, names): return imap4.statusRequestHelper(self, names)
    def addListener(self, l): pass
    def removeListener(self, l): pass
    def addMessage(self, message, flags=(), date=None):
        self.all.append(Message(self.next, message.read(), flags))
        self.next += 1
        return defer.succeed(None)
    def expunge(self):
        gone = [m.uid for m in self.all if "\\Deleted" in m.flags]
        self.all = [m for m in self.all if "\\Deleted" not in m.flags]
        return gone
    def pick(self, messages, uid):
        messages.last = (self.next - 1) if uid else len(self.all)
        for n, m in enumerate(self.all, 1):
            if (m.uid if uid else n) in messages: yield n, m
    def fetch(self, messages, uid): return list(self.pick(messages, uid))
    def store(self, messages, flags, mode, uid):
        out = {}
        for n, m in self.pick(messages, uid):
            m.flags = set(flags) if mode == 0 else m.flags | set(flags) if mode > 0 else m.flags - set(flags)
            out[n] = list(m.flags)
        return out

class Account(imap4.MemoryAccount):
    def _emptyMailbox(self, name, id): return Box()

class Realm:
    def requestAvatar(self, user, mind, *interfaces):
        account = Account(user)
        account.create("INBOX")
        return imap4.IAccount, account, lambda: None

class Factory(protocol.Factory):
    def buildProtocol(self, addr):
        server = imap4.IMAP4Server()
        server.portal = portal.Portal(Realm(), [checkers.InMemoryUsernamePasswordDatabaseDontUse(eve=b"sesame")])
        return server

port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
"#;

#[test]
fn twisted_serves() {
    let Some(server) = python::Server::start("twisted.mail.imap4", TWISTED, &[]) else {
        return;
    };
    let port = server.port;
    run(|reactor| {
        reactor.clone().spawn(async move {
            let builder = ImapClient::builder().dangerously_in_the_clear();
            let client = builder.connect(&reactor, ("127.0.0.1", port)).await?;
            basics(&client).await?;
            client.logout().await
        })
    });
}
