//! Each public item of a crate has an example.
//!
//! The sources are read as text, line by line, as rustfmt leaves them:
//!
//! - An item is a `pub fn`, `struct`, `enum`, `union`, `trait`, `type`, `const` or
//!   `static`, or a function or constant in a `pub trait`. What is `pub` for some only,
//!   as in `pub(crate)`, is none.
//! - It has an example if there is a fence in the `///` lines above it. What these link
//!   to does not count, nor do the examples of its type.
//! - Items that are `#[doc(hidden)]` need none, nor do those of an inline module that is
//!   not public itself. A file counts as public, whether or not it is.
//! - Fields, variants and associated types are explained by the examples of their type,
//!   and modules begin with `//!`.
//! - In a macro, `pub struct $name` is no item; those that its uses spell out are.

use std::fs;
use std::path::Path;

use crate::pages::{files, root};

/// Whose items are looked at.
const CRATES: [&str; 2] = ["deferred", "reactor"];

/// What an item can be, behind `pub`.
const KINDS: [&str; 8] = [
    "fn ", "struct ", "enum ", "union ", "trait ", "type ", "const ", "static ",
];

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

/// Whether `code` begins an item that is public by itself.
fn is_public_item(code: &str) -> bool {
    let Some(item) = code.strip_prefix("pub ").map(without_qualifiers) else {
        return false;
    };
    let name = KINDS.iter().find_map(|kind| item.strip_prefix(kind));
    name.is_some_and(|name| !name.starts_with('$'))
}

/// Whether `code` begins an item, where all are as public as what they are in.
fn is_item_of_a_trait(code: &str) -> bool {
    let code = without_qualifiers(code);
    code.starts_with("fn ") || code.starts_with("const ")
}

/// How far a line is indented.
fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// What stands above an item.
#[derive(Default)]
struct Above {
    has_example: bool,
    is_hidden: bool,
    /// An attribute that goes on in the next line.
    is_in_attribute: bool,
}

/// The items of a source, and those without an example: the numbers of their lines.
fn items(text: &str) -> (usize, Vec<usize>) {
    let (mut found, mut without) = (0, Vec::new());
    let mut above = Above::default();
    // So far are they indented.
    let (mut in_trait, mut in_private) = (None, None);
    for (number, line) in (1..).zip(text.lines()) {
        let (code, depth) = (line.trim(), depth(line));
        if let Some(outer) = in_private {
            if depth == outer && code == "}" {
                in_private = None;
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
            above.is_in_attribute = !code.ends_with(']');
            continue;
        }
        if code.starts_with("//") {
            continue;
        }
        let above = std::mem::take(&mut above);
        let is_in_trait = in_trait.is_some_and(|outer| depth == outer + 4);
        let is_item = is_public_item(code) || is_in_trait && is_item_of_a_trait(code);
        if is_item && !above.is_hidden {
            found += 1;
            if !above.has_example {
                without.push(number);
            }
        }
        if code.ends_with('}') && in_trait == Some(depth) {
            in_trait = None;
        } else if code.starts_with("pub trait ") && !code.ends_with('}') {
            in_trait = Some(depth);
        } else if code.ends_with('{') && !code.starts_with("pub mod ") {
            let module = code.trim_start_matches(|c| c != ' ').trim_start();
            if code.starts_with("mod ") || code.starts_with("pub(") && module.starts_with("mod ") {
                in_private = Some(depth);
            }
        }
    }
    (found, without)
}

#[test]
fn each_public_item_has_an_example() {
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
        assert!(found > 200, "only {found} items of {name} were understood");
    }
    assert!(
        without.is_empty(),
        "{} public items have no example:{}",
        without.len(),
        without.concat()
    );
}

#[test]
fn items_are_told_from_what_is_none() {
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
    pub const fn without() {}
    pub const CONSTANT: u32 = 1;
    pub(crate) fn internal() {}
    fn private() {}
    #[doc(hidden)]
    pub fn hidden() {}
}

pub trait Trait: Sized {
    type Associated;
    const CONSTANT: u32;
    fn without() {
        fn inner() {}
    }
    /// ```
    /// ```
    fn with();
}

impl Trait for With {
    fn without() {}
}

pub(crate) mod sealed {
    pub trait Sealed {
        fn sealed();
    }
}

pub use self::sealed::Sealed;
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
            "pub const fn without() {}",
            "pub const CONSTANT: u32 = 1;",
            "pub trait Trait: Sized {",
            "const CONSTANT: u32;",
            "fn without() {",
            "pub async unsafe fn last() {}",
        ]
    );
    assert_eq!(found, without.len() + 2);
}
