//! Adopted sockets, which a supervisor, another library or a test has made.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use deferred::{Deferred, fail};
use socket2::Type;

use crate::address::Address;
use crate::connection::{Connection, ConnectionSource, Factory, NewConnection, OnClose, Protocol};
use crate::core::Core;
use crate::error::AdoptError;
use crate::filter::Filter;
use crate::handle::ReactorHandle;
use crate::io::RawStream;
use crate::listening::{self, Acceptor, ListeningPort, Serve};
use crate::poll::Interest;
use crate::sys::socket;

impl ReactorHandle {
    /// Accepts from a TCP socket that listens already, such as one of the standard library, or one
    /// that a supervisor such as systemd passes to this process.
    ///
    /// The reactor owns the socket from now on, and closes it when the port is closed. The socket
    /// is not shut down, because other processes may share it. It is made non-blocking, for these
    /// processes, too: otherwise, the loop would block if another process accepts a connection
    /// first. No other option is changed. Accepted connections have `TCP_NODELAY` as usual. Once
    /// closed, the port cannot be opened again.
    ///
    /// # Errors
    ///
    /// If the socket is not a listening TCP socket, or the reactor is gone. For a UNIX socket, see
    /// [`adopt_unix_listener`](Self::adopt_unix_listener).
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    /// use std::net::TcpListener;
    /// # use reactor::{Context, Protocol, Raw};
    /// # struct Echo;
    /// # impl Protocol for Echo {
    /// #     type Framing = Raw;
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
    /// # }
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let address = listener.local_addr()?;
    /// let reactor = Reactor::new()?;
    /// let port = reactor.adopt_listener(listener, || Echo)?;
    /// assert_eq!(port.address(), address);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "adoptStreamPort")]
    #[doc(alias = "from_std")]
    pub fn adopt_listener<F: Factory>(
        &self,
        listener: impl Into<OwnedFd>,
        factory: F,
    ) -> Result<ListeningPort, AdoptError> {
        // Checked first, so that the error is `ReactorGone` and not an I/O error.
        self.core()?;
        Ok(self.adopt_listener_with(listener.into(), factory)?)
    }

    pub(crate) fn adopt_listener_with<S: Serve>(
        &self,
        listener: OwnedFd,
        serve: S,
    ) -> io::Result<ListeningPort> {
        let core = self.core().map_err(io::Error::other)?;
        let read = socket2::SockAddr::as_socket;
        listening::adopt(&core, listener, serve, read, Acceptor::adopted_tcp)
    }

    /// Makes a connection from a TCP or UNIX socket that is connected already.
    ///
    /// The reactor owns the socket from now on. Other processes may share it, so its blocking mode
    /// and all its options stay as they are, including `TCP_NODELAY` (see
    /// [`Connection::set_nodelay`]). `connection_made` is called before this returns.
    ///
    /// [`Connection::set_nodelay`]: crate::Connection::set_nodelay
    ///
    /// # Errors
    ///
    /// If the socket is not a connected stream socket, or the reactor is gone; or the failure of
    /// `connection_made`, which closes the connection.
    #[doc(alias = "adoptStreamConnection")]
    #[doc(alias = "from_std")]
    pub fn adopt_stream<P: Protocol>(
        &self,
        stream: impl Into<OwnedFd>,
        protocol: P,
    ) -> Result<Connection<P>, AdoptError> {
        let core = self.core()?;
        let connection = adopted(&core, stream.into())?;
        let (source, begun) = ConnectionSource::start(&core, connection, protocol);
        begun.map_err(AdoptError::Protocol)?;
        Ok(Connection::new(Rc::downgrade(&source)))
    }

    /// As [`adopt_stream`](Self::adopt_stream), behind `filter`. The Deferred fires when the
    /// connection is made.
    pub(crate) fn open_adopted<P: Protocol>(
        &self,
        stream: OwnedFd,
        protocol: P,
        on_close: Option<OnClose>,
        filter: Option<Box<dyn Filter>>,
    ) -> Deferred<Connection<P>> {
        let open = || -> deferred::Result<_> {
            let core = self.core()?;
            let connection = NewConnection {
                on_close,
                filter,
                ..adopted(&core, stream)?
            };
            Ok(ConnectionSource::open(&core, connection, protocol))
        };
        open().unwrap_or_else(fail)
    }
}

fn adopted(core: &Core, stream: OwnedFd) -> io::Result<NewConnection> {
    let socket = socket::adopted(stream, Type::STREAM)?;
    let peer = socket.peer_addr()?;
    let registration = core.register(socket.into(), Interest::READABLE)?;
    let key = registration.key();
    let stream = if peer.is_unix() {
        RawStream::Unix(registration)
    } else {
        RawStream::Socket(registration)
    };
    let peer = Address::from_system(&peer);
    Ok(NewConnection::new(stream, key, peer))
}
