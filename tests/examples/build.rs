//! The examples' binaries, built like this test and found where cargo says.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

/// By name; built once per process.
static BINARIES: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(build);

/// The binary of an example.
pub(crate) fn binary(name: &str) -> &'static Path {
    let found = BINARIES.get(name);
    found.unwrap_or_else(|| panic!("there is no example {name:?}"))
}

/// The names of all examples, in order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    BINARIES.keys().map(String::as_str)
}

/// How this test was built, as its own path tells:
/// `<target dir>/[<triple>/]<profile>/deps/<test>`.
struct Layout {
    target_dir: PathBuf,
    triple: Option<String>,
    profile: String,
}

impl Layout {
    fn of(test: &Path) -> Option<Self> {
        let profile_dir = test.parent()?.parent()?;
        let profile = match profile_dir.file_name()?.to_str()? {
            "debug" => "dev".to_owned(),
            other => other.to_owned(),
        };
        let above = profile_dir.parent()?;
        let triple = above.file_name().and_then(OsStr::to_str).and_then(triple);
        let target_dir = if triple.is_some() {
            above.parent()?
        } else {
            above
        };
        Some(Self {
            target_dir: target_dir.to_owned(),
            triple,
            profile,
        })
    }
}

/// The folder's name, if it is a target triple of this architecture.
///
/// A wrong guess costs a build and nothing else: cargo says where it puts what.
fn triple(folder: &str) -> Option<String> {
    let is_triple = folder.split('-').count() >= 3 && folder.starts_with(env::consts::ARCH);
    is_triple.then(|| folder.to_owned())
}

fn build() -> BTreeMap<String, PathBuf> {
    let test = env::current_exe().expect("the path of this test");
    let layout = Layout::of(&test).expect("a path as cargo makes them");

    let mut cargo = Command::new(env!("CARGO"));
    cargo
        // Of all default members, as `cargo test` builds them: with `-p examples`, the features of
        // the dependencies would be others, and all of them would be built once more.
        .args(["build", "--quiet", "--examples"])
        .args(["--message-format", "json-render-diagnostics"])
        .args(["--profile", &layout.profile])
        .arg("--target-dir")
        .arg(&layout.target_dir)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    if let Some(triple) = &layout.triple {
        cargo.args(["--target", triple]);
    }
    let built = cargo.output().expect("cargo starts");
    assert!(built.status.success(), "the examples do not build");
    String::from_utf8(built.stdout)
        .expect("JSON is UTF-8")
        .lines()
        .filter_map(example)
        .collect()
}

/// What a message of cargo's says of an example, if it is about one.
fn example(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let target = &message["target"];
    if target["kind"][0] != "example" {
        return None;
    }
    let name = target["name"].as_str()?.to_owned();
    Some((name, message["executable"].as_str()?.into()))
}
