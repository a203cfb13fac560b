//! `Serve`: gets the connections that a port accepts.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::acceptor::Accepted;
use crate::address::Address;
use crate::connection::{ConnectionSource, Factory, NewConnection};
use crate::core::Core;
use crate::filter::Filter;

/// Gets the connections of a port. Implemented by each [`Factory`], and by the `SharedAccept` of
/// endpoints.
pub(crate) trait Serve: 'static {
    /// The values that `begin` needs to begin a connection.
    type Ready;

    /// Called when the port is open.
    fn started(&mut self);

    /// Called when the port is closed.
    fn stopped(&mut self);

    /// Called for a connection from `peer`. Returns `None` to refuse it.
    fn prepare(&mut self, peer: &Address) -> Option<Self::Ready>;

    /// Begins the connection. Called with nothing borrowed.
    fn begin(ready: Self::Ready, core: &Rc<Core>, accepted: Accepted, peer: Address);

    /// Called when no connection can be accepted, and the port pauses.
    fn accept_failed(&mut self, error: &io::Error, pause: Duration);
}

impl<F: Factory> Serve for F {
    type Ready = (F::Protocol, Option<Box<dyn Filter>>);

    fn started(&mut self) {
        self.start_factory();
    }

    fn stopped(&mut self) {
        self.stop_factory();
    }

    fn prepare(&mut self, peer: &Address) -> Option<Self::Ready> {
        let filter = self.filter(peer);
        Some((self.build_protocol(peer)?, filter))
    }

    fn begin(ready: Self::Ready, core: &Rc<Core>, accepted: Accepted, peer: Address) {
        let (protocol, filter) = ready;
        match accepted.register(core) {
            Ok((stream, key)) => {
                let mut connection = NewConnection::new(stream, key, peer);
                connection.filter = filter;
                let (source, begun) = ConnectionSource::start(core, connection, protocol);
                if let Err(failure) = begun {
                    source.any().report(failure);
                }
            }
            // `register` has dropped the socket, and so closed it.
            Err(error) => {
                tracing::warn!(target: "reactor", %peer, %error, "a connection cannot be watched");
            }
        }
    }

    fn accept_failed(&mut self, error: &io::Error, pause: Duration) {
        Factory::accept_failed(self, error, pause);
    }
}
