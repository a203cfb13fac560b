//! Wait graph: which chain or body waits for which, searched for cycles and for bodies
//! that sleep.
//!
//! The way up is one path, since a chain has one end: it leads to the chain or body that
//! waits for this one. The way down branches where a body awaits several chains.

use std::sync::Arc;
use std::task::Waker;

use smallvec::SmallVec;

use super::body::{Awaited, SharedBody, has_any_poller};
use super::core::{Cancelling, Group, Phase};
use super::mode::Mode;
use super::poller::Poller;
use super::raw::{CoreRef, CoreWeak, Local};
use crate::contain::run_contained;

/// What one chain waits for.
enum Below<M: Mode> {
    Nothing,
    Chain(CoreRef<M>),
    Body(M::Body),
}

fn below<M: Mode>(core: &CoreRef<M>) -> Below<M> {
    enum Seen<M: Mode> {
        Chain(CoreWeak<M>),
        Body(M::WeakBody),
    }
    let seen = core.with(|state| match state.phase() {
        Phase::Waiting => state.rare.waiting_on().cloned().map(Seen::<M>::Chain),
        Phase::Unfired => state.rare.fired_by().cloned().map(Seen::Body),
        _ => None,
    });
    let below = match seen {
        None => None,
        Some(Seen::Chain(weak)) => weak.upgrade().map(Below::Chain),
        Some(Seen::Body(weak)) => M::upgrade_body(&weak).map(Below::Body),
    };
    below.unwrap_or(Below::Nothing)
}

/// What waits for one chain.
enum Above<M: Mode> {
    Nothing,
    Chain(CoreRef<M>),
    Body(M::Body),
    /// Another thread takes the chain out of the path at this moment.
    Unknown,
}

fn above<M: Mode>(core: &CoreRef<M>) -> Above<M> {
    let (waiter, is_handed_down) = core.with(|state| {
        let is_handed_down = state.cancelling == Cancelling::HandedDown;
        (state.rare.waiter().cloned(), is_handed_down)
    });
    if let Some(waiter) = waiter {
        return Above::Chain(waiter);
    }
    if is_handed_down {
        return Above::Unknown;
    }
    listening_body::<M>(core).map_or(Above::Nothing, Above::Body)
}

/// The body that awaits `core`, by itself or inside of another future.
pub(super) fn listening_body<M: Mode>(core: &CoreRef<M>) -> Option<M::Body> {
    enum Seen<M: Mode> {
        Body(M::Body),
        Inside(M::WeakBody),
    }
    let seen = core.with(|state| match state.rare.inside() {
        Some(inside) => Some(Seen::<M>::Inside(inside.body.clone())),
        None => state.rare.body().cloned().map(Seen::Body),
    });
    match seen? {
        Seen::Body(body) => Some(body),
        Seen::Inside(weak) => M::upgrade_body(&weak),
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
pub(crate) fn closes_a_cycle<M: Mode>(
    outer: impl FnOnce() -> Option<CoreRef<M>>,
    inner: &CoreRef<M>,
) -> bool {
    let first = below::<M>(inner);
    if matches!(first, Below::Nothing) {
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
            Some(core) => down.enter(below::<M>(&core)),
        }
        let Some(core) = &top else {
            continue;
        };
        top = match above::<M>(core) {
            Above::Nothing => return false,
            Above::Chain(core) => Some(core),
            Above::Body(body) => match M::result_of(&body) {
                None => return false,
                core => core,
            },
            // The way down is enough.
            Above::Unknown => None,
        };
        if top.as_ref().is_some_and(|top| CoreRef::is_same(top, inner)) {
            return true;
        }
    }
}

/// The chains that are still to be seen of those that are waited for.
struct Descent<M: Mode> {
    chains: SmallVec<[CoreRef<M>; 4]>,
    /// Of bodies that await several, the rest.
    awaited: Vec<Awaited<M>>,
}

impl<M: Mode> Default for Descent<M> {
    fn default() -> Self {
        Self {
            chains: SmallVec::new(),
            awaited: Vec::new(),
        }
    }
}

impl<M: Mode> Descent<M> {
    fn enter(&mut self, below: Below<M>) {
        match below {
            Below::Nothing => {}
            Below::Chain(chain) => self.chains.push(chain),
            Below::Body(body) => self.awaited.push(M::awaited_by(&body)),
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
pub(crate) fn waits_for<M: Mode>(core: &CoreRef<M>) -> (Vec<CoreRef<M>>, bool) {
    let upgrade = |awaited: &[CoreWeak<M>]| awaited.iter().filter_map(CoreWeak::upgrade).collect();
    match below::<M>(core) {
        Below::Chain(next) => (vec![next], false),
        Below::Body(body) => {
            let awaited = M::awaited_by(&body);
            (upgrade(&awaited), M::is_body_asleep(&body))
        }
        Below::Nothing => {
            let parts = core.with(|state| state.rare.parts().cloned());
            let due = parts.map(|parts| parts.due()).unwrap_or_default();
            (upgrade(&due), false)
        }
    }
}

/// The poller of the bodies that `core` waits for, if one of them has one.
fn poller_of(core: &CoreRef<Local>) -> Option<Arc<Poller>> {
    let mut core = core.clone();
    loop {
        match below::<Local>(&core) {
            Below::Nothing => return None,
            Below::Chain(next) => core = next,
            Below::Body(body) => return body.poller(),
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
        share_poller(Above::Chain(outer.clone()), &poller);
    }
}

/// Notes that `body` waits for `inner` from now on.
pub(crate) fn body_waits(body: &SharedBody, inner: &CoreRef<Local>) {
    if has_any_poller()
        && let Some(poller) = poller_of(inner)
    {
        share_poller(Above::Body(body.clone()), &poller);
    }
}

/// Notes that `body`, which had no poller, has `poller` from now on.
pub(crate) fn body_sleeps(body: &SharedBody, poller: &Arc<Poller>) {
    share_poller(Above::Body(body.clone()), poller);
}

/// Gives `poller` to all that is at `from` and above. What has one has given it to all
/// above it already, so each body is passed once, and never again.
///
/// An executor that polls at the top is woken, to poll anew and so to set its waker.
fn share_poller(from: Above<Local>, poller: &Arc<Poller>) {
    let mut at = from;
    let mut top = None;
    loop {
        let core = match at {
            Above::Nothing | Above::Unknown => break,
            Above::Chain(core) => core,
            Above::Body(body) => {
                if let Some(known) = body.poller() {
                    return Poller::join(&known, poller);
                }
                body.set_poller(poller);
                match body.result() {
                    Some(core) => core,
                    None => return,
                }
            }
        };
        at = above::<Local>(&core);
        top = Some(core);
    }
    let waker = top.and_then(|top| top.with(|state| state.rare.take_waker()));
    if let Some(waker) = waker {
        run_contained("a waker", || waker.wake());
    }
}

/// Gives the bodies that `core` waits for a poller of their own: another body has awaited
/// it so far, and will not any more.
#[cold]
pub(crate) fn part_pollers(core: &CoreRef<Local>) {
    if !has_any_poller() {
        return;
    }
    let poller = Poller::new();
    let mut descent = Descent::<Local>::default();
    let mut next = Some(core.clone());
    while let Some(core) = next {
        let below = below::<Local>(&core);
        if let Below::Body(body) = &below
            && body.poller().is_some()
        {
            body.set_poller(&poller);
        }
        descent.enter(below);
        next = descent.next();
    }
}
