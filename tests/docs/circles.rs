//! No circles of imports between the files of a folder: what `tests/docs/imports.rs` checks
//! of the modules of a crate is so of the files inside of them, re-exports of a `mod.rs`
//! resolved.
//!
//! A circle that is there on purpose is one recursive type in several files. It stands in
//! [`RECURSIVE`], with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::pages::{files, root};

/// The crate, the files of the circle, and the type that is recursive.
type Circle = (&'static str, &'static [&'static str], &'static str);

const RECURSIVE: &[Circle] = &[
    (
        "reactor-web",
        &["client/line.rs", "client/pool.rs"],
        "a pool has a line for each origin, and a line leaves its pool when nothing is in it",
    ),
    (
        "reactor-web",
        &["resource/child.rs", "resource/mod.rs"],
        "a resource gives a child, which is a resource",
    ),
    (
        "deferred",
        &[
            "chain/raw/block.rs",
            "chain/raw/cold.rs",
            "chain/raw/core.rs",
            "chain/raw/core_ref.rs",
            "chain/raw/free_list.rs",
            "chain/raw/head.rs",
            "chain/raw/remains.rs",
            "chain/raw/storage.rs",
        ],
        "a core holds references to the cores that wait for it, and its memory is recycled",
    ),
    (
        "reactor",
        &["endpoint/parse/arguments.rs", "endpoint/parse/parser.rs"],
        "the function of a prefix gets the arguments, which give it the parser, for the endpoints that they describe",
    ),
    (
        "reactor",
        &[
            "connection/context.rs",
            "connection/handle.rs",
            "connection/protocol.rs",
            "connection/source.rs",
        ],
        "a protocol's handlers get a context of the protocol's own type, through which they reach the connection",
    ),
    (
        "reactor",
        &[
            "datagram/context.rs",
            "datagram/port.rs",
            "datagram/protocol.rs",
            "datagram/source/mod.rs",
        ],
        "a protocol's handlers get a context of the protocol's own type, through which they reach the port",
    ),
    (
        "reactor",
        &["descriptor/reference.rs", "descriptor/watched.rs"],
        "the callback of a watched descriptor gets a reference to it",
    ),
    (
        "reactor",
        &[
            "process/context.rs",
            "process/handle.rs",
            "process/protocol.rs",
            "process/source.rs",
        ],
        "a protocol's handlers get a context of the protocol's own type, through which they reach the child",
    ),
    (
        "reactor-mail",
        &["imap/client/handle.rs", "imap/client/session.rs"],
        "the Deferred of a session that opens fires with the handle, which refers to the session",
    ),
    (
        "reactor-mail",
        &["maildir/account.rs", "maildir/mailbox.rs"],
        "an account opens mailboxes, and a mailbox copies messages to another one of its account",
    ),
    (
        "reactor-mail",
        &["store/memory/account.rs", "store/memory/mailbox.rs"],
        "an account has mailboxes, and a mailbox copies messages to another one of its account",
    ),
    (
        "reactor-telnet",
        &["context.rs", "protocol.rs", "telnet.rs"],
        "a protocol's handlers get a context of the protocol's own type, through which they reach the connection",
    ),
];

/// A module, by the names on the way to it from the root of its crate.
type Module = Vec<String>;

/// One file, read.
#[derive(Default)]
struct Source {
    /// Its path below `src`.
    path: String,
    /// What it makes known under a name of its own: `pub use`.
    exports: BTreeMap<String, String>,
    /// The paths that it names, each resolved from its own module.
    named: Vec<String>,
}

/// The code without comments, its unit tests left out, and each path of an inline module as
/// it would be written outside of that.
fn code_of(text: &str) -> String {
    let code: Vec<_> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .map(|line| line.split(" // ").next().expect("there is a first"))
        .collect();
    let code = code.join("\n");
    let code = code.split("#[cfg(test)]\nmod ").next().expect("one");

    let mut is_inside = false;
    let mut lines = Vec::new();
    for line in code.lines() {
        if line.starts_with(|c: char| c.is_alphabetic())
            && line.split(' ').any(|word| word == "mod")
            && line.ends_with('{')
        {
            is_inside = true;
        } else if line == "}" {
            is_inside = false;
        }
        lines.push(if !is_inside {
            line.to_owned()
        } else if line.contains("super::super::") {
            line.replace("super::super::", "super::")
        } else {
            line.replace("super::", "self::")
        });
    }
    lines.join("\n")
}

/// The paths of a `use` tree: `a::{b, c::{d, e}}` are three.
fn paths_of(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, rest)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let inner = rest.strip_suffix('}').expect("it is closed");
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (index, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    parts
        .into_iter()
        .filter(|part| !part.trim().is_empty())
        .flat_map(paths_of)
        .map(|path| format!("{before}{path}"))
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !is_word(c)).any(|found| found == word)
}

