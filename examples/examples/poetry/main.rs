//! Three slow poetry servers and a client that listens to all of them at once,
//! in one thread. One of the servers breaks off half-way.
//!
//! Twisted's counterpart: the poetry programs of the introduction by Dave
//! Peticolas.
//!
//! ```text
//! cargo run --example poetry
//! ```

mod client;
mod modern;
mod poems;
mod server;
mod view;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use deferred::Result;
use reactor::{Reactor, ReactorHandle};

use crate::client::{BrokenOff, fetch};
use crate::modern::{Modern, NothingOld, modernize};
use crate::poems::{POEMS, Poem};
use crate::server::recite_all;
use crate::view::View;

/// The outcome of a poem.
struct Recital {
    poem: Poem,
    took: Duration,
    outcome: Result<Modern>,
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let reactor = Reactor::new()?;
    let view = View::new();
    let recitals = Rc::new(RefCell::new(Vec::new()));

    let start = Instant::now();
    for (poem, server) in recite_all(&reactor)? {
        let track = view.track(poem);
        let heard = track.clone();
        let (recitals, handle) = (Rc::clone(&recitals), reactor.handle());

        fetch(&reactor, server, move |bytes| heard.heard(bytes))
            .add_callback(modernize)
            .add_errback(|failure| {
                // A poem without old words is fine as it is. Any other failure
                // goes on to the end.
                let NothingOld { poem } = failure.trap()?;
                let text = poem.clone();
                Ok(Modern { text, replaced: 0 })
            })
            .add_both(move |outcome| {
                let took = start.elapsed();
                track.finished(&describe(&outcome), took);
                recitals.borrow_mut().push(Recital {
                    poem,
                    took,
                    outcome,
                });
                stop_when_complete(&handle, &recitals.borrow());
            });
    }
    reactor.run()?;

    summarize(&recitals.borrow(), start.elapsed());
    Ok(())
}

fn stop_when_complete(reactor: &ReactorHandle, recitals: &[Recital]) {
    if recitals.len() == POEMS.len() {
        reactor.stop();
    }
}

fn describe(outcome: &Result<Modern>) -> String {
    match outcome {
        Ok(modern) if modern.replaced == 0 => "complete, nothing to modernize".to_owned(),
        Ok(modern) => format!("complete, {} words modernized", modern.replaced),
        Err(failure) => failure.message(),
    }
}

fn summarize(recitals: &[Recital], took: Duration) {
    let total: Duration = recitals.iter().map(|recital| recital.took).sum();
    println!(
        "\n{} poems in {:.1} s; one after the other, it would have been {:.1} s",
        recitals.len(),
        took.as_secs_f64(),
        total.as_secs_f64()
    );
    for Recital {
        poem,
        took,
        outcome,
    } in recitals
    {
        let bytes = match outcome {
            Ok(modern) => modern.text.len(),
            Err(failure) => failure.check().map_or(0, |BrokenOff { heard, .. }| *heard),
        };
        let seconds = took.as_secs_f64();
        println!(
            "{:>10}  {bytes:>4} bytes  {seconds:.1} s  {}",
            poem.title,
            describe(outcome)
        );
    }
    for Recital { poem, outcome, .. } in recitals {
        if let Err(failure) = outcome {
            println!("\nThe story of {}:\n{failure:?}", poem.title);
        }
    }
}
