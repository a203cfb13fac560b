//! The poller, and the state that it shares with the registered descriptors.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::readiness::{Interest, Key};
use crate::sys::HomeProcess;

/// State that a poller shares with its registrations.
pub(super) struct Registrations {
    /// The process that has made the poller. A process that is forked from it must not change the
    /// poller, which it shares with its parent.
    pub(super) home: HomeProcess,
    pub(super) poller: Arc<polling::Poller>,
    /// Keys and interests of descriptors that `epoll` refuses because they are always ready:
    /// regular files.
    pub(super) always_ready: RefCell<Vec<(Key, Interest)>>,
    /// Functions to be called after the next close of a registered descriptor.
    pub(super) after_close: RefCell<Vec<Box<dyn FnOnce()>>>,
}

impl Registrations {
    pub(super) fn new(poller: Arc<polling::Poller>) -> Rc<Self> {
        Rc::new(Self {
            home: HomeProcess::current(),
            poller,
            always_ready: RefCell::default(),
            after_close: RefCell::default(),
        })
    }

    /// Called when a registered descriptor was closed.
    #[inline]
    pub(super) fn closed(&self) {
        if !self.after_close.borrow().is_empty() {
            self.run_after_close();
        }
    }

    #[cold]
    fn run_after_close(&self) {
        // Taken out first, because a call may add another function, for the close after this one.
        for waiting in self.after_close.take() {
            waiting();
        }
    }
}

impl Drop for Registrations {
    fn drop(&mut self) {
        if !self.home.is_current() {
            // The drop of the poller would unregister descriptors that the parent waits for. So the
            // poller leaks here, with its descriptors.
            std::mem::forget(Arc::clone(&self.poller));
        }
    }
}
