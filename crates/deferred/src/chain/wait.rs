//! Waiting: one chain takes over the result of another.

use super::flavour::{Flavour, Waited};
use super::phase::{Cancelling, Phase, ReceiverState, Transition};
use super::raw::{CoreRef, CoreWeak, OwnedRunGuard, Release, RunGuard, Slot, StateGuard};
use super::wait_graph::closes_a_cycle;
use crate::error::WaitCycle;
use crate::failure::Failure;
use crate::panics::drop_contained;

/// Makes the chain of `guard` take over the result of `inner`: at once if `inner` has one, else
/// when it comes.
pub(super) fn wait_for<'a, M: Flavour>(
    mut guard: RunGuard<'a, M>,
    inner: CoreRef<M>,
) -> Waited<'a, M> {
    let outer = guard.borrowed();
    // A callback that returns the Deferred of its own chain.
    if CoreRef::is_same(&outer, &inner) {
        return Waited::HasResult(refuse::<M>(guard, &inner));
    }
    // Both at once, under the lock: another thread may fire `inner` between two looks.
    let (is_there, is_listened_to) = inner.with(|state| {
        let is_listened_to = state.cold.is_listened_to();
        (takes_result(&mut guard, state), is_listened_to)
    });
    if is_listened_to {
        forget_listener::<M>(&inner);
    }
    if is_there {
        return Waited::HasResult(guard);
    }
    // The edge of the wait graph is stored before the search for a cycle: if several
    // threads close one together, the last of them to store its edge finds it. `search_begins` keeps
    // this chain in its path until then: if it were taken out, a cycle of the other chains would
    // be left, and a search that starts outside of a cycle would go round in it without an end.
    let waits = guard.release(|state, _has_stages| {
        state.cold.replace_waiting_on(CoreRef::downgrade(&inner));
        state.search_begins();
        Some((Transition::Wait, ()))
    });
    let Release::Released(()) = waits else {
        unreachable!("the transition was `Wait`");
    };
    // `inner` may have come to its end since the first look, in another thread.
    let (listens, may_close) = inner.with(|state| {
        let listens = !state.is_at_end();
        if listens {
            let none = state.cold.replace_waiter((*outer).clone());
            debug_assert!(none.is_none(), "its receiver is ours");
        }
        // A cycle goes on from a chain that waits itself, or through the parts of a combination,
        // which are its canceller.
        let may_close = state.phase() == Phase::Waiting || state.cold.has_canceller();
        (listens, may_close)
    });
    let closes = || may_close && closes_a_cycle::<M>(|| Some((*outer).clone()), &inner);
    let waits = listens && !(closes() && stops_listening::<M>(&outer, &inner));
    let may_be_link = outer.with(|state| {
        state.search_ends();
        is_mere_link(&outer, state)
    });
    if waits {
        M::linked(&outer, &inner);
        if may_be_link && let Some(guard) = M::hand_down(&outer) {
            return Waited::Resumes(guard);
        }
        return Waited::Waits;
    }
    // `inner` has not got, or has lost, its reference to `outer`: so only this call can move
    // it out of `Waiting`.
    let acquired = RunGuard::<M>::acquire_borrowed(outer, Transition::Resume, |state| {
        Ok::<_, ()>(state.cold.take_waiting_on())
    });
    let Ok((mut guard, waited_on)) = acquired else {
        unreachable!("nothing else ends its waiting");
    };
    // Outside of the lock: the last weak reference frees the memory of a core.
    drop(waited_on);
    if listens {
        return Waited::HasResult(refuse::<M>(guard, &inner));
    }
    // The result came after the first look at `inner`. It is still there: its receiver,
    // which alone may take it, was consumed by this call.
    inner.with(|state| takes_result(&mut guard, state));
    Waited::HasResult(guard)
}

/// Takes over the result of `inner`, if that is at its end.
#[inline(always)]
fn takes_result<M: Flavour>(guard: &mut RunGuard<'_, M>, inner: &mut StateGuard<'_, M>) -> bool {
    inner
        .take_settled(|result| result.move_to(guard.slot()))
        .is_some()
}

/// Drops the listener of `inner`, whose receiver was consumed.
#[cold]
fn forget_listener<M: Flavour>(inner: &CoreRef<M>) {
    let listener = inner.with(|state| state.cold.take_listener());
    if listener.as_ref().is_some_and(|old| old.task().is_some()) {
        M::unlinked(inner);
    }
    drop_contained(listener);
}

/// Fails the chain of `guard`, which would wait for itself through `inner`.
#[cold]
fn refuse<'a, M: Flavour>(mut guard: RunGuard<'a, M>, inner: &CoreRef<M>) -> RunGuard<'a, M> {
    // The attempt has consumed the receiver of `inner`.
    inner.with(|state| state.receiver = ReceiverState::Detached);
    let made_at = guard.core().with(|state| state.made_at);
    let failure = Failure::raised_at_place(WaitCycle::new(), made_at);
    guard.slot().put_failure(failure);
    guard
}

