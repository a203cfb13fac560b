//! `tour`: all that it prints.

use crate::program::Program;

#[test]
fn a_tour_shows_what_each_of_its_programs_does() {
    let ended = Program::run("tour", &[]).succeeded();
    let expected = [
        "a result that comes later:",
        "  nothing yet",
        "  here it is",
        "over to the failures, and back:",
        "  invalid digit found in string",
        "  recovered",
        "a callback that waits:",
        "  it waits",
        "  the answer",
        "a cancel:",
        "  the socket closes",
        "  the deferred was cancelled",
        "all of them:",
        "  2 is there",
        "  0 is there",
        "  1 is there",
        "  [0, 10, 20]",
        "the first of them:",
        "  the slow one: the deferred was cancelled",
        "  number 1 wins",
        "whatever comes of them:",
        "  1",
        "  lost",
        "  3",
        "one at a time:",
        "  ann comes in",
        "  ann leaves",
        "  bob comes in",
        "  bob leaves",
        "two at a time:",
        "  0 begins at 0ns",
        "  1 begins at 0ns",
        "  2 begins at 1s",
        "  3 begins at 1s",
        "a producer and a consumer:",
        "  print",
        "  bind",
        "  done",
        "a timeout, and every second:",
        "  tick at 0ns",
        "  tick at 1s",
        "  the deferred timed out after 2s",
        "  tick at 2s",
        "  tick at 3s",
        "written as async:",
        "  3",
        "  2",
        "  1",
        "  lift-off",
    ];
    assert_eq!(ended.lines, expected);
    assert!(ended.errors.is_empty(), "nothing is unhandled: {ended:?}");
}
