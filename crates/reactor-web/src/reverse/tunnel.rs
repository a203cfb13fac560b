//! Tunnel: passes bytes both ways between client and upstream after an upgrade.

use std::time::Duration;

use deferred::{Deferred, Result};

use super::pool::Turn;
use crate::io::Io;

/// Passes bytes on until both sides have finished, one of them is gone, or nothing comes for the
/// time `idle`.
pub(super) async fn run(
    client: Deferred<Io>,
    upstream: Deferred<Io>,
    idle: Duration,
    turn: Turn,
) -> Result<()> {
    // If one of them fails, the other connection is closed.
    let (client, upstream) = (client.cancel_on_drop(), upstream.cancel_on_drop());
    let (mut client, mut upstream) = (client.await?, upstream.await?);
    for io in [&client, &upstream] {
        // One idle connection closes both: what comes on one is sent on the other, and counts as
        // activity there. Errs if the connection is over: then the pumps below end at once.
        let _ = io.connection().set_idle_timeout(idle);
    }
    let (up, down) = (client.pump_to(&upstream), upstream.pump_to(&client));
    // Waits for both even if the first one fails: then both connections close, so the second pump
    // ends, too.
    let (up, down) = (up.await, down.await);
    // Dropped only now: the drop of an `Io` closes its connection, and the drop of the turn ends
    // the request for the pool.
    drop((client, upstream, turn));
    up.and(down).map(drop)
}
