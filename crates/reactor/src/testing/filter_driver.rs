//! `FilterDriver`: a test as both sides of a filter.

use std::fmt;
use std::time::Duration;

use deferred::Result;

use crate::address::Address;
use crate::filter::{Engine, Environment, Filter, FilterWaker, Sides};

/// Runs a [`Filter`] as a connection does, with neither a socket nor a reactor: the test gives
/// it bytes for both sides and sees what comes of them.
///
/// # Examples
///
/// A filter between the two sides, and what each of them gets:
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
    /// What was sent and not taken.
    pending: Vec<u8>,
    // Set by `finish`, never cleared.
    is_finishing: bool,
    // Set when `Filter::finish` has returned `true`, never cleared: it is not called again.
    is_finished: bool,
}

impl FilterDriver {
    /// Starts `filter`, with a peer whose address is unknown.
    ///
    /// # Errors
    ///
    /// That of [`Filter::start`].
    pub fn new(filter: impl Filter) -> Result<Self> {
        Self::with_peer(filter, Address::Unknown)
    }

    /// Starts `filter` on a connection from `peer`.
    ///
    /// # Errors
    ///
    /// That of [`Filter::start`].
    pub fn with_peer(filter: impl Filter, peer: Address) -> Result<Self> {
        let mut driver = Self {
            engine: Engine::new(Box::new(filter)),
            now: Duration::ZERO,
            peer,
            // No loop is to be told: `run_woken` asks whether it was woken.
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
        // As a transport does after each call: a filter that has opened takes what had to wait.
        while !self.pending.is_empty() {
            let taken = self.engine.send(&self.pending, &environment, &mut sides)?;
            if taken == 0 {
                break;
            }
            self.pending.drain(..taken);
        }
        // The end comes after all output, and is asked for again until the filter agrees.
        if self.is_finishing
            && !self.is_finished
            && self.engine.is_open()
            && self.pending.is_empty()
        {
            self.is_finished = self.engine.finish(&environment, &mut sides)?;
        }
        Ok(())
    }

    /// Puts `filter` on top, as [`insert_filter`](crate::Context::insert_filter) does: what was
    /// delivered and not taken goes to it, what was sent before goes past it.
    ///
    /// # Errors
    ///
    /// That of its [`Filter::start`].
    pub fn insert(&mut self, filter: impl Filter) -> Result<()> {
        // As a transport does: what the protocol has not read goes to the new filter, what it has
        // written before does not.
        let unread = std::mem::take(&mut self.up);
        let unsent = std::mem::take(&mut self.pending);
        self.engine.put_on_top(Box::new(filter), unread, unsent);
        self.call(|engine, environment, sides| engine.start(environment, sides))
    }

    /// Gives it `bytes` from the network.
    ///
    /// # Errors
    ///
    /// Those of the filter's methods, as for all that follow.
    pub fn receive(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let mut bytes = bytes.as_ref().to_vec();
        self.call(|engine, environment, sides| engine.receive(&mut bytes, environment, sides))
    }

    /// The network has no more.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_end(&mut self) -> Result<()> {
        self.call(|engine, environment, sides| engine.receive_end(environment, sides))
    }

    /// Writes `bytes` as the protocol does: what is not taken waits.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.pending.extend_from_slice(bytes.as_ref());
        self.call(|_, _, _| Ok(()))
    }

    /// Finishes sending, after what waits.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn finish(&mut self) -> Result<()> {
        self.is_finishing = true;
        self.call(|_, _, _| Ok(()))
    }

    /// Moves the clock forward, and wakes the filter if its time has come.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
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
    /// As [`receive`](Self::receive).
    pub fn run_woken(&mut self) -> Result<()> {
        if self.waker.take() {
            self.call(|engine, environment, sides| engine.wake(environment, sides))?;
        }
        Ok(())
    }

    /// What the protocol would have got since this was asked for the last time.
    pub fn delivered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.up)
    }

    /// What the network would have got since this was asked for the last time.
    pub fn sent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.down)
    }

    /// Whether the filter is open.
    pub fn is_open(&self) -> bool {
        self.engine.is_open()
    }

    /// Whether the filter has said that nothing more will be delivered.
    pub fn has_ended(&self) -> bool {
        self.engine.has_ended()
    }

    /// Whether everything was taken, and the filter has finished.
    pub fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// How much the connection would read at once; with 0, nothing.
    pub fn read_limit(&self) -> usize {
        self.engine.read_limit()
    }

    /// When the filter wants to be woken, by the clock that
    /// [`advance`](Self::advance) moves.
    pub fn wake_at(&self) -> Option<Duration> {
        self.engine.wake_at()
    }

    /// The address of the peer, as the protocol would see it.
    pub fn peer(&self) -> &Address {
        self.engine.peer().unwrap_or(&self.peer)
    }

    /// What the filter tells of itself.
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
