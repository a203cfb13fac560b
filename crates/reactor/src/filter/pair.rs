//! `Pair`: two filters, one on top of the other, as one filter.

use std::fmt;

use deferred::Result;

use super::api::Filter;
use super::environment::Environment;
use super::info::InfoRequest;
use super::link::{Link, LinkState};

/// With this many bytes, a buffer between the two filters is full: then `receive` or `send` of the
/// pair consumes no bytes, which wait outside of the pair.
const MAX_BETWEEN: usize = 64 * 1024;

/// Two filters as one: `lower` is next to the network, `upper` next to the protocol.
///
/// The upper filter is started once the lower one has called [`Link::open`]. Pairs nest, so any
/// number of filters can be stacked.
///
/// # Examples
///
/// The PROXY header of a load balancer is read first, then the rate is limited:
///
/// ```
/// use reactor::filter::{Pair, proxy_protocol::ProxyProtocol, throttle::Throttle};
/// use reactor::testing::FilterDriver;
///
/// let header = ProxyProtocol::from_any().filter();
/// let limit = Throttle::new().bytes_per_second(1_000_000).filter();
/// let mut driver = FilterDriver::new(Pair::new(header, limit))?;
/// driver.receive(b"PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\nhello")?;
/// assert_eq!(driver.peer().to_string(), "203.0.113.9:50000");
/// assert_eq!(driver.delivered(), b"hello");
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct Pair<L, U> {
    lower: Half<L>,
    upper: Half<U>,
    /// Bytes that the lower filter has delivered and the upper one has not consumed.
    between_up: Vec<u8>,
    /// Bytes that the upper filter has sent and the lower one has not taken.
    between_down: Vec<u8>,
    /// The last input was not offered to the lower filter, because `between_up` was full. Set and
    /// cleared by `receive`.
    has_withheld: bool,
    /// The network has ended its input while some of it was withheld. Set by `receive_end`, cleared
    /// when the lower filter gets the end, after that input.
    owes_end: bool,
    // These three flags are set once and never cleared.
    upper_was_started: bool,
    /// [`Filter::receive_end`] of the upper filter was called.
    upper_has_received_end: bool,
    /// [`Filter::finish`] of the upper filter has returned `true`.
    upper_is_finished: bool,
}

/// Bytes in transit at the place where an upper filter is inserted.
#[derive(Default)]
pub(super) struct Between {
    /// Delivered by the lower filter, and not consumed by the protocol.
    pub(super) unread: Vec<u8>,
    /// Written before there was an upper filter, and not taken by the lower one.
    pub(super) unsent: Vec<u8>,
}

/// One of the two filters, with the state that it has set through its [`Link`].
struct Half<F> {
    filter: F,
    state: LinkState,
}

impl<L: Filter, U: Filter> Pair<L, U> {
    /// Puts `upper` on top of `lower`.
    pub fn new(lower: L, upper: U) -> Self {
        Self::over(lower, LinkState::default(), upper, Between::default())
    }

    /// Puts `upper` on top of a `lower` that is running: with the state of `lower`, and the bytes
    /// in transit above it.
    pub(super) fn over(lower: L, state: LinkState, upper: U, between: Between) -> Self {
        Self {
            lower: Half {
                filter: lower,
                state,
            },
            upper: Half {
                filter: upper,
                state: LinkState::default(),
            },
            between_up: between.unread,
            between_down: between.unsent,
            has_withheld: false,
            owes_end: false,
            upper_was_started: false,
            upper_has_received_end: false,
            upper_is_finished: false,
        }
    }

