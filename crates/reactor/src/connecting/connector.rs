//! `Connector`: a client that can connect again.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::rc::Rc;

use deferred::{Cancelled, Deferred, DeferredHandle, Failure};

use super::attempt::Connected;
use crate::address::Address;
use crate::connection::{Connection, Protocol};
use crate::error::{ConnectionClosed, NoProtocol};

/// State of a [`Connector`].
///
/// # Examples
///
/// ```
/// # use reactor::{Address, ClientFactory, Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// # struct Client; impl ClientFactory for Client {
/// # type Protocol = Quiet; fn build_protocol(&mut self, _: &Address) -> Option<Quiet> { Some(Quiet) } }
/// use reactor::ConnectorState;
///
/// # let reactor = TestReactor::new();
/// # reactor.listen_tcp("192.0.2.1:80", || Quiet)?;
/// let connector = reactor.connector_tcp("192.0.2.1:80", Client);
/// assert_eq!(connector.state(), ConnectorState::Disconnected);
/// connector.connect()?;
/// assert_eq!(connector.state(), ConnectorState::Connecting);
/// reactor.settle();
/// assert_eq!(connector.state(), ConnectorState::Connected);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectorState {
    /// There is neither an attempt nor a connection.
    Disconnected,
    /// An attempt is being made.
    Connecting,
    /// There is a connection.
    Connected,
}

/// A method was called in a state of the [`Connector`] that does not permit it.
///
/// # Examples
///
/// ```
/// # use reactor::{Address, ClientFactory, Protocol, Raw, testing::TestReactor};
/// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
/// # struct Client; impl ClientFactory for Client {
/// # type Protocol = Quiet; fn build_protocol(&mut self, _: &Address) -> Option<Quiet> { Some(Quiet) } }
/// # let reactor = TestReactor::new();
/// let connector = reactor.connector_tcp("192.0.2.1:80", Client);
/// connector.connect()?;
/// let error = connector.connect().unwrap_err();
/// assert_eq!(error.to_string(), "the connector is connecting, not disconnected");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectorError {
    /// The current state of the connector.
    pub state: ConnectorState,
    expected: ConnectorState,
}

impl fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |state| match state {
            ConnectorState::Disconnected => "disconnected",
            ConnectorState::Connecting => "connecting",
            ConnectorState::Connected => "connected",
        };
        let (state, expected) = (name(self.state), name(self.expected));
        write!(f, "the connector is {state}, not {expected}")
    }
}

impl Error for ConnectorError {}

/// A client that can connect again and again to one destination. Its
/// [`ClientFactory`](crate::ClientFactory) makes a protocol for each connection. (Twisted:
/// `IConnector`.)
///
/// Clones are handles on the same client. Dropping them ends nothing: an attempt or a connection
/// keeps the client alive, so the factory hears how it ends, and may connect again. For a single
/// connection, [`connect_tcp`](crate::ReactorHandle::connect_tcp) is simpler; to stay connected,
/// use a [`ClientService`](crate::ClientService), which takes any endpoint and waits between its
/// attempts. A `Connector` has no policy: it connects only when asked to, and leaves each
/// decision to its factory, as Twisted's `ClientFactory` does.
///
/// # Examples
///
/// ```
/// # use reactor::testing::TestReactor;
/// use reactor::{Address, ClientFactory, Protocol, Raw};
///
/// struct Client;
/// # impl Protocol for Client { type Framing = Raw; }
///
/// struct Clients;
///
/// impl ClientFactory for Clients {
///     type Protocol = Client;
///
///     fn build_protocol(&mut self, _peer: &Address) -> Option<Client> {
///         Some(Client)
///     }
/// }
///
/// # let reactor = TestReactor::new();
/// # reactor.listen_tcp("192.0.2.1:80", || Client)?;
/// let connector = reactor.connector_tcp("192.0.2.1:80", Clients);
/// for _ in 0..2 {
///     connector.connect()?;
///     reactor.settle();
///     assert!(connector.connection().is_some());
///     connector.disconnect();
///     reactor.settle();
///     assert!(connector.connection().is_none());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Connector<P: Protocol> {
    pub(super) client: Rc<dyn Client<P>>,
}

