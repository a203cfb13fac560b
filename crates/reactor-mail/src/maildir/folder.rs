//! `Maildir`: a folder of messages.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::entry::MaildirEntry;
use super::error::MaildirError;
use super::flags::MaildirFlags;
use super::scan;

/// The folders in a Maildir.
pub(super) const FOLDERS: [&str; 3] = ["cur", "new", "tmp"];
/// Age at which an unfinished delivery is removed, by the rules of Maildir.
const MAX_UNFINISHED: Duration = Duration::from_secs(36 * 3600);
/// Most attempts to use a file by its name. An attempt fails if another program has renamed the
/// file since it was found.
const MAX_LOOKS: usize = 100;

/// A folder of messages, one file each, in the format Maildir: several programs may use it at once,
/// without locks. (Twisted: `mail.maildir`.)
///
/// - A message is written to `tmp`, and appears in `new` when it is complete and on disk; readers
///   move it to `cur`. A delivery that is not finished is never seen. Its file is removed at once,
///   or, if the process has died, by the next [`create`](Self::create) 36 hours later.
/// - Flags are in the name of the file. If another program has renamed it, the file is looked for
///   again by its id.
/// - Lines end in LF in the files, as mail programs on Unix expect it: CR LF becomes LF when a
///   message is written.
/// - [`folder`](Self::folder) is a subfolder as in Maildir++; its name cannot lead out of the
///   Maildir.
///
/// The methods block, as those of `std::fs` do, and they wait for the disk: in a program with a
/// reactor, call them in a thread, with
/// [`defer_to_thread`](reactor::ReactorHandle::defer_to_thread). `MaildirDelivery`
/// does so.
///
/// # Examples
///
/// ```
/// use reactor_mail::{Maildir, MaildirFlags};
///
/// # let folder = std::env::temp_dir().join(format!("maildir-{}", std::process::id()));
/// let maildir = Maildir::new(&folder);
/// maildir.create()?;
/// let entry = maildir.deliver(b"Subject: hi\r\n\r\nHello!\r\n")?;
/// let entry = maildir.add_flags(&entry, MaildirFlags::SEEN)?;
/// assert!(!entry.is_new());
/// assert_eq!(maildir.read(&entry)?, b"Subject: hi\n\nHello!\n");
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// From the loop:
///
/// ```no_run
/// use reactor::Reactor;
/// use reactor_mail::Maildir;
///
/// let reactor = Reactor::new()?;
/// let maildir = Maildir::new("/home/bob/Maildir");
/// reactor
///     .defer_to_thread(move || Ok(maildir.list()?))
///     .add_callback(|entries| println!("{} messages", entries.len()))
///     .add_errback(|failure| println!("{failure}"))
///     .ignore();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maildir {
    path: Arc<Path>,
}

