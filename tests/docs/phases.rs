//! The phases of a chain: the page shows the transitions that the code has.

use std::fs;

use crate::pages::root;

#[test]
fn the_architecture_page_shows_every_transition_of_a_chain() {
    let code = fs::read_to_string(root().join("crates/deferred/src/chain/phase.rs"));
    let code = code.expect("the phases");
    let page = fs::read_to_string(root().join("docs/architecture.md")).expect("the page");
    let arrows: Vec<_> = code
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .filter(|line| line.contains("▶"))
        .collect();
    assert!(arrows.len() > 8, "the diagram of the phases");
    for arrow in arrows {
        assert!(page.contains(arrow), "docs/architecture.md lacks {arrow:?}");
    }

    // And the diagram has every transition, with the phases that it joins.
    let (_, ends) = code
        .split_once("const fn ends(self)")
        .expect("the transitions");
    let (ends, _) = ends.split_once("\n    }\n").expect("its end");
    let mut count = 0;
    for line in ends.lines().filter(|line| line.contains("=> (Phase::")) {
        let name = |part: &str| part.split("::").nth(1).map(str::to_owned);
        let words: Vec<_> = line.split([' ', ',', ')']).filter_map(name).collect();
        let [transition, from, to] = &words[..] else {
            panic!("what is in {line:?}?");
        };
        let is_shown = code.lines().any(|line| {
            line.starts_with("//!")
                && line.contains(&format!(" {from} "))
                && line.contains(&format!("─ {transition} ─"))
                && line.contains(&format!("▶ {to} "))
        });
        assert!(is_shown, "the diagram lacks {transition}: {from} to {to}");
        count += 1;
    }
    assert!(count > 8, "the transitions were read");
}
