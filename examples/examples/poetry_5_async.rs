//! Poetry, fifth rung: bodies that wait, which is what inline callbacks are.
//!
//! What it gains over chains: what happens one after the other is written so, with `?`,
//! `match` and loops. A poem that breaks off is asked for once more, with a loop where a
//! chain would need a function that calls itself. The bodies still run all at once.
//!
//! Twisted's counterpart: `twisted-client-8` of the introduction by Dave Peticolas.
//!
//! ```text
//! cargo run --example poetry_5_async
//! ```

#[path = "poetry/client.rs"]
mod client;
#[path = "poetry/modern.rs"]
mod modern;
#[path = "poetry/poems.rs"]
mod poems;
#[path = "poetry/server.rs"]
mod server;

use std::net::SocketAddr;
use std::process::ExitCode;

use deferred::{Result, gather_results};
use reactor::{ReactorHandle, react};

use crate::client::{BrokenOff, fetch};
use crate::modern::{Modern, NothingOld, modernize};
use crate::poems::Poem;
use crate::server::recite_all;

/// How often a poem is asked for.
const ATTEMPTS: u32 = 2;

/// Listens to one poem, and says what became of it.
async fn listen(reactor: ReactorHandle, poem: Poem, server: SocketAddr) -> Result<()> {
    let title = poem.title;
    for attempt in 1..=ATTEMPTS {
        let text = match fetch(&reactor, server, |_length| ()).await {
            Ok(text) => text,
            Err(failure) => {
                let BrokenOff { heard, .. } = failure.trap()?;
                println!("{title}: broken off after {heard} bytes, attempt {attempt}");
                continue;
            }
        };
        let Modern { text, replaced } = match modernize(text) {
            Ok(modern) => modern,
            Err(failure) => {
                let NothingOld { poem } = failure.trap()?;
                let text = poem.clone();
                Modern { text, replaced: 0 }
            }
        };
        let length = text.len();
        println!("{title}: complete, {length} bytes, {replaced} words modernized");
        return Ok(());
    }
    println!("{title}: given up");
    Ok(())
}

async fn listen_to_all(reactor: ReactorHandle) -> Result<()> {
    let servers = recite_all(&reactor)?;
    let bodies = servers
        .into_iter()
        .map(|(poem, server)| reactor.spawn(listen(reactor.clone(), poem, server)));
    gather_results(bodies).await?;
    println!("that was all");
    Ok(())
}

fn main() -> ExitCode {
    react(|reactor| reactor.spawn(listen_to_all(reactor.clone())))
}
