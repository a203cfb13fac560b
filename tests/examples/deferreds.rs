//! `deferred_chain` and `headline`.

use crate::program::Program;

#[test]
fn a_chain_calls_one_side_of_each_pair() {
    let ended = Program::run("deferred_chain", &[]).succeeded();
    let expected = [
        "callback1 with input: error",
        "callback2 with input: from callback1:error",
        "in errback3: Message   23",
    ];
    assert_eq!(ended.lines, expected);
}

#[test]
fn a_headline_that_fits_is_printed() {
    let ended = Program::run("headline", &["Extra, extra"]).succeeded();
    assert_eq!(ended.lines, ["<h1>Extra, extra</h1>"]);

    let by_default = Program::run("headline", &[]).succeeded();
    assert_eq!(by_default.lines.len(), 1);
    assert!(by_default.lines[0].starts_with("<h1>"), "{by_default:?}");
}

#[test]
fn the_longest_headline_is_counted_in_characters() {
    let longest = "ü".repeat(50);
    let ended = Program::run("headline", &[&longest]).succeeded();
    assert_eq!(ended.lines, [format!("<h1>{longest}</h1>")]);
}

#[test]
fn a_headline_that_is_too_long_has_a_story() {
    let ended = Program::run("headline", &[&"x".repeat(51)]).succeeded();
    let [message, raised, left] = &ended.lines[..] else {
        panic!("{ended:?}");
    };
    assert_eq!(
        message,
        "no headline: the headline has 51 characters; 50 fit"
    );
    assert!(raised.starts_with("  raised at "), "{raised}");
    assert!(left.starts_with("  left the stage added at "), "{left}");
    for place in [raised, left] {
        assert!(place.contains("headline.rs:"), "{place}");
    }
}
