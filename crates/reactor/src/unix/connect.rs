//! `connect_unix`: from a name to a connection.

use std::io;
use std::time::Duration;

use deferred::{Deferred, Failure, fail};

use crate::address::UnixAddress;
use crate::connecting::{ClientFactory, Connected, Connector, Target, attempt, from_the_loop};
use crate::connection::{Connection, Protocol};
use crate::error::{ConnectError, ConnectErrorKind};
use crate::handle::ReactorHandle;

/// How long to wait where too many wait already.
const TIMEOUT: Duration = Duration::from_secs(30);

impl ReactorHandle {
    /// Connects to the UNIX socket `target` and gives the connection to `protocol`.
    ///
    /// The Deferred fires after `connection_made`. Cancelling it stops the attempt.
    ///
    /// # Errors
    ///
    /// As for [`connect_tcp`](Self::connect_tcp): a [`ConnectError`], or what
    /// `connection_made` failed with.
    #[doc(alias = "connectUNIX")]
    #[doc(alias = "UnixStream")]
    pub fn connect_unix<P: Protocol>(
        &self,
        target: impl Into<UnixAddress>,
        protocol: P,
    ) -> Deferred<Connection<P>> {
        let target = target.into();
        from_the_loop(self, || {
            dial(self, target)
                .add_callback(move |connected| connected.into_connection(protocol, None))
        })
    }

    /// A client that connects to the UNIX socket `target`, and may do so again: see
    /// [`Connector`]. It does not begin by itself.
    pub fn connector_unix<F: ClientFactory>(
        &self,
        target: impl Into<UnixAddress>,
        factory: F,
    ) -> Connector<F::Protocol> {
        let target = target.into();
        let destination = target.to_string();
        let reactor = self.clone();
        let again = Box::new(move || from_the_loop(&reactor, || dial(&reactor, target.clone())));
        Connector::new(self, destination, again, factory)
    }
}

fn dial(reactor: &ReactorHandle, target: UnixAddress) -> Deferred<Connected> {
    let given = target.to_string();
    let Ok(core) = reactor.core() else {
        let kind = ConnectErrorKind::ReactorGone;
        return fail(ConnectError::new(&given, kind));
    };
    let connecting = attempt(&core, &Target::Unix(target), TIMEOUT);
    connecting.add_callback(move |outcome: io::Result<Connected>| {
        outcome.map_err(|error| Failure::new(ConnectError::because(&given, error)))
    })
}
