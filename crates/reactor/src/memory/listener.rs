//! Simulated listener.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use super::members::{Member, Members};
use super::socket::Socket;
use crate::address::Address;
use crate::readiness::{Interest, Key, Ready};

/// A listener of the simulated network. Dropping it closes the port.
pub(crate) struct Listener {
    queue: Rc<Queue>,
    address: Address,
}

/// Connections that were not accepted yet.
pub(super) struct Queue {
    key: Key,
    interest: Cell<Interest>,
    sockets: RefCell<VecDeque<Socket>>,
}

impl Listener {
    pub(super) fn new(members: &Members, address: Address, key: Key) -> Self {
        let queue = Rc::new(Queue {
            key,
            // A port accepts from the beginning.
            interest: Cell::new(Interest::READABLE),
            sockets: RefCell::default(),
        });
        // Weak, so that a dropped listener is no longer a member. The binding with a type is needed
        // for the coercion to `dyn`.
        let member: Weak<dyn Member> = {
            let weak: Weak<Queue> = Rc::downgrade(&queue);
            weak
        };
        members.join(member);
        Self { queue, address }
    }

    pub(super) fn queue(&self) -> Weak<Queue> {
        Rc::downgrade(&self.queue)
    }

    pub(crate) fn key(&self) -> Key {
        self.queue.key
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn set_interest(&self, interest: Interest) {
        self.queue.interest.set(interest);
    }

    /// The next waiting connection.
    pub(crate) fn accept(&self) -> Option<Socket> {
        self.queue.sockets.borrow_mut().pop_front()
    }
}

impl Queue {
    pub(super) fn push(&self, socket: Socket) {
        self.sockets.borrow_mut().push_back(socket);
    }
}

impl Member for Queue {
    fn key(&self) -> Key {
        self.key
    }

    fn interest(&self) -> Option<Interest> {
        Some(self.interest.get())
    }

    fn state(&self) -> Ready {
        Ready::new(!self.sockets.borrow().is_empty(), false, false)
    }
}
