//! `Link`: handle by which a filter acts on the connection that calls it.

use std::fmt;
use std::time::Duration;

use super::environment::Environment;
use super::waker::FilterWaker;
use crate::address::Address;

/// Argument of each method of a [`Filter`](super::Filter): passes bytes on in both directions, has
/// the time and the peer's address, and opens or ends the filter.
///
/// # Examples
///
/// A filter that ends the connection if the peer sends nothing for five seconds:
///
/// ```
/// use reactor::filter::{Filter, Link};
/// use reactor::testing::FilterDriver;
/// use std::time::Duration;
///
/// struct Greeted;
///
/// impl Filter for Greeted {
///     fn start(&mut self, link: &mut Link<'_>) -> deferred::Result<()> {
///         link.wake_after(Duration::from_secs(5));
///         Ok(())
///     }
///
///     fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> deferred::Result<usize> {
///         link.wake_after(None);
///         link.open();
///         link.deliver(input);
///         Ok(input.len())
///     }
///
///     fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> deferred::Result<usize> {
///         link.send(bytes);
///         Ok(bytes.len())
///     }
///
///     fn wake(&mut self, link: &mut Link<'_>) -> deferred::Result<()> {
///         match link.is_open() {
///             true => Ok(()),
///             false => Err(deferred::Failure::msg("no greeting within five seconds")),
///         }
///     }
/// }
///
/// let mut driver = FilterDriver::new(Greeted)?;
/// assert!(!driver.is_open());
/// assert!(driver.advance(Duration::from_secs(5)).is_err());
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct Link<'a> {
    up: &'a mut Vec<u8>,
    down: &'a mut Vec<u8>,
    state: &'a mut LinkState,
    environment: &'a Environment<'a>,
}

/// State that a filter has set through its [`Link`].
#[derive(Debug)]
pub(crate) struct LinkState {
    /// Set by [`Link::open`]; never cleared.
    pub(super) is_open: bool,
    /// Set by [`Link::end`]; never cleared. Input after it is discarded.
    pub(super) has_ended: bool,
    /// The time at which the filter is to be woken, by the clock of the loop.
    pub(super) wake_at: Option<Duration>,
    /// Maximum number of bytes of one read; with 0, nothing is read.
    pub(super) read_limit: usize,
    /// The address that replaces the peer's own.
    pub(super) peer: Option<Address>,
}

impl Default for LinkState {
    fn default() -> Self {
        Self {
            is_open: false,
            has_ended: false,
            wake_at: None,
            // No limit; the loop's read buffer still bounds each read.
            read_limit: usize::MAX,
            peer: None,
        }
    }
}

impl<'a> Link<'a> {
    pub(super) fn new(
        up: &'a mut Vec<u8>,
        down: &'a mut Vec<u8>,
        state: &'a mut LinkState,
        environment: &'a Environment<'a>,
    ) -> Self {
        Self {
            up,
            down,
            state,
            environment,
        }
    }

    /// Passes `bytes` on towards the protocol.
    pub fn deliver(&mut self, bytes: &[u8]) {
        self.up.extend_from_slice(bytes);
    }

    /// Passes `bytes` on towards the network.
    pub fn send(&mut self, bytes: &[u8]) {
        self.down.extend_from_slice(bytes);
    }

    /// The buffer of [`deliver`](Self::deliver), to append bytes to it without a copy.
    pub fn up(&mut self) -> &mut Vec<u8> {
        self.up
    }

    /// The buffer of [`send`](Self::send), to append bytes to it without a copy.
    pub fn down(&mut self) -> &mut Vec<u8> {
        self.down
    }

    /// Both buffers and the environment, for a filter that needs them at the same time.
    pub(super) fn both(&mut self) -> (&mut Vec<u8>, &mut Vec<u8>, &Environment<'a>) {
        (self.up, self.down, self.environment)
    }

    pub(super) fn state(&mut self) -> &mut LinkState {
        self.state
    }

    /// Opens the filter: from now on, the filter gets the output of the protocol, and
    /// `connection_made` is called if that has not happened yet. An open filter cannot be closed
    /// again.
    pub fn open(&mut self) {
        self.state.is_open = true;
    }

    /// Whether [`open`](Self::open) was called.
    pub fn is_open(&self) -> bool {
        self.state.is_open
    }

    /// Ends the input of the protocol: its [`read_closed`](crate::Protocol::read_closed) is
    /// called after the bytes that were delivered. Later input is discarded.
    pub fn end(&mut self) {
        self.state.has_ended = true;
    }

    /// The time by the clock of the loop, as
    /// [`ReactorHandle::now`](crate::ReactorHandle::now).
    pub fn now(&self) -> Duration {
        (self.environment.now)()
    }

    /// Schedules a call of [`Filter::wake`](super::Filter::wake) after `delay`. It replaces the
    /// time that was set before; `None` only removes that time.
    pub fn wake_after(&mut self, delay: impl Into<Option<Duration>>) {
        let delay = delay.into();
        // Stored as a time and not as a delay, because the connection sets its timer some time
        // after the call.
        self.state.wake_at = delay.map(|delay| self.now().saturating_add(delay));
    }

    /// A handle that makes the connection call [`Filter::wake`](super::Filter::wake), for a
    /// filter that waits for another event, such as the result of a Deferred.
    pub fn waker(&self) -> FilterWaker {
        self.environment.waker.clone()
    }

    /// Limits each read of the connection to `limit` bytes from now on. With 0, the connection is
    /// not read until this is called again.
    pub fn limit_reading(&mut self, limit: usize) {
        self.state.read_limit = limit;
    }

    /// The address of the peer: from the system, or from a filter nearer to the network.
    pub fn peer(&self) -> &Address {
        self.state.peer.as_ref().unwrap_or(self.environment.peer)
    }

    /// Changes the address of the peer that the protocol, the log, and the filters nearer to the
    /// protocol see. It has an effect only before `connection_made`.
    pub fn set_peer(&mut self, peer: Address) {
        self.state.peer = Some(peer);
    }
}

impl fmt::Debug for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("peer", self.peer())
            .field("is_open", &self.state.is_open)
            .finish_non_exhaustive()
    }
}
