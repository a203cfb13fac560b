//! `Names`: the resolver of a reactor, and its running look-ups.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use deferred::{Deferred, Failure, Result, SingleFlight, fail};

use super::api::Resolver;
use super::system::SystemResolver;
use crate::error::{ReactorGone, ResolveError};
use crate::extensions::Extension;
use crate::handle::ReactorHandle;
use crate::panics::contain;

type Addresses = Vec<SocketAddr>;

pub(super) struct Names {
    resolver: RefCell<Rc<dyn Resolver>>,
    /// Running look-ups, which are shared by calls with the same name and port.
    look_ups: SingleFlight<(String, u16), Addresses>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            resolver: RefCell::new(Rc::new(SystemResolver::new())),
            look_ups: SingleFlight::new(),
        }
    }
}

impl Names {
    pub(super) fn set_resolver(&self, resolver: impl Resolver) {
        let replaced = self.resolver.replace(Rc::new(resolver));
        contain("a resolver's drop", || drop(replaced));
    }

    #[track_caller]
    pub(super) fn resolve(
        &self,
        reactor: &ReactorHandle,
        host: &str,
        port: u16,
    ) -> Deferred<Addresses> {
        self.look_ups.get((host.to_owned(), port), || {
            // Cloned, so that a resolver may set another one while it is asked.
            let resolver = Rc::clone(&self.resolver.borrow());
            let asked = Failure::catch(|| resolver.resolve(reactor, host, port));
            let host = host.to_owned();
            asked
                .unwrap_or_else(fail)
                .add_callback(move |answer| not_empty(&host, answer))
        })
    }
}

fn not_empty(host: &str, answer: Addresses) -> Result<Addresses> {
    if answer.is_empty() {
        return Err(Failure::new(ResolveError::new(host, None)));
    }
    Ok(answer)
}

impl Extension for Names {
    fn on_drop(&self) {
        self.look_ups.fail_all(|| Failure::new(ReactorGone));
    }
}
