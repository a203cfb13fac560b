//! `Delivery`: what becomes of a datagram in memory.

use std::net::SocketAddr;
use std::time::Duration;

/// A datagram that was sent in a test, for the closure of
/// [`TestReactor::set_datagram_delivery`](crate::testing::TestReactor::set_datagram_delivery).
///
/// # Examples
///
/// ```
/// use reactor::testing::{Delivery, SentDatagram};
///
/// /// Loses what is sent to port 53.
/// fn deliver(datagram: &SentDatagram<'_>) -> Delivery {
///     match datagram.to.port() {
///         53 => Delivery::lost(),
///         _ => Delivery::at_once(),
///     }
/// }
/// # let _ = deliver;
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SentDatagram<'a> {
    /// How many datagrams were sent before it on this reactor, by all ports.
    pub number: usize,
    /// The address of the port that has sent it.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// Its contents.
    pub bytes: &'a [u8],
}

/// What becomes of a datagram that was sent in a test: whether it arrives, when, and how often.
///
/// Datagrams with different delays overtake each other.
///
/// # Examples
///
/// ```
/// use reactor::testing::Delivery;
/// use std::time::Duration;
///
/// // Two copies, one after the other.
/// let twice = Delivery::at_once().and_again_after(Duration::from_millis(20));
/// assert_ne!(twice, Delivery::at_once());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the closure of `set_datagram_delivery` gives it"]
pub struct Delivery {
    /// Of each copy.
    delays: Vec<Duration>,
    is_refused: bool,
}

impl Delivery {
    /// It arrives at once.
    pub fn at_once() -> Self {
        Self::after(Duration::ZERO)
    }

    /// It arrives after `delay`.
    pub fn after(delay: Duration) -> Self {
        Self {
            delays: vec![delay],
            is_refused: false,
        }
    }

    /// It never arrives, and the sender is not told.
    pub fn lost() -> Self {
        Self {
            delays: Vec::new(),
            is_refused: false,
        }
    }

    /// It never arrives, and the network says so at once, as by an ICMP message: the sender gets
    /// [`connection_refused`](crate::DatagramProtocol::connection_refused), if it is connected.
    ///
    /// The same happens to a datagram that arrives where no port is open.
    pub fn refused() -> Self {
        Self {
            delays: Vec::new(),
            is_refused: true,
        }
    }

    /// And once more, after `delay` from when it was sent.
    pub fn and_again_after(mut self, delay: Duration) -> Self {
        self.delays.push(delay);
        self
    }

    pub(super) fn delays(&self) -> &[Duration] {
        &self.delays
    }

    pub(super) fn is_refused(&self) -> bool {
        self.is_refused
    }
}
