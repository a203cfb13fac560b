//! A temporary folder.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

use reactor_mail::Maildir;

/// A folder that is removed when it is dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        Self::below(&env::temp_dir())
    }

    pub(crate) fn below(path: &Path) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = path.join(format!("reactor-mail-{}-{number}", process::id()));
        fs::create_dir(&path).expect("it is made");
        Self(path)
    }

    /// A Maildir in it, which is made.
    pub(crate) fn maildir(&self, name: &str) -> Maildir {
        let maildir = Maildir::new(self.0.join(name));
        maildir.create().expect("it is made");
        maildir
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Errs if the test has removed it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The names of the files in a folder of a Maildir, sorted.
pub(crate) fn files(maildir: &Maildir, folder: &str) -> Vec<String> {
    let folder = fs::read_dir(maildir.path().join(folder)).expect("it is there");
    let names = folder.map(|file| file.expect("it is read").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
