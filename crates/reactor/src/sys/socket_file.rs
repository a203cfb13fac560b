//! File of a UNIX socket, and its lock file.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::HomeProcess;

/// Lock on the name of a socket. Its holder may remove the socket file of a crashed process.
/// Dropping this releases the lock.
struct Lock {
    /// The process that took the lock. A process forked from it leaves the lock file in place.
    home: HomeProcess,
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of the lock file beside `socket`.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if the lock is held already, by this process or another.
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
            // The previous holder may have removed the file between the open and the lock. Then
            // this lock is on a file without a name, so the loop tries again with a new file.
            if fs::metadata(&path).is_ok_and(|found| is_same(&found, &file.metadata())) {
                return Ok(Self {
                    home: HomeProcess::current(),
                    path,
                    _file: file,
                });
            }
        }
    }

    /// Removes the socket file that a crashed process has left at `socket`.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the file is not a socket; `AddrInUse` if a process, even one without the
    /// lock, has the socket open.
    fn remove_stale(&self, socket: &Path) -> io::Result<()> {
        use std::os::unix::fs::FileTypeExt;

        match fs::symlink_metadata(socket) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        if is_stale(socket)? {
            fs::remove_file(socket)
        } else {
            Err(io::ErrorKind::AddrInUse.into())
        }
    }
}

/// Whether the file at `path` belongs to no open socket.
///
/// The test connects a datagram socket to the file, which the owner of an open socket does not
/// notice: the connect succeeds, or fails with `EPROTOTYPE` if the open socket is of another type,
/// even one that does not listen yet. If no socket is open, it fails with `ECONNREFUSED`.
fn is_stale(path: &Path) -> io::Result<bool> {
    match UnixDatagram::unbound()?.connect(path) {
        Ok(()) => Ok(false),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::CONNREFUSED) => Ok(true),
            // `EPERM`: the open socket is a datagram socket that is connected to another peer.
            Some(Errno::PROTOTYPE | Errno::PERM) => Ok(false),
            _ => Err(error),
        },
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.home.is_current() {
            return;
        }
        // Errs if the file was removed already; harmless.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether both are metadata of the same file; `false` if `ours` is an error.
fn is_same(found: &fs::Metadata, ours: &io::Result<fs::Metadata>) -> bool {
    ours.as_ref()
        .is_ok_and(|ours| (found.dev(), found.ino()) == (ours.dev(), ours.ino()))
}

/// File of a socket of this process; dropping this removes it.
///
/// INVARIANT: dropped before the socket is closed. Once the socket is closed, another process may
/// replace the file by its own, perhaps with the same inode number; a later drop of the
/// `SocketFile` would remove that process's file.
pub(crate) struct SocketFile {
    /// The process that made the file. A process forked from it leaves the file in place.
    home: HomeProcess,
    path: PathBuf,
    /// Metadata of the file, read after the bind. If it is an error, the drop removes nothing.
    made: io::Result<fs::Metadata>,
    // Dropped last, so that the file is removed under the lock.
    _lock: Option<Lock>,
}

impl SocketFile {
    /// Calls `bind`, which makes the file at `path`: under a lock if `locks`, and with the
    /// permissions `mode` if given.
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
            home: HomeProcess::current(),
            path: path.to_owned(),
            made: fs::symlink_metadata(path),
            _lock: lock,
        };
        if let Some(mode) = mode {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok((bound, file))
    }

    /// Drops this without removing the file, because its socket was handed over.
    pub(crate) fn leave(mut self) {
        // The kind does not matter: the drop removes only the file whose metadata is in `made`.
        self.made = Err(io::ErrorKind::Other.into());
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.home.is_current() {
            return;
        }
        // If another process has replaced the file by its own, that file stays.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| is_same(&found, &self.made)) {
            // Errs if the file has gone since the check, or the directory is read-only now. The
            // stale file is harmless: the next bind with a lock removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}
