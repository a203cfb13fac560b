//! Backpressure: pauses of reading, waiting for room to write, and producers.

use deferred::{Deferred, Failure, fail, succeed};

use super::any_source::AnySource;
use super::base::Base;
use super::cold::{Until, end_producer};
use super::handle::Connection;
use super::protocol::Protocol;
use crate::error::Gone;
use crate::panics::contain;
use crate::producer::{Consumer, Producer, ProducerError, Production, PushProducer};

/// Most calls of a pull producer in one turn, so that a producer that always has output does not
/// keep the loop from other sources.
const PULLS_PER_TURN: usize = 16;

impl<P: Protocol> Connection<P> {
    /// Stops reading from the connection until [`resume_reading`](Self::resume_reading): no further
    /// frame is delivered, and the peer has to wait when the system's buffers are full. Pauses are
    /// counted, including those by a [context](super::Context::pause_reading): each of them has to
    /// be resumed.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    #[doc(alias = "pauseProducing")]
    pub fn pause_reading(&self) -> Result<(), Gone> {
        self.act(|source| source.transport().pause())
    }

    /// Ends one [pause](Self::pause_reading); after the last one, the connection is read again.
    /// Frames that have arrived before are delivered first, in this turn. Without a pause, this
    /// does nothing.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    #[doc(alias = "resumeProducing")]
    pub fn resume_reading(&self) -> Result<(), Gone> {
        self.act(|source| source.transport().resume())
    }

    /// Number of bytes that wait to be sent.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn buffered(&self) -> Result<usize, Gone> {
        Ok(self.source()?.transport().waiting())
    }

    /// Fires when no output waits to be sent, which may be at once. It fails with [`Gone`] if the
    /// connection ends before. If the Deferred is cancelled, as by a timeout, its memory is freed
    /// at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::{Deferred, fail};
    /// # use reactor::{Connection, Protocol};
    /// fn send_report<P: Protocol>(connection: &Connection<P>, report: &[u8]) -> Deferred<()> {
    ///     match connection.write(report) {
    ///         Ok(()) => connection.drained(),
    ///         Err(gone) => fail(gone),
    ///     }
    /// }
    /// ```
    #[doc(alias = "flush")]
    #[doc(alias = "flushed")]
    pub fn drained(&self) -> Deferred<()> {
        self.wait_until(Until::Drained)
    }

    /// Fires when there is room for more output. That is at once, unless more output waits than the
    /// high-water mark of [`WriteLimits`](crate::WriteLimits); then it is when at most half of the
    /// mark waits. It fails with [`Gone`] if the connection ends before.
    ///
    /// # Examples
    ///
    /// An async function that sends as fast as the peer reads:
    ///
    /// ```
    /// # use deferred::Result;
    /// # use reactor::{Connection, Protocol};
    /// async fn send_all<P: Protocol>(connection: Connection<P>, lines: Vec<String>) -> Result<()> {
    ///     for line in lines {
    ///         connection.ready().await?;
    ///         connection.write(line)?;
    ///     }
    ///     connection.drained().await
    /// }
    /// ```
    #[doc(alias = "writable")]
    pub fn ready(&self) -> Deferred<()> {
        self.wait_until(Until::Ready)
    }

    fn wait_until(&self, until: Until) -> Deferred<()> {
        match self.source() {
            Ok(source) => source.base.wait_until(until),
            Err(gone) => fail(gone),
        }
    }

    /// Registers `producer`, which writes to this connection as fast as the peer reads.
    ///
    /// The producer is paused while more output waits than the high-water mark of
    /// [`WriteLimits`](crate::WriteLimits). Reading from the connection is not paused by that.
    /// [`lose_connection`](Self::lose_connection) lets the producer finish: the connection ends
    /// when the producer is unregistered and all output is sent.
    ///
    /// # Errors
    ///
    /// If another producer is registered, which stays registered, or if the connection is over or
    /// closing. In both cases, `producer` is stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::{Consumer, Producer, Production};
    ///
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     let mut left = 3;
    ///     let countdown = Producer::pull(move |consumer: &mut Consumer<'_>| {
    ///         consumer.write(format!("{left} "));
    ///         left -= 1;
    ///         Ok(if left > 0 { Production::More } else { Production::Done })
    ///     });
    ///     connection.register_producer(countdown).unwrap();
    ///     connection.lose_connection(); // when all is sent
    ///     assert_eq!(peer.received(), b"3 2 1 ");
    ///     assert!(peer.is_closed());
    /// });
    /// ```
    #[doc(alias = "registerProducer")]
    pub fn register_producer(&self, mut producer: Producer) -> Result<(), ProducerError> {
        match self.source() {
            Ok(source) => source.any().register_producer(producer),
            Err(Gone) => {
                contain("a producer", || producer.stop());
                Err(ProducerError::Gone)
            }
        }
    }

    /// Unregisters the producer, if there is one. To be called when it has written all its output.
    #[doc(alias = "unregisterProducer")]
    pub fn unregister_producer(&self) {
        if let Ok(source) = self.source() {
            source.any().unregister_producer();
        }
    }
}

/// A connection as a producer of its input: it is paused by a pause of reading, and stopped by
/// `lose_connection`.
impl<P: Protocol> PushProducer for Connection<P> {
    fn pause_producing(&self) {
        // Errs with `Gone` if the connection is over; then it produces nothing.
        let _ = self.pause_reading();
    }

    fn resume_producing(&self) {
        // As above.
        let _ = self.resume_reading();
    }

    fn stop_producing(&self) {
        self.lose_connection();
    }
}

