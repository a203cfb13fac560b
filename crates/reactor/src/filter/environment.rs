//! `Environment` and `Sides`: values that a filter can query during a call, and buffers for its
//! output.

use std::time::Duration;

use super::waker::FilterWaker;
use crate::address::Address;

/// Values that a filter can query during a call, through its `Link`.
pub(crate) struct Environment<'a> {
    /// Reads the clock. A function, because most calls of filters do not need the time.
    pub(crate) now: &'a dyn Fn() -> Duration,
    pub(crate) peer: &'a Address,
    pub(crate) waker: &'a FilterWaker,
}

/// Buffers for the output of a filter: `up` to the protocol, `down` to the network.
pub(crate) struct Sides<'a> {
    pub(crate) up: &'a mut Vec<u8>,
    pub(crate) down: &'a mut Vec<u8>,
}
