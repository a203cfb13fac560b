//! `InheritedFd`: an inherited descriptor, by its number.

use std::io;
use std::os::fd::{OwnedFd, RawFd};

use deferred::{Deferred, Failure, fail, succeed};
use socket2::{Domain, SockRef};

use super::any_port::AnyPort;
use super::client::ClientEndpoint;
use super::pending::PendingConnection;
use super::server::{Accept, ServerEndpoint, SharedAccept};
use crate::address::Address;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::sys;

/// A descriptor that the process has inherited, by its number: a connection for a client, a
/// listening socket for a server. The endpoint uses a duplicate, and leaves the original open.
///
/// # Examples
///
/// ```no_run
/// # use reactor::{Protocol, Raw, Reactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// use reactor::endpoint::{InheritedFd, Listen};
///
/// let reactor = Reactor::new()?;
/// // A supervisor has opened the port, and passes it as number 3.
/// InheritedFd::new(3).listen(&reactor, || Quiet).detach();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InheritedFd {
    input: RawFd,
    output: RawFd,
}

impl InheritedFd {
    /// One descriptor for both directions.
    pub fn new(number: RawFd) -> Self {
        Self::pipes(number, number)
    }

    /// A client whose input comes from one descriptor and whose output goes to another.
    pub fn pipes(input: RawFd, output: RawFd) -> Self {
        Self { input, output }
    }

    fn open(self, reactor: &ReactorHandle) -> io::Result<PendingConnection> {
        // A duplicate, because the number belongs to the program, which may dial with it again.
        let input = sys::duplicate(self.input)?;
        let socket = SockRef::from(&input);
        // Only a socket has a type (`SO_TYPE`). Without a peer, it is no connection, and
        // `peer_addr` fails.
        if self.input == self.output && socket.r#type().is_ok() {
            let peer = Address::from_system(&socket.peer_addr()?);
            return Ok(PendingConnection::adopted(reactor, input, peer));
        }
        let output = sys::duplicate(self.output)?;
        Ok(PendingConnection::pipes(reactor, input, output))
    }
}

impl ClientEndpoint for InheritedFd {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        let Self { input, .. } = *self;
        self.open(reactor).map_or_else(
            |error| fail(Failure::from(error).context(format!("descriptor {input}"))),
            succeed,
        )
    }
}

impl ServerEndpoint for InheritedFd {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        let name = format!("descriptor {}", self.input);
        match sys::duplicate(self.input) {
            Ok(listener) => adopt(reactor, listener, &name, accept),
            Err(error) => fail(ListenError::new(name, error)),
        }
    }
}

/// Accepts from a socket that is listening already.
pub(super) fn adopt(
    reactor: &ReactorHandle,
    listener: OwnedFd,
    name: &str,
    accept: Box<dyn Accept>,
) -> Deferred<AnyPort> {
    let accept = SharedAccept::new(reactor, accept);
    let is_unix = SockRef::from(&listener)
        .local_addr()
        .is_ok_and(|address| address.domain() == Domain::UNIX);
    let adopted = if is_unix {
        reactor
            .adopt_unix_listener_with(listener, accept.clone())
            .map(AnyPort::from)
    } else {
        reactor
            .adopt_listener_with(listener, accept.clone())
            .map(AnyPort::from)
    };
    match adopted {
        Ok(port) => {
            accept.announce();
            succeed(port)
        }
        Err(error) => fail(ListenError::new(name, error)),
    }
}
