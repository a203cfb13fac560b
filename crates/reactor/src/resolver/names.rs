//! `Names`: look-ups in flight, each shared by all that ask for the same name and port.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;

use deferred::{Deferred, DeferredHandle, Failure, Result, SharedDeferred, Trigger, fail};

use super::api::Resolver;
use super::system::SystemResolver;
use crate::error::{ReactorGone, ResolveError};
use crate::extensions::Extension;
use crate::handle::ReactorHandle;
use crate::panics::contain;

type Addresses = Vec<SocketAddr>;
type Name = (String, u16);

pub(super) struct Names {
    resolver: RefCell<Rc<dyn Resolver>>,
    in_flight: RefCell<HashMap<Name, LookUp>>,
    next_id: Cell<u64>,
}

/// One question to a resolver.
struct LookUp {
    /// Tells it from a later question for the same name.
    id: u64,
    /// What the resolver returned; cancelled when the last waiter leaves.
    question: DeferredHandle,
    /// Fires `answers`: with what the resolver found, or when the reactor is dropped.
    trigger: Trigger<Addresses>,
    answers: SharedDeferred<Addresses>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            resolver: RefCell::new(Rc::new(SystemResolver::new())),
            in_flight: RefCell::default(),
            next_id: Cell::default(),
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
        self: &Rc<Self>,
        reactor: &ReactorHandle,
        host: &str,
        port: u16,
    ) -> Deferred<Addresses> {
        let name = (host.to_owned(), port);
        let in_flight = self.in_flight.borrow();
        let answers = in_flight.get(&name).map(|look_up| look_up.answers.clone());
        drop(in_flight);
        if let Some(answers) = answers {
            return answers.get();
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
        mut pending: Deferred<Addresses>,
    ) -> Deferred<Addresses> {
        let id = self.next_id.replace(self.next_id.get() + 1);
        let (names, question, abandoned) = (Rc::downgrade(self), pending.handle(), name.clone());
        let (trigger, answer) = Deferred::with_canceller(move |_| {
            // First: what asks for the name from now on asks the resolver anew.
            if let Some(names) = names.upgrade() {
                names.forget(&abandoned, id);
            }
            question.cancel();
        });
        let answers = answer.share();
        let first = answers.get();
        let look_up = LookUp {
            id,
            question: pending.handle(),
            trigger: trigger.clone(),
            answers,
        };
        let replaced = self.in_flight.borrow_mut().insert(name.clone(), look_up);
        drop(replaced);
        let names = Rc::downgrade(self);
        pending
            .add_both(move |answer| {
                if let Some(names) = names.upgrade() {
                    names.forget(&name, id);
                }
                // `fire` errs if the waiters have left, or the reactor is gone: then the
                // answer is of no use to anything.
                let _ = trigger.fire(not_empty(&name.0, answer));
            })
            .detach();
        first
    }

    fn forget(&self, name: &Name, id: u64) {
        let mut in_flight = self.in_flight.borrow_mut();
        let forgotten = match in_flight.get(name) {
            Some(look_up) if look_up.id == id => in_flight.remove(name),
            _ => None,
        };
        drop(in_flight);
        // Not while the map is borrowed: waiters are values of a user's.
        drop(forgotten);
    }
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
            // `fire` errs if a waiter of another name has cancelled this one; harmless.
            let _ = look_up.trigger.fire(Err(Failure::new(ReactorGone)));
            look_up.question.cancel();
        }
    }
}
