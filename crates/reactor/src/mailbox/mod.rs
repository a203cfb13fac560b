//! Mailbox of a protocol: the queue of its jobs, and the common parts of connections, datagram
//! ports and children.
//!
//! A protocol is called from the loop only, and never while one of its handlers runs. All other
//! calls of it (`when`, a delayed call, `post`) become jobs in its mailbox: the loop runs a job in
//! the same turn, after the handler that is running. So no handler runs while another one has
//! borrowed the protocol, and the stack does not grow with the number of protocols that call one
//! another.
//!
//! [`MailboxOwner`] is implemented by the event sources that own a protocol:
//! `ConnectionSource`, `DatagramSource` and `ProcessSource`. Their contexts and handles get
//! the common methods from [`context_methods`] and [`handle_methods`].

mod jobs;
mod methods;
mod owner_ref;
mod status;

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{Cancelled, Deferred, DelayedCall, Failure, LoopingCall, Result};

use self::jobs::Job;
pub(crate) use self::jobs::{Cause, JobOwner, Jobs, run_waiting};
pub(crate) use self::methods::{context_methods, handle_methods};
pub(crate) use self::owner_ref::OwnerRef;
pub(crate) use self::status::{MailboxStatus, PlainStatus};
use crate::cancel_on_close::Cancellable;
use crate::core::Runnable;
use crate::handle::ReactorHandle;
use crate::panics::drop_contained;

/// Return value of a closure that is called with a protocol: nothing, or a
/// [`Result<()>`](deferred::Result). The closure may also never return. An error counts as an
/// error of a handler, which closes a connection.
///
/// # Examples
///
/// ```
/// # use reactor::{Protocol, Raw, testing};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// testing::run(|reactor| {
///     let (connection, peer) = reactor.connect_to_peer(Quiet);
///     connection.post(|_this, cx| cx.write("x")).unwrap();
///     connection.post(|_this, _cx| Err(deferred::Failure::msg("no more"))).unwrap();
///     assert_eq!(peer.received(), b"x");
///     assert!(peer.is_closed());
/// });
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "returns `{Self}`",
    note = "return nothing, or a `deferred::Result<()>`; `Ok(expression?)` makes a `Failure` of any error",
    note = "to wait for a Deferred, give it to `when` or `when_or_cancel` of the context"
)]
pub trait Handled: sealed::Sealed {
    /// The result; `()` counts as `Ok`.
    ///
    /// # Errors
    ///
    /// The failure of the handler.
    fn into_result(self) -> Result<()>;
}

impl Handled for () {
    fn into_result(self) -> Result<()> {
        Ok(())
    }
}

impl Handled for Result<(), Failure> {
    fn into_result(self) -> Self {
        self
    }
}

/// For closures that do not return: `|_this, _cx| todo!()`.
impl Handled for sealed::Never {
    fn into_result(self) -> Result<()> {
        self
    }
}

mod sealed {
    #[expect(unnameable_types, reason = "it seals the trait")]
    pub trait Sealed {}
    impl Sealed for () {}
    impl Sealed for deferred::Result<()> {}
    impl Sealed for Never {}

    /// Names the return type of a function pointer: stable Rust cannot write `!` elsewhere.
    #[expect(unnameable_types, reason = "a public impl names it")]
    pub trait Gives {
        type Out;
    }

    impl<R> Gives for fn() -> R {
        type Out = R;
    }

    /// The never type.
    pub(super) type Never = <fn() -> ! as Gives>::Out;
}

/// An event source that owns a protocol: a connection, a datagram port, a child.
pub(crate) trait MailboxOwner: JobOwner + Runnable + Sized {
    type Protocol: 'static;

    /// The protocol, with other values that exist as long as the owner is open.
    type Open: 'static;

    /// Argument of the handlers of the protocol.
    type Context<'a>;

    /// The error of a handle whose owner is closed.
    type Closed: std::error::Error + Send + Sync + 'static;

    type Status: MailboxStatus;

    fn mailbox(&self) -> &Mailbox<Self>;

    fn status(&self) -> &Self::Status;

    fn reactor(&self) -> &ReactorHandle;

    /// The protocol of an open owner, and a context for a call of it.
    fn split<'a>(&'a self, open: &'a mut Self::Open)
    -> (&'a mut Self::Protocol, Self::Context<'a>);

    fn closed_error() -> Self::Closed;

    /// Whether handles report the owner as closed. A datagram port is reported as closed from the
    /// moment when a close is due.
    fn is_gone(&self) -> bool {
        self.status().is_closed()
    }

    /// The cause of a job that is posted now.
    fn cause(&self) -> Cause {
        Cause::Other
    }

    /// Has the loop run this owner in this turn.
    fn touch(&self) {
        if !self.status().is_queued()
            && let Some(me) = self.mailbox().me.upgrade()
            && let Ok(core) = self.reactor().core()
        {
            self.status().set_queued(true);
            core.run_soon(me);
        }
    }

