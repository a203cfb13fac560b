//! How to listen and to connect, where that is to be other than usual.

use std::net::SocketAddr;
use std::time::Duration;

use super::family::Family;
use super::host_port::HostPort;
use crate::sys::socket::Listening;

/// How long one address is tried, unless said otherwise.
// As Twisted's `connectTCP` has.
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
    family: Family,
}

impl TcpListenOptions {
    /// Listens on `address` as usual.
    pub fn new(address: impl Into<HostPort>) -> Self {
        Self {
            address: address.into(),
            how: Listening::default(),
            family: Family::Any,
        }
    }

    /// How many connections may wait to be accepted: 1024, unless said otherwise.
    /// The system has a limit of its own.
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
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn dual_stack(mut self, dual_stack: bool) -> Self {
        self.how.is_dual_stack = dual_stack;
        self
    }

    /// Of the addresses of a name, only those of this family.
    pub(crate) fn only(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    pub(crate) fn family(&self) -> Family {
        self.family
    }

    pub(crate) fn address(&self) -> &HostPort {
        &self.address
    }

    pub(crate) fn how(&self) -> &Listening {
        &self.how
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
    pub(super) family: Family,
}

impl TcpConnectOptions {
    /// Connects to `target` as usual.
    pub fn new(target: impl Into<HostPort>) -> Self {
        Self {
            target: target.into(),
            timeout: CONNECT_TIMEOUT,
            bind_address: None,
            family: Family::Any,
        }
    }

    /// How long each address is tried: 30 seconds, unless said otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects from `address`; port 0 lets the system choose one.
    #[doc(alias = "bindAddress")]
    pub fn bind_address(mut self, address: SocketAddr) -> Self {
        self.bind_address = Some(address);
        self
    }

    /// Of the addresses of a name, only those of this family.
    pub(crate) fn only(mut self, family: Family) -> Self {
        self.family = family;
        self
    }
}

impl<T: Into<HostPort>> From<T> for TcpConnectOptions {
    fn from(target: T) -> Self {
        Self::new(target)
    }
}
