//! Name resolution: a replaceable resolver, and look-ups that are shared by calls with the same
//! name and port.
//!
//! ```text
//!   resolve ──literal──▶ answered at once
//!      │
//!      └─name──▶ in flight already? ──no──▶ resolver ──▶ Deferred ──▶ all that wait
//! ```

mod api;
mod names;
mod system;

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use deferred::{Deferred, fail, succeed};

pub use self::api::Resolver;
use self::names::Names;
pub use self::system::SystemResolver;
use crate::handle::ReactorHandle;

impl ReactorHandle {
    /// Finds the addresses of `host`, each with `port`. The list is never empty.
    ///
    /// If `host` is an IP address itself, the Deferred fires at once, and the resolver is not
    /// called. If the same name and port are being looked up already, this call shares the result.
    /// If the last Deferred that waits for a look-up is cancelled, the look-up is cancelled.
    ///
    /// There is no timeout: use [`add_timeout`](deferred::Deferred::add_timeout). Results are not
    /// cached, because the system does not tell how long they are valid.
    ///
    /// # Errors
    ///
    /// The Deferred fails with a [`ResolveError`](crate::ResolveError) from the system's resolver
    /// or if there is no address, with the failure of another resolver, or with
    /// [`ReactorGone`](crate::ReactorGone).
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let handle = reactor.handle();
    /// reactor
    ///     .resolve("localhost", 80)
    ///     .add_callback(|addresses| println!("{addresses:?}"))
    ///     .add_errback(|failure| println!("{failure}"))
    ///     .add_callback(move |()| handle.stop());
    /// reactor.run()?;
    ///
    /// let literal = reactor.resolve("::1", 80).into_result().unwrap()?;
    /// assert_eq!(literal, ["[::1]:80".parse()?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[doc(alias = "getaddrinfo")]
    #[doc(alias = "lookup_host")]
    pub fn resolve(&self, host: &str, port: u16) -> Deferred<Vec<SocketAddr>> {
        if let Some(address) = literal(host, port) {
            return succeed(vec![address]);
        }
        match self.core() {
            Ok(core) => core.extensions.get::<Names>().resolve(self, host, port),
            Err(gone) => fail(gone),
        }
    }

    /// Sets the resolver of names; the default is [`SystemResolver`]. Look-ups that are running
    /// still come from the previous resolver. If the reactor is gone, `resolver` is dropped.
    ///
    /// # Examples
    ///
    /// A test without a network:
    ///
    /// ```
    /// use deferred::{Failure, fail};
    /// use reactor::{Reactor, ReactorHandle};
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.set_resolver(|_: &ReactorHandle, host: &str, _: u16| {
    ///     fail(Failure::msg(format!("there is no {host} in a test")))
    /// });
    /// let failure = reactor.resolve("example.org", 80).into_result().unwrap().unwrap_err();
    /// assert_eq!(failure.to_string(), "there is no example.org in a test");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "installResolver")]
    #[doc(alias = "installNameResolver")]
    pub fn set_resolver(&self, resolver: impl Resolver) {
        if let Ok((core, resolver)) = self.core_for(resolver) {
            core.extensions.get::<Names>().set_resolver(resolver);
        }
    }
}

/// The address, if `host` is an IP address.
fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, port));
    }
    // Names have no colons, so this returns before the `format!` below for most of them.
    if !host.contains(':') {
        return None;
    }
    // A link-local address with the number of its interface, such as `fe80::1%2`. `IpAddr` cannot
    // hold that number, so the address is parsed together with the port.
    format!("[{host}]:{port}")
        .parse::<SocketAddrV6>()
        .ok()
        .map(Into::into)
}
