//! `Stdio`: standard input and output as an endpoint.

use std::io;
use std::os::fd::AsFd;

use deferred::{Deferred, fail, succeed};

use super::any_port::AnyPort;
use super::client::ClientEndpoint;
use super::pending::PendingConnection;
use super::server::{Accept, ServerEndpoint, accept_one};
use crate::handle::ReactorHandle;

/// Standard input and output as one connection: see [`ReactorHandle::stdio`]. Use it once in a
/// program, because two connections would share the input bytes. As a server endpoint, it accepts
/// this one connection. (Twisted: `StandardIOEndpoint`.)
///
/// # Examples
///
/// ```no_run
/// use reactor::endpoint::{Connect, Stdio};
/// # use reactor::{Protocol, Raw, Reactor};
/// # struct Shell; impl Protocol for Shell { type Framing = Raw; }
///
/// let reactor = Reactor::new()?;
/// Stdio.connect(&reactor, Shell).detach();
/// reactor.run_until_signal()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Stdio;

impl Stdio {
    fn open(reactor: &ReactorHandle) -> io::Result<PendingConnection> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        Ok(PendingConnection::pipes(reactor, input, output))
    }
}

impl ClientEndpoint for Stdio {
    fn dial(&self, reactor: &ReactorHandle) -> Deferred<PendingConnection> {
        Self::open(reactor).map_or_else(fail, succeed)
    }
}

impl ServerEndpoint for Stdio {
    fn listen_with(&self, reactor: &ReactorHandle, accept: Box<dyn Accept>) -> Deferred<AnyPort> {
        match Self::open(reactor) {
            Ok(connection) => accept_one(accept, connection),
            Err(error) => fail(error),
        }
    }
}
