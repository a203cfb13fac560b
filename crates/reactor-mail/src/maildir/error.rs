//! `MaildirError`: why an operation on a Maildir fails.

use std::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// Why an operation on a [`Maildir`](crate::Maildir) fails.
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
    /// The folder does not exist, or lacks `cur`, `new` or `tmp`.
    NoMaildir {
        /// The path of the folder.
        path: PathBuf,
    },
    /// The message does not exist any more.
    Gone {
        /// Its [`id`](crate::MaildirEntry::id): the first part of the name of its file.
        id: String,
    },
    /// A subfolder cannot have this name: it is empty or too long, begins or ends with a dot, has
    /// two dots in a row, or contains a `/` or a control character.
    InvalidFolderName {
        /// The name.
        name: String,
    },
    /// A subfolder of this name exists already.
    FolderExists {
        /// The name.
        name: String,
    },
    /// Something other than letters was given as flags.
    InvalidFlags {
        /// What was given.
        flags: String,
    },
    /// The system reports an error.
    #[non_exhaustive]
    Io {
        /// The file or folder that was used.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl MaildirError {
    /// Whether the disk is full, or a quota or the largest size of a file is reached: the operation
    /// may succeed later.
    pub fn is_full(&self) -> bool {
        let kinds = [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::FileTooLarge,
        ];
        matches!(self, Self::Io { source, .. } if kinds.contains(&source.kind()))
    }

    /// For `map_err`: wraps the error of an operation on `path`.
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
