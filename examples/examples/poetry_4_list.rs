//! Poetry, step 4: one Deferred for all poems.
//!
//! Gain over a Deferred for each: no counting, and no code that stops the loop. The results
//! come together, in the order of the requests, and then the program ends. `fetch` is that of
//! step 3, with an error type of its own, in `poetry/client.rs`.
//!
//! Twisted's counterpart: the end of `twisted-client-8` of the introduction by Dave
//! Peticolas.
//!
//! ```text
//! cargo run --example poetry_4_list
//! ```

#[path = "poetry/client.rs"]
mod client;
#[path = "poetry/poems.rs"]
mod poems;
#[path = "poetry/server.rs"]
mod server;

use deferred::{DeferredList, Result};
use reactor::Reactor;

use crate::client::fetch;
use crate::poems::POEMS;
use crate::server::recite_all;

// ANCHOR: main
fn main() -> Result<()> {
    let reactor = Reactor::new()?;
    let servers = recite_all(&reactor)?;
    let poems = servers.into_iter().map(|(poem, server)| {
        let heard = move |length| println!("{}: {length} bytes", poem.title);
        fetch(&reactor, server, heard)
    });
    let all = DeferredList::new(poems).into_deferred();

    for (poem, outcome) in POEMS.iter().zip(reactor.block_on(all)?) {
        match outcome {
            Ok(text) => println!("{}: complete, {} bytes", poem.title, text.len()),
            Err(failure) => println!("{}: {failure}", poem.title),
        }
    }
    println!("that was all");
    Ok(())
}
// ANCHOR_END: main
