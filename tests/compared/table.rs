//! The table of lines in `examples/README.md`.

use std::fs;
use std::path::Path;

use crate::Library;

/// How many lines a program has that are neither blank nor a comment, as the table counts them.
fn lines(library: Library, name: &str) -> Option<usize> {
    let (end, comment) = match library {
        Library::Klein => ("py", "#"),
        Library::ReactorWeb | Library::Axum => ("rs", "//"),
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/compared");
    let path = folder.join(library.folder()).join(format!("{name}.{end}"));
    let text = fs::read_to_string(path).ok()?;
    let is_code = |line: &&str| !line.is_empty() && !line.starts_with(comment);
    Some(text.lines().map(str::trim).filter(is_code).count())
}

#[test]
fn its_counts_are_true_and_it_has_all_programs() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/README.md");
    let readme = fs::read_to_string(readme).expect("the page");
    let (_, section) = readme
        .split_once("\n## The same in klein and axum\n")
        .expect("it is there");
    let section = section.split("\n## ").next().expect("a first part");
    let mut rows = 0;
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _what, counts @ ..] = &cells[..] else {
            panic!("a row of other columns: {row}");
        };
        let name = name.trim_matches('`');
        let found = Library::ALL.map(|library| match lines(library, name) {
            Some(count) => count.to_string(),
            None => "-".to_owned(),
        });
        assert_eq!(*counts, found, "{name}");
        rows += 1;
    }
    let programs = crate::programs::ALL.iter();
    let ours = programs.filter(|(name, _)| name.starts_with("reactor_web/"));
    assert_eq!(rows, ours.count());
}
