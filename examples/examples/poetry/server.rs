//! A slow poetry server: a piece, a pause, a piece, a pause.

use std::net::SocketAddr;

use reactor::{Context, ListenError, Protocol, Raw, ReactorHandle};

use crate::poems::{POEMS, Poem};

/// The size of a piece, in bytes.
const PIECE: usize = 60;

/// Starts a server for each of the [`POEMS`], on a port that the system chooses.
pub(crate) fn recite_all(reactor: &ReactorHandle) -> Result<Vec<(Poem, SocketAddr)>, ListenError> {
    let recite = |poem| {
        let port = reactor.listen_tcp("127.0.0.1:0", move || Reciter::new(poem))?;
        Ok((poem, port.address()))
    };
    POEMS.into_iter().map(recite).collect()
}

/// Sends its poem to each client.
struct Reciter {
    poem: Poem,
    left: &'static [u8],
}

impl Reciter {
    fn new(poem: Poem) -> Self {
        let left = poem.text.as_bytes();
        Self { poem, left }
    }

    // ANCHOR: recite
    fn recite(&mut self, cx: &mut Context<'_, Self>) {
        if self.poem.breaks_off && self.left.len() < self.poem.text.len() / 2 {
            return cx.abort();
        }
        let (piece, left) = self.left.split_at(PIECE.min(self.left.len()));
        self.left = left;
        cx.write(piece);
        if left.is_empty() {
            cx.lose_connection();
        } else {
            cx.call_later(self.poem.pause, |this, cx| this.recite(cx));
        }
    }
    // ANCHOR_END: recite
}

impl Protocol for Reciter {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        self.recite(cx);
        Ok(())
    }

    fn received(&mut self, _cx: &mut Context<'_, Self>, _data: &[u8]) -> deferred::Result<()> {
        Ok(())
    }
}
