//! `add_reader`: any descriptor can be watched.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};

use crate::core::{Core, call};
use crate::handle::ReactorHandle;
use crate::poll::{Interest, Key, Ready, Registration};
use crate::registry::Source;

impl ReactorHandle {
    /// Calls `on_readable` whenever there is something to read from `descriptor`,
    /// or it is at its end: once a turn, for as long as that is so.
    ///
    /// The reactor owns the descriptor until [`Reader::remove`] gives it back; it
    /// should not block. A panic in `on_readable` removes and closes it.
    ///
    /// # Errors
    ///
    /// The system cannot wait for this kind of descriptor (a regular file, for
    /// one), or the reactor is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    /// use std::io::Write;
    /// use std::os::unix::net::UnixStream;
    ///
    /// let reactor = Reactor::new()?;
    /// let (mut near, far) = UnixStream::pair()?;
    /// near.write_all(b"hello")?;
    /// let handle = reactor.handle();
    /// let reader = reactor.add_reader(far, move |_descriptor| {
    ///     println!("there is something to read");
    ///     handle.stop().unwrap();
    /// })?;
    /// reactor.run()?;
    /// let far = UnixStream::from(reader.remove().unwrap());
    /// # drop(far);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_reader<F>(
        &self,
        descriptor: impl Into<OwnedFd>,
        on_readable: F,
    ) -> io::Result<Reader>
    where
        F: FnMut(BorrowedFd<'_>) + 'static,
    {
        let core = self.core().map_err(io::Error::other)?;
        let registration = core.register(descriptor.into(), Interest::READABLE)?;
        let source = Rc::new(ReaderSource {
            core: Rc::clone(&core),
            key: registration.key(),
            watched: RefCell::new(Some(Watched {
                registration,
                on_readable: Box::new(on_readable),
            })),
            is_removed: Cell::new(false),
        });
        let reader = Reader {
            source: Rc::downgrade(&source),
        };
        core.insert(source);
        Ok(reader)
    }
}

/// A descriptor that is watched. Dropping this changes nothing.
pub struct Reader {
    source: Weak<ReaderSource>,
}

impl Reader {
    /// Watches the descriptor no longer, and gives it back.
    ///
    /// `None` if that was done before, or the reactor is gone; or if this is
    /// called from inside its own callback: then it is closed when that returns.
    pub fn remove(&self) -> Option<OwnedFd> {
        let source = self.source.upgrade()?;
        let registration = source.remove()?;
        Some(registration.into_descriptor())
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

type OnReadable = Box<dyn FnMut(BorrowedFd<'_>)>;

struct ReaderSource {
    core: Rc<Core>,
    key: Key,
    /// Borrowed during a call. `None` once it was removed.
    watched: RefCell<Option<Watched>>,
    /// It was removed during a call, and goes when that returns.
    is_removed: Cell<bool>,
}

struct Watched {
    registration: Registration,
    on_readable: OnReadable,
}

impl ReaderSource {
    fn remove(&self) -> Option<Registration> {
        drop(self.core.registry.remove(self.key));
        let Ok(mut watched) = self.watched.try_borrow_mut() else {
            self.is_removed.set(true);
            return None;
        };
        let watched = watched.take()?;
        call("a reader's drop", || drop(watched.on_readable));
        Some(watched.registration)
    }
}

impl Source for ReaderSource {
    fn ready(self: Rc<Self>, _ready: Ready) {
        let mut has_panicked = true;
        if let Some(watched) = &mut *self.watched.borrow_mut() {
            call("a reader", || {
                (watched.on_readable)(watched.registration.as_fd());
                has_panicked = false;
            });
        }
        if has_panicked || self.is_removed.get() {
            drop(self.remove());
        }
    }

    fn shut_down(self: Rc<Self>) {
        drop(self.remove());
    }
}
