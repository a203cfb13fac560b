//! Tunnel: after an upgrade, bytes go both ways between client and upstream.

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
        // On either of the two: what comes on one is sent on the other, which counts there. Errs if
        // the connection is over: then the pumps below end at once.
        let _ = io.connection().set_idle_timeout(idle);
    }
    let (up, down) = (client.pump_to(&upstream), upstream.pump_to(&client));
    // Both, also if the first one fails: then both connections close, and so does the second one.
    let (up, down) = (up.await, down.await);
    // Not before here: the drop of an `Io` closes its connection, and that of the turn says that
    // nothing is under way.
    drop((client, upstream, turn));
    up.and(down).map(drop)
}
