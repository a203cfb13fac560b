//! `Debug` of a chain: its state, its stages, and the chains that it waits for.

use std::fmt;

use super::flavour::Flavour;
use super::raw::{CoreRef, Fits};
use super::receiver::Receiver;
use super::trampoline::run_pending;
use super::wait_graph::waits_for;
use crate::failure::Failure;
use crate::stage_trace::CallSite;
use crate::state::State;

/// Limit for the number of stages and of awaited chains that are shown.
const SHOWN: usize = 16;

/// The state of one chain, copied under its lock.
struct Snapshot {
    state: State,
    made_at: CallSite,
    /// Where its stages were added; `None` while another thread may run them.
    stages: Option<Vec<CallSite>>,
    failure: Option<Failure>,
}

impl Snapshot {
    fn of<M: Flavour>(core: &CoreRef<M>) -> Self {
        // Copied, since formatting calls the writer of a user, and nothing of a user's may run under
        // the lock.
        core.with(|state| Self {
            state: state.seen(),
            made_at: state.made_at,
            stages: state.places(),
            failure: state.failure(),
        })
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Deferred");
        self.show(&mut out);
        out.finish()
    }
}

impl Snapshot {
    fn show(&self, out: &mut fmt::DebugStruct<'_, '_>) {
        out.field("state", &self.state);
        if let Some(failure) = &self.failure {
            out.field("failure", &failure.message());
        }
        out.field("made_at", &format_args!("{}", self.made_at));
        match &self.stages {
            Some(stages) => out.field("stages", &Places(stages)),
            None => out.field("stages", &format_args!("(being run)")),
        };
    }
}

struct Places<'a>(&'a [CallSite]);

impl fmt::Debug for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().take(SHOWN);
        let mut out = f.debug_list();
        out.entries(shown.map(|place| format_args!("{place}").to_string()));
        match self.0.len().checked_sub(SHOWN) {
            None | Some(0) => out.finish(),
            Some(more) => out.entry(&format_args!("and {more} more")).finish(),
        }
    }
}

impl<M: Flavour, T: Fits<M>> Receiver<M, T> {
    /// The `Debug` of a Deferred.
    pub(crate) fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An abandonment that waits in this thread's queue may concern this chain.
        run_pending();
        let mut out = f.debug_struct("Deferred");
        match self {
            Self::Linked(link) => show_linked::<M>(link.core(), &mut out),
            Self::Ready(result) => show_ready(result.as_ref().err(), &mut out),
            Self::Taken => {
                out.field("state", &format_args!("Taken"));
            }
        }
        out.finish()
    }
}

fn show_ready(failure: Option<&Failure>, out: &mut fmt::DebugStruct<'_, '_>) {
    out.field("state", &State::Done);
    if let Some(failure) = failure {
        out.field("failure", &failure.message());
    }
}

fn show_linked<M: Flavour>(core: &CoreRef<M>, out: &mut fmt::DebugStruct<'_, '_>) {
    Snapshot::of::<M>(core).show(out);
    let (mut next, is_task_asleep) = waits_for::<M>(core);
    // A chain may wait for itself through a list, so each is shown once.
    let mut seen = vec![core.clone()];
    let mut line = Vec::new();
    while line.len() < SHOWN
        && let Some(core) = next.pop()
    {
        // Linear, but of at most `SHOWN` chains.
        if seen.iter().any(|seen| CoreRef::is_same(seen, &core)) {
            continue;
        }
        line.push(Snapshot::of::<M>(&core));
        next.extend(waits_for::<M>(&core).0);
        seen.push(core);
    }
    if !line.is_empty() {
        out.field("waits_for", &line);
    }
    if is_task_asleep {
        // The task awaits a future other than a Deferred, and that future has its waker.
        out.field("waits_also", &format_args!("to be woken from elsewhere"));
    }
}
