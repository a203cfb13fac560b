//! `Dialer`: the client behind a `Connector`, with its factory and the function that connects.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, Failure};

use super::attempt::Connected;
use super::connector::{Client, Connector, Phase};
use super::factory::ClientFactory;
use crate::address::Address;
use crate::connection::Protocol;
use crate::error::ConnectionClosed;
use crate::handle::ReactorHandle;
use crate::panics::contain;

/// Function that makes an attempt for a connector.
pub(crate) type Dial = Box<dyn Fn() -> Deferred<Connected>>;

struct Dialer<F: ClientFactory> {
    reactor: ReactorHandle,
    destination: String,
    dial: Dial,
    /// Borrowed while one of its methods runs.
    factory: RefCell<F>,
    phase: RefCell<Phase<F::Protocol>>,
}

impl<F: ClientFactory> Dialer<F> {
    /// Calls a method of the factory: at once, or later from the loop if another method of the
    /// factory is running.
    fn call_factory(self: Rc<Self>, f: impl FnOnce(&mut F, &Connector<F::Protocol>) + 'static) {
        let connector = Connector {
            client: Rc::<Self>::clone(&self),
        };
        // Borrowed if a method of the factory has called a method of the connector, which has
        // called this.
        if let Ok(mut factory) = self.factory.try_borrow_mut() {
            return contain("a client's factory", || f(&mut factory, &connector));
        }
        let me = Rc::clone(&self);
        self.reactor
            .call_later(Duration::ZERO, move || me.call_factory(f));
    }
}

impl<F: ClientFactory> Client<F::Protocol> for Dialer<F> {
    fn dial(&self) -> Deferred<Connected> {
        (self.dial)()
    }

    fn destination(&self) -> &str {
        &self.destination
    }

    fn phase(&self) -> &RefCell<Phase<F::Protocol>> {
        &self.phase
    }

    fn build_protocol(&self, peer: &Address) -> Option<F::Protocol> {
        let mut built = None;
        // Called from the loop only, when an attempt has succeeded: the factory is not borrowed then.
        if let Ok(mut factory) = self.factory.try_borrow_mut() {
            contain("a client's factory", || {
                built = factory.build_protocol(peer);
            });
        }
        built
    }

    fn started(self: Rc<Self>) {
        self.call_factory(|factory, connector| factory.started_connecting(connector));
    }

    fn failed(self: Rc<Self>, failure: Failure) {
        self.call_factory(|factory, connector| factory.connection_failed(connector, failure));
    }

    fn lost(self: Rc<Self>, reason: ConnectionClosed) {
        self.call_factory(|factory, connector| factory.connection_lost(connector, reason));
    }
}

impl<P: Protocol> Connector<P> {
    pub(crate) fn new<F>(reactor: &ReactorHandle, to: String, dial: Dial, factory: F) -> Self
    where
        F: ClientFactory<Protocol = P>,
    {
        Self {
            client: Rc::new(Dialer {
                reactor: reactor.clone(),
                destination: to,
                dial,
                factory: RefCell::new(factory),
                phase: RefCell::new(Phase::Disconnected),
            }),
        }
    }
}
