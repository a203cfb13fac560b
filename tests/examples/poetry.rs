//! `poetry`, into a pipe: plain lines, no progress bars. And the rungs of its ladder.

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

/// What a rung prints of one poem, without the title.
fn of<'a>(lines: &'a [String], title: &str) -> Vec<&'a str> {
    let about = |line: &'a String| line.strip_prefix(title)?.strip_prefix(": ");
    lines.iter().filter_map(about).collect()
}

/// Whether the line reports the length of a piece.
fn is_piece(line: &str) -> bool {
    let length = line.strip_suffix(" bytes");
    length.is_some_and(|length| length.parse::<usize>().is_ok())
}

#[test]
fn each_rung_hears_two_poems_to_the_end() {
    let rungs = [
        ("poetry_1_descriptors", true),
        ("poetry_2_protocol", true),
        ("poetry_3_deferred", false),
        ("poetry_4_list", true),
    ];
    // All at once, as each takes its time.
    let started = rungs.map(|(rung, _)| Program::start(rung, &[]));
    for ((rung, tells_of_pieces), program) in rungs.into_iter().zip(started) {
        let ended = program.end().succeeded();
        for (title, outcome) in [
            ("Sonnet 18", "complete, 624 bytes"),
            ("Hope", "complete, 353 bytes"),
        ] {
            let lines = of(&ended.lines, title);
            let (last, pieces) = lines.split_last().expect("a line is printed");
            assert_eq!(*last, outcome, "{rung}");
            assert_eq!(!pieces.is_empty(), tells_of_pieces, "{rung}: {ended:?}");
            assert!(
                pieces.iter().all(|line| is_piece(line)),
                "{rung}: {ended:?}"
            );
        }
        let broken_off = of(&ended.lines, "The Tyger");
        let last = broken_off.last().expect("a line is printed");
        assert!(!last.starts_with("complete"), "{rung}: {last}");
        assert!(last.contains("reset by peer") || last.contains("the connection was lost"));
        let end = ended.lines.last().map(String::as_str);
        assert_eq!(end, Some("that was all"), "{rung}");
    }
}

#[test]
fn the_last_rung_asks_twice_for_a_poem_that_breaks_off() {
    let ended = Program::run("poetry_5_async", &[]).succeeded();
    let sonnet = of(&ended.lines, "Sonnet 18").concat();
    assert!(sonnet.starts_with("complete, "), "{sonnet}");
    assert!(sonnet.ends_with(" bytes, 8 words modernized"), "{sonnet}");
    let hope = of(&ended.lines, "Hope");
    assert_eq!(hope, ["complete, 353 bytes, 0 words modernized"]);
    let [first, second, last] = of(&ended.lines, "The Tyger")[..] else {
        panic!("{ended:?}");
    };
    for (line, attempt) in [(first, "1"), (second, "2")] {
        assert!(line.starts_with("broken off after "), "{line}");
        assert!(line.ends_with(&format!("attempt {attempt}")), "{line}");
    }
    assert_eq!(last, "given up");
    assert_eq!(ended.lines.len(), 6, "{ended:?}");
}

/// Where the first line is that begins so, spaces aside.
#[track_caller]
fn line_that_begins(lines: &[String], prefix: &str) -> usize {
    let found = lines
        .iter()
        .position(|line| line.trim().starts_with(prefix));
    found.unwrap_or_else(|| panic!("no {prefix:?} in {lines:#?}"))
}