    /// Queues a job for the protocol. Returns the job if the owner is closed.
    fn post(&self, job: Job, cause: Cause) -> Result<(), Job> {
        if self.status().is_closed() {
            return Err(job);
        }
        // Only queued and not run, because a handler of this protocol may be running, and the
        // caller may hold borrows of its own.
        self.mailbox().jobs.push(job, cause);
        self.set_has_jobs(true);
        self.touch();
        Ok(())
    }

    /// Cancels `cancellable` when the owner closes, unless it has finished by then.
    fn cancel_on_close(&self, cancellable: Cancellable) {
        if self.status().is_closed() {
            return cancellable.cancel();
        }
        let crowded = self.status().with_cancel_set(|set| set.add(cancellable));
        let Some(crowded) = crowded else {
            return;
        };
        // `without_done` may run user code, so nothing is borrowed here.
        let kept = crowded.without_done();
        if self.status().is_closed() {
            // The owner has been closed, and its set was cancelled; members that were merged
            // now would never be cancelled.
            return kept.cancel();
        }
        self.status().with_cancel_set(|set| set.merge(kept));
    }

    // --- calling the protocol ---

    /// Calls `f` with the protocol, unless a handler is running further up the stack, or the owner
    /// is closed.
    fn try_with_open(&self, f: impl FnOnce(&mut Self::Open)) {
        if let Ok(mut open) = self.mailbox().open.try_borrow_mut()
            && let Some(open) = &mut *open
        {
            f(open);
        }
    }

