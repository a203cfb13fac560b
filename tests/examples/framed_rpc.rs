//! `framed_rpc`: answers in the order in which they are ready, and a request that times out.

use crate::program::Program;

#[test]
fn requests_are_pipelined_and_each_has_a_timeout() {
    let ended = Program::run("framed_rpc", &["--timeout", "0.3"]).succeeded();
    let (last, answers) = ended.lines.split_last().expect("it prints answers");
    let mut answers = answers.to_vec();
    answers.sort();
    let expected = ["sing: what?", "upper hello: HELLO", "wait 0: 0 s are over"];
    assert_eq!(answers, expected);
    assert_eq!(last, "wait 60: the deferred timed out after 300ms");
}
