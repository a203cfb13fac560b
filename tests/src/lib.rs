//! Conformance with Twisted, and what a user of the crates could see, tested from the outside.
//!
//! The tests are in the folders beside this one. This library has what several of them use.

use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A directory for the files of one test. Deleted when dropped.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes one whose name begins with `name`, which is short: the path of a UNIX socket has
    /// room for a hundred bytes.
    ///
    /// # Panics
    ///
    /// Panics if the directory cannot be made.
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    /// The path of a file in it, for the arguments of a program.
    ///
    /// # Panics
    ///
    /// Panics if the path is not UTF-8.
    pub fn path(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("text").to_owned()
    }
}

impl Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Errs if something else has deleted it: then it is gone, as it should be.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Says that a test is skipped, and why.
pub fn skip(reason: impl Display) {
    // Not by `eprintln`, which the test runner keeps to itself. Errs if nothing reads it.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// Whether a program of another project can be run, by its name or its path; says so if not.
pub fn is_there(program: &str) -> bool {
    let search = Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null", program])
        .status();
    let found = search.is_ok_and(|status| status.success());
    if !found {
        skip(format_args!("no {program}"));
    }
    found
}
