//! What the tests of the IMAP server have in common.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use deferred::{Deferred, Failure, Trigger, fail, succeed};
use reactor::Connection;
use reactor::testing::{Peer, TestReactor};
use reactor_mail::{
    Account, CopiedMessages, FlagChange, ImapServer, ImapSession, Login, MailFlags, Mailbox,
    MailboxEntry, MailboxName, MailboxSnapshot, MailboxWatch, MemoryMail, NewMessage, Uid,
};

/// Mail in memory that waits, fails or panics where a test says so.
#[derive(Clone)]
pub(crate) struct Mail {
    pub(crate) memory: MemoryMail,
    pub(crate) control: Rc<Control>,
}

#[derive(Default)]
pub(crate) struct Control {
    /// Whether those that watch a mailbox hear of no change, as before the next look at the files.
    pub(crate) tells_nothing: Cell<bool>,
    /// The next step of this name waits for `go_on`.
    wait_at: Cell<&'static str>,
    waiting: RefCell<Option<Trigger<()>>>,
    pub(crate) fail_at: Cell<&'static str>,
    pub(crate) panic_at: Cell<&'static str>,
    /// The next EXPUNGE removes so many messages, and fails.
    pub(crate) expunges_only: Cell<Option<usize>>,
    pub(crate) cancelled: Cell<usize>,
    /// The steps that were called.
    pub(crate) steps: RefCell<Vec<&'static str>>,
}

impl Control {
    pub(crate) fn wait_at(&self, name: &'static str) {
        self.wait_at.set(name);
    }

    pub(crate) fn go_on(&self) {
        let trigger = self.waiting.take().expect("it waits");
        // Errs if it was cancelled.
        let _ = trigger.callback(());
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.steps
            .borrow()
            .iter()
            .filter(|step| **step == name)
            .count()
    }

    fn step<T: 'static>(
        self: &Rc<Self>,
        name: &'static str,
        f: impl FnOnce() -> Deferred<T> + 'static,
    ) -> Deferred<T> {
        self.steps.borrow_mut().push(name);
        if self.panic_at.get() == name {
            panic!("the store has panicked at {name}");
        }
        if self.fail_at.get() == name {
            return fail(Failure::msg("the disk of the secret host is full"));
        }
        if self.wait_at.get() != name {
            return f();
        }
        self.wait_at.set("");
        let control = Rc::clone(self);
        let cancelled = move |_| control.cancelled.set(control.cancelled.get() + 1);
        let (trigger, deferred) = Deferred::with_canceller(cancelled);
        self.waiting.replace(Some(trigger));
        deferred.add_callback(move |()| f())
    }
}

impl Login for Mail {
    fn login(&self, name: &str, password: &str) -> Deferred<Rc<dyn Account>> {
        let control = Rc::clone(&self.control);
        let account = self.memory.login(name, password);
        let wrapped =
            account.map_ok(move |inner| Rc::new(Watched { inner, control }) as Rc<dyn Account>);
        self.control.step("login", || wrapped)
    }
}

struct Watched<T: ?Sized> {
    control: Rc<Control>,
    inner: Rc<T>,
}

impl Account for Watched<dyn Account> {
    fn list(&self) -> Deferred<Vec<MailboxEntry>> {
        let inner = Rc::clone(&self.inner);
        self.control.step("list", move || inner.list())
    }

    fn open(&self, name: &MailboxName) -> Deferred<Rc<dyn Mailbox>> {
        let control = Rc::clone(&self.control);
        let opened = self.inner.open(name);
        let wrapped =
            opened.map_ok(move |inner| Rc::new(Watched { inner, control }) as Rc<dyn Mailbox>);
        self.control.step("open", || wrapped)
    }

    fn create(&self, name: &MailboxName) -> Deferred<()> {
        let (inner, name) = (Rc::clone(&self.inner), name.clone());
        self.control.step("create", move || inner.create(&name))
    }

    fn delete(&self, name: &MailboxName) -> Deferred<()> {
        self.inner.delete(name)
    }

    fn rename(&self, from: &MailboxName, to: &MailboxName) -> Deferred<()> {
        self.inner.rename(from, to)
    }

    fn subscribe(&self, name: &MailboxName, is_subscribed: bool) -> Deferred<()> {
        self.inner.subscribe(name, is_subscribed)
    }
}

impl Mailbox for Watched<dyn Mailbox> {
    fn uid_validity(&self) -> NonZeroU32 {
        self.inner.uid_validity()
    }

    fn messages(&self) -> Deferred<MailboxSnapshot> {
        let (inner, control) = (Rc::clone(&self.inner), Rc::clone(&self.control));
        let looked = self.control.step("messages", move || inner.messages());
        looked.add_callback(move |snapshot| control.step("snapshot", || succeed(snapshot)))
    }

