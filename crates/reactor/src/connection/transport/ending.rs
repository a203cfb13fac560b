//! How a connection ends: in one direction, when all is sent, or at once.

use std::io;

use deferred::Failure;

use super::{Io, Transport};
use crate::connection::flags::Flags;
use crate::connection::linger::{self, Linger};
use crate::error::ConnectionClosed;
use crate::panics::contain;
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
            self.lose_to(error);
        }
        true
    }

    /// Ends the connection when everything is sent.
    pub(in crate::connection) fn lose(&self) {
        if self.is_open() {
            // A broken one has its reason already.
            self.reason
                .borrow_mut()
                .get_or_insert(ConnectionClosed::Done);
            self.flags.set(Flags::LOSING);
        }
    }

    /// The same, because of `failure`.
    pub(in crate::connection) fn fail(&self, failure: Failure) {
        let is_in_order = matches!(*self.reason.borrow(), None | Some(ConnectionClosed::Done));
        if is_in_order && !self.flags.has_any(Flags::ENDING.and(Flags::OVER)) {
            self.reason.replace(Some(ConnectionClosed::Failed(failure)));
        } else {
            contain("the drop of a failure", || drop(failure));
        }
        self.flags.set(Flags::LOSING);
    }

    /// Whether it ends without waiting for anybody.
    pub(in crate::connection) fn has_failed(&self) -> bool {
        self.flags.has_any(Flags::ENDING.and(Flags::BROKEN))
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

    /// Sending has failed with `error`: forgets what waits. What has arrived is still
    /// delivered, unless the connection is closing anyway; then it is lost.
    #[cold]
    pub(super) fn break_off(&self, io: &mut Io, error: io::Error) {
        let flags = self.flags.get();
        if flags.has_any(Flags::ENDING.and(Flags::OVER).and(Flags::BROKEN)) {
            return;
        }
        std::mem::take(&mut io.out).discard(&self.core);
        let was_writing = Flags::HAS_OUTPUT.and(Flags::STUCK).and(Flags::HELD_BACK);
        self.flags.clear(was_writing.and(Flags::FINISHING));
        self.flags.set(Flags::BROKEN);
        let mut reason = self.reason.borrow_mut();
        if !matches!(*reason, Some(ConnectionClosed::Failed(_))) {
            *reason = Some(ConnectionClosed::Lost(error));
        }
    }

    /// The same, for what was found out otherwise than by sending.
    pub(in crate::connection) fn lose_to(&self, error: io::Error) {
        self.break_off(&mut self.io.borrow_mut(), error);
    }

    /// Whether nothing will be sent any more, although there may be something to send.
    pub(in crate::connection) fn is_cut_off(&self) -> bool {
        let flags = self.flags.get();
        flags.has_any(Flags::BROKEN.and(Flags::ENDING).and(Flags::OVER))
    }

    /// Whether sending has failed, and what has arrived is to be looked at before the end.
    pub(in crate::connection) fn is_broken(&self) -> bool {
        let flags = self.flags.get();
        flags.has_any(Flags::BROKEN) && !flags.has_any(Flags::ENDING.and(Flags::OVER))
    }

    /// Ends a broken connection at the next opportunity, with the reason that it has.
    pub(in crate::connection) fn end_broken(&self) {
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
        if let Wire::Memory(socket) = &wire
            && lingers
        {
            socket.linger(linger::BYTES);
        }
        if how == Close::Reset {
            wire.reset();
        }
        for &key in &self.keys {
            drop(self.core.registry.remove(key));
        }
    }
}
