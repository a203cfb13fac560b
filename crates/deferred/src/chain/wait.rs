//! One chain waiting for the result of another.

use super::core::{Cancelling, Phase, ReceiverState};
use super::flavour::Flavour;
use super::raw::{CoreRef, CoreWeak, OwnedRunGuard, Release, RunGuard, Slot, StateGuard};
use super::wait_graph::closes_a_cycle;
use crate::error::WaitCycle;
use crate::failure::Failure;
use crate::panics::drop_contained;

/// How an attempt to wait came out.
pub(super) enum Waited<'a, M: Flavour> {
    /// There is nothing to wait for: the outer chain has its result.
    HasResult(RunGuard<'a, M>),
    /// Whoever gives it the result runs it.
    Waits,
    /// The result has come for the chain that waits for the outer one: see [`hand_down`].
    Resumes(OwnedRunGuard<M>),
}

/// Makes the chain of `claim` take over the result of `inner`: at once if it is
/// there, else when it comes.
pub(super) fn wait_for<'a, M: Flavour>(
    mut guard: RunGuard<'a, M>,
    inner: CoreRef<M>,
) -> Waited<'a, M> {
    let outer = guard.borrowed();
    if CoreRef::is_same(&outer, &inner) {
        return Waited::HasResult(refuse::<M>(guard, &inner));
    }
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
    // Each says whom it waits for before it looks for a cycle: of several threads
    // that close one together, the last to say so sees it. Its chain stays in the path as
    // long as it looks, or the cycle would be one of the others, without an end to find.
    let waits = guard.release(|state, _has_stages| {
        state.cold.replace_waiting_on(CoreRef::downgrade(&inner));
        state.joining = state.joining.wrapping_add(1);
        Some((Phase::Waiting, ()))
    });
    let Release::Released(()) = waits else {
        unreachable!("it went to `Waiting`");
    };
    let (listens, may_close) = inner.with(|state| {
        let listens = !state.is_at_end();
        if listens {
            let none = state.cold.replace_waiter((*outer).clone());
            debug_assert!(none.is_none(), "its receiver is here");
        }
        let may_close = state.phase() == Phase::Waiting || state.cold.has_canceller();
        (listens, may_close)
    });
    let closes = || may_close && closes_a_cycle::<M>(|| Some((*outer).clone()), &inner);
    let waits = listens && !(closes() && stops_listening::<M>(&outer, &inner));
    let may_be_link = outer.with(|state| {
        state.joining = state.joining.wrapping_sub(1);
        is_mere_link(&outer, state)
    });
    if waits {
        M::linked(&outer, &inner);
        if may_be_link && let Some(guard) = hand_down::<M>(&outer) {
            return Waited::Resumes(guard);
        }
        return Waited::Waits;
    }
    // Nobody else is to give it a result any more.
    let claimed =
        RunGuard::<M>::acquire_borrowed(outer, |state| Ok::<_, ()>(state.cold.take_waiting_on()));
    let Ok((mut guard, waited_on)) = claimed else {
        unreachable!("nothing else ends its waiting");
    };
    drop(waited_on);
    if listens {
        return Waited::HasResult(refuse::<M>(guard, &inner));
    }
    // It came between the two looks at it; nobody else takes it.
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

/// Drops what was to be told of the result of `inner`, whose end is here now.
#[cold]
fn forget_listener<M: Flavour>(inner: &CoreRef<M>) {
    let listener = inner.with(|state| state.cold.take_listener());
    if listener.as_ref().is_some_and(|old| old.task().is_some()) {
        M::unlinked(inner);
    }
    drop_contained(listener);
}

/// Fails the chain of `claim`, which would wait for itself by `inner`.
#[cold]
fn refuse<'a, M: Flavour>(mut guard: RunGuard<'a, M>, inner: &CoreRef<M>) -> RunGuard<'a, M> {
    // Its end went with the attempt.
    inner.with(|state| state.receiver = ReceiverState::Detached);
    let made_at = guard.core().with(|state| state.made_at);
    let failure = Failure::raised_at_place(WaitCycle::new(), made_at);
    guard.slot().put_failure(failure);
    guard
}

