//! `UidList`: which UID each message of a Maildir has, in a file beside the messages.
//!
//! The file `reactor-uids` is replaced as a whole, so that a reader sees all of one version of it.
//! Processes that change it hold a lock on `reactor-uids.lock`. Other programs know nothing of it:
//! what they have added gets its UID at the next [`sync`](UidList::sync), and what they have renamed
//! keeps its own, because the id in the name of its file stays.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::num::NonZeroU32;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::entry::MaildirEntry;
use super::error::MaildirError;
use super::files::{self, Lock};
use super::folder::Maildir;
use super::keywords::Keywords;
use super::scan;
use crate::store::Uid;

const FILE: &str = "reactor-uids";
const FORMAT: &str = "reactor-uids 1";

/// A message with its UID.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) entry: MaildirEntry,
    /// Bytes with CR LF as line ends.
    pub(super) size: u32,
    pub(super) date: SystemTime,
}

/// The UIDs of a Maildir, and its messages when it was looked at last.
#[derive(Debug)]
pub(super) struct UidList {
    pub(super) validity: NonZeroU32,
    pub(super) next: Uid,
    pub(super) records: BTreeMap<Uid, Record>,
    pub(super) keywords: Keywords,
    /// Counts the changes that were seen: of this process and of others.
    pub(super) version: u64,
    /// Changes of the folder and of the file as of the last look; `None` if something may have
    /// changed since without changing these.
    // Set by a look after which each further change shows in the times; cleared by a change of the
    // file.
    stamps: Option<Stamps>,
    /// The file whose content this is.
    // `None` if the list was made anew and is not written yet.
    file: Option<FileStamp>,
}

/// Inode and time of change: each version of the file has its own.
type FileStamp = (u64, i64, i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamps {
    folders: [SystemTime; 2],
    file: Option<FileStamp>,
}

impl UidList {
    /// Reads the list of a Maildir below `root`. If it has none, or one that is damaged, its
    /// messages get UIDs anew, with another UIDVALIDITY.
    pub(super) fn open(root: &Maildir, maildir: &Maildir) -> Result<Self, MaildirError> {
        // Says that it is no Maildir before a file is made in it.
        scan::changed(maildir.path())?;
        let lock = Lock::new(&lock_of(maildir))?;
        let mut list = match Self::read(maildir)? {
            Some(list) => list,
            None => Self::new(files::next_uid_validity(root)?),
        };
        list.sync_locked(maildir, &lock)?;
        Ok(list)
    }

    fn new(validity: NonZeroU32) -> Self {
        Self {
            validity,
            next: Uid::MIN,
            records: BTreeMap::new(),
            keywords: Keywords::default(),
            version: 0,
            stamps: None,
            file: None,
        }
    }

    /// Looks at the Maildir, if it can have changed.
    ///
    /// # Errors
    ///
    /// [`MaildirError::NoMaildir`] if the Maildir or its list is another one now.
    pub(super) fn sync(&mut self, maildir: &Maildir) -> Result<(), MaildirError> {
        let stamps = Stamps {
            folders: scan::changed(maildir.path())?,
            file: file_stamp(maildir)?,
        };
        if self.stamps == Some(stamps) {
            return Ok(());
        }
        let lock = Lock::new(&lock_of(maildir))?;
        // Again, under the lock: the first look was without it.
        if file_stamp(maildir)? != self.file {
            self.reload(maildir)?;
        }
        self.sync_locked(maildir, &lock)
    }

    /// Takes what another process has written.
    fn reload(&mut self, maildir: &Maildir) -> Result<(), MaildirError> {
        let written = Self::read(maildir)?.filter(|list| list.validity == self.validity);
        let Some(mut written) = written else {
            let path = maildir.path().to_owned();
            return Err(MaildirError::NoMaildir { path });
        };
        // The flags that were seen last: a difference to those of the scan is a change.
        for (uid, record) in &mut written.records {
            if let Some(known) = self.records.remove(uid) {
                record.entry = known.entry;
            }
        }
        written.version = self.version + 1;
        *self = written;
        Ok(())
    }

    fn sync_locked(&mut self, maildir: &Maildir, _lock: &Lock) -> Result<(), MaildirError> {
        let now = SystemTime::now();
        // Before the scan: what changes during it has a later time, and so is looked at again.
        let folders = scan::changed(maildir.path())?;
        let mut entries = scan::by_id(maildir.path())?;
        let known = self.records.values().map(|record| record.entry.id());
        let missing = known
            .filter(|id| !entries.contains_key(*id))
            .map(str::to_owned);
        // A message that is renamed at this moment is not gone.
        let missing: HashSet<String> = missing.collect();
        entries.extend(scan::search(maildir.path(), missing)?);

        let mut has_changed = false;
        let version = &mut self.version;
        self.records.retain(|_, record| {
            let Some(entry) = entries.remove(record.entry.id()) else {
                (has_changed, *version) = (true, *version + 1);
                return false;
            };
            if entry != record.entry {
                record.entry = entry;
                *version += 1;
            }
            true
        });
        for entry in scan::by_arrival(entries) {
            if let Some(record) = Record::new(maildir, entry)? {
                let next = self
                    .next
                    .checked_add(1)
                    .ok_or_else(|| out_of_uids(maildir))?;
                self.records.insert(self.next, record);
                self.next = next;
                (has_changed, self.version) = (true, self.version + 1);
            }
        }
        if has_changed || self.file.is_none() {
            self.write(maildir)?;
        }
        self.stamps = scan::is_settled(folders, now).then_some(Stamps {
            folders,
            file: self.file,
        });
        Ok(())
    }

    /// Gives keywords letters, and writes the list if a new one got one. Those that cannot be kept
    /// are left out.
    pub(super) fn add_keywords(
        &mut self,
        maildir: &Maildir,
        names: &[String],
    ) -> Result<(), MaildirError> {
        if names
            .iter()
            .all(|name| self.keywords.letter(name).is_some())
        {
            return Ok(());
        }
        let _lock = Lock::new(&lock_of(maildir))?;
        if file_stamp(maildir)? != self.file {
            self.reload(maildir)?;
        }
        let used = self.records.values().map(|record| record.entry.flags());
        if self.keywords.add(names, used) {
            self.write(maildir)?;
        }
        Ok(())
    }

    /// The UID of a message that was just added.
    pub(super) fn uid_of(&self, id: &str) -> Option<Uid> {
        let mut newest = self.records.iter().rev();
        newest
            .find(|(_, record)| record.entry.id() == id)
            .map(|(uid, _)| *uid)
    }

    /// The UIDs by the ids of their messages.
    pub(super) fn by_id(&self) -> HashMap<&str, Uid> {
        let records = self.records.iter();
        records
            .map(|(uid, record)| (record.entry.id(), *uid))
            .collect()
    }

    /// `None` if there is no list, or one that is damaged.
    fn read(maildir: &Maildir) -> Result<Option<Self>, MaildirError> {
        let path = maildir.path().join(FILE);
        // Before the file is read: if another process replaces it in between, the stamp is that of
        // the older one, and the next look reads it again.
        let stamp = file_stamp(maildir)?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
            Err(error) => return Err(MaildirError::at(&path)(error)),
        };
        let list = Self::parse(&text);
        if list.is_none() {
            tracing::warn!(target: "reactor_mail", path = %path.display(), "the list of UIDs is damaged");
        }
        Ok(list.map(|list| Self {
            file: stamp,
            ..list
        }))
    }

    fn parse(text: &str) -> Option<Self> {
        // A file that was cut off ends without a line end.
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (validity, next) = lines
            .next()?
            .strip_prefix(FORMAT)?
            .trim_start()
            .split_once(' ')?;
        let mut list = Self::new(validity.parse().ok()?);
        list.next = next.parse().ok()?;
        for line in lines {
            if let Some(keyword) = line.strip_prefix("keyword ") {
                list.keywords.parse(keyword)?;
                continue;
            }
            let mut fields = line.splitn(4, ' ');
            let uid: Uid = fields.next()?.parse().ok()?;
            let size = fields.next()?.parse().ok()?;
            let seconds = fields.next()?.parse().ok()?;
            let date = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
            let entry = MaildirEntry::parse(fields.next()?.to_owned(), false)?;
            // Such a list would give a UID twice; damaged, it is replaced by one with another
            // UIDVALIDITY.
            if uid >= list.next || list.records.contains_key(&uid) {
                return None;
            }
            list.records.insert(uid, Record { entry, size, date });
        }
        Some(list)
    }

    /// Replaces the file, which is on disk when this returns: a UID that a client knows is never
    /// given again.
    fn write(&mut self, maildir: &Maildir) -> Result<(), MaildirError> {
        let mut text = format!("{FORMAT} {} {}\n", self.validity, self.next);
        for (letter, name) in self.keywords.iter() {
            text.push_str(&format!("keyword {letter} {name}\n"));
        }
        for (uid, record) in &self.records {
            let since = record.date.duration_since(SystemTime::UNIX_EPOCH);
            let seconds = since.unwrap_or_default().as_secs();
            let id = record.entry.id();
            text.push_str(&format!("{uid} {} {seconds} {id}\n", record.size));
        }
        files::replace(&maildir.path().join(FILE), &text)?;
        self.file = file_stamp(maildir)?;
        // The stamp of the file is another one now; the next look sets both.
        self.stamps = None;
        Ok(())
    }
}

