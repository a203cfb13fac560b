//! Waiting as `polling` does it, on every system it knows.

use std::io;
use std::time::Duration;

use polling::{Event, Poller};

use super::{Key, Ready};

/// Room for the events of one wait.
#[derive(Default)]
pub(super) struct Events {
    room: Option<polling::Events>,
    /// What became ready, as we tell it.
    ready: Vec<(Key, Ready)>,
}

impl Events {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.ready.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<(Key, Ready)> {
        self.ready.get(at).copied()
    }
}

fn ready(event: &Event) -> (Key, Ready) {
    // An event with neither tells of a hang-up on some systems.
    let is_neither = !(event.readable || event.writable);
    let hung_up = event.is_err().unwrap_or(false) || event.is_interrupt() || is_neither;
    let ready = Ready::new(event.readable, event.writable, hung_up);
    (event.key, ready)
}

/// A signal has interrupted the wait; or it is woken at this very moment by a thread that
/// has said so and not done so yet, for which the poller looks in vain.
fn is_harmless(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}

/// Waits until something is ready, the loop is woken, or `timeout` is over.
pub(super) fn wait(
    poller: &Poller,
    events: &mut Events,
    timeout: Option<Duration>,
) -> io::Result<()> {
    events.ready.clear();
    let room = events.room.get_or_insert_with(polling::Events::new);
    room.clear();
    match poller.wait(room, timeout) {
        Ok(_) => {
            events.ready.extend(room.iter().map(|event| ready(&event)));
            Ok(())
        }
        Err(error) if is_harmless(&error) => Ok(()),
        Err(error) => Err(error),
    }
}
