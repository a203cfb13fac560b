//! What tells one flavour of chain from another: how a core is shared, how its
//! state is reached, and what may go into it. The algorithm is written once, over
//! this.

use std::ops::Deref;

use super::backlog::Backlog;
use super::core::Head;
use super::raw::Core;

/// How the parts of a chain hold on to its core.
pub(crate) trait Mode: Sized + 'static {
    /// Whether several threads may reach a core at the same time.
    const IS_SHARED: bool;

    /// A strong reference to a core.
    type Ref: Clone + Deref<Target = Core<Self>> + 'static;
    /// A weak one.
    type Weak: Clone + 'static;
    /// Lets one at a time at what is in it.
    type Lock<X>;
    /// What several handles share, behind such a lock.
    type Handle<X: 'static>: Clone + Deref<Target = Self::Lock<X>> + 'static;
    /// What a chain that is cancelled before it was fired calls, with its core.
    type Canceller;
    /// What a body of [`inline_callbacks`](crate::inline_callbacks) that waits
    /// for a chain is resumed with.
    type Resume;

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
    /// Goes on with a body; what comes of it may be a chain to be run.
    fn resume(resume: Self::Resume) -> Option<super::raw::OwnedClaim<Self>>;
    fn handle<X: 'static>(content: X) -> Self::Handle<X>;
    /// Calls `f` with what is in `lock`.
    ///
    /// INVARIANT: `f` runs nothing of a user's: no closure, no drop of a value,
    /// no waker. That is what lets callbacks do anything to any chain. Nor does
    /// it reach for another lock.
    fn with<X, R>(lock: &Self::Lock<X>, f: impl FnOnce(&mut X) -> R) -> R;
    /// Calls `f` with this thread's backlog; `None` if the thread is at its end.
    fn backlog<R>(f: impl FnOnce(&Backlog<Self>) -> R) -> Option<R>;
}

/// What may go into a chain of flavour `M`: what the threads that may reach it
/// can pass to one another.
pub(crate) trait Fits<M: Mode>: 'static {}