impl Record {
    /// Of a message that has no UID yet; `None` if it is gone by now.
    fn new(maildir: &Maildir, entry: MaildirEntry) -> Result<Option<Self>, MaildirError> {
        let path = maildir.path().join(entry.place());
        let looked = maildir.open(&entry).and_then(|mut file| {
            let metadata = file.metadata().map_err(MaildirError::at(&path))?;
            let size = match entry.size() {
                Some(size) => size,
                None => wire_size(&mut file).map_err(MaildirError::at(&path))?,
            };
            let date = metadata.modified().map_err(MaildirError::at(&path))?;
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            Ok(Self { entry, size, date })
        });
        match looked {
            Err(MaildirError::Gone { .. }) => Ok(None),
            looked => looked.map(Some),
        }
    }
}

/// How many bytes a file has if each LF gets a CR that has none.
fn wire_size(file: &mut File) -> io::Result<u64> {
    let (mut size, mut last) = (0, 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match file.read(&mut buffer)? {
            0 => return Ok(size),
            count => count,
        };
        for &byte in &buffer[..count] {
            size += 1 + u64::from(byte == b'\n' && last != b'\r');
            last = byte;
        }
    }
}

fn lock_of(maildir: &Maildir) -> PathBuf {
    maildir.path().join("reactor-uids.lock")
}

/// `None` if there is no file.
fn file_stamp(maildir: &Maildir) -> Result<Option<FileStamp>, MaildirError> {
    let path: &Path = &maildir.path().join(FILE);
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some((
            metadata.ino(),
            metadata.mtime(),
            metadata.mtime_nsec(),
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(MaildirError::at(path)(error)),
    }
}

fn out_of_uids(maildir: &Maildir) -> MaildirError {
    MaildirError::at(maildir.path())(io::Error::other("all UIDs are used"))
}
