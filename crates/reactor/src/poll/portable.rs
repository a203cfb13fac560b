//! Waiting as `polling` does it, on every system it knows.

use std::io;
use std::time::Duration;

use polling::{Events, Poller};

use super::{Key, Ready};

/// Calls `f` with what became ready, one after the other; gives how many.
pub(super) fn for_each(events: &Events, mut f: impl FnMut(Key, Ready)) -> usize {
    for event in events.iter() {
        // An event with neither tells of a hang-up on some systems.
        let hung_up = event.is_err().unwrap_or(false) || !(event.readable || event.writable);
        let ready = Ready {
            readable: event.readable || hung_up,
            writable: event.writable || hung_up,
            hung_up,
        };
        f(event.key, ready);
    }
    events.len()
}

/// Waits until something is ready, the loop is woken, or `timeout` is over.
pub(super) fn wait(
    poller: &Poller,
    events: &mut Events,
    timeout: Option<Duration>,
) -> io::Result<()> {
    events.clear();
    match poller.wait(events, timeout) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error),
    }
}
