//! Options for listening and connecting with TCP.

use std::net::SocketAddr;
use std::time::Duration;

use super::family::Family;
use super::host_port::HostPort;
use crate::sys::socket::Listening;

/// Default of the timeout of an attempt to connect to one address.
// Same as in Twisted's `connectTCP`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Address and options of a port, for [`listen_tcp`](crate::ReactorHandle::listen_tcp). A value
/// that converts into a [`HostPort`] also converts into this, with the default options.
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
    /// Listens on `address`, with the default options.
    pub fn new(address: impl Into<HostPort>) -> Self {
        Self {
            address: address.into(),
            how: Listening::default(),
            family: Family::Any,
        }
    }

    /// Sets how many connections may wait to be accepted: 1024 by default. The system may have a
    /// lower limit.
    pub fn backlog(mut self, backlog: u16) -> Self {
        self.how.backlog = backlog.into();
        self
    }

    /// Lets other sockets listen on the same address, if they have this option, too
    /// (`SO_REUSEPORT`). The system distributes the connections between them.
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

    /// Lets an IPv6 address take IPv4 connections, too, whose peers have addresses such as
    /// `[::ffff:192.0.2.1]:80`. By default, it does not, on any system.
    #[doc(alias = "IPV6_V6ONLY")]
    pub fn dual_stack(mut self, dual_stack: bool) -> Self {
        self.how.is_dual_stack = dual_stack;
        self
    }

    /// Uses only the addresses of this family, of a name with several addresses.
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

/// Target and options of a connection, for [`connect_tcp`](crate::ReactorHandle::connect_tcp). A
/// value that converts into a [`HostPort`] also converts into this, with the default options.
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
    /// Connects to `target`, with the default options.
    pub fn new(target: impl Into<HostPort>) -> Self {
        Self {
            target: target.into(),
            timeout: CONNECT_TIMEOUT,
            bind_address: None,
            family: Family::Any,
        }
    }

    /// Sets the longest time of the attempt with each address: 30 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects from the local `address`. With port 0, the system chooses a port.
    #[doc(alias = "bindAddress")]
    pub fn bind_address(mut self, address: SocketAddr) -> Self {
        self.bind_address = Some(address);
        self
    }

    /// Uses only the addresses of this family, of a name with several addresses.
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
