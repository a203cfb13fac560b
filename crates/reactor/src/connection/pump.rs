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
/// Several readers may be pumped to one writer. A reader has one pump: a later one takes its
/// place, and the Deferred of the earlier one fails with [`Abandoned`](deferred::Abandoned).
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
        // Weak: the source owns the pump, and the sink must be able to end before it.
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
    sink.with_cold(|cold| {
        // Those that were replaced are dropped, so that a writer of many readers does not keep
        // a reference to each.
        cold.pumped_from
            .retain(|earlier| earlier.strong_count() > 0);
        cold.pumped_from.push(told);
    });
    let pump: Rc<dyn Pump> = pumping;
    let replaced = source.with_cold(|cold| cold.pump.replace(Rc::clone(&pump)));
    if let Some(replaced) = replaced {
        // Nothing would end its pause any more: the callback that does refers to it weakly.
        replaced.end_pause();
        // Here and not inside of `with_cold`: the drop abandons its trigger, and so may run
        // callbacks that use this connection.
        drop(replaced);
    }
    if source.transport.has_read_eof() {
        // `end_of_reading`, which tells a pump otherwise, is called once for a connection.
        pump.finish();
    } else if !source.rest.borrow().is_empty() {
        // Has the next run go through the rest again: `deliver` gives it to the pump.
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
    /// This pump has paused the source: set in `wait`, cleared in `end_pause`. So it takes back
    /// its own pause once, and none of the program's.
    is_waiting: Cell<bool>,
    /// The Deferred has its result, or `finish` has begun to wait for it. Set by `finish` and by
    /// `broken`, never cleared: of the two, only the first has an effect.
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
        // By way of the source, which owns the pump: the waiter in the sink must not keep a pump
        // that was replaced, or whose source is over.
        let me = source
            .cold
            .look(|cold| cold.pump.as_ref().map(Rc::downgrade));
        let go_on = move |_| {
            if let Some(pumping) = me.and_then(|me| me.upgrade()) {
                pumping.go_on();
            }
        };
        // A failure (the sink is over) resumes the source, too: `broken` ends it.
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
        // At once, so that a fast reader with a fast writer is not paused for what the system
        // would have taken.
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
        // Only the one direction: the answer may come the other way, by another pump.
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
        // One of the two is closed already, and keeps its own reason.
        if let Some(source) = self.source.upgrade() {
            source.transport.lose_because(because.clone());
            source.touch();
        }
        if let Some(sink) = self.sink.upgrade() {
            sink.transport.lose_because(because);
            sink.touch();
        }
        // Errs if the Deferred was cancelled, which is what has ended the connection then.
        let _ = self.trigger.errback(reason.clone());
    }
}

impl<P: Protocol> ConnectionSource<P> {
    /// Gives `bytes` to the pump of this connection, if there is one.
    pub(super) fn pump(&self, bytes: &[u8]) -> bool {
        let Some(pump) = self.cold.look(|cold| cold.pump.clone()) else {
            return false;
        };
        // The pump is a clone, so that no borrow is held: it writes, and that may close this
        // connection.
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
