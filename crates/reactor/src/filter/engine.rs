//! Engine: runs one filter (or a stack of them) without a socket. It keeps the input that was
//! not consumed and the state that the filter has set, and checks what the filter returns.
//!
//! Both the connection and [`FilterDriver`](crate::testing::FilterDriver) run filters through
//! this. A filter is user code, so the owner takes the engine out of its cell before each call.

use std::fmt;
use std::mem;
use std::time::Duration;

use deferred::{Failure, Result};

use super::api::Filter;
use super::environment::{Environment, Sides};
use super::info::InfoRequest;
use super::link::{Link, LinkState};
use super::pair::{Between, Pair};
use crate::address::Address;
use crate::panics::drop_contained;

/// While a filter has left this many bytes of input unconsumed, the connection is not read from.
const MAX_REST: usize = 64 * 1024;

pub(crate) struct Engine {
    filter: Box<dyn Filter>,
    state: LinkState,
    /// Input that the filter has not consumed.
    rest: Vec<u8>,
    /// The network has ended its input.
    // Set by `receive_end`, never cleared.
    is_at_end: bool,
    /// [`Filter::receive_end`] was called.
    // Set before the call, never cleared, so that the filter gets the end once.
    has_received_end: bool,
}

impl Engine {
    pub(crate) fn new(filter: Box<dyn Filter>) -> Self {
        Self {
            filter,
            state: LinkState::default(),
            rest: Vec::new(),
            is_at_end: false,
            has_received_end: false,
        }
    }

    /// Puts `filter` on top of the present one. `unread` was delivered by the present filter, and
    /// goes to the new one instead of to the protocol. `unsent` was written by the protocol before,
    /// and bypasses the new filter.
    pub(crate) fn put_on_top(&mut self, filter: Box<dyn Filter>, unread: Vec<u8>, unsent: Vec<u8>) {
        // `Nothing` is a placeholder while the pair is made.
        let lower = mem::replace(&mut self.filter, Box::new(Nothing));
        let lower_state = mem::take(&mut self.state);
        let between = Between { unread, unsent };
        // A pair drops its filters one after the other. Each contains its panic, since a second one
        // during the first would abort the process.
        let (lower, upper) = (Contained(lower), Contained(filter));
        self.filter = Box::new(Pair::over(lower, lower_state, upper, between));
    }

    /// Whether the protocol may write.
    pub(crate) fn is_open(&self) -> bool {
        self.state.is_open
    }

