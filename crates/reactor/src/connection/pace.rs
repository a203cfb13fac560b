//! Who waits for whom: reading that is paused, what waits to be sent, producers.

use deferred::Deferred;

use super::cold::Until;
use super::context::Context;
use super::handle::Connection;
use super::protocol::Protocol;
use crate::error::Gone;
use crate::panics::contain;
use crate::producer::{Producer, ProducerError, PushProducer};

impl<P: Protocol> Context<'_, P> {
    /// Takes in nothing more until [`resume_reading`](Self::resume_reading); what
    /// was read already waits. (Twisted: `pauseProducing`.)
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol};
    /// # struct Server;
    /// # impl Protocol for Server {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///     // One line a second, however fast they come.
    ///     cx.pause_reading();
    ///     let second = std::time::Duration::from_secs(1);
    ///     cx.call_later(second, |_this, cx| cx.resume_reading());
    ///     println!("{}", String::from_utf8_lossy(line));
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn pause_reading(&mut self) {
        self.source.transport().set_paused(true);
    }

    /// Undoes [`pause_reading`](Self::pause_reading): what waited is delivered in
    /// this turn, without new input.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Context, Lines, Protocol, testing};
    /// # use std::time::Duration;
    /// # struct Patient;
    /// # impl Protocol for Patient {
    /// #     type Framing = Lines;
    /// fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///     cx.send_line(line);
    ///     cx.pause_reading();
    ///     cx.call_later(Duration::from_secs(1), |_this, cx| cx.resume_reading());
    ///     Ok(())
    /// }
    /// # }
    /// # testing::run(|reactor| {
    /// #     let (_patient, peer) = reactor.connect_to_peer(Patient);
    /// peer.send("one\r\ntwo\r\n");
    /// assert_eq!(peer.received(), b"one\r\n");
    /// reactor.advance(Duration::from_secs(1));
    /// assert_eq!(peer.received(), b"two\r\n");
    /// #     drop(peer);
    /// #     reactor.advance(Duration::from_secs(1));
    /// # });
    /// ```
    pub fn resume_reading(&mut self) {
        self.source.transport().set_paused(false);
        self.source.touch();
    }

    /// How many bytes wait to be sent.
    ///
    /// # Examples
    ///
    /// A clock that leaves ticks out for those who do not take them:
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, testing};
    /// # struct Ticker; impl Protocol for Ticker { type Framing = Raw; }
    /// fn tick(_: &mut Ticker, cx: &mut Context<'_, Ticker>) {
    ///     if cx.buffered() == 0 {
    ///         cx.write("tick ");
    ///     }
    /// }
    /// # testing::run(|reactor| {
    /// #     let (connection, peer) = reactor.connect_to_peer(Ticker);
    /// #     connection.post(tick).unwrap();
    /// #     assert_eq!(peer.received(), b"tick ");
    /// #     connection.post(|_, cx| { cx.write("x"); assert_eq!(cx.buffered(), 1); tick(&mut Ticker, cx) }).unwrap();
    /// #     assert_eq!(peer.received(), b"x");
    /// # });
    /// ```
    pub fn buffered(&self) -> usize {
        self.source.transport().waiting()
    }

    /// Has `producer` write to this connection, as fast as it can send.
    ///
    /// It is told to wait while more waits to be sent than the high-water mark of
    /// [`WriteLimits`](crate::WriteLimits) allows; instead, the connection is read from
    /// meanwhile.
    /// [`lose_connection`](Self::lose_connection) lets it finish: the connection
    /// ends when it is unregistered and everything is sent.
    ///
    /// # Errors
    ///
    /// There is one already, which stays, or the connection is on its way out. The
    /// producer is told to stop.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Consumer, Context, Producer, Production, Protocol, Raw, testing};
    /// # struct Zeros;
    /// # impl Protocol for Zeros {
    /// #     type Framing = Raw;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     let mut left = 1_000_000;
    ///     cx.register_producer(Producer::pull(move |consumer: &mut Consumer<'_>| {
    ///         consumer.write([0; 1000]);
    ///         left -= 1000;
    ///         Ok(if left > 0 { Production::More } else { Production::Done })
    ///     }))?;
    ///     cx.lose_connection(); // when all is sent
    ///     Ok(())
    /// }
    /// # }
    /// # testing::run(|reactor| {
    /// #     let (_zeros, peer) = reactor.connect_to_peer(Zeros);
    /// #     assert_eq!(peer.received().len(), 1_000_000);
    /// #     assert!(peer.is_closed());
    /// # });
    /// ```
    pub fn register_producer(&mut self, producer: Producer) -> Result<(), ProducerError> {
        self.source.register_producer(producer)
    }

    /// Forgets the producer, if there is one. It has written all that it will.
    ///
    /// # Examples
    ///
    /// News goes on until the peer has had enough:
    ///
    /// ```
    /// # use reactor::{Context, Lines, Producer, Protocol, PushProducer, testing};
    /// # struct Feed;
    /// # impl PushProducer for Feed {
    /// #     fn pause_producing(&self) {}
    /// #     fn resume_producing(&self) {}
    /// #     fn stop_producing(&self) {}
    /// # }
    /// # struct Subscriber;
    /// # impl Protocol for Subscriber {
    /// #     type Framing = Lines;
    /// fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///     Ok(cx.register_producer(Producer::push(Feed))?)
    /// }
    /// fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///     if line == b"ENOUGH" {
    ///         cx.unregister_producer();
    ///         cx.lose_connection();
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// # testing::run(|reactor| {
    /// #     let (subscriber, peer) = reactor.connect_to_peer(Subscriber);
    /// #     peer.send("ENOUGH\r\n");
    /// #     assert!(subscriber.is_gone());
    /// # });
    /// ```
    pub fn unregister_producer(&mut self) {
        self.source.unregister_producer();
    }
}