    /// Calls a handler with the protocol and a context; a panic becomes a failure.
    #[inline(always)]
    fn guard<R>(
        &self,
        open: &mut Self::Open,
        handler: impl FnOnce(&mut Self::Protocol, &mut Self::Context<'_>) -> Result<R>,
    ) -> Result<R> {
        let called = Failure::catch(|| {
            let (protocol, mut cx) = self.split(open);
            handler(protocol, &mut cx)
        });
        called.flatten()
    }

    /// As [`guard`](Self::guard), and hands a failure to
    /// [`handler_failed`](Self::handler_failed).
    #[inline(always)]
    fn handle(
        &self,
        open: &mut Self::Open,
        handler: impl FnOnce(&mut Self::Protocol, &mut Self::Context<'_>) -> Result<()>,
    ) {
        if let Err(failure) = self.guard(open, handler) {
            self.handler_failed(failure);
        }
    }

    /// Runs the jobs that are in the mailbox now; jobs that they post wait for the next call.
    fn run_jobs(&self, open: &mut Self::Open) {
        run_waiting(self, open);
    }

    /// Drops the queued jobs, then the protocol. The owner is closed already, so these drops cannot
    /// post further jobs.
    fn discard(&self, open: Option<Self::Open>) {
        self.mailbox().jobs.discard();
        drop_contained("a protocol's drop", open);
    }

    /// Ends an owner with a [`PlainStatus`]: calls the protocol for the last time, and drops the
    /// protocol and the queued jobs.
    fn close_with(
        &self,
        status: &PlainStatus,
        last: impl FnOnce(&mut Self::Protocol, &mut Self::Context<'_>),
    ) {
        // Set first, because everything below runs user code, which must find the owner closed.
        status.is_closed.set(true);
        self.try_with_open(|open| {
            self.handle(open, |protocol, cx| {
                last(protocol, cx);
                Ok(())
            });
        });
        // This runs user code, so the set is taken out of its cell.
        status.cancel_on_close.take().cancel();
        let open = self.mailbox().open.take();
        self.discard(open);
    }

    // --- what contexts offer ---

    /// See `Context::when`.
    fn when<T, F, H>(&self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut Self::Protocol, &mut Self::Context<'_>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.wait_for(deferred, f, |_failure| false);
    }

    /// See `Context::when_or_cancel`.
    fn when_or_cancel<T, F, H>(&self, mut deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut Self::Protocol, &mut Self::Context<'_>, Result<T>) -> H + 'static,
        H: Handled,
    {
        let handle = deferred.handle();
        self.wait_for(deferred, f, |failure| failure.is::<Cancelled>());
        self.cancel_on_close(Cancellable::Wait(handle));
    }

    /// As `when`, but a failure that arrives when the owner is closed is not reported as unhandled
    /// if `is_expected` returns `true` for it.
    fn wait_for<T, F, H>(
        &self,
        deferred: Deferred<T>,
        f: F,
        is_expected: impl FnOnce(&Failure) -> bool + 'static,
    ) where
        T: 'static,
        F: FnOnce(&mut Self::Protocol, &mut Self::Context<'_>, Result<T>) -> H + 'static,
        H: Handled,
    {
        let (owner, cause) = (self.mailbox().weak(), self.cause());
        deferred
            .add_both(move |outcome| {
                // Weak, because the Deferred may outlive the owner, and must not keep it alive.
                let owner = owner.upgrade();
                let is_closed = owner.as_ref().is_none_or(|o| o.status().is_closed());
                let is_expected = outcome.as_ref().err().is_some_and(is_expected);
                // Put into a Deferred, so that a failure is reported as unhandled if the job is
                // dropped.
                let outcome = Deferred::from(outcome);
                if is_closed && is_expected {
                    outcome.ignore();
                    return;
                }
                let Some(owner) = owner else {
                    // There is no owner to post to. `detach` reports a failure as unhandled.
                    return outcome.detach();
                };
                let job = job_of::<Self>(move |protocol, cx| {
                    let Ok(outcome) = outcome.into_result() else {
                        unreachable!("it was made with its result");
                    };
                    f(protocol, cx, outcome).into_result()
                });
                // `post` returns the job if the owner is closed; the drop of the job reports a
                // failure.
                drop(owner.post(job, cause));
            })
            .detach();
    }

    /// See `Context::call_later`.
    fn call_later<F, H>(&self, delay: Duration, f: F) -> DelayedCall
    where
        F: FnOnce(&mut Self::Protocol, &mut Self::Context<'_>) -> H + 'static,
        H: Handled,
    {
        let (owner, cause) = (self.mailbox().weak(), self.cause());
        let call = self.reactor().call_later(delay, move || {
            if let Some(owner) = owner.upgrade() {
                let job = job_of::<Self>(|protocol, cx| f(protocol, cx).into_result());
                // `post` returns the job if the owner is closed; then it is dropped.
                drop(owner.post(job, cause));
            }
        });
        self.cancel_on_close(Cancellable::Call(call.clone()));
        call
    }

    /// See `Context::call_every`.
    #[track_caller]
    fn call_every<F, H>(&self, interval: Duration, f: F) -> LoopingCall
    where
        F: FnMut(&mut Self::Protocol, &mut Self::Context<'_>) -> H + 'static,
        H: Handled,
    {
        let (owner, cause) = (self.mailbox().weak(), self.cause());
        // `f` is taken out of the cell while it runs, so that the cell is not borrowed then.
        let place = Rc::new(RefCell::new(Some(f)));
        let looping = LoopingCall::with_loop(move |looping| {
            let (place, looping) = (Rc::clone(&place), looping.clone());
            let Some(owner) = owner.upgrade() else {
                return;
            };
            let job = job_of::<Self>(move |protocol, cx| {
                let taken = place.take();
                let Some(mut f) = taken else {
                    return Ok(());
                };
                // A job that was posted before the loop was stopped does nothing.
                if !looping.is_running() {
                    return Ok(());
                }
                let handled = f(protocol, cx).into_result();
                place.replace(Some(f));
                handled
            });
            // `post` returns the job if the owner is closed; then it is dropped.
            drop(owner.post(job, cause));
        });
        match looping.start_later(self.reactor(), interval) {
            // The Deferred fails only if the clock is gone, which is the end of the owner, too.
            Ok(stopped) => stopped.ignore(),
            Err(_running) => unreachable!("the loop was just made"),
        }
        self.cancel_on_close(Cancellable::Loop(looping.clone()));
        looping
    }
}

/// A job of an `O`, which calls `f` with its protocol.
pub(crate) fn job_of<O: MailboxOwner>(
    f: impl FnOnce(&mut O::Protocol, &mut O::Context<'_>) -> Result<()> + 'static,
) -> Job {
    Box::new(move |owner, open| {
        let (Some(owner), Some(open)) = (owner.downcast_ref::<O>(), open.downcast_mut::<O::Open>())
        else {
            unreachable!("a job is posted to an owner of its type");
        };
        let (protocol, mut cx) = owner.split(open);
        f(protocol, &mut cx)
    })
}

/// The protocol of an owner, and its jobs.
pub(crate) struct Mailbox<O: MailboxOwner> {
    me: Weak<O>,
    /// Borrowed while a handler runs. `None` before the owner is open, and once it is closed.
    pub(crate) open: RefCell<Option<O::Open>>,
    pub(crate) jobs: Jobs,
}

impl<O: MailboxOwner> Mailbox<O> {
    pub(crate) fn new(me: &Weak<O>, open: Option<O::Open>) -> Self {
        Self {
            me: Weak::clone(me),
            open: RefCell::new(open),
            jobs: Jobs::default(),
        }
    }

    pub(crate) fn weak(&self) -> Weak<O> {
        Weak::clone(&self.me)
    }

    /// Whether a handler is running, further up the stack.
    pub(crate) fn is_busy(&self) -> bool {
        self.open.try_borrow_mut().is_err()
    }
}
