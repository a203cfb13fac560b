//! The page that lists a folder.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, UNIX_EPOCH};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use rustix::fs::{AtFlags, Dir, FileType};

use super::path::is_served;
use crate::html::escape_html;

/// Most entries of a page. If the folder has more, the page says so.
const MAX_ENTRIES: usize = 10_000;

/// The characters of a name that are percent-encoded in a link: all but the unreserved ones of RFC
/// 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

struct Entry {
    is_file: bool,
    name: Vec<u8>,
    size: u64,
    modified: i64,
}

/// The page for `folder`, which was asked for by `path`.
pub(super) fn page(folder: &File, path: &str, shows_hidden: bool) -> io::Result<String> {
    let mut entries = Vec::new();
    let mut are_all = true;
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !is_served(name, shows_hidden) {
            continue;
        }
        // A limit, because the page is made in memory, and sorted.
        if entries.len() == MAX_ENTRIES {
            are_all = false;
            break;
        }
        // Links are not followed: the page says nothing of what is outside of the folder. Errs if
        // the entry is gone by now.
        if let Ok(status) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            #[expect(
                clippy::useless_conversion,
                reason = "their types depend on the system"
            )]
            entries.push(Entry {
                is_file: FileType::from_raw_mode(status.st_mode) != FileType::Directory,
                name: name.to_vec(),
                size: status.st_size.try_into().unwrap_or_default(),
                modified: i64::from(status.st_mtime),
            });
        }
    }
    // Folders first: `false` sorts before `true`. Names are unique.
    entries.sort_unstable_by(|a, b| (a.is_file, &a.name).cmp(&(b.is_file, &b.name)));
    Ok(render(&entries, path, are_all))
}

fn render(entries: &[Entry], path: &str, are_all: bool) -> String {
    // Shown to people only, so bytes that are not UTF-8 may be replaced. Links are made from the
    // bytes.
    let title = escape_html(&percent_decode_str(path).decode_utf8_lossy());
    let mut html = format!(
        "<!doctype html>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>body{{font-family:sans-serif;margin:2em}}td,th{{padding:.2em 1em .2em 0;\
         text-align:left}}td:nth-child(2){{text-align:right}}</style>\n<h1>{title}</h1>\n<table>\n\
         <tr><th>Name<th>Size<th>Last change\n<tr><td><a href=\"../\">../</a><td><td>\n"
    );
    for entry in entries {
        let slash = if entry.is_file { "" } else { "/" };
        let link = percent_encode(&entry.name, ENCODED);
        let name = escape_html(&OsStr::from_bytes(&entry.name).to_string_lossy());
        let size = if entry.is_file {
            shortened(entry.size)
        } else {
            String::new()
        };
        let changed = date(entry.modified);
        // `./`, so that no name is taken for a scheme. Writing to a string does not fail.
        let _ = writeln!(
            html,
            "<tr><td><a href=\"./{link}{slash}\">{name}{slash}</a><td>{size}<td>{changed}"
        );
    }
    html.push_str("</table>\n");
    if !are_all {
        let _ = writeln!(html, "<p>There are more than these {MAX_ENTRIES}.");
    }
    html
}

/// A number of bytes in at most five characters and a unit.
fn shortened(size: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if size < 1024 {
        return format!("{size} B");
    }
    // In `u128`, since ten times a size of 64 bits may not fit into 64.
    let (mut tenths, mut unit) = (u128::from(size) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// The date of a time in seconds after 1970; empty if HTTP cannot write it.
fn date(seconds: i64) -> String {
    let since = u64::try_from(seconds)
        .ok()
        .filter(|it| *it < super::validators::YEAR_10000);
    let time = since.map(|since| UNIX_EPOCH + Duration::from_secs(since));
    time.map(httpdate::fmt_http_date).unwrap_or_default()
}
