//! Chains that several threads may reach: atomic reference counts and a lock.

use std::convert::Infallible;
use std::panic::Location;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::claim::OwnedClaim;
use super::core::{Core, Locked};
use crate::chain::backlog::Backlog;
use crate::chain::mode::{Fits, Mode};
use crate::trail::Place;

/// Any number of threads.
#[derive(Debug)]
pub(crate) enum Shared {}

impl<X: Send + 'static> Fits<Shared> for X {}

impl Mode for Shared {
    const IS_SHARED: bool = true;

    type Ref = Arc<Core<Self>>;
    type Weak = Weak<Core<Self>>;
    type Lock<X> = Mutex<X>;
    type Handle<X: 'static> = Arc<Mutex<X>>;
    type Canceller = Box<dyn FnOnce(Self::Ref) + Send>;
    type Body = Infallible;
    type WeakBody = Infallible;

    #[inline(always)]
    fn share(triggers: u32, made_at: Place) -> Self::Ref {
        let mut core = Arc::<Core<Self>>::new_uninit();
        let Some(place) = Arc::get_mut(&mut core) else {
            unreachable!("nobody else has it yet");
        };
        let write_locked = |lock: *mut Mutex<Locked<Self>>| {
            // SAFETY: it is aligned and valid for writes.
            unsafe { lock.write(Mutex::new(Locked::new(triggers, made_at))) }
        };
        // SAFETY: it is aligned and valid for writes, and stays where it is.
        unsafe {
            Core::write_new(place.as_mut_ptr(), write_locked);
            core.assume_init()
        }
    }

    fn downgrade(core: &Self::Ref) -> Self::Weak {
        Arc::downgrade(core)
    }

    fn upgrade(weak: &Self::Weak) -> Option<Self::Ref> {
        weak.upgrade()
    }

    fn is_same(a: &Self::Ref, b: &Self::Ref) -> bool {
        Arc::ptr_eq(a, b)
    }

    fn call_canceller(canceller: Self::Canceller, core: Self::Ref) {
        canceller(core);
    }

    fn upgrade_body(weak: &Infallible) -> Option<Infallible> {
        match *weak {}
    }

    fn resume(body: Infallible) -> Option<OwnedClaim<Self>> {
        match body {}
    }

    fn result_of(body: &Infallible) -> Option<Self::Ref> {
        match *body {}
    }

    fn cancel_body(body: Infallible, _cancelled_at: &'static Location<'static>) {
        match body {}
    }

    fn awaited_by(body: &Infallible) -> (Vec<Self::Weak>, bool) {
        match *body {}
    }

    fn linked(_outer: &Self::Ref) {}

    fn handle<X: 'static>(content: X) -> Arc<Mutex<X>> {
        Arc::new(Mutex::new(content))
    }

    #[inline(always)]
    fn with<X, R>(lock: &Mutex<X>, f: impl FnOnce(&mut X) -> R) -> R {
        f(&mut lock.lock())
    }

    fn backlog<R>(f: impl FnOnce(&Backlog<Self>) -> R) -> Option<R> {
        thread_local! {
            static BACKLOG: Backlog<Shared> = const { Backlog::new() };
        }
        BACKLOG.try_with(f).ok()
    }
}
