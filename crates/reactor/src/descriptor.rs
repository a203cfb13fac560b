//! `add_reader` and `add_writer`: any descriptor can be watched.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::{Rc, Weak};

use socket2::SockRef;

use crate::core::{Core, call};
use crate::error::ReactorGone;
use crate::handle::ReactorHandle;
use crate::poll::{Interest, Key, Ready, Registration};
use crate::registry::Source;

impl ReactorHandle {
    /// Calls `on_readable` whenever there is something to read from `descriptor`,
    /// or it is at its end: once a turn, for as long as that is so.
    ///
    /// The reactor owns the descriptor until [`Descriptor::remove`] gives it back; it
    /// should not block. A descriptor from which nothing can come any more is told of
    /// once, then let go of: see [`Descriptor::on_lost`]. A panic in `on_readable`
    /// does the same. A regular file is always readable.
    ///
    /// # Errors
    ///
    /// The system refuses to wait for it, or the reactor is gone.
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
    ///     handle.crash();
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
    ) -> io::Result<Descriptor>
    where
        F: FnMut(BorrowedFd<'_>) + 'static,
    {
        let descriptor = self.watch(descriptor.into(), Interest::READABLE)?;
        descriptor.add_reader(on_readable)?;
        Ok(descriptor)
    }

    /// Calls `on_writable` whenever `descriptor` takes something to write: once a
    /// turn, for as long as that is so. Otherwise as
    /// [`add_reader`](Self::add_reader).
    ///
    /// # Errors
    ///
    /// As for `add_reader`.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let (_reader, writer) = std::io::pipe()?;
    /// let handle = reactor.handle();
    /// reactor.add_writer(writer, move |_descriptor| {
    ///     println!("there is room in the pipe");
    ///     handle.stop().unwrap();
    /// })?;
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_writer<F>(
        &self,
        descriptor: impl Into<OwnedFd>,
        on_writable: F,
    ) -> io::Result<Descriptor>
    where
        F: FnMut(BorrowedFd<'_>) + 'static,
    {
        let descriptor = self.watch(descriptor.into(), Interest::WRITABLE)?;
        descriptor.add_writer(on_writable)?;
        Ok(descriptor)
    }

    fn watch(&self, descriptor: OwnedFd, interest: Interest) -> io::Result<Descriptor> {
        let core = self.core().map_err(io::Error::other)?;
        let registration = core.register(descriptor, interest)?;
        let watched = Rc::new(Watched {
            core: Rc::downgrade(&core),
            key: registration.key(),
            registration: RefCell::new(Some(registration)),
            reader: Callback::default(),
            writer: Callback::default(),
            on_lost: Cell::new(None),
            is_removed: Cell::new(false),
        });
        let handle = Descriptor {
            watched: Rc::downgrade(&watched),
        };
        core.insert(watched);
        Ok(handle)
    }

    /// Lets go of all descriptors that were added with [`add_reader`](Self::add_reader)
    /// and [`add_writer`](Self::add_writer), and gives them back. Connections and ports
    /// stay.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let (pipe, _writer) = std::io::pipe()?;
    /// reactor.add_reader(pipe, |_| ())?;
    /// assert_eq!(reactor.remove_all().len(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remove_all(&self) -> Vec<OwnedFd> {
        let sources = self
            .core()
            .map_or_else(|_| Vec::new(), |core| core.registry.all());
        let watched = sources.into_iter().filter_map(|source| source.give_back());
        watched.collect()
    }
}

/// A descriptor that is watched. Clones stand for the same one; dropping them
/// changes nothing.
#[derive(Clone)]
pub struct Descriptor {
    watched: Weak<Watched>,
}

