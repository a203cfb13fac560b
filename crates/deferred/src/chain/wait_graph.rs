//! Wait graph: which chain or body waits for which, searched for cycles and for bodies
//! that sleep.
//!
//! The way up is one path, since a chain has one end: it leads to the chain or body that
//! waits for this one. The way down branches where a body awaits several chains.

use std::sync::Arc;
use std::task::Waker;

use smallvec::SmallVec;

use super::core::{Cancelling, Group, Phase};
use super::flavour::Flavour;
use super::poller::Poller;
use super::raw::{CoreRef, CoreWeak, Local};
use super::task::{Awaited, SharedTask, has_any_poller};
use crate::panics::run_contained;

/// What one chain waits for.
enum WaitsOn<M: Flavour> {
    Nothing,
    Chain(CoreRef<M>),
    Task(M::Task),
}

fn waits_on<M: Flavour>(core: &CoreRef<M>) -> WaitsOn<M> {
    enum Seen<M: Flavour> {
        Chain(CoreWeak<M>),
        Task(M::WeakTask),
    }
    let seen = core.with(|state| match state.phase() {
        Phase::Waiting => state.cold.waiting_on().cloned().map(Seen::<M>::Chain),
        Phase::Unfired => state.cold.fired_by().cloned().map(Seen::Task),
        _ => None,
    });
    let waits_on = match seen {
        None => None,
        Some(Seen::Chain(weak)) => weak.upgrade().map(WaitsOn::Chain),
        Some(Seen::Task(weak)) => M::upgrade_task(&weak).map(WaitsOn::Task),
    };
    waits_on.unwrap_or(WaitsOn::Nothing)
}

/// What waits for one chain.
enum Waiter<M: Flavour> {
    Nothing,
    Chain(CoreRef<M>),
    Task(M::Task),
    /// Another thread takes the chain out of the path at this moment.
    Unknown,
}

fn waiter_of<M: Flavour>(core: &CoreRef<M>) -> Waiter<M> {
    let (waiter, is_handed_down) = core.with(|state| {
        let is_handed_down = state.cancelling == Cancelling::HandedDown;
        (state.cold.waiter().cloned(), is_handed_down)
    });
    if let Some(waiter) = waiter {
        return Waiter::Chain(waiter);
    }
    if is_handed_down {
        return Waiter::Unknown;
    }
    listening_task::<M>(core).map_or(Waiter::Nothing, Waiter::Task)
}

/// The body that awaits `core`, by itself or inside of another future.
pub(super) fn listening_task<M: Flavour>(core: &CoreRef<M>) -> Option<M::Task> {
    enum Seen<M: Flavour> {
        Task(M::Task),
        Nested(M::WeakTask),
    }
    let seen = core.with(|state| match state.cold.nested() {
        Some(nested) => Some(Seen::<M>::Nested(nested.task.clone())),
        None => state.cold.task().cloned().map(Seen::Task),
    });
    match seen? {
        Seen::Task(task) => Some(task),
        Seen::Nested(weak) => M::upgrade_task(&weak),
    }
}

/// Whether `outer` would wait for itself, directly or through others, if it waited
/// for `inner`.
///
/// Only an inner chain that waits can close a circle, and only for an outer one that
/// is waited for. Both ends of the circle are searched in step, up from `outer` and down
/// from `inner`, until one of the two ends: so the smaller part decides what it costs, and
/// chains and bodies that are joined one by one, in whatever order, cost no more than
/// `n log n` together. `outer` is asked for only if `inner` waits; mostly it does not.
pub(crate) fn closes_a_cycle<M: Flavour>(
    outer: impl FnOnce() -> Option<CoreRef<M>>,
    inner: &CoreRef<M>,
) -> bool {
    let first = waits_on::<M>(inner);
    if matches!(first, WaitsOn::Nothing) {
        return false;
    }
    let Some(outer) = outer() else {
        return false;
    };
    if CoreRef::is_same(&outer, inner) {
        return true;
    }
    let mut down = Descent::<M>::default();
    down.enter(first);
    let mut top = Some(outer.clone());
    loop {
        match down.next() {
            None => return false,
            Some(core) if CoreRef::is_same(&core, &outer) => return true,
            Some(core) => down.enter(waits_on::<M>(&core)),
        }
        let Some(core) = &top else {
            continue;
        };
        top = match waiter_of::<M>(core) {
            Waiter::Nothing => return false,
            Waiter::Chain(core) => Some(core),
            Waiter::Task(task) => match M::result_of(&task) {
                None => return false,
                core => core,
            },
            // The way down is enough.
            Waiter::Unknown => None,
        };
        if top.as_ref().is_some_and(|top| CoreRef::is_same(top, inner)) {
            return true;
        }
    }
}

/// The chains that are still to be seen of those that are waited for.
struct Descent<M: Flavour> {
    chains: SmallVec<[CoreRef<M>; 4]>,
    /// Of bodies that await several, the rest.
    awaited: Vec<Awaited<M>>,
}

