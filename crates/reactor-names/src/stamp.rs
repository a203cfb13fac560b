//! `Stamp`: modification time and length of a file, by which a change is detected.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// When a file was modified, and its length.
pub(crate) type Stamp = (SystemTime, u64);

/// `None` if there is no such file, or the system does not tell its time.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
