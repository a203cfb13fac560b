//! The words of the sources and the pages: names and prose are those of the field.
//!
//! - No file, module, type, trait, constant or function of the crates has a name that was
//!   replaced by a term of the field.
//! - A few pronouns that leave the subject of a sentence open are rare. `--nocapture` prints
//!   how often each occurs, and where.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::pages::{files, root};

/// Replaced names of files, folders and modules, with the names that took their place.
const MODULES: [(&str, &str); 29] = [
    ("awaited", "pending_replies"),
    ("backlog", "trampoline"),
    ("blocked", "blocking_calls"),
    ("bodies", "tasks"),
    ("body", "task"),
    ("brief", "spin_lock"),
    ("combine", "combinators"),
    ("contain", "panics"),
    ("coordinate", "concurrency"),
    ("extras", "cold"),
    ("flow", "backpressure"),
    ("host", "mailbox"),
    ("lineage", "wait_graph"),
    ("mode", "flavour"),
    ("near", "heap"),
    ("obligations", "cancel_on_close"),
    ("pace", "backpressure"),
    ("parts", "extensions"),
    ("picture", "debug"),
    ("put_off", "run_queue"),
    ("rare", "cold"),
    ("records", "slab"),
    ("reply", "reply_channel"),
    ("reserve", "emfile"),
    ("settings", "socket_options"),
    ("spares", "free_list"),
    ("trail", "stage_trace"),
    ("waiting", "when"),
    ("wire", "io"),
];

/// Replaced names of types, constants and functions, with the names that took their place.
const ITEMS: [(&str, &str); 34] = [
    ("AT_END", "READ_EOF"),
    ("Beginning", "NewConnection"),
    ("Body", "Task"),
    ("Brief", "SpinLock"),
    ("Claim", "RunGuard"),
    ("DescriptorError", "SendDescriptorError"),
    ("Desk", "Mailbox"),
    ("ENDING", "ABORTING"),
    ("HELD_BACK", "READ_THROTTLED"),
    ("Host", "MailboxOwner"),
    ("Known", "Shared"),
    ("LOSING", "CLOSE_AFTER_FLUSH"),
    ("Leave", "Release"),
    ("Lineage", "WaitGraph"),
    ("Live", "Open"),
    ("Mode", "Flavour"),
    ("Nonsense", "Invalid"),
    ("NotYet", "Placeholder"),
    ("OVER", "CLOSED"),
    ("Part", "Extension"),
    ("Picture", "Debug"),
    ("PortClosed", "DatagramPortClosed"),
    ("Rare", "ColdState"),
    ("Reserve", "ReservedFd"),
    ("STUCK", "WRITE_BLOCKED"),
    ("Spares", "FreeList"),
    ("Trail", "StageTrace"),
    ("Unsettled", "Runnable"),
    ("Wire", "RawStream"),
    ("oblige", "cancel_on_close"),
    ("put_off", "run_queue"),
    ("settle", "run_pending"),
    ("tell", "dispatch"),
    ("tell_all", "dispatch"),
];

/// Replaced names that are right in a folder, because they have another meaning there.
const ALLOWED: [(&str, &str, &str); 4] = [
    (
        "settle",
        "reactor/src/testing/",
        "turns a loop until nothing is left to do, as `TestReactor::settle` does for users",
    ),
    ("body", "reactor-web/", "the body of an HTTP message"),
    ("Body", "reactor-web/", "the body of an HTTP message"),
    ("host", "reactor-web/", "the host that a request names"),
];

/// The keywords that declare a name.
const DECLARES: [&str; 9] = [
    "mod ", "struct ", "enum ", "union ", "trait ", "type ", "fn ", "const ", "static ",
];