/// `code` without what names a module and imports nothing from it: `mod x;`, `pub(in x)`.
fn without_declarations(code: &str) -> String {
    let mut lines = Vec::new();
    for line in code.lines() {
        let is_declaration = line.ends_with(';') && has_word(line, "mod");
        lines.push(match line.split_once("pub(in ") {
            _ if is_declaration => "",
            Some((_, rest)) => rest.split_once(')').map_or(line, |(_, rest)| rest),
            None => line,
        });
    }
    lines.join("\n")
}

/// The paths that begin with `crate`, `self` or `super`, wherever they stand.
fn written_out(code: &str) -> impl Iterator<Item = String> + '_ {
    code.split(|c: char| !is_word(c) && c != ':')
        .filter(|path| {
            ["crate::", "self::", "super::"]
                .iter()
                .any(|start| path.starts_with(start))
        })
        .map(|path| path.trim_end_matches(':').to_owned())
}

fn read(path: &str, text: &str) -> Source {
    let mut source = Source {
        path: path.to_owned(),
        ..Source::default()
    };
    let mut code = code_of(text);
    let mut uses = Vec::new();
    let mut rest = String::new();
    // A `use` begins at the first word of a line, and ends with a semicolon.
    while let Some(start) = code.find("use ") {
        let line_start = code[..start].rfind('\n').map_or(0, |at| at + 1);
        let before = code[line_start..start].trim().to_owned();
        let is_public = before == "pub" || (before.starts_with("pub(") && before.ends_with(')'));
        let is_use = before.is_empty() || is_public;
        let after = code.split_off(start);
        rest.push_str(&code);
        let end = if is_use { after.find(';') } else { None };
        match end {
            Some(end) => {
                uses.push((!before.is_empty(), after["use ".len()..end].to_owned()));
                code = after[end..].to_owned();
            }
            None => {
                rest.push_str("use ");
                code = after["use ".len()..].to_owned();
            }
        }
    }
    rest.push_str(&code);
    let rest = without_declarations(&rest);

    for (is_export, tree) in uses {
        let tree = tree.split_whitespace().collect::<Vec<_>>().join(" ");
        for path in paths_of(&tree) {
            let (path, name) = match path.split_once(" as ") {
                Some((path, name)) => (path.to_owned(), name.to_owned()),
                None => {
                    let path = path.trim_end_matches("::self").to_owned();
                    let name = path.rsplit("::").next().expect("a last").to_owned();
                    (path, name)
                }
            };
            if is_export {
                source.exports.insert(name.clone(), path.clone());
            }
            // What is only passed on is no import.
            if !is_export || has_word(&rest, &name) {
                source.named.push(path);
            }
        }
    }
    source.named.extend(written_out(&rest));
    source
}

struct Crate {
    sources: BTreeMap<Module, Source>,
}

impl Crate {
    fn read(name: &str) -> Self {
        let folder = root().join("crates").join(name).join("src");
        let mut paths = Vec::new();
        files(&folder, Path::new(""), &mut paths);
        let mut sources = BTreeMap::new();
        for path in paths.iter().filter(|path| path.ends_with(".rs")) {
            let place = path.trim_end_matches(".rs").trim_end_matches("/mod");
            let module: Module = match place {
                "lib" => Vec::new(),
                _ => place.split('/').map(str::to_owned).collect(),
            };
            let text = fs::read_to_string(folder.join(path)).expect("it can be read");
            sources.insert(module, read(path, &text));
        }
        Self { sources }
    }

    /// The module in which that is which `path` names in `module`; `None` if it is of
    /// another crate.
    fn resolve(&self, module: &Module, path: &str, depth: usize) -> Option<Module> {
        let mut at = module.clone();
        let mut is_relative = true;
        for (index, word) in path.split("::").enumerate() {
            match word {
                "crate" if index == 0 => at.clear(),
                "self" if is_relative => {}
                "super" if is_relative => drop(at.pop()),
                _ if index == 0 => return None,
                _ => {
                    is_relative = false;
                    let mut below = at.clone();
                    below.push(word.to_owned());
                    if self.sources.contains_key(&below) {
                        at = below;
                        continue;
                    }
                    let exports = &self.sources[&at].exports;
                    return match exports.get(word).filter(|_| depth < 8) {
                        Some(path) => self.resolve(&at, path, depth + 1),
                        None => Some(at),
                    };
                }
            }
        }
        Some(at)
    }

