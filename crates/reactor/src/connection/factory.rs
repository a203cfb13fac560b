//! `Factory`: makes a protocol for each connection that is accepted.

use std::io;
use std::time::Duration;

use super::protocol::Protocol;
use crate::address::Address;
use crate::filter::Filter;

/// Makes a protocol for each connection that is accepted.
///
/// Any function without arguments that returns a protocol is a factory: `|| Echo`, `Echo::default`.
/// A closure can capture the data that its protocols share, often as an `Rc<RefCell<..>>`.
///
/// # Examples
///
/// A type that implements `Factory` sees the peer first, and may refuse it:
///
/// ```
/// use reactor::{Address, Factory};
/// # use reactor::{Context, Protocol, Raw};
/// # struct Admin;
/// # impl Protocol for Admin {
/// #     type Framing = Raw;
/// #     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> { Ok(()) }
/// # }
///
/// struct LocalOnly;
///
/// impl Factory for LocalOnly {
///     type Protocol = Admin;
///
///     fn build_protocol(&mut self, peer: &Address) -> Option<Admin> {
///         peer.ip()?.is_loopback().then_some(Admin)
///     }
/// }
/// # let peer = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 9)));
/// # assert!(LocalOnly.build_protocol(&peer).is_some());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make protocols",
    label = "not a factory",
    note = "pass a closure that makes one for each connection, as `|| {Self}`, or a type that implements `Factory`"
)]
pub trait Factory: 'static {
    /// The type of its protocols.
    type Protocol: Protocol;

    /// The protocol for the connection from `peer`; `None` refuses it, which
    /// closes it at once.
    fn build_protocol(&mut self, peer: &Address) -> Option<Self::Protocol>;

    /// The filters for the connection from `peer`, between the socket and its protocol: several
    /// filters are combined in a [`Pair`](crate::filter::Pair). By default, there are none.
    ///
    /// The protocol's `connection_made` is called when the filters are open. If they fail before,
    /// no method of the protocol is called.
    ///
    /// # Examples
    ///
    /// At most 1 MB/s:
    ///
    /// ```
    /// # use reactor::{Address, Factory, Protocol, Raw};
    /// use reactor::filter::{Filter, throttle::Throttle};
    ///
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// struct Slow(Throttle);
    ///
    /// impl Factory for Slow {
    ///     type Protocol = Quiet;
    ///
    ///     fn filter(&mut self, _peer: &Address) -> Option<Box<dyn Filter>> {
    ///         Some(Box::new(self.0.filter()))
    ///     }
    /// #   fn build_protocol(&mut self, _: &Address) -> Option<Quiet> { Some(Quiet) }
    /// }
    /// # let throttle = Throttle::new().bytes_per_second(1_000_000);
    /// # assert!(Slow(throttle).filter(&Address::Unknown).is_some());
    /// ```
    fn filter(&mut self, peer: &Address) -> Option<Box<dyn Filter>> {
        let _ = peer;
        None
    }

    /// Called when a port begins to listen with this factory.
    fn start_factory(&mut self) {}

    /// Called when that port is closed.
    fn stop_factory(&mut self) {}

    /// Called when no connection can be accepted, usually because the process has too many open
    /// descriptors. Waiting peers are disconnected, and the port tries again after `pause`, or as
    /// soon as the reactor closes a descriptor.
    fn accept_failed(&mut self, error: &io::Error, pause: Duration) {
        let _ = (error, pause);
    }
}

impl<F, P> Factory for F
where
    F: FnMut() -> P + 'static,
    P: Protocol,
{
    type Protocol = P;

    fn build_protocol(&mut self, _peer: &Address) -> Option<P> {
        Some(self())
    }
}
