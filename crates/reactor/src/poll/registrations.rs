//! The poller, and what it shares with the descriptors that are registered with it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::readiness::{Interest, Key};
use crate::sys::HomeProcess;

/// State that a poller shares with its registrations.
pub(super) struct Registrations {
    /// In a process that was forked from this one, the poller is left as it is: its
    /// descriptors are shared with the parent, whose events it gives.
    pub(super) home: HomeProcess,
    pub(super) poller: Arc<polling::Poller>,
    /// Descriptors that the system does not wait for, since they are always ready: regular
    /// files. By key, with their interest.
    pub(super) always_ready: RefCell<Vec<(Key, Interest)>>,
    /// Called once a registered descriptor has been closed.
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

    /// A registered descriptor was closed.
    #[inline]
    pub(super) fn closed(&self) {
        if !self.after_close.borrow().is_empty() {
            self.run_after_close();
        }
    }

    #[cold]
    fn run_after_close(&self) {
        for waiting in self.after_close.take() {
            waiting();
        }
    }
}

impl Drop for Registrations {
    fn drop(&mut self) {
        if !self.home.is_current() {
            // Dropping it would deregister what the parent's wait needs: its descriptors stay
            // open here instead.
            std::mem::forget(Arc::clone(&self.poller));
        }
    }
}
