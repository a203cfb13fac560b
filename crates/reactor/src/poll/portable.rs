//! Waiting as `polling` does it, on every system it knows.

use std::io;
use std::time::Duration;

use polling::{Event, Poller};

use super::{Key, Ready};

/// Room for the events of one wait, made when it is needed.
pub(super) type Events = Option<polling::Events>;

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

/// Waits until something is ready, the loop is woken, or `timeout` is over; adds what
/// became ready to `told`.
pub(super) fn wait(
    poller: &Poller,
    events: &mut Events,
    told: &mut Vec<(Key, Ready)>,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let events = events.get_or_insert_with(polling::Events::new);
    events.clear();
    match poller.wait(events, timeout) {
        Ok(_) => {
            told.extend(events.iter().map(|event| ready(&event)));
            Ok(())
        }
        Err(error) if is_harmless(&error) => Ok(()),
        Err(error) => Err(error),
    }
}