    fn call_lower<R>(
        &mut self,
        link: &mut Link<'_>,
        f: impl FnOnce(&mut L, &mut Link<'_>) -> Result<R>,
    ) -> Result<R> {
        // Bytes that the lower filter delivers go between the two filters; bytes that it sends go
        // to the network.
        let (_, down, environment) = link.both();
        let Half { filter, state } = &mut self.lower;
        f(
            filter,
            &mut Link::new(&mut self.between_up, down, state, environment),
        )
    }

    /// Calls a method of the upper filter. If it errs, the bytes that it has sent before (such as
    /// an alert that names the error) still go out.
    fn call_upper<R>(
        &mut self,
        link: &mut Link<'_>,
        f: impl FnOnce(&mut U, &mut Link<'_>) -> Result<R>,
    ) -> Result<R> {
        let (up, _, environment) = link.both();
        let Half { filter, state } = &mut self.upper;
        // The upper filter sees the peer address that the lower one has set, for example from a
        // PROXY header.
        let environment = Environment {
            peer: self.lower.state.peer.as_ref().unwrap_or(environment.peer),
            ..*environment
        };
        let result = f(
            filter,
            &mut Link::new(up, &mut self.between_down, state, &environment),
        );
        if result.is_err() {
            // An error of the lower filter is dropped, because the upper filter has failed first,
            // and that error is reported.
            let _ = self.send_down(link);
        }
        result
    }

    /// Offers the lower filter the bytes that the upper one has sent; returns whether it took
    /// any.
    fn send_down(&mut self, link: &mut Link<'_>) -> Result<bool> {
        if self.between_down.is_empty() || !self.lower.state.is_open {
            return Ok(false);
        }
        // Taken out, because the call borrows all of `self`. The lower filter does not write to
        // this buffer.
        let bytes = std::mem::take(&mut self.between_down);
        // After an error, the bytes are dropped: filters that have failed are not called again.
        let taken = self.call_lower(link, |lower, link| lower.send(&bytes, link))?;
        self.between_down = bytes;
        // Clamped, because the engine reports a number that is too great only for the outermost
        // filter.
        self.between_down
            .drain(..taken.min(self.between_down.len()));
        Ok(taken > 0)
    }

    /// Moves the bytes between the two filters until neither takes more. Starts the upper filter
    /// once the lower one is open, and passes on the end of input.
    fn run(&mut self, link: &mut Link<'_>) -> Result<()> {
        loop {
            // Each pass offers all bytes again, because a call of one filter may make room in the
            // other, or produce bytes for it. The loop ends when neither filter has taken bytes in
            // a pass.
            let mut has_moved = self.send_down(link)?;
            // Set before the call, because `start` must not be repeated if it errs.
            if self.lower.state.is_open && !self.upper_was_started {
                self.upper_was_started = true;
                self.call_upper(link, |upper, link| upper.start(link))?;
                has_moved = true;
            }
            has_moved |= self.receive_between(link)?;
            if !has_moved {
                break;
            }
        }
        // After the loop, because the end of the input comes after its last byte.
        if self.lower.state.has_ended
            && self.upper_was_started
            && !self.upper_has_received_end
            && !self.upper.state.has_ended
        {
            self.upper_has_received_end = true;
            self.call_upper(link, |upper, link| upper.receive_end(link))?;
            self.send_down(link)?;
        }
        self.combine_states(link);
        Ok(())
    }

    /// Offers the upper filter the bytes that the lower one has delivered; returns whether it
    /// consumed any.
    fn receive_between(&mut self, link: &mut Link<'_>) -> Result<bool> {
        if self.between_up.is_empty() || !self.upper_was_started {
            return Ok(false);
        }
        if self.upper.state.has_ended {
            // The upper filter has ended the input, so bytes that the lower one still delivers are
            // dropped.
            self.between_up.clear();
            return Ok(false);
        }
        // Taken out, because the call borrows all of `self`. The upper filter delivers to another
        // buffer.
        let mut input = std::mem::take(&mut self.between_up);
        let consumed = self.call_upper(link, |upper, link| upper.receive(&mut input, link))?;
        input.drain(..consumed.min(input.len()));
        self.between_up = input;
        Ok(consumed > 0)
    }

    /// Sets the state of the pair from the states of its two filters.
    fn combine_states(&self, link: &mut Link<'_>) {
        let (lower, upper) = (&self.lower.state, &self.upper.state);
        let state = link.state();
        // The pair is open when its upper filter is, which is started only when the lower one is
        // open. Both flags are never cleared, because the engine, or an outer pair, has acted on
        // them already.
        state.is_open |= upper.is_open;
        state.has_ended |= upper.has_ended;
        state.wake_at = lower.wake_at.into_iter().chain(upper.wake_at).min();
        state.read_limit = lower.read_limit.min(upper.read_limit);
        if let Some(peer) = upper.peer.as_ref().or(lower.peer.as_ref()) {
            state.peer = Some(peer.clone());
        }
    }
}

impl<L: Filter, U: Filter> Filter for Pair<L, U> {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        // The lower filter is open already if the upper one is inserted into a running connection,
        // as with STARTTLS.
        if !self.lower.state.is_open {
            self.call_lower(link, |lower, link| lower.start(link))?;
        }
        self.run(link)
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        // The upper filter does not keep up. The input stays in the engine, and the connection is
        // no longer read.
        self.has_withheld = self.between_up.len() >= MAX_BETWEEN;
        if self.has_withheld {
            return Ok(0);
        }
        let consumed = self.call_lower(link, |lower, link| lower.receive(input, link))?;
        // Of any other number, the engine offers the remaining bytes again at once.
        if self.owes_end && (consumed == 0 || consumed >= input.len()) {
            self.owes_end = false;
            self.call_lower(link, |lower, link| lower.receive_end(link))?;
        }
        self.run(link)?;
        Ok(consumed)
    }

    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        if self.has_withheld {
            self.owes_end = true;
            return self.run(link);
        }
        self.call_lower(link, |lower, link| lower.receive_end(link))?;
        self.run(link)
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        let mut taken = 0;
        if self.between_down.len() < MAX_BETWEEN {
            taken = self.call_upper(link, |upper, link| upper.send(bytes, link))?;
        }
        self.run(link)?;
        Ok(taken)
    }

    fn finish(&mut self, link: &mut Link<'_>) -> Result<bool> {
        // From the top down, because the last bytes of the upper filter have to go through the
        // lower one before that sends its own end.
        if !self.upper_is_finished {
            self.upper_is_finished = self.call_upper(link, |upper, link| upper.finish(link))?;
        }
        self.run(link)?;
        if !self.upper_is_finished || !self.between_down.is_empty() {
            return Ok(false);
        }
        let is_finished = self.call_lower(link, |lower, link| lower.finish(link))?;
        self.combine_states(link);
        Ok(is_finished)
    }

    fn wake(&mut self, link: &mut Link<'_>) -> Result<()> {
        // The times that have come are cleared before the calls, which may set them again.
        let now = link.now();
        for state in [&mut self.lower.state, &mut self.upper.state] {
            if state.wake_at.is_some_and(|at| at <= now) {
                state.wake_at = None;
            }
        }
        // Both are called, because a waker does not tell which of them it has woken, and filters
        // accept spurious calls.
        self.call_lower(link, |lower, link| lower.wake(link))?;
        if self.upper_was_started {
            self.call_upper(link, |upper, link| upper.wake(link))?;
        }
        self.run(link)
    }

    fn info(&self, request: &mut InfoRequest<'_>) {
        self.upper.filter.info(request);
        self.lower.filter.info(request);
    }
}

impl<L, U> fmt::Debug for Pair<L, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("lower", &self.lower.state)
            .field("upper", &self.upper.state)
            .finish_non_exhaustive()
    }
}
