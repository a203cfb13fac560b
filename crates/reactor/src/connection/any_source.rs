//! `AnySource`: a connection in the loop, whatever its protocol is.
//!
//! The steps that each message or each connection takes are generic, in
//! [`ConnectionSource`](super::source::ConnectionSource). The others are compiled once, as methods
//! of `dyn AnySource`: here, and in the modules `reading`, `settling`, `filtering`, `backpressure`,
//! `idle`, `progress`, `switching` and `duplex`.

use std::os::fd::OwnedFd;
use std::rc::Weak;

use deferred::{Failure, Result};

use super::base::Base;
use super::flags::Flags;
use super::transport::Transport;
use crate::core::Runnable;
use crate::error::ConnectionClosed;
use crate::registry::EventSource;
use crate::report::{Of, report};

/// What depends on the type of the protocol.
pub(crate) trait AnySource: EventSource + Runnable {
    fn base(&self) -> &Base;

    fn weak(&self) -> Weak<dyn AnySource>;

    /// The name of the protocol's type.
    fn protocol(&self) -> &'static str;

    /// Calls a handler in the connection's span; a panic becomes a failure. Does nothing if there
    /// is no protocol any more. Not to be called while a handler runs.
    ///
    /// # Errors
    ///
    /// The failure of the handler.
    fn call(&self, call: Call) -> Result<()>;

    /// Does all pending work of the connection: runs jobs, delivers frames that had to wait, sends,
    /// ends.
    fn settle_now(&self);

    /// Delivers the frames in the kept input and `bytes` after it; keeps what is left.
    fn take_in(&self, bytes: &[u8]);

    /// Decodes the kept input again.
    fn deliver_rest(&self);

    /// Drops the waiting jobs and the protocol. The connection is closed.
    fn drop_protocol(&self);
}

/// A call of the protocol, other than those that decoding makes.
pub(crate) enum Call {
    /// `framing`, whose result replaces the framing.
    Framing,
    /// `connection_made`.
    Made,
    /// `descriptor_received`.
    Descriptor(OwnedFd),
    /// `read_closed`.
    ReadClosed,
    /// `write_closed`.
    WriteClosed,
    /// `connection_lost`.
    Lost(ConnectionClosed),
}

impl dyn AnySource {
    pub(super) fn transport(&self) -> &Transport {
        &self.base().transport
    }

    /// Puts the connection into the run queue of the loop.
    pub(super) fn touch(&self) {
        let transport = self.transport();
        if !transport.flags.has_any(Flags::IN_RUN_QUEUE)
            && let Some(me) = self.weak().upgrade()
        {
            transport.flags.set(Flags::IN_RUN_QUEUE);
            transport.core().run_soon(me);
        }
    }

    /// As [`call`](AnySource::call); a failure ends the connection.
    pub(super) fn handle(&self, call: Call) {
        if let Err(failure) = self.call(call) {
            self.handler_failed(failure);
        }
    }

    /// Ends the connection because a handler has failed.
    #[cold]
    pub(super) fn handler_failed(&self, failure: Failure) {
        // A failure is reference-counted, so the reason of the close and the log share one.
        self.transport().fail(failure.clone());
        self.report(failure);
    }

    /// Logs a failure of the protocol.
    #[cold]
    pub(crate) fn report(&self, failure: Failure) {
        let base = self.base();
        let _span = base.enter_span();
        let of = Of::Connection(base.transport.peer());
        report(&of, Some(self.protocol()), failure);
    }

    /// A closure that calls `f` with the connection, unless that is gone by then: for timers and
    /// wakers that the connection owns.
    pub(super) fn weakly(&self, f: fn(&Self)) -> impl Fn() + use<> + 'static {
        let source: Weak<Self> = self.weak();
        move || {
            if let Some(source) = Weak::upgrade(&source) {
                f(&*source);
            }
        }
    }
}
