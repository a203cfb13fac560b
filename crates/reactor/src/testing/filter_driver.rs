//! `FilterDriver`: runs a filter in a test.

use std::fmt;
use std::time::Duration;

use deferred::Result;

use crate::address::Address;
use crate::filter::{Engine, Environment, Filter, FilterWaker, Sides};

/// Runs a [`Filter`] as a connection does, with neither a socket nor a reactor: the test passes
/// bytes of both directions to the filter, and gets its output.
///
/// # Examples
///
/// Passes bytes of the protocol through a filter, and looks at its output to the network:
///
/// ```
/// use reactor::filter::throttle::Throttle;
/// use reactor::testing::FilterDriver;
/// use std::time::Duration;
///
/// let throttle = Throttle::new().bytes_per_second(1000);
/// let mut driver = FilterDriver::new(throttle.filter())?;
/// driver.send(&[0; 3000])?;
/// for _ in 0..100 {
///     driver.advance(Duration::from_millis(10))?;
/// }
/// assert!((950..=1050).contains(&driver.sent().len()));
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct FilterDriver {
    engine: Engine,
    now: Duration,
    peer: Address,
    waker: FilterWaker,
    up: Vec<u8>,
    down: Vec<u8>,
    /// Bytes of the protocol that the filter has not taken.
    pending: Vec<u8>,
    // Set by `finish`, never cleared.
    is_finishing: bool,
    // Set when `Filter::finish` has returned `true`, after which it is not called again; never
    // cleared.
    is_finished: bool,
}

impl FilterDriver {
    /// Starts `filter`, with a peer whose address is unknown.
    ///
    /// # Errors
    ///
    /// The error of [`Filter::start`].
    pub fn new(filter: impl Filter) -> Result<Self> {
        Self::with_peer(filter, Address::Unknown)
    }

    /// Starts `filter` on a connection from `peer`.
    ///
    /// # Errors
    ///
    /// The error of [`Filter::start`].
    pub fn with_peer(filter: impl Filter, peer: Address) -> Result<Self> {
        let mut driver = Self {
            engine: Engine::new(Box::new(filter)),
            now: Duration::ZERO,
            peer,
            // There is no loop to wake: `run_woken` tests whether the waker was used.
            waker: FilterWaker::new(|| ()),
            up: Vec::new(),
            down: Vec::new(),
            pending: Vec::new(),
            is_finishing: false,
            is_finished: false,
        };
        driver.call(|engine, environment, sides| engine.start(environment, sides))?;
        Ok(driver)
    }

    fn call(
        &mut self,
        f: impl FnOnce(&mut Engine, &Environment<'_>, &mut Sides<'_>) -> Result<()>,
    ) -> Result<()> {
        let now = self.now;
        let environment = Environment {
            now: &|| now,
            peer: &self.peer,
            waker: &self.waker,
        };
        let mut sides = Sides {
            up: &mut self.up,
            down: &mut self.down,
        };
        f(&mut self.engine, &environment, &mut sides)?;
        // As a transport does after each call: offers the filter the bytes that it has not taken
        // yet.
        while !self.pending.is_empty() {
            let taken = self.engine.send(&self.pending, &environment, &mut sides)?;
            if taken == 0 {
                break;
            }
            self.pending.drain(..taken);
        }
        // The end comes after all output, and `finish` is called again until it returns `true`.
        if self.is_finishing
            && !self.is_finished
            && self.engine.is_open()
            && self.pending.is_empty()
        {
            self.is_finished = self.engine.finish(&environment, &mut sides)?;
        }
        Ok(())
    }

    /// Puts `filter` on top, as [`insert_filter`](crate::Context::insert_filter) does: bytes that
    /// were delivered and not taken by [`delivered`](Self::delivered) go to the new filter; bytes
    /// that were sent before bypass it.
    ///
    /// # Errors
    ///
    /// The error of its [`Filter::start`].
    pub fn insert(&mut self, filter: impl Filter) -> Result<()> {
        // As a transport does: bytes that the protocol has not got go to the new filter; bytes that
        // it has written before do not.
        let unread = std::mem::take(&mut self.up);
        let unsent = std::mem::take(&mut self.pending);
        self.engine.put_on_top(Box::new(filter), unread, unsent);
        self.call(|engine, environment, sides| engine.start(environment, sides))
    }

    /// Passes `bytes` from the network to the filter.
    ///
    /// # Errors
    ///
    /// The errors of the filter's methods.
    pub fn receive(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let mut bytes = bytes.as_ref().to_vec();
        self.call(|engine, environment, sides| engine.receive(&mut bytes, environment, sides))
    }

    /// Passes the end of the input to the filter.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive).
    pub fn receive_end(&mut self) -> Result<()> {
        self.call(|engine, environment, sides| engine.receive_end(environment, sides))
    }

    /// Passes `bytes` from the protocol to the filter. Bytes that the filter does not take are
    /// offered again later.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive).
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.pending.extend_from_slice(bytes.as_ref());
        self.call(|_, _, _| Ok(()))
    }

    /// Ends the output of the protocol, after the bytes that wait.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive).
    pub fn finish(&mut self) -> Result<()> {
        self.is_finishing = true;
        self.call(|_, _, _| Ok(()))
    }

    /// Advances the clock by `time`, and wakes the filter if its time has come.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive).
    pub fn advance(&mut self, time: Duration) -> Result<()> {
        self.now = self.now.saturating_add(time);
        if self.engine.wake_at().is_some_and(|at| at <= self.now) {
            self.call(|engine, environment, sides| engine.wake(environment, sides))?;
        }
        self.run_woken()
    }

    /// Wakes the filter if its [`FilterWaker`] was used.
    ///
    /// # Errors
    ///
    /// As for [`receive`](Self::receive).
    pub fn run_woken(&mut self) -> Result<()> {
        if self.waker.take() {
            self.call(|engine, environment, sides| engine.wake(environment, sides))?;
        }
        Ok(())
    }

    /// The bytes that the filter has delivered to the protocol since the last call.
    pub fn delivered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.up)
    }

    /// The bytes that the filter has sent to the network since the last call.
    pub fn sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.down)
    }

    /// Whether the filter is open.
    pub fn is_open(&self) -> bool {
        self.engine.is_open()
    }

    /// Whether the filter has ended the input of the protocol
    /// ([`Link::end`](crate::filter::Link::end)).
    pub fn has_ended(&self) -> bool {
        self.engine.has_ended()
    }

    /// Whether the filter has taken all bytes of the protocol, and its [`finish`](Filter::finish)
    /// has returned `true`.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Maximum number of bytes of the next read; with 0, the connection would not read.
    pub fn read_limit(&self) -> usize {
        self.engine.read_limit()
    }

    /// The time at which the filter is to be woken, by the clock that [`advance`](Self::advance)
    /// advances.
    pub fn wake_at(&self) -> Option<Duration> {
        self.engine.wake_at()
    }

    /// The address of the peer, as the protocol would see it.
    pub fn peer(&self) -> &Address {
        self.engine.peer().unwrap_or(&self.peer)
    }

    /// The value of type `T` that the filter provides: see [`Filter::info`].
    pub fn info<T: 'static>(&self) -> Option<T> {
        self.engine.info()
    }
}

impl fmt::Debug for FilterDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilterDriver")
            .field("engine", &self.engine)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
