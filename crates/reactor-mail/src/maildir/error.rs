//! `MaildirError`: why something cannot be done with a Maildir.

use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why something cannot be done with a [`Maildir`](crate::Maildir).
///
/// # Examples
///
/// ```
/// use reactor_mail::{Maildir, MaildirError};
///
/// let nowhere = Maildir::new("/does/not/exist");
/// assert!(matches!(nowhere.list(), Err(MaildirError::NoMaildir { .. })));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum MaildirError {
    /// The folder is not there, or has no `cur`, `new` and `tmp`.
    NoMaildir {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The message is not there any more.
    Gone {
        /// The first part of the name of its file.
        id: String,
    },
    /// A subfolder cannot have this name: it is empty or too long, begins or ends with a dot, has
    /// two in a row, or holds a `/` or a control character.
    InvalidFolderName {
        /// The name.
        name: String,
    },
    /// There is a subfolder of this name.
    FolderExists {
        /// The name.
        name: String,
    },
    /// Something other than letters was given as flags.
    InvalidFlags {
        /// What was given.
        flags: String,
    },
    /// The system refuses.
    #[non_exhaustive]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl MaildirError {
    /// Whether the disk, a quota or the largest size of a file is reached: there may be room later.
    pub fn is_full(&self) -> bool {
        let kinds = [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::FileTooLarge,
        ];
        matches!(self, Self::Io { source, .. } if kinds.contains(&source.kind()))
    }

    /// For `map_err` of what is done with `path`.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

impl fmt::Display for MaildirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMaildir { path } => write!(f, "no Maildir at {}", path.display()),
            Self::Gone { id } => write!(f, "the message {id} is gone"),
            Self::InvalidFolderName { name } => write!(f, "no name of a folder: {name:?}"),
            Self::FolderExists { name } => write!(f, "there is a folder {name:?}"),
            Self::InvalidFlags { flags } => write!(f, "no flags: {flags:?}"),
            Self::Io { path, .. } => write!(f, "cannot access {}", path.display()),
        }
    }
}

impl Error for MaildirError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
