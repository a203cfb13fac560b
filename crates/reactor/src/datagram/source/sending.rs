//! Sending of datagrams: at once, or when the system has room.

use deferred::DelayedCall;
use rustix::io::Errno;

use super::DatagramSource;
use crate::datagram::address::sealed::Family;
use crate::datagram::error::DatagramError;
use crate::datagram::protocol::DatagramProtocol;
use crate::datagram::queue::{Datagram, WaitsFor};
use crate::mailbox::{Cause, MailboxOwner, job_of};

impl<P: DatagramProtocol> DatagramSource<P> {
    pub(in crate::datagram) fn send(
        &self,
        bytes: &[u8],
        to: Option<P::Address>,
    ) -> Result<(), DatagramError> {
        if !self.is_open() {
            return Err(DatagramError::PortClosed);
        }
        match &to {
            Some(to) if !self.local.borrow().can_reach(to) => {
                return Err(DatagramError::WrongFamily);
            }
            None if self.peer.borrow().is_none() => return Err(DatagramError::NotConnected),
            _ => {}
        }
        // Sent now only if the queue is empty, because a datagram must not overtake those in the
        // queue.
        if self.queue.borrow().is_empty() {
            match self.send_now(bytes, to.as_ref()) {
                Ok(()) => return Ok(()),
                Err(error) if is_full(error) => {}
                Err(error) => return Err(DatagramError::of(error, bytes.len())),
            }
        }
        let mut queue = self.queue.borrow_mut();
        if queue.is_full() {
            self.count_dropped(1);
            return Err(DatagramError::QueueFull);
        }
        // Changed only from `Nothing`: a queue in `Time` has found that the poller reports the
        // socket as writable although there is no room.
        if queue.waits_for == WaitsFor::Nothing {
            queue.waits_for = WaitsFor::Room;
        }
        let bytes = bytes.to_vec();
        queue.push(Datagram { bytes, to });
        drop(queue);
        // The loop then sets the interest.
        self.touch();
        Ok(())
    }

    fn send_now(&self, bytes: &[u8], to: Option<&P::Address>) -> Result<(), Errno> {
        // Repeated only once: a second refusal in a row is returned, so that this loop ends.
        let mut was_refused = !P::Address::IS_REFUSED_LATE;
        loop {
            let sent = self.with_socket(|socket| socket.send(bytes, to));
            match sent.unwrap_or(Err(Errno::BADF)) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(Errno::CONNREFUSED) if !was_refused => {
                    // The error reports the refusal of an earlier datagram: send this one again.
                    was_refused = true;
                    if self.peer.borrow().is_some() {
                        // `post` returns the job if the port is closed; then it is dropped.
                        drop(self.post(
                            job_of::<Self>(|protocol, cx| protocol.connection_refused(cx)),
                            Cause::Other,
                        ));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends the queued datagrams, until the system has no room.
    pub(super) fn flush(&self) {
        let mut has_sent = false;
        loop {
            let first = self.queue.borrow_mut().pop();
            let Some(datagram) = first else {
                self.queue.borrow_mut().waits_for = WaitsFor::Nothing;
                return;
            };
            match self.send_now(&datagram.bytes, datagram.to.as_ref()) {
                Ok(()) => {
                    has_sent = true;
                    self.queue.borrow_mut().progress();
                }
                Err(error) if is_full(error) => {
                    let mut queue = self.queue.borrow_mut();
                    queue.put_back(datagram);
                    // If a datagram was sent, the poller had reported room correctly, and will do
                    // so again. If none was sent, its report was false (a UNIX socket is writable
                    // although the buffer of its peer is full), so the next attempt is made after a
                    // delay instead.
                    queue.waits_for = if has_sent {
                        WaitsFor::Room
                    } else {
                        WaitsFor::Time
                    };
                    return;
                }
                Err(error) => {
                    self.count_dropped(1);
                    let error = DatagramError::of(error, datagram.bytes.len());
                    // `post` returns the job if the port is closed; then it is dropped.
                    drop(self.post(
                        job_of::<Self>(|protocol, cx| protocol.datagram_failed(cx, error)),
                        Cause::Other,
                    ));
                }
            }
        }
    }

    pub(super) fn retry_later(&self) {
        let mut retry = self.retry.borrow_mut();
        if retry.as_ref().is_some_and(DelayedCall::is_active) {
            return;
        }
        // Weak, because the source owns the timer.
        let me = self.mailbox.weak();
        let wait = self.queue.borrow_mut().wait();
        *retry = Some(self.reactor.call_later(wait, move || {
            if let Some(me) = me.upgrade() {
                me.flush();
                me.settle_now();
            }
        }));
    }

    pub(super) fn count_dropped(&self, count: usize) {
        // Exact: a `usize` has 64 bits at most.
        self.dropped.set(self.dropped.get() + count as u64);
    }
}

/// Whether the system has no room for a datagram now.
fn is_full(error: Errno) -> bool {
    // BSD systems and macOS return `ENOBUFS` if the interface's queue is full. They do not report
    // when it has room: the second attempt fails, too, and `WaitsFor::Time` follows.
    matches!(error, Errno::AGAIN | Errno::NOBUFS)
}
