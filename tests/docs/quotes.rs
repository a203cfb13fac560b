//! What pages quote from the examples is there, line by line.
//!
//! A block that follows `<!-- from PATH#NAME -->` holds the lines of that file that are
//! between `// ANCHOR: NAME` and `// ANCHOR_END: NAME`, less what they are all indented
//! by; without a name, all of the file. With `WRITE_QUOTES=1` in the environment, blocks that differ are written anew.

use std::fs;

use crate::pages::{pages, root};

/// The lines that are named `name` in the file at `path`.
fn anchored(path: &str, name: &str) -> String {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let begin = format!("// ANCHOR: {name}");
    let end = format!("// ANCHOR_END: {name}");
    assert!(
        text.lines().any(|line| line.trim() == end),
        "{path} has no {end:?}"
    );
    let lines: Vec<_> = text
        .lines()
        .skip_while(|line| line.trim() != begin)
        .take_while(|line| line.trim() != end)
        .filter(|line| !line.trim_start().starts_with("// ANCHOR"))
        .collect();
    assert!(!lines.is_empty(), "{path} has nothing for {begin:?}");
    let indent = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let line = |line: &&str| format!("{}\n", line.get(indent..).unwrap_or(""));
    lines.iter().map(line).collect()
}

/// The page with its quotes as they should be, and how many there are.
fn renewed(text: &str) -> (String, usize) {
    let mut renewed = String::new();
    let mut count = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        renewed += &format!("{line}\n");
        let source = line.trim().strip_prefix("<!-- from ");
        let Some(source) = source.and_then(|source| source.strip_suffix(" -->")) else {
            continue;
        };
        let quote = match source.split_once('#') {
            Some((path, name)) => anchored(path, name),
            None => fs::read_to_string(root().join(source)).expect("a file"),
        };
        let fence = lines.next().expect("a block follows");
        assert!(fence.starts_with("```"), "no block follows {line:?}");
        renewed += &format!("{fence}\n{quote}```\n");
        lines.by_ref().find(|line| line.starts_with("```"));
        count += 1;
    }
    (renewed, count)
}

#[test]
fn each_quote_is_what_the_example_says() {
    let writes = std::env::var_os("WRITE_QUOTES").is_some();
    let mut quotes = 0;
    for page in pages() {
        let (renewed, count) = renewed(&page.text);
        quotes += count;
        if renewed == page.text {
            continue;
        }
        let path = page.path.display();
        assert!(
            writes,
            "{path} quotes what is no longer so; WRITE_QUOTES=1 writes it anew"
        );
        fs::write(root().join(&page.path), renewed).expect("it can be written");
    }
    assert!(quotes > 2, "only {quotes} quotes were understood");
}

#[test]
fn a_program_that_is_no_test_of_its_page_is_a_quote() {
    for page in pages() {
        let mut before = "";
        for (number, line) in (1..).zip(page.text.lines()) {
            let is_ignored = line.trim().starts_with("```rust") && line.contains("ignore");
            assert!(
                !is_ignored || before.trim().starts_with("<!-- from "),
                "{}:{number} is compiled by nothing",
                page.path.display()
            );
            before = line;
        }
    }
}
