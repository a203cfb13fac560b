//! A page that links to a file of the repository or to a heading, or names a source, finds
//! it there.

use std::fs;
use std::path::Path;

use crate::pages::{files, pages, quoted, root};

/// What the headings of a page are linked to by.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then_some(c),
        });
        kept.collect()
    };
    headings.map(anchor).collect()
}

/// What a page links to, or shows, outside of its programs.
fn targets(text: &str) -> Vec<&str> {
    let mut is_program = false;
    let mut targets = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_program = !is_program;
        } else if !is_program {
            let links = line.split("](").skip(1);
            targets.extend(links.filter_map(|rest| Some(rest.split_once(')')?.0)));
        }
    }
    targets
}

#[test]
fn each_file_and_heading_that_is_linked_to_exists() {
    let mut found = 0;
    for page in pages() {
        let here = root().join(&page.path);
        let folder = here.parent().expect("it is a file");
        for target in targets(&page.text) {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => here.clone(),
                file => folder.join(file),
            };
            let says = format!("{} links to {target}", page.path.display());
            assert!(file.exists(), "{says}");
            if !anchor.is_empty() {
                let text = fs::read_to_string(&file).expect("it can be read");
                assert!(anchors(&text).iter().any(|a| a == anchor), "{says}");
            }
            found += 1;
        }
    }
    assert!(found > 60, "only {found} links were understood");
}

#[test]
fn each_page_of_the_documentation_is_in_its_index() {
    let index = fs::read_to_string(root().join("docs/README.md")).expect("the index");
    let listed = targets(&index);
    for page in pages() {
        let Ok(path) = page.path.strip_prefix("docs") else {
            continue;
        };
        let path = path.to_str().expect("its name is text");
        assert!(
            path == "README.md" || listed.contains(&path),
            "docs/README.md does not list {path}"
        );
    }
}

#[test]
fn each_source_that_the_architecture_names_exists() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).expect("the page");
    let folders = ["", "crates/deferred/src", "crates/reactor/src"].map(|path| root().join(path));
    let mut found = 0;
    for source in page.lines().flat_map(quoted) {
        if source.ends_with(".rs") {
            let exists = folders.iter().any(|folder| folder.join(source).exists());
            assert!(exists, "docs/architecture.md names {source}");
            found += 1;
        }
    }
    assert!(found > 4, "only {found} sources were understood");
}

/// The module of a constant of the crates, and its name, if `quoted` is one.
fn constant(quoted: &str) -> Option<(String, &str)> {
    let (module, name) = quoted.rsplit_once("::")?;
    let is_constant = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let is_module = module
        .chars()
        .all(|c| c.is_ascii_lowercase() || "_:".contains(c));
    (is_constant && is_module).then(|| (module.replace("::", "/"), name))
}

#[test]
fn each_constant_that_the_architecture_names_is_in_its_module() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).expect("the page");
    let mut sources = Vec::new();
    for name in ["deferred", "reactor"] {
        files(
            &root().join("crates").join(name),
            Path::new(""),
            &mut sources,
        );
        sources.iter_mut().for_each(|path| {
            if !path.starts_with("crates/") {
                *path = format!("crates/{name}/{path}");
            }
        });
    }
    let mut found = 0;
    for (module, name) in page.lines().flat_map(quoted).filter_map(constant) {
        let ends = [format!("/{module}.rs"), format!("/{module}/mod.rs")];
        let mut of_module = sources
            .iter()
            .filter(|path| ends.iter().any(|end| path.ends_with(end)));
        let is_there = of_module.any(|path| {
            let text = fs::read_to_string(root().join(path)).expect("it can be read");
            text.contains(&format!("const {name}:"))
        });
        assert!(is_there, "docs/architecture.md names {module}::{name}");
        found += 1;
    }
    assert!(found > 8, "only {found} constants were understood");
}

#[test]
fn each_test_file_is_in_the_map_of_the_tests() {
    let tests = root().join("tests");
    let map = fs::read_to_string(tests.join("README.md")).expect("the map");
    for folder in ["deferred", "sync", "reactor", "tls", "soak"] {
        let here = format!("file in `{folder}/`");
        let (_, section) = map.split_once(&here).expect("a table for the folder");
        let section = section.split("\n## ").next().expect("there is a first");
        let mut listed: Vec<_> = section.lines().flat_map(quoted).collect();
        listed.retain(|word| word.ends_with(".rs"));
        listed.sort_unstable();

        let mut found = Vec::new();
        files(&tests.join(folder), Path::new(""), &mut found);
        found.retain(|path| {
            path.ends_with(".rs") && !["main.rs", "support.rs"].contains(&path.as_str())
        });
        found.sort_unstable();
        assert_eq!(listed, found, "listed in tests/README.md, and in {folder}/");
    }
}