impl<M: Flavour> Default for Descent<M> {
    fn default() -> Self {
        Self {
            chains: SmallVec::new(),
            awaited: Vec::new(),
        }
    }
}

impl<M: Flavour> Descent<M> {
    fn enter(&mut self, waits_on: WaitsOn<M>) {
        match waits_on {
            WaitsOn::Nothing => {}
            WaitsOn::Chain(chain) => self.chains.push(chain),
            WaitsOn::Task(task) => self.awaited.push(M::awaited_by(&task)),
        }
    }

    fn next(&mut self) -> Option<CoreRef<M>> {
        if let Some(chain) = self.chains.pop() {
            return Some(chain);
        }
        loop {
            let awaited = self.awaited.last_mut()?;
            match awaited.pop().map(|weak| weak.upgrade()) {
                Some(None) => {}
                Some(chain) => return chain,
                None => drop(self.awaited.pop()),
            }
        }
    }
}

/// What one chain waits for, one step down, the parts of a list included; and whether a
/// body waits for more than chains.
pub(crate) fn waits_for<M: Flavour>(core: &CoreRef<M>) -> (Vec<CoreRef<M>>, bool) {
    let upgrade = |awaited: &[CoreWeak<M>]| awaited.iter().filter_map(CoreWeak::upgrade).collect();
    match waits_on::<M>(core) {
        WaitsOn::Chain(next) => (vec![next], false),
        WaitsOn::Task(task) => {
            let awaited = M::awaited_by(&task);
            (upgrade(&awaited), M::is_task_asleep(&task))
        }
        WaitsOn::Nothing => {
            let parts = core.with(|state| state.cold.parts().cloned());
            let due = parts.map(|parts| parts.due()).unwrap_or_default();
            (upgrade(&due), false)
        }
    }
}

/// The poller of the bodies that `core` waits for, if one of them has one.
fn poller_of(core: &CoreRef<Local>) -> Option<Arc<Poller>> {
    let mut core = core.clone();
    loop {
        match waits_on::<Local>(&core) {
            WaitsOn::Nothing => return None,
            WaitsOn::Chain(next) => core = next,
            WaitsOn::Task(task) => return task.poller(),
        }
    }
}

/// Has `waker` woken when a body is that `core` waits for.
pub(crate) fn set_poller(core: &CoreRef<Local>, waker: &Waker) {
    if has_any_poller()
        && let Some(poller) = poller_of(core)
    {
        poller.set(waker);
    }
}

/// Notes that the chain `outer` waits for `inner` from now on.
pub(super) fn chain_waits(outer: &CoreRef<Local>, inner: &CoreRef<Local>) {
    if has_any_poller()
        && let Some(poller) = poller_of(inner)
    {
        share_poller(Waiter::Chain(outer.clone()), &poller);
    }
}

/// Notes that `body` waits for `inner` from now on.
pub(crate) fn task_waits(task: &SharedTask, inner: &CoreRef<Local>) {
    if has_any_poller()
        && let Some(poller) = poller_of(inner)
    {
        share_poller(Waiter::Task(task.clone()), &poller);
    }
}

/// Notes that `body`, which had no poller, has `poller` from now on.
pub(crate) fn task_sleeps(task: &SharedTask, poller: &Arc<Poller>) {
    share_poller(Waiter::Task(task.clone()), poller);
}

/// Gives `poller` to all that is at `from` and above. What has one has given it to all
/// above it already, so each body is passed once, and never again.
///
/// An executor that polls at the top is woken, to poll anew and so to set its waker.
fn share_poller(from: Waiter<Local>, poller: &Arc<Poller>) {
    let mut at = from;
    let mut top = None;
    loop {
        let core = match at {
            Waiter::Nothing | Waiter::Unknown => break,
            Waiter::Chain(core) => core,
            Waiter::Task(task) => {
                if let Some(known) = task.poller() {
                    return Poller::join(&known, poller);
                }
                task.set_poller(poller);
                match task.result() {
                    Some(core) => core,
                    None => return,
                }
            }
        };
        at = waiter_of::<Local>(&core);
        top = Some(core);
    }
    let waker = top.and_then(|top| top.with(|state| state.cold.take_waker()));
    if let Some(waker) = waker {
        run_contained("a waker", || waker.wake());
    }
}

/// Gives the bodies that `core` waits for a poller of their own: another body has awaited
/// it so far, and will not any more.
#[cold]
pub(crate) fn separate_pollers(core: &CoreRef<Local>) {
    if !has_any_poller() {
        return;
    }
    let poller = Poller::new();
    let mut descent = Descent::<Local>::default();
    let mut next = Some(core.clone());
    while let Some(core) = next {
        let waits_on = waits_on::<Local>(&core);
        if let WaitsOn::Task(task) = &waits_on
            && task.poller().is_some()
        {
            task.set_poller(&poller);
        }
        descent.enter(waits_on);
        next = descent.next();
    }
}
