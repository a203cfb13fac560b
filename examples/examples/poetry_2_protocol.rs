//! Poetry, step 2: a protocol.
//!
//! Gain over descriptors: no sockets, no reads, no errors of the system. The loop connects,
//! reads, and gives the reason of the close; the protocol interprets it. The same protocol
//! works over a UNIX socket, or in a test without sockets.
//!
//! Twisted's counterpart: `twisted-client-2` of the introduction by Dave Peticolas.
//!
//! ```text
//! cargo run --example poetry_2_protocol
//! ```

#[path = "poetry/poems.rs"]
mod poems;
#[path = "poetry/server.rs"]
mod server;

use std::cell::Cell;
use std::rc::Rc;

use deferred::Result;
use reactor::{ConnectionClosed, Context, Protocol, Raw, Reactor};

use crate::poems::POEMS;
use crate::server::recite_all;

/// Receives one poem.
struct Listener {
    title: &'static str,
    poem: Vec<u8>,
    /// Number of poems that are not complete yet, shared by all protocols.
    left: Rc<Cell<usize>>,
}

impl Protocol for Listener {
    type Framing = Raw;

    fn received(&mut self, _cx: &mut Context<'_, Self>, piece: &[u8]) -> Result<()> {
        println!("{}: {} bytes", self.title, piece.len());
        self.poem.extend(piece);
        Ok(())
    }

    fn connection_lost(&mut self, cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let (title, length) = (self.title, self.poem.len());
        match reason {
            ConnectionClosed::Done => println!("{title}: complete, {length} bytes"),
            reason => println!("{title}: broken off after {length} bytes: {reason}"),
        }
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            cx.reactor().stop();
        }
    }
}

fn main() -> Result<()> {
    let reactor = Reactor::new()?;
    let left = Rc::new(Cell::new(POEMS.len()));
    for (poem, server) in recite_all(&reactor)? {
        let listener = Listener {
            title: poem.title,
            poem: Vec::new(),
            left: Rc::clone(&left),
        };
        reactor.connect_tcp(server, listener).detach();
    }
    reactor.run()?;
    println!("that was all");
    Ok(())
}
