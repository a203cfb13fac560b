//! Callbacks and errbacks come in pairs: which ones run, and with what.
//!
//! Twisted's counterpart: the `deferred_ex` series of its documentation.
//!
//! ```text
//! cargo run --example deferred_chain
//! ```

use std::error::Error;
use std::fmt;

use deferred::{Deferred, Failure};

#[derive(Debug)]
struct Coded {
    message: &'static str,
    code: i32,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}   {}", self.message, self.code)
    }
}

impl Error for Coded {}

fn callback1(input: String) -> deferred::Result<String> {
    println!("callback1 with input: {input}");
    Ok(format!("from callback1:{input}"))
}

fn callback2(input: String) -> deferred::Result<String> {
    println!("callback2 with input: {input}");
    let message = "Message";
    Err(Coded { message, code: 23 })?
}

/// An errback that prints the failure and recovers.
fn errback(name: &'static str) -> impl FnOnce(Failure) -> deferred::Result<String> {
    move |failure| {
        println!("in {name}: {failure}");
        Ok(format!("from {name}"))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (trigger, deferred) = Deferred::pair();

    let end = deferred
        .add_errback(errback("errback0"))
        .add_callbacks(callback1, errback("errback1"))
        .add_callbacks(callback2, errback("errback2"))
        .add_errback(errback("errback3"))
        .add_errback(errback("errback4"));

    trigger.callback("error".to_owned())?;
    assert_eq!(end.into_result().expect("it was fired")?, "from errback3");
    Ok(())
}
