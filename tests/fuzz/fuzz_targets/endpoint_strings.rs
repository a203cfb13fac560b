//! Parses the fuzzer's text as descriptions of endpoints: nothing panics, and what was quoted
//! comes back.

#![no_main]

use std::cell::RefCell;
use std::rc::Rc;

use libfuzzer_sys::fuzz_target;
use reactor::endpoint::{EndpointError, EndpointParser, quote};

fuzz_target!(|text: &str| {
    let parser = EndpointParser::new();
    for result in [parser.client(text).map(drop), parser.server(text).map(drop)] {
        if let Err(error) = result {
            assert!(!error.to_string().is_empty());
        }
    }
    let got = Rc::new(RefCell::new(None));
    let to = Rc::clone(&got);
    let parser = EndpointParser::empty().with_client("echo", move |arguments| {
        let taken = (arguments.require("one")?, arguments.keyword("two"));
        to.replace(Some(taken));
        Err(EndpointError::bad_value(
            "one",
            "",
            "is not meant to connect",
        ))
    });
    let quoted = quote(text);
    // It errs by what the prefix gives.
    let _ = parser.client(&format!("echo:{quoted}:two={quoted}"));
    let expected = (text.to_owned(), Some(text.to_owned()));
    assert_eq!(got.take(), Some(expected));
});
