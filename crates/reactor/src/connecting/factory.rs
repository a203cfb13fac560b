//! `ClientFactory`: what makes the protocols of a connector.

use deferred::Failure;

use super::connector::Connector;
use crate::address::Address;
use crate::connection::Protocol;
use crate::error::ConnectionClosed;

/// Makes the protocols of a [`Connector`], and hears how it fares.
///
/// # Examples
///
/// A client that comes back whenever it is cut off:
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
pub trait ClientFactory: 'static {
    /// What it makes.
    type Protocol: Protocol;

    /// The protocol for a connection to `peer`; `None` refuses it.
    fn build_protocol(&mut self, peer: &Address) -> Option<Self::Protocol>;

    /// An attempt begins. It can be stopped from here.
    fn started_connecting(&mut self, connector: &Connector<Self::Protocol>) {
        let _ = connector;
    }

    /// The attempt has failed. Another one may be begun from here.
    fn connection_failed(&mut self, connector: &Connector<Self::Protocol>, failure: Failure) {
        let _ = (connector, failure);
    }

    /// The connection is over; its protocol was told before. Another attempt may be
    /// begun from here.
    fn connection_lost(&mut self, connector: &Connector<Self::Protocol>, reason: ConnectionClosed) {
        let _ = (connector, reason);
    }
}
