//! Who waits for whom: reading that is paused, what waits to be sent, producers.

use deferred::Deferred;

use super::context::Context;
use super::extras::Until;
use super::handle::Connection;
use super::protocol::Protocol;
use crate::core::call;
use crate::error::Gone;
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
        self.stream.transport().set_paused(true);
    }

    /// Undoes [`pause_reading`](Self::pause_reading): what waited is delivered in
    /// this turn, without new input.
    pub fn resume_reading(&mut self) {
        self.stream.transport().set_paused(false);
        self.stream.touch();
    }

    /// How many bytes wait to be sent.
    pub fn buffered(&self) -> usize {
        self.stream.transport().waiting()
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
    pub fn register_producer(&mut self, producer: Producer) -> Result<(), ProducerError> {
        self.stream.register_producer(producer)
    }

    /// Forgets the producer, if there is one. It has written all that it will.
    pub fn unregister_producer(&mut self) {
        self.stream.unregister_producer();
    }
}

impl<P: Protocol> Connection<P> {
    /// Takes in nothing more: see [`Context::pause_reading`].
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    pub fn pause_reading(&self) -> Result<(), Gone> {
        self.act(|stream| stream.transport().set_paused(true))
    }

    /// Undoes [`pause_reading`](Self::pause_reading).
    ///
    /// # Errors
    ///
    /// [`Gone`] if it is over.
    pub fn resume_reading(&self) -> Result<(), Gone> {
        self.act(|stream| stream.transport().set_paused(false))
    }

    /// How many bytes wait to be sent.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn buffered(&self) -> Result<usize, Gone> {
        Ok(self.stream()?.transport().waiting())
    }

    /// Fires when nothing waits to be sent: at once, if that is so now. It fails
    /// with [`Gone`] if the connection is over before.
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
        match self.stream() {
            Ok(stream) => stream.wait_until(until),
            Err(gone) => deferred::fail(gone),
        }
    }

    /// Has `producer` write to this connection: see [`Context::register_producer`].
    ///
    /// # Errors
    ///
    /// There is one already, which stays, or the connection is over. The producer is
    /// told to stop.
    pub fn register_producer(&self, mut producer: Producer) -> Result<(), ProducerError> {
        match self.stream() {
            Ok(stream) => stream.register_producer(producer),
            Err(Gone) => {
                call("a producer", || producer.stop());
                Err(ProducerError::Gone)
            }
        }
    }

    /// Forgets the producer, if there is one.
    pub fn unregister_producer(&self) {
        if let Ok(stream) = self.stream() {
            stream.unregister_producer();
        }
    }
}

/// The other side of the connection is the producer: it is paused by not reading
/// from it, and stopped with `lose_connection`.
impl<P: Protocol> PushProducer for Connection<P> {
    fn pause_producing(&mut self) {
        let _ = self.pause_reading();
    }

    fn resume_producing(&mut self) {
        let _ = self.resume_reading();
    }

    fn stop_producing(&mut self) {
        let _ = self.lose_connection();
    }
}
