//! A headline retriever: a result that comes later, a value or a failure.
//!
//! Twisted's counterpart: the `Getter` of its introduction to Deferreds.
//!
//! ```text
//! cargo run --example headline
//! cargo run --example headline -- "An ingenious headline that is far too long to be printed"
//! ```

use std::error::Error;
use std::fmt;
use std::time::Duration;

use deferred::{Deferred, defer_later};
use reactor::{Reactor, ReactorHandle};

const MAX_LENGTH: usize = 50;

#[derive(Debug)]
struct TooLong(usize);

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the headline has {} characters; {MAX_LENGTH} fit",
            self.0
        )
    }
}

impl Error for TooLong {}

/// Simulates a request for a headline to a remote server.
fn retrieve(reactor: &ReactorHandle, headline: String) -> Deferred<String> {
    defer_later(reactor, Duration::ZERO, move || Ok(headline)).add_callback(to_html)
}

fn to_html(headline: String) -> deferred::Result<String> {
    let length = headline.chars().count();
    if length > MAX_LENGTH {
        Err(TooLong(length))?;
    }
    Ok(format!("<h1>{headline}</h1>"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let headline = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "Ownership makes callbacks simple".to_owned());

    let reactor = Reactor::new()?;
    let handle = reactor.handle();
    retrieve(&reactor, headline)
        .add_callbacks(
            |html| println!("{html}"),
            |failure| println!("no headline: {failure:?}"),
        )
        .add_both(move |result| {
            handle.stop();
            result
        });
    reactor.run()?;
    Ok(())
}