    /// Which files each file imports from.
    fn imports(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut imports = BTreeMap::new();
        for (module, source) in &self.sources {
            if module.is_empty() {
                continue;
            }
            let named = source.named.iter();
            let found = named
                .filter_map(|path| self.resolve(module, path, 0))
                .filter(|found| found != module && !found.is_empty())
                .map(|found| &*self.sources[&found].path);
            imports.insert(&*source.path, found.collect());
        }
        imports
    }
}

/// All that can be reached from `start`.
fn reach<'a>(imports: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut left = vec![start];
    while let Some(at) = left.pop() {
        for &next in &imports[at] {
            if reached.insert(next) {
                left.push(next);
            }
        }
    }
    reached
}

fn circles(name: &str) -> BTreeSet<BTreeSet<String>> {
    let read = Crate::read(name);
    let imports = read.imports();
    let reached: BTreeMap<_, _> = imports
        .keys()
        .map(|&path| (path, reach(&imports, path)))
        .collect();
    let mut circles = BTreeSet::new();
    for (&path, there) in &reached {
        let circle: BTreeSet<_> = there
            .iter()
            .filter(|other| reached[*other].contains(path))
            .map(|&other| other.to_owned())
            .collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles
}

fn check(name: &str) {
    let listed: BTreeSet<BTreeSet<String>> = RECURSIVE
        .iter()
        .filter(|(of, ..)| *of == name)
        .map(|(_, files, _)| files.iter().map(|&file| file.to_owned()).collect())
        .collect();
    let found = circles(name);
    for circle in &found {
        assert!(
            listed.iter().any(|listed| circle.is_subset(listed)),
            "these files of {name} import from one another: {circle:#?}\n\
             Move what the lower one needs into a file below both, or have it declare a trait."
        );
    }
    for listed in &listed {
        assert!(
            found.iter().any(|circle| circle.is_subset(listed)),
            "these files of {name} are no circle any more, take them out of the list: \
             {listed:#?}"
        );
    }
}

#[test]
fn files_of_deferred_form_no_circles() {
    check("deferred");
}

#[test]
fn files_of_reactor_form_no_circles() {
    check("reactor");
}

#[test]
fn files_of_reactor_mail_form_no_circles() {
    check("reactor-mail");
}

#[test]
fn files_of_reactor_names_form_no_circles() {
    check("reactor-names");
}

#[test]
fn files_of_reactor_telnet_form_no_circles() {
    check("reactor-telnet");
}

#[test]
fn files_of_reactor_tls_form_no_circles() {
    check("reactor-tls");
}

#[test]
fn files_of_reactor_web_form_no_circles() {
    check("reactor-web");
}

#[test]
fn trees_of_imports_are_read() {
    assert_eq!(paths_of("super::x"), ["super::x"]);
    assert_eq!(
        paths_of("super::{a, b::{self, C}, D as E}"),
        ["super::a", "super::b::self", "super::b::C", "super::D as E"]
    );
}

#[test]
fn what_a_module_passes_on_is_no_import_of_its_own() {
    let passed_on = read(
        "mod.rs",
        "mod a;\npub(crate) use self::a::{B, C};\nstruct D(C);\n",
    );
    assert_eq!(passed_on.exports["B"], "self::a::B");
    assert_eq!(passed_on.named, ["self::a::C"]);
}

#[test]
fn what_declares_or_restricts_is_no_import() {
    let declared = read(
        "mod.rs",
        "mod pump;\npub use self::pump::pump;\npub(in crate::a) fn f() {}\n",
    );
    assert_eq!(declared.exports["pump"], "self::pump::pump");
    assert_eq!(declared.named, [] as [&str; 0]);
}

#[test]
fn comments_tests_and_inline_modules_are_read_as_what_they_are() {
    let source = read(
        "a.rs",
        "// use super::not;\nuse super::b::B;\nmod inner {\n    use super::super::c::C;\n}\n\
         fn f() { crate::d::e() }\n#[cfg(test)]\nmod tests {\n    use super::x;\n}\n",
    );
    assert_eq!(source.named, ["super::b::B", "super::c::C", "crate::d::e"]);
}
