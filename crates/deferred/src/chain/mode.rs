//! What tells one flavour of chain from another: how a core is shared and how
//! its state is reached. The algorithm is written once, over this.

use std::ops::Deref;

use super::backlog::Backlog;
use super::core::{Core, Head, State};

/// How the parts of a chain hold on to its core.
pub(crate) trait Mode: Sized + 'static {
    /// A strong reference to a core.
    type Ref: Clone + Deref<Target = Core<Self>> + 'static;
    /// A weak one.
    type Weak: Clone + 'static;
    /// What the state is kept in.
    type Cell;
    /// What a chain that is cancelled before it was fired calls, with its core.
    type Canceller;

    /// A new core, with an empty slot and no stages.
    ///
    /// `head` is called once there is room for it, so that it is put together
    /// there.
    fn share(head: impl FnOnce() -> Head<Self>) -> Self::Ref;
    fn downgrade(core: &Self::Ref) -> Self::Weak;
    fn upgrade(weak: &Self::Weak) -> Option<Self::Ref>;
    fn is_same(a: &Self::Ref, b: &Self::Ref) -> bool;
    /// Whether nobody has a weak reference, so that no handle can tell this core
    /// from another.
    fn is_unobserved(core: &Self::Ref) -> bool;
    fn call_canceller(canceller: Self::Canceller, core: Self::Ref);
    /// Calls `f` with the state.
    ///
    /// INVARIANT: `f` runs nothing of a user's: no closure, no drop of a value,
    /// no waker. That is what lets callbacks do anything to any chain.
    fn with<R>(cell: &Self::Cell, f: impl FnOnce(&mut State<Self>) -> R) -> R;
    /// Calls `f` with this thread's backlog; `None` if the thread is at its end.
    fn backlog<R>(f: impl FnOnce(&Backlog<Self>) -> R) -> Option<R>;
}
