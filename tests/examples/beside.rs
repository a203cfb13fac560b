//! `process`: what runs beside the loop.

use crate::program::Program;

#[test]
fn other_programs_are_run_and_talked_to() {
    let ended = Program::run("process", &[]).succeeded();
    let expected = [
        "9 words",
        "exit status: 3: oh no",
        "too slow: the deferred timed out after 50ms",
        "NotFound",
        "so far: 1",
        "so far: 3",
        "so far: 6",
        "the process has ended: exit status: 0",
    ];
    assert_eq!(ended.lines, expected);
}
