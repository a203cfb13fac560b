//! Hands over a connection that leaves HTTP: for WebSocket, and for the tunnel of a proxy.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use deferred::{CancelOnDrop, Deferred, Trigger};

use crate::io::Io;

/// Holds the trigger by which the driver of a connection hands it over when HTTP on it ends.
pub(super) type UpgradeSlot = Rc<Cell<Option<Trigger<(Io, Bytes)>>>>;

/// Fires when HTTP on the connection has ended, with the connection and the bytes that were read
/// beyond HTTP. Its drop closes the connection.
pub(super) type Upgraded = CancelOnDrop<(Io, Bytes)>;

/// Waits for the end of HTTP on a connection.
pub(super) fn wait_for(slot: &UpgradeSlot) -> Upgraded {
    let (trigger, upgraded) = Deferred::pair();
    // Replaces the trigger of an earlier request whose answer was not an upgrade. The `Upgraded` of
    // that request was dropped by now.
    slot.set(Some(trigger));
    upgraded.cancel_on_drop()
}

/// Gives the connection to the request that waits for it, or closes it.
pub(super) fn hand_over(slot: &UpgradeSlot, io: Io, read: Bytes) {
    if let Some(trigger) = slot.take() {
        // Errs if the wait was cancelled: then the connection is dropped here, which closes it.
        let _ = trigger.callback((io, read));
    }
}