impl dyn AnySource {
    /// Acts on the amount of output that waits, and on the progress of the peer: producer, waiters,
    /// timeouts.
    pub(super) fn settle_flow(&self) {
        self.settle_producer();
        self.base().wake_waiters();
        self.watch_progress();
        self.base().note_activity();
    }

    // --- producers ---

    fn register_producer(&self, mut producer: Producer) -> Result<(), ProducerError> {
        let base = self.base();
        let refused = if base.transport.has_producer() {
            Some(ProducerError::AlreadyRegistered)
        } else if !base.transport.takes_writes() {
            Some(ProducerError::Gone)
        } else {
            None
        };
        if let Some(why) = refused {
            contain("a producer", || producer.stop());
            return Err(why);
        }
        base.transport.set_has_producer(true);
        base.with_cold(|cold| {
            cold.producer = Some(producer);
            cold.producer_is_paused = false;
        });
        self.touch();
        Ok(())
    }

    fn unregister_producer(&self) {
        let base = self.base();
        if !base.transport.has_producer() {
            return;
        }
        base.transport.set_has_producer(false);
        let producer = base.cold.look(|cold| cold.producer.take());
        contain("a producer's drop", || drop(producer));
        self.touch();
    }

    fn settle_producer(&self) {
        let base = self.base();
        if !base.transport.has_producer() {
            return;
        }
        // Sending has failed, so further output of the producer is of no use.
        if base.transport.has_failed() {
            return base.stop_producer();
        }
        // A pull producer is taken out of the cell while it is called, because the call needs
        // `&mut`. A push producer is shared by `Rc`, and stays.
        let pull = base.cold.look(|cold| match cold.producer.take()? {
            Producer::Pull(pull) => Some(pull),
            push => {
                cold.producer = Some(push);
                None
            }
        });
        let Some(mut pull) = pull else {
            return base.settle_push_producer();
        };
        // Output of a producer does not count as an answer to input.
        let unprompted = base.transport.unprompted();
        self.pull(&mut *pull);
        drop(unprompted);
        // The call may have unregistered this producer, and registered another one.
        if base.transport.has_producer() && !base.is_replaced() {
            base.with_cold(|cold| cold.producer = Some(Producer::Pull(pull)));
        } else {
            contain("a producer's drop", || drop(pull));
        }
    }

    /// Calls `producer` again and again, as long as the system takes its output at once.
    fn pull(&self, producer: &mut dyn crate::producer::PullProducer) {
        let base = self.base();
        let transport = &base.transport;
        // Bounded, so that a fast producer with a fast peer does not keep the loop busy. `touch`,
        // below, has the loop call this again in its next round.
        for _ in 0..PULLS_PER_TURN {
            // Pulled only when all output is sent, so that at most one piece of a pull producer
            // waits.
            if transport.waiting() > 0 || !transport.takes_writes() {
                return;
            }
            let mut written = 0;
            let mut write = |bytes: &[u8]| {
                written += bytes.len();
                transport.write(bytes);
            };
            let produced =
                Failure::catch(|| producer.resume_producing(&mut Consumer::new(&mut write)));
            match produced.and_then(|produced| produced) {
                Ok(Production::More) => {}
                // Another producer was registered in between; the flag belongs to that one.
                Ok(Production::Done) if base.is_replaced() => {}
                Ok(Production::Done) => transport.set_has_producer(false),
                Err(failure) => {
                    if !base.is_replaced() {
                        transport.set_has_producer(false);
                    }
                    self.handler_failed(failure);
                }
            }
            if transport.can_flush() {
                transport.flush();
            }
            // A producer that has written nothing is not called again at once, because that would
            // be a busy loop.
            if !transport.has_producer() || written == 0 {
                return;
            }
            if base.is_replaced() {
                break;
            }
        }
        self.touch();
    }
}

impl Base {
    // --- producers ---

    /// Stops a push producer, if one is registered: it writes by itself, and might never finish. A
    /// close because of the peer's end or of a stop does not wait for it.
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

    /// Whether another producer was registered while a pull producer, which is taken out of its
    /// place, was called.
    fn is_replaced(&self) -> bool {
        self.cold.look(|cold| Some(cold.producer.is_some())) == Some(true)
    }

    /// Pauses a push producer if too much output waits, and resumes it when there is room again.
    fn settle_push_producer(&self) {
        self.pause_producer();
        // Half of the mark, so that the producer is not paused and resumed for each write.
        let low_water = self.transport.limits().high_water / 2;
        if self.transport.waiting() > low_water {
            return;
        }
        let resumed = self.cold.look(|cold| {
            let push = cold.push_producer()?;
            // Cleared before the call, in which the producer may write too much again.
            std::mem::take(&mut cold.producer_is_paused).then_some(push)
        });
        if let Some(push) = resumed {
            contain("a producer", || push.resume_producing());
        }
    }

    /// Pauses a push producer if more than the high-water mark waits. Called within the write that
    /// exceeds the mark, since a producer may write until it is paused.
    pub(super) fn pause_producer(&self) {
        if self.transport.waiting() <= self.transport.limits().high_water {
            return;
        }
        let paused = self.cold.look(|cold| {
            let push = cold.push_producer()?;
            // Set before the call, in which the producer may write, and so come back here.
            let was_paused = std::mem::replace(&mut cold.producer_is_paused, true);
            (!was_paused).then_some(push)
        });
        if let Some(push) = paused {
            contain("a producer", || push.pause_producing());
        }
    }

    // --- waiting ---

    /// Fires when the output has reached the state `until`.
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
            // The end of the connection fires them.
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
