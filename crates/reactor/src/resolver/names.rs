//! `Names`: those that are being looked up, and who waits for them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use deferred::{Deferred, DeferredHandle, Failure, Result, fail};

use super::Resolver;
use super::system::SystemResolver;
use crate::error::{ReactorGone, ResolveError};
use crate::extensions::Extension;
use crate::handle::ReactorHandle;
use crate::panics::contain;
use crate::wait_list::WaitList;

type Addresses = Vec<SocketAddr>;
type Name = (String, u16);

pub(super) struct Names {
    resolver: RefCell<Rc<dyn Resolver>>,
    in_flight: RefCell<HashMap<Name, Rc<LookUp>>>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            resolver: RefCell::new(Rc::new(SystemResolver::new())),
            in_flight: RefCell::default(),
        }
    }
}

/// One question to a resolver.
struct LookUp {
    name: Name,
    answer: DeferredHandle,
    waiters: WaitList<(), Addresses>,
}

impl Names {
    pub(super) fn set_resolver(&self, resolver: impl Resolver) {
        let replaced = self.resolver.replace(Rc::new(resolver));
        contain("a resolver's drop", || drop(replaced));
    }

    #[track_caller]
    pub(super) fn resolve(
        self: &Rc<Self>,
        reactor: &ReactorHandle,
        host: &str,
        port: u16,
    ) -> Deferred<Addresses> {
        let name = (host.to_owned(), port);
        let in_flight = self.in_flight.borrow().get(&name).cloned();
        if let Some(look_up) = in_flight {
            return self.wait(&look_up);
        }
        let resolver = Rc::clone(&self.resolver.borrow());
        let asked = Failure::catch(|| resolver.resolve(reactor, host, port));
        match asked.unwrap_or_else(fail).into_result() {
            Ok(answer) => Deferred::from(not_empty(host, answer)),
            Err(pending) => self.look_up(name, pending),
        }
    }

    #[track_caller]
    fn look_up(
        self: &Rc<Self>,
        name: Name,
        mut answer: Deferred<Addresses>,
    ) -> Deferred<Addresses> {
        let look_up = Rc::new(LookUp {
            name,
            answer: answer.handle(),
            waiters: WaitList::default(),
        });
        self.in_flight
            .borrow_mut()
            .insert(look_up.name.clone(), Rc::clone(&look_up));
        let first = self.wait(&look_up);
        let names = Rc::downgrade(self);
        answer
            .add_both(move |answer| finish(&names, &look_up, answer))
            .detach();
        first
    }

    #[track_caller]
    fn wait(self: &Rc<Self>, look_up: &Rc<LookUp>) -> Deferred<Addresses> {
        let (names, left) = (Rc::downgrade(self), Rc::downgrade(look_up));
        look_up.waiters.add((), move || {
            if let (Some(names), Some(look_up)) = (names.upgrade(), left.upgrade()) {
                names.one_left(&look_up);
            }
        })
    }

    /// A Deferred was cancelled. If it was the last, the look-up is, too.
    fn one_left(&self, look_up: &Rc<LookUp>) {
        if look_up.waiters.is_empty() {
            self.forget(look_up);
            look_up.answer.cancel();
        }
    }

    /// Who asks from now on asks anew.
    fn forget(&self, look_up: &Rc<LookUp>) {
        let mut in_flight = self.in_flight.borrow_mut();
        let there = in_flight.get(&look_up.name);
        if there.is_some_and(|there| Rc::ptr_eq(there, look_up)) {
            in_flight.remove(&look_up.name);
        }
    }
}

impl LookUp {
    fn tell(&self, answer: Result<Addresses>) {
        for trigger in self.waiters.take_all() {
            // Errs only if another of these has just cancelled it.
            let _ = trigger.fire(answer.clone());
        }
    }
}

fn finish(names: &Weak<Names>, look_up: &Rc<LookUp>, answer: Result<Addresses>) {
    if let Some(names) = names.upgrade() {
        names.forget(look_up);
    }
    look_up.tell(not_empty(&look_up.name.0, answer));
}

fn not_empty(host: &str, answer: Result<Addresses>) -> Result<Addresses> {
    let answer = answer?;
    if answer.is_empty() {
        return Err(Failure::new(ResolveError::new(host, None)));
    }
    Ok(answer)
}

impl Extension for Names {
    fn on_drop(&self) {
        for look_up in self.in_flight.take().into_values() {
            look_up.tell(Err(Failure::new(ReactorGone)));
            look_up.answer.cancel();
        }
    }
}