    /// Whether nothing more will be delivered.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.has_ended
    }

    /// The time at which [`wake`](Self::wake) is due.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        self.state.wake_at
    }

    /// Maximum number of bytes of the next read; with 0, the connection is not read.
    pub(crate) fn read_limit(&self) -> usize {
        if self.rest.len() >= MAX_REST {
            return 0;
        }
        self.state.read_limit
    }

    /// The address that the filter has set for the peer, instead of the socket's.
    pub(crate) fn peer(&self) -> Option<&Address> {
        self.state.peer.as_ref()
    }

    /// Calls a method of the filter; a panic becomes a failure.
    fn call<R>(
        &mut self,
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
        f: impl FnOnce(&mut dyn Filter, &mut Link<'_>) -> Result<R>,
    ) -> Result<R> {
        // The engine was taken out of its connection for the call, so the filter may use handles of
        // that connection.
        let Self { filter, state, .. } = self;
        let mut link = Link::new(sides.up, sides.down, state, environment);
        let result = Failure::catch(|| f(&mut **filter, &mut link))??;
        // An error, because otherwise this end would look like that of a peer that has sent
        // nothing.
        if state.has_ended && !state.is_open {
            return Err(Failure::new(EndedEarly));
        }
        Ok(result)
    }

    pub(crate) fn start(
        &mut self,
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<()> {
        self.call(environment, sides, |filter, link| filter.start(link))
    }

    /// Gives the filter new input.
    pub(crate) fn receive(
        &mut self,
        input: &mut [u8],
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<()> {
        if self.rest.is_empty() {
            // The usual case: the filter works in the buffer of the loop, without a copy.
            let consumed = self.offer(input, environment, sides)?;
            if !self.state.has_ended {
                self.rest.extend_from_slice(&input[consumed..]);
            }
            return Ok(());
        }
        // Appended to the rest, because the filter must see the bytes in their order.
        self.rest.extend_from_slice(input);
        self.receive_rest(environment, sides)
    }

    /// Offers the filter the input that it has left again, and then the end of the input, if that
    /// has arrived.
    fn receive_rest(&mut self, environment: &Environment<'_>, sides: &mut Sides<'_>) -> Result<()> {
        // Taken out of its field, because the filter borrows it. After an error, it is not put
        // back: a filter that has failed is not called again.
        let mut rest = mem::take(&mut self.rest);
        let consumed = self.offer(&mut rest, environment, sides)?;
        if !self.state.has_ended {
            rest.drain(..consumed);
            self.rest = rest;
        }
        // The end follows the input, even if the filter has not consumed all of that; it gets no
        // more.
        if self.is_at_end && !self.has_received_end && !self.state.has_ended {
            self.has_received_end = true;
            return self.call(environment, sides, |filter, link| filter.receive_end(link));
        }
        Ok(())
    }

    /// Offers `input` until the filter consumes no more of it; returns the number of bytes
    /// consumed.
    fn offer(
        &mut self,
        input: &mut [u8],
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<usize> {
        let mut all = 0;
        // Repeated as long as the filter consumes bytes, because it may take one record at a time.
        while all < input.len() && !self.state.has_ended {
            let rest = &mut input[all..];
            let length = rest.len();
            let consumed = self.call(environment, sides, |filter, link| {
                filter.receive(rest, link)
            })?;
            if consumed > length {
                return Err(Failure::new(TookTooMuch));
            }
            if consumed == 0 {
                break;
            }
            all += consumed;
        }
        Ok(all)
    }

    /// Passes on that the network has ended its input.
    pub(crate) fn receive_end(
        &mut self,
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<()> {
        // For `receive_rest`, which passes the end on after the input.
        self.is_at_end = true;
        self.receive_rest(environment, sides)
    }

    /// Offers the filter `bytes` that the protocol has written; returns how many it took.
    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<usize> {
        // A filter that is not open takes no bytes; output of the protocol waits in the transport.
        if bytes.is_empty() || !self.state.is_open {
            return Ok(0);
        }
        let taken = self.call(environment, sides, |filter, link| filter.send(bytes, link))?;
        if taken > bytes.len() {
            return Err(Failure::new(TookTooMuch));
        }
        Ok(taken)
    }

    /// Passes on that the protocol will write no more. Returns whether the filter has sent all of
    /// its own last bytes.
    pub(crate) fn finish(
        &mut self,
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<bool> {
        self.call(environment, sides, |filter, link| filter.finish(link))
    }

    /// Wakes the filter, because its time has come or its waker was used.
    pub(crate) fn wake(
        &mut self,
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<()> {
        let is_due = |at| at <= (environment.now)();
        // Cleared before the call, in which the filter may set another time.
        if self.state.wake_at.is_some_and(is_due) {
            self.state.wake_at = None;
        }
        self.call(environment, sides, |filter, link| filter.wake(link))?;
        // After the wake, the filter may be able to consume input that it has left.
        self.receive_rest(environment, sides)
    }

    /// Asks the filters for a value of type `T`: see [`InfoRequest`].
    pub(crate) fn info<T: 'static>(&self) -> Option<T> {
        let mut answer = None;
        // A panic of the filter counts as no answer, and is dropped.
        let asked = Failure::catch(|| self.filter.info(&mut InfoRequest::new(&mut answer)));
        drop(asked);
        answer
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("state", &self.state)
            .field("rest", &self.rest.len())
            .finish_non_exhaustive()
    }
}

/// Placeholder for a filter that is being moved into a [`Pair`].
struct Nothing;

impl Filter for Nothing {
    fn receive(&mut self, _input: &mut [u8], _link: &mut Link<'_>) -> Result<usize> {
        Ok(0)
    }

    fn send(&mut self, _bytes: &[u8], _link: &mut Link<'_>) -> Result<usize> {
        Ok(0)
    }
}

/// A filter whose drop logs a panic instead of passing it on.
struct Contained(Box<dyn Filter>);

impl Filter for Contained {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.0.start(link)
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        self.0.receive(input, link)
    }

    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.0.receive_end(link)
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        self.0.send(bytes, link)
    }

    fn finish(&mut self, link: &mut Link<'_>) -> Result<bool> {
        self.0.finish(link)
    }

    fn wake(&mut self, link: &mut Link<'_>) -> Result<()> {
        self.0.wake(link)
    }

    fn info(&self, request: &mut InfoRequest<'_>) {
        self.0.info(request);
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        // A box of `Nothing`, which has no size, allocates nothing.
        let filter = mem::replace(&mut self.0, Box::new(Nothing));
        drop_contained("a filter's drop", filter);
    }
}

/// The filter has ended its input before it was open.
#[derive(Clone, Copy, Debug)]
struct EndedEarly;

impl fmt::Display for EndedEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection ended before its filter was open (`Link::open`)")
    }
}

impl std::error::Error for EndedEarly {}

/// A filter returned a number of bytes greater than that of its input.
#[derive(Clone, Copy, Debug)]
struct TookTooMuch;

impl fmt::Display for TookTooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the filter returned a greater number of bytes than it was given")
    }
}

impl std::error::Error for TookTooMuch {}
