//! Imports go one way: as in the tables of `docs/architecture.md`, which this test reads.
//!
//! A module may import from the rows above its own, and from its left in its own row. An
//! exception stands below the table, as `` `one` → `other` ``, and must exist: so it is
//! removed from the page when it is removed from the code. `circles.rs` checks the files
//! inside of a module.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::pages::{files, quoted, root};

/// What the page says of a crate.
struct Order {
    /// The modules, from the lowest to the highest.
    places: BTreeMap<String, usize>,
    /// Imports that go up, as exceptions.
    exceptions: BTreeSet<(String, String)>,
}

fn order_of(name: &str) -> Order {
    let page = fs::read_to_string(root().join("docs/architecture.md")).expect("the page");
    let heading = format!("\n### Crate `{name}`\n");
    let (_, section) = page.split_once(&heading).expect("a section for the crate");
    let section = section.split("\n#").next().expect("there is a first");

    let mut order = Order {
        places: BTreeMap::new(),
        exceptions: BTreeSet::new(),
    };
    for line in section.lines() {
        if let Some(row) = line.strip_prefix("| `") {
            let cell = row.split('|').next().expect("there is a first");
            for module in quoted(&format!("`{cell}")) {
                let place = order.places.len();
                let replaced = order.places.insert(module.to_owned(), place);
                assert!(replaced.is_none(), "{name}::{module} has two places");
            }
        } else if line.starts_with("- ") && line.contains("` → `") {
            let mut words = quoted(line).map(str::to_owned);
            let pair = words.next().zip(words.next()).expect("one and the other");
            order.exceptions.insert(pair);
        }
    }
    order
}

/// The first word of `text`, if it is the name of a module.
fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The imports between modules: importer and imported, with the first line.
fn imports(name: &str) -> (BTreeSet<String>, BTreeMap<(String, String), String>) {
    let folder = root().join("crates").join(name).join("src");
    let mut paths = Vec::new();
    files(&folder, Path::new(""), &mut paths);

    let (mut modules, mut imports) = (BTreeSet::new(), BTreeMap::new());
    for path in paths {
        if path == "lib.rs" || path == "guide.rs" {
            continue;
        }
        let place = path.trim_end_matches(".rs").trim_end_matches("/mod");
        let module = place
            .split('/')
            .next()
            .expect("there is a first")
            .to_owned();
        // So many `super::` lead to the root.
        let depth = place.split('/').count();
        modules.insert(module.clone());

        let text = fs::read_to_string(folder.join(&path)).expect("it can be read");
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            assert!(
                !line.contains("crate::{"),
                "{path}: one line for each, please"
            );
            let to_root = "super::".repeat(depth);
            let absolute = line.split("crate::").skip(1);
            let relative = line
                .split_once(&to_root)
                .filter(|(before, _)| !before.ends_with("super::"))
                .map(|(_, rest)| rest);
            for named in absolute.chain(relative).map(first_word) {
                if named != module {
                    let pair = (module.clone(), named.to_owned());
                    imports
                        .entry(pair)
                        .or_insert_with(|| format!("{path}: {line}"));
                }
            }
        }
    }
    imports.retain(|(_, named), _| modules.contains(named));
    (modules, imports)
}

fn check(name: &str) {
    let order = order_of(name);
    let (modules, imports) = imports(name);

    let listed: BTreeSet<_> = order.places.keys().cloned().collect();
    assert_eq!(listed, modules, "the modules of {name}, listed and there");

    for ((module, named), place) in &imports {
        let goes_up = order.places[named] < order.places[module];
        let is_exception = order.exceptions.contains(&(module.clone(), named.clone()));
        assert!(
            goes_up || is_exception,
            "in {name}, `{module}` names `{named}`, which stands below it: {place}"
        );
        assert!(
            !(goes_up && is_exception),
            "in {name}, `{module}` may name `{named}`: it is no exception"
        );
    }
    for pair in &order.exceptions {
        assert!(
            imports.contains_key(pair),
            "in {name}, {pair:?} is so no more: take it out of the page"
        );
    }
}

#[test]
fn imports_of_deferred_go_one_way() {
    check("deferred");
}

#[test]
fn imports_of_reactor_go_one_way() {
    check("reactor");
}

#[test]
fn imports_of_reactor_tls_go_one_way() {
    check("reactor-tls");
}

#[test]
fn imports_of_reactor_telnet_go_one_way() {
    check("reactor-telnet");
}

#[test]
fn imports_of_reactor_web_go_one_way() {
    check("reactor-web");
}

#[test]
fn imports_of_reactor_names_go_one_way() {
    check("reactor-names");
}

#[test]
fn imports_of_reactor_mail_go_one_way() {
    check("reactor-mail");
}
