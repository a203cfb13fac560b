//! What tells one flavour of chain from another: how a core is shared and how
//! its state is reached. The algorithm is written once, over this.

use std::cell::RefCell;
use std::ops::Deref;
use std::rc::{Rc, Weak};

use super::backlog::Backlog;
use super::core::{Core, State};

/// How the parts of a chain hold on to its core.
pub(crate) trait Mode: Sized + 'static {
    /// A strong reference to a core.
    type Ref: Clone + Deref<Target = Core<Self>> + 'static;
    /// A weak one.
    type Weak: Clone + 'static;
    /// What the state is kept in.
    type Cell: From<State<Self>>;
    /// What a chain that is cancelled before it was fired calls, with its core.
    type Canceller;

    fn share(core: Core<Self>) -> Self::Ref;
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

/// One thread, no locks.
#[derive(Debug)]
pub(crate) enum Local {}

impl Mode for Local {
    type Ref = Rc<Core<Self>>;
    type Weak = Weak<Core<Self>>;
    type Cell = RefCell<State<Self>>;
    type Canceller = Box<dyn FnOnce(Self::Ref)>;

    fn share(core: Core<Self>) -> Self::Ref {
        Rc::new(core)
    }

    fn downgrade(core: &Self::Ref) -> Self::Weak {
        Rc::downgrade(core)
    }

    fn upgrade(weak: &Self::Weak) -> Option<Self::Ref> {
        weak.upgrade()
    }

    fn is_same(a: &Self::Ref, b: &Self::Ref) -> bool {
        Rc::ptr_eq(a, b)
    }

    fn is_unobserved(core: &Self::Ref) -> bool {
        Rc::weak_count(core) == 0
    }

    fn call_canceller(canceller: Self::Canceller, core: Self::Ref) {
        canceller(core);
    }

    #[inline]
    fn with<R>(cell: &Self::Cell, f: impl FnOnce(&mut State<Self>) -> R) -> R {
        f(&mut cell.borrow_mut())
    }

    fn backlog<R>(f: impl FnOnce(&Backlog<Self>) -> R) -> Option<R> {
        thread_local! {
            static BACKLOG: Backlog<Local> = const { Backlog::new() };
        }
        BACKLOG.try_with(f).ok()
    }
}
