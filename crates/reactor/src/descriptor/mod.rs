//! `add_reader` and `add_writer`: callbacks for the readiness of any descriptor.

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
    /// Calls `on_readable` while `descriptor` has input or is at its end: once in each turn of the
    /// loop.
    ///
    /// The reactor owns the descriptor until [`Descriptor::remove`] returns it. The descriptor
    /// should be non-blocking. If it has hung up and has no more input, `on_readable` is called a
    /// last time, and the descriptor is closed: see [`Descriptor::on_lost`]. It is closed after a
    /// panic of `on_readable`, too. A regular file is always readable.
    ///
    /// # Errors
    ///
    /// If the system cannot wait for this kind of descriptor, or the reactor is gone.
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

    /// Calls `on_writable` while `descriptor` is ready to be written to: once in each turn of the
    /// loop. Otherwise as [`add_reader`](Self::add_reader).
    ///
    /// # Errors
    ///
    /// As for [`add_reader`](Self::add_reader).
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

    /// Stops watching all descriptors that were added with [`add_reader`](Self::add_reader) and
    /// [`add_writer`](Self::add_writer), and returns them. Connections and ports stay.
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

/// Handle on a watched descriptor. Clones are handles on the same descriptor; dropping them does
/// not stop the watch.
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

    /// Sets the reader callback, which replaces an earlier one: see [`ReactorHandle::add_reader`].
    ///
    /// # Errors
    ///
    /// If the descriptor was removed or lost.
    ///
    /// # Examples
    ///
    /// Replaces the callback for further input:
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

    /// Sets the writer callback, which replaces an earlier one: see [`ReactorHandle::add_writer`].
    ///
    /// # Errors
    ///
    /// If the descriptor was removed or lost.
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
            // Errs if the poller refuses; harmless: events of the descriptor then find no reader,
            // and nothing is called.
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

    /// Calls `on_lost` when the descriptor is lost: it has hung up and has no more input, a
    /// callback has panicked, or the reactor has stopped. At a hang-up, the reader or the writer is
    /// called before; the descriptor is closed before `on_lost` runs. If no `on_lost` is set, the
    /// loss is logged.
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

    /// Whether the descriptor is still watched.
    pub fn is_watched(&self) -> bool {
        self.watched().is_ok()
    }

    /// Stops watching, and returns the descriptor. Returns `None` if it was removed or lost before,
    /// and if its own reader or writer calls this: then the descriptor is closed when that callback
    /// returns.
    pub fn remove(&self) -> Option<OwnedFd> {
        self.watched
            .upgrade()?
            .remove()
            .map(Registration::into_descriptor)
    }
}

impl DescriptorRef<'_> {
    /// A handle on the descriptor, which can be kept.
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
