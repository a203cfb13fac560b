//! `Acceptor`: the listener of a port: TCP, UNIX or memory.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use deferred::{Deferred, fail};
use socket2::SockRef;

use crate::address::Address;
use crate::connection::{Connection, ConnectionSource, NewConnection, OnClose, Protocol};
use crate::core::Core;
use crate::filter::Filter;
use crate::io::RawStream;
use crate::memory;
use crate::poll::{Interest, Key, Registration};
use crate::sys::socket;

pub(crate) enum Acceptor {
    Tcp {
        listener: Registration,
        /// Whether `TCP_NODELAY` has to be set on each accepted socket, because it is not inherited
        /// from the listener.
        sets_nodelay: bool,
    },
    Unix(Registration),
    /// A simulated listener of a test.
    Memory(memory::Listener),
}

/// A connection that was accepted, and is not registered yet.
pub(crate) enum Accepted {
    Tcp(OwnedFd),
    Unix(OwnedFd),
    Memory(memory::Socket),
}

impl Acceptor {
    pub(crate) fn tcp(listener: Registration) -> Self {
        Self::Tcp {
            listener,
            sets_nodelay: !socket::ACCEPTED_INHERIT_NODELAY,
        }
    }

    /// For an adopted listener. Its options are not changed, because it may be shared, so
    /// `TCP_NODELAY` is set on each accepted socket.
    pub(crate) fn adopted_tcp(listener: Registration) -> Self {
        Self::Tcp {
            listener,
            sets_nodelay: true,
        }
    }

    pub(super) fn key(&self) -> Key {
        match self {
            Self::Tcp { listener, .. } | Self::Unix(listener) => listener.key(),
            Self::Memory(listener) => listener.key(),
        }
    }

    pub(super) fn set_interest(&self, interest: Interest) -> io::Result<()> {
        match self {
            Self::Tcp { listener, .. } | Self::Unix(listener) => listener.set_interest(interest),
            Self::Memory(listener) => {
                listener.set_interest(interest);
                Ok(())
            }
        }
    }

    /// A second descriptor of the socket.
    pub(super) fn try_clone_socket(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp { listener, .. } | Self::Unix(listener) => {
                listener.as_fd().try_clone_to_owned()
            }
            Self::Memory(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a port of a test reactor has no socket",
            )),
        }
    }

    /// Accepts the next waiting connection; `None` if there is none.
    pub(super) fn accept(&self) -> io::Result<Option<(Accepted, Address)>> {
        Ok(match self {
            Self::Tcp {
                listener,
                sets_nodelay,
            } => socket::accept(listener)?.map(|(socket, peer)| {
                if *sets_nodelay {
                    // Errs if the peer is gone already, which the loop finds out by the next read.
                    let _ = SockRef::from(&socket).set_tcp_nodelay(true);
                }
                (Accepted::Tcp(socket), peer)
            }),
            Self::Unix(listener) => {
                socket::accept(listener)?.map(|(socket, peer)| (Accepted::Unix(socket), peer))
            }
            Self::Memory(listener) => listener.accept().map(|socket| {
                let peer = socket.peer().clone();
                (Accepted::Memory(socket), peer)
            }),
        })
    }
}

impl Accepted {
    /// Registers the connection under the key that the next inserted source will get, which the
    /// caller has to insert.
    pub(super) fn register(self, core: &Core) -> io::Result<(RawStream, Key)> {
        Ok(match self {
            Self::Tcp(socket) => {
                let registration = core.register(socket, Interest::READABLE)?;
                let key = registration.key();
                (RawStream::Socket(registration), key)
            }
            Self::Unix(socket) => {
                let registration = core.register(socket, Interest::READABLE)?;
                let key = registration.key();
                (RawStream::Unix(registration), key)
            }
            Self::Memory(socket) => {
                // The caller inserts the source next, under this key.
                let key = core.next_key();
                socket.set_key(key);
                socket.set_interest(Interest::READABLE);
                (RawStream::Memory(socket), key)
            }
        })
    }

    /// Registers the connection and begins it with `protocol`. The Deferred fires when the
    /// connection is made, and gets all failures.
    pub(crate) fn open<P: Protocol>(
        self,
        core: &Rc<Core>,
        peer: Address,
        protocol: P,
        on_close: Option<OnClose>,
        filter: Option<Box<dyn Filter>>,
    ) -> Deferred<Connection<P>> {
        let (stream, key) = match self.register(core) {
            Ok(registered) => registered,
            Err(error) => return fail(error),
        };
        let mut connection = NewConnection::new(stream, key, peer);
        connection.on_close = on_close;
        connection.filter = filter;
        ConnectionSource::open(core, connection, protocol)
    }
}
