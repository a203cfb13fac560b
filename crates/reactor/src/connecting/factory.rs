//! `ClientFactory`: makes the protocols of a connector, and hears how attempts and connections
//! end.

use deferred::Failure;

use super::connector::Connector;
use crate::address::Address;
use crate::connection::Protocol;
use crate::error::ConnectionClosed;

/// Makes the protocols of a [`Connector`], and hears how its attempts and connections end.
///
/// # Examples
///
/// A client that connects again whenever its connection is lost:
///
/// ```
/// use reactor::{Address, ClientFactory, ConnectionClosed, Connector};
/// # use reactor::{Context, Protocol, Raw};
/// # #[derive(Clone)] struct Client;
/// # impl Protocol for Client {
/// #     type Framing = Raw;
/// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
/// # }
///
/// struct Persistent;
///
/// impl ClientFactory for Persistent {
///     type Protocol = Client;
///
///     fn build_protocol(&mut self, _peer: &Address) -> Option<Client> {
///         Some(Client)
///     }
///
///     fn connection_lost(&mut self, connector: &Connector<Client>, reason: ConnectionClosed) {
///         println!("{reason}; connecting again");
///         connector.connect().unwrap();
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make protocols for a client",
    label = "not a client factory",
    note = "implement `ClientFactory` for it, or connect once, with a protocol: `connect_tcp(address, protocol)`"
)]
pub trait ClientFactory: 'static {
    /// The type of its protocols.
    type Protocol: Protocol;

    /// The protocol for a connection to `peer`; `None` refuses it.
    fn build_protocol(&mut self, peer: &Address) -> Option<Self::Protocol>;

    /// Called when an attempt begins. This method may stop it.
    fn started_connecting(&mut self, connector: &Connector<Self::Protocol>) {
        let _ = connector;
    }

    /// Called when the attempt has failed. This method may begin another one.
    ///
    /// # Examples
    ///
    /// Waits before it tries again:
    ///
    /// ```
    /// # use deferred::Failure;
    /// # use reactor::{Address, ClientFactory, Connector, Protocol, Raw, ReactorHandle, testing::TestReactor};
    /// # use std::time::Duration;
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # struct Client { reactor: ReactorHandle }
    /// # impl ClientFactory for Client {
    /// #     type Protocol = Quiet;
    /// #     fn build_protocol(&mut self, _: &Address) -> Option<Quiet> { Some(Quiet) }
    /// fn connection_failed(&mut self, connector: &Connector<Quiet>, failure: Failure) {
    ///     println!("{failure}; trying again in a minute");
    ///     let connector = connector.clone();
    ///     self.reactor.call_later(Duration::from_secs(60), move || {
    ///         let _ = connector.connect();
    ///     });
    /// }
    /// # }
    /// # let reactor = TestReactor::new();
    /// # let connector = reactor.connector_tcp("192.0.2.1:80", Client { reactor: reactor.handle() });
    /// # connector.connect()?;
    /// # reactor.settle();
    /// # reactor.listen_tcp("192.0.2.1:80", || Quiet)?;
    /// # reactor.advance(Duration::from_secs(60));
    /// # assert!(connector.connection().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn connection_failed(&mut self, connector: &Connector<Self::Protocol>, failure: Failure) {
        let _ = (connector, failure);
    }

    /// Called when the connection is over, after the protocol's `connection_lost`. This method may
    /// begin another attempt.
    ///
    /// # Examples
    ///
    /// Connects again unless both sides have finished:
    ///
    /// ```
    /// # use reactor::{Address, ClientFactory, ConnectionClosed, Connector, Protocol, Raw, testing::TestReactor};
    /// # #[derive(Clone)] struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # struct Client;
    /// # impl ClientFactory for Client {
    /// #     type Protocol = Quiet;
    /// #     fn build_protocol(&mut self, _: &Address) -> Option<Quiet> { Some(Quiet) }
    /// fn connection_lost(&mut self, connector: &Connector<Quiet>, reason: ConnectionClosed) {
    ///     if !reason.is_clean() {
    ///         connector.connect().unwrap();
    ///     }
    /// }
    /// # }
    /// # let reactor = TestReactor::new();
    /// # reactor.listen_tcp("192.0.2.1:80", || Quiet)?;
    /// # let connector = reactor.connector_tcp("192.0.2.1:80", Client);
    /// # connector.connect()?;
    /// # reactor.settle();
    /// # let first = connector.connection().unwrap();
    /// # first.abort();
    /// # reactor.settle();
    /// # assert!(connector.connection().is_some_and(|second| second != first));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn connection_lost(&mut self, connector: &Connector<Self::Protocol>, reason: ConnectionClosed) {
        let _ = (connector, reason);
    }
}
