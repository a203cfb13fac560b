//! `Serve`: gets the connections that a port accepts.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::acceptor::Accepted;
use crate::address::Address;
use crate::connection::{ConnectionSource, Factory, NewConnection};
use crate::core::Core;
use crate::filter::Filter;
use crate::panics::contain;

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

/// A [`Serve`] without its type, so that a port is compiled once and not for each factory of a
/// program. Its methods may panic, except for [`connected`](Self::connected).
pub(super) trait AnyServe {
    /// See [`Serve::started`]. Does nothing while another method runs.
    fn started(&self);

    /// See [`Serve::stopped`]. Does nothing while another method runs.
    fn stopped(&self);

    /// Prepares a connection, calls `between`, and begins the connection unless it was refused. In
    /// `between`, and when the connection begins, nothing is borrowed, because user code that runs
    /// then may use the port.
    fn connected(&self, core: &Rc<Core>, accepted: Accepted, peer: Address, between: &dyn Fn());

    /// See [`Serve::accept_failed`].
    fn accept_failed(&self, error: &io::Error, pause: Duration);

    /// The name of the type.
    fn name(&self) -> &'static str;
}

impl<S: Serve> AnyServe for RefCell<S> {
    fn started(&self) {
        if let Ok(mut serve) = self.try_borrow_mut() {
            serve.started();
        }
    }

    fn stopped(&self) {
        if let Ok(mut serve) = self.try_borrow_mut() {
            serve.stopped();
        }
    }

    fn connected(&self, core: &Rc<Core>, accepted: Accepted, peer: Address, between: &dyn Fn()) {
        let mut ready = None;
        contain("a factory", || ready = self.borrow_mut().prepare(&peer));
        between();
        if let Some(ready) = ready {
            S::begin(ready, core, accepted, peer);
        }
    }

    fn accept_failed(&self, error: &io::Error, pause: Duration) {
        self.borrow_mut().accept_failed(error, pause);
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<S>()
    }
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
            Err(error) => report_unwatched(&peer, &error),
        }
    }

    fn accept_failed(&mut self, error: &io::Error, pause: Duration) {
        Factory::accept_failed(self, error, pause);
    }
}

/// Not in `begin`, which is compiled for each factory.
#[cold]
fn report_unwatched(peer: &Address, error: &io::Error) {
    tracing::warn!(target: "reactor", %peer, %error, "a connection cannot be watched");
}
