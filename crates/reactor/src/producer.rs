//! Producers: sources of output, which are paused while the peer does not take it.

use std::error::Error;
use std::fmt;
use std::rc::Rc;

use deferred::Result;

/// A source that writes by itself, and can be paused: another connection, a download, a timer.
/// (Twisted: `IPushProducer`.)
///
/// If a write exceeds the high-water mark, [`pause_producing`](Self::pause_producing) is called
/// before the write returns. So a producer may write in a loop until it is paused, even in
/// [`resume_producing`](Self::resume_producing). Because a pause may be called inside of another
/// method, the methods take `&self`; state that changes goes into a `Cell`. Pauses and resumptions
/// alternate strictly, beginning with a pause.
///
/// A [`Connection`](crate::Connection) is a push producer: while it is paused, its socket is not
/// read.
///
/// # Examples
///
/// A clock that skips its ticks while it is paused:
///
/// ```
/// use reactor::{Producer, Protocol, PushProducer, Raw};
/// use std::{cell::Cell, rc::Rc};
/// # use reactor::testing;
///
/// struct Clock;
/// # impl Protocol for Clock { type Framing = Raw; }
///
/// struct Ticks {
///     is_paused: Rc<Cell<bool>>,
/// }
///
/// impl PushProducer for Ticks {
///     fn pause_producing(&self) {
///         self.is_paused.set(true);
///     }
///     fn resume_producing(&self) {
///         self.is_paused.set(false);
///     }
///     fn stop_producing(&self) {
///         self.is_paused.set(true);
///     }
/// }
///
/// # testing::run(|reactor| {
/// # let (connection, peer) = reactor.connect_to_peer(Clock);
/// let is_paused = Rc::new(Cell::new(false));
/// let ticks = Ticks { is_paused: Rc::clone(&is_paused) };
/// connection.register_producer(Producer::push(ticks)).unwrap();
/// // … and now and then:
/// if !is_paused.get() {
///     connection.write("tick").unwrap();
/// }
/// # assert_eq!(peer.received(), b"tick");
/// # peer.set_reading(false);
/// # connection.write(vec![0; 1_000_000]).unwrap();
/// # reactor.settle();
/// # assert!(is_paused.get());
/// # });
/// ```
pub trait PushProducer: 'static {
    /// Called when the unsent output is above the high-water mark: the producer must stop writing
    /// until [`resume_producing`](Self::resume_producing).
    fn pause_producing(&self);

    /// Called when the unsent output is at most half of the mark: the producer may write again.
    fn resume_producing(&self);

    /// Called when the connection has ended: further writes have no effect.
    fn stop_producing(&self);
}

/// A source that writes one piece each time it is called: a file, a table. (Twisted:
/// `IPullProducer`.)
///
/// A closure that takes a [`Consumer`] and returns a [`Production`] is a pull producer.
///
/// # Examples
///
/// ```
/// use reactor::{Consumer, Context, Producer, Production, Protocol, Raw};
///
/// /// Sends a thousand numbers to each peer, as fast as it takes them.
/// struct Numbers;
///
/// impl Protocol for Numbers {
///     type Framing = Raw;
///
///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
///         let mut numbers = 0..1000;
///         let producer = Producer::pull(move |consumer: &mut Consumer<'_>| {
///             let Some(number) = numbers.next() else {
///                 return Ok(Production::Done);
///             };
///             consumer.write(format!("{number}\n"));
///             Ok(Production::More)
///         });
///         cx.connection().register_producer(producer)?;
///         cx.lose_connection(); // when the producer is done
///         Ok(())
///     }
///
///     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> {
///         Ok(())
///     }
/// }
/// ```
pub trait PullProducer: 'static {
    /// Writes the next piece. Called when all output is sent: first after the registration, then
    /// each time the previous piece was sent.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn resume_producing(&mut self, consumer: &mut Consumer<'_>) -> Result<Production>;

    /// Called when the connection has ended: further writes have no effect.
    fn stop_producing(&mut self) {}
}

impl<F> PullProducer for F
where
    F: FnMut(&mut Consumer<'_>) -> Result<Production> + 'static,
{
    fn resume_producing(&mut self, consumer: &mut Consumer<'_>) -> Result<Production> {
        self(consumer)
    }
}

/// Result of a call of a [`PullProducer`].
///
/// # Examples
///
/// ```
/// use reactor::Production;
///
/// fn after(number: u32, last: u32) -> Production {
///     if number < last { Production::More } else { Production::Done }
/// }
/// assert_eq!(after(1, 2), Production::More);
/// assert_eq!(after(2, 2), Production::Done);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Production {
    /// The producer is to be called again. If it wrote nothing, the next call comes when other
    /// output was sent.
    More,
    /// The producer has no more output, and is unregistered.
    Done,
}

