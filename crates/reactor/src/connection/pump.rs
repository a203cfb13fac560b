//! `pump`: forwards the bytes of one connection to another.

use std::cell::Cell;
use std::rc::{Rc, Weak};

use deferred::{Deferred, Trigger, fail};

use super::cold::{Pump, Until};
use super::flags::Flags;
use super::handle::Connection;
use super::protocol::Protocol;
use super::source::ConnectionSource;
use crate::error::{ConnectionClosed, Gone};
use crate::mailbox::MailboxOwner;

/// Sends what comes from `reader` to `writer`, as it comes.
///
/// From now on it goes past the protocol of `reader`: its framing, `received` and
/// `read_closed`. What was read but not delivered goes first. While more waits to be
/// sent to `writer` than its high-water mark allows, `reader` is not read from. When
/// `reader` has finished sending, so has `writer`; each connection ends when it was
/// ended in both directions.
///
/// The Deferred fires with the number of bytes, when all of them were sent. It fails
/// if one of the two is over before, and then ends the other one, too. Cancelling it, as a
/// timeout does, aborts both.
///
/// # Examples
///
/// What a proxy does, once it has both connections:
///
/// ```
/// use deferred::{Deferred, gather_results};
/// use reactor::{Connection, Protocol, pump};
///
/// fn join<A: Protocol, B: Protocol>(
///     client: &Connection<A>,
///     server: &Connection<B>,
/// ) -> Deferred<Vec<u64>> {
///     gather_results([pump(client, server), pump(server, client)])
/// }
/// ```
pub fn pump<A: Protocol, B: Protocol>(
    reader: &Connection<A>,
    writer: &Connection<B>,
) -> Deferred<u64> {
    let (Ok(source), Ok(sink)) = (reader.source(), writer.source()) else {
        return fail(Gone);
    };
    let ends = (reader.clone(), writer.clone());
    let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
        ends.0.abort();
        ends.1.abort();
    });
    let pumping = Rc::new(Pumping {
        source: Rc::downgrade(&source),
        sink: Rc::downgrade(&sink),
        trigger,
        pumped: Cell::new(0),
        is_waiting: Cell::new(false),
        is_closed: Cell::new(false),
    });
    let told: Weak<dyn Pump> = {
        let weak: Weak<Pumping<A, B>> = Rc::downgrade(&pumping);
        weak
    };
    sink.with_cold(|cold| cold.pumped_from = Some(told));
    let pump: Rc<dyn Pump> = pumping;
    source.with_cold(|cold| cold.pump = Some(Rc::clone(&pump)));
    if source.transport.has_read_eof() {
        pump.finish();
    } else if !source.rest.borrow().is_empty() {
        source.transport.flags.set(Flags::HAS_UNDECODED);
    }
    source.touch();
    deferred
}

struct Pumping<A: Protocol, B: Protocol> {
    source: Weak<ConnectionSource<A>>,
    sink: Weak<ConnectionSource<B>>,
    trigger: Trigger<u64>,
    pumped: Cell<u64>,
    /// The source is not read from.
    is_waiting: Cell<bool>,
    is_closed: Cell<bool>,
}

impl<A: Protocol, B: Protocol> Pumping<A, B> {
    /// Does not read from the source until the sink has room.
    fn wait(&self, sink: &ConnectionSource<B>) {
        let Some(source) = self.source.upgrade() else {
            return;
        };
        self.is_waiting.set(true);
        source.transport.pause();
        let me = source
            .cold
            .look(|cold| cold.pump.as_ref().map(Rc::downgrade));
        let go_on = move |_| {
            if let Some(pumping) = me.and_then(|me| me.upgrade()) {
                pumping.go_on();
            }
        };
        sink.wait_until(Until::Ready).add_both(go_on).ignore();
    }
}

impl<A: Protocol, B: Protocol> Pump for Pumping<A, B> {
    fn forward(&self, bytes: &[u8]) {
        let Some(sink) = self.sink.upgrade() else {
            return;
        };
        // Not an answer to input of the sink, which may be the answer to these bytes.
        sink.transport.unprompted(|| sink.write(bytes));
        self.pumped.set(self.pumped.get() + bytes.len() as u64);
        if sink.transport.can_flush() {
            sink.transport.flush();
        }
        if sink.transport.waiting() > sink.transport.limits().high_water && !self.is_waiting.get() {
            self.wait(&sink);
        }
        // The sink's producer or waiters may have to be run.
        sink.touch();
    }

    fn go_on(&self) {
        self.end_pause();
        if let Some(source) = self.source.upgrade() {
            source.touch();
        }
    }

    fn end_pause(&self) {
        if let Some(source) = self.source.upgrade()
            && self.is_waiting.replace(false)
        {
            source.transport.resume();
        }
    }

    fn finish(&self) {
        if self.is_closed.replace(true) {
            return;
        }
        let Some(sink) = self.sink.upgrade() else {
            return;
        };
        sink.transport.lose_write();
        let (trigger, pumped) = (self.trigger.clone(), self.pumped.get());
        sink.wait_until(Until::Drained)
            .add_both(move |drained| {
                // Errs if the Deferred was cancelled; then there is nothing to fire.
                let _ = trigger.fire(drained.map(|()| pumped));
            })
            .ignore();
        sink.touch();
    }

    fn broken(&self, reason: &ConnectionClosed) {
        if self.is_closed.replace(true) {
            return;
        }
        // A stop of the reactor ends both for the same reason.
        let because = match reason {
            ConnectionClosed::ReactorStopped => ConnectionClosed::ReactorStopped,
            _ => ConnectionClosed::Done,
        };
        if let Some(source) = self.source.upgrade() {
            source.transport.lose_because(because.clone());
            source.touch();
        }
        if let Some(sink) = self.sink.upgrade() {
            sink.transport.lose_because(because);
            sink.touch();
        }
        let _ = self.trigger.errback(reason.clone());
    }
}

impl<P: Protocol> ConnectionSource<P> {
    /// Gives `bytes` to the pump of this connection, if there is one.
    pub(super) fn pump(&self, bytes: &[u8]) -> bool {
        let Some(pump) = self.cold.look(|cold| cold.pump.clone()) else {
            return false;
        };
        if !bytes.is_empty() {
            pump.forward(bytes);
        }
        true
    }

    /// Ends the pump of this connection, since the peer has finished, if there is one.
    pub(super) fn end_pump(&self) -> bool {
        let Some(pump) = self.cold.look(|cold| cold.pump.clone()) else {
            return false;
        };
        pump.finish();
        true
    }
}
