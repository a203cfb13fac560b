//! The PROXY protocol, versions 1 and 2: the header in which a load balancer (HAProxy, nginx,
//! a cloud's) says whose connection it passes on.
//!
//! A [`ProxyProtocol`] says from which senders headers are taken, and makes the filters. With
//! one of them, [`peer`](crate::Context::peer) and the log have the address of the client; the
//! whole [`ProxyHeader`] is there by [`filter_info`](crate::Context::filter_info).

mod header;
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

/// How long a sender may take for the header, unless the program says otherwise.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// From whom PROXY headers are taken, and how long they may take.
///
/// There is no default for the senders: a peer that may send a header may claim any address.
///
/// # Examples
///
/// A server that the load balancer at 192.0.2.7 passes connections to:
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
    /// Takes headers from these addresses; others are refused.
    pub fn from_addresses(senders: impl IntoIterator<Item = IpAddr>) -> Self {
        let senders: Vec<_> = senders.into_iter().map(|ip| ip.to_canonical()).collect();
        Self::from_senders(move |peer| {
            peer.as_inet()
                .is_some_and(|peer| senders.contains(&peer.ip().to_canonical()))
        })
    }

    /// Takes headers from those for whom `is_allowed` says so; others are refused. For
    /// networks, or for a UNIX socket.
    pub fn from_senders(is_allowed: impl Fn(&Address) -> bool + 'static) -> Self {
        Self {
            is_allowed: Rc::new(is_allowed),
            timeout: HEADER_TIMEOUT,
        }
    }

    /// Takes headers from any peer: only for ports that the load balancer alone can reach.
    pub fn from_any() -> Self {
        Self::from_senders(|_| true)
    }

    /// The header has to be there after `timeout`, instead of 5 s.
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

/// Takes the header off the beginning of a connection: see [`ProxyProtocol`].
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
    /// `Some` once it has come.
    header: Option<ProxyHeader>,
}

impl Filter for ProxyFilter {
    fn start(&mut self, link: &mut Link<'_>) -> Result<()> {
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
        match header::parse(input) {
            Parsed::Header(header, length) => {
                if let Some(source) = &header.source {
                    link.set_peer(source.clone());
                }
                self.header = Some(header);
                link.wake_after(None);
                link.open();
                Ok(length)
            }
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
                what: "the header did not come in time",
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

/// The sender of a connection is not one of those from whom PROXY headers are taken.
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
    /// Its address.
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

/// A connection does not begin with a PROXY header.
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
/// assert_eq!(refused.what, "the connection does not begin with a PROXY header");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadProxyHeader {
    /// The sender of the header.
    pub sender: Address,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for BadProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad PROXY header from {}: {}", self.sender, self.what)
    }
}

impl std::error::Error for BadProxyHeader {}
