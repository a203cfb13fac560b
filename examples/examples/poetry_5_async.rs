//! Poetry, step 5: async bodies.
//!
//! Gain over chains: sequential steps are written as sequential code, with `?`, `match` and
//! loops. A poem that breaks off is fetched again, with a loop where a chain would need a
//! recursive function. The bodies run concurrently.
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

/// Maximum number of attempts per poem.
const ATTEMPTS: u32 = 2;

/// Receives one poem, and prints the outcome.
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
