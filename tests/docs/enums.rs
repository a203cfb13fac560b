//! Public enums, and structs whose fields are all public, are `#[non_exhaustive]`: another
//! variant or field is then no change that breaks programs. The others are complete, and stand in
//! [`COMPLETE`] with the reason.

use std::fs;
use std::path::Path;

use crate::pages::{files, root};

/// The crate, the type, and why it will not grow.
const COMPLETE: [(&str, &str, &str); 16] = [
    ("reactor", "Phase", "Twisted has three"),
    ("reactor", "Turn", "the loop goes on, or it does not"),
    ("reactor", "UnixAddress", "the system has three kinds"),
    (
        "reactor-telnet",
        "Answer",
        "to be sent, and whether the option has changed",
    ),
    ("reactor-telnet", "Side", "this one and the peer"),
    ("reactor-telnet", "TelnetFrame", "RFC 854 has these"),
    ("reactor-telnet", "Verb", "RFC 854 has four"),
    ("reactor-telnet", "WindowSize", "RFC 1073: width and height"),
    (
        "reactor-web",
        "Child",
        "there is none, it is here, or it comes",
    ),
    ("reactor-web", "Message", "RFC 6455: text or binary"),
    ("reactor-mail", "DsnNotify", "RFC 3461 has three occasions"),
    ("reactor-mail", "DsnReturn", "RFC 3461 has two"),
    ("reactor-mail", "FlagChange", "RFC 3501 has three"),
    (
        "reactor-mail",
        "MailFlag",
        "RFC 3501 has five that are stored; the others are keywords",
    ),
    (
        "reactor-mail",
        "MailboxEntry",
        "stores of users make it by its fields",
    ),
    (
        "reactor-mail",
        "SmtpFrame",
        "RFC 5321 and RFC 3030 have these",
    ),
];

/// The name that a line declares as a public type by `keyword`.
fn declared<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let rest = line.trim_start().strip_prefix(keyword)?;
    rest.split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()
}

/// Whether all fields of the struct that begins at `lines[0]` are public, and it has one.
fn has_public_fields_only(lines: &[&str]) -> bool {
    let fields = lines[1..].iter().take_while(|line| line.trim() != "}");
    let mut fields = fields
        .map(|line| line.trim())
        .filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with('#'))
        .peekable();
    lines[0].ends_with('{')
        && fields.peek().is_some()
        && fields.all(|line| line.starts_with("pub "))
}

/// The public types of a file that may grow, and are exhaustive.
fn exhaustive(text: &str) -> Vec<&str> {
    let lines: Vec<_> = text.lines().collect();
    let grows = |at: usize| {
        let before = lines[..at].iter().rev();
        let mut attributes = before.take_while(|line| {
            let line = line.trim_start();
            line.starts_with('#') || line.starts_with("///")
        });
        attributes.any(|line| line.trim() == "#[non_exhaustive]")
    };
    let types = lines.iter().enumerate().filter_map(|(at, line)| {
        let name = declared(line, "pub enum ").or_else(|| {
            declared(line, "pub struct ").filter(|_| has_public_fields_only(&lines[at..]))
        })?;
        (!grows(at)).then_some(name)
    });
    types.filter(|name| !name.is_empty()).collect()
}

#[test]
fn public_types_that_may_grow_are_non_exhaustive() {
    let mut found = Vec::new();
    for (name, text) in crates() {
        found.extend(
            exhaustive(&text)
                .into_iter()
                .map(|it| (name.clone(), it.to_owned())),
        );
    }
    let listed = |(of, name): &(String, String)| {
        COMPLETE
            .iter()
            .any(|(krate, it, _)| krate == of && it == name)
    };
    let missing: Vec<_> = found.iter().filter(|it| !listed(it)).collect();
    assert!(
        missing.is_empty(),
        "make these `#[non_exhaustive]`, or list them with a reason: {missing:?}"
    );
    for (krate, name, _) in COMPLETE {
        let is_there = found.iter().any(|(of, it)| of == krate && it == name);
        assert!(is_there, "{krate}::{name} is listed in vain");
    }
}

/// The texts of all files of the crates, each with the name of its crate.
fn crates() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    files(&root().join("crates"), Path::new(""), &mut paths);
    let sources = paths
        .iter()
        .filter(|path| path.ends_with(".rs") && path.contains("/src/"));
    let read = sources.map(|path| {
        let krate = path.split('/').next().expect("there is a first").to_owned();
        let text = fs::read_to_string(root().join("crates").join(path)).expect("it can be read");
        (krate, text)
    });
    read.collect()
}

#[test]
fn types_are_told_apart() {
    let text = "/// A.\n#[non_exhaustive]\npub enum A {\n    B,\n}\n\
                pub enum C {}\n\
                pub struct D {\n    /// One.\n    pub one: u8,\n}\n\
                pub struct E {\n    pub one: u8,\n    two: u8,\n}\n\
                #[derive(Debug)]\n#[non_exhaustive]\n/// F.\npub struct F {\n    pub one: u8,\n}\n\
                pub struct G;\npub(crate) enum H {}\npub struct I(pub u8);\n";
    assert_eq!(exhaustive(text), ["C", "D"]);
}
