//! `threads`: what the jobs come to, and that one never ran.

use std::fs;

use tests::Directory;

use crate::program::Program;

#[test]
fn jobs_tell_how_far_they_are_and_what_they_come_to() {
    let directory = Directory::new("examples-threads");
    let path = directory.path("text");
    fs::write(&path, "foobar").expect("a file");
    let ended = Program::run("threads", &[&path]).succeeded();
    let has = |line: &str| assert!(ended.lines.iter().any(|l| l == line), "{line} in {ended:?}");
    has("33860 primes");
    // As its authors give it for this text.
    has(&format!("{path} has the hash 85944171f73967e8"));
    has("one was cancelled while it waited");
    for step in 0..8 {
        has(&format!(
            "counted from {} to {}",
            step * 50_000,
            (step + 1) * 50_000
        ));
    }
    assert_eq!(ended.lines.len(), 11, "{ended:?}");
}

#[test]
fn a_file_that_is_not_there_fails() {
    let ended = Program::run("threads", &["/no/such/file"]);
    ended.failed_over("No such file");
    assert!(
        ended.lines.contains(&"33860 primes".to_owned()),
        "{ended:?}"
    );
}
