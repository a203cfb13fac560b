//! Handles on a chain that know nothing of its types: cancel, pause, look.

use std::panic::Location;

use super::backlog;
use super::cancel;
use super::core::Phase;
use super::mode::Mode;
use super::run;

/// Does not keep the chain alive.
pub(crate) struct Control<M: Mode> {
    core: Option<M::Weak>,
}

/// What a chain is doing, as one may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(super) phase: Phase,
    pub(super) is_paused: bool,
    pub(crate) stages: usize,
    pub(crate) made_at: &'static Location<'static>,
}

impl Seen {
    pub(crate) fn is_unfired(self) -> bool {
        self.phase == Phase::Unfired
    }

    pub(crate) fn is_running(self) -> bool {
        self.phase == Phase::Running
    }

    pub(crate) fn is_waiting(self) -> bool {
        self.phase == Phase::Waiting
    }

    pub(crate) fn is_paused(self) -> bool {
        self.is_paused
    }
}

impl<M: Mode> Control<M> {
    pub(crate) fn new(core: Option<&M::Ref>) -> Self {
        Self {
            core: core.map(M::downgrade),
        }
    }

    fn core(&self) -> Option<M::Ref> {
        M::upgrade(self.core.as_ref()?)
    }

    pub(crate) fn cancel(&self, cancelled_at: &'static Location<'static>) {
        if let Some(core) = self.core() {
            cancel::cancel::<M>(core, cancelled_at);
        }
    }

    pub(crate) fn pause(&self) -> Option<Paused<M>> {
        Some(Paused::new(self.core()?))
    }

    pub(crate) fn look(&self) -> Option<Seen> {
        Some(look::<M>(&self.core()?))
    }
}

impl<M: Mode> Clone for Control<M> {
    fn clone(&self) -> Self {
        Self {
            core: self.core.clone(),
        }
    }
}

pub(crate) fn look<M: Mode>(core: &M::Ref) -> Seen {
    core.with(|state| Seen {
        phase: state.phase,
        is_paused: state.pauses > 0,
        stages: state.stages.len(),
        made_at: state.made_at,
    })
}

pub(crate) fn cancel_core<M: Mode>(core: &M::Ref, cancelled_at: &'static Location<'static>) {
    cancel::cancel::<M>(core.clone(), cancelled_at);
}

/// Holds a chain up for as long as it lives.
pub(crate) struct Paused<M: Mode> {
    core: M::Ref,
}

impl<M: Mode> Paused<M> {
    pub(crate) fn new(core: M::Ref) -> Self {
        core.with(|state| state.pauses += 1);
        Self { core }
    }
}

impl<M: Mode> Drop for Paused<M> {
    fn drop(&mut self) {
        let claimed = self.core.with(|state| {
            state.pauses -= 1;
            state.claim()
        });
        if !claimed {
            return;
        }
        if std::thread::panicking() {
            backlog::run_later::<M>(self.core.clone());
        } else {
            run::run::<M>(&self.core);
        }
    }
}
