//! Programs that do not compile, and what the compiler says about them; and some that do.
//!
//! The texts are those of one version of the compiler. With another one, the programs are
//! compiled all the same, and only the texts are not compared.
//!
//! `TRYBUILD=overwrite cargo test -p compile` writes the texts anew.

use std::process::Command;

/// The compiler whose texts are in this folder.
const VERSION: &str = "rustc 1.95.";

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output();
    let output = output.expect("the compiler that built this test");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn mistakes_are_named() {
    let compiler = compiler();
    if !compiler.starts_with(VERSION) {
        println!("skipped: the texts are those of {VERSION}, this is {compiler}");
        return;
    }
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}

#[test]
fn what_should_compile_does() {
    trybuild::TestCases::new().pass("pass/*.rs");
}