impl Descriptor {
    fn watched(&self) -> io::Result<Rc<Watched>> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, "the descriptor is watched no more");
        self.watched
            .upgrade()
            .filter(|watched| watched.is_watched())
            .ok_or_else(gone)
    }

    /// Calls `on_readable` whenever there is something to read: as
    /// [`ReactorHandle::add_reader`]. It replaces the one before.
    ///
    /// # Errors
    ///
    /// It was removed or lost.
    pub fn add_reader<F>(&self, on_readable: F) -> io::Result<()>
    where
        F: FnMut(BorrowedFd<'_>) + 'static,
    {
        let watched = self.watched()?;
        watched.reader.set(Box::new(on_readable));
        watched.update_interest()
    }

    /// Calls `on_writable` whenever it takes something to write. It replaces the one
    /// before.
    ///
    /// # Errors
    ///
    /// It was removed or lost.
    pub fn add_writer<F>(&self, on_writable: F) -> io::Result<()>
    where
        F: FnMut(BorrowedFd<'_>) + 'static,
    {
        let watched = self.watched()?;
        watched.writer.set(Box::new(on_writable));
        watched.update_interest()
    }

    /// Calls nobody when there is something to read. The descriptor stays, and may
    /// get another reader.
    pub fn remove_reader(&self) {
        if let Ok(watched) = self.watched() {
            watched.reader.clear();
            let _ = watched.update_interest();
        }
    }

    /// Calls nobody when it takes something to write. The descriptor stays.
    pub fn remove_writer(&self) {
        if let Ok(watched) = self.watched() {
            watched.writer.clear();
            let _ = watched.update_interest();
        }
    }

    /// Calls `on_lost` if the descriptor goes bad: nothing more can be read from or
    /// written to it. The reader or the writer is told before; the descriptor is
    /// closed after. Without this, that is logged.
    pub fn on_lost(&self, on_lost: impl FnOnce(io::Error) + 'static) {
        if let Ok(watched) = self.watched() {
            let replaced = watched.on_lost.replace(Some(Box::new(on_lost)));
            drop(replaced);
        }
    }

    /// Whether it is still watched.
    pub fn is_watched(&self) -> bool {
        self.watched().is_ok()
    }

    /// Stops watching, and gives the descriptor back; `None` if that has happened
    /// already, or if this is called by its own reader or writer: then it is closed
    /// when that returns.
    pub fn remove(&self) -> Option<OwnedFd> {
        self.watched
            .upgrade()?
            .remove()
            .map(Registration::into_descriptor)
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched = self.watched.upgrade();
        f.debug_struct("Descriptor")
            .field(
                "has_reader",
                &watched.as_ref().is_some_and(|w| w.reader.is_set()),
            )
            .field(
                "has_writer",
                &watched.as_ref().is_some_and(|w| w.writer.is_set()),
            )
            .finish_non_exhaustive()
    }
}

type OnReady = Box<dyn FnMut(BorrowedFd<'_>)>;
type OnLost = Box<dyn FnOnce(io::Error)>;

struct Watched {
    core: Weak<Core>,
    key: Key,
    /// Borrowed during a call. `None` once it was removed.
    registration: RefCell<Option<Registration>>,
    reader: Callback,
    writer: Callback,
    on_lost: Cell<Option<OnLost>>,
    /// It was removed during a call, and goes when that returns.
    is_removed: Cell<bool>,
}

/// Who is called for one direction. While it is called, it is not here, and may be
/// replaced or removed.
#[derive(Default)]
struct Callback {
    f: Cell<Option<OnReady>>,
    is_set: Cell<bool>,
}

impl Callback {
    fn is_set(&self) -> bool {
        self.is_set.get()
    }

    fn set(&self, f: OnReady) {
        self.is_set.set(true);
        let replaced = self.f.replace(Some(f));
        call("a callback's drop", || drop(replaced));
    }

    fn clear(&self) {
        self.is_set.set(false);
        let removed = self.f.take();
        call("a callback's drop", || drop(removed));
    }

    /// Calls it; says whether it returned in order.
    fn call(&self, descriptor: BorrowedFd<'_>) -> bool {
        let Some(mut f) = self.f.take() else {
            return true;
        };
        let mut has_returned = false;
        call("a callback of a descriptor", || {
            f(descriptor);
            has_returned = true;
        });
        match self.f.take() {
            None if self.is_set.get() => self.f.set(Some(f)),
            replacement => {
                self.f.set(replacement);
                call("a callback's drop", || drop(f));
            }
        }
        has_returned
    }
}

impl Watched {
    fn is_watched(&self) -> bool {
        !self.is_removed.get() && self.registration.borrow().is_some()
    }

    fn update_interest(&self) -> io::Result<()> {
        let interest = Interest {
            readable: self.reader.is_set(),
            writable: self.writer.is_set(),
        };
        match &*self.registration.borrow() {
            // A hang-up would be told again and again, to nobody.
            Some(registration) if interest == Interest::NONE => registration.mask(),
            Some(registration) => registration.set_interest(interest),
            None => Err(io::Error::other(ReactorGone)),
        }
    }

    fn remove(&self) -> Option<Registration> {
        if let Some(core) = self.core.upgrade() {
            drop(core.registry.remove(self.key));
        }
        let Ok(mut registration) = self.registration.try_borrow_mut() else {
            self.is_removed.set(true);
            return None;
        };
        let registration = registration.take();
        self.reader.clear();
        self.writer.clear();
        let on_lost = self.on_lost.take();
        call("a callback's drop", || drop(on_lost));
        registration
    }

    fn lose(&self, error: io::Error) {
        let on_lost = self.on_lost.take();
        drop(self.remove());
        match on_lost {
            Some(on_lost) => call("who is told of the loss of a descriptor", || on_lost(error)),
            None => tracing::debug!(target: "reactor", %error, "a watched descriptor is lost"),
        }
    }

    /// What has gone wrong with a descriptor that was hung up, if nothing is left to
    /// be read from it.
    fn look_into_hang_up(&self) -> Option<io::Error> {
        let registration = self.registration.borrow();
        let registration = registration.as_ref()?;
        if rustix::io::ioctl_fionread(registration).is_ok_and(|left| left > 0) {
            return None;
        }
        let error = SockRef::from(registration).take_error().ok().flatten();
        Some(error.unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()))
    }
}

impl Source for Watched {
    fn ready(self: Rc<Self>, ready: Ready) {
        let mut has_returned = true;
        if let Some(registration) = &*self.registration.borrow() {
            if ready.readable {
                has_returned &= self.reader.call(registration.as_fd());
            }
            if ready.writable && !self.is_removed.get() {
                has_returned &= self.writer.call(registration.as_fd());
            }
        }
        if self.is_removed.get() {
            drop(self.remove());
        } else if !has_returned {
            self.lose(io::Error::other("its callback panicked"));
        } else if ready.hung_up
            && let Some(error) = self.look_into_hang_up()
        {
            self.lose(error);
        }
    }

    fn shut_down(self: Rc<Self>) {
        self.lose(io::Error::other("the reactor was stopped"));
    }

    fn give_back(&self) -> Option<OwnedFd> {
        self.remove().map(Registration::into_descriptor)
    }
}
