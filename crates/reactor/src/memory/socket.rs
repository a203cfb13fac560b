//! One end of a simulated connection.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use super::members::{Member, Members};
use super::pipe::Pipe;
use crate::address::Address;
use crate::readiness::{Interest, Key, Ready};

/// One end of a connection. Dropping it closes it.
pub(crate) struct Socket {
    end: Rc<End>,
}

struct End {
    members: Weak<Members>,
    key: Cell<Key>,
    interest: Cell<Option<Interest>>,
    incoming: Rc<Pipe>,
    outgoing: Rc<Pipe>,
    host: Address,
    peer: Address,
    /// The error of the connect, if it has failed.
    error: Cell<Option<io::ErrorKind>>,
    // Never cleared: set only for an address that does not answer.
    is_connecting: bool,
}

impl Socket {
    fn new(
        members: &Rc<Members>,
        pipes: (&Rc<Pipe>, &Rc<Pipe>),
        host: Address,
        peer: Address,
        is_connecting: bool,
    ) -> Self {
        let end = Rc::new(End {
            members: Rc::downgrade(members),
            // No key yet: without an interest, nothing is reported. The source that takes the
            // socket sets both.
            key: Cell::new(0),
            interest: Cell::new(None),
            incoming: Rc::clone(pipes.0),
            outgoing: Rc::clone(pipes.1),
            host,
            peer,
            error: Cell::new(None),
            is_connecting,
        });
        let member: Weak<dyn Member> = {
            // Weak, so that a dropped socket is no longer a member.
            let weak: Weak<End> = Rc::downgrade(&end);
            weak
        };
        members.join(member);
        Self { end }
    }

    pub(super) fn pair(members: &Rc<Members>, host: Address, peer: Address) -> (Self, Self) {
        let (there, back) = (Rc::new(Pipe::default()), Rc::new(Pipe::default()));
        let near = Self::new(members, (&back, &there), host.clone(), peer.clone(), false);
        let far = Self::new(members, (&there, &back), peer, host, false);
        (near, far)
    }

    /// A socket whose connect never ends.
    pub(super) fn without_answer(
        members: &Rc<Members>,
        key: Key,
        host: Address,
        peer: Address,
    ) -> Self {
        let pipes = (&Rc::new(Pipe::default()), &Rc::new(Pipe::default()));
        let socket = Self::new(members, pipes, host, peer, true);
        socket.set_key(key);
        socket
    }

    pub(super) fn refuse(&self, why: io::ErrorKind) {
        self.end.error.set(Some(why));
    }

    pub(crate) fn set_key(&self, key: Key) {
        self.end.key.set(key);
    }

    pub(crate) fn host(&self) -> &Address {
        &self.end.host
    }

    pub(crate) fn peer(&self) -> &Address {
        &self.end.peer
    }

    pub(crate) fn set_interest(&self, interest: Interest) {
        self.end.interest.set(Some(interest));
    }

    pub(crate) fn mask(&self) {
        self.end.interest.set(None);
    }

    pub(crate) fn is_masked(&self) -> bool {
        self.end.interest.get().is_none()
    }

    pub(crate) fn take_error(&self) -> Option<io::Error> {
        let was_reset = self.end.incoming.is_reset();
        let reset = was_reset.then_some(io::ErrorKind::ConnectionReset);
        self.end.error.take().or(reset).map(io::Error::from)
    }

    /// Reads into `buffer`. Returns `None` if there is no input now, 0 at the end of the input.
    pub(crate) fn receive(
        &self,
        buffer: &mut [u8],
        descriptors: &mut Vec<OwnedFd>,
    ) -> io::Result<Option<usize>> {
        let largest = self
            .end
            .members
            .upgrade()
            .map_or(usize::MAX, |n| n.largest_read());
        let length = buffer.len().min(largest);
        self.end.incoming.read(&mut buffer[..length], descriptors)
    }

    /// Number of bytes that have arrived and were not read.
    pub(crate) fn arrived(&self) -> usize {
        self.end.incoming.len()
    }

    /// Up to `bytes` bytes that the other end still sends are discarded, as a real socket is read
    /// after an orderly close (`Linger`).
    pub(crate) fn linger(&self, bytes: usize) {
        self.end.incoming.discard(bytes);
    }

    /// Sends as many bytes as there is room for.
    pub(crate) fn send(&self, bytes: &[u8], descriptors: Vec<OwnedFd>) -> io::Result<usize> {
        self.end.outgoing.write(bytes, descriptors)
    }

    pub(crate) fn shut_write(&self) {
        self.end.outgoing.finish();
    }

    /// Ends the output with a reset.
    pub(crate) fn reset(&self) {
        self.end.outgoing.reset();
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Both directions: the peer reads the end, and its writes fail from now on.
        self.end.outgoing.finish();
        self.end.incoming.stop_reading();
    }
}

impl Member for End {
    fn key(&self) -> Key {
        self.key.get()
    }

    fn interest(&self) -> Option<Interest> {
        self.interest.get()
    }

    fn state(&self) -> Ready {
        if self.is_connecting {
            return Ready::new(false, false, false);
        }
        // A hang-up as in `poll(2)`: an error, or the end of both directions.
        let is_broken = self.error.get().is_some() || self.incoming.is_reset();
        let is_over = self.incoming.is_finished() && self.outgoing.is_finished();
        Ready::new(
            self.incoming.is_readable(),
            self.outgoing.is_writable(),
            is_broken || is_over,
        )
    }
}
