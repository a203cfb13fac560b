//! Weak reference to the owner of a mailbox, which handles consist of.

use std::rc::{Rc, Weak};

use deferred::{Deferred, Failure, Outcome, Result, maybe_deferred};

use super::{Handled, MailboxOwner, job_of};

/// Weak reference to an owner, inside of the handles `Connection`, `DatagramPort` and `Process`.
pub(crate) struct OwnerRef<O: MailboxOwner>(Weak<O>);

impl<O: MailboxOwner> OwnerRef<O> {
    pub(crate) fn new(owner: Weak<O>) -> Self {
        Self(owner)
    }

    pub(crate) fn get(&self) -> Result<Rc<O>, O::Closed> {
        let owner = self.0.upgrade().filter(|owner| !owner.is_gone());
        owner.ok_or_else(O::closed_error)
    }

    /// The owner, even if it is closing or closed.
    pub(crate) fn upgrade(&self) -> Option<Rc<O>> {
        self.0.upgrade()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }

    pub(crate) fn as_ptr(&self) -> *const O {
        self.0.as_ptr()
    }

    pub(crate) fn post<F, H>(&self, f: F) -> Result<(), O::Closed>
    where
        F: FnOnce(&mut O::Protocol, &mut O::Context<'_>) -> H + 'static,
        H: Handled,
    {
        let owner = self.get()?;
        let cause = owner.cause();
        let job = job_of::<O>(move |protocol, cx| f(protocol, cx).into_result());
        owner.post(job, cause).map_err(|_job| O::closed_error())
    }

    pub(crate) fn call<F, T>(&self, f: F) -> Deferred<T::Value>
    where
        F: FnOnce(&mut O::Protocol, &mut O::Context<'_>) -> T + 'static,
        T: Outcome,
    {
        let (trigger, answer) = Deferred::<Deferred<T::Value>>::pair();
        let posted = self.post(move |protocol, cx| {
            // The call was cancelled while the job waited.
            if trigger.is_fired() {
                return;
            }
            let result = maybe_deferred(|| f(protocol, cx));
            if trigger.is_fired() {
                // `f` has cancelled its own call.
                result.cancel();
                return result.ignore();
            }
            // Cannot err: it was not fired, and nothing else has the trigger.
            let _ = trigger.callback(result);
        });
        match posted {
            Ok(()) => answer.add_callback(|result| result),
            Err(closed) => {
                // The job was dropped with its trigger, so `answer` is abandoned. The error tells
                // more.
                answer.ignore();
                deferred::fail(Failure::new(closed))
            }
        }
    }
}

impl<O: MailboxOwner> Clone for OwnerRef<O> {
    fn clone(&self) -> Self {
        Self(Weak::clone(&self.0))
    }
}