/// The client behind a connector, without the type of the factory; `Dialer` implements it. The last
/// four methods call the factory.
pub(super) trait Client<P: Protocol> {
    fn dial(&self) -> Deferred<Connected>;
    fn destination(&self) -> &str;
    fn phase(&self) -> &RefCell<Phase<P>>;
    fn build_protocol(&self, peer: &Address) -> Option<P>;
    fn started(self: Rc<Self>);
    fn failed(self: Rc<Self>, failure: Failure);
    fn lost(self: Rc<Self>, reason: ConnectionClosed);
}

/// INVARIANT: the phase is set before the factory is called, so that the factory sees the state
/// about which it is called, and may connect again.
pub(super) enum Phase<P: Protocol> {
    /// Set at the beginning, when an attempt has failed, and when a connection is lost.
    Disconnected,
    /// Set by `connect`.
    Connecting(Attempt),
    /// Set after `connection_made`, unless that has ended the connection.
    Connected(Connection<P>),
}

pub(super) enum Attempt {
    /// `started_connecting` is running, and may stop the attempt.
    Planned,
    /// The attempt runs; a cancel of the handle ends it.
    Dialling(DeferredHandle),
    /// `build_protocol` or `connection_made` runs. The connection is not known here yet, so a
    /// request to stop sets `is_stopped`: `begin` then makes no connection, or `dialled` closes it.
    Beginning { is_stopped: bool },
}

impl<P: Protocol> Connector<P> {
    /// Begins an attempt. The loop reports the outcome to the factory.
    ///
    /// # Errors
    ///
    /// If there is an attempt or a connection already.
    pub fn connect(&self) -> Result<(), ConnectorError> {
        self.expect(ConnectorState::Disconnected)?;
        self.set(Phase::Connecting(Attempt::Planned));
        self.client().started();
        if !matches!(
            *self.client.phase().borrow(),
            Phase::Connecting(Attempt::Planned)
        ) {
            // `started_connecting` has stopped the attempt, and may have begun another one.
            return Ok(());
        }
        let connector = self.clone();
        let mut connecting = self.client.dial().add_both(move |outcome| {
            connector.dialled(outcome);
        });
        let handle = connecting.handle();
        // `dialled` takes each outcome, so nothing is left to report.
        connecting.ignore();
        // Not stored if the attempt is over already.
        if let Phase::Connecting(attempt @ Attempt::Planned) =
            &mut *self.client.phase().borrow_mut()
        {
            *attempt = Attempt::Dialling(handle);
        }
        Ok(())
    }

    fn dialled(&self, outcome: deferred::Result<Connected>) {
        match outcome.and_then(|connected| self.begin(connected)) {
            Ok(connection) if !connection.is_gone() => {
                let is_stopped = self.is_stopped();
                self.set(Phase::Connected(connection.clone()));
                if is_stopped {
                    connection.lose_connection();
                }
            }
            // `connection_made` has ended the connection: `lost` has set the phase and told the
            // factory, which may have begun another attempt.
            Ok(_) => {}
            Err(failure) => {
                self.set(Phase::Disconnected);
                self.client().failed(failure);
            }
        }
    }

    /// Makes the connection. Errs if there is none; once there is one, `lost` reports how it ends,
    /// also if `connection_made` fails.
    fn begin(&self, connected: Connected) -> deferred::Result<Connection<P>> {
        // Set before the factory and the protocol are called, which may call `stop_connecting`.
        let is_stopped = false;
        self.set(Phase::Connecting(Attempt::Beginning { is_stopped }));
        let Some(protocol) = self.client.build_protocol(connected.peer()) else {
            return Err(Failure::new(NoProtocol));
        };
        if self.is_stopped() {
            return Err(Failure::new(Cancelled::new()));
        }
        // The connection keeps the client alive, so that the factory hears of the loss even
        // if all connectors were dropped. This is no reference cycle, because the client has
        // only a `Connection`, which is a weak handle.
        let connector = self.clone();
        let on_close = Box::new(move |reason| connector.lost(reason));
        let (connection, _reported_by_lost) = connected.begin(protocol, Some(on_close))?;
        Ok(connection)
    }

