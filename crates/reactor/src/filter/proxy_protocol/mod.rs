//! PROXY protocol, versions 1 and 2: the header in which a load balancer (HAProxy, nginx, or that
//! of a cloud provider) gives the address of the client whose connection it forwards.
//!
//! A [`ProxyProtocol`] makes the filters; it is configured with the senders that may send a
//! header. Behind such a filter, [`peer`](crate::Context::peer) and the log have the address of
//! the client; [`filter_info`](crate::Context::filter_info) returns the whole [`ProxyHeader`].

mod binary;
mod header;
mod parse;
mod text;

pub use self::header::{ProxyHeader, ProxyVersion};

use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Failure, Result};

use self::header::Parsed;
use super::{Filter, InfoRequest, Link};
use crate::address::Address;

/// Default of [`ProxyProtocol::timeout`].
// A balancer sends the header at once. The specification asks for 3 s at least, in which TCP can
// send a lost segment again.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes filters that read a PROXY header: from which senders, and within which time.
///
/// The senders have no default, because an allowed sender can claim any client address.
///
/// # Examples
///
/// A server behind the load balancer at 192.0.2.7:
///
/// ```
/// use reactor::filter::proxy_protocol::{NotAllowed, ProxyProtocol};
/// use reactor::testing::FilterDriver;
/// use std::net::{IpAddr, SocketAddr};
///
/// let balancer = IpAddr::from([192, 0, 2, 7]);
/// let proxy = ProxyProtocol::from_addresses([balancer]);
///
/// let mut driver = FilterDriver::with_peer(proxy.filter(), SocketAddr::new(balancer, 50000).into())?;
/// driver.receive("PROXY TCP4 203.0.113.9 192.0.2.1 1234 80\r\nGET /")?;
/// assert_eq!(driver.peer().to_string(), "203.0.113.9:1234");
/// assert_eq!(driver.delivered(), b"GET /");
///
/// let other = SocketAddr::from(([198, 51, 100, 1], 50000));
/// let refused = FilterDriver::with_peer(proxy.filter(), other.into()).unwrap_err();
/// assert!(refused.is::<NotAllowed>());
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone)]
pub struct ProxyProtocol {
    is_allowed: Rc<dyn Fn(&Address) -> bool>,
    timeout: Duration,
}

impl ProxyProtocol {
    /// Accepts headers from these addresses; connections from others are refused.
    pub fn from_addresses(senders: impl IntoIterator<Item = IpAddr>) -> Self {
        // `Address::ip` is canonical, so these must be, too.
        let senders: Vec<_> = senders.into_iter().map(|ip| ip.to_canonical()).collect();
        Self::from_senders(move |peer| peer.ip().is_some_and(|ip| senders.contains(&ip)))
    }

    /// Accepts headers from senders for which `is_allowed` returns `true`; connections from others
    /// are refused. For ranges of addresses, or for UNIX sockets.
    pub fn from_senders(is_allowed: impl Fn(&Address) -> bool + 'static) -> Self {
        Self {
            is_allowed: Rc::new(is_allowed),
            timeout: HEADER_TIMEOUT,
        }
    }

    /// Accepts headers from any peer. Use this only for ports that no client but the load balancer
    /// can reach.
    pub fn from_any() -> Self {
        Self::from_senders(|_| true)
    }

    /// Sets the time within which the header must be complete; 5 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// A filter for one connection.
    pub fn filter(&self) -> ProxyFilter {
        ProxyFilter {
            settings: self.clone(),
            header: None,
        }
    }
}

impl fmt::Debug for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyProtocol")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Filter that reads the header of one connection, and then passes all bytes unchanged: see
/// [`ProxyProtocol`].
///
/// # Examples
///
/// ```
/// use reactor::filter::proxy_protocol::{ProxyHeader, ProxyProtocol};
/// use reactor::testing::FilterDriver;
///
/// let mut driver = FilterDriver::new(ProxyProtocol::from_any().filter())?;
/// driver.receive("PROXY TCP6 2001:db8::9 2001:db8::1 1234 80\r\n")?;
/// let header = driver.info::<ProxyHeader>().unwrap();
/// assert_eq!(header.destination.unwrap().to_string(), "[2001:db8::1]:80");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Debug)]
pub struct ProxyFilter {
    settings: ProxyProtocol,
    /// `None` until the header was received completely.
    header: Option<ProxyHeader>,
}

