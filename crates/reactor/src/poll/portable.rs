//! Portable wait: `Poller::wait` of the crate `polling`, on every system that it supports.

use std::io;
use std::time::Duration;

use polling::{Event, Poller};

use super::{Key, Ready};

/// Buffer for the events of one wait, allocated by the first wait.
pub(super) type Events = Option<polling::Events>;

fn ready(event: &Event) -> (Key, Ready) {
    // On some systems, a hang-up is an event that is neither readable nor writable.
    let is_neither = !(event.readable || event.writable);
    let hung_up = event.is_err().unwrap_or(false) || event.is_interrupt() || is_neither;
    let ready = Ready::new(event.readable, event.writable, hung_up);
    (event.key, ready)
}

/// Whether the error counts as a wait without events. `Interrupted`: a signal has arrived.
/// `WouldBlock`: another thread has marked the poller as notified, but has not written the
/// notification yet, so the poller has found nothing to read.
fn is_harmless(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}

/// Waits until a descriptor is ready, the loop is woken, or `timeout` has passed; adds the events
/// to `found`.
pub(super) fn wait(
    poller: &Poller,
    events: &mut Events,
    found: &mut Vec<(Key, Ready)>,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let events = events.get_or_insert_with(polling::Events::new);
    events.clear();
    match poller.wait(events, timeout) {
        Ok(_) => {
            found.extend(events.iter().map(|event| ready(&event)));
            Ok(())
        }
        Err(error) if is_harmless(&error) => Ok(()),
        Err(error) => Err(error),
    }
}
