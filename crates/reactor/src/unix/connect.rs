//! `connect_unix`: connects to UNIX sockets.

use std::io;
use std::time::Duration;

use deferred::{Deferred, Failure, fail};

use crate::address::UnixAddress;
use crate::connecting::{ClientFactory, Connected, Connector, Target, attempt, from_the_loop};
use crate::connection::{Connection, Protocol};
use crate::error::{ConnectError, ConnectErrorKind};
use crate::handle::ReactorHandle;

/// Default of the longest time of an attempt.
// Same as in Twisted's `connectUNIX`.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Target and options of a connection, for [`connect_unix`](ReactorHandle::connect_unix). A value
/// that converts into a [`UnixAddress`] also converts into this, with the default options.
///
/// # Examples
///
/// ```
/// use reactor::UnixConnectOptions;
/// use std::time::Duration;
///
/// let options = UnixConnectOptions::new("/run/admin").timeout(Duration::from_secs(2));
/// # drop(options);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it connects to nothing by itself"]
pub struct UnixConnectOptions {
    target: UnixAddress,
    timeout: Duration,
}

impl UnixConnectOptions {
    /// Connects to `target`, with the default options.
    pub fn new(target: impl Into<UnixAddress>) -> Self {
        Self {
            target: target.into(),
            timeout: TIMEOUT,
        }
    }

    /// Sets the longest time of an attempt: 30 seconds by default. An attempt has to wait if the
    /// server's backlog is full.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl<A: Into<UnixAddress>> From<A> for UnixConnectOptions {
    fn from(target: A) -> Self {
        Self::new(target)
    }
}

impl ReactorHandle {
    /// Connects to the UNIX socket `target` and gives the connection to `protocol`.
    ///
    /// The Deferred fires after `connection_made`. If it is cancelled, the attempt is stopped.
    ///
    /// # Errors
    ///
    /// As for [`connect_tcp`](Self::connect_tcp): a [`ConnectError`], or the failure of
    /// `connection_made`.
    #[doc(alias = "connectUNIX")]
    #[doc(alias = "UnixStream")]
    pub fn connect_unix<P: Protocol>(
        &self,
        target: impl Into<UnixConnectOptions>,
        protocol: P,
    ) -> Deferred<Connection<P>> {
        let options = target.into();
        from_the_loop(self, || {
            dial(self, options).add_callback(move |connected| connected.into_connection(protocol))
        })
    }

    /// A client that can connect to the UNIX socket `target` again and again: see [`Connector`]. It
    /// connects when [`connect`](Connector::connect) is called.
    pub fn connector_unix<F: ClientFactory>(
        &self,
        target: impl Into<UnixConnectOptions>,
        factory: F,
    ) -> Connector<F::Protocol> {
        let options = target.into();
        let destination = options.target.to_string();
        let reactor = self.clone();
        let again = Box::new(move || from_the_loop(&reactor, || dial(&reactor, options.clone())));
        Connector::new(self, destination, again, factory)
    }
}

pub(crate) fn dial(reactor: &ReactorHandle, options: UnixConnectOptions) -> Deferred<Connected> {
    let UnixConnectOptions { target, timeout } = options;
    let given = target.to_string();
    let Ok(core) = reactor.core() else {
        let kind = ConnectErrorKind::ReactorGone;
        return fail(ConnectError::new(&given, kind));
    };
    let connecting = attempt(&core, &Target::Unix(target), timeout);
    connecting.add_callback(move |outcome: io::Result<Connected>| {
        outcome.map_err(|error| Failure::new(ConnectError::because(&given, error)))
    })
}
