//! UNIX socket listener: `listen_unix` and its options.

use std::io;
use std::rc::Rc;

use crate::address::{Address, UnixAddress};
use crate::connection::Factory;
use crate::core::Core;
use crate::error::ListenError;
use crate::handle::ReactorHandle;
use crate::listening::{self, Acceptor, ListeningPort, Opened, Serve};
use crate::poll::Interest;
use crate::sys::SocketFile;
use crate::sys::socket::{self, Listening};

/// Address and options of a listening UNIX socket, for
/// [`listen_unix`](ReactorHandle::listen_unix). Anything that converts to a [`UnixAddress`]
/// converts to these options, with their defaults.
///
/// # Examples
///
/// ```
/// use reactor::UnixListenOptions;
///
/// let options = UnixListenOptions::new("/run/echo/socket").mode(0o660).lock(true);
/// # drop(options);
/// ```
#[derive(Clone, Debug)]
#[must_use = "it listens nowhere by itself"]
pub struct UnixListenOptions {
    address: UnixAddress,
    mode: Option<u32>,
    locks: bool,
    backlog: i32,
}

impl UnixListenOptions {
    /// Listens on `address` with the default options.
    pub fn new(address: impl Into<UnixAddress>) -> Self {
        Self {
            address: address.into(),
            mode: None,
            locks: false,
            backlog: Listening::default().backlog,
        }
    }

    /// Sets the permissions of the socket file. A process needs the permission to write in order
    /// to connect. By default, the umask of this process decides.
    ///
    /// # Examples
    ///
    /// Only for this user:
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::UnixListenOptions;
    /// use std::os::unix::fs::PermissionsExt;
    ///
    /// # let reactor = Reactor::new()?;
    /// # let path = std::env::temp_dir().join(format!("unix-listen-mode-{}", std::process::id()));
    /// let port = reactor.listen_unix(UnixListenOptions::new(&path).mode(0o600), || Quiet)?;
    /// assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    /// # drop((reactor, port));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Locks the path with a lock file, whose path is that of the socket with `.lock` appended.
    /// With the lock, the socket file of a crashed process is replaced, and other processes that
    /// use the lock cannot listen. (Twisted: `wantPID`.)
    ///
    /// The file of an open socket is never replaced, even if its process holds no lock: then
    /// listening fails with `AddrInUse`. A file belongs to no open socket if the system refuses
    /// to connect to it (`ECONNREFUSED`).
    ///
    /// # Examples
    ///
    /// The file that a killed process has left behind is replaced:
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::UnixListenOptions;
    /// use std::os::unix::net::UnixListener;
    ///
    /// # let reactor = Reactor::new()?;
    /// # let path = std::env::temp_dir().join(format!("unix-listen-lock-{}", std::process::id()));
    /// drop(UnixListener::bind(&path)?);
    /// assert!(path.exists());
    /// let port = reactor.listen_unix(UnixListenOptions::new(&path).lock(true), || Quiet)?;
    /// assert!(port.is_listening());
    /// # drop((reactor, port));
    /// # let _ = std::fs::remove_file(path.with_extension("lock"));
    /// # let _ = std::fs::remove_file(format!("{}.lock", path.display()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lock(mut self, lock: bool) -> Self {
        self.locks = lock;
        self
    }

    /// Sets how many connections may wait to be accepted; 1024 by default.
    pub fn backlog(mut self, backlog: u16) -> Self {
        self.backlog = backlog.into();
        self
    }

    pub(crate) fn address(&self) -> &UnixAddress {
        &self.address
    }
}

impl<A: Into<UnixAddress>> From<A> for UnixListenOptions {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

impl ReactorHandle {
    /// Listens on a UNIX socket. Each accepted connection gets a protocol of `factory`.
    ///
    /// The socket file is removed when the port is closed. An abstract name, such as
    /// `"@echo"`, has no file.
    ///
    /// # Errors
    ///
    /// If the address is in use, a file with this path was left by a crashed process (see
    /// [`UnixListenOptions::lock`]), the directory does not exist or is not writable, or the path
    /// is empty or contains a zero byte (`InvalidInput`).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use reactor::Reactor;
    /// # use reactor::{Context, Protocol, Raw};
    /// # struct Echo;
    /// # impl Protocol for Echo {
    /// #     type Framing = Raw;
    /// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
    /// # }
    ///
    /// let reactor = Reactor::new()?;
    /// # let name = format!("@listen-unix-{}", std::process::id());
    /// let port = reactor.listen_unix(name, || Echo)?;
    /// println!("listening on {}", port.address());
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "listenUNIX")]
    #[doc(alias = "UnixListener")]
    pub fn listen_unix<F: Factory>(
        &self,
        address: impl Into<UnixListenOptions>,
        factory: F,
    ) -> Result<ListeningPort<UnixAddress>, ListenError> {
        let options = address.into();
        let address = options.address.clone();
        let listen = || {
            let core = self.core().map_err(io::Error::other)?;
            listen_at(&core, options, factory)
        };
        listen().map_err(|error| ListenError::new(address, error))
    }
}

pub(crate) fn listen_at<S: Serve>(
    core: &Rc<Core>,
    options: UnixListenOptions,
    serve: S,
) -> io::Result<ListeningPort<UnixAddress>> {
    listening::open(core, serve, Box::new(move |core| open(core, &options)))
}

fn open(core: &Core, options: &UnixListenOptions) -> io::Result<Opened<UnixAddress>> {
    let address = options.address.clone();
    // Refuses an invalid address before a file is made, and in the simulated network of a test,
    // too.
    address.to_system()?;
    if let Some(network) = core.network() {
        let listener = network.listen(&Address::Unix(address.clone()), core.next_key())?;
        return Ok(Opened {
            acceptor: Acceptor::Memory(listener),
            address,
            cleanup: None,
        });
    }
    let bind = || socket::listening_unix(&address, options.backlog);
    let (socket, file) = match address.as_path() {
        Some(path) => {
            let (socket, file) = SocketFile::bind(path, options.locks, options.mode, bind)?;
            (socket, Some(file))
        }
        None => (bind()?, None),
    };
    Ok(Opened {
        acceptor: Acceptor::Unix(core.register(socket.into(), Interest::READABLE)?),
        address,
        cleanup: file,
    })
}
