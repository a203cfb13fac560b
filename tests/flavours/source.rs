//! From a file of the local flavour to its twin.

use std::collections::BTreeSet;

/// The names that both flavours have.
pub(crate) type Names = BTreeSet<String>;

/// The twin of `text`, the local file of this name. `examples_of` gives the examples of an
/// item, if there are some for the shared flavour.
pub(crate) fn to_sync<'a>(
    file: &str,
    text: &str,
    names: &Names,
    mut examples_of: impl FnMut(&str) -> Option<&'a str>,
) -> String {
    let mut twin = format!(
        "// Generated from ../local/{file} by tests/flavours: change that file, not this one.\n\n"
    );
    let lines: Vec<_> = text.lines().collect();
    let mut owner = String::new();
    let mut at = 0;
    while let Some(&line) = lines.get(at) {
        if !is_doc(line) {
            if let Some(of) = owner_of(line) {
                owner = of;
            }
            twin += &code(line);
            twin.push('\n');
            at += 1;
            continue;
        }
        let docs: Vec<_> = lines[at..]
            .iter()
            .take_while(|line| is_doc(line))
            .map(|line| line.trim_start())
            .collect();
        let indent = &line[..line.len() - line.trim_start().len()];
        at += docs.len();
        let item = item_at(&lines[at..]);
        let key = match indent {
            "" => item.to_owned(),
            _ => format!("{owner}::{item}"),
        };
        for line in documentation(&docs, indent.is_empty(), names, examples_of(&key)) {
            twin += &format!("{indent}{line}\n");
        }
    }
    twin
}

fn is_doc(line: &str) -> bool {
    line.trim_start().starts_with("///")
}

/// The type of an `impl` or `trait` that begins here.
fn owner_of(line: &str) -> Option<String> {
    let head = line.strip_suffix(" {")?;
    let subject = match head.strip_prefix("impl") {
        Some(rest) => {
            let rest = rest.rsplit(" for ").next()?;
            // Skip the parameters of the impl.
            match rest.strip_prefix('<') {
                Some(rest) => rest.split_once("> ")?.1,
                None => rest.trim_start(),
            }
        }
        None => head.strip_prefix("pub trait ")?,
    };
    Some(first_word(subject).to_owned())
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// The name of the item that these lines declare, below its attributes.
fn item_at<'a>(lines: &[&'a str]) -> &'a str {
    let keywords = ["pub struct ", "pub trait ", "pub fn ", "pub enum "];
    let mut is_in_attribute = false;
    for line in lines.iter().map(|line| line.trim_start()) {
        if is_in_attribute || line.starts_with("#[") {
            is_in_attribute = !line.ends_with(']');
            continue;
        }
        let declared = keywords.iter().find_map(|word| line.strip_prefix(word));
        return declared.map_or("", first_word);
    }
    ""
}

/// The documentation of an item; `own` are its examples in the shared flavour.
fn documentation(docs: &[&str], is_outer: bool, names: &Names, own: Option<&str>) -> Vec<String> {
    let heading = docs.iter().position(|line| *line == "/// # Examples");
    let (prose, examples) = docs.split_at(heading.unwrap_or(docs.len()));
    let mut lines: Vec<_> = prose.iter().map(|line| (*line).to_owned()).collect();
    match own {
        Some(own) => lines.extend(own.lines().map(|line| match line {
            "" => "///".to_owned(),
            line => format!("/// {line}"),
        })),
        None if is_outer => lines.extend(examples.iter().flat_map(|line| example(line, names))),
        None => {
            while lines.last().is_some_and(|line| line == "///") {
                lines.pop();
            }
        }
    }
    lines
}

/// A line of code.
fn code(line: &str) -> String {
    if line.trim_start().starts_with("//") {
        return line.to_owned();
    }
    let mut line = line.to_owned();
    for (from, to) in [
        ("Local", "Shared"),
        ("Rc", "Arc"),
        ("std::rc::", "std::sync::"),
        ("crate::local", "crate::sync"),
    ] {
        line = replace_word(&line, from, to);
    }
    let line = line.replace("+ 'static", "+ Send + 'static");
    let line = line.replace(": 'static", ": Send + 'static");
    // Several threads may clone the value at a time.
    let line = line.replace("Clone + Send", "Clone + Send + Sync");
    line.replace(
        "another Deferred, return",
        "another `deferred::sync::Deferred`, return",
    )
}

/// Replaces `from` where it is no part of a longer word.
fn replace_word(text: &str, from: &str, to: &str) -> String {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let is_word =
            !before.ends_with(is_of_word) && !after.starts_with(is_of_word) || from.ends_with(':');
        replaced += before;
        replaced += if is_word { to } else { from };
        rest = after;
    }
    replaced + rest
}

/// A line of an example, whose imports of the flavour may become a line of their own.
fn example(line: &str, names: &Names) -> Vec<String> {
    let Some(imported) = line.strip_prefix("/// use deferred::") else {
        return vec![inline_paths(line, names)];
    };
    let imported = imported.trim_end_matches(';').trim_matches(['{', '}']);
    let (flavoured, others): (Vec<_>, Vec<_>) =
        imported.split(", ").partition(|name| names.contains(*name));
    let import = |path: &str, names: Vec<&str>| match *names {
        [] => None,
        [name] => Some(format!("/// use {path}{name};")),
        _ => Some(format!("/// use {path}{{{}}};", names.join(", "))),
    };
    let shared = import("deferred::sync::", flavoured);
    shared
        .into_iter()
        .chain(import("deferred::", others))
        .collect()
}

/// `deferred::name` where `name` is one of the flavour.
fn inline_paths(line: &str, names: &Names) -> String {
    let mut pieces = line.split("deferred::");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text += "deferred::";
        if names.contains(first_word(piece)) {
            text += "sync::";
        }
        text += piece;
    }
    text
}
