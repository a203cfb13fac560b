//! Waiting as `polling` does it, on every system it knows.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use polling::Poller;

use super::{Key, Poll, Ready};

/// Room for the events of one wait.
pub(crate) struct Events {
    events: polling::Events,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self {
            events: polling::Events::new(),
        }
    }

    /// What became ready.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, Ready)> + '_ {
        self.events.iter().map(|event| {
            // An event with neither tells of a hang-up on some systems.
            let hung_up = event.is_err().unwrap_or(false) || !(event.readable || event.writable);
            let ready = Ready {
                readable: event.readable || hung_up,
                writable: event.writable || hung_up,
                hung_up,
            };
            (event.key, ready)
        })
    }
}

impl Poll {
    /// Waits until something is ready, the loop is woken, or `timeout` is over.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.events.clear();
        match self.poller.wait(&mut events.events, timeout) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Wakes the loop from any thread.
#[derive(Clone)]
pub(crate) struct Waker {
    poller: Arc<Poller>,
}

impl Waker {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the other way of waiting can fail here"
    )]
    pub(super) fn new(poller: &Arc<Poller>) -> io::Result<Self> {
        Ok(Self {
            poller: Arc::clone(poller),
        })
    }

    pub(crate) fn wake(&self) {
        let _ = self.poller.notify();
    }

    /// Nothing to do: the poller clears its own notifier and gives no event of it.
    #[expect(
        clippy::unused_self,
        reason = "the other way of waiting has something to clear"
    )]
    pub(crate) fn clear(&self) {}
}
