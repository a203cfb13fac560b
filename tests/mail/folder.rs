//! A temporary folder.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use reactor_mail::Maildir;
use tests::Directory;

/// A folder with Maildirs. Deleted when dropped.
pub(crate) struct Folder(pub(crate) Directory);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(Directory::new("reactor-mail"))
    }

    pub(crate) fn below(path: &Path) -> Self {
        Self(Directory::below(path, "reactor-mail"))
    }

    /// A Maildir in it, which is made.
    pub(crate) fn maildir(&self, name: &str) -> Maildir {
        let maildir = Maildir::new(self.0.join(name));
        maildir.create().expect("it is made");
        // Made a minute ago: a store waits for the next second if its Maildir is new.
        let cur = File::open(maildir.path().join("cur")).expect("it is there");
        let ago = SystemTime::now() - Duration::from_secs(60);
        cur.set_modified(ago).expect("it is ours");
        maildir
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
