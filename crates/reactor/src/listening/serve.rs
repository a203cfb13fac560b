//! `Serve`: what a port does with the connections that it accepts.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::acceptor::Accepted;
use crate::address::Address;
use crate::connection::{ConnectionSource, Factory, NewConnection};
use crate::core::Core;
use crate::filter::Filter;

/// What a port does with connections: a [`Factory`], which makes a protocol for each, or what an
/// endpoint is given instead.
pub(crate) trait Serve: 'static {
    /// What begins a connection.
    type Ready;

    /// The port is open.
    fn started(&mut self);

    /// The port is closed.
    fn stopped(&mut self);

    /// A connection from `peer`: `None` to refuse it.
    fn prepare(&mut self, peer: &Address) -> Option<Self::Ready>;

    /// Begins the connection. Nothing is borrowed then.
    fn begin(ready: Self::Ready, core: &Rc<Core>, accepted: Accepted, peer: Address);

    /// No connection can be accepted for a while.
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
                let (source, begun) =
                    ConnectionSource::start(core, connection, protocol, |source| {
                        core.insert(source);
                    });
                if let Err(failure) = begun {
                    source.report(failure);
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
