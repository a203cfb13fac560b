//! The files in `.github`: CI runs the script that everybody runs, and the templates are short.

use std::fs;

use crate::pages::root;

/// Most lines of a template. A longer one is deleted and not filled in.
const MOST_LINES: usize = 12;

#[test]
fn ci_runs_the_script_and_nothing_else() {
    let workflows = root().join(".github/workflows");
    let mut found: Vec<_> = fs::read_dir(&workflows)
        .expect("the folder")
        .map(|entry| entry.expect("one").file_name())
        .collect();
    found.sort();
    assert_eq!(found, ["ci.yml"]);

    let text = fs::read_to_string(workflows.join("ci.yml")).expect("the workflow");
    let steps: Vec<_> = text
        .lines()
        .map(|line| line.trim().trim_start_matches("- "))
        .filter(|line| line.starts_with("run:") || line.starts_with("uses:"))
        .collect();
    let [checkout, script] = steps[..] else {
        panic!("a checkout and the script, and no other step: {steps:?}");
    };
    assert!(
        checkout.starts_with("uses: actions/checkout@"),
        "{checkout}"
    );
    assert_eq!(script, "run: .ci/run");
}

#[test]
fn the_templates_of_issues_and_pull_requests_are_there_and_short() {
    for template in [
        "ISSUE_TEMPLATE/bug.md",
        "ISSUE_TEMPLATE/feature.md",
        "PULL_REQUEST_TEMPLATE.md",
    ] {
        let path = root().join(".github").join(template);
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{template}: {error}"));
        let count = text.lines().count();
        assert!(count > 0, "{template} is empty");
        assert!(count <= MOST_LINES, "{template} has {count} lines");
    }
}
