//! Queue of datagrams that wait to be sent.

use std::collections::VecDeque;
use std::time::Duration;

/// First delay before another attempt to send, if the system does not report when there is room.
const FIRST_WAIT: Duration = Duration::from_millis(1);
/// Maximum of that delay, which doubles with each attempt that fails.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// A datagram that waits. `to` is `None` if it goes to the peer that the port is connected to.
pub(super) struct Datagram<A> {
    pub(super) bytes: Vec<u8>,
    pub(super) to: Option<A>,
}

/// Datagrams that wait, in the order in which the protocol sent them.
pub(super) struct Queue<A> {
    datagrams: VecDeque<Datagram<A>>,
    max_length: usize,
    pub(super) waits_for: WaitsFor,
    next_wait: Duration,
}

/// Event at which the first datagram of the queue is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitsFor {
    /// The queue is empty.
    Nothing,
    /// The poller will report that the socket is writable.
    Room,
    /// The socket is writable, but the peer's receive buffer is full: only another attempt after
    /// a delay can find out when it has room.
    Time,
}

impl<A> Queue<A> {
    pub(super) fn new(max_length: usize) -> Self {
        Self {
            datagrams: VecDeque::new(),
            max_length,
            waits_for: WaitsFor::Nothing,
            next_wait: FIRST_WAIT,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.datagrams.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.datagrams.len() >= self.max_length
    }

    pub(super) fn push(&mut self, datagram: Datagram<A>) {
        self.datagrams.push_back(datagram);
    }

    pub(super) fn pop(&mut self) -> Option<Datagram<A>> {
        self.datagrams.pop_front()
    }

    /// Puts a datagram back to the front, because the system had no room for it.
    pub(super) fn put_back(&mut self, datagram: Datagram<A>) {
        self.datagrams.push_front(datagram);
    }

    /// Returns the delay until the next attempt, and doubles it for the attempt after that.
    pub(super) fn wait(&mut self) -> Duration {
        let wait = self.next_wait;
        self.next_wait = (2 * wait).min(LONGEST_WAIT);
        wait
    }

    /// A datagram was sent: the next wait is short again.
    pub(super) fn progress(&mut self) {
        self.next_wait = FIRST_WAIT;
    }

    pub(super) fn clear(&mut self) -> VecDeque<Datagram<A>> {
        std::mem::take(&mut self.datagrams)
    }
}