/// Output of a [`PullProducer`].
///
/// # Examples
///
/// ```
/// # use reactor::{Consumer, Producer, Production, Protocol, Raw, testing};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// // It is lent to the closure, for one piece each time.
/// let mut lines = vec!["two\n", "one\n"];
/// let producer = Producer::pull(move |consumer: &mut Consumer<'_>| {
///     match lines.pop() {
///         Some(line) => consumer.write(line),
///         None => return Ok(Production::Done),
///     }
///     Ok(Production::More)
/// });
/// testing::run(|reactor| {
///     let (connection, peer) = reactor.connect_to_peer(Quiet);
///     connection.register_producer(producer).unwrap();
///     assert_eq!(peer.received(), b"one\ntwo\n");
/// });
/// ```
pub struct Consumer<'a> {
    write: &'a mut dyn FnMut(&[u8]),
}

impl<'a> Consumer<'a> {
    pub(crate) fn new(write: &'a mut dyn FnMut(&[u8])) -> Self {
        Self { write }
    }

    /// Sends `bytes`.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        (self.write)(bytes.as_ref());
    }
}

impl fmt::Debug for Consumer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").finish_non_exhaustive()
    }
}

/// A producer of either kind.
///
/// # Examples
///
/// ```
/// use reactor::{Consumer, Producer, Production};
///
/// let nothing = Producer::pull(|_: &mut Consumer<'_>| Ok(Production::Done));
/// assert!(matches!(nothing, Producer::Pull(_)));
/// ```
#[non_exhaustive]
pub enum Producer {
    /// Writes by itself, until it is paused.
    // An `Rc`, because a push producer is called while it stays registered; a pull producer is
    // moved out for its call.
    Push(Rc<dyn PushProducer>),
    /// Writes one piece per call.
    Pull(Box<dyn PullProducer>),
}

impl Producer {
    /// Makes a push producer.
    ///
    /// # Examples
    ///
    /// Forwards the input of one connection to another:
    ///
    /// ```
    /// # use reactor::{Context, Protocol, Raw, testing};
    /// use reactor::{Connection, Producer};
    ///
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// struct Source {
    ///     to: Connection<Quiet>,
    /// }
    ///
    /// impl Protocol for Source {
    ///     type Framing = Raw;
    ///
    ///     fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
    ///         Ok(self.to.write(data)?)
    ///     }
    /// }
    ///
    /// testing::run(|reactor| {
    ///     let (to, reader) = reactor.connect_to_peer(Quiet);
    ///     let (source, writer) = reactor.connect_to_peer(Source { to: to.clone() });
    ///     // While `to` has no room, `source` is not read from.
    ///     to.register_producer(Producer::push(source)).unwrap();
    ///     writer.send("news");
    ///     assert_eq!(reader.received(), b"news");
    /// });
    /// ```
    pub fn push(producer: impl PushProducer) -> Self {
        Self::Push(Rc::new(producer))
    }

    /// Makes a pull producer.
    pub fn pull(producer: impl PullProducer) -> Self {
        Self::Pull(Box::new(producer))
    }

    pub(crate) fn stop(&mut self) {
        match self {
            Self::Push(producer) => producer.stop_producing(),
            Self::Pull(producer) => producer.stop_producing(),
        }
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Push(_) => "Producer::Push",
            Self::Pull(_) => "Producer::Pull",
        })
    }
}

/// Why a producer was not registered. Its `stop_producing` was called.
///
/// # Examples
///
/// ```
/// # use reactor::{Consumer, Production, Protocol, Raw, testing};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::{Producer, ProducerError};
///
/// let endless = || Producer::pull(|consumer: &mut Consumer<'_>| {
///     consumer.write("more");
///     Ok(Production::More)
/// });
/// testing::run(|reactor| {
///     let (connection, peer) = reactor.connect_to_peer(Quiet);
///     peer.set_reading(false);
///     connection.register_producer(endless()).unwrap();
///     let second = connection.register_producer(endless());
///     assert_eq!(second, Err(ProducerError::AlreadyRegistered));
///     connection.abort();
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProducerError {
    /// The connection has another producer, which stays registered.
    AlreadyRegistered,
    /// The connection is closed or closing.
    Gone,
}

impl fmt::Display for ProducerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyRegistered => "the connection has a producer already",
            Self::Gone => "the connection is gone",
        })
    }
}

impl Error for ProducerError {}
