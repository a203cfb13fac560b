//! One filter (or a stack of them) in operation, without a socket: what has come and was not
//! consumed, what the filter has said of itself, and the checks of what it gives back.
//!
//! Both the connection and [`FilterDriver`](crate::testing::FilterDriver) run filters through
//! this. The filter is a user's code, so its owner takes the engine out of any cell first.

use std::fmt;
use std::mem;
use std::time::Duration;

use deferred::{Failure, Result};

use super::link::{FilterWaker, Link, LinkState};
use super::pair::Between;
use super::{Filter, InfoRequest, Pair};
use crate::address::Address;

/// While a filter leaves so much of what has come, the connection is not read from.
const MAX_REST: usize = 64 * 1024;

/// What a filter is called with.
#[derive(Debug)]
pub(crate) struct Environment<'a> {
    pub(crate) now: Duration,
    pub(crate) peer: &'a Address,
    pub(crate) waker: &'a FilterWaker,
}

/// Where the bytes go that a filter gives.
pub(crate) struct Sides<'a> {
    pub(crate) up: &'a mut Vec<u8>,
    pub(crate) down: &'a mut Vec<u8>,
}

pub(crate) struct Engine {
    filter: Box<dyn Filter>,
    state: LinkState,
    /// What has come and was not consumed.
    rest: Vec<u8>,
    /// The network has no more.
    is_at_end: bool,
    /// [`Filter::receive_end`] was called.
    was_told_of_end: bool,
}

impl Engine {
    pub(crate) fn new(filter: Box<dyn Filter>) -> Self {
        Self {
            filter,
            state: LinkState::default(),
            rest: Vec::new(),
            is_at_end: false,
            was_told_of_end: false,
        }
    }

    /// Puts `filter` on top of what is here. `unread` was delivered already and goes to the new
    /// filter instead of to the protocol; `unsent` was written before, and goes past it.
    pub(crate) fn put_on_top(&mut self, filter: Box<dyn Filter>, unread: Vec<u8>, unsent: Vec<u8>) {
        let lower = mem::replace(&mut self.filter, Box::new(Nothing));
        let lower_state = mem::take(&mut self.state);
        let between = Between { unread, unsent };
        self.filter = Box::new(Pair::over(lower, lower_state, filter, between));
    }

    /// Whether the protocol may write.
    pub(crate) fn is_open(&self) -> bool {
        self.state.is_open
    }

    /// Whether nothing more will be delivered.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.has_ended
    }

    /// When it is to be woken.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        self.state.wake_at
    }

    /// How many bytes may be read at once; none if 0.
    pub(crate) fn read_limit(&self) -> usize {
        if self.rest.len() >= MAX_REST {
            return 0;
        }
        self.state.read_limit
    }

    /// The address that the peer has instead of its own.
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
        let Self { filter, state, .. } = self;
        let mut link = Link::new(sides.up, sides.down, state, environment);
        let result = Failure::catch(|| f(&mut **filter, &mut link))??;
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

    /// Gives it what has come.
    pub(crate) fn receive(
        &mut self,
        input: &mut [u8],
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<()> {
        if self.rest.is_empty() {
            let consumed = self.offer(input, environment, sides)?;
            if !self.state.has_ended {
                self.rest.extend_from_slice(&input[consumed..]);
            }
            return Ok(());
        }
        self.rest.extend_from_slice(input);
        self.receive_rest(environment, sides)
    }

    /// Gives it once more what it has left, and the end, if there is one.
    fn receive_rest(&mut self, environment: &Environment<'_>, sides: &mut Sides<'_>) -> Result<()> {
        let mut rest = mem::take(&mut self.rest);
        let consumed = self.offer(&mut rest, environment, sides)?;
        if !self.state.has_ended {
            rest.drain(..consumed);
            self.rest = rest;
        }
        if self.is_at_end && !self.was_told_of_end && !self.state.has_ended {
            self.was_told_of_end = true;
            return self.call(environment, sides, |filter, link| filter.receive_end(link));
        }
        Ok(())
    }

    /// Offers `input` as long as it takes some of it; gives how much it has consumed.
    fn offer(
        &mut self,
        input: &mut [u8],
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<usize> {
        let mut all = 0;
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

    /// The network has no more.
    pub(crate) fn receive_end(
        &mut self,
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<()> {
        self.is_at_end = true;
        self.receive_rest(environment, sides)
    }

    /// Gives it `bytes` of the protocol's, as many as it takes; gives how many.
    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<usize> {
        if bytes.is_empty() || !self.state.is_open {
            return Ok(0);
        }
        let taken = self.call(environment, sides, |filter, link| filter.send(bytes, link))?;
        if taken > bytes.len() {
            return Err(Failure::new(TookTooMuch));
        }
        Ok(taken)
    }

    /// The protocol will write no more; says whether the filter has sent its end.
    pub(crate) fn finish(
        &mut self,
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<bool> {
        self.call(environment, sides, |filter, link| filter.finish(link))
    }

    /// Wakes it, since its time has come or its waker was used.
    pub(crate) fn wake(
        &mut self,
        environment: &Environment<'_>,
        sides: &mut Sides<'_>,
    ) -> Result<()> {
        if self.state.wake_at.is_some_and(|at| at <= environment.now) {
            self.state.wake_at = None;
        }
        self.call(environment, sides, |filter, link| filter.wake(link))?;
        self.receive_rest(environment, sides)
    }

    /// What it tells of itself.
    pub(crate) fn info<T: 'static>(&self) -> Option<T> {
        let mut answer = None;
        // A panic of the filter's is no answer.
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

/// Stands where a filter was that is being moved.
struct Nothing;

impl Filter for Nothing {
    fn receive(&mut self, _input: &mut [u8], _link: &mut Link<'_>) -> Result<usize> {
        Ok(0)
    }

    fn send(&mut self, _bytes: &[u8], _link: &mut Link<'_>) -> Result<usize> {
        Ok(0)
    }
}

/// Nothing more will come, and the filter is not open.
#[derive(Clone, Copy, Debug)]
struct EndedEarly;

impl fmt::Display for EndedEarly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection ended before its filter was open")
    }
}

impl std::error::Error for EndedEarly {}

/// A filter says that it has taken more bytes than it got.
#[derive(Clone, Copy, Debug)]
struct TookTooMuch;

impl fmt::Display for TookTooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the filter says that it has taken more bytes than it was given")
    }
}

impl std::error::Error for TookTooMuch {}
