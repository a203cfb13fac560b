//! Who waits for whom, through chains and bodies: up to who is told in the end, and
//! down to what is waited for.

use super::core::Phase;
use super::mode::Mode;
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

/// The chain that gets the result of `core`, or whose body does.
fn above<M: Mode>(core: &CoreRef<M>) -> Option<CoreRef<M>> {
    enum Seen<M: Mode> {
        Chain(CoreRef<M>),
        Body(M::Body),
    }
    let seen = core.with(|state| {
        if let Some(waiter) = state.rare.waiter() {
            return Some(Seen::<M>::Chain(waiter.clone()));
        }
        state.rare.body().cloned().map(Seen::Body)
    });
    match seen? {
        Seen::Chain(waiter) => Some(waiter),
        Seen::Body(body) => M::result_of(&body),
    }
}

/// Whether `outer` would wait for itself, directly or through others, if it waited
/// for `inner`.
///
/// Only an inner chain that waits can close a circle, and only for an outer one that
/// is waited for; both ends of that path are searched in step, so that the shorter
/// one decides what it costs. Where a body may await several chains, the search goes
/// on from the other end alone. `outer` is asked for only if `inner` waits; mostly it
/// does not.
pub(crate) fn closes_a_cycle<M: Mode>(
    outer: impl FnOnce() -> Option<CoreRef<M>>,
    inner: &CoreRef<M>,
) -> bool {
    let mut down = below::<M>(inner);
    if matches!(down, Below::Nothing) {
        return false;
    }
    let Some(outer) = outer() else {
        return false;
    };
    if CoreRef::is_same(&outer, inner) {
        return true;
    }
    let mut up = above::<M>(&outer);
    loop {
        down = match down {
            Below::Nothing => return false,
            Below::Chain(next) if CoreRef::is_same(&next, &outer) => return true,
            Below::Chain(next) => below::<M>(&next),
            Below::Body(body) => Below::Body(body),
        };
        let Some(next_up) = up else {
            return false;
        };
        if CoreRef::is_same(&next_up, inner) {
            return true;
        }
        up = above::<M>(&next_up);
    }
}

/// Calls `visit` with every body that `core` waits for, directly or through others.
pub(crate) fn for_each_body<M: Mode>(core: &CoreRef<M>, mut visit: impl FnMut(&M::Body)) {
    let mut to_see = vec![core.clone()];
    while let Some(core) = to_see.pop() {
        match below::<M>(&core) {
            Below::Nothing => {}
            Below::Chain(next) => to_see.push(next),
            Below::Body(body) => {
                visit(&body);
                let (awaited, _) = M::awaited_by(&body);
                to_see.extend(awaited.iter().filter_map(CoreWeak::upgrade));
            }
        }
    }
}

/// What one chain waits for, one step down; and whether a body waits for more than
/// chains.
pub(crate) fn waits_for<M: Mode>(core: &CoreRef<M>) -> (Vec<CoreRef<M>>, bool) {
    match below::<M>(core) {
        Below::Nothing => (Vec::new(), false),
        Below::Chain(next) => (vec![next], false),
        Below::Body(body) => {
            let (awaited, more) = M::awaited_by(&body);
            (awaited.iter().filter_map(CoreWeak::upgrade).collect(), more)
        }
    }
}

/// Wakes whoever polls for what `core` comes to, if somebody does: to poll anew, and
/// so to hear of the bodies that are below by now.
pub(crate) fn wake_above(core: &CoreRef<Local>) {
    let mut top = core.clone();
    while let Some(next) = above::<Local>(&top) {
        top = next;
    }
    let waker = top.with(|state| state.rare.take_waker());
    if let Some(waker) = waker {
        run_contained("a waker", || waker.wake());
    }
}