    fn body(&self, uid: Uid) -> Deferred<Option<Bytes>> {
        let inner = Rc::clone(&self.inner);
        self.control.step("body", move || inner.body(uid))
    }

    fn append(&self, message: NewMessage) -> Deferred<Uid> {
        let inner = Rc::clone(&self.inner);
        self.control.step("append", move || inner.append(message))
    }

    fn change_flags(&self, uids: &[Uid], change: FlagChange, flags: &MailFlags) -> Deferred<()> {
        let (inner, uids, flags) = (Rc::clone(&self.inner), uids.to_vec(), flags.clone());
        self.control.step("change_flags", move || {
            inner.change_flags(&uids, change, &flags)
        })
    }

    fn copy(&self, uids: &[Uid], to: &MailboxName) -> Deferred<CopiedMessages> {
        self.inner.copy(uids, to)
    }

    fn expunge(&self, uids: &[Uid]) -> Deferred<()> {
        let (inner, uids) = (Rc::clone(&self.inner), uids.to_vec());
        match self.control.expunges_only.take() {
            None => self.control.step("expunge", move || inner.expunge(&uids)),
            Some(count) => inner
                .expunge(&uids[..count])
                .add_callback(|()| Err(Failure::msg("the disk is full"))),
        }
    }

    fn claim_recent(&self, uids: &[Uid]) -> Deferred<Vec<Uid>> {
        let (inner, uids) = (Rc::clone(&self.inner), uids.to_vec());
        self.control
            .step("claim_recent", move || inner.claim_recent(&uids))
    }

    fn watch(&self, changed: Rc<dyn Fn()>) -> MailboxWatch {
        match self.control.tells_nothing.get() {
            true => self.inner.watch(Rc::new(|| {})),
            false => self.inner.watch(changed),
        }
    }
}

impl Mail {
    pub(crate) fn new() -> Self {
        Self {
            memory: MemoryMail::new().with_account("bob", "sesame"),
            control: Rc::default(),
        }
    }

    pub(crate) fn account(&self) -> Rc<dyn Account> {
        self.memory.account("bob").expect("it was made")
    }

    pub(crate) fn mailbox(&self, name: &str) -> Rc<dyn Mailbox> {
        let name = MailboxName::new(name).expect("a good name");
        now(self.account().open(&name))
    }

    pub(crate) fn inbox(&self) -> Rc<dyn Mailbox> {
        self.mailbox("INBOX")
    }

    /// Adds a message of the year 2001.
    pub(crate) fn add(&self, text: &str) -> Uid {
        let mut message = NewMessage::new(text.to_owned());
        message.date = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
        let uid = now(self.inbox().append(message));
        // Not recent: some tests have it so, with messages of their own.
        now(self.inbox().claim_recent(&[uid]));
        uid
    }

    pub(crate) fn server(&self) -> ImapServer {
        ImapServer::new("mail.example.org", self.clone()).dangerously_with_login_in_the_clear()
    }
}

pub(crate) fn now<T: 'static>(deferred: Deferred<T>) -> T {
    let result = deferred.into_result().expect("it does not wait");
    result.expect("it succeeds")
}

/// A client, by hand.
pub(crate) struct Client {
    pub(crate) peer: Peer,
    pub(crate) connection: Connection<ImapSession>,
}

impl Client {
    pub(crate) fn connect(reactor: &TestReactor, server: &ImapServer) -> Self {
        let (connection, peer) = reactor.connect_to_peer(server.session());
        let client = Self { peer, connection };
        let greeting = client.received();
        assert!(
            greeting.starts_with("* OK [CAPABILITY IMAP4rev1 "),
            "{greeting}"
        );
        client
    }

    pub(crate) fn log_in(reactor: &TestReactor, mail: &Mail) -> Self {
        let client = Self::connect(reactor, &mail.server());
        let answer = client.say("a LOGIN bob sesame");
        assert!(answer.starts_with("a OK ["), "{answer}");
        client
    }

    /// One that has INBOX open.
    pub(crate) fn select(reactor: &TestReactor, mail: &Mail) -> Self {
        let client = Self::log_in(reactor, mail);
        let answer = client.say("a SELECT inbox");
        assert!(answer.ends_with("a OK [READ-WRITE] done\r\n"), "{answer}");
        client
    }

    pub(crate) fn received(&self) -> String {
        String::from_utf8(self.peer.received()).expect("it is text")
    }

    /// Sends a line, and gives what comes of it.
    pub(crate) fn say(&self, line: &str) -> String {
        self.peer.send(format!("{line}\r\n"));
        self.received()
    }

    /// Sends a command with tag `x`, and gives the responses before its `OK`.
    pub(crate) fn ok(&self, command: &str) -> String {
        let answer = self.say(&format!("x {command}"));
        let end = answer
            .rfind("x OK ")
            .unwrap_or_else(|| panic!("{command}: {answer}"));
        answer[..end].to_owned()
    }
}
