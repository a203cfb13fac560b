//! `threads`: what the jobs come to, and that one never ran.

use std::fs;
use std::path::PathBuf;

use crate::program::Program;

/// A file of this test's, which goes with it.
struct TestFile(PathBuf);

impl TestFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::write(&path, text).expect("a file");
        Self(path)
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn jobs_tell_how_far_they_are_and_what_they_come_to() {
    let file = TestFile::new("examples-threads", "foobar");
    let path = file.0.to_str().expect("text");
    let ended = Program::run("threads", &[path]).succeeded();
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
