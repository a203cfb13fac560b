//! One chain waiting for the result of another.

use super::core::{EndState, Phase, State};
use super::mode::Mode;
use super::raw::Slot;
use crate::error::WaitCycle;
use crate::failure::Failure;

/// How an attempt to wait came out.
pub(super) enum Waited {
    /// There is nothing to wait for: the outer chain has its result.
    HasResult,
    Waits,
}

/// Makes `outer`, which is running, take over the result of `inner`: at once if
/// it is there, else when it comes.
pub(super) fn wait_for<M: Mode>(outer: &M::Ref, inner: M::Ref) -> Waited {
    if closes_a_cycle::<M>(outer, &inner) {
        // Its end went with the attempt.
        inner.with(|state| state.end = EndState::Detached);
        outer.with(|state| {
            let failure = Failure::raised_at_place(WaitCycle::new(), state.made_at);
            state.slot.put_failure(failure);
        });
        return Waited::HasResult;
    }
    // Before the inner chain knows of it, so that it finds the outer one waiting.
    outer.with(|state| {
        state.phase = Phase::Waiting;
        state.waiting_on = Some(M::downgrade(&inner));
    });
    let result = inner.with(|state| {
        if state.is_at_end() {
            state.phase = Phase::Spent;
            return Some(state.slot.take_all());
        }
        state.waiter = Some(outer.clone());
        None
    });
    match result {
        Some(result) => {
            resume::<M>(outer, result);
            Waited::HasResult
        }
        None => Waited::Waits,
    }
}

/// Gives `outer` the result it waited for; the caller is to run it.
pub(super) fn resume<M: Mode>(outer: &M::Ref, result: Slot) {
    let waited_on = outer.with(|state| {
        debug_assert_eq!(state.phase, Phase::Waiting);
        state.phase = Phase::Running;
        state.slot = result;
        state.waiting_on.take()
    });
    drop(waited_on);
}

/// Whether `inner` waits, directly or through others, for `outer`.
///
/// Only an inner chain that waits can, and only for an outer one that has a
/// waiter; both ends of that path are searched in step, so that the shorter one
/// decides what it costs.
fn closes_a_cycle<M: Mode>(outer: &M::Ref, inner: &M::Ref) -> bool {
    if M::is_same(outer, inner) {
        return true;
    }
    let mut down = inner.clone();
    let mut up = outer.clone();
    loop {
        let next_down = down.with(|state| state.waiting_on.clone());
        let Some(next_down) = next_down.and_then(|weak| M::upgrade(&weak)) else {
            return false;
        };
        if M::is_same(&next_down, outer) {
            return true;
        }
        let next_up = up.with(|state: &mut State<M>| state.waiter.clone());
        let Some(next_up) = next_up else {
            return false;
        };
        if M::is_same(&next_up, inner) {
            return true;
        }
        down = next_down;
        up = next_up;
    }
}
