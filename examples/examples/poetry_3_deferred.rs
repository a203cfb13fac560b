//! Poetry, step 3: a Deferred for each poem.
//!
//! Gain over a bare protocol: `fetch` is a function that returns a Deferred of the poem. Its
//! protocol does not depend on other poems, on the use of this one, or on when to stop. One
//! errback handles failures of connecting and of the transfer. Cancelling the Deferred closes
//! the connection.
//!
//! Twisted's counterpart: `twisted-client-4` of the introduction by Dave Peticolas.
//!
//! ```text
//! cargo run --example poetry_3_deferred
//! ```

#[path = "poetry/poems.rs"]
mod poems;
#[path = "poetry/server.rs"]
mod server;

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use deferred::{Deferred, Result, Trigger};
use reactor::{ConnectionClosed, Context, Protocol, Raw, Reactor, ReactorHandle, ask};

use crate::poems::POEMS;
use crate::server::recite_all;

// ANCHOR: listener
/// Receives one poem, and fires a Deferred with it.
struct Listener {
    poem: Vec<u8>,
    done: Trigger<String>,
}

impl Protocol for Listener {
    type Framing = Raw;

    fn received(&mut self, _cx: &mut Context<'_, Self>, piece: &[u8]) -> Result<()> {
        self.poem.extend(piece);
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let outcome = match reason {
            ConnectionClosed::Done => Ok(String::from_utf8_lossy(&self.poem).into_owned()),
            reason => Err(reason.into()),
        };
        // Errs only if it has been fired already, which nothing else does.
        let _ = self.done.fire(outcome);
    }
}
// ANCHOR_END: listener

// ANCHOR: fetch
/// The poem of `server`.
fn fetch(reactor: &ReactorHandle, server: SocketAddr) -> Deferred<String> {
    ask(reactor, server, |done| Listener {
        poem: Vec::new(),
        done,
    })
}
// ANCHOR_END: fetch

fn main() -> Result<()> {
    let reactor = Reactor::new()?;
    let left = Rc::new(Cell::new(POEMS.len()));
    for (poem, server) in recite_all(&reactor)? {
        let title = poem.title;
        let (left, handle) = (Rc::clone(&left), reactor.handle());
        fetch(&reactor, server)
            .add_callback(move |text| println!("{title}: complete, {} bytes", text.len()))
            .add_errback(move |failure| println!("{title}: {failure}"))
            .add_callback(move |()| {
                left.set(left.get() - 1);
                if left.get() == 0 {
                    handle.stop();
                }
            })
            .detach();
    }
    reactor.run()?;
    println!("that was all");
    Ok(())
}
