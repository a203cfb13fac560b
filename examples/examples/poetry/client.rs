//! A poetry client: a Deferred for each poem.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;

use deferred::{Deferred, Trigger};
use reactor::{ConnectionClosed, Context, Protocol, Raw, ReactorHandle, ask};

/// Fetches the poem of `server`. `heard` is called with the size of each piece.
pub(crate) fn fetch(
    reactor: &ReactorHandle,
    server: SocketAddr,
    heard: impl FnMut(usize) + 'static,
) -> Deferred<String> {
    ask(reactor, server, |done| Listener {
        poem: Vec::new(),
        heard: Box::new(heard),
        done,
    })
}

struct Listener {
    poem: Vec<u8>,
    heard: Box<dyn FnMut(usize)>,
    done: Trigger<String>,
}

impl Protocol for Listener {
    type Framing = Raw;

    fn received(&mut self, _cx: &mut Context<'_, Self>, piece: &[u8]) -> deferred::Result<()> {
        self.poem.extend_from_slice(piece);
        (self.heard)(piece.len());
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let heard = self.poem.len();
        let outcome = match reason {
            ConnectionClosed::Done => Ok(String::from_utf8_lossy(&self.poem).into_owned()),
            reason => Err(BrokenOff { heard, reason }.into()),
        };
        // Errs only if it has been fired already, which nothing else does.
        let _ = self.done.fire(outcome);
    }
}

/// The server stopped reciting before the end.
#[derive(Debug)]
pub(crate) struct BrokenOff {
    /// Number of bytes received before that.
    pub(crate) heard: usize,
    reason: ConnectionClosed,
}

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken off after {} bytes", self.heard)
    }
}

impl Error for BrokenOff {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.reason)
    }
}
