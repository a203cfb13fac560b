//! Tunnel: after an upgrade, bytes go both ways between client and upstream.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use deferred::{Deferred, Result, sleep};
use hyper::rt::Write as _;

use super::pool::Turn;
use crate::io::Io;

/// Passes bytes on until one side is gone, or nothing comes for the time `idle`.
pub(super) async fn run(
    client: Deferred<Io>,
    upstream: Deferred<Io>,
    idle: Duration,
    turn: Turn,
) -> Result<()> {
    // If one of them fails, the other connection is closed.
    let (client, upstream) = (client.cancel_on_drop(), upstream.cancel_on_drop());
    let mut tunnel = Tunnel {
        client: client.await?,
        upstream: upstream.await?,
        is_active: false,
    };
    let reactor = tunnel.client.reactor().clone();
    let mut timer = sleep(&reactor, idle).cancel_on_drop();
    let (mut up, mut down) = (Way::default(), Way::default());
    // A half-closed side is not read from any more, so its loss is not found by a read.
    let mut client_lost = tunnel.client.lost();
    let mut upstream_lost = tunnel.upstream.lost();
    poll_fn(|cx| {
        let Tunnel {
            client, upstream, ..
        } = &mut tunnel;
        // `|` and not `||`: both directions are polled, and register what wakes them.
        let moved = up.poll(client, upstream, cx)? | down.poll(upstream, client, cx)?;
        tunnel.is_active |= moved;
        // Polled again after it has fired, each is ready with `ResultTaken`, which is as good.
        up.is_lost |= Pin::new(&mut client_lost).poll(cx).is_ready();
        down.is_lost |= Pin::new(&mut upstream_lost).poll(cx).is_ready();
        if (up.is_ended && down.is_ended) || up.is_over() || down.is_over() {
            return Poll::Ready(Ok(()));
        }
        // A loop, so that the new timer is polled, too, and wakes this body.
        while Pin::new(&mut timer).poll(cx).is_ready() {
            if !std::mem::take(&mut tunnel.is_active) {
                return Poll::Ready(Ok(()));
            }
            timer = sleep(&reactor, idle).cancel_on_drop();
        }
        Poll::Pending
    })
    .await
    .map_err(|error: io::Error| error.into())
    // Both connections end when what was written is sent.
    // After an error, the turn ends with this function.
    .inspect(|()| drop(turn))
}

struct Tunnel {
    client: Io,
    upstream: Io,
    /// Whether bytes have passed since the timer was set.
    // Set by each piece in either direction, taken when the timer fires.
    is_active: bool,
}

/// One direction.
#[derive(Default)]
struct Way {
    /// The source has ended, and all of it is written.
    // Set once, and not cleared: the other side can still send.
    is_ended: bool,
    /// The connection of the source is over.
    // Set once. What the source has sent before may still wait for room.
    is_lost: bool,
}

impl Way {
    /// Moves what is there; whether there was something.
    fn poll(&mut self, from: &mut Io, to: &mut Io, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut has_moved = false;
        while !self.is_ended {
            match poll_move(from, to, cx) {
                Poll::Ready(Ok(0)) => self.is_ended = true,
                Poll::Ready(Ok(_)) => has_moved = true,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        Ok(has_moved)
    }

    fn is_over(&self) -> bool {
        self.is_lost && self.is_ended
    }
}

/// Moves one piece; 0 bytes are the end, of which the other side is told.
fn poll_move(from: &mut Io, to: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    // First, so that what cannot be written is not read: the sender has to wait.
    ready!(to.poll_room(cx))?;
    let piece = ready!(from.poll_fill(cx, <[u8]>::to_vec))?;
    if piece.is_empty() {
        ready!(Pin::new(to).poll_shutdown(cx))?;
        return Poll::Ready(Ok(0));
    }
    let written = ready!(Pin::new(to).poll_write(cx, &piece))?;
    // What is not written stays in the input, and is copied again with the next piece.
    from.consume(written);
    Poll::Ready(Ok(written))
}
