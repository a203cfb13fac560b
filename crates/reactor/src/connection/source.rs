//! Event source of a connection: calls the handlers of its protocol.
//!
//! ```text
//!  start ──▶ connection_made ──▶ received* ──▶ read_closed? ──▶ connection_lost
//!                  after each of them: the jobs that wait for the protocol
//! ```
//!
//! Handlers are called from the loop only: when the socket is ready, and in
//! [`Runnable::run_pending`] when other code gave the connection work. So no handler runs while
//! another one has borrowed the protocol, and the stack does not grow with the number of
//! connections that talk to one another.
//!
//! Here is what depends on the protocol's type; the rest is in [`Base`] and [`AnySource`].

use std::rc::{Rc, Weak};

use deferred::{Failure, Result};

use super::any_source::{AnySource, Call};
use super::base::Base;
use super::context::Context;
use super::flags::Flags;
use super::protocol::Protocol;
use super::transport::Transport;
use crate::cancel_on_close::CancelSet;
use crate::core::{Core, Runnable};
use crate::error::Gone;
use crate::handle::ReactorHandle;
use crate::mailbox::{self, Cause, JobOwner, Jobs, Mailbox, MailboxOwner, MailboxStatus};
use crate::poll::Ready;
use crate::registry::{EventSource, ListedConnection};

/// One connection in the loop.
pub(crate) struct ConnectionSource<P: Protocol> {
    pub(super) base: Base,
    pub(super) mailbox: Mailbox<Self>,
}

/// The values of the user's types that a connection owns until it is over.
pub(crate) struct Open<P: Protocol> {
    pub(super) protocol: P,
    /// `None` until the connection begins, and if `Protocol::framing` has panicked.
    pub(super) framing: Option<P::Framing>,
}

impl<P: Protocol> ConnectionSource<P> {
    /// Takes a function for the transport, so that this large value is made in its place and not
    /// moved there.
    #[inline(always)]
    pub(super) fn new(core: &Rc<Core>, transport: impl FnOnce() -> Transport) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            base: Base::new(core, transport),
            mailbox: Mailbox::new(me, None),
        })
    }

    #[inline]
    pub(super) fn transport(&self) -> &Transport {
        &self.base.transport
    }

    /// The connection without the type of its protocol.
    #[inline]
    pub(crate) fn any(&self) -> &(dyn AnySource + 'static) {
        self
    }

    // --- calling the protocol ---

    #[inline(always)]
    pub(super) fn guard_alone<R>(
        &self,
        open: &mut Open<P>,
        handler: impl FnOnce(&mut P, &mut Context<'_, P>) -> Result<R>,
    ) -> Result<R> {
        let Open { protocol, framing } = open;
        Failure::catch(|| handler(protocol, &mut Context::new(self, framing))).flatten()
    }
}

impl<P: Protocol> AnySource for ConnectionSource<P> {
    fn base(&self) -> &Base {
        &self.base
    }

    fn weak(&self) -> Weak<dyn AnySource> {
        self.mailbox.weak()
    }

    fn protocol(&self) -> &'static str {
        std::any::type_name::<P>()
    }

    fn call(&self, call: Call) -> Result<()> {
        let Some(open) = &mut *self.mailbox.open.borrow_mut() else {
            return Ok(());
        };
        // One closure for all handlers, because each closure that catches panics is compiled for
        // each protocol.
        let _span = self.base.enter_span();
        self.guard_alone(open, |protocol, cx| match call {
            Call::Framing => {
                cx.replace_framing(protocol.framing());
                Ok(())
            }
            Call::Made => protocol.connection_made(cx),
            Call::Descriptor(descriptor) => protocol.descriptor_received(cx, descriptor),
            Call::ReadClosed => protocol.read_closed(cx),
            Call::WriteClosed => protocol.write_closed(cx),
            Call::Lost(reason) => {
                protocol.connection_lost(cx, reason);
                Ok(())
            }
        })
    }

    fn settle_now(&self) {
        Self::settle_now(self);
    }

    fn take_in(&self, bytes: &[u8]) {
        self.decode(bytes);
    }

    fn deliver_rest(&self) {
        self.decode_rest();
    }

    fn drop_protocol(&self) {
        let open = self.mailbox.open.take();
        self.discard(open);
    }
}

