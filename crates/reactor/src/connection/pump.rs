//! `pump`: forwards the bytes of one connection to another.

use std::cell::Cell;
use std::rc::{Rc, Weak};

use deferred::{Deferred, Trigger, fail};

use super::any_source::AnySource;
use super::base::Base;
use super::cold::{Pump, Until};
use super::flags::Flags;
use super::handle::Connection;
use super::protocol::Protocol;
use crate::error::{ConnectionClosed, Gone};

/// Writes the input of `reader` to `writer` as it arrives.
///
/// From now on, the protocol of `reader` gets no input: neither its framing nor `received` nor
/// `read_closed` is called. Input that was read and not delivered is written first. While more
/// output of `writer` waits than its high-water mark allows, `reader` is not read. When the peer of
/// `reader` has finished sending, the output of `writer` ends, too; each connection closes when
/// both of its directions have ended.
///
/// The Deferred fires with the number of forwarded bytes when all of them were sent. If one of the
/// two connections ends before, the Deferred fails, and the other connection is closed, too. A
/// cancel of the Deferred, as by a timeout, aborts both.
///
/// Several readers may be pumped to one writer. A reader has at most one pump: a later pump
/// replaces it, and the Deferred of the earlier pump fails with [`Abandoned`](deferred::Abandoned).
///
/// # Examples
///
/// A proxy that has both connections:
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
    start(&(source as Rc<dyn AnySource>), &(sink as Rc<dyn AnySource>))
}

fn start(source: &Rc<dyn AnySource>, sink: &Rc<dyn AnySource>) -> Deferred<u64> {
    let ends = [source, sink].map(|end| {
        end.weakly(|source| {
            source.transport().abort(ConnectionClosed::Aborted);
            source.touch();
        })
    });
    let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
        for abort in ends {
            abort();
        }
    });
    let pump: Rc<dyn Pump> = Rc::new(Pumping {
        // Both are weak, because the source owns the pump, and the sink may end before the pump.
        source: Rc::downgrade(source),
        sink: Rc::downgrade(sink),
        trigger,
        pumped: Cell::new(0),
        is_waiting: Cell::new(false),
        is_closed: Cell::new(false),
    });
    let told = Rc::downgrade(&pump);
    sink.base().with_cold(|cold| {
        // Removes pumps that are gone, so that a writer to which many readers are pumped, one after
        // the other, does not keep a reference to each.
        cold.pumped_from
            .retain(|earlier| earlier.strong_count() > 0);
        cold.pumped_from.push(told);
    });
    let replaced = source
        .base()
        .with_cold(|cold| cold.pump.replace(Rc::clone(&pump)));
    if let Some(replaced) = replaced {
        // The callback that would end the pause of the replaced pump refers to that pump weakly,
        // and does nothing once it is dropped. So its pause ends here.
        replaced.end_pause();
        // Dropped here and not inside of `with_cold`, because the drop abandons its trigger, which
        // may run callbacks that use this connection.
        drop(replaced);
    }
    if source.transport().has_read_eof() {
        // `end_of_reading` was called already, without this pump, and is called only once.
        pump.finish();
    } else if !source.base().rest.borrow().is_empty() {
        // With this flag, the next run of the connection decodes the kept input again, and
        // `deliver` gives it to the pump.
        source.transport().flags.set(Flags::HAS_UNDECODED);
    }
    source.touch();
    deferred
}

struct Pumping {
    source: Weak<dyn AnySource>,
    sink: Weak<dyn AnySource>,
    trigger: Trigger<u64>,
    pumped: Cell<u64>,
    /// This pump has paused the source: set in `wait`, cleared in `end_pause`. So the pump resumes
    /// reading once for its own pause, and does not end a `pause_reading` of the program.
    is_waiting: Cell<bool>,
    /// `finish` or `broken` was called. Never cleared: only the first of these calls has an effect.
    is_closed: Cell<bool>,
}

impl Pumping {
    /// Pauses the source until the sink has room.
    fn wait(&self, sink: &(dyn AnySource + 'static)) {
        let Some(source) = self.source.upgrade() else {
            return;
        };
        self.is_waiting.set(true);
        source.transport().pause();
        // A weak reference to the pump: the waiter in the sink must not keep a pump that was
        // replaced, or whose source is over. The source, which owns the pump, gives it.
        let me = source
            .base()
            .cold
            .look(|cold| cold.pump.as_ref().map(Rc::downgrade));
        let go_on = move |_| {
            if let Some(pump) = me.and_then(|me| me.upgrade()) {
                pump.go_on();
            }
        };
        // `add_both`: if the sink is over, the source is resumed as well, and `broken` closes it.
        sink.base()
            .wait_until(Until::Ready)
            .add_both(go_on)
            .ignore();
    }
}

impl Pump for Pumping {
    fn forward(&self, bytes: &[u8]) {
        let Some(sink) = self.sink.upgrade() else {
            return;
        };
        // Written as unprompted output, because it does not answer input of the sink; that input
        // may be the answer to these bytes.
        let unprompted = sink.transport().unprompted();
        sink.base().write(bytes);
        drop(unprompted);
        self.pumped.set(self.pumped.get() + bytes.len() as u64);
        // Flushed at once, so that the reader is not paused because of bytes that the system would
        // take now.
        if sink.transport().can_flush() {
            sink.transport().flush();
        }
        if sink.transport().waiting() > sink.transport().limits().high_water
            && !self.is_waiting.get()
        {
            self.wait(&*sink);
        }
        // Has the loop run the sink's producer and waiters, if they are due.
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
            source.transport().resume();
        }
    }

    fn finish(&self) {
        if self.is_closed.replace(true) {
            return;
        }
        let Some(sink) = self.sink.upgrade() else {
            return;
        };
        // Closes only the sending direction, because another pump may forward the answer in the
        // other direction.
        sink.transport().lose_write();
        let (trigger, pumped) = (self.trigger.clone(), self.pumped.get());
        sink.base()
            .wait_until(Until::Drained)
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
        // If the reactor has stopped, both connections end for that reason.
        let because = match reason {
            ConnectionClosed::ReactorStopped => ConnectionClosed::ReactorStopped,
            _ => ConnectionClosed::Done,
        };
        // One of the two is closed already, and keeps its own reason.
        if let Some(source) = self.source.upgrade() {
            source.transport().lose_because(because.clone());
            source.touch();
        }
        if let Some(sink) = self.sink.upgrade() {
            sink.transport().lose_because(because);
            sink.touch();
        }
        // Errs if the Deferred was cancelled; then its canceller has ended the connections.
        let _ = self.trigger.errback(reason.clone());
    }
}

impl Base {
    /// Gives `bytes` to the pump of this connection. Returns whether there is one.
    pub(super) fn pump(&self, bytes: &[u8]) -> bool {
        let Some(pump) = self.cold.look(|cold| cold.pump.clone()) else {
            return false;
        };
        // The `Rc` is cloned, so that the cell is not borrowed during the call, which writes and
        // may close this connection.
        if !bytes.is_empty() {
            pump.forward(bytes);
        }
        true
    }

    /// Ends the pump of this connection, because the peer has finished sending. Returns whether
    /// there is a pump.
    pub(super) fn end_pump(&self) -> bool {
        let Some(pump) = self.cold.look(|cold| cold.pump.clone()) else {
            return false;
        };
        pump.finish();
        true
    }
}
