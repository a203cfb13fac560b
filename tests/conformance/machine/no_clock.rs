//! In place of `clock.rs`: clocks belong to one thread.

use super::machine::Machine;
use crate::clock_ops::ClockOp;

/// Nothing.
#[derive(Default)]
pub(crate) struct Timed {
    _nothing: Vec<()>,
}

impl Timed {
    pub(crate) fn end(self) -> impl FnOnce() {
        || {}
    }
}

impl Machine {
    pub(crate) fn perform_on_clock(&self, _op: &ClockOp) {
        panic!("a Deferred of several threads has no clock");
    }
}
