//! One source for both flavours: `deferred::sync` is generated from `deferred::local`.
//!
//! Each file of `crates/deferred/src/local` has a twin in `crates/deferred/src/sync`, which is
//! checked in. With `WRITE_SYNC=1` in the environment, the twins are written anew:
//!
//! ```sh
//! WRITE_SYNC=1 cargo test -p tests --test flavours
//! ```
//!
//! The transformation is of text, line by line, as rustfmt leaves it:
//!
//! - Code: the mode `Local` becomes `Shared`, `Rc` becomes `Arc`, and a bound `'static`
//!   becomes `Send + 'static`; where values are cloned for others, `Send + Sync + 'static`.
//! - Documentation is kept. The `# Examples` of a type or function are replaced by those that
//!   `examples.md` has for it, which use threads; if it has none, names of the flavour are
//!   imported from `deferred::sync`. Methods show their examples in the local flavour only.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::source::{Names, to_sync};

/// Files of `sync` that have no twin.
const OWN: [&str; 4] = ["future.rs", "into_local.rs", "mod.rs", "wait.rs"];

/// Names of `local` that `sync` has not: none.
const LOCAL_ONLY: [&str; 0] = [];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn folder(flavour: &str) -> PathBuf {
    root().join("crates/deferred/src").join(flavour)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn files_of(flavour: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder(flavour)).expect("the folder is there");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.into_string().expect("its name is text"))
        .collect()
}

/// The public names of a flavour: what its `mod.rs` exports.
fn names_of(flavour: &str) -> Names {
    let text = read(&folder(flavour).join("mod.rs"));
    let mut names = Names::new();
    for export in text.split("\npub use self::").skip(1) {
        let (path, _) = export.split_once(';').expect("the end of the export");
        let (_, exported) = path.split_once("::").expect("what is exported");
        let exported = exported.trim_matches(['{', '}']).split(',');
        names.extend(exported.map(|name| name.trim().to_owned()));
    }
    names.remove("");
    names
}

/// The sections of `examples.md`, by their titles.
fn examples() -> BTreeMap<String, String> {
    let text = read(&root().join("tests/flavours/examples.md"));
    let sections = text.split("\n## ").skip(1);
    let section = |section: &str| {
        let (title, body) = section.split_once('\n').expect("a body");
        (title.to_owned(), body.trim().to_owned())
    };
    sections.map(section).collect()
}

/// `code` as rustfmt leaves it; `None` if there is no rustfmt.
fn formatted(code: &str) -> Option<String> {
    let child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.ok()?;
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(code.as_bytes()).expect("rustfmt reads it");
    drop(stdin);
    let output = child.wait_with_output().expect("rustfmt ends");
    assert!(output.status.success(), "rustfmt refuses:\n{code}");
    Some(String::from_utf8(output.stdout).expect("it is text"))
}

#[test]
fn the_shared_flavour_is_generated_from_the_local_one() {
    let writes = std::env::var_os("WRITE_SYNC").is_some();
    let (names, examples) = (names_of("local"), examples());
    let mut used = BTreeSet::new();
    for file in files_of("local") {
        if file == "mod.rs" {
            continue;
        }
        let text = to_sync(&file, &read(&folder("local").join(&file)), &names, |item| {
            used.insert(item.to_owned());
            examples.get(item).map(String::as_str)
        });
        let Some(text) = formatted(&text) else {
            eprintln!("skipped: there is no rustfmt here");
            return;
        };
        let twin = folder("sync").join(&file);
        if writes {
            fs::write(&twin, text).expect("it can be written");
        } else if fs::read_to_string(&twin).unwrap_or_default() != text {
            panic!(
                "sync/{file} is not what local/{file} gives: change the local file only, and \
                 run `WRITE_SYNC=1 cargo test -p tests --test flavours`"
            );
        }
    }
    for title in examples.keys() {
        assert!(used.contains(title), "{title:?} in examples.md is no item");
    }
}

#[test]
fn no_other_file_is_in_the_shared_flavour() {
    let mut expected = files_of("local");
    expected.extend(OWN.map(str::to_owned));
    assert_eq!(files_of("sync"), expected);
}

#[test]
fn both_flavours_have_the_same_names() {
    let mut expected = names_of("local");
    for name in LOCAL_ONLY {
        assert!(expected.remove(name), "{name} is not in the local flavour");
    }
    assert_eq!(names_of("sync"), expected);
}
