//! `UidList`: which UID each message of a Maildir has, in a file beside the messages.
//!
//! The file `reactor-uids` is replaced atomically, so that a reader sees one version of it as a whole.
//! Processes that change it hold a lock on `reactor-uids.lock`. Other mail programs do not know the
//! file: a message that they add gets its UID at the next [`sync`](UidList::sync), and one that they
//! rename keeps its UID, because the id in the name of its file stays.

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
    /// Size in bytes, if lines end in CR LF.
    pub(super) size: u32,
    pub(super) date: SystemTime,
}

/// The UIDs of a Maildir, and its messages as of the last scan.
#[derive(Debug)]
pub(super) struct UidList {
    pub(super) validity: NonZeroU32,
    pub(super) next: Uid,
    pub(super) records: BTreeMap<Uid, Record>,
    pub(super) keywords: Keywords,
    /// Number of changes seen so far, by this process and by others.
    pub(super) version: u64,
    /// Times of the folders and of the file at the last scan: while they are the same, no further
    /// scan is needed. `None` if a change could leave them the same.
    // Set by a scan if each further change will alter the times (`is_settled`); cleared by one after
    // which that is not sure, and when the file is written.
    stamps: Option<Stamps>,
    /// Stamp of the version of the file that has this content.
    // `None` if the list is new and not written yet.
    file: Option<FileStamp>,
    /// The file lacks UIDs or keywords of this list. Set before the first of them is added, cleared
    /// when the file is written: if that fails, the next call tries again.
    is_unwritten: bool,
}

/// Inode and modification time (seconds, nanoseconds), which differ between versions of the file.
type FileStamp = (u64, i64, i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamps {
    folders: [SystemTime; 2],
    file: Option<FileStamp>,
}

impl UidList {
    /// Reads the list of a Maildir, which is `root` or a subfolder of it. If the list is missing or
    /// damaged, the messages get new UIDs, with another UIDVALIDITY.
    pub(super) fn open(root: &Maildir, maildir: &Maildir) -> Result<Self, MaildirError> {
        // Fails if this is not a Maildir, before the lock file is created in it.
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
            is_unwritten: false,
        }
    }

    /// Scans the Maildir if it can have changed since the last scan, and gives new messages UIDs.
    ///
    /// # Errors
    ///
    /// [`MaildirError::NoMaildir`] if the Maildir does not exist any more, or if its list has been
    /// removed or has another UIDVALIDITY now; [`MaildirError::Io`].
    pub(super) fn sync(&mut self, maildir: &Maildir) -> Result<(), MaildirError> {
        let stamps = Stamps {
            folders: scan::changed(maildir.path())?,
            file: file_stamp(maildir)?,
        };
        if self.stamps == Some(stamps) && !self.is_unwritten {
            return Ok(());
        }
        let lock = Lock::new(&lock_of(maildir))?;
        // Read again under the lock: another process may have replaced the file since.
        if file_stamp(maildir)? != self.file {
            self.reload(maildir)?;
        }
        self.sync_locked(maildir, &lock)
    }

    /// Takes over the list that another process has written.
    fn reload(&mut self, maildir: &Maildir) -> Result<(), MaildirError> {
        let written = Self::read(maildir)?.filter(|list| list.validity == self.validity);
        let Some(mut written) = written else {
            let path = maildir.path().to_owned();
            return Err(MaildirError::NoMaildir { path });
        };
        // The file has no flags, so those of the last scan are kept: if the next scan finds others,
        // that counts as a change.
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
        // Before the scan: a change during it alters the times, and so leads to another scan.
        let folders = scan::changed(maildir.path())?;
        let mut entries = scan::by_id(maildir.path())?;
        let known = self.records.values().map(|record| record.entry.id());
        let missing = known
            .filter(|id| !entries.contains_key(*id))
            .map(str::to_owned);
        // A message that the scan has missed because it was being renamed is not gone, so it is
        // searched once more.
        let missing: HashSet<String> = missing.collect();
        entries.extend(scan::search(maildir.path(), missing)?);

        let (version, is_unwritten) = (&mut self.version, &mut self.is_unwritten);
        self.records.retain(|_, record| {
            let Some(entry) = entries.remove(record.entry.id()) else {
                (*is_unwritten, *version) = (true, *version + 1);
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
                self.is_unwritten = true;
                self.records.insert(self.next, record);
                self.next = next;
                self.version += 1;
            }
        }
        if self.is_unwritten || self.file.is_none() {
            self.write(maildir)?;
        }
        self.stamps = scan::is_settled(folders, now).then_some(Stamps {
            folders,
            file: self.file,
        });
        Ok(())
    }

    /// Gives letters to those keywords that have none, and writes the list if one got a letter. If
    /// all letters are in use, the other keywords are left out.
    pub(super) fn add_keywords(
        &mut self,
        maildir: &Maildir,
        names: &[String],
    ) -> Result<(), MaildirError> {
        let has_letter = |name: &String| self.keywords.letter(name).is_some();
        if names.iter().all(has_letter) && !self.is_unwritten {
            return Ok(());
        }
        let _lock = Lock::new(&lock_of(maildir))?;
        if file_stamp(maildir)? != self.file {
            self.reload(maildir)?;
        }
        let used = self.records.values().map(|record| record.entry.flags());
        self.is_unwritten |= self.keywords.add(names, used);
        if self.is_unwritten {
            self.write(maildir)?;
        }
        Ok(())
    }

    /// The UID of a message that was just added, so the search begins with the newest.
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

    /// Reads the file; `None` if it does not exist or is damaged.
    fn read(maildir: &Maildir) -> Result<Option<Self>, MaildirError> {
        let path = maildir.path().join(FILE);
        // Before the file is read: if another process replaces it in between, the stamp is that of
        // the older version, and the next `sync` reads the file again.
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
        // A file without a line end at its end was cut off.
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
            // With such a list, a UID would be given twice. It counts as damaged, so a new list with
            // another UIDVALIDITY replaces it.
            if uid >= list.next || list.records.contains_key(&uid) {
                return None;
            }
            list.records.insert(uid, Record { entry, size, date });
        }
        Some(list)
    }

    /// Replaces the file, which is on disk when this returns: so after a crash, too, a UID that a
    /// client knows is not given to another message.
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
        self.is_unwritten = false;
        self.file = file_stamp(maildir)?;
        // They hold the stamp of the replaced file; the end of a scan sets them anew.
        self.stamps = None;
        Ok(())
    }
}

impl Record {
    /// The record of a message that has no UID yet; `None` if its file does not exist any more.
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

/// Size of a file in bytes, if a CR is put before each LF that has none.
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

/// The stamp of the file as it is now; `None` if the file does not exist.
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
