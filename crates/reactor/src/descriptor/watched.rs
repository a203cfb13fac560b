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
    /// Borrowed while a callback runs. `None` once the descriptor was removed.
    registration: RefCell<Option<Registration>>,
    pub(super) reader: Callback,
    pub(super) writer: Callback,
    on_lost: Cell<Option<OnLost>>,
    /// The descriptor was removed by one of its callbacks, and is closed when that returns.
    // Set by a removal inside of a callback, never cleared.
    is_removed: Cell<bool>,
}

/// Callback of one direction. While it runs, it is taken out of `f`, and may be replaced or
/// removed.
#[derive(Default)]
pub(super) struct Callback {
    f: Cell<Option<OnReady>>,
    // Set by `set`, cleared by `clear`. Not derived from `f`, which is empty while the callback
    // runs.
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

    /// Calls the callback. Returns `false` if it has panicked.
    fn call(&self, descriptor: DescriptorRef<'_>) -> bool {
        // Taken out of its cell for the call, during which it may be replaced or cleared.
        // Afterwards, the cell and `is_set` tell which of the two has happened.
        let Some(mut f) = self.f.take() else {
            return true;
        };
        let mut has_returned = false;
        contain("a callback of a descriptor", || {
            f(descriptor);
            has_returned = true;
        });
        match self.f.take() {
            // Neither replaced nor cleared: the callback is put back.
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
            // Weak, because the registry of the core owns this.
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
            // Without interest, the poller would still report a hang-up in each turn, and nothing
            // would handle it.
            Some(registration) if interest == Interest::NONE => registration.mask(),
            Some(registration) => registration.set_interest(interest),
            None => Err(io::Error::other(ReactorGone)),
        }
    }

    pub(super) fn remove(&self) -> Option<Registration> {
        if let Some(core) = self.core.upgrade() {
            drop(core.registry.remove(self.key));
        }
        // Borrowed if a callback removes its own descriptor; then `ready` does the removal when the
        // callback has returned.
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
        // Taken first, because `remove` drops the callback.
        let on_lost = self.on_lost.take();
        drop(self.remove());
        match on_lost {
            Some(on_lost) => contain("the callback for a lost descriptor", || on_lost(error)),
            None => tracing::debug!(target: "reactor", %error, "a watched descriptor is lost"),
        }
    }

    /// Whether no input is left.
    fn is_drained(&self) -> bool {
        // A descriptor whose input cannot be counted (a device, a timer) counts as drained, because
        // the hang-up would be reported in each turn otherwise.
        let registration = self.registration.borrow();
        let left = registration.as_ref().map(rustix::io::ioctl_fionread);
        !matches!(left, Some(Ok(1..)))
    }

    /// The error of a descriptor that has hung up; `BrokenPipe` if there is none, or a callback has
    /// got it already.
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
