//! `RawStream`: the source and destination of the bytes of a connection: a socket, pipes, or
//! memory.

mod pipes;
mod shared;

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use socket2::SockRef;

pub(crate) use self::pipes::Pipes;
pub(crate) use self::shared::RegisteredFd;
use crate::address::Address;
use crate::credentials::PeerCredentials;
use crate::memory;
use crate::poll::{Interest, Registration};
use crate::sys::{rights, socket, stream};

/// The descriptors of a connection, or its simulated socket. The drop closes them.
// With an explicit tag, one comparison recognizes the usual case.
#[repr(u8)]
pub(crate) enum RawStream {
    Socket(Registration),
    /// A UNIX socket, which can send and receive descriptors with the bytes.
    Unix(Registration),
    /// Two descriptors, each for one direction.
    Pipes(Pipes),
    /// A simulated socket of a test.
    Memory(memory::Socket),
}

impl RawStream {
    /// Sets the events for which the poller waits.
    #[inline]
    pub(crate) fn set_interest(&self, interest: Interest) -> io::Result<()> {
        match self {
            Self::Socket(registration) | Self::Unix(registration) => {
                // A masked descriptor stays masked while there is no interest.
                if interest == Interest::NONE && registration.is_masked() {
                    return Ok(());
                }
                registration.set_interest(interest)
            }
            Self::Pipes(pipes) => pipes.set_interest(interest),
            Self::Memory(socket) => {
                if interest != Interest::NONE || !socket.is_masked() {
                    socket.set_interest(interest);
                }
                Ok(())
            }
        }
    }

    /// Whether the descriptor is certainly registered for input alone, as accepted sockets are.
    #[inline]
    pub(crate) fn is_watched_for_input(&self) -> bool {
        match self {
            Self::Socket(registration) | Self::Unix(registration) => {
                registration.is_for(Interest::READABLE)
            }
            Self::Pipes(_) | Self::Memory(_) => false,
        }
    }

    /// Turns off all events, including hang-ups, until an interest is set again.
    pub(crate) fn mask(&self) -> io::Result<()> {
        match self {
            Self::Socket(registration) | Self::Unix(registration) => registration.mask(),
            Self::Pipes(pipes) => pipes.mask(),
            Self::Memory(socket) => {
                socket.mask();
                Ok(())
            }
        }
    }

