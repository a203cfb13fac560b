//! Producers: what writes to a connection as fast as that can send, and no faster.

use std::error::Error;
use std::fmt;

use deferred::Result;

/// What writes by itself, and can be told to wait: another connection that is
/// read from, a download, a timer. (Twisted: `IPushProducer`.)
///
/// It is called from the loop, never from inside a write. Pauses and resumptions
/// alternate strictly, beginning with a pause.
///
/// [`Connection`](crate::Connection) is one: it is paused by not reading from it.
pub trait PushProducer: 'static {
    /// Enough waits to be sent: write nothing more until
    /// [`resume_producing`](Self::resume_producing).
    fn pause_producing(&mut self);

    /// There is room again.
    fn resume_producing(&mut self);

    /// The connection is over: nothing will be sent any more.
    fn stop_producing(&mut self);
}

/// What writes a piece each time it is asked for one: a file, a table.
/// (Twisted: `IPullProducer`.)
///
/// A closure is one, if it takes a [`Consumer`] and says whether there is
/// [`More`](Production::More).
///
/// # Examples
///
/// ```
/// use reactor::{Consumer, Context, Producer, Production, Protocol, Raw};
///
/// /// Sends a thousand numbers to everybody, as fast as each can take them.
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
///         cx.register_producer(producer)?;
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
    /// Writes the next piece. It is called when nothing waits to be sent: first
    /// when it is registered, and each time when what it wrote was sent.
    ///
    /// # Errors
    ///
    /// Any failure closes the connection.
    fn resume_producing(&mut self, consumer: &mut Consumer<'_>) -> Result<Production>;

    /// The connection is over: nothing will be sent any more.
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

/// What a [`PullProducer`] says when it has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Production {
    /// It is to be asked again. If it wrote nothing, that is when something else
    /// was written and sent.
    More,
    /// That was all: it is unregistered.
    Done,
}

/// What a [`PullProducer`] writes to.
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
pub enum Producer {
    /// It writes by itself, until it is told to wait.
    Push(Box<dyn PushProducer>),
    /// It writes when it is asked.
    Pull(Box<dyn PullProducer>),
}

impl Producer {
    /// One that writes by itself.
    pub fn push(producer: impl PushProducer) -> Self {
        Self::Push(Box::new(producer))
    }

    /// One that writes when it is asked.
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

/// Why a producer was not registered. It was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProducerError {
    /// There is one, which stays.
    AlreadyRegistered,
    /// The connection is over, or on its way out.
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
