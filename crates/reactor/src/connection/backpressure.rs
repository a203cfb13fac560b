//! Not too much at once: producers, and waiting for room.

use deferred::{Deferred, Failure, fail, succeed};

use super::cold::{Until, end_producer};
use super::protocol::Protocol;
use super::source::ConnectionSource;
use crate::error::Gone;
use crate::panics::contain;
use crate::producer::{Consumer, Producer, ProducerError, Production};

/// How often a producer that is always faster than needed is asked before others
/// have their turn.
const PULLS_PER_TURN: usize = 16;

impl<P: Protocol> ConnectionSource<P> {
    /// Does what the state of what is to be sent asks for.
    pub(super) fn settle_flow(&self) {
        self.settle_producer();
        self.wake_waiters();
        self.watch_progress();
    }

    // --- producers ---

    pub(super) fn register_producer(&self, mut producer: Producer) -> Result<(), ProducerError> {
        let refused = if self.transport.has_producer() {
            Some(ProducerError::AlreadyRegistered)
        } else if !self.transport.takes_writes() {
            Some(ProducerError::Gone)
        } else {
            None
        };
        if let Some(why) = refused {
            contain("a producer", || producer.stop());
            return Err(why);
        }
        self.transport.set_has_producer(true);
        self.with_cold(|cold| {
            cold.producer = Some(producer);
            cold.producer_is_paused = false;
        });
        self.touch();
        Ok(())
    }

    pub(super) fn unregister_producer(&self) {
        if !self.transport.has_producer() {
            return;
        }
        self.transport.set_has_producer(false);
        let producer = self.cold.look(|cold| cold.producer.take());
        contain("a producer's drop", || drop(producer));
        self.touch();
    }

    /// Stops one that writes by itself: it is not waited for.
    pub(super) fn stop_push_producer(&self) {
        let is_push = |producer: &Producer| matches!(producer, Producer::Push(_));
        let stops = |producer: &Option<Producer>| producer.as_ref().is_some_and(is_push);
        if self.cold.look(|cold| Some(stops(&cold.producer))) == Some(true) {
            self.stop_producer();
        }
    }

    fn stop_producer(&self) {
        let producer = self.cold.look(|cold| cold.producer.take());
        self.transport.set_has_producer(false);
        if let Some(producer) = producer {
            end_producer(producer);
        }
    }

    fn settle_producer(&self) {
        if !self.transport.has_producer() {
            return;
        }
        if self.transport.has_failed() {
            return self.stop_producer();
        }
        // While one is called, it may be unregistered.
        let pull = self.cold.look(|cold| match cold.producer.take()? {
            Producer::Pull(pull) => Some(pull),
            push => {
                cold.producer = Some(push);
                None
            }
        });
        let Some(mut pull) = pull else {
            return self.settle_push_producer();
        };
        self.transport.unprompted(|| self.pull(&mut *pull));
        if self.transport.has_producer() {
            self.with_cold(|cold| cold.producer = Some(Producer::Pull(pull)));
        } else {
            contain("a producer's drop", || drop(pull));
        }
    }

    /// Has a push producer go on when there is room again, or wait when there is none.
    fn settle_push_producer(&self) {
        self.pause_producer();
        let low_water = self.transport.limits().high_water / 2;
        if self.transport.waiting() > low_water {
            return;
        }
        let resumed = self.cold.look(|cold| {
            let push = cold.push_producer()?;
            std::mem::take(&mut cold.producer_is_paused).then_some(push)
        });
        if let Some(push) = resumed {
            contain("a producer", || push.resume_producing());
        }
    }

    /// Tells a push producer to wait if enough waits to be sent, in the middle of the write that
    /// is too much: it may write for as long as it is not told.
    pub(super) fn pause_producer(&self) {
        if self.transport.waiting() <= self.transport.limits().high_water {
            return;
        }
        let paused = self.cold.look(|cold| {
            let push = cold.push_producer()?;
            let was_paused = std::mem::replace(&mut cold.producer_is_paused, true);
            (!was_paused).then_some(push)
        });
        if let Some(push) = paused {
            contain("a producer", || push.pause_producing());
        }
    }

    /// Has `producer` write for as long as what it writes is sent at once.
    fn pull(&self, producer: &mut dyn crate::producer::PullProducer) {
        for _ in 0..PULLS_PER_TURN {
            if self.transport.waiting() > 0 || !self.transport.takes_writes() {
                return;
            }
            let transport = &self.transport;
            let mut written = 0;
            let mut write = |bytes: &[u8]| {
                written += bytes.len();
                transport.write(bytes);
            };
            let produced =
                Failure::catch(|| producer.resume_producing(&mut Consumer::new(&mut write)));
            match produced.and_then(|produced| produced) {
                Ok(Production::More) => {}
                Ok(Production::Done) => self.transport.set_has_producer(false),
                Err(failure) => {
                    self.transport.set_has_producer(false);
                    self.handler_failed(failure);
                }
            }
            if self.transport.can_flush() {
                self.transport.flush();
            }
            if !self.transport.has_producer() || written == 0 {
                return;
            }
        }
        self.touch();
    }

    // --- waiting ---

    /// Fires when so little waits to be sent.
    pub(super) fn wait_until(&self, until: Until) -> Deferred<()> {
        if self.transport.is_cut_off() {
            return fail(Gone);
        }
        let is_so = match until {
            Until::Drained => self.transport.waiting() == 0,
            Until::Ready => self.transport.waiting() <= self.transport.limits().high_water,
        };
        if is_so {
            return succeed(());
        }
        self.with_cold(|cold| cold.waiters.add(until, || ()))
    }

    fn wake_waiters(&self) {
        if self.transport.is_cut_off() {
            // They are told with the end of the connection.
            return;
        }
        let waiting = self.transport.waiting();
        let half = self.transport.limits().high_water / 2;
        let woken = self.cold.look(|cold| {
            if cold.waiters.is_empty() {
                return None;
            }
            Some(cold.waiters.take_due(|until| match until {
                Until::Drained => waiting == 0,
                Until::Ready => waiting <= half,
            }))
        });
        for trigger in woken.into_iter().flatten() {
            // Errs only if another of these has just cancelled it.
            let _ = trigger.callback(());
        }
    }
}
