//! A protocol in the loop: who calls it, and what it has asked to be called with.
//!
//! Handlers are called from the loop only. What comes from elsewhere (`when`, delayed
//! calls, `post`) is a job, which is run in the same turn, after the handler that is
//! running. So a handler never meets another handler's borrow.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Weak;
use std::time::Duration;

use deferred::{Cancelled, Deferred, DelayedCall, Failure, Result};

use crate::cancel_on_close::{CancelSet, Cancellable};
use crate::connection::Handled;
use crate::core::Runnable;
use crate::handle::ReactorHandle;
use crate::panics::contain;

/// Work for a protocol from elsewhere.
pub(crate) type Job<H> = Box<
    dyn for<'a, 'b> FnOnce(
        &'a mut <H as MailboxOwner>::Protocol,
        &'a mut <H as MailboxOwner>::Context<'b>,
    ) -> Result<()>,
>;

/// Whose protocol it is: a datagram port, a process.
pub(crate) trait MailboxOwner: Runnable + Sized + 'static {
    type Protocol: 'static;

    /// What its handlers act through.
    type Context<'a>;

    fn mailbox(&self) -> &Mailbox<Self>;

    fn reactor(&self) -> &ReactorHandle;

    fn context(&self) -> Self::Context<'_>;

    /// A handler has failed or panicked.
    fn failed(&self, failure: Failure);

    /// Sees to it that this is settled in this turn.
    fn touch(&self) {
        let mailbox = self.mailbox();
        if !mailbox.is_unsettled.replace(true)
            && let (Some(me), Ok(core)) = (mailbox.me.upgrade(), self.reactor().core())
        {
            core.run_soon(me);
        }
    }

    /// Queues a job for the protocol; hands it back if that is over.
    fn post(&self, job: Job<Self>) -> Result<(), Job<Self>> {
        let mailbox = self.mailbox();
        if mailbox.is_over.get() {
            return Err(job);
        }
        mailbox.jobs.borrow_mut().push_back(job);
        self.touch();
        Ok(())
    }

    /// Lets `f` call the protocol, with [`guard`](Self::guard); unless it is being called
    /// further up the stack, or is over.
    fn try_with_protocol(&self, f: impl FnOnce(&mut Self::Protocol)) {
        if let Ok(mut protocol) = self.mailbox().protocol.try_borrow_mut()
            && let Some(protocol) = &mut *protocol
        {
            f(protocol);
        }
    }

    fn guard(&self, handler: impl FnOnce(&mut Self::Context<'_>) -> Result<()>) {
        let handled = Failure::catch(|| handler(&mut self.context()));
        if let Err(failure) = handled.and_then(|result| result) {
            self.failed(failure);
        }
    }

    /// Gives the protocol the jobs that wait now; those that they post wait for the next
    /// time.
    fn run_jobs(&self, protocol: &mut Self::Protocol) {
        let jobs = &self.mailbox().jobs;
        let count = jobs.borrow().len();
        for _ in 0..count {
            let job = jobs.borrow_mut().pop_front();
            if let Some(job) = job {
                self.guard(|cx| job(protocol, cx));
            }
        }
    }

    /// See `Context::when`.
    fn when<T, F, R>(&self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut Self::Protocol, &mut Self::Context<'_>, Result<T>) -> R + 'static,
        R: Handled,
    {
        self.wait_for(deferred, f, |_failure| false);
    }

    /// See `Context::when_or_cancel`.
    fn when_or_cancel<T, F, R>(&self, mut deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut Self::Protocol, &mut Self::Context<'_>, Result<T>) -> R + 'static,
        R: Handled,
    {
        let handle = deferred.handle();
        self.wait_for(deferred, f, |failure| failure.is::<Cancelled>());
        self.mailbox().cancel_on_close(Cancellable::Wait(handle));
    }

    /// As `when`; a failure that comes when the protocol is over is not reported if it
    /// `is_expected`.
    fn wait_for<T, F, R>(
        &self,
        deferred: Deferred<T>,
        f: F,
        is_expected: impl FnOnce(&Failure) -> bool + 'static,
    ) where
        T: 'static,
        F: FnOnce(&mut Self::Protocol, &mut Self::Context<'_>, Result<T>) -> R + 'static,
        R: Handled,
    {
        let owner = Weak::clone(&self.mailbox().me);
        deferred
            .add_both(move |outcome| {
                let owner = owner.upgrade();
                let is_over = owner
                    .as_ref()
                    .is_none_or(|owner| owner.mailbox().is_over.get());
                let is_expected = outcome.as_ref().err().is_some_and(is_expected);
                // As a Deferred, it is reported if the job is dropped.
                let outcome = Deferred::from(outcome);
                if is_over && is_expected {
                    outcome.ignore();
                    return;
                }
                let Some(owner) = owner else {
                    return outcome.detach();
                };
                let posted = owner.post(Box::new(move |protocol, cx| {
                    let Ok(outcome) = outcome.into_result() else {
                        unreachable!("it was made with its result");
                    };
                    f(protocol, cx, outcome).into_result()
                }));
                // If it is over, dropping the job reports it.
                drop(posted);
            })
            .detach();
    }

    /// See `Context::call_later`.
    fn call_later<F, R>(&self, delay: Duration, f: F) -> DelayedCall
    where
        F: FnOnce(&mut Self::Protocol, &mut Self::Context<'_>) -> R + 'static,
        R: Handled,
    {
        let owner = Weak::clone(&self.mailbox().me);
        let later = self.reactor().call_later(delay, move || {
            if let Some(owner) = owner.upgrade() {
                // Over meanwhile: then it would have been cancelled.
                let _ = owner.post(Box::new(|protocol, cx| f(protocol, cx).into_result()));
            }
        });
        self.mailbox()
            .cancel_on_close(Cancellable::Call(later.clone()));
        later
    }

    /// The end: calls the protocol for the last time, and drops it and the jobs that wait.
    /// Nothing that is asked for from here on has an effect.
    fn close_mailbox(
        &self,
        last: impl FnOnce(&mut Self::Protocol, &mut Self::Context<'_>) -> Result<()>,
    ) {
        let mailbox = self.mailbox();
        mailbox.is_over.set(true);
        self.try_with_protocol(|protocol| self.guard(|cx| last(protocol, cx)));
        mailbox.cancel_on_close.take().cancel();
        contain("a job of a protocol that is over", || {
            drop(mailbox.jobs.take());
        });
        let protocol = mailbox.protocol.take();
        contain("a protocol's drop", || drop(protocol));
    }
}

/// What a host keeps for its protocol.
pub(crate) struct Mailbox<H: MailboxOwner> {
    me: Weak<H>,
    /// Borrowed while a handler runs. `None` once it is over.
    protocol: RefCell<Option<H::Protocol>>,
    jobs: RefCell<VecDeque<Job<H>>>,
    cancel_on_close: RefCell<CancelSet>,
    /// It is in the loop's list of what is to be settled.
    is_unsettled: Cell<bool>,
    is_over: Cell<bool>,
}

impl<H: MailboxOwner> Mailbox<H> {
    pub(crate) fn new(me: &Weak<H>, protocol: H::Protocol) -> Self {
        Self {
            me: Weak::clone(me),
            protocol: RefCell::new(Some(protocol)),
            jobs: RefCell::default(),
            cancel_on_close: RefCell::default(),
            is_unsettled: Cell::new(false),
            is_over: Cell::new(false),
        }
    }

    pub(crate) fn weak(&self) -> Weak<H> {
        Weak::clone(&self.me)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Whether the protocol is being called, further up the stack.
    pub(crate) fn is_busy(&self) -> bool {
        self.protocol.try_borrow().is_err()
    }

    /// It is being settled now.
    pub(crate) fn settle(&self) {
        self.is_unsettled.set(false);
    }

    /// Has `cancellable` cancelled when the protocol is over, if it is open then.
    fn cancel_on_close(&self, cancellable: Cancellable) {
        if self.is_over.get() {
            return cancellable.cancel();
        }
        self.cancel_on_close.borrow_mut().add(cancellable);
    }
}
