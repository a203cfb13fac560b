//! A connection after HTTP: for WebSocket, and for the tunnel of a proxy.

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use deferred::{CancelOnDrop, Deferred, Trigger};

use crate::io::Io;

/// Where the driver of a connection finds what waits for the end of HTTP on it.
pub(super) type UpgradeSlot = Rc<Cell<Option<Trigger<(Io, Bytes)>>>>;

/// The connection and what was read too far, when HTTP on it has ended. Dropping it closes the
/// connection.
pub(super) type Upgraded = CancelOnDrop<(Io, Bytes)>;

/// Waits for the end of HTTP on a connection.
pub(super) fn wait_for(slot: &UpgradeSlot) -> Upgraded {
    let (trigger, upgraded) = Deferred::pair();
    // In place of the trigger of an earlier request, if its answer was no upgrade. That wait is
    // cancelled by now.
    slot.set(Some(trigger));
    upgraded.cancel_on_drop()
}

/// Gives the connection to what waits for it, or closes it.
pub(super) fn hand_over(slot: &UpgradeSlot, io: Io, read: Bytes) {
    if let Some(trigger) = slot.take() {
        // Errs if it was cancelled: then the connection is dropped here, which closes it.
        let _ = trigger.callback((io, read));
    }
}
