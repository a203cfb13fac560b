//! `Delivery`: what becomes of a simulated datagram.

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
/// /// Loses the datagrams to port 53.
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
    /// Number of datagrams that all ports of this reactor have sent before this one.
    pub number: usize,
    /// The address of the sender.
    pub from: SocketAddr,
    /// The destination.
    pub to: SocketAddr,
    /// The contents.
    pub bytes: &'a [u8],
}

/// What becomes of a datagram that was sent in a test: whether and when it arrives, and in how many
/// copies.
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
    /// The delay of each copy.
    delays: Vec<Duration>,
    is_refused: bool,
}

impl Delivery {
    /// The datagram arrives at once.
    pub fn at_once() -> Self {
        Self::after(Duration::ZERO)
    }

    /// The datagram arrives after `delay`.
    pub fn after(delay: Duration) -> Self {
        Self {
            delays: vec![delay],
            is_refused: false,
        }
    }

    /// The datagram never arrives, and the sender is not informed.
    pub fn lost() -> Self {
        Self {
            delays: Vec::new(),
            is_refused: false,
        }
    }

    /// The datagram never arrives, and the network reports that at once, as by an ICMP message:
    /// [`connection_refused`](crate::DatagramProtocol::connection_refused) of the sender is called,
    /// if its port is connected.
    ///
    /// The same happens to a datagram that arrives at an address without an open port.
    pub fn refused() -> Self {
        Self {
            delays: Vec::new(),
            is_refused: true,
        }
    }

    /// A further copy of the datagram arrives, `delay` after it was sent.
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
