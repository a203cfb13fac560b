//! Scans of a Maildir: find all its files, although other programs may rename them during the scan.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::entry::MaildirEntry;
use super::error::MaildirError;

/// Most scans until one has seen no change. If each of them has seen one, the last scan counts.
const MAX_SCANS: usize = 8;
/// Most scans in a search: a scan may miss a message that another program renames during it.
const MAX_SEARCHES: usize = 100;
/// A change less than this time before a scan may get the same modification time as a change during
/// the scan, because clocks of file systems tick only every few milliseconds.
const CLOCK_TICK: Duration = Duration::from_millis(20);

/// All messages below `path`, by their ids.
///
/// `new` is read before `cur`, so that a message that moves in between is seen twice instead of
/// never. A file that is renamed while its folder is read may be missed, so if a folder has
/// changed, both are read again.
pub(super) fn by_id(path: &Path) -> Result<HashMap<String, MaildirEntry>, MaildirError> {
    let mut found = HashMap::new();
    for _ in 0..MAX_SCANS {
        let before = changed(path)?;
        read_both(path, &mut found)?;
        if changed(path)? == before {
            break;
        }
    }
    Ok(found)
}

/// Sorts messages by their arrival.
pub(super) fn by_arrival(found: HashMap<String, MaildirEntry>) -> Vec<MaildirEntry> {
    let mut entries: Vec<_> = found.into_values().collect();
    entries.sort_by(|a, b| a.arrival().cmp(&b.arrival()));
    entries
}

/// Those messages of `wanted` that exist, by id. A message is left out only after a scan during which
/// no file can have been renamed, or after `MAX_SEARCHES` scans.
pub(super) fn search(
    path: &Path,
    mut wanted: HashSet<String>,
) -> Result<HashMap<String, MaildirEntry>, MaildirError> {
    let (mut found, mut all) = (HashMap::new(), HashMap::new());
    for _ in 0..MAX_SEARCHES {
        if wanted.is_empty() {
            break;
        }
        let (before, now) = (changed(path)?, SystemTime::now());
        read_both(path, &mut all)?;
        let is_there = |id: &String| all.contains_key(id);
        let (there, rest) = wanted.into_iter().partition::<HashSet<_>, _>(is_there);
        found.extend(there.into_iter().filter_map(|id| all.remove_entry(&id)));
        wanted = rest;
        if is_settled(before, now) && changed(path)? == before {
            break;
        }
    }
    Ok(found)
}

/// Whether each change after `now` will change the times of the folders, which are `before` now.
pub(super) fn is_settled(before: [SystemTime; 2], now: SystemTime) -> bool {
    let is_old = |time: SystemTime| now.duration_since(time).is_ok_and(|age| age > CLOCK_TICK);
    before.into_iter().all(is_old)
}

fn read_both(path: &Path, found: &mut HashMap<String, MaildirEntry>) -> Result<(), MaildirError> {
    found.clear();
    for folder in ["new", "cur"] {
        read(&path.join(folder), folder == "new", found)?;
    }
    Ok(())
}

/// Times at which a file was last added to, renamed in or removed from `new` and `cur`, in this order.
pub(super) fn changed(path: &Path) -> Result<[SystemTime; 2], MaildirError> {
    let changed = |folder: &str| {
        let folder = path.join(folder);
        let metadata = fs::metadata(&folder);
        metadata
            .and_then(|metadata| metadata.modified())
            .map_err(no_maildir(path, &folder))
    };
    Ok([changed("new")?, changed("cur")?])
}

fn read(
    folder: &Path,
    is_new: bool,
    found: &mut HashMap<String, MaildirEntry>,
) -> Result<(), MaildirError> {
    for file in fs::read_dir(folder).map_err(MaildirError::at(folder))? {
        let name = file.map_err(MaildirError::at(folder))?.file_name();
        let entry = name
            .into_string()
            .ok()
            .and_then(|name| MaildirEntry::parse(name, is_new));
        if let Some(entry) = entry {
            // Of a message that is seen in both folders, the entry of `cur`, which is read later,
            // is kept.
            found.insert(entry.id().to_owned(), entry);
        }
    }
    Ok(())
}

/// For `map_err`: the error of an access to `folder`, a part of the Maildir at `path`.
pub(super) fn no_maildir<'a>(
    path: &'a Path,
    folder: &'a Path,
) -> impl FnOnce(std::io::Error) -> MaildirError + 'a {
    |error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => MaildirError::NoMaildir {
            path: path.to_owned(),
        },
        _ => MaildirError::at(folder)(error),
    }
}