    /// Whether `stop_connecting` was called since `begin`.
    fn is_stopped(&self) -> bool {
        matches!(
            *self.client.phase().borrow(),
            Phase::Connecting(Attempt::Beginning { is_stopped: true })
        )
    }

    /// Stops the attempt that is being made: it fails with
    /// [`Cancelled`](deferred::Cancelled).
    ///
    /// # Errors
    ///
    /// If no attempt is being made.
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::{Cancelled, Failure};
    /// # use reactor::{Address, ClientFactory, Connector, ConnectorState, Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # struct Client;
    /// # impl ClientFactory for Client {
    /// #     type Protocol = Quiet;
    /// #     fn build_protocol(&mut self, _: &Address) -> Option<Quiet> { Some(Quiet) }
    /// #     fn connection_failed(&mut self, _: &Connector<Quiet>, failure: Failure) {
    /// #         assert!(failure.is::<Cancelled>());
    /// #     }
    /// # }
    /// # let reactor = TestReactor::new();
    /// # reactor.do_not_answer("192.0.2.1:80".parse()?);
    /// let connector = reactor.connector_tcp("192.0.2.1:80", Client);
    /// connector.connect()?;
    /// connector.stop_connecting()?;
    /// reactor.settle();
    /// assert_eq!(connector.state(), ConnectorState::Disconnected);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop_connecting(&self) -> Result<(), ConnectorError> {
        self.expect(ConnectorState::Connecting)?;
        let handle = match &mut *self.client.phase().borrow_mut() {
            Phase::Connecting(Attempt::Dialling(handle)) => Some(handle.clone()),
            Phase::Connecting(Attempt::Beginning { is_stopped }) => {
                *is_stopped = true;
                return Ok(());
            }
            _ => None,
        };
        // Called with nothing borrowed, because a cancel runs the callbacks of the attempt.
        if let Some(handle) = handle {
            handle.cancel();
        } else {
            self.set(Phase::Disconnected);
            self.client().failed(Failure::new(Cancelled::new()));
        }
        Ok(())
    }

    /// Stops an attempt, or loses the connection, whichever there is.
    pub fn disconnect(&self) {
        if let Some(connection) = self.connection() {
            connection.lose_connection();
        } else {
            // Errs if there is no attempt either; then it is disconnected already.
            let _ = self.stop_connecting();
        }
    }

    /// The current state.
    pub fn state(&self) -> ConnectorState {
        match &*self.client.phase().borrow() {
            Phase::Disconnected => ConnectorState::Disconnected,
            Phase::Connecting(_) => ConnectorState::Connecting,
            Phase::Connected(_) => ConnectorState::Connected,
        }
    }

    /// The connection, while there is one.
    pub fn connection(&self) -> Option<Connection<P>> {
        match &*self.client.phase().borrow() {
            Phase::Connected(connection) => Some(connection.clone()),
            _ => None,
        }
    }

    /// The destination, as it was given.
    pub fn destination(&self) -> &str {
        self.client.destination()
    }

    /// The connection is over.
    fn lost(&self, reason: ConnectionClosed) {
        self.set(Phase::Disconnected);
        self.client().lost(reason);
    }

    fn client(&self) -> Rc<dyn Client<P>> {
        Rc::clone(&self.client)
    }

    fn expect(&self, expected: ConnectorState) -> Result<(), ConnectorError> {
        let state = self.state();
        if state == expected {
            Ok(())
        } else {
            Err(ConnectorError { state, expected })
        }
    }

    fn set(&self, phase: Phase<P>) {
        // Dropped after the borrow, because the old phase may hold the last handle of an attempt.
        let replaced = self.client.phase().replace(phase);
        drop(replaced);
    }
}

impl<P: Protocol> Clone for Connector<P> {
    fn clone(&self) -> Self {
        Self {
            client: Rc::clone(&self.client),
        }
    }
}

impl<P: Protocol> fmt::Debug for Connector<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("destination", &self.destination())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
