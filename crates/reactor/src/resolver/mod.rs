//! Name resolution: a pluggable resolver, and look-ups shared by equal questions.
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
    /// Finds the addresses of `host`, each with `port`; never an empty list.
    ///
    /// If `host` is an address itself, it is the answer, at once, and the resolver is not
    /// asked. A question for a name and port that are being looked up shares that answer.
    /// Cancelling the last Deferred that waits for it cancels the look-up.
    ///
    /// There is no time limit of its own: see
    /// [`add_timeout`](deferred::Deferred::add_timeout). Nothing is kept: the system
    /// does not say for how long an answer is good.
    ///
    /// # Errors
    ///
    /// Through the Deferred: a [`ResolveError`](crate::ResolveError) from the system's
    /// resolver, or if there is no address; what another resolver fails with; or
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

    /// Has names looked up by `resolver` from now on; [`SystemResolver`] does it unless
    /// this is called. What is being looked up still comes from the one before. If the
    /// reactor is gone, `resolver` is dropped.
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

/// The address that `host` is, if it is one.
fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, port));
    }
    // Names have no colons: most need no text of their own.
    if !host.contains(':') {
        return None;
    }
    // A link-local address with the number of its interface, as in `fe80::1%2`: `IpAddr` has no
    // place for that number, so the address is read with its port.
    format!("[{host}]:{port}")
        .parse::<SocketAddrV6>()
        .ok()
        .map(Into::into)
}
