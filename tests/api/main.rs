//! The public items of each crate, compared with the listing in this folder.
//!
//! A change to the listing is a change to what users may write, and stands in the diff of
//! a review. `WRITE_API=1` in the environment writes the listings anew.
//!
//! rustdoc's JSON has no stable format: with a compiler that writes another version of it,
//! nothing is compared, and the test says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use public_api::Builder;

/// Has rustdoc write the JSON of a crate with all features; gives its path.
fn write_json(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/rustdoc");
    let status = Command::new(env!("CARGO"))
        .args(["rustdoc", "--quiet", "--lib", "--all-features", "-p", name])
        .arg("--target-dir")
        .arg(&target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .args(["--cap-lints", "allow"])
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(root)
        .status()
        .expect("cargo can be run");
    assert!(status.success(), "rustdoc failed for {name}");
    let file = format!("{}.json", name.replace('-', "_"));
    target.join("doc").join(file)
}

/// Whether this file has the version of the format that is understood here.
fn is_understood(json: &Path) -> bool {
    let text = fs::read_to_string(json).expect("rustdoc has written it");
    let value: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    let version = value["format_version"].as_u64();
    if version != Some(rustdoc_types::FORMAT_VERSION.into()) {
        println!(
            "skipped: rustdoc writes version {version:?} of its JSON, this test reads {}",
            rustdoc_types::FORMAT_VERSION
        );
        return false;
    }
    true
}

fn listing(json: &Path) -> String {
    let api = Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .expect("the format is understood");
    let mut text = api.to_string();
    text.push('\n');
    text
}

fn compare(name: &str) {
    let json = write_json(name);
    if !is_understood(&json) {
        return;
    }
    let now = listing(&json);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("{name}.txt"));
    if std::env::var_os("WRITE_API").is_some() {
        fs::write(&path, now).expect("the folder can be written to");
        return;
    }
    let listed = fs::read_to_string(&path).unwrap_or_default();
    let (was, is): (BTreeSet<_>, BTreeSet<_>) = (listed.lines().collect(), now.lines().collect());
    let gone: Vec<_> = was.difference(&is).copied().collect();
    let new: Vec<_> = is.difference(&was).copied().collect();
    assert!(
        listed == now,
        "the public items of `{name}` are no longer those of tests/api/{name}.txt\n\
         gone:\n{}\nnew:\n{}\n\
         If that is intended: cd tests/api && WRITE_API=1 cargo test",
        gone.join("\n"),
        new.join("\n"),
    );
}

#[test]
fn deferred_is_as_listed() {
    compare("deferred");
}

#[test]
fn reactor_is_as_listed() {
    compare("reactor");
}

#[test]
fn reactor_tls_is_as_listed() {
    compare("reactor-tls");
    compare("reactor-telnet");
}

#[test]
fn reactor_web_is_as_listed() {
    compare("reactor-web");
}

#[test]
fn reactor_names_and_mail_are_as_listed() {
    compare("reactor-names");
    compare("reactor-mail");
}