impl<P: Protocol> JobOwner for ConnectionSource<P> {
    fn jobs(&self) -> &Jobs {
        &self.mailbox.jobs
    }

    fn set_has_jobs(&self, has_jobs: bool) {
        self.transport().flags.set_to(Flags::HAS_JOBS, has_jobs);
    }

    fn run_as(&self, cause: Cause, job: &mut dyn FnMut()) {
        self.base.run_as(cause, job);
    }

    fn handler_failed(&self, failure: Failure) {
        self.any().handler_failed(failure);
    }
}

impl<P: Protocol> MailboxOwner for ConnectionSource<P> {
    type Protocol = P;
    type Open = Open<P>;
    type Context<'a> = Context<'a, P>;
    type Closed = Gone;
    type Status = Self;

    #[inline]
    fn mailbox(&self) -> &Mailbox<Self> {
        &self.mailbox
    }

    #[inline]
    fn status(&self) -> &Self {
        self
    }

    #[inline]
    fn reactor(&self) -> &ReactorHandle {
        &self.base.reactor
    }

    #[inline]
    fn split<'a>(&'a self, open: &'a mut Open<P>) -> (&'a mut P, Context<'a, P>) {
        (&mut open.protocol, Context::new(self, &mut open.framing))
    }

    fn closed_error() -> Gone {
        Gone
    }

    /// `Input` while a handler of input runs, or a job that such a handler has caused.
    fn cause(&self) -> Cause {
        if self.mailbox.is_busy() && !self.transport().flags.has_any(Flags::UNPROMPTED) {
            Cause::Input
        } else {
            Cause::Other
        }
    }

    fn touch(&self) {
        self.any().touch();
    }

    #[inline(always)]
    fn guard<R>(
        &self,
        open: &mut Open<P>,
        handler: impl FnOnce(&mut P, &mut Context<'_, P>) -> Result<R>,
    ) -> Result<R> {
        let _span = self.base.enter_span();
        self.guard_alone(open, handler)
    }

    #[inline]
    fn run_jobs(&self, open: &mut Open<P>) {
        if self.transport().flags.has_any(Flags::HAS_JOBS) {
            mailbox::run_waiting(self, open);
        }
    }
}

/// The status of the mailbox is in the flags, so that the hot path tests it together with the other
/// flags.
impl<P: Protocol> MailboxStatus for ConnectionSource<P> {
    fn is_closed(&self) -> bool {
        self.transport().is_closed()
    }

    fn is_queued(&self) -> bool {
        self.transport().flags.has_any(Flags::IN_RUN_QUEUE)
    }

    fn set_queued(&self, is_queued: bool) {
        self.transport()
            .flags
            .set_to(Flags::IN_RUN_QUEUE, is_queued);
    }

    fn with_cancel_set<R>(&self, f: impl FnOnce(&mut CancelSet) -> R) -> R {
        self.base.with_cold(|cold| f(&mut cold.cancel_on_close))
    }
}

impl<P: Protocol> EventSource for ConnectionSource<P> {
    #[inline]
    fn ready(self: Rc<Self>, ready: Ready) {
        // The usual case: there is input, and nothing else to do. One comparison of `ready` and one
        // of the flags select this path.
        let stands_against = Flags::NOT_READING
            .union(Flags::WRITE_BLOCKED)
            .union(Flags::FILTERED);
        let is_ordinary =
            ready == Ready::READABLE && !self.transport().flags.has_any(stands_against);
        if is_ordinary || self.any().is_to_be_read(ready) {
            self.read();
        }
        self.settle_now();
    }

    fn begin_to_close(self: Rc<Self>) -> bool {
        self.any().close_because_of_stop()
    }

    fn as_connection(self: Rc<Self>) -> Option<Rc<dyn ListedConnection>> {
        Some(self)
    }

    fn shut_down(self: Rc<Self>) {
        self.any().end_because_of_stop();
    }
}

impl<P: Protocol> Runnable for ConnectionSource<P> {
    fn run_pending(self: Rc<Self>) {
        self.transport().flags.clear(Flags::IN_RUN_QUEUE);
        self.settle_now();
    }
}
