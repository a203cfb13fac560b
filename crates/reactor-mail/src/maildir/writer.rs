//! `MaildirWriter`: a message that is being delivered.

use std::fs::{self, File, OpenOptions};
#[cfg(feature = "imap")]
use std::io::ErrorKind;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memchr::memchr2;

use super::entry::MaildirEntry;
use super::error::MaildirError;
use super::flags::MaildirFlags;
use super::folder::{Maildir, sync_folder};
use super::scan::no_maildir;
use super::unique;

/// Bytes that are gathered before they are written.
const BUFFER: usize = 64 * 1024;

/// A message that is being delivered to a [`Maildir`], piece by piece.
///
/// If it is dropped before [`commit`](Self::commit), nothing is delivered, and its file in `tmp` is
/// removed.
///
/// # Examples
///
/// ```
/// # use reactor_mail::Maildir;
/// # let folder = std::env::temp_dir().join(format!("maildir-writer-{}", std::process::id()));
/// # let maildir = Maildir::new(&folder);
/// # maildir.create()?;
/// let mut writer = maildir.begin()?;
/// writer.write(b"Subject: hi\r\n\r\n")?;
/// assert_eq!(maildir.list()?.len(), 0);
/// writer.write(b"Hello!\r\n")?;
/// let entry = writer.commit()?;
/// assert_eq!(maildir.list()?, [entry]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MaildirWriter {
    maildir: Maildir,
    /// Further Maildirs that get the message.
    others: Vec<Maildir>,
    file: File,
    temporary: Temporary,
    buffer: Vec<u8>,
    /// The last piece has ended in a CR, which is not in the buffer: an LF may follow.
    // Set at the end of a piece, and cleared by the next one or by `finish`.
    has_cr: bool,
    /// The last byte of the message so far, as it is stored, is a CR.
    // Set and cleared by `push`. A flush does not clear it.
    is_behind_cr: bool,
    /// Time of arrival; `None` for now.
    date: Option<SystemTime>,
    /// Size of the file in bytes.
    size: u64,
    /// Size in bytes, if lines end in CR LF.
    wire_size: u64,
}

impl Maildir {
    /// Delivers a message that is in memory. Use [`begin`](Self::begin) if it comes in pieces.
    ///
    /// # Errors
    ///
    /// As [`MaildirWriter::commit`].
    pub fn deliver(&self, message: &[u8]) -> Result<MaildirEntry, MaildirError> {
        let mut writer = self.begin()?;
        writer.write(message)?;
        writer.commit()
    }

    /// Begins a delivery: no reader sees the message before [`MaildirWriter::commit`].
    ///
    /// # Errors
    ///
    /// [`MaildirError::NoMaildir`], [`MaildirError::Io`].
    pub fn begin(&self) -> Result<MaildirWriter, MaildirError> {
        MaildirWriter::new(self.clone())
    }
}

impl MaildirWriter {
    fn new(maildir: Maildir) -> Result<Self, MaildirError> {
        let (file, temporary) = Temporary::create(&maildir)?;
        Ok(Self {
            maildir,
            others: Vec::new(),
            file,
            temporary,
            buffer: Vec::new(),
            has_cr: false,
            is_behind_cr: false,
            date: None,
            size: 0,
            wire_size: 0,
        })
    }

    /// Delivers the message to a further Maildir, too: to all Maildirs or to none. Its file there is a
    /// hard link if the file system can make one, else a copy.
    pub fn add_maildir(&mut self, maildir: Maildir) {
        self.others.push(maildir);
    }

    /// Sets the time of arrival, which is the modification time of the file. The default is now.
    pub fn set_date(&mut self, date: SystemTime) {
        self.date = Some(date);
    }

