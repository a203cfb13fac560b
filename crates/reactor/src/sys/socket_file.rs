//! File of a UNIX socket, and the lock file beside it.

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
    home: HomeProcess,
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of the lock file beside `socket`.
    ///
    /// # Errors
    ///
    /// `AddrInUse`, if another process holds it.
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
            // The previous holder may have removed the file between the open and the lock; then the
            // lock is on a file without a name, and a new file is tried.
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
    /// `AlreadyExists` if the file is no socket; `AddrInUse` if a process, even one without the
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
/// Tested by connecting a datagram socket, of which the other side notices nothing: a socket of
/// another type refuses with `EPROTOTYPE`, even before it listens. Without an open socket, the
/// error is `ECONNREFUSED`.
fn is_stale(path: &Path) -> io::Result<bool> {
    match UnixDatagram::unbound()?.connect(path) {
        Ok(()) => Ok(false),
        Err(error) => match Errno::from_io_error(&error) {
            Some(Errno::CONNREFUSED) => Ok(true),
            // `EPERM`: a datagram socket that is connected to another one.
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

fn is_same(found: &fs::Metadata, ours: &io::Result<fs::Metadata>) -> bool {
    ours.as_ref()
        .is_ok_and(|ours| (found.dev(), found.ino()) == (ours.dev(), ours.ino()))
}

/// File of a socket of this process; dropping this removes it.
///
/// INVARIANT: dropped before the socket is closed. Once the socket is closed, another process may
/// replace the file by its own, perhaps with the same inode number, and this would remove that.
pub(crate) struct SocketFile {
    /// A forked process does not remove the file.
    home: HomeProcess,
    path: PathBuf,
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

    /// Leaves the file where it is: its socket was handed over.
    pub(crate) fn leave(mut self) {
        self.made = Err(io::ErrorKind::Other.into());
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if !self.home.is_current() {
            return;
        }
        // Not if another process has put a file of its own in its place.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| is_same(&found, &self.made)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
