//! Counters of a reactor, and the cells that count.

use std::cell::Cell;

/// Statistics of a reactor, from [`ReactorHandle::counters`](crate::ReactorHandle::counters):
/// totals since it was made, and current numbers.
///
/// # Examples
///
/// ```
/// use reactor::Reactor;
/// use std::time::Duration;
///
/// let reactor = Reactor::new()?;
/// reactor.call_later(Duration::ZERO, || ());
/// while reactor.counters().delayed_calls == 0 {
///     reactor.turn(Some(Duration::ZERO)).unwrap();
/// }
/// println!("{:?}", reactor.counters());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Turns of the loop.
    pub turns: u64,
    /// Events of descriptors, including those of the loop's own waker and timer.
    pub events: u64,
    /// Delayed calls that were made.
    pub delayed_calls: u64,
    /// Delayed calls that are scheduled now.
    pub waiting_calls: usize,
    /// [System event triggers](crate::ReactorHandle::add_system_event_trigger) that wait for their
    /// event now.
    pub system_event_triggers: usize,
    /// Calls from other threads that were made.
    pub jobs: u64,
    /// Callbacks that were slower than
    /// [`warn_of_slow_callbacks`](crate::ReactorHandle::warn_of_slow_callbacks) allows.
    pub slow_callbacks: u64,
    /// Connections that were made.
    pub connections_made: u64,
    /// Connections that are open now.
    pub connections: usize,
    /// Bytes that connections have received.
    pub bytes_received: u64,
    /// Bytes that connections have handed to the system.
    pub bytes_sent: u64,
}

/// The counting cells.
#[derive(Default)]
pub(crate) struct Counting {
    turns: Cell<u64>,
    events: Cell<u64>,
    delayed_calls: Cell<u64>,
    jobs: Cell<u64>,
    slow_callbacks: Cell<u64>,
    connections_made: Cell<u64>,
    connections_lost: Cell<u64>,
    bytes_received: Cell<u64>,
    bytes_sent: Cell<u64>,
}

#[inline(always)]
fn add(counter: &Cell<u64>, count: usize) {
    // Exact: a `usize` has 64 bits at most.
    counter.set(counter.get() + count as u64);
}

impl Counting {
    pub(crate) fn get(&self) -> Counters {
        let made = self.connections_made.get();
        Counters {
            turns: self.turns.get(),
            events: self.events.get(),
            delayed_calls: self.delayed_calls.get(),
            waiting_calls: 0,
            system_event_triggers: 0,
            jobs: self.jobs.get(),
            slow_callbacks: self.slow_callbacks.get(),
            connections_made: made,
            // Only a connection that was made is lost, so this cannot underflow; the number of open
            // ones is limited by descriptors, so it fits.
            connections: (made - self.connections_lost.get()) as usize,
            bytes_received: self.bytes_received.get(),
            bytes_sent: self.bytes_sent.get(),
        }
    }

    #[inline]
    pub(super) fn turn(&self) {
        add(&self.turns, 1);
    }

    #[inline]
    pub(super) fn events(&self, count: usize) {
        add(&self.events, count);
    }

    pub(super) fn delayed_calls(&self, count: usize) {
        add(&self.delayed_calls, count);
    }

    #[inline]
    pub(super) fn jobs(&self, count: usize) {
        add(&self.jobs, count);
    }

    pub(super) fn slow_callback(&self) {
        add(&self.slow_callbacks, 1);
    }

    /// Counts a connection, and returns its sequence number.
    pub(crate) fn connection_made(&self) -> u64 {
        add(&self.connections_made, 1);
        self.connections_made.get()
    }

    pub(crate) fn connection_lost(&self) {
        add(&self.connections_lost, 1);
    }

    #[inline]
    pub(crate) fn received(&self, bytes: usize) {
        add(&self.bytes_received, bytes);
    }

    #[inline]
    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.bytes_sent, bytes);
    }
}
