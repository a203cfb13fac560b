//! Wait graph: which chain or task waits for which, searched for cycles and for tasks that
//! sleep. A task *sleeps* while a future other than a Deferred has its waker.
//!
//! *Up* leads from a chain to the chain or task that waits for it: one path, since a chain has
//! one receiver. *Down* leads to what a chain waits for, and branches where a task awaits
//! several chains.

use std::sync::Arc;
use std::task::Waker;

use smallvec::SmallVec;

use super::flavour::Flavour;
use super::phase::{Cancelling, Phase};
use super::poller::Poller;
use super::raw::{CoreRef, CoreWeak, Group, Local};
use super::task::{Awaited, SharedTask, has_any_poller};
use crate::panics::run_contained;

/// One step down: what a chain waits for.
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
    // The references are cloned under the lock and upgraded without it: to drop an upgraded one may
    // free a chain, which takes locks of its own. Nowhere here are two chains locked at once, so
    // searches of several threads cannot deadlock.
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

/// One step up: what waits for a chain.
enum Waiter<M: Flavour> {
    Nothing,
    Chain(CoreRef<M>),
    Task(M::Task),
    /// Another thread is handing the chain down at this moment.
    Unknown,
}

fn waiter_of<M: Flavour>(core: &CoreRef<M>) -> Waiter<M> {
    // Both under one lock: `hand_down` takes the waiter out and sets the flag in one step, too.
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

/// The task that awaits `core`, directly or inside of another future.
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
/// Only an inner chain that waits can close a cycle, and only for an outer one that has a
/// waiter. Both are searched in step, up from `outer` and down from `inner`, until one search
/// ends: so the smaller part decides the cost, and to join `n` chains and tasks, in whatever
/// order, takes at most `n log n` steps. `outer` is called only if `inner` waits.
pub(crate) fn closes_a_cycle<M: Flavour>(
    outer: impl FnOnce() -> Option<CoreRef<M>>,
    inner: &CoreRef<M>,
) -> bool {
    let first = waits_on::<M>(inner);
    if matches!(first, WaitsOn::Nothing) {
        return false;
    }
    // The task that awaits has no chain any more: nothing can wait for it.
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
        // One step down, then one step up.
        match down.next() {
            None => return false,
            Some(core) if CoreRef::is_same(&core, &outer) => return true,
            Some(core) => down.enter(waits_on::<M>(&core)),
        }
        let Some(core) = &top else {
            continue;
        };
        top = match waiter_of::<M>(core) {
            // The search up has ended at a chain without a waiter. A cycle through `outer` would
            // have led back to `inner`.
            Waiter::Nothing => return false,
            Waiter::Chain(core) => Some(core),
            Waiter::Task(task) => match M::result_of(&task) {
                None => return false,
                core => core,
            },
            // The search down goes on alone.
            Waiter::Unknown => None,
        };
        if top.as_ref().is_some_and(|top| CoreRef::is_same(top, inner)) {
            return true;
        }
    }
}

/// The search down: chains that are still to be visited.
struct Descent<M: Flavour> {
    chains: SmallVec<[CoreRef<M>; 4]>,
    /// Of each visited task, the awaited chains that are left.
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
                // Dropped since the list was made.
                Some(None) => {}
                Some(chain) => return chain,
                None => drop(self.awaited.pop()),
            }
        }
    }
}

/// One step down, for `Debug`: the chains that a chain waits for, the parts of a list
/// included; and whether its task waits for something other than chains.
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

/// The poller of the first task below `core`, if that has one.
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

/// Makes the tasks below `core` wake `waker` when they are woken.
pub(crate) fn set_poller(core: &CoreRef<Local>, waker: &Waker) {
    if has_any_poller()
        && let Some(poller) = poller_of(core)
    {
        poller.set(waker);
    }
}

/// Shares the poller below, when the chain `outer` has begun to wait for `inner`.
pub(super) fn chain_waits(outer: &CoreRef<Local>, inner: &CoreRef<Local>) {
    if has_any_poller()
        && let Some(poller) = poller_of(inner)
    {
        share_poller(Waiter::Chain(outer.clone()), &poller);
    }
}

/// Shares the poller below, when `task` has begun to await `inner`.
pub(crate) fn task_waits(task: &SharedTask, inner: &CoreRef<Local>) {
    if has_any_poller()
        && let Some(poller) = poller_of(inner)
    {
        share_poller(Waiter::Task(task.clone()), &poller);
    }
}

/// Shares `poller`, the poller of `task`, which has gone to sleep for the first time.
pub(crate) fn task_sleeps(task: &SharedTask, poller: &Arc<Poller>) {
    share_poller(Waiter::Task(task.clone()), poller);
}

/// Gives `poller` to all tasks from `from` upwards. A task that has one has shared it with
/// all above it before, so each task is visited once.
///
/// An executor that polls at the top is woken, so that it polls again and sets its waker in
/// the poller.
fn share_poller(from: Waiter<Local>, poller: &Arc<Poller>) {
    let mut at = from;
    let mut top = None;
    loop {
        let core = match at {
            Waiter::Nothing | Waiter::Unknown => break,
            Waiter::Chain(core) => core,
            Waiter::Task(task) => {
                // All above this task share `known` already: joining the two trees is enough.
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
    // The waker was set before there was a poller, so no task would wake it.
    let waker = top.and_then(|top| top.with(|state| state.cold.take_waker()));
    if let Some(waker) = waker {
        run_contained("a waker", || waker.wake());
    }
}

/// Gives the tasks below `core` a poller of their own, when the task that has awaited `core`
/// does so no more.
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

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::chain::phase::Transition;
    use crate::chain::raw::RunGuard;
    use crate::chain::wait::wait_for;

    /// A row of chains, each of which waits for the next.
    fn row(length: usize) -> Vec<CoreRef<Local>> {
        let chains: Vec<_> = (0..length)
            .map(|_| CoreRef::<Local>::new(1, Location::caller()))
            .collect();
        // From the end, so that no chain is a mere link when it begins to wait.
        for pair in chains.windows(2).rev() {
            let guard = RunGuard::acquire(&pair[0], Transition::Fire, |_state| Ok::<_, ()>(()));
            let (guard, ()) = guard.expect("it was not refused");
            let _waits = wait_for(guard, pair[1].clone());
        }
        chains
    }

    fn closes(outer: &CoreRef<Local>, inner: &CoreRef<Local>) -> bool {
        closes_a_cycle(|| Some(outer.clone()), inner)
    }

    #[test]
    fn the_end_of_a_row_may_not_wait_for_one_before_it() {
        let chains = row(5);
        let last = &chains[4];
        assert!(chains[..4].iter().all(|before| closes(last, before)));
    }

    #[test]
    fn two_rows_may_be_joined() {
        let (one, other) = (row(5), row(3));
        assert!(!closes(&one[4], &other[0]));
        assert!(!closes(&other[2], &one[0]));
    }

    #[test]
    fn what_waits_for_nothing_closes_no_cycle() {
        let chains = row(2);
        let asked = closes_a_cycle::<Local>(|| unreachable!("it is not asked for"), &chains[1]);
        assert!(!asked);
    }
}
