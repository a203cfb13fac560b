//! `listen_tcp`: TCP ports.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use super::options::TcpListenOptions;
use crate::address::Address;
use crate::connection::Factory;
use crate::core::Core;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::listening::{self, Acceptor, ListeningPort, Opened, Serve};
use crate::poll::Interest;
use crate::sys::socket::{self, Listening};

/// The error text for a name that would have to be looked up.
const BY_NAME: &str = "a name has to be looked up, which an endpoint does: \
    `\"name:80\".listen(&reactor, factory)`, with `use reactor::Listen`";

impl ReactorHandle {
    /// Listens on `address`. Each accepted connection gets a protocol of `factory`. With port 0,
    /// the system chooses a port.
    ///
    /// The only name that this takes is `localhost`, which is `127.0.0.1`, because any other name
    /// has to be looked up. An [endpoint](crate::endpoint::Listen) does that without blocking the
    /// loop: `"example.org:80".listen(&reactor, factory)` returns a Deferred, and listens on all
    /// addresses of the name. An IPv6 address does not take IPv4 connections, unless
    /// [`dual_stack`](TcpListenOptions::dual_stack) is set.
    ///
    /// # Errors
    ///
    /// If the address cannot be parsed, is not available or in use, or is a name other than
    /// `localhost`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    /// # use reactor::{Context, Protocol, Raw};
    /// # struct Echo;
    /// # impl Protocol for Echo {
    /// #     type Framing = Raw;
    /// #     fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
    /// #         cx.write(data);
    /// #         Ok(())
    /// #     }
    /// # }
    ///
    /// let reactor = Reactor::new()?;
    /// let port = reactor.listen_tcp("127.0.0.1:0", || Echo)?;
    /// assert_ne!(port.address().port(), 0);
    ///
    /// let error = reactor.listen_tcp(port.address(), || Echo).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "listenTCP")]
    #[doc(alias = "TcpListener")]
    #[doc(alias = "bind")]
    pub fn listen_tcp<F: Factory>(
        &self,
        address: impl Into<TcpListenOptions>,
        factory: F,
    ) -> Result<ListeningPort, ListenError> {
        let options = address.into();
        let address = options.address();
        let listen = || {
            let core = self.core().map_err(io::Error::other)?;
            listen_at(&core, address.address(BY_NAME)?, options.how(), factory)
        };
        listen().map_err(|error| ListenError::new(address, error))
    }
}

/// Listens on one address.
pub(crate) fn listen_at<S: Serve>(
    core: &Rc<Core>,
    address: SocketAddr,
    how: &Listening,
    serve: S,
) -> io::Result<ListeningPort> {
    // Opened here and not by `reopen`, so that the port number is known for later calls.
    let first = open(core, address, how)?;
    // When the port is opened again, it uses the port number that the system has chosen.
    let (chosen, how) = (first.address, *how);
    let first = Cell::new(Some(first));
    let reopen = move |core: &Core| match first.take() {
        Some(first) => Ok(first),
        None => open(core, chosen, &how),
    };
    listening::open(core, serve, Box::new(reopen))
}

fn open(core: &Core, address: SocketAddr, how: &Listening) -> io::Result<Opened<SocketAddr>> {
    if let Some(network) = core.network() {
        let listener = network.listen(&Address::Inet(address), core.next_key())?;
        let address = listener.address().as_inet().unwrap_or(address);
        return Ok(Opened {
            acceptor: Acceptor::Memory(listener),
            address,
            cleanup: None,
        });
    }
    let socket = socket::listening(address, how)?;
    let address = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok(Opened {
        acceptor: Acceptor::tcp(core.register(socket.into(), Interest::READABLE)?),
        address,
        cleanup: None,
    })
}