/// Gives `waiter` the result it waited for.
pub(super) fn resume<M: Flavour>(waiter: CoreRef<M>, result: &mut Slot<M>) -> OwnedRunGuard<M> {
    let claimed = OwnedRunGuard::<M>::acquire(waiter, |state| {
        debug_assert_eq!(state.phase(), Phase::Waiting);
        result.move_to(state.slot());
        Ok::<_, ()>(state.cold.take_waiting_on())
    });
    let Ok((guard, waited_on)) = claimed else {
        unreachable!("whoever was to resume it guards it");
    };
    drop(waited_on);
    guard
}

/// Takes `outer` off `inner`, if it is still there: then nobody gives it a result.
fn stops_listening<M: Flavour>(outer: &CoreRef<M>, inner: &CoreRef<M>) -> bool {
    let waiter = inner.with(|state| match state.cold.waiter() {
        Some(waiter) if CoreRef::is_same(waiter, outer) => state.cold.take_waiter(),
        _ => None,
    });
    waiter.is_some()
}

/// Takes `link` out from between the chain that waits for it and the one that it waits
/// for, if it does nothing there but to pass the result on, and nobody has a handle to it.
/// So an endless loop by returned Deferreds needs no more memory with each round. Gives the
/// chain that waited, if the result has come meanwhile.
pub(super) fn hand_down<M: Flavour>(link: &CoreRef<M>) -> Option<OwnedRunGuard<M>> {
    let (waiter, inner) = link.with(|state| {
        if !is_mere_link(link, state) {
            return None;
        }
        let inner = state.cold.waiting_on()?.upgrade()?;
        state.cancelling = Cancelling::HandedDown;
        // Whoever has it is to give it a result.
        Some((state.cold.take_waiter()?, inner))
    })?;
    let waited_on = waits_on::<M>(&waiter, &inner);
    drop(waited_on);
    let replaced = inner.with(|state| match state.cold.waiter() {
        Some(of_inner) if CoreRef::is_same(of_inner, link) => {
            state.cold.replace_waiter(waiter.clone())
        }
        _ => None,
    });
    if replaced.is_some() {
        return None;
    }
    // The result was on its way to the link already.
    link.with(|state| state.cancelling = Cancelling::No);
    drop(waits_on::<M>(&waiter, link));
    listen::<M>(waiter, link)
}

/// Whether nothing of `link` would be missed: it waits, is waited for, and has nothing
/// to do afterwards; nobody can pause it, cancel it, or look at it, but through that which
/// waits for it; no late fire is to be swallowed; and no thread looks for a cycle from it.
fn is_mere_link<M: Flavour>(link: &CoreRef<M>, state: &mut StateGuard<'_, M>) -> bool {
    state.phase() == Phase::Waiting
        && state.joining == 0
        && state.cold.waiter().is_some()
        && match state.cancelling {
            Cancelling::No => true,
            Cancelling::SwallowOne => state.triggers == 0,
            _ => false,
        }
        && !state.is_paused()
        && !state.has_stages()
        // The weak reference that is known is that of the waiter.
        && (!link.is_handed_out() || link.has_no_weak_but(1))
}

/// Notes in `waiter`, which waits for what comes by the caller, for whom.
fn waits_on<M: Flavour>(waiter: &CoreRef<M>, inner: &CoreRef<M>) -> Option<CoreWeak<M>> {
    let inner = CoreRef::downgrade(inner);
    waiter.with(|state| state.cold.replace_waiting_on(inner))
}

/// Has `inner` give its result to `waiter`; gives that one if the result is there.
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
    let claimed =
        RunGuard::<M>::acquire(&waiter, |state| Ok::<_, ()>(state.cold.take_waiting_on()));
    let Ok((mut guard, waited_on)) = claimed else {
        unreachable!("nothing else ends its waiting");
    };
    drop(waited_on);
    inner.with(|state| takes_result(&mut guard, state));
    Some(guard.into_owned())
}
