//! `DatagramPeer`: lets a test send and receive datagrams.

use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use super::settle::settle;
use crate::memory::DatagramSocket;
use crate::reactor::Reactor;

/// The other side of a datagram port, controlled by the test. Made by
/// [`TestReactor::datagram_peer`](super::TestReactor::datagram_peer).
///
/// Each operation [settles](super::TestReactor::settle) the reactor, so that its consequences
/// happen at once. The drop closes the port; later datagrams to it are refused.
///
/// # Examples
///
/// ```
/// # use reactor::{DatagramContext, DatagramProtocol};
/// # use std::net::SocketAddr;
/// # struct Echo;
/// # impl DatagramProtocol for Echo {
/// #     type Address = SocketAddr;
/// #     fn datagram_received(
/// #         &mut self,
/// #         cx: &mut DatagramContext<'_, Self>,
/// #         data: &[u8],
/// #         from: SocketAddr,
/// #     ) -> deferred::Result<()> {
/// #         Ok(cx.send_to(data, from)?)
/// #     }
/// # }
/// use reactor::testing;
///
/// testing::run(|reactor| {
///     let port = reactor.listen_udp("192.0.2.1:7", Echo).unwrap();
///     let client = reactor.datagram_peer("198.51.100.1:4000");
///     client.send_to("hello", port.address());
///     assert_eq!(client.received(), [(b"hello".to_vec(), port.address())]);
///     port.stop_listening().detach();
/// });
/// ```
pub struct DatagramPeer {
    reactor: Rc<Reactor>,
    socket: DatagramSocket,
}

impl DatagramPeer {
    pub(super) fn new(reactor: Rc<Reactor>, socket: DatagramSocket) -> Self {
        Self { reactor, socket }
    }

    /// The address of this peer.
    pub fn address(&self) -> SocketAddr {
        self.socket.local()
    }

    /// Sends a datagram. The [delivery](super::TestReactor::set_datagram_delivery) of the reactor
    /// decides what becomes of it.
    ///
    /// # Panics
    ///
    /// If the datagram is longer than the network takes, and as for
    /// [`settle`](super::TestReactor::settle).
    #[track_caller]
    pub fn send_to(&self, bytes: impl AsRef<[u8]>, to: SocketAddr) {
        let bytes = bytes.as_ref();
        let sent = self.socket.send(bytes, to);
        assert!(
            sent.is_ok(),
            "a datagram of {} bytes is too long",
            bytes.len()
        );
        settle(&self.reactor);
    }

    /// The datagrams that have arrived since the last call, each with the address of its sender.
    ///
    /// # Panics
    ///
    /// As for [`settle`](super::TestReactor::settle).
    #[track_caller]
    pub fn received(&self) -> Vec<(Vec<u8>, SocketAddr)> {
        settle(&self.reactor);
        std::iter::from_fn(|| self.socket.take()).collect()
    }
}

impl fmt::Debug for DatagramPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramPeer")
            .field("address", &self.address())
            .finish_non_exhaustive()
    }
}
