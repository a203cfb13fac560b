//! `ClientService`: the public handle of a client service.

use std::fmt;
use std::rc::Rc;

use deferred::Deferred;

use super::machine::Machine;
use super::state::{ClientServiceState, State};
use crate::connection::{Connection, Protocol};

/// Keeps one connection to an endpoint: connects, and connects again when an attempt fails or the
/// connection is lost, after a delay that grows with each failure ([`Backoff`](super::Backoff)).
/// (Twisted: `ClientService`.)
///
/// A clone is a handle on the same service. The service does not stop when all handles are dropped.
/// [`stop`](Self::stop) stops it, and so does a stop of the reactor when it closes the connections,
/// so triggers of the phase `Before` can still use the connection.
///
/// # Examples
///
/// ```
/// use reactor::testing::TestReactor;
/// use reactor::{ClientService, Lines, Protocol};
/// use std::time::Duration;
///
/// struct Feed;
///
/// impl Protocol for Feed {
///     type Framing = Lines;
/// }
///
/// let reactor = TestReactor::new();
/// let service = ClientService::builder("192.0.2.1:7000", || Feed).start(&reactor);
/// let connected = service.when_connected();
/// reactor.settle();
/// assert!(service.failures() > 0, "there is no server");
///
/// let server = reactor.listen_tcp("192.0.2.1:7000", || Feed)?;
/// reactor.advance(Duration::from_secs(1));
/// let connection = connected.into_result().unwrap()?;
/// connection.abort();
/// reactor.settle();
/// assert!(service.connection().is_none());
/// reactor.advance(Duration::from_secs(1));
/// assert!(service.connection().is_some(), "it has come back");
///
/// let stopped = service.stop();
/// reactor.settle();
/// assert!(stopped.into_result().unwrap().is_ok());
/// assert_eq!(reactor.counters().connections, 0);
/// # drop(server);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClientService<P: Protocol> {
    machine: Rc<Machine<P>>,
}

impl<P: Protocol> ClientService<P> {
    pub(super) fn new(machine: Rc<Machine<P>>) -> Self {
        Self { machine }
    }

    /// Connects, and keeps connected. Does nothing if the service is started, or if the reactor is
    /// gone. While a stop waits for the end of the connection, the service starts again after
    /// that.
    #[doc(alias = "startService")]
    pub fn start(&self) {
        self.machine.start();
    }

    /// Stops: cancels an attempt, a prepare step or a delay, and closes a connection as
    /// [`Connection::lose_connection`] does. The Deferred fires when all of that has ended, which
    /// may be at once. The Deferreds of [`when_connected`](Self::when_connected) fail with
    /// [`ServiceStopped`](super::ServiceStopped).
    ///
    /// Cancelling the Deferred ends the wait, not the stop.
    #[doc(alias = "stopService")]
    pub fn stop(&self) -> Deferred<()> {
        self.machine.stop()
    }

    /// Fires with the connection: at once if there is one, else when the next one is made.
    ///
    /// Cancelling the Deferred ends the wait.
    ///
    /// # Errors
    ///
    /// [`ServiceStopped`](super::ServiceStopped) if the service is not started, or is stopped
    /// before it has a connection.
    #[doc(alias = "whenConnected")]
    pub fn when_connected(&self) -> Deferred<Connection<P>> {
        self.machine.when_connected(0)
    }

    /// As [`when_connected`](Self::when_connected), but fails after `attempts` (at least one)
    /// failed attempts from now on. The service itself continues to connect. (Twisted:
    /// `whenConnected(failAfterFailures=...)`.)
    ///
    /// # Errors
    ///
    /// As for [`when_connected`](Self::when_connected), or the failure of the last attempt.
    pub fn when_connected_within(&self, attempts: u32) -> Deferred<Connection<P>> {
        self.machine.when_connected(attempts.max(1))
    }

    /// The connection, if there is one and the prepare step has finished.
    pub fn connection(&self) -> Option<Connection<P>> {
        self.machine.look(|state| match state {
            State::Connected(connection) => Some(connection.clone()),
            _ => None,
        })
    }

    /// What the service is doing.
    pub fn state(&self) -> ClientServiceState {
        self.machine.look(State::name)
    }

    /// The number of attempts and connections that have failed since the last success.
    pub fn failures(&self) -> u32 {
        self.machine.failures()
    }
}

impl<P: Protocol> Clone for ClientService<P> {
    fn clone(&self) -> Self {
        Self {
            machine: Rc::clone(&self.machine),
        }
    }
}

impl<P: Protocol> fmt::Debug for ClientService<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService")
            .field("state", &self.state())
            .field("failures", &self.failures())
            .finish_non_exhaustive()
    }
}
