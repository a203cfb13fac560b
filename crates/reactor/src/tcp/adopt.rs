//! Sockets that somebody else has made: a supervisor, another library, a test.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use socket2::Socket;

use crate::address::Address;
use crate::connection::{Beginning, Connection, Factory, Protocol, Stream};
use crate::core::Core;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::listening::{self, Acceptor, ListeningPort, Opened};
use crate::poll::Interest;
use crate::wire::Wire;

impl ReactorHandle {
    /// Accepts from a TCP socket that listens already: one of the standard
    /// library's, or one that a supervisor such as systemd has left to this process.
    ///
    /// The reactor owns it from now on, and closes it when the port is closed; it is
    /// not shut down, as it may be shared with other processes. It is made
    /// non-blocking. Once closed, it cannot be opened again.
    ///
    /// # Errors
    ///
    /// It is no socket, or has no internet address. Whether it listens is not looked at:
    /// nobody is ever accepted from one that does not.
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
    pub fn adopt_listener<F: Factory>(
        &self,
        listener: impl Into<OwnedFd>,
        factory: F,
    ) -> Result<ListeningPort, ListenError> {
        let adopt = || {
            let core = self.core().map_err(io::Error::other)?;
            let socket = Socket::from(listener.into());
            socket.set_nonblocking(true)?;
            let Some(address) = socket.local_addr()?.as_socket() else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "expected a socket with an internet address",
                ));
            };
            let socket = Cell::new(Some(socket));
            let reopen = move |core: &Core| open(core, socket.take(), address);
            listening::open(&core, factory, Box::new(reopen))
        };
        adopt().map_err(|error| ListenError::new("an adopted socket", error))
    }

    /// Makes a connection of a socket that is connected already: TCP, or UNIX.
    ///
    /// The reactor owns it from now on. It is made non-blocking. The protocol has
    /// its `connection_made` called before this returns.
    ///
    /// # Errors
    ///
    /// It is no socket, or not connected; it cannot be watched, or the reactor is gone; or
    /// the failure of `connection_made`, which closes it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    /// use std::os::unix::net::UnixStream;
    /// # use reactor::{Context, Protocol, Raw};
    /// # struct Echo;
    /// # impl Protocol for Echo {
    /// #     type Framing = Raw;
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
    /// # }
    ///
    /// let reactor = Reactor::new()?;
    /// let (near, far) = UnixStream::pair()?;
    /// let connection = reactor.adopt_stream(near, Echo).unwrap();
    /// assert!(!connection.is_gone());
    /// # drop(far);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn adopt_stream<P: Protocol>(
        &self,
        stream: impl Into<OwnedFd>,
        protocol: P,
    ) -> deferred::Result<Connection<P>> {
        let core = self.core()?;
        let socket = Socket::from(stream.into());
        socket.set_nonblocking(true)?;
        let peer = socket.peer_addr()?;
        let registration = core.register(socket.into(), Interest::READABLE)?;
        let key = registration.key();
        let wire = if peer.is_unix() {
            Wire::Unix(registration)
        } else {
            Wire::Socket(registration)
        };
        let beginning = Beginning::new(wire, key, Address::from_system(&peer));
        let (stream, begun) = Stream::start(&core, beginning, protocol, |stream| {
            core.insert(stream);
        });
        begun?;
        Ok(Connection::new(Rc::downgrade(&stream)))
    }
}

fn open(
    core: &Core,
    socket: Option<Socket>,
    address: SocketAddr,
) -> io::Result<Opened<SocketAddr>> {
    let socket = socket.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "a socket that was adopted is closed, and cannot be opened again",
        )
    })?;
    Ok(Opened {
        acceptor: Acceptor::Tcp(core.register(socket.into(), Interest::READABLE)?),
        address,
        cleanup: None,
    })
}
