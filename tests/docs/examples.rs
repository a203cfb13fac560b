//! Each public type, trait, free function and macro of a crate has an example.
//!
//! The sources are read as text, line by line, as rustfmt leaves them:
//!
//! - An item is a `pub struct`, `enum`, `union`, `trait` or `type`, a `pub fn` outside of
//!   any `impl`, or a `#[macro_export]` macro. Items with restricted visibility, such as
//!   `pub(crate)`, do not count.
//! - An item has an example if the `///` lines above it contain a code fence. Links to
//!   examples elsewhere do not count.
//! - Methods, constants, fields and variants need no example of their own. Give a method
//!   one if its behaviour surprises.
//! - `#[doc(hidden)]` items need none, nor do the items of a private inline module. Every
//!   file counts as a public module.
//! - In a macro, `pub struct $name` is not an item; the names that its invocations spell
//!   out are.

use std::fs;
use std::path::Path;

use crate::pages::{files, root};

/// The crates to read.
const CRATES: [&str; 7] = [
    "deferred",
    "reactor",
    "reactor-mail",
    "reactor-names",
    "reactor-telnet",
    "reactor-tls",
    "reactor-web",
];

/// The keywords of types and traits, which follow `pub`.
const TYPES: [&str; 5] = ["struct ", "enum ", "union ", "trait ", "type "];

/// `code` without the words that may stand before `fn`.
fn without_qualifiers(mut code: &str) -> &str {
    for qualifier in ["const ", "async ", "unsafe "] {
        match code.strip_prefix(qualifier) {
            Some(rest) if qualifier != "const " || rest.contains("fn ") => code = rest,
            _ => {}
        }
    }
    code
}

/// The name that an item declared by `code` would have, if `code` begins with `keyword`.
fn declared<'a>(code: &'a str, keyword: &str) -> Option<&'a str> {
    code.strip_prefix(keyword)
        .filter(|name| !name.starts_with('$'))
}

/// Whether `code` declares a public type or trait.
fn is_public_type(code: &str) -> bool {
    code.strip_prefix("pub ").is_some_and(|code| {
        let code = without_qualifiers(code);
        TYPES
            .iter()
            .any(|keyword| declared(code, keyword).is_some())
    })
}

/// Whether `code` declares a public function, free or associated.
fn is_public_function(code: &str) -> bool {
    code.strip_prefix("pub ")
        .is_some_and(|code| declared(without_qualifiers(code), "fn ").is_some())
}

/// The indentation of a line.
fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The doc comment and attributes above an item.
#[derive(Default)]
struct Above {
    has_example: bool,
    is_hidden: bool,
    is_exported_macro: bool,
    /// Whether an attribute continues on the next line.
    is_in_attribute: bool,
}

/// The number of items in a source, and the line numbers of those without an example.
fn items(text: &str) -> (usize, Vec<usize>) {
    let (mut found, mut without) = (0, Vec::new());
    let mut above = Above::default();
    // The indentation of the public modules that the line is in; a free function is
    // indented by one step more than the innermost.
    let mut public_modules = Vec::new();
    let mut private_module = None;
    for (number, line) in (1..).zip(text.lines()) {
        let (code, depth) = (line.trim(), depth(line));
        if let Some(outer) = private_module {
            if depth == outer && code == "}" {
                private_module = None;
            }
            continue;
        }
        if above.is_in_attribute {
            above.is_in_attribute = !code.ends_with(']');
            continue;
        }
        if let Some(docs) = code.strip_prefix("///") {
            above.has_example |= docs.trim_start().starts_with("```");
            continue;
        }
        if code.starts_with("#[") {
            above.is_hidden |= code == "#[doc(hidden)]";
            above.is_exported_macro |= code == "#[macro_export]";
            above.is_in_attribute = !code.ends_with(']');
            continue;
        }
        if code.starts_with("//") {
            continue;
        }
        let above = std::mem::take(&mut above);
        let is_free = depth == public_modules.len() * 4;
        let is_item = is_public_type(code)
            || is_free && is_public_function(code)
            || above.is_exported_macro && code.starts_with("macro_rules! ");
        if is_item && !above.is_hidden {
            found += 1;
            if !above.has_example {
                without.push(number);
            }
        }
        if code == "}" && public_modules.last() == Some(&depth) {
            public_modules.pop();
        } else if code.starts_with("pub mod ") && code.ends_with('{') {
            public_modules.push(depth);
        } else if code.ends_with('{') {
            let module = code.trim_start_matches(|c| c != ' ').trim_start();
            if code.starts_with("mod ") || code.starts_with("pub(") && module.starts_with("mod ") {
                private_module = Some(depth);
            }
        }
    }
    (found, without)
}

#[test]
fn each_public_type_and_free_function_has_an_example() {
    let mut without = Vec::new();
    for name in CRATES {
        let folder = Path::new("crates").join(name).join("src");
        let mut paths = Vec::new();
        files(&root().join(&folder), Path::new(""), &mut paths);
        paths.sort();

        let mut found = 0;
        for path in paths {
            let path = folder.join(path);
            let text = fs::read_to_string(root().join(&path)).expect("it can be read");
            let (count, lines) = items(&text);
            found += count;
            let place = |line| format!("\n{}:{line}", path.display());
            without.extend(lines.into_iter().map(place));
        }
        assert!(found > 10, "only {found} items of {name} were understood");
    }
    assert!(
        without.is_empty(),
        "{} public items have no example:{}",
        without.len(),
        without.concat()
    );
}

#[test]
fn items_are_told_from_other_lines() {
    let source = r#"
/// With one.
///
/// ```
/// let example = 1;
/// ```
#[derive(
    Clone,
)]
pub struct With;

/// Without.
pub struct Without {
    pub field: u32,
}

impl Without {
    pub const fn method() {}
    pub const CONSTANT: u32 = 1;
    pub(crate) fn internal() {}
    fn private() {}
}

#[doc(hidden)]
pub fn hidden() {}

pub trait Trait: Sized {
    type Associated;
    const CONSTANT: u32;
    fn provided() {
        fn inner() {}
    }
}

pub(crate) mod sealed {
    pub trait Sealed {
        fn sealed();
    }
}

pub mod public {
    pub fn inner() {}
    impl With {
        pub fn method() {}
    }
}

pub use self::sealed::Sealed;

/// ```
/// ```
#[macro_export]
macro_rules! with {
    () => {
        pub struct $name;
    };
}

macro_rules! private {
    () => {};
}

#[macro_export]
macro_rules! without {
    () => {};
}

pub const fn constant() {}
pub async unsafe fn last() {}
"#;
    let (found, without) = items(source);
    let without: Vec<_> = without
        .into_iter()
        .map(|number| source.lines().nth(number - 1).expect("one").trim())
        .collect();
    assert_eq!(
        without,
        [
            "pub struct Without {",
            "pub trait Trait: Sized {",
            "pub fn inner() {}",
            "macro_rules! without {",
            "pub const fn constant() {}",
            "pub async unsafe fn last() {}",
        ]
    );
    assert_eq!(found, without.len() + 2);
}
