//! `RawDatagrams`: the socket of a datagram port: a real one, or a simulated one in memory.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use socket2::SockRef;

use super::address::{DatagramAddress, SEND_FLAGS};
use crate::memory::{self, Received};
use crate::poll::{Interest, Key, Registration};

/// Socket that sends and receives datagrams. Dropping it closes it.
pub(super) enum RawDatagrams {
    System(Registration),
    /// Socket of a test reactor, in its memory network.
    Memory(memory::DatagramSocket, Key),
}

impl RawDatagrams {
    pub(super) fn key(&self) -> Key {
        match self {
            Self::System(registration) => registration.key(),
            Self::Memory(_, key) => *key,
        }
    }

    pub(super) fn set_interest(&self, interest: Interest) -> io::Result<()> {
        match self {
            Self::System(registration) => registration.set_interest(interest),
            // A socket in memory is in no poller: the loop always reads it, and it always has room.
            Self::Memory(..) => Ok(()),
        }
    }

    /// Address that the socket is bound to.
    pub(super) fn local<A: DatagramAddress>(&self) -> io::Result<A> {
        match self {
            Self::System(registration) => A::of(registration.as_fd()),
            Self::Memory(socket, _) => of_memory(socket.local()),
        }
    }

    /// Address of the peer that the socket is connected to.
    pub(super) fn peer<A: DatagramAddress>(&self) -> Option<A> {
        match self {
            Self::System(registration) => A::peer_of(registration.as_fd()),
            Self::Memory(socket, _) => socket.peer().and_then(A::from_inet),
        }
    }

    pub(super) fn connect<A: DatagramAddress>(&self, peer: &A) -> io::Result<()> {
        match self {
            Self::System(registration) => SockRef::from(registration).connect(&peer.to_system()?),
            Self::Memory(socket, _) => {
                socket.connect(peer.as_inet().ok_or(Errno::AFNOSUPPORT)?);
                Ok(())
            }
        }
    }

    /// Sends to `to`, or to the peer that the socket is connected to.
    pub(super) fn send<A: DatagramAddress>(
        &self,
        bytes: &[u8],
        to: Option<&A>,
    ) -> Result<(), Errno> {
        match self {
            Self::System(registration) => {
                let socket = registration.as_fd();
                let sent = match to {
                    Some(to) => to.send(socket, bytes),
                    None => rustix::net::send(socket, bytes, SEND_FLAGS),
                };
                sent.map(drop)
            }
            Self::Memory(socket, _) => {
                let to = match to {
                    Some(to) => to.as_inet().ok_or(Errno::AFNOSUPPORT)?,
                    None => socket.peer().ok_or(Errno::DESTADDRREQ)?,
                };
                socket.send(bytes, to).map_err(|_| Errno::MSGSIZE)
            }
        }
    }

    /// Receives a datagram into `buffer`. Returns its full length, even if `buffer` is shorter, and
    /// its sender.
    pub(super) fn receive<A: DatagramAddress>(
        &self,
        buffer: &mut [u8],
    ) -> Result<(usize, Option<A>), Errno> {
        match self {
            Self::System(registration) => A::receive(registration.as_fd(), buffer),
            Self::Memory(socket, _) => match socket.receive(buffer) {
                Some(Received::Datagram(length, from)) => Ok((length, A::from_inet(from))),
                Some(Received::Refused) => Err(Errno::CONNREFUSED),
                None => Err(Errno::AGAIN),
            },
        }
    }

    /// Whether the poller would report this socket again and again, although a receive gives no
    /// datagram.
    pub(super) fn has_hung_up(&self) -> bool {
        let Self::System(registration) = self else {
            return false;
        };
        // A timeout of zero, so `poll` does not wait. It reports `POLLHUP` and `POLLERR` even if
        // they are not requested.
        let mut told = [PollFd::new(registration, PollFlags::IN)];
        let now = Timespec::default();
        rustix::event::poll(&mut told, Some(&now)).is_ok_and(|_| {
            told[0]
                .revents()
                .intersects(PollFlags::HUP | PollFlags::ERR)
        })
    }

    /// The descriptor, for socket options that `RawDatagrams` has no method for.
    ///
    /// # Errors
    ///
    /// If the socket is in memory.
    pub(super) fn as_system(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Self::System(registration) => Ok(registration.as_fd()),
            Self::Memory(..) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a test reactor has neither broadcast nor multicast",
            )),
        }
    }
}

fn of_memory<A: DatagramAddress>(address: SocketAddr) -> io::Result<A> {
    A::from_inet(address).ok_or_else(|| io::ErrorKind::Unsupported.into())
}
