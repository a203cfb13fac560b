//! `Queue`: messages in a folder, each of which is sent until a server takes it or refuses it for
//! good.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deferred::{Deferred, DeferredLock, Result, inline_callbacks};
use reactor::ReactorHandle;
use reactor_mail::{SmtpClient, SmtpError};

/// The messages that wait, those that were refused for good, and files that are being written.
const FOLDERS: [&str; 3] = ["waiting", "bounced", "unfinished"];

/// A message. Its file has a line with the sender, a line for each recipient, an empty line, and
/// the text.
#[derive(Clone, Default)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) text: Vec<u8>,
}

/// A queue on disk. After a restart, the schedule of each message begins anew.
pub(crate) struct Queue {
    reactor: ReactorHandle,
    folder: PathBuf,
    client: SmtpClient,
    /// Held by the message that is being sent.
    turn: DeferredLock,
    /// How long to wait after each attempt; after one more, a message is given up.
    delays: Vec<Duration>,
    count: Cell<u64>,
}

impl Queue {
    /// Opens a folder, and begins to send what is in it.
    pub(crate) fn open(
        reactor: &ReactorHandle,
        folder: PathBuf,
        client: SmtpClient,
        delays: Vec<Duration>,
    ) -> io::Result<Rc<Self>> {
        for name in FOLDERS {
            fs::create_dir_all(folder.join(name))?;
        }
        // A message whose file was not finished was never confirmed: its sender has it still.
        for file in fs::read_dir(folder.join("unfinished"))? {
            fs::remove_file(file?.path())?;
        }
        let queue = Rc::new(Self {
            reactor: reactor.clone(),
            folder,
            client,
            turn: DeferredLock::new(),
            delays,
            count: Cell::new(0),
        });
        for file in fs::read_dir(queue.folder.join("waiting"))? {
            queue.attempt(file?.file_name().to_string_lossy().into_owned(), 0);
        }
        Ok(queue)
    }

    /// Fires when the message is on disk; then it is sent.
    pub(crate) fn put(self: &Rc<Self>, mail: &Mail) -> Deferred<()> {
        self.count.set(self.count.get() + 1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let name = format!(
            "{:x}-{}",
            now.unwrap_or_default().as_nanos(),
            self.count.get()
        );
        let queue = Rc::clone(self);
        self.store("waiting", &name, mail.encode())
            .map_ok(move |()| queue.attempt(name, 0))
    }

    /// Writes a file atomically: even after a crash, the file is complete or absent.
    fn store(&self, folder: &str, name: &str, bytes: Vec<u8>) -> Deferred<()> {
        let unfinished = self.folder.join("unfinished").join(name);
        let (folder, name) = (self.folder.join(folder), name.to_owned());
        self.reactor.defer_to_thread(move || {
            let mut file = File::create(&unfinished)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(unfinished, folder.join(name))?;
            Ok(File::open(folder)?.sync_all()?)
        })
    }

    fn attempt(self: &Rc<Self>, name: String, number: usize) {
        let queue = Rc::clone(self);
        inline_callbacks(async move { queue.send(name, number).await }).detach();
    }

    async fn send(self: &Rc<Self>, name: String, number: usize) -> Result<()> {
        let path = self.folder.join("waiting").join(&name);
        // The client sends one after the other; those that wait for it stay on disk.
        let turn = self.turn.acquire().await?;
        let mut mail = Mail::read(&self.reactor, &path).await?;
        let to: Vec<&str> = mail.to.iter().map(String::as_str).collect();
        let sent = self.client.send(&mail.from, &to, &mail.text).await;
        drop(turn);
        let refused = refused(&mail, sent.map(|sent| sent.refused));

        let delay = self.delays.get(number);
        let is_given_up = |it: &Refused| it.is_permanent || delay.is_none();
        let (given_up, rest): (Vec<_>, Vec<_>) = refused.into_iter().partition(is_given_up);
        if !given_up.is_empty() {
            let reasons = given_up
                .iter()
                .map(|it| format!("{}: {}\n", it.to, it.reason));
            let mut report = reasons.collect::<String>().into_bytes();
            report.push(b'\n');
            report.extend_from_slice(&mail.text);
            self.store("bounced", &format!("{name}-{number}"), report)
                .await?;
        }
        match delay {
            Some(&delay) if !rest.is_empty() => {
                if rest.len() < mail.to.len() {
                    mail.to = rest.into_iter().map(|it| it.to).collect();
                    self.store("waiting", &name, mail.encode()).await?;
                }
                let queue = Rc::clone(self);
                self.reactor
                    .call_later(delay, move || queue.attempt(name, number + 1));
            }
            _ => fs::remove_file(path)?,
        }
        Ok(())
    }
}

/// A recipient that has not got the message.
struct Refused {
    to: String,
    reason: String,
    is_permanent: bool,
}

/// The recipients that have not got the message, and why.
fn refused(
    mail: &Mail,
    sent: Result<Vec<(reactor_mail::MailAddress, reactor_mail::SmtpReply)>>,
) -> Vec<Refused> {
    let replies = match sent {
        Ok(refused) => refused,
        Err(failure) => match failure.check() {
            Some(SmtpError::AllRefused { refused }) => refused.clone(),
            error => {
                let is_permanent = error.is_some_and(SmtpError::is_permanent);
                let all = mail.to.iter().map(|to| Refused {
                    to: to.clone(),
                    reason: failure.message(),
                    is_permanent,
                });
                return all.collect();
            }
        },
    };
    let each = replies.into_iter().map(|(to, reply)| Refused {
        to: to.to_string(),
        reason: reply.to_string(),
        is_permanent: reply.is_permanent(),
    });
    each.collect()
}

impl Mail {
    fn encode(&self) -> Vec<u8> {
        let envelope = format!("{}\n{}\n\n", self.from, self.to.join("\n"));
        [envelope.as_bytes(), &self.text].concat()
    }

    async fn read(reactor: &ReactorHandle, path: &Path) -> Result<Self> {
        let path = path.to_owned();
        let file = reactor.defer_to_thread(move || Ok(fs::read(path)?)).await?;
        let end = file.windows(2).position(|pair| pair == b"\n\n");
        let end = end.ok_or_else(|| io::Error::other("a file of the queue has no envelope"))?;
        let envelope = String::from_utf8(file[..end].to_vec())?;
        let mut lines = envelope.lines().map(str::to_owned);
        Ok(Self {
            from: lines.next().unwrap_or_default(),
            to: lines.collect(),
            text: file[end + 2..].to_vec(),
        })
    }
}
