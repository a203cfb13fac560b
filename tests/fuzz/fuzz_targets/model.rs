//! Runs a program made of the fuzzer's bytes on the crate and on the model.

#![no_main]

#[path = "../../model/flavour.rs"]
mod flavour;
#[path = "../../model/naive.rs"]
mod naive;
#[path = "../../model/program.rs"]
mod program;
#[path = "../../model/real.rs"]
mod real;

mod bytes;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let ops = bytes::program(data);
    let expected = naive::run(&ops);
    assert_eq!(
        expected.leaked, 0,
        "the model left something behind: {ops:#?}"
    );
    let ours = real::run(&ops);
    assert_eq!(ours, expected, "ours, and the model's, of {ops:#?}");
});
