//! `poetry`, into a pipe: plain lines, no progress bars.

use std::time::{Duration, Instant};

use crate::program::Program;

#[test]
fn two_poems_are_complete_and_one_is_broken_off() {
    // The time counts from here: before, the program may have to be built.
    let program = Program::start("poetry", &[]);
    let start = Instant::now();
    let ended = program.end().succeeded();
    assert!(start.elapsed() < Duration::from_secs(10));

    let text = ended.lines.join("\n");
    assert!(!text.contains('\x1b'), "it is no terminal: {text}");

    let summary = line_that_begins(&ended.lines, "3 poems in ");
    assert!(ended.lines[summary].contains("one after the other"));
    // In the order in which they ended.
    let poems = ended.lines[summary + 1..summary + 4].iter();
    for (title, outcome) in [
        ("Sonnet 18", "complete, 8 words modernized"),
        ("Hope", "complete, nothing to modernize"),
        ("The Tyger", "broken off after "),
    ] {
        let mut of_this = poems.clone().filter(|line| line.trim().starts_with(title));
        let line = of_this.next().unwrap_or_else(|| panic!("{title}: {text}"));
        assert!(line.contains(outcome), "{line}");
        assert!(of_this.next().is_none(), "{title} twice: {text}");
        // Each was heard piece by piece before.
        let piece = format!("{title}: ");
        line_that_begins(&ended.lines[..summary], &piece);
    }

    let story = line_that_begins(&ended.lines, "The story of The Tyger:");
    assert!(story > summary);
    let [message, cause, raised, passed @ ..] = &ended.lines[story + 1..] else {
        panic!("{text}");
    };
    assert!(message.starts_with("broken off after "), "{message}");
    assert!(
        cause.starts_with("  caused by: the connection was lost"),
        "{cause}"
    );
    assert!(raised.starts_with("  raised at "), "{raised}");
    assert!(raised.contains("client.rs:"), "{raised}");
    assert!(!passed.is_empty(), "{text}");
    for place in passed {
        assert!(place.starts_with("  left the stage added at "), "{place}");
    }
}

/// Where the first line is that begins so, spaces aside.
#[track_caller]
fn line_that_begins(lines: &[String], prefix: &str) -> usize {
    let found = lines
        .iter()
        .position(|line| line.trim().starts_with(prefix));
    found.unwrap_or_else(|| panic!("no {prefix:?} in {lines:#?}"))
}
