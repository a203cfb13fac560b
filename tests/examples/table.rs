//! The table of the examples: it has all of them, and what it says is so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::build::names;

/// A row of the table, as far as it can be checked.
struct Row {
    name: String,
    path: PathBuf,
    counterpart: String,
    lines: usize,
    lines_there: Option<usize>,
}

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn readme() -> String {
    fs::read_to_string(package().join("README.md")).expect("the page")
}

fn table() -> Vec<Row> {
    let page = readme();
    let rows = page.lines().filter(|line| line.starts_with("| [`"));
    rows.map(row).collect()
}

/// Of the form ``| [`name`](path) | what it shows | counterpart | lines | lines there |``.
fn row(line: &str) -> Row {
    let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [link, _what, counterpart, lines, lines_there] = cells[..] else {
        panic!("a row of other columns: {line}");
    };
    let link = link.strip_prefix("[`").and_then(|l| l.strip_suffix(')'));
    let (name, path) = link
        .and_then(|link| link.split_once("`]("))
        .expect("a link");
    Row {
        name: name.to_owned(),
        path: package().join(path),
        counterpart: counterpart.to_owned(),
        lines: lines.parse().expect("a count"),
        lines_there: match lines_there {
            "-" => None,
            count => Some(count.parse().expect("a count")),
        },
    }
}

/// The text of the program that is linked to: with `main.rs`, all files beside it.
fn sources(path: &Path) -> Vec<String> {
    let read = |path: &Path| fs::read_to_string(path).expect("a file that is linked to");
    if !path.ends_with("main.rs") {
        return vec![read(path)];
    }
    let directory = path.parent().expect("it is a file");
    let files = fs::read_dir(directory).expect("a directory");
    files
        .map(|file| read(&file.expect("an entry").path()))
        .collect()
}

/// How many lines there are that are neither blank nor a comment.
fn count(source: &str) -> usize {
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    source.lines().map(str::trim).filter(is_code).count()
}

#[test]
fn the_table_has_every_example_once() {
    let rows = table();
    let listed: BTreeSet<_> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(listed.len(), rows.len(), "one is there twice");
    assert!(listed.iter().copied().eq(names()), "{listed:?}");
}

#[test]
fn its_line_counts_are_true() {
    for row in table() {
        let counted: usize = sources(&row.path).iter().map(|source| count(source)).sum();
        assert_eq!(row.lines, counted, "of {}", row.name);
        let has_counterpart = row.lines_there.is_none() || row.counterpart.contains(".py`");
        assert!(has_counterpart, "{} counts no file", row.name);
    }
}

#[test]
fn each_example_says_how_it_is_run_and_what_its_counterpart_is() {
    let page = readme();
    for row in table() {
        let run = format!("cargo run --example {}", row.name);
        let is_run = |text: &str| {
            text.lines()
                .any(|line| line.trim_start_matches("//! ").starts_with(&run))
        };
        let source = fs::read_to_string(&row.path).expect("a file that is linked to");
        assert!(is_run(&source), "{}", row.name);
        assert!(is_run(&page), "{}, on the page", row.name);
        let (header, _) = source.split_once("\n\n").expect("a header");
        let says = header.contains("Twisted's counterpart:");
        assert!(says, "{} names no counterpart", row.name);
    }
}
