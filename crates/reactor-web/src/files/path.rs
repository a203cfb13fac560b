//! `Target`: turns the path of a request into a path below the served folder.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// The file or folder that a request names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Relative; empty for the folder itself. Each component is a plain name.
    pub(super) path: PathBuf,
    /// Whether the request's path ends with a slash, as that of a folder has to.
    pub(super) has_slash: bool,
}

impl Target {
    /// The target that `rest` names: a path below the mount, percent-encoded, which begins with a
    /// slash if it is not empty.
    ///
    /// `None` if it can name no file that is served: a segment is empty, `.` or `..`, has a slash,
    /// a backslash or a NUL in it once it is decoded, or begins with a dot unless `shows_hidden`.
    /// Segments are cut before they are decoded, so that no decoded byte separates two of them.
    pub(super) fn of(rest: &str, shows_hidden: bool) -> Option<Self> {
        let mut path = PathBuf::new();
        let mut segments = rest.strip_prefix('/').unwrap_or(rest).split('/').peekable();
        while let Some(segment) = segments.next() {
            if segment.is_empty() {
                // Only the last segment may be empty: it stands for the slash at the end.
                segments.peek().is_none().then_some(())?;
                break;
            }
            let name: Vec<u8> = percent_decode_str(segment).collect();
            if !is_served(&name, shows_hidden) {
                return None;
            }
            path.push(OsStr::from_bytes(&name));
        }
        let has_slash = rest.ends_with('/');
        Some(Self { path, has_slash })
    }
}

/// Whether `name` is a plain name that may be served.
///
/// `.well-known` is not hidden: it is there to be public (RFC 8615), and certificate authorities
/// ask for files in it.
pub(super) fn is_served(name: &[u8], shows_hidden: bool) -> bool {
    // A backslash is refused, since browsers and other servers take it for a slash.
    let is_plain = !matches!(name, b"" | b"." | b"..")
        && !name.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0));
    let is_hidden = name.starts_with(b".") && name != b".well-known";
    is_plain && (shows_hidden || !is_hidden)
}