impl<P: Protocol> Connection<P> {
    /// Takes in nothing more: see [`Context::pause_reading`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     connection.pause_reading().unwrap();
    ///     let sent = peer.try_send(&vec![0; 1_000_000]);
    ///     assert!(sent < 1_000_000, "the network takes some, nobody reads it");
    ///     # connection.abort().unwrap();
    /// });
    /// ```
    pub fn pause_reading(&self) -> Result<(), Gone> {
        self.act(|source| source.transport().set_paused(true))
    }

    /// Undoes [`pause_reading`](Self::pause_reading).
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     connection.pause_reading().unwrap();
    ///     peer.send("wait");
    ///     assert_eq!(reactor.counters().bytes_received, 0);
    ///     connection.resume_reading().unwrap();
    ///     reactor.settle();
    ///     assert_eq!(reactor.counters().bytes_received, 4);
    /// });
    /// ```
    pub fn resume_reading(&self) -> Result<(), Gone> {
        self.act(|source| source.transport().set_paused(false))
    }

    /// How many bytes wait to be sent.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// testing::run(|reactor| {
    ///     let (connection, peer) = reactor.connect_to_peer(Quiet);
    ///     peer.set_reading(false);
    ///     connection.write(vec![0; 1_000_000]).unwrap();
    ///     reactor.settle();
    ///     assert!(connection.buffered().unwrap() > 0);
    ///     peer.set_reading(true);
    ///     assert_eq!(connection.buffered().unwrap(), 0);
    /// });
    /// ```
    pub fn buffered(&self) -> Result<usize, Gone> {
        Ok(self.source()?.transport().waiting())
    }

    /// Fires when nothing waits to be sent: at once, if that is so now. It fails
    /// with [`Gone`] if the connection is over before. One that is cancelled, as by a
    /// timeout, leaves nothing behind.
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::Deferred;
    /// # use reactor::{Connection, Protocol};
    /// fn say_goodbye<P: Protocol>(connection: &Connection<P>) -> Deferred<()> {
    ///     let _ = connection.write("goodbye\n");
    ///     connection.drained()
    /// }
    /// ```
    pub fn drained(&self) -> Deferred<()> {
        self.wait_until(Until::Drained)
    }

    /// Fires when there is room for more: at once, unless more waits to be sent than
    /// the high-water mark of [`WriteLimits`](crate::WriteLimits) allows, else when half
    /// of that was sent. It fails with [`Gone`] if the connection is over before.
    ///
    /// # Examples
    ///
    /// A body that sends as fast as the other side takes it:
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
    pub fn ready(&self) -> Deferred<()> {
        self.wait_until(Until::Ready)
    }

    fn wait_until(&self, until: Until) -> Deferred<()> {
        match self.source() {
            Ok(source) => source.wait_until(until),
            Err(gone) => deferred::fail(gone),
        }
    }

    /// Has `producer` write to this connection: see [`Context::register_producer`].
    ///
    /// # Errors
    ///
    /// There is one already, which stays, or the connection is over. The producer is
    /// told to stop.
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
    ///     assert_eq!(peer.received(), b"3 2 1 ");
    /// });
    /// ```
    pub fn register_producer(&self, mut producer: Producer) -> Result<(), ProducerError> {
        match self.source() {
            Ok(source) => source.register_producer(producer),
            Err(Gone) => {
                contain("a producer", || producer.stop());
                Err(ProducerError::Gone)
            }
        }
    }

    /// Forgets the producer, if there is one.
    ///
    /// # Examples
    ///
    /// Until the producer is unregistered, the connection does not close:
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # struct Timer;
    /// # impl reactor::PushProducer for Timer {
    /// #     fn pause_producing(&self) {}
    /// #     fn resume_producing(&self) {}
    /// #     fn stop_producing(&self) {}
    /// # }
    /// testing::run(|reactor| {
    ///     let (connection, _peer) = reactor.connect_to_peer(Quiet);
    ///     connection.register_producer(reactor::Producer::push(Timer)).unwrap();
    ///     connection.lose_connection().unwrap();
    ///     reactor.settle();
    ///     assert!(!connection.is_gone());
    ///     connection.unregister_producer();
    ///     reactor.settle();
    ///     assert!(connection.is_gone());
    /// });
    /// ```
    pub fn unregister_producer(&self) {
        if let Ok(source) = self.source() {
            source.unregister_producer();
        }
    }
}

/// The other side of the connection is the producer: it is paused by not reading
/// from it, and stopped with `lose_connection`.
impl<P: Protocol> PushProducer for Connection<P> {
    fn pause_producing(&self) {
        let _ = self.pause_reading();
    }

    fn resume_producing(&self) {
        let _ = self.resume_reading();
    }

    fn stop_producing(&self) {
        let _ = self.lose_connection();
    }
}