/// The name at the beginning of `text`.
fn name_at(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The names that a line of code declares, each with the keyword before it.
fn declared(line: &str) -> impl Iterator<Item = (&'static str, &str)> {
    let code = line.split("//").next().unwrap_or_default();
    DECLARES.iter().flat_map(move |keyword| {
        code.match_indices(keyword)
            .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
            .map(|(at, _)| (*keyword, name_at(&code[at + keyword.len()..])))
    })
}

#[test]
fn no_name_has_been_replaced() {
    let mut paths = Vec::new();
    files(&root().join("crates"), Path::new(""), &mut paths);
    paths.retain(|path| path.ends_with(".rs"));
    assert!(paths.len() > 200, "only {} files", paths.len());

    let mut found = String::new();
    let mut check = |names: &[(&str, &str)], name: &str, place: &str| {
        let Some((_, better)) = names.iter().find(|(replaced, _)| *replaced == name) else {
            return;
        };
        let allowed =
            |(word, path, _): &(&str, &str, &str)| *word == name && place.starts_with(path);
        if !ALLOWED.iter().any(allowed) {
            writeln!(found, "{place}: {name}, now {better}").expect("a String grows");
        }
    };
    for path in &paths {
        for folder in path.trim_end_matches(".rs").split('/') {
            check(&MODULES, folder, path);
        }
        let text = fs::read_to_string(root().join("crates").join(path)).expect("it can be read");
        for (number, line) in (1..).zip(text.lines()) {
            for (keyword, name) in declared(line) {
                let names: &[_] = if keyword == "mod " { &MODULES } else { &ITEMS };
                check(names, name, &format!("{path}:{number}"));
            }
        }
    }
    assert!(found.is_empty(), "names that have been replaced:\n{found}");
}

/// The pronouns that are counted.
const PRONOUNS: [&str; 5] = ["nobody", "somebody", "meanwhile", "is told", "who"];

/// How often each may occur in the folders of one entry together.
const AT_MOST: usize = 5;

/// The folders that are counted, each entry for itself.
const COUNTED: [&[&str]; 2] = [&["crates", "docs"], &["tests", "benches", "examples"]];

/// The files without prose of the project: this one, which lists the words, and the recorded
/// programs of the conformance tests.
const NOT_COUNTED: [&str; 2] = ["tests/docs/words.rs", "tests/conformance/data/"];

/// Words after which `who` has no noun to refer to.
const NO_NOUN: [&str; 14] = [
    "and", "but", "by", "for", "from", "if", "in", "of", "on", "or", "than", "to", "when", "with",
];

/// The words of a text in lower case, each with whether a sentence or a clause begins with it.
fn words(text: &str) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    for line in text.lines() {
        let line = line.trim_start();
        let prose = line
            .trim_start_matches("//")
            .trim_start_matches(['/', '!', ' ']);
        let mut begins = prose.starts_with(['#', '|', '-', '*']) || prose.is_empty();
        for word in prose.split_whitespace() {
            let is_word = |c: char| c.is_alphanumeric() || c == '_';
            let inner = word.trim_matches(|c| !is_word(c));
            if !inner.is_empty() {
                let opens = word.starts_with(['(', '"', '*']);
                let after = words.last().is_none_or(|(_, _, ends): &(_, _, bool)| *ends);
                words.push((inner.to_lowercase(), begins || opens || after, false));
                begins = false;
            }
            if let Some(last) = words.last_mut() {
                last.2 = word.ends_with(['.', ';', ':', '|', '?', '!', ')', ',']);
            }
        }
        if prose.is_empty()
            && let Some(last) = words.last_mut()
        {
            last.2 = true;
        }
    }
    words
        .into_iter()
        .map(|(word, begins, _)| (word, begins))
        .collect()
}

/// How often each pronoun occurs in a text.
fn pronouns(text: &str) -> [usize; 5] {
    let words = words(text);
    let count = |wanted: &str| words.iter().filter(|(word, _)| word == wanted).count();
    let pairs = || words.iter().zip(words.iter().skip(1));
    let told = pairs()
        .filter(|((first, _), (second, begins))| first == "is" && second == "told" && !begins);
    let who = (0..words.len()).filter(|&at| {
        let (word, begins) = &words[at];
        let follows = |(before, _): &(String, bool)| NO_NOUN.contains(&before.as_str());
        word == "who" && (*begins || at.checked_sub(1).is_some_and(|at| follows(&words[at])))
    });
    [
        count("nobody"),
        count("somebody"),
        count("meanwhile"),
        told.count(),
        who.count(),
    ]
}

/// How often each pronoun occurs in the sources and pages of `folders`; prints where.
fn pronouns_in(folders: &[&str]) -> [usize; 5] {
    let mut totals = [0; 5];
    for folder in folders {
        let mut paths = Vec::new();
        files(&root().join(folder), Path::new(""), &mut paths);
        let ends = [".rs", ".md", ".svg", ".py", ".mjs"];
        paths.retain(|path| ends.iter().any(|end| path.ends_with(end)));
        for path in paths.iter().map(|path| format!("{folder}/{path}")) {
            let is_built = path.contains("/target/");
            if is_built || NOT_COUNTED.iter().any(|prefix| path.starts_with(prefix)) {
                continue;
            }
            let text = fs::read_to_string(root().join(&path)).expect("it is text");
            for ((total, count), pronoun) in totals.iter_mut().zip(pronouns(&text)).zip(PRONOUNS) {
                *total += count;
                if count > 0 {
                    println!("{pronoun}: {count} in {path}");
                }
            }
        }
    }
    totals
}

#[test]
fn pronouns_without_a_noun_are_rare() {
    for folders in COUNTED {
        let totals = pronouns_in(folders);
        println!("{folders:?}: {PRONOUNS:?} {totals:?}");
        let counted = PRONOUNS.iter().zip(totals);
        let too_many: Vec<_> = counted.filter(|(_, total)| *total > AT_MOST).collect();
        assert!(too_many.is_empty(), "in {folders:?}: {too_many:?}");
    }
}

#[test]
fn a_bare_who_is_told_from_one_with_a_noun() {
    assert_eq!(
        pronouns("/// Who waits is told, and nobody asks."),
        [1, 0, 0, 1, 1]
    );
    assert_eq!(
        pronouns("the peers\n/// who read; those who do not"),
        [0; 5]
    );
    assert_eq!(
        pronouns("It stops.\n\n//! Who reads? Meanwhile, for who\nasks"),
        [0, 0, 1, 0, 2]
    );
    assert_eq!(
        pronouns("`a_race_of_nobody_fails` | somebody"),
        [0, 1, 0, 0, 0]
    );
}
