//! `add_reader` and `add_writer`: any descriptor can be watched.

mod reference;
mod watched;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

pub use self::reference::DescriptorRef;
use self::watched::Watched;
use crate::handle::ReactorHandle;
use crate::poll::{Interest, Registration};

impl ReactorHandle {
    /// Calls `on_readable` whenever there is something to read from `descriptor`,
    /// or it is at its end: once a turn, for as long as that is so.
    ///
    /// The reactor owns the descriptor until [`Descriptor::remove`] gives it back; it
    /// should not block. A descriptor from which nothing can come any more is reported
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
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let reactor = Reactor::new()?;
    /// let (mut near, far) = UnixStream::pair()?;
    /// near.write_all(b"hello")?;
    /// let handle = reactor.handle();
    /// let reader = reactor.add_reader(far, move |mut far| {
    ///     let mut text = [0; 100];
    ///     let length = far.read(&mut text).unwrap();
    ///     assert_eq!(&text[..length], b"hello");
    ///     handle.crash();
    /// })?;
    /// reactor.run()?;
    /// let far = UnixStream::from(reader.remove().unwrap());
    /// # drop(far);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "addReader")]
    #[doc(alias = "AsyncFd")]
    pub fn add_reader<F>(
        &self,
        descriptor: impl Into<OwnedFd>,
        on_readable: F,
    ) -> io::Result<Descriptor>
    where
        F: FnMut(DescriptorRef<'_>) + 'static,
    {
        let (_core, on_readable) = self.core_for(on_readable).map_err(io::Error::other)?;
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
    #[doc(alias = "addWriter")]
    #[doc(alias = "AsyncFd")]
    pub fn add_writer<F>(
        &self,
        descriptor: impl Into<OwnedFd>,
        on_writable: F,
    ) -> io::Result<Descriptor>
    where
        F: FnMut(DescriptorRef<'_>) + 'static,
    {
        let (_core, on_writable) = self.core_for(on_writable).map_err(io::Error::other)?;
        let descriptor = self.watch(descriptor.into(), Interest::WRITABLE)?;
        descriptor.add_writer(on_writable)?;
        Ok(descriptor)
    }

    fn watch(&self, descriptor: OwnedFd, interest: Interest) -> io::Result<Descriptor> {
        let core = self.core().map_err(io::Error::other)?;
        let registration = core.register(descriptor, interest)?;
        let watched = Rc::new(Watched::new(&core, registration));
        let handle = Descriptor::new(&watched);
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
    #[doc(alias = "removeAll")]
    pub fn remove_all(&self) -> Vec<OwnedFd> {
        let sources = self
            .core()
            .map_or_else(|_| Vec::new(), |core| core.registry.all());
        let watched = sources
            .into_iter()
            .filter_map(|source| source.take_descriptor());
        watched.collect()
    }
}

/// A descriptor that is watched. Clones stand for the same one; dropping them
/// changes nothing.
///
/// # Examples
///
/// ```
/// use reactor::Reactor;
/// use std::io::Write;
///
/// let reactor = Reactor::new()?;
/// let (pipe, mut writer) = std::io::pipe()?;
/// let handle = reactor.handle();
/// let watched = reactor.add_reader(pipe, move |_pipe| handle.crash())?;
/// writer.write_all(b"x")?;
/// reactor.run()?;
/// assert!(watched.is_watched());
/// let pipe = watched.remove().unwrap();
/// # drop(pipe);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Descriptor {
    watched: Weak<Watched>,
}

impl Descriptor {
    fn new(watched: &Rc<Watched>) -> Self {
        Self {
            watched: Rc::downgrade(watched),
        }
    }

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
    ///
    /// # Examples
    ///
    /// Something else is to be done with what comes next:
    ///
    /// ```
    /// use reactor::Reactor;
    /// use std::io::{Read, Write};
    ///
    /// let reactor = Reactor::new()?;
    /// let (pipe, mut writer) = std::io::pipe()?;
    /// let handle = reactor.handle();
    /// let watched = reactor.add_reader(pipe, |_pipe| panic!("it has been replaced"))?;
    /// watched.add_reader(move |mut pipe| {
    ///     let mut text = [0; 10];
    ///     assert_eq!(pipe.read(&mut text).unwrap(), 5);
    ///     handle.crash();
    /// })?;
    /// writer.write_all(b"hello")?;
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_reader<F>(&self, on_readable: F) -> io::Result<()>
    where
        F: FnMut(DescriptorRef<'_>) + 'static,
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
        F: FnMut(DescriptorRef<'_>) + 'static,
    {
        let watched = self.watched()?;
        watched.writer.set(Box::new(on_writable));
        watched.update_interest()
    }

    /// Removes the reader callback. The descriptor stays registered, and may
    /// get another reader.
    pub fn remove_reader(&self) {
        if let Ok(watched) = self.watched() {
            watched.reader.clear();
            // An error is one of the poller's, for which there is no caller to tell: the
            // descriptor then comes up as ready without a reader, and nothing is called.
            let _ = watched.update_interest();
        }
    }

    /// Removes the writer callback. The descriptor stays registered.
    pub fn remove_writer(&self) {
        if let Ok(watched) = self.watched() {
            watched.writer.clear();
            // As in `remove_reader`.
            let _ = watched.update_interest();
        }
    }

    /// Calls `on_lost` if the descriptor goes bad: nothing more can be read from or
    /// written to it. The reader or the writer is called before; the descriptor is
    /// closed after. Without this, that is logged.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let (reader, pipe) = std::io::pipe()?;
    /// let watched = reactor.add_writer(pipe, |_pipe| ())?;
    /// let handle = reactor.handle();
    /// watched.on_lost(move |error| {
    ///     println!("the reader of the pipe has gone: {error}");
    ///     handle.stop();
    /// });
    /// drop(reader);
    /// reactor.run()?;
    /// assert!(!watched.is_watched());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_lost(&self, on_lost: impl FnOnce(io::Error) + 'static) {
        if let Ok(watched) = self.watched() {
            watched.set_on_lost(Box::new(on_lost));
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

impl DescriptorRef<'_> {
    /// A handle on it, to be kept.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.watched)
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