    /// Writes a piece. CR LF becomes LF; a CR or LF that stands alone stays.
    ///
    /// # Errors
    ///
    /// [`MaildirError::Io`], for example if the disk is full. Then drop the writer: the message is
    /// incomplete.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), MaildirError> {
        let mut rest = piece;
        if self.has_cr && !rest.is_empty() {
            self.has_cr = false;
            self.end_cr(rest[0]);
        }
        while let Some(at) = memchr2(b'\r', b'\n', rest) {
            self.push(&rest[..at]);
            let byte = rest[at];
            rest = &rest[at + 1..];
            match (byte, rest.first()) {
                // The next piece shows whether this CR belongs to a line end.
                (b'\r', None) => self.has_cr = true,
                (b'\r', Some(&next)) => self.end_cr(next),
                _ => {
                    // For the CR of the line end, if the file does not have it.
                    self.wire_size += u64::from(!self.is_behind_cr);
                    self.push(b"\n");
                }
            }
        }
        self.push(rest);
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    /// Handles a CR that `next` follows: before an LF, it is left out. Behind another CR, it stays: a
    /// reader would take that one and the LF for a line end, and so lose a byte.
    fn end_cr(&mut self, next: u8) {
        if next != b'\n' || self.is_behind_cr {
            self.push(b"\r");
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.last() {
            self.is_behind_cr = *last == b'\r';
        }
        self.buffer.extend_from_slice(bytes);
        self.size += bytes.len() as u64;
        self.wire_size += bytes.len() as u64;
    }

    fn flush(&mut self) -> Result<(), MaildirError> {
        let written = self.file.write_all(&self.buffer);
        // Also after an error: a part of the buffer may be in the file, and must not be written twice.
        self.buffer.clear();
        written.map_err(MaildirError::at(&self.temporary.0))
    }

    /// Delivers the message: when this returns, it is in `new`, and on disk.
    ///
    /// # Errors
    ///
    /// [`MaildirError`]. Then no Maildir has the message.
    pub fn commit(self) -> Result<MaildirEntry, MaildirError> {
        self.finish(None)
    }

    /// As [`commit`](Self::commit), but puts the message into `cur`, with these flags, as if a reader
    /// had seen it: for messages that are not new, such as those that a mail program stores itself.
    ///
    /// # Errors
    ///
    /// [`MaildirError`]. Then no Maildir has the message.
    pub fn commit_with_flags(self, flags: MaildirFlags) -> Result<MaildirEntry, MaildirError> {
        self.finish(Some(flags))
    }

    fn finish(mut self, flags: Option<MaildirFlags>) -> Result<MaildirEntry, MaildirError> {
        if self.has_cr {
            self.push(b"\r");
        }
        self.flush()?;
        let dated = self
            .date
            .map_or(Ok(()), |date| self.file.set_modified(date));
        let synced = dated.and_then(|()| self.file.sync_all());
        synced.map_err(MaildirError::at(&self.temporary.0))?;

        // Its drop removes the files that exist already if a later step fails.
        let mut delivered = Vec::new();
        for maildir in &self.others {
            let entry = self.entry(&unique::name(), flags);
            let place = maildir.path().join(entry.place());
            link_or_copy(&self.temporary.0, maildir, &place)?;
            delivered.push(Temporary(place));
        }
        let name = self.temporary.0.file_name().and_then(|name| name.to_str());
        let entry = self.entry(name.unwrap_or_default(), flags);
        let place = self.maildir.path().join(entry.place());
        // The name is unique, so the renaming replaces no file. It comes last, because the links
        // above are made to the name in `tmp`.
        let moved = fs::rename(&self.temporary.0, &place);
        moved.map_err(MaildirError::at(&place))?;
        self.temporary.0 = place;
        for path in delivered.iter().chain([&self.temporary]) {
            sync_folder(path.0.parent().unwrap_or_else(|| Path::new("/")))?;
        }
        // Only when all names are on disk: until then, a failure removes the message everywhere.
        for done in delivered.into_iter().chain([self.temporary]) {
            done.keep();
        }
        Ok(entry)
    }

    fn entry(&self, name: &str, flags: Option<MaildirFlags>) -> MaildirEntry {
        let id = format!("{name},S={},W={}", self.size, self.wire_size);
        MaildirEntry::new(id, flags)
    }
}

/// Makes the message in the file `from` available as `to`, which is in `maildir`.
fn link_or_copy(from: &Path, maildir: &Maildir, to: &Path) -> Result<(), MaildirError> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    let mut original = File::open(from).map_err(MaildirError::at(from))?;
    copy(&mut original, maildir, to)
}

/// Copies a message if no hard link can be made: to another file system, or in one without hard
/// links. If the link has failed because the Maildir does not exist or cannot be written to, the copy
/// fails with that error.
fn copy(original: &mut File, maildir: &Maildir, to: &Path) -> Result<(), MaildirError> {
    let (mut copy, temporary) = Temporary::create(maildir)?;
    let copied = io::copy(original, &mut copy).and_then(|_| {
        // The time of the file is the date of the message (INTERNALDATE).
        copy.set_modified(original.metadata()?.modified()?)?;
        copy.sync_all()?;
        fs::rename(&temporary.0, to)
    });
    copied.map_err(MaildirError::at(to))?;
    temporary.keep();
    Ok(())
}

/// A copy of a message in another Maildir, which is removed unless it is kept.
#[cfg(feature = "imap")]
pub(super) struct Copied(Temporary, MaildirEntry);

#[cfg(feature = "imap")]
impl Copied {
    /// The id of the copy.
    pub(super) fn keep(self) -> String {
        self.0.keep();
        self.1.id().to_owned()
    }
}

/// Copies a message with its date to `cur` of another Maildir, or the same one.
#[cfg(feature = "imap")]
pub(super) fn copy_message(
    from: &Maildir,
    entry: &MaildirEntry,
    to: &Maildir,
    flags: MaildirFlags,
) -> Result<Copied, MaildirError> {
    // Fails if `to` does not exist. The error of the link would not tell which of the two paths is
    // missing.
    super::scan::changed(to.path())?;
    let fields = entry.id().find(',').map_or("", |at| &entry.id()[at..]);
    let copied = MaildirEntry::new(format!("{}{fields}", unique::name()), Some(flags));
    let place = to.path().join(copied.place());
    let is_linked = from.with_file(entry, |path, _| match fs::hard_link(path, &place) {
        // Another program has renamed the file: `with_file` looks for its new name.
        Err(error) if error.kind() == ErrorKind::NotFound => Err(error),
        linked => Ok(linked.is_ok()),
    })?;
    if !is_linked {
        copy(&mut from.open(entry)?, to, &place)?;
    }
    Ok(Copied(Temporary(place), copied))
}

/// A file that is removed unless it is kept.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    /// A new file in `tmp`.
    fn create(maildir: &Maildir) -> Result<(File, Self), MaildirError> {
        let path = maildir.path().join("tmp").join(unique::name());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options
            .open(&path)
            .map_err(no_maildir(maildir.path(), &path))?;
        Ok((file, Self(path)))
    }

    fn keep(mut self) {
        // An empty path removes nothing: see `drop`.
        self.0.clear();
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            // Errs if another program has removed or moved the file; then there is nothing to remove.
            let _ = fs::remove_file(&self.0);
        }
    }
}
