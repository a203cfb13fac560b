//! The names that pages give as ours, beside those of others, are in the crates.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::pages::{files, quoted, root};

/// The words of a text that could be names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.len() > 3 && word.starts_with(|c: char| !c.is_numeric()))
}

/// What stands in the sources of the crates.
fn known() -> BTreeSet<String> {
    let crates = root().join("crates");
    let mut paths = Vec::new();
    files(&crates, Path::new(""), &mut paths);
    let sources = paths.iter().filter(|path| path.ends_with(".rs"));
    let text = |path| fs::read_to_string(crates.join(path)).expect("it can be read");
    sources
        .map(text)
        .flat_map(|text| words(&text).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

#[test]
fn each_name_of_ours_exists() {
    let known = known();
    for (page, begin, end) in [
        ("coming-from-twisted.md", "\n## Name by name\n", "\n## "),
        ("coming-from-tokio.md", "\n## Name by name\n", "\n## "),
        (
            "coming-from-axum.md",
            "# Coming from axum\n",
            "\n## The same program",
        ),
    ] {
        let text = fs::read_to_string(root().join("docs").join(page)).expect("the page");
        let (_, names) = text.split_once(begin).expect("a table of names");
        let table = names.split(end).next().expect("there is a first");
        let mut found = 0;
        for line in table.lines() {
            let line = line.replace("\\|", "/");
            let Some(ours) = line.split('|').nth(2) else {
                continue;
            };
            for name in quoted(ours).flat_map(words) {
                assert!(known.contains(name), "docs/{page} names {name}");
                found += 1;
            }
        }
        assert!(found > 30, "only {found} names of {page} were understood");
    }
}
