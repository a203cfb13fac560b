//! What cannot be done at once without using stack without bound, or at all
//! while the thread is panicking.
//!
//! Dropping a chain may drop another one, which one of its stages has captured,
//! and so on. The outermost drop works through this queue; those inside it only
//! add to it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use super::core::Remains;
use super::mode::Mode;
use super::raw::{CoreRef, OwnedClaim};
use super::run;
use crate::contain::{drop_contained, until_caught};
use crate::error::Abandoned;
use crate::failure::Failure;

enum Task<M: Mode> {
    /// The last trigger is gone and has not fired.
    Abandon(CoreRef<M>),
    Run(OwnedClaim<M>),
    Discard(Box<Remains<M>>),
}

/// One per thread.
pub(crate) struct Backlog<M: Mode> {
    tasks: RefCell<VecDeque<Task<M>>>,
    is_draining: Cell<bool>,
    /// How many callbacks are being dropped because a failure passes by them.
    passed_by: Cell<usize>,
    /// How many hand-overs are on the stack.
    handing_over: Cell<usize>,
    /// Those that would have nested too deep.
    handed_over: RefCell<VecDeque<OwnedClaim<M>>>,
}

impl<M: Mode> Backlog<M> {
    pub(super) const fn new() -> Self {
        Self {
            tasks: RefCell::new(VecDeque::new()),
            is_draining: Cell::new(false),
            passed_by: Cell::new(0),
            handing_over: Cell::new(0),
            handed_over: RefCell::new(VecDeque::new()),
        }
    }
}

/// Drops a callback that a failure passes by.
///
/// A Deferred that it has captured, and that fails because its trigger was lost to
/// the same failure, is no news: see [`is_passing_by`].
pub(super) fn drop_passed_by<M: Mode, S>(callback: S) {
    if !std::mem::needs_drop::<S>() {
        return;
    }
    let change = |by: isize| {
        M::backlog(|backlog| {
            let count = backlog.passed_by.get();
            backlog.passed_by.set(count.saturating_add_signed(by));
        });
    };
    change(1);
    drop_contained(callback);
    change(-1);
}

/// Whether what is dropped now goes because a failure passes by its owner.
pub(super) fn is_passing_by<M: Mode>() -> bool {
    M::backlog(|backlog| backlog.passed_by.get() > 0).unwrap_or(false)
}

/// Fires `core`, whose last trigger is gone, with [`Abandoned`].
#[cold]
pub(super) fn abandon<M: Mode>(core: CoreRef<M>) {
    add(Task::<M>::Abandon(core));
}

/// Runs a chain now, or when the thread no longer panics.
#[cold]
pub(super) fn run_later<M: Mode>(claim: OwnedClaim<M>) {
    add(Task::<M>::Run(claim));
}

#[cold]
pub(super) fn discard<M: Mode>(remains: Remains<M>) {
    add(Task::<M>::Discard(Box::new(remains)));
}

fn add<M: Mode>(task: Task<M>) {
    let mut task = Some(task);
    M::backlog(|backlog| {
        backlog.tasks.borrow_mut().extend(task.take());
    });
    match task {
        // The thread is at its end and has no backlog any more.
        Some(task) => perform(task),
        None => drain::<M>(),
    }
}

/// Works through the backlog, unless somebody further out does, or the thread
/// is panicking: then it is done when the panic has been caught.
pub(super) fn drain<M: Mode>() {
    if std::thread::panicking() {
        return until_caught(drain::<M>);
    }
    M::backlog(|backlog| {
        if backlog.is_draining.replace(true) {
            return;
        }
        let _draining = Draining(&backlog.is_draining);
        loop {
            let task = backlog.tasks.borrow_mut().pop_front();
            match task {
                Some(task) => perform(task),
                None => break,
            }
        }
    });
}

/// How many hand-overs may nest.
const NESTED_HAND_OVERS: usize = 8;

/// Runs a chain that was given what somebody else gave back: now, inside whatever
/// runs; or, if that happened in a hand-over in a hand-over and so on, when the
/// outermost one is over.
pub(crate) fn hand_over<M: Mode>(claim: OwnedClaim<M>) {
    if std::thread::panicking() {
        return run_later(claim);
    }
    let mut claim = Some(claim);
    M::backlog(|backlog| {
        let depth = backlog.handing_over.get();
        if depth == NESTED_HAND_OVERS {
            backlog.handed_over.borrow_mut().extend(claim.take());
            return;
        }
        let _nested = Nested::enter(&backlog.handing_over);
        while let Some(next) = claim.take() {
            run::run_owned(next);
            if depth == 0 {
                claim = backlog.handed_over.borrow_mut().pop_front();
            }
        }
    });
    // The thread is at its end.
    if let Some(claim) = claim {
        run::run_owned(claim);
    }
}

/// A hand-over is on the stack, for as long as this lives.
struct Nested<'a>(&'a Cell<usize>);

impl<'a> Nested<'a> {
    fn enter(depth: &'a Cell<usize>) -> Self {
        depth.set(depth.get() + 1);
        Self(depth)
    }
}

impl Drop for Nested<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Somebody drains, for as long as this lives.
struct Draining<'a>(&'a Cell<bool>);

impl Drop for Draining<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

fn perform<M: Mode>(task: Task<M>) {
    match task {
        Task::Abandon(core) => {
            let make = |made_at| Failure::raised_at_place(Abandoned::new(), made_at);
            run::fail::<M>(&core, make, || {});
        }
        Task::Run(claim) => run::run_owned(claim),
        Task::Discard(remains) => drop_contained(remains),
    }
}
