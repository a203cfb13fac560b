//! Opens files below a folder, and none outside of it.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
#[cfg(any(target_os = "android", target_os = "linux"))]
use rustix::{fs::ResolveFlags, io::Errno};

/// How a file is opened. Non-blocking, because the opening of a named pipe waits for a writer
/// otherwise. After the opening, the caller refuses what is not a regular file.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// Most attempts to open a file. An attempt fails if a folder is renamed while the kernel resolves
/// the path.
#[cfg(any(target_os = "android", target_os = "linux"))]
const ATTEMPTS: usize = 8;

/// Opens what is at `path`, wherever that is, for reading.
pub(super) fn open_anywhere(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, FLAGS, Mode::empty())?.into())
}

/// Opens `below`, a relative path, for reading. The kernel resolves it, and refuses to leave
/// `root`, so there is no race. A symbolic link is followed if its target is relative and below
/// `root`, too.
///
/// `root` is opened anew for each file, so that a folder that takes its place is seen.
#[cfg(any(target_os = "android", target_os = "linux"))]
pub(super) fn open(root: &Path, below: &Path) -> io::Result<File> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(root, flags, Mode::empty())?;
    // For an empty path, the kernel would return `ENOENT`.
    let is_root = below.as_os_str().is_empty();
    let path = if is_root { Path::new(".") } else { below };
    // Links such as `/proc/self/fd/3` lead anywhere without a path.
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..ATTEMPTS {
        match rustix::fs::openat2(&folder, path, FLAGS, Mode::empty(), resolve) {
            Ok(file) => return Ok(file.into()),
            // The kernel cannot be sure that the path has stayed below `folder`.
            Err(Errno::AGAIN) => {}
            // Linux before 5.6, or a filter of system calls that does not know `openat2`.
            Err(Errno::NOSYS | Errno::PERM) => return open_checked(root, below),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::AGAIN.into())
}

/// As [`open_checked`], which is all that there is on this system.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
pub(super) fn open(root: &Path, below: &Path) -> io::Result<File> {
    open_checked(root, below)
}

/// Opens `below`, a relative path, for reading, if it is below `root` when all symbolic links are
/// followed.
///
/// A race remains: a process that may write to the folder can put a symbolic link in the place of a
/// folder between the look at the path and the opening of it.
fn open_checked(root: &Path, below: &Path) -> io::Result<File> {
    let root = root.canonicalize()?;
    // Both paths are without symbolic links, so that a comparison of components is enough.
    let path = root.join(below).canonicalize()?;
    if !path.starts_with(&root) {
        return Err(io::ErrorKind::NotFound.into());
    }
    open_anywhere(&path)
}

/// Calls `open_checked` itself, because `open` does not get there on a kernel that has `openat2`.
#[test]
fn a_checked_link_out_of_the_folder_is_not_opened() {
    use std::fs;
    use std::os::unix::fs::symlink;
    let folder = std::env::temp_dir().join(format!("files-{}", std::process::id()));
    let root = folder.join("root");
    fs::create_dir_all(root.join("sub")).expect("a folder");
    fs::write(folder.join("secret"), "secret").expect("a file");
    fs::write(root.join("sub/file"), "file").expect("a file");
    symlink("../secret", root.join("out")).expect("a link");
    symlink("..", root.join("up")).expect("a link");
    symlink("sub/file", root.join("in")).expect("a link");
    for inside in ["sub/file", "in", ""] {
        assert!(open_checked(&root, Path::new(inside)).is_ok(), "{inside}");
    }
    for out in ["out", "up/secret", "up", "sub/../../secret"] {
        let refused = open_checked(&root, Path::new(out)).map(drop);
        let kind = refused.expect_err(out).kind();
        assert_eq!(kind, io::ErrorKind::NotFound, "{out}");
    }
    fs::remove_dir_all(&folder).expect("it was made above");
}
