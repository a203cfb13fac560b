//! From an address to a connection.

mod attempt;
mod connector;

pub(crate) use self::attempt::{Connected, Target, attempt, from_the_loop};
pub use self::connector::{ClientFactory, Connector, ConnectorError, ConnectorState};
