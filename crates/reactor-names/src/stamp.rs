//! `Stamp`: what tells whether a file has changed.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// When a file was modified, and its length.
pub(crate) type Stamp = (SystemTime, u64);

/// `None` if there is no such file.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
