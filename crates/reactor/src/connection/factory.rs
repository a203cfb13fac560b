//! `Factory`: what makes a protocol for each connection that comes in.

use std::io;
use std::time::Duration;

use super::protocol::Protocol;
use crate::address::Address;

/// Makes a protocol for each connection that comes in.
///
/// Any closure without arguments that gives a protocol is one: `|| Echo`,
/// `Echo::default`. What the protocols share is captured by it, often as an
/// `Rc<RefCell<..>>`.
///
/// # Examples
///
/// Implement it to see the peer first, or to refuse it:
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
///         peer.as_inet()?.ip().is_loopback().then_some(Admin)
///     }
/// }
/// # let peer = Address::from(std::net::SocketAddr::from(([127, 0, 0, 1], 9)));
/// # assert!(LocalOnly.build_protocol(&peer).is_some());
/// ```
pub trait Factory: 'static {
    /// What it makes.
    type Protocol: Protocol;

    /// The protocol for the connection from `peer`; `None` refuses it, which
    /// closes it at once.
    fn build_protocol(&mut self, peer: &Address) -> Option<Self::Protocol>;

    /// A port begins to listen for it.
    fn start_factory(&mut self) {}

    /// Its port is closed.
    fn stop_factory(&mut self) {}

    /// Nobody can be accepted for a while: mostly because the process has too many
    /// descriptors open. Those who wait are turned away, and the port tries again
    /// after `pause`.
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
