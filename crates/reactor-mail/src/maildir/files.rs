//! Small files beside the messages: file locks, and atomic replacement.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use super::error::MaildirError;
use super::folder::{Maildir, sync_folder};

/// Holds a file locked (`flock`) until it is dropped, against other processes and threads.
pub(super) struct Lock(#[expect(dead_code, reason = "closing it unlocks")] File);

impl Lock {
    /// Waits for the lock, and blocks the thread for that time: a holder keeps the lock while it
    /// scans a Maildir and writes a small file.
    pub(super) fn new(path: &Path) -> Result<Self, MaildirError> {
        let mut options = OpenOptions::new();
        // The file is created and never removed: if it were removed, two processes could each lock
        // another file of this name.
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path).map_err(MaildirError::at(path))?;
        file.lock().map_err(MaildirError::at(path))?;
        Ok(Self(file))
    }
}

/// Replaces a file atomically: readers see the old text or the new one, also after a crash.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), MaildirError> {
    // The caller holds a lock, so no other process uses the same name.
    let temporary = path.with_extension("tmp");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        // Before the renaming: after a crash, the new name must not lead to an empty file.
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    written.map_err(MaildirError::at(path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// The text of a file; empty if there is none.
pub(super) fn read(path: &Path) -> Result<String, MaildirError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(MaildirError::at(path)),
    }
}

/// A UIDVALIDITY that no mailbox below `root` has had: the Unix time in seconds, or one more than the
/// last UIDVALIDITY if that is greater.
pub(super) fn next_uid_validity(root: &Maildir) -> Result<NonZeroU32, MaildirError> {
    let path = root.path().join("reactor-uidvalidity");
    let _lock = Lock::new(&path.with_extension("lock"))?;
    // 0 also if the file is damaged: then the time, and the last value of this process in `GIVEN`,
    // determine the new one.
    let last = read(&path)?.trim().parse().unwrap_or(0_u32);
    let least = match last {
        0 => outlast_predecessor(root)?,
        _ => 0,
    };
    let now = since_1970(SystemTime::now()).as_secs().max(least);
    let now = u32::try_from(now).unwrap_or(u32::MAX);
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    // Values below the time are not needed, since `next` is not less than the time. So the map
    // has only the Maildirs that have got a mailbox within about the last second.
    given.retain(|_, validity| *validity >= now);
    let last = last.max(given.get(&path).copied().unwrap_or(0));
    // The time, so that the values still grow if the file was removed; one more than the last, for
    // two mailboxes in one second.
    let next = now.max(last.saturating_add(1));
    replace(&path, &format!("{next}\n"))?;
    given.insert(path, next);
    Ok(NonZeroU32::new(next).unwrap_or(NonZeroU32::MIN))
}

/// Waits for the next second, if the Maildir was created in this one, and returns that second in Unix
/// time; 0 if it does not wait. There may have been another Maildir at its path before, whose file was
/// removed with it, and for which another process has given the time as UIDVALIDITY.
// Not enough if that Maildir got several mailboxes in its last second: their UIDVALIDITYs are ahead of
// the time by one second each.
fn outlast_predecessor(root: &Maildir) -> Result<u64, MaildirError> {
    // Not the times of `root` itself: the lock file has just been created there. Messages may have been
    // added to `cur` since it was created; then this waits in vain.
    let path = root.path().join("cur");
    let changed = fs::metadata(&path).and_then(|metadata| metadata.modified());
    let changed = since_1970(changed.map_err(MaildirError::at(&path))?).as_secs();
    let now = since_1970(SystemTime::now());
    if changed < now.as_secs() {
        return Ok(0);
    }
    // For a second at most, also if `cur` is from the future, as after a change of the clock.
    let next = now.as_secs() + 1;
    thread::sleep(Duration::from_secs(next).saturating_sub(now));
    Ok(next)
}

/// 0 for a time before 1970.
fn since_1970(time: SystemTime) -> Duration {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default()
}

/// The last UIDVALIDITY by path of the file, if it is not below the time in seconds. Needed
/// because a Maildir may be removed, together with the file, and created again in the same second.
// Known to this process only; for other processes, there is `outlast_predecessor`.
static GIVEN: Mutex<BTreeMap<PathBuf, u32>> = Mutex::new(BTreeMap::new());
