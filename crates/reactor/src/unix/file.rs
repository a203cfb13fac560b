//! The file that a UNIX socket has, and the lock beside it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A lock on the name of a socket: who has it may remove what a process that
/// crashed has left. It goes with this.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock beside `socket`.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, if somebody has it.
    fn take(socket: &Path) -> io::Result<Self> {
        let mut path = socket.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        loop {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // Whoever had it before may have removed it meanwhile.
            if fs::metadata(&path).is_ok_and(|found| is_same(&found, &file.metadata())) {
                return Ok(Self { path, _file: file });
            }
        }
    }

    /// Removes what another process has left at `socket`, if it is a socket.
    fn remove_stale(&self, socket: &Path) -> io::Result<()> {
        use std::os::unix::fs::FileTypeExt;

        match fs::symlink_metadata(socket) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(socket),
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn is_same(found: &fs::Metadata, ours: &io::Result<fs::Metadata>) -> bool {
    ours.as_ref()
        .is_ok_and(|ours| (found.dev(), found.ino()) == (ours.dev(), ours.ino()))
}

/// The file of a socket of ours, which is removed when this goes.
pub(crate) struct SocketFile {
    path: PathBuf,
    made: io::Result<fs::Metadata>,
    // Goes last.
    _lock: Option<Lock>,
}

impl SocketFile {
    /// Has `bind` make the file at `path`: under a lock, if it `locks`, and with the
    /// permissions `mode`, if they are said.
    pub(crate) fn bind<S>(
        path: &Path,
        locks: bool,
        mode: Option<u32>,
        bind: impl FnOnce() -> io::Result<S>,
    ) -> io::Result<(S, Self)> {
        let lock = locks.then(|| Lock::take(path)).transpose()?;
        if let Some(lock) = &lock {
            lock.remove_stale(path)?;
        }
        let bound = bind()?;
        let file = Self {
            path: path.to_owned(),
            made: fs::symlink_metadata(path),
            _lock: lock,
        };
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok((bound, file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Not that of somebody else who has taken its place.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| is_same(&found, &self.made)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
