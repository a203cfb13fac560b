//! Event source of a watched descriptor, with its callbacks.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};

use socket2::SockRef;

use super::reference::DescriptorRef;
use crate::core::Core;
use crate::error::ReactorGone;
use crate::panics::contain;
use crate::poll::{Interest, Key, Ready, Registration};
use crate::registry::EventSource;

type OnReady = Box<dyn FnMut(DescriptorRef<'_>)>;
type OnLost = Box<dyn FnOnce(io::Error)>;

pub(super) struct Watched {
    core: Weak<Core>,
    key: Key,
    /// Borrowed during a call. `None` once it was removed.
    registration: RefCell<Option<Registration>>,
    pub(super) reader: Callback,
    pub(super) writer: Callback,
    on_lost: Cell<Option<OnLost>>,
    /// It was removed during a call, and goes when that returns.
    // Set by a removal inside of a callback, never cleared.
    is_removed: Cell<bool>,
}

/// Callback of one direction. While it is called, it is not here, and may be
/// replaced or removed.
#[derive(Default)]
pub(super) struct Callback {
    f: Cell<Option<OnReady>>,
    // Apart from `f`, which is empty while the callback runs.
    is_set: Cell<bool>,
}

impl Callback {
    pub(super) fn is_set(&self) -> bool {
        self.is_set.get()
    }

    pub(super) fn set(&self, f: OnReady) {
        self.is_set.set(true);
        let replaced = self.f.replace(Some(f));
        contain("a callback's drop", || drop(replaced));
    }

    pub(super) fn clear(&self) {
        self.is_set.set(false);
        let removed = self.f.take();
        contain("a callback's drop", || drop(removed));
    }

    /// Calls it; says whether it returned in order.
    fn call(&self, descriptor: DescriptorRef<'_>) -> bool {
        // Out of its cell for the call, in which it may be replaced or cleared: what is in the
        // cell afterwards, and `is_set`, say which.
        let Some(mut f) = self.f.take() else {
            return true;
        };
        let mut has_returned = false;
        contain("a callback of a descriptor", || {
            f(descriptor);
            has_returned = true;
        });
        match self.f.take() {
            // Neither: it goes back.
            None if self.is_set.get() => self.f.set(Some(f)),
            replacement => {
                self.f.set(replacement);
                contain("a callback's drop", || drop(f));
            }
        }
        has_returned
    }
}

impl Watched {
    pub(super) fn new(core: &Rc<Core>, registration: Registration) -> Self {
        Self {
            // Weak, because the core owns this by its registry.
            core: Rc::downgrade(core),
            key: registration.key(),
            registration: RefCell::new(Some(registration)),
            reader: Callback::default(),
            writer: Callback::default(),
            on_lost: Cell::new(None),
            is_removed: Cell::new(false),
        }
    }

    pub(super) fn set_on_lost(&self, on_lost: OnLost) {
        let replaced = self.on_lost.replace(Some(on_lost));
        contain("a callback's drop", || drop(replaced));
    }

    pub(super) fn is_watched(&self) -> bool {
        !self.is_removed.get() && self.registration.borrow().is_some()
    }

    pub(super) fn update_interest(&self) -> io::Result<()> {
        let interest = Interest {
            readable: self.reader.is_set(),
            writable: self.writer.is_set(),
        };
        match &*self.registration.borrow() {
            // A level-triggered hang-up would come in each turn, and nothing handles it.
            Some(registration) if interest == Interest::NONE => registration.mask(),
            Some(registration) => registration.set_interest(interest),
            None => Err(io::Error::other(ReactorGone)),
        }
    }

    pub(super) fn remove(&self) -> Option<Registration> {
        if let Some(core) = self.core.upgrade() {
            drop(core.registry.remove(self.key));
        }
        // A callback that removes its own descriptor: it has a borrow of that, so `ready` goes on
        // with the removal when the callback has returned.
        let Ok(mut registration) = self.registration.try_borrow_mut() else {
            self.is_removed.set(true);
            return None;
        };
        let registration = registration.take();
        self.reader.clear();
        self.writer.clear();
        let on_lost = self.on_lost.take();
        contain("a callback's drop", || drop(on_lost));
        registration
    }

    fn lose(&self, error: io::Error) {
        // Taken first, since `remove` drops it.
        let on_lost = self.on_lost.take();
        drop(self.remove());
        match on_lost {
            Some(on_lost) => contain("the callback for a lost descriptor", || on_lost(error)),
            None => tracing::debug!(target: "reactor", %error, "a watched descriptor is lost"),
        }
    }

    /// Whether nothing is left to be read.
    fn is_drained(&self) -> bool {
        // What cannot be counted (a device, a timer) counts as drained: the hang-up would come
        // in each turn otherwise.
        let registration = self.registration.borrow();
        let left = registration.as_ref().map(rustix::io::ioctl_fionread);
        !matches!(left, Some(Ok(1..)))
    }

    /// What has gone wrong with a descriptor that was hung up, unless the callback
    /// for it has heard of that.
    fn take_error(&self) -> io::Error {
        let registration = self.registration.borrow();
        let error = registration
            .as_ref()
            .and_then(|registration| SockRef::from(registration).take_error().ok().flatten());
        error.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl EventSource for Watched {
    fn ready(self: Rc<Self>, ready: Ready) {
        let mut has_returned = true;
        // The callbacks run first, and see the end or the error.
        let has_gone_bad = ready.is_hung_up() && self.is_drained();
        if let Some(registration) = &*self.registration.borrow() {
            let it = || DescriptorRef {
                descriptor: registration.as_fd(),
                watched: &self,
            };
            if ready.is_readable() {
                has_returned &= self.reader.call(it());
            }
            if ready.is_writable() && !self.is_removed.get() {
                has_returned &= self.writer.call(it());
            }
        }
        if self.is_removed.get() {
            drop(self.remove());
        } else if !has_returned {
            self.lose(io::Error::other("its callback panicked"));
        } else if has_gone_bad && self.is_watched() {
            self.lose(self.take_error());
        }
    }

    fn shut_down(self: Rc<Self>) {
        self.lose(io::Error::other("the reactor was stopped"));
    }

    fn take_descriptor(&self) -> Option<OwnedFd> {
        self.remove().map(Registration::into_descriptor)
    }
}
