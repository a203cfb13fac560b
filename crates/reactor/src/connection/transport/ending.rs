//! How a connection ends: in one direction, when all is sent, or at once.

use deferred::Failure;

use super::{Io, Transport};
use crate::connection::flags::Flags;
use crate::connection::linger::Linger;
use crate::core::call;
use crate::error::ConnectionClosed;
use crate::wire::Wire;

/// How a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connection) enum Close {
    /// What was sent is to arrive.
    InOrder,
    /// There is nothing to wait for.
    AtOnce,
    /// What was sent is to be forgotten.
    Reset,
}

impl Transport {
    /// Ends writing when everything is sent; reading goes on.
    pub(in crate::connection) fn lose_write(&self) {
        if !self.flags.has_any(Flags::FINISHED) {
            self.flags.set(Flags::FINISHING);
        }
    }

    /// Ends writing, if the time has come for it; says whether it has.
    #[inline]
    pub(in crate::connection) fn finish_writing(&self) -> bool {
        let flags = self.flags.get();
        if !flags.has_any(Flags::FINISHING)
            || flags.has_any(Flags::CLOSING.and(Flags::HAS_PRODUCER))
            || self.waiting() > 0
        {
            return false;
        }
        self.flags.clear(Flags::FINISHING);
        self.flags.set(Flags::FINISHED);
        let finished = match &self.io.borrow().wire {
            Some(wire) => wire.finish_writing(),
            None => Ok(()),
        };
        if let Err(error) = finished {
            self.abort(ConnectionClosed::Lost(error));
        }
        true
    }

    /// Ends the connection when everything is sent.
    pub(in crate::connection) fn lose(&self) {
        if self.is_open() {
            self.reason.replace(Some(ConnectionClosed::Done));
            self.flags.set(Flags::LOSING);
        }
    }

    /// The same, because of `failure`.
    pub(in crate::connection) fn fail(&self, failure: Failure) {
        let is_in_order = matches!(*self.reason.borrow(), None | Some(ConnectionClosed::Done));
        if is_in_order && !self.flags.has_any(Flags::ENDING.and(Flags::OVER)) {
            self.reason.replace(Some(ConnectionClosed::Failed(failure)));
            self.flags.set(Flags::LOSING);
        } else {
            call("the drop of a failure", || drop(failure));
        }
    }

    /// Whether it ends without waiting for anybody.
    pub(in crate::connection) fn has_failed(&self) -> bool {
        self.flags.has_any(Flags::ENDING)
            || matches!(*self.reason.borrow(), Some(ConnectionClosed::Failed(_)))
    }

    /// Ends the connection at the next opportunity; what waits is not sent.
    pub(in crate::connection) fn abort(&self, reason: ConnectionClosed) {
        if self.flags.has_any(Flags::ENDING.and(Flags::OVER)) {
            return;
        }
        let mut first = self.reason.borrow_mut();
        // The first failure is the reason, whatever came of it.
        if !matches!(*first, Some(ConnectionClosed::Failed(_))) {
            *first = Some(reason);
        }
        self.flags.set(Flags::ENDING);
    }

    /// If the time has come to end: the reason, once.
    #[inline]
    pub(in crate::connection) fn end(&self) -> Option<ConnectionClosed> {
        if self.is_alive() || self.is_over() {
            return None;
        }
        self.flags.set(Flags::OVER);
        let reason = self.reason.take();
        // Otherwise both sides have finished.
        Some(reason.unwrap_or(ConnectionClosed::Done))
    }

    /// Closes the socket: in order, when the peer has finished sending too, or with
    /// a reset.
    pub(in crate::connection) fn close(&self, how: Close) {
        let Io { wire, out } = self.io.take();
        out.discard(&self.core);
        drop(self.received_descriptors.take());
        let Some(wire) = wire else {
            return;
        };
        let lingers = how == Close::InOrder && !self.is_at_end() && !self.core.is_gone();
        let wire = match wire {
            Wire::Socket(registration) | Wire::Unix(registration) if lingers => {
                return Linger::start(&self.core, registration);
            }
            wire => wire,
        };
        if how == Close::Reset {
            wire.reset();
        }
        for &key in &self.keys {
            drop(self.core.registry.remove(key));
        }
    }
}
