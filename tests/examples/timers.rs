//! `call_later`, `countdown` and `ticker`.

use crate::program::Program;

#[test]
fn delayed_calls_are_made_in_order() {
    let ended = Program::run("call_later", &[]).succeeded();
    let expected = [
        "cancelled twice: false",
        "first",
        "second: due together, called in order",
        "third",
        "fourth: an hour early",
        "fifth: was due second",
        "done",
        "still to be called: false",
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

/// When the ticks come depends on the machine; that none is forgotten does not.
#[test]
fn a_ticker_counts_what_it_leaves_out() {
    let ended = Program::run("ticker", &[]).succeeded();
    let (mut tick, mut left_out_each) = (0, Vec::new());
    for line in &ended.lines {
        let Some(line) = line.strip_prefix("tick ") else {
            continue;
        };
        let (number, left_out) = match line.split_once(", ") {
            Some((number, rest)) => (number, rest.strip_suffix(" left out")),
            None => (line, Some("0")),
        };
        let number: u32 = number.parse().expect("a number");
        let left_out: u32 = left_out.and_then(|n| n.parse().ok()).expect("a number");
        assert_eq!(number, tick + left_out + 1, "{ended:?}");
        tick = number;
        left_out_each.push(left_out);
    }
    assert_eq!(left_out_each.len(), 7, "{ended:?}");
    assert_eq!(left_out_each[0], 0, "the first is made at once");
    assert!(left_out_each[3] >= 2, "the one before took a while");
    assert_eq!(ended.lines.last().map(String::as_str), Some("stopped"));
    assert_eq!(ended.lines.len(), 9, "{ended:?}");
}
