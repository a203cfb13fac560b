//! The coming-from pages name tests, and these exist.
//!
//! Their programs are doc tests; names in their text would rot unnoticed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::pages::{quoted, root};

/// Where the page means `file` to be.
fn path_of(file: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    match file.strip_prefix("tests/") {
        Some(file) => tests.join(file),
        None => tests.join("deferred").join(file),
    }
}

/// Asserts that the tests which `text` names exist; gives how many there are.
fn tests_named_in(text: &str) -> usize {
    let mut file = None;
    let mut found = 0;
    for line in text.lines() {
        if line.starts_with(['-', '|', '#']) {
            // Names stand behind their file, in the same item.
            file = None;
        }
        for word in quoted(line) {
            if word.ends_with(".rs") {
                file = Some(path_of(word));
            } else if word.contains("::") {
                file = None;
            } else if let Some(file) = &file {
                let text =
                    fs::read_to_string(file).unwrap_or_else(|error| panic!("{file:?}: {error}"));
                // Below its attribute, `#[test]` or `#[ignore ..]`.
                let is_test = text.contains(&format!("]\nfn {word}()"));
                assert!(is_test, "no test {word} in {file:?}");
                found += 1;
            }
        }
    }
    found
}

#[test]
fn each_test_that_is_named_exists() {
    let page = fs::read_to_string(root().join("docs/coming-from-twisted.md")).expect("the page");
    let (_, decisions) = page
        .split_once("\n- **The end of a chain")
        .expect("its first decision");
    let found = tests_named_in(decisions);
    assert!(found > 40, "only {found} names were understood");

    let page = fs::read_to_string(root().join("docs/coming-from-tokio.md")).expect("the page");
    assert!(tests_named_in(&page) > 0, "no name was understood");
}

#[test]
fn each_normalization_that_is_named_exists() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(tests.join("../docs/coming-from-twisted.md")).expect("the page");
    let trace = fs::read_to_string(tests.join("conformance/trace.rs")).expect("it");
    let names: Vec<_> = page
        .lines()
        .flat_map(quoted)
        .filter_map(|word| word.strip_prefix("Normalization::"))
        .filter(|name| *name != "...")
        .collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(trace.contains(&format!("Self::{name} =>")), "{name}");
    }
}
