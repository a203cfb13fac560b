//! A program as data, and the trace it leaves.
//!
//! A program works on a few numbered places. Each has room for one Deferred, and
//! for any number of triggers and pauses, of which the last is used. An operation
//! that finds nothing at its place does nothing.

use std::fmt;
use std::sync::Arc;

pub(crate) const PLACES: usize = 4;

pub(crate) type Place = usize;

/// What a Deferred is fired with: a value, or an error's number.
pub(crate) type Given = Result<i64, u8>;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A Deferred and its trigger. A Deferred that was there is dropped.
    New(Place, Option<Arc<Canceller>>),
    Ready(Place, Given),
    Maybe(Place, Arc<Spec>),

    Fire(Place, Given),
    /// As `Fire`, by way of the weak trigger.
    FireWeak(Place, Given),
    Downgrade(Place),
    CloneTrigger {
        from: Place,
        to: Place,
    },
    DropTrigger(Place),

    Add(Place, Pair, Size),
    Chain {
        from: Place,
        to: Place,
    },
    Cancel(Place),
    Pause(Place),
    Unpause(Place),
    Drop(Place),
    Ignore(Place),
    IntoResult(Place),
    Await(Place),
    Look(Place),

    Handle(Place),
    CancelHandle(Place),
    PauseHandle(Place),
    LookHandle(Place),
}

#[derive(Clone, Debug)]
pub(crate) enum Pair {
    Callback(Arc<Spec>),
    Errback(Arc<Spec>),
    Both(Arc<Spec>),
    Either(Arc<Spec>, Arc<Spec>),
}

/// How much room a callback takes: they are kept in different ways.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    Small,
    Wide,
    Huge,
    Aligned,
}

/// What a callback does when it is called: the operations, then the outcome.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) captures: Option<Capture>,
    pub(crate) ops: Vec<Op>,
    pub(crate) outcome: Outcome,
}

/// What a callback owns, from when it is added to when it has run or is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Capture {
    Deferred(Place),
    Trigger(Place),
    Pause(Place),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Pass,
    /// To a value; a failure is passed on.
    Add(i64),
    Recover(i64),
    Raise(u8),
    Panic,
    /// The Deferred at that place, if there is one; else the value 0.
    Return(Place),
}

#[derive(Clone)]
pub(crate) struct Canceller {
    pub(crate) captures: Option<Capture>,
    pub(crate) ops: Vec<Op>,
    pub(crate) then: Cancelling,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Cancelling {
    Nothing,
    Fire(Given),
    /// Puts the trigger that it is given among those of that place.
    Keep(Place),
    Panic,
}

/// What an error that arrives is, as far as a program can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    Coded(u8),
    Cancelled,
    Abandoned,
    AlreadyCalled,
    WaitCycle,
    Panicked,
}

pub(crate) type Res = Result<i64, Error>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looks {
    Unfired,
    Running,
    Waiting,
    Paused,
    Done,
    /// Through a handle, one that rests or is gone: which of them says nothing
    /// about what runs when.
    Resting,
}

/// Callbacks and cancellers are numbered as they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Called(u32, Res),
    Canceller(u32),
    Refused(Place, Given),
    Unhandled(Error),
    Result(Place, Res),
    NoResult(Place),
    Looks(Place, Looks),
}

/// What a run of a program leaves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) events: Vec<Event>,
    /// Callbacks, cancellers and values that were made and not dropped once.
    pub(crate) leaked: isize,
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_body(f, self.captures, &self.ops, &self.outcome)
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_body(f, self.captures, &self.ops, &self.then)
    }
}

fn write_body(
    f: &mut fmt::Formatter<'_>,
    captures: Option<Capture>,
    ops: &[Op],
    then: &dyn fmt::Debug,
) -> fmt::Result {
    if let Some(capture) = captures {
        write!(f, "captures {capture:?}; ")?;
    }
    f.debug_list().entries(ops).finish()?;
    write!(f, " then {then:?}")
}