impl Filter for ProxyFilter {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
        // Checked before a byte is read, because a header can claim any address; section 2 of the
        // specification requires to restrict the senders.
        if !(self.settings.is_allowed)(link.peer()) {
            return Err(Failure::new(NotAllowed {
                sender: link.peer().clone(),
            }));
        }
        link.wake_after(self.settings.timeout);
        Ok(())
    }

    fn receive(&mut self, input: &mut [u8], link: &mut Link<'_>) -> Result<usize> {
        if self.header.is_some() {
            link.deliver(input);
            return Ok(input.len());
        }
        match parse::parse(input) {
            Parsed::Header(header, length) => {
                // With `UNKNOWN` and `LOCAL`, the address of the socket stays (sections 2.1 and
                // 2.2).
                if let Some(source) = &header.source {
                    link.set_peer(source.clone());
                }
                self.header = Some(header);
                link.wake_after(None);
                link.open();
                // The engine offers the bytes after the header again, and they are delivered then.
                Ok(length)
            }
            // Nothing is consumed, so the next call sees the header from its first byte. The two
            // parsers limit its length.
            Parsed::Incomplete => Ok(0),
            Parsed::Bad(what) => Err(Failure::new(BadProxyHeader {
                sender: link.peer().clone(),
                what,
            })),
        }
    }

    fn receive_end(&mut self, link: &mut Link<'_>) -> Result<()> {
        if self.header.is_none() {
            return Err(Failure::new(BadProxyHeader {
                sender: link.peer().clone(),
                what: "the connection ended before the header was complete",
            }));
        }
        link.end();
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], link: &mut Link<'_>) -> Result<usize> {
        link.send(bytes);
        Ok(bytes.len())
    }

    fn wake(&mut self, link: &mut Link<'_>) -> Result<()> {
        if self.header.is_none() {
            return Err(Failure::new(BadProxyHeader {
                sender: link.peer().clone(),
                what: "the header was not complete in time; see `ProxyProtocol::timeout`",
            }));
        }
        Ok(())
    }

    fn info(&self, request: &mut InfoRequest<'_>) {
        if let Some(header) = &self.header {
            request.provide(|| header.clone());
        }
    }
}

/// Error of a connection whose peer may not send PROXY headers.
///
/// # Examples
///
/// ```
/// use reactor::filter::proxy_protocol::{NotAllowed, ProxyProtocol};
/// use reactor::testing::FilterDriver;
///
/// let none_allowed = ProxyProtocol::from_addresses([]);
/// let refused = FilterDriver::new(none_allowed.filter()).unwrap_err();
/// assert!(refused.is::<NotAllowed>());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotAllowed {
    /// The address of the peer.
    pub sender: Address,
}

impl fmt::Display for NotAllowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not allowed to connect here: it is none of the senders of PROXY headers that \
             this server knows",
            self.sender
        )
    }
}

impl std::error::Error for NotAllowed {}

/// Error of a connection that does not begin with a valid PROXY header.
///
/// # Examples
///
/// ```
/// use reactor::filter::proxy_protocol::{BadProxyHeader, ProxyProtocol};
/// use reactor::testing::FilterDriver;
///
/// let mut driver = FilterDriver::new(ProxyProtocol::from_any().filter())?;
/// let refused = driver.receive("GET / HTTP/1.1\r\n").unwrap_err();
/// let refused = refused.downcast_ref::<BadProxyHeader>().unwrap();
/// assert!(refused.what.starts_with("expected a PROXY header"));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadProxyHeader {
    /// The sender of the header.
    pub sender: Address,
    /// What was expected, or what is wrong with the header.
    pub what: &'static str,
}

impl fmt::Display for BadProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad PROXY header from {}: {}", self.sender, self.what)
    }
}

impl std::error::Error for BadProxyHeader {}
