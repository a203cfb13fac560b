//! What a reactor has done.

use std::cell::Cell;

/// What a reactor has done since it was made, and what it has now: from
/// [`ReactorHandle::counters`](crate::ReactorHandle::counters).
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
    /// Descriptors that were ready, each time.
    pub events: u64,
    /// Delayed calls that were made.
    pub delayed_calls: u64,
    /// Delayed calls that wait.
    pub waiting_calls: usize,
    /// Calls from other threads that were made.
    pub jobs: u64,
    /// Callbacks that were slower than
    /// [`warn_of_slow_callbacks`](crate::ReactorHandle::warn_of_slow_callbacks) allows.
    pub slow_callbacks: u64,
    /// Connections that were made.
    pub connections_made: u64,
    /// Connections that are there.
    pub connections: usize,
    /// Bytes that connections have received.
    pub bytes_received: u64,
    /// Bytes that connections have handed to the system.
    pub bytes_sent: u64,
}

#[derive(Default)]
pub(crate) struct Counting {
    counters: Cell<Counters>,
}

impl Counting {
    #[inline]
    fn change(&self, f: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        f(&mut counters);
        self.counters.set(counters);
    }

    pub(crate) fn get(&self) -> Counters {
        self.counters.get()
    }

    #[inline]
    pub(super) fn turn(&self) {
        self.change(|counters| counters.turns += 1);
    }

    #[inline]
    pub(super) fn events(&self, count: usize) {
        self.change(|counters| counters.events += count as u64);
    }

    pub(super) fn delayed_calls(&self, count: usize) {
        self.change(|counters| counters.delayed_calls += count as u64);
    }

    #[inline]
    pub(super) fn jobs(&self, count: usize) {
        self.change(|counters| counters.jobs += count as u64);
    }

    pub(super) fn slow_callback(&self) {
        self.change(|counters| counters.slow_callbacks += 1);
    }

    /// Gives the number of the connection.
    pub(crate) fn connection_made(&self) -> u64 {
        self.change(|counters| {
            counters.connections_made += 1;
            counters.connections += 1;
        });
        self.get().connections_made
    }

    pub(crate) fn connection_lost(&self) {
        self.change(|counters| counters.connections -= 1);
    }

    #[inline]
    pub(crate) fn received(&self, bytes: usize) {
        self.change(|counters| counters.bytes_received += bytes as u64);
    }

    #[inline]
    pub(crate) fn sent(&self, bytes: usize) {
        self.change(|counters| counters.bytes_sent += bytes as u64);
    }
}
