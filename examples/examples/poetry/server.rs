//! A slow poetry server: a piece, a pause, a piece, a pause.

use reactor::{Context, Protocol, Raw};

use crate::poems::Poem;

/// How much is sent at a time, in bytes.
const PIECE: usize = 60;

/// Recites its poem to whoever connects.
pub(crate) struct Reciter {
    poem: Poem,
    left: &'static [u8],
}

impl Reciter {
    pub(crate) fn new(poem: Poem) -> Self {
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
