//! `call_later` and `countdown`.

use crate::program::Program;

#[test]
fn delayed_calls_are_made_in_order() {
    let ended = Program::run("call_later", &[]).succeeded();
    let expected = [
        "cancelled twice: the delayed call was already cancelled",
        "first",
        "second: due together, called in order",
        "third",
        "fourth: an hour early",
        "fifth: was due second",
        "done",
        "called already: the delayed call was already made",
    ];
    assert_eq!(ended.lines, expected);
}

/// How the countdowns mix depends on the time; each by itself does not.
#[test]
fn every_countdown_counts_down() {
    let ended = Program::run("countdown", &[]).succeeded();
    let countdown = |name: &str| -> Vec<&str> {
        let lines = ended.lines.iter();
        lines
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .collect()
    };
    let slow = countdown("slow");
    assert_eq!(slow, ["3", "2", "1", "lift-off"]);
    let medium = countdown("medium");
    assert_eq!(medium, ["4", "3", "2", "1", "lift-off"]);
    let fast = countdown("fast");
    assert_eq!(fast, ["5", "4", "3", "2", "1", "lift-off"]);
    assert_eq!(ended.lines.len(), slow.len() + medium.len() + fast.len());
}
