//! `Resolver`: the trait of types that find the addresses of a name.

use std::net::SocketAddr;

use deferred::Deferred;

use crate::handle::ReactorHandle;

/// Finds the addresses of a name: see [`ReactorHandle::set_resolver`].
///
/// Any function with the signature of [`resolve`](Self::resolve) is a resolver.
/// [`SystemResolver`](crate::SystemResolver) asks the system.
///
/// # Examples
///
/// Resolves some names by itself, and asks the system for the others:
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
    /// Finds the addresses of `host`, each with `port`, in the order of preference.
    ///
    /// Called in the thread of the loop, so it must not block. Not called if `host` is an IP
    /// address. A panic counts as a failure. The Deferred is cancelled when the last waiter has
    /// cancelled its own.
    ///
    /// An implementation must not call [`ReactorHandle::resolve`] for the same name, because that
    /// would call this method again.
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
