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

/// What a [`Connector`] is at.
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
    /// Neither of the others.
    Disconnected,
    /// An attempt is being made.
    Connecting,
    /// There is a connection.
    Connected,
}

/// A [`Connector`] is not in the state for what was asked of it.
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
    /// The state it is in.
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

/// A client whose connection can be made again: it knows where to, and has a
/// [`ClientFactory`](crate::ClientFactory) that makes a protocol each time. (Twisted:
/// `IConnector`.)
///
/// Clones stand for the same client. Dropping them ends nothing: an attempt and a
/// connection keep the client, so the factory hears how they end, and may connect again.
/// For a single connection, [`connect_tcp`](crate::ReactorHandle::connect_tcp) is simpler; for one
/// that is to be there always, [`ClientService`](crate::ClientService), which takes any endpoint and
/// has delays between its attempts. A `Connector` has no policy: it connects only when it is
/// told to, and leaves each decision to its factory, as clients do that come from Twisted's
/// `ClientFactory`.
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

/// What a connector knows of its client, without the type of the factory: `Dialer` implements
/// it. The last three call the factory.
pub(super) trait Client<P: Protocol> {
    fn dial(&self) -> Deferred<Connected>;
    fn destination(&self) -> &str;
    fn phase(&self) -> &RefCell<Phase<P>>;
    fn build_protocol(&self, peer: &Address) -> Option<P>;
    fn started(self: Rc<Self>);
    fn failed(self: Rc<Self>, failure: Failure);
    fn lost(self: Rc<Self>, reason: ConnectionClosed);
}

/// INVARIANT: the factory is called after the phase was set, so that it finds the state that it
/// hears of, and may connect again.
pub(super) enum Phase<P: Protocol> {
    /// At the beginning, and after an attempt that has failed or a connection that is lost.
    Disconnected,
    /// From `connect` on.
    Connecting(Attempt),
    /// From the end of `connection_made` on, unless that has closed the connection.
    Connected(Connection<P>),
}

pub(super) enum Attempt {
    /// `started_connecting` runs, which may call it off.
    Planned,
    /// From then on; a cancel of the handle ends it.
    Dialling(DeferredHandle),
    /// `connection_made` runs. The connection is not known here yet, so a request to stop is
    /// noted, and closes the connection when it is.
    Beginning { is_stopped: bool },
}

impl<P: Protocol> Connector<P> {
    /// Begins an attempt. The loop reports the outcome to the factory.
    ///
    /// # Errors
    ///
    /// There is an attempt or a connection already.
    pub fn connect(&self) -> Result<(), ConnectorError> {
        self.expect(ConnectorState::Disconnected)?;
        self.set(Phase::Connecting(Attempt::Planned));
        self.client().started();
        if !matches!(
            *self.client.phase().borrow(),
            Phase::Connecting(Attempt::Planned)
        ) {
            // It was stopped from there, and may have been begun anew.
            return Ok(());
        }
        let connector = self.clone();
        let mut connecting = self.client.dial().add_both(move |outcome| {
            connector.dialled(outcome);
        });
        let handle = connecting.handle();
        // `dialled` takes each outcome, so nothing is left to report.
        connecting.ignore();
        // Not if the attempt is over already.
        if let Phase::Connecting(attempt @ Attempt::Planned) =
            &mut *self.client.phase().borrow_mut()
        {
            *attempt = Attempt::Dialling(handle);
        }
        Ok(())
    }

    fn dialled(&self, outcome: deferred::Result<Connected>) {
        let connection = outcome.and_then(|connected| {
            let Some(protocol) = self.client.build_protocol(connected.peer()) else {
                return Err(Failure::new(NoProtocol));
            };
            // The connection keeps the client, so that a dropped connector hears of the
            // loss, too. The client refers to the connection weakly.
            let connector = self.clone();
            let on_close = Box::new(move |reason| connector.lost(reason));
            // Set before `connection_made`, which may ask for it.
            let is_stopped = false;
            self.set(Phase::Connecting(Attempt::Beginning { is_stopped }));
            connected.into_connection(protocol, Some(on_close))
        });
        match connection {
            Ok(connection) if !connection.is_gone() => {
                let is_stopped = matches!(
                    *self.client.phase().borrow(),
                    Phase::Connecting(Attempt::Beginning { is_stopped: true })
                );
                self.set(Phase::Connected(connection.clone()));
                if is_stopped {
                    connection.lose_connection();
                }
            }
            // `connection_made` has closed it: `lost` has set the phase, and told the factory.
            Ok(_) => {}
            Err(failure) => {
                // If it failed in `connection_made`, it has been lost as well.
                if self.state() == ConnectorState::Connecting {
                    self.set(Phase::Disconnected);
                    self.client().failed(failure);
                }
            }
        }
    }

    /// Stops the attempt that is being made: it fails with
    /// [`Cancelled`](deferred::Cancelled).
    ///
    /// # Errors
    ///
    /// There is none.
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
        // Nothing is borrowed: a cancel runs the callbacks of the attempt.
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

    /// What it is at.
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

    /// Where it connects to, as it was given.
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
        // Dropped after the borrow: it may be the last handle of an attempt.
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
