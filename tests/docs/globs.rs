//! `use deferred::*; use reactor::*;` does not clash: the roots of both crates have no name in
//! common.

use std::collections::BTreeSet;
use std::fs;

use crate::pages::root;

/// The names at the root of a crate, by the list in `tests/api`.
fn names(krate: &str) -> BTreeSet<String> {
    let list = fs::read_to_string(root().join(format!("tests/api/{krate}.txt"))).expect("the list");
    let path = format!(" {krate}::");
    let declared = list.lines().filter_map(|line| {
        let (keywords, path) = line.split_once(&path)?;
        let is_item = keywords.starts_with("pub ") && !keywords.contains(['(', '<', ':']);
        let end = path.find(|c: char| !c.is_alphanumeric() && c != '_');
        let (name, rest) = path.split_at(end.unwrap_or(path.len()));
        (is_item && !rest.starts_with("::")).then(|| name.to_owned())
    });
    declared.collect()
}

#[test]
fn the_roots_of_the_crates_have_no_name_in_common() {
    let (deferred, reactor) = (names("deferred"), names("reactor"));
    assert!(
        deferred.contains("Deferred") && deferred.contains("sync"),
        "{deferred:?}"
    );
    assert!(
        reactor.contains("Reactor") && reactor.contains("testing"),
        "{reactor:?}"
    );
    let common: Vec<_> = deferred.intersection(&reactor).collect();
    assert!(common.is_empty(), "in both crates: {common:?}");
}
