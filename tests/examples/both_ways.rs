//! `async_client` and `testing_a_protocol`: all that they print.

use crate::program::Program;

#[test]
fn both_clients_find_the_number_in_the_same_way() {
    let ended = Program::run("async_client", &[]).succeeded();
    let guesses = [
        "50: lower",
        "25: higher",
        "37: higher",
        "43: lower",
        "40: higher",
        "41: higher",
        "42: right",
    ];
    let expected = [
        &guesses[..],
        &["with callbacks: 42"],
        &guesses[..],
        &["with await: 42"],
    ];
    assert_eq!(ended.lines, expected.concat());
}

#[test]
fn a_protocol_passes_its_tests() {
    let ended = Program::run("testing_a_protocol", &[]).succeeded();
    let expected = [
        "a question is a line: ok",
        "byte by byte: ok",
        "too late: ok",
        "the end: ok",
        "a server that does not answer: ok",
    ];
    assert_eq!(ended.lines, expected);
}
