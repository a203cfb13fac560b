//! `Resolver`: what finds the addresses of a name, as the system's or one of the user's own.

use std::net::SocketAddr;

use deferred::Deferred;

use crate::handle::ReactorHandle;

/// Finds the addresses of a name: see [`ReactorHandle::set_resolver`].
///
/// Any closure of this shape is one. [`SystemResolver`](crate::SystemResolver) asks the system.
///
/// # Examples
///
/// Some names of one's own, the system for the others:
///
/// ```
/// use deferred::{Deferred, succeed};
/// use reactor::{Reactor, ReactorHandle, Resolver, SystemResolver};
/// use std::collections::HashMap;
/// use std::net::{IpAddr, SocketAddr};
///
/// struct Hosts {
///     known: HashMap<String, IpAddr>,
///     others: SystemResolver,
/// }
///
/// impl Resolver for Hosts {
///     fn resolve(&self, reactor: &ReactorHandle, host: &str, port: u16) -> Deferred<Vec<SocketAddr>> {
///         match self.known.get(host) {
///             Some(ip) => succeed(vec![SocketAddr::new(*ip, port)]),
///             None => self.others.resolve(reactor, host, port),
///         }
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// reactor.set_resolver(Hosts {
///     known: HashMap::from([("database".to_owned(), "10.0.0.7".parse()?)]),
///     others: SystemResolver::new(),
/// });
/// let found = reactor.resolve("database", 5432).into_result().unwrap()?;
/// assert_eq!(found, ["10.0.0.7:5432".parse()?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Resolver: 'static {
    /// Finds the addresses of `host`, each with `port`; the best first.
    ///
    /// It is called in the loop's thread, so it must not block, and never for a `host`
    /// that is an address. A panic is a failure. The Deferred is cancelled when the
    /// last waiter has left.
    ///
    /// It is not to ask the reactor for the same name, which would ask this.
    fn resolve(&self, reactor: &ReactorHandle, host: &str, port: u16) -> Deferred<Vec<SocketAddr>>;
}

impl<F> Resolver for F
where
    F: Fn(&ReactorHandle, &str, u16) -> Deferred<Vec<SocketAddr>> + 'static,
{
    fn resolve(&self, reactor: &ReactorHandle, host: &str, port: u16) -> Deferred<Vec<SocketAddr>> {
        self(reactor, host, port)
    }
}