impl Maildir {
    /// The Maildir at `path`. The file system is not accessed yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into().into(),
        }
    }

    /// The path of the Maildir.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the Maildir exists, with its three folders.
    pub fn exists(&self) -> bool {
        FOLDERS.iter().all(|folder| self.path.join(folder).is_dir())
    }

    /// Creates the folders that are missing, accessible to their owner only, and removes unfinished
    /// deliveries whose file has not been used for 36 hours.
    ///
    /// # Errors
    ///
    /// [`MaildirError::Io`], also if the parent folder does not exist.
    pub fn create(&self) -> Result<(), MaildirError> {
        // Waits for the disk only if a folder was made, because `create` is called before each
        // message.
        let mut is_made = false;
        for path in [self.path.to_path_buf()]
            .into_iter()
            .chain(FOLDERS.map(|folder| self.path.join(folder)))
        {
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => is_made = true,
                Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
                Err(error) => return Err(MaildirError::at(&path)(error)),
            }
        }
        if is_made {
            let parent = self
                .path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            sync_folder(parent.unwrap_or_else(|| Path::new(".")))?;
            sync_folder(&self.path)?;
        }
        self.remove_unfinished()
    }

    fn remove_unfinished(&self) -> Result<(), MaildirError> {
        let tmp = self.path.join("tmp");
        let now = SystemTime::now();
        for file in fs::read_dir(&tmp).map_err(MaildirError::at(&tmp))? {
            let file = file.map_err(MaildirError::at(&tmp))?;
            // Errs if the delivery has ended in between.
            let Ok(metadata) = file.metadata() else {
                continue;
            };
            // By the rules of Maildir, the time of the last access counts. A file system that does
            // not record it has at least the time of the last change.
            let times = [metadata.modified(), metadata.accessed()];
            let used = times.into_iter().flatten().max();
            let age = used.and_then(|used| now.duration_since(used).ok());
            // Without an age (no time is known, or it is in the future) the file stays: `None` is
            // less than any `Some`.
            if age <= Some(MAX_UNFINISHED) {
                continue;
            }
            // A folder in `tmp` is a subfolder that `remove_folder` has moved there, in a process
            // that died before it had deleted all of it.
            let removed = if metadata.is_dir() {
                fs::remove_dir_all(file.path())
            } else {
                fs::remove_file(file.path())
            };
            match removed {
                // Another program has removed it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                removed => removed.map_err(MaildirError::at(&file.path()))?,
            }
        }
        Ok(())
    }

    /// All messages, new ones and old ones, in the order of their arrival.
    ///
    /// # Errors
    ///
    /// [`MaildirError::NoMaildir`], [`MaildirError::Io`].
    pub fn list(&self) -> Result<Vec<MaildirEntry>, MaildirError> {
        Ok(scan::by_arrival(scan::by_id(&self.path)?))
    }

    /// The message with this id.
    ///
    /// # Errors
    ///
    /// [`MaildirError::Gone`] if there is none, and those of [`list`](Self::list).
    pub fn find(&self, id: &str) -> Result<MaildirEntry, MaildirError> {
        // The id is only compared with names that the folder has, so it cannot be a path to another
        // file.
        let mut found = scan::search(&self.path, [id.to_owned()].into())?;
        found
            .remove(id)
            .ok_or_else(|| MaildirError::Gone { id: id.to_owned() })
    }

    /// Opens the file of a message.
    ///
    /// # Errors
    ///
    /// [`MaildirError::Gone`], [`MaildirError::Io`].
    pub fn open(&self, entry: &MaildirEntry) -> Result<File, MaildirError> {
        self.with_file(entry, |path, _| File::open(path))
    }

    /// Reads a message: the bytes of its file, without a conversion of line ends.
    ///
    /// # Errors
    ///
    /// [`MaildirError::Gone`], [`MaildirError::Io`].
    pub fn read(&self, entry: &MaildirEntry) -> Result<Vec<u8>, MaildirError> {
        let mut message = Vec::new();
        let read = self.open(entry)?.read_to_end(&mut message);
        read.map_err(MaildirError::at(&self.path.join(entry.place())))?;
        Ok(message)
    }

    /// Replaces the flags of a message, and moves it to `cur`. Returns its new entry.
    ///
    /// # Errors
    ///
    /// [`MaildirError::Gone`], [`MaildirError::Io`].
    pub fn set_flags(
        &self,
        entry: &MaildirEntry,
        flags: MaildirFlags,
    ) -> Result<MaildirEntry, MaildirError> {
        self.change_flags(entry, |_| flags)
    }

    /// Adds flags to those that a message has, and moves it to `cur`. Returns its new entry. Flags
    /// that another program adds at the same time stay.
    ///
    /// # Errors
    ///
    /// [`MaildirError::Gone`], [`MaildirError::Io`].
    pub fn add_flags(
        &self,
        entry: &MaildirEntry,
        flags: MaildirFlags,
    ) -> Result<MaildirEntry, MaildirError> {
        self.change_flags(entry, |old| old.union(flags))
    }

    /// Removes flags of a message, and moves it to `cur`. Returns its new entry.
    ///
    /// # Errors
    ///
    /// [`MaildirError::Gone`], [`MaildirError::Io`].
    pub fn remove_flags(
        &self,
        entry: &MaildirEntry,
        flags: MaildirFlags,
    ) -> Result<MaildirEntry, MaildirError> {
        self.change_flags(entry, |old| old.difference(flags))
    }

    pub(super) fn change_flags(
        &self,
        entry: &MaildirEntry,
        change: impl Fn(MaildirFlags) -> MaildirFlags,
    ) -> Result<MaildirEntry, MaildirError> {
        self.with_file(entry, |path, entry| {
            let changed = entry.with_flags(change(entry.flags()));
            // Fails if another program has renamed the file; `with_file` then calls this closure
            // again, with the new flags.
            fs::rename(path, self.path.join(changed.place()))?;
            Ok(changed)
        })
    }

    /// Removes a message.
    ///
    /// # Errors
    ///
    /// [`MaildirError::Gone`], [`MaildirError::Io`].
    pub fn remove(&self, entry: &MaildirEntry) -> Result<(), MaildirError> {
        self.with_file(entry, |path, _| fs::remove_file(path))
    }

    /// Calls `f` with the path of a message's file. If `f` fails with `NotFound`, because another
    /// program has renamed the file, the file is searched by its id and `f` is called again.
    pub(super) fn with_file<T>(
        &self,
        entry: &MaildirEntry,
        mut f: impl FnMut(&Path, &MaildirEntry) -> io::Result<T>,
    ) -> Result<T, MaildirError> {
        let mut found = None;
        // No check that the file exists comes before `f`: its result could be out of date when `f`
        // runs.
        for _ in 0..MAX_LOOKS {
            let entry = found.as_ref().unwrap_or(entry);
            let path = self.path.join(entry.place());
            match f(&path, entry) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => return done.map_err(MaildirError::at(&path)),
            }
            found = Some(self.find(entry.id())?);
        }
        // Other programs have renamed the file before each attempt.
        let id = entry.id().to_owned();
        Err(MaildirError::Gone { id })
    }
}

/// Waits until the names in a folder are on disk.
pub(super) fn sync_folder(path: &Path) -> Result<(), MaildirError> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(MaildirError::at(path))
}
