//! Connecting: from an address to a connection.

mod attempt;
mod connector;
mod dialer;
mod factory;

pub(crate) use self::attempt::{Connected, Target, attempt, from_the_loop};
pub use self::connector::{Connector, ConnectorError, ConnectorState};
pub use self::factory::ClientFactory;
