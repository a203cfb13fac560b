//! `MailboxWatchers`: notifies the sessions that have a mailbox open of its changes.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};

/// The callbacks of the sessions that watch a mailbox: for implementations of
/// [`Mailbox::watch`](crate::Mailbox::watch).
///
/// # Examples
///
/// ```
/// use reactor_mail::MailboxWatchers;
/// use std::{cell::Cell, rc::Rc};
///
/// let watchers = MailboxWatchers::default();
/// let times = Rc::new(Cell::new(0));
/// let count = Rc::clone(&times);
/// let watch = watchers.add(Rc::new(move || count.set(count.get() + 1)));
/// watchers.notify();
/// drop(watch);
/// watchers.notify();
/// assert_eq!(times.get(), 1);
/// assert!(watchers.is_empty());
/// ```
#[derive(Clone, Default)]
pub struct MailboxWatchers {
    list: Rc<List>,
}

#[derive(Default)]
struct List {
    next: Cell<u64>,
    // With a number, by which a watch finds its callback: two watches may have the same one.
    callbacks: RefCell<Vec<(u64, Rc<dyn Fn()>)>>,
}

impl MailboxWatchers {
    /// Calls `changed` at each [`notify`](Self::notify) until the [`MailboxWatch`] is dropped.
    pub fn add(&self, changed: Rc<dyn Fn()>) -> MailboxWatch {
        let number = self.list.next.get();
        self.list.next.set(number + 1);
        self.list.callbacks.borrow_mut().push((number, changed));
        MailboxWatch {
            list: Rc::downgrade(&self.list),
            number,
        }
    }

    /// Calls all callbacks, because the mailbox has changed.
    pub fn notify(&self) {
        // Copied, because a callback may drop a watch or add one, which changes the list.
        let callbacks = self.list.callbacks.borrow().clone();
        for (_, changed) in callbacks {
            changed();
        }
    }

    /// Whether no session watches, so that checks for changes are not needed.
    pub fn is_empty(&self) -> bool {
        self.list.callbacks.borrow().is_empty()
    }
}

impl fmt::Debug for MailboxWatchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watchers = self.list.callbacks.borrow().len();
        f.debug_tuple("MailboxWatchers").field(&watchers).finish()
    }
}

/// A session that watches a mailbox, until this is dropped. [`MailboxWatchers::add`] makes it.
///
/// # Examples
///
/// ```
/// use reactor_mail::{MailboxWatch, MailboxWatchers};
/// use std::rc::Rc;
///
/// let watchers = MailboxWatchers::default();
/// let watch: MailboxWatch = watchers.add(Rc::new(|| println!("new mail?")));
/// assert!(!watchers.is_empty());
/// # drop(watch);
/// ```
#[must_use = "the watch ends when this is dropped"]
pub struct MailboxWatch {
    // Weak: a watch may outlive its mailbox, and must not keep the list alive.
    list: Weak<List>,
    number: u64,
}

impl Drop for MailboxWatch {
    fn drop(&mut self) {
        let Some(list) = self.list.upgrade() else {
            return;
        };
        // The callback is dropped after the borrow ends, because its drop may drop another watch of
        // this mailbox.
        let mut callbacks = list.callbacks.borrow_mut();
        let place = callbacks.iter().position(|(n, _)| *n == self.number);
        let removed = place.map(|place| callbacks.remove(place));
        drop(callbacks);
        drop(removed);
    }
}

impl fmt::Debug for MailboxWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MailboxWatch").field(&self.number).finish()
    }
}
