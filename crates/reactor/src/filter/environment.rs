//! `Environment` and `Sides`: what a filter may ask during a call, and where its output goes.

use std::time::Duration;

use super::waker::FilterWaker;
use crate::address::Address;

/// Values that a filter can query during a call, through its [`Link`].
pub(crate) struct Environment<'a> {
    /// Reads the clock: only when a filter asks for the time, which most calls do not.
    pub(crate) now: &'a dyn Fn() -> Duration,
    pub(crate) peer: &'a Address,
    pub(crate) waker: &'a FilterWaker,
}

/// Buffers for the output of a filter: `up` to the protocol, `down` to the network.
pub(crate) struct Sides<'a> {
    pub(crate) up: &'a mut Vec<u8>,
    pub(crate) down: &'a mut Vec<u8>,
}