    /// Reads once. Returns `None` if there is no input now, 0 at the end of the input.
    #[inline]
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // Repeated after a signal (`EINTR`), which has nothing to do with the stream. `EAGAIN` is
        // not an error: readiness may be stale, because another process may share the descriptor.
        loop {
            let received = match self {
                Self::Socket(registration) | Self::Unix(registration) => {
                    stream::receive(registration, &mut *buffer)
                }
                Self::Pipes(pipes) => pipes.read(buffer),
                // Descriptors that come with the bytes are closed, as by a plain `recv`.
                Self::Memory(socket) => return socket.receive(buffer, &mut Vec::new()),
            };
            match received {
                Ok(received) => return Ok(Some(received)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// As [`receive`](Self::receive), and appends the descriptors that come with the bytes to
    /// `descriptors`. They are to be delivered before the bytes.
    pub(crate) fn receive_with(
        &self,
        buffer: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<Option<usize>> {
        match self {
            Self::Unix(registration) => rights::receive(registration, buffer, descriptors),
            Self::Memory(socket) => socket.receive(buffer, descriptors),
            Self::Socket(_) | Self::Pipes(_) => self.receive(buffer),
        }
    }

    /// Sends as many bytes as the system takes, and returns their number: 0 if it takes none now.
    #[inline]
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(registration) | Self::Unix(registration) => {
                stream::send(registration, bytes)
            }
            Self::Pipes(pipes) => stream::retried(|| pipes.write(bytes)),
            Self::Memory(socket) => socket.send(bytes, Vec::new()),
        }
    }

    /// As [`send`](Self::send), for several pieces: by one system call on sockets.
    pub(crate) fn send_pieces(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let (Self::Socket(registration) | Self::Unix(registration)) = self else {
            return self.send_each(pieces);
        };
        if let [piece] = pieces {
            return self.send(piece);
        }
        stream::send_pieces(registration, pieces)
    }

    fn send_each(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut all_sent = 0;
        // Sends one piece after the other. Ends with the first piece that is not taken completely,
        // because a later piece must not overtake its rest.
        for piece in pieces {
            let sent = self.send(piece)?;
            all_sent += sent;
            if sent < piece.len() {
                break;
            }
        }
        Ok(all_sent)
    }

    /// Number of bytes that have arrived and were not read.
    pub(crate) fn arrived(&self) -> usize {
        let arrived = match self {
            Self::Socket(registration) | Self::Unix(registration) => {
                rustix::io::ioctl_fionread(registration)
            }
            Self::Pipes(pipes) => pipes.arrived(),
            Self::Memory(socket) => return socket.arrived(),
        };
        // Errs for a descriptor whose input cannot be counted; 0 then.
        arrived.map_or(0, |arrived| usize::try_from(arrived).unwrap_or(usize::MAX))
    }

    /// Whether descriptors can be sent with the bytes.
    pub(crate) fn carries_descriptors(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Memory(socket) => matches!(socket.peer(), Address::Unix(_)),
            Self::Socket(_) | Self::Pipes(_) => false,
        }
    }

    /// As [`send`](Self::send), and sends `descriptors` with the first byte, if that is sent.
    pub(crate) fn send_with(
        &self,
        bytes: &[u8],
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<usize> {
        match self {
            Self::Unix(registration) => rights::send(registration, bytes, descriptors),
            Self::Memory(socket) => {
                let owned = descriptors
                    .iter()
                    .map(|descriptor| descriptor.try_clone_to_owned())
                    .collect::<io::Result<Vec<_>>>()?;
                socket.send(bytes, owned)
            }
            Self::Socket(_) | Self::Pipes(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Closes the sending direction.
    pub(crate) fn shut_write(&self) -> io::Result<()> {
        match self {
            Self::Socket(registration) | Self::Unix(registration) => {
                SockRef::from(registration).shutdown(Shutdown::Write)
            }
            Self::Pipes(pipes) => {
                pipes.shut_write();
                Ok(())
            }
            Self::Memory(socket) => {
                socket.shut_write();
                Ok(())
            }
        }
    }

    /// Makes the close a reset: unsent bytes are dropped.
    pub(crate) fn reset(&self) {
        match self {
            Self::Socket(registration) => {
                // A linger time of zero makes `close` send RST. If this errs, the peer sees an
                // ordinary end instead.
                let _ = SockRef::from(registration).set_linger(Some(Duration::ZERO));
            }
            // These have no reset; the peer sees only that they are closed.
            Self::Unix(_) | Self::Pipes(_) => {}
            Self::Memory(socket) => socket.reset(),
        }
    }

    /// The pending error of the socket (`SO_ERROR`), which no read or write has returned.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Socket(registration) | Self::Unix(registration) => {
                SockRef::from(registration).take_error()
            }
            Self::Pipes(_) => Ok(None),
            Self::Memory(socket) => Ok(socket.take_error()),
        }
    }

    /// Whether the socket, which has connected to `port`, is connected to itself.
    pub(crate) fn is_connected_to_itself(&self, port: u16) -> io::Result<bool> {
        match self {
            Self::Socket(registration) => socket::is_connected_to_itself(registration.into(), port),
            Self::Unix(_) | Self::Pipes(_) | Self::Memory(_) => Ok(false),
        }
    }

    /// The address of this side.
    pub(crate) fn host(&self) -> Address {
        match self {
            Self::Socket(registration) | Self::Unix(registration) => SockRef::from(registration)
                .local_addr()
                .map_or(Address::Unknown, |address| Address::from_system(&address)),
            Self::Pipes(_) => Address::Unknown,
            Self::Memory(socket) => socket.host().clone(),
        }
    }

    /// The credentials of the peer of a UNIX socket.
    pub(crate) fn peer_credentials(&self) -> io::Result<PeerCredentials> {
        match self {
            Self::Unix(registration) => PeerCredentials::of(registration.as_fd()),
            // Both ends of a connection in memory belong to this process.
            Self::Memory(socket) if socket.peer().as_unix().is_some() => Ok(PeerCredentials::own()),
            Self::Socket(_) | Self::Pipes(_) | Self::Memory(_) => {
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }

    /// The socket, if this is a real socket.
    pub(crate) fn socket(&self) -> Option<SockRef<'_>> {
        match self {
            Self::Socket(registration) | Self::Unix(registration) => {
                Some(SockRef::from(registration))
            }
            Self::Pipes(_) | Self::Memory(_) => None,
        }
    }
}
