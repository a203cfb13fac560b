//! Where the pages are, and how to read one.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A page, and its path from the root.
pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// All of them, but for those of tools that lie elsewhere.
pub(crate) fn pages() -> Vec<Page> {
    let root = root();
    let mut paths = Vec::new();
    for folder in [
        ".",
        "docs",
        "docs/guide",
        "docs/zh",
        "examples",
        "benches",
        "tests",
    ] {
        let entries = fs::read_dir(root.join(folder)).expect("it is there");
        let found = entries.map(|entry| Path::new(folder).join(entry.expect("one").file_name()));
        paths.extend(found.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    paths.sort();
    let page = |path: PathBuf| Page {
        text: fs::read_to_string(root.join(&path)).expect("it can be read"),
        path,
    };
    paths.into_iter().map(page).collect()
}

/// The words between backticks.
pub(crate) fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The files below `folder`, as paths from there.
pub(crate) fn files(folder: &Path, below: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder.join(below)).expect("it is there") {
        let path = below.join(entry.expect("one").file_name());
        if folder.join(&path).is_dir() {
            files(folder, &path, found);
        } else {
            found.push(path.to_str().expect("its name is text").to_owned());
        }
    }
}