/// Gives `waiter` the result it waited for.
pub(super) fn resume<M: Flavour>(waiter: CoreRef<M>, result: &mut Slot<M>) -> OwnedRunGuard<M> {
    let acquired = OwnedRunGuard::<M>::acquire(waiter, Transition::Resume, |state| {
        debug_assert_eq!(state.phase(), Phase::Waiting);
        result.move_to(state.slot());
        Ok::<_, ()>(state.cold.take_waiting_on())
    });
    let Ok((guard, waited_on)) = acquired else {
        unreachable!("only the chain that a chain waits for resumes it");
    };
    // Outside of the lock, as above.
    drop(waited_on);
    guard
}

/// Removes `outer` as the waiter of `inner`, if it still is: then `inner` will not resume it.
fn stops_listening<M: Flavour>(outer: &CoreRef<M>, inner: &CoreRef<M>) -> bool {
    let waiter = inner.with(|state| match state.cold.waiter() {
        Some(waiter) if CoreRef::is_same(waiter, outer) => state.cold.take_waiter(),
        _ => None,
    });
    waiter.is_some()
}

/// Takes `link` out from between its waiter and the chain that it waits for, if all it does is
/// to pass the result on, and there is no handle to it. So an endless loop by returned
/// Deferreds takes constant memory. Returns the waiter if its result has come by now.
pub(super) fn hand_down<M: Flavour>(link: &CoreRef<M>) -> Option<OwnedRunGuard<M>> {
    let (waiter, inner) = link.with(|state| {
        if !is_mere_link(link, state) {
            return None;
        }
        let inner = state.cold.waiting_on()?.upgrade()?;
        state.cancelling = Cancelling::HandedDown;
        // From here to the end of this function, `waiter` is referred to by this call only,
        // which makes sure that it gets its result.
        Some((state.cold.take_waiter()?, inner))
    })?;
    let waited_on = note_waiting_on::<M>(&waiter, &inner);
    drop(waited_on);
    let replaced = inner.with(|state| match state.cold.waiter() {
        Some(of_inner) if CoreRef::is_same(of_inner, link) => {
            state.cold.replace_waiter(waiter.clone())
        }
        _ => None,
    });
    if replaced.is_some() {
        // `inner` resumes the waiter itself now, and nothing refers to the link any more.
        return None;
    }
    // `inner` has settled and resumes the link: so the waiter waits for the link again.
    link.with(|state| state.cancelling = Cancelling::No);
    drop(note_waiting_on::<M>(&waiter, link));
    listen::<M>(waiter, link)
}

/// Whether `link` may be taken out: it waits, has a waiter and no stages; no handle or pause
/// can reach it, except through its waiter; no late fire of it has to be swallowed; and no
/// thread searches for a cycle from it.
fn is_mere_link<M: Flavour>(link: &CoreRef<M>, state: &mut StateGuard<'_, M>) -> bool {
    state.phase() == Phase::Waiting
        && !state.is_searched_from()
        && state.cold.waiter().is_some()
        && match state.cancelling {
            Cancelling::No => true,
            Cancelling::SwallowOne => state.triggers == 0,
            _ => false,
        }
        && !state.is_paused()
        && !state.has_stages()
        // The one weak reference that may be left is `waiting_on` of the waiter.
        && (!link.is_handed_out() || link.has_no_weak_but(1))
}

/// Stores in `waiter` that it waits for `inner`; returns the reference that it replaces.
fn note_waiting_on<M: Flavour>(waiter: &CoreRef<M>, inner: &CoreRef<M>) -> Option<CoreWeak<M>> {
    let inner = CoreRef::downgrade(inner);
    waiter.with(|state| state.cold.replace_waiting_on(inner))
}

/// Makes `waiter` the waiter of `inner`; returns it if `inner` has settled.
#[cold]
fn listen<M: Flavour>(waiter: CoreRef<M>, inner: &CoreRef<M>) -> Option<OwnedRunGuard<M>> {
    let is_there = inner.with(|state| {
        let is_there = state.is_at_end();
        if !is_there {
            let none = state.cold.replace_waiter(waiter.clone());
            debug_assert!(none.is_none(), "its waiter was taken off");
        }
        is_there
    });
    if !is_there {
        return None;
    }
    let acquired = RunGuard::<M>::acquire(&waiter, Transition::Resume, |state| {
        Ok::<_, ()>(state.cold.take_waiting_on())
    });
    let Ok((mut guard, waited_on)) = acquired else {
        unreachable!("nothing else ends its waiting");
    };
    drop(waited_on);
    inner.with(|state| takes_result(&mut guard, state));
    Some(guard.into_owned())
}
