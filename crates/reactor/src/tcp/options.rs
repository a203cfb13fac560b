//! How to listen and to connect, where that is to be other than usual.

use std::net::SocketAddr;
use std::time::Duration;

use super::host_port::HostPort;
use crate::sys::socket::Listening;

/// How long one address is tried, unless said otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Where and how to listen, for [`listen_tcp`](crate::ReactorHandle::listen_tcp).
/// Whatever can be a [`HostPort`] is one.
///
/// # Examples
///
/// ```
/// use reactor::{TcpListenOptions, Reactor};
/// # use reactor::{Context, Protocol, Raw};
/// # struct Echo;
/// # impl Protocol for Echo {
/// #     type Framing = Raw;
/// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
/// # }
///
/// let reactor = Reactor::new()?;
/// let everywhere = TcpListenOptions::new("[::]:0").dual_stack(true).backlog(50);
/// let port = reactor.listen_tcp(everywhere, || Echo)?;
/// # drop(port);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it listens nowhere by itself"]
pub struct TcpListenOptions {
    pub(super) address: HostPort,
    pub(super) how: Listening,
}

impl TcpListenOptions {
    /// Listens on `address` as usual.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::TcpListenOptions;
    ///
    /// # let reactor = TestReactor::new();
    /// let port = reactor.listen_tcp(TcpListenOptions::new("127.0.0.1:80"), || Quiet)?;
    /// // A mere address means the same.
    /// port.stop_listening().ignore();
    /// reactor.listen_tcp("127.0.0.1:80", || Quiet)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(address: impl Into<HostPort>) -> Self {
        Self {
            address: address.into(),
            how: Listening::default(),
        }
    }

    /// How many connections may wait to be accepted: 1024, unless said otherwise.
    /// The system has a limit of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::TcpListenOptions;
    ///
    /// # let reactor = Reactor::new()?;
    /// // Many come at the same time.
    /// let options = TcpListenOptions::new("127.0.0.1:0").backlog(4096);
    /// assert!(reactor.listen_tcp(options, || Quiet)?.is_listening());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backlog(mut self, backlog: u16) -> Self {
        self.how.backlog = backlog.into();
        self
    }

    /// Lets others listen on the same address, if they ask for it, too
    /// (`SO_REUSEPORT`): the system shares the connections out between them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::TcpListenOptions;
    ///
    /// # let (one, other) = (Reactor::new()?, Reactor::new()?);
    /// let shared = |address| TcpListenOptions::new(address).reuse_port(true);
    /// let port = one.listen_tcp(shared("127.0.0.1:0".parse()?), || Quiet)?;
    /// let same: std::net::SocketAddr = port.address();
    /// assert_eq!(other.listen_tcp(shared(same), || Quiet)?.address(), same);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "SO_REUSEPORT")]
    pub fn reuse_port(mut self, reuse_port: bool) -> Self {
        self.how.reuses_port = reuse_port;
        self
    }

    /// Lets an address of version 6 take connections of version 4, whose peers have
    /// addresses such as `[::ffff:192.0.2.1]:80`. Unless this is said, it does not,
    /// on any system.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::TcpListenOptions;
    ///
    /// # let reactor = Reactor::new()?;
    /// # if std::net::TcpListener::bind("[::]:0").is_err() { return Ok(()); }
    /// let port = reactor.listen_tcp(TcpListenOptions::new("[::]:0").dual_stack(true), || Quiet)?;
    /// let connecting = reactor.connect_tcp(("127.0.0.1", port.address().port()), Quiet);
    /// assert!(!reactor.block_on(connecting)?.is_gone());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn dual_stack(mut self, dual_stack: bool) -> Self {
        self.how.is_dual_stack = dual_stack;
        self
    }
}

impl<A: Into<HostPort>> From<A> for TcpListenOptions {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

/// Where and how to connect, for [`connect_tcp`](crate::ReactorHandle::connect_tcp).
/// Whatever can be a [`HostPort`] is one.
///
/// # Examples
///
/// ```
/// use reactor::TcpConnectOptions;
/// use std::time::Duration;
///
/// let options = TcpConnectOptions::new("example.org:80")
///     .timeout(Duration::from_secs(5))
///     .bind_address("192.0.2.1:0".parse()?);
/// # drop(options);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it connects to nothing by itself"]
pub struct TcpConnectOptions {
    pub(super) target: HostPort,
    pub(super) timeout: Duration,
    pub(super) bind_address: Option<SocketAddr>,
}

impl TcpConnectOptions {
    /// Connects to `target` as usual.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::TcpConnectOptions;
    ///
    /// # let reactor = TestReactor::new();
    /// # reactor.listen_tcp("127.0.0.1:80", || Quiet)?;
    /// let connecting = reactor.connect_tcp(TcpConnectOptions::new("127.0.0.1:80"), Quiet);
    /// // A mere address means the same.
    /// let same = reactor.connect_tcp("127.0.0.1:80", Quiet);
    /// # reactor.settle();
    /// # connecting.into_result().unwrap()?;
    /// # same.into_result().unwrap()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(target: impl Into<HostPort>) -> Self {
        Self {
            target: target.into(),
            timeout: CONNECT_TIMEOUT,
            bind_address: None,
        }
    }

    /// How long each address is tried: 30 seconds, unless said otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{ConnectError, ConnectErrorKind, Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::TcpConnectOptions;
    /// use std::time::Duration;
    ///
    /// # let reactor = TestReactor::new();
    /// # reactor.do_not_answer("192.0.2.1:80".parse()?);
    /// let impatient = TcpConnectOptions::new("192.0.2.1:80").timeout(Duration::from_secs(2));
    /// let connecting = reactor.connect_tcp(impatient, Quiet);
    /// reactor.advance(Duration::from_secs(2));
    /// let failure = connecting.into_result().unwrap().unwrap_err();
    /// assert_eq!(failure.trap::<ConnectError>()?.kind(), ConnectErrorKind::TimedOut);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects from `address`; port 0 lets the system choose one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Protocol, Raw, Reactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// use reactor::TcpConnectOptions;
    ///
    /// # let reactor = Reactor::new()?;
    /// let port = reactor.listen_tcp("127.0.0.1:0", || Quiet)?;
    /// let options = TcpConnectOptions::new(port.address()).bind_address("127.0.0.1:0".parse()?);
    /// let connection = reactor.block_on(reactor.connect_tcp(options, Quiet))?;
    /// assert!(connection.host()?.as_inet().is_some_and(|from| from.ip().is_loopback()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "bindAddress")]
    pub fn bind_address(mut self, address: SocketAddr) -> Self {
        self.bind_address = Some(address);
        self
    }
}

impl<T: Into<HostPort>> From<T> for TcpConnectOptions {
    fn from(target: T) -> Self {
        Self::new(target)
    }
}
