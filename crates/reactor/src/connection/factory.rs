//! `Factory`: what makes a protocol for each connection that comes in.

use std::io;
use std::time::Duration;

use super::protocol::Protocol;
use crate::address::Address;
use crate::filter::Filter;

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
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not make protocols",
    label = "not a factory",
    note = "pass a closure that makes one for each connection, as `|| {Self}`, or a type that implements `Factory`"
)]
pub trait Factory: 'static {
    /// What it makes.
    type Protocol: Protocol;

    /// The protocol for the connection from `peer`; `None` refuses it, which
    /// closes it at once.
    ///
    /// # Examples
    ///
    /// Each connection gets a number:
    ///
    /// ```
    /// # use reactor::{Address, Factory, Protocol, Raw};
    /// struct Numbered(u32);
    /// # impl Protocol for Numbered { type Framing = Raw; }
    ///
    /// struct Numbers {
    ///     next: u32,
    /// }
    ///
    /// impl Factory for Numbers {
    ///     type Protocol = Numbered;
    ///
    ///     fn build_protocol(&mut self, _peer: &Address) -> Option<Numbered> {
    ///         self.next += 1;
    ///         (self.next <= 1000).then_some(Numbered(self.next))
    ///     }
    /// }
    ///
    /// let mut numbers = Numbers { next: 998 };
    /// assert_eq!(numbers.build_protocol(&Address::Unknown).unwrap().0, 999);
    /// # assert_eq!(numbers.build_protocol(&Address::Unknown).unwrap().0, 1000);
    /// # assert!(numbers.build_protocol(&Address::Unknown).is_none());
    /// ```
    fn build_protocol(&mut self, peer: &Address) -> Option<Self::Protocol>;

    /// The filters for the connection from `peer`, between the socket and its protocol:
    /// several make a [`Pair`](crate::filter::Pair). Without an implementation, there are none.
    ///
    /// The protocol's `connection_made` is called when they are open. If they fail before, no
    /// protocol hears of the connection.
    ///
    /// # Examples
    ///
    /// Connections of 1 MB/s at the most:
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

    /// A port begins to listen for it.
    ///
    /// # Examples
    ///
    /// A log file that is only there while somebody can come:
    ///
    /// ```
    /// # use reactor::{Address, Factory, Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # use std::{cell::Cell, rc::Rc};
    /// # #[derive(Default, Clone)] struct Log { is_open: Rc<Cell<bool>> }
    /// # struct Logging { log: Log }
    /// # impl Factory for Logging {
    /// #     type Protocol = Quiet;
    /// #     fn build_protocol(&mut self, _: &Address) -> Option<Quiet> { Some(Quiet) }
    /// fn start_factory(&mut self) {
    ///     self.log.is_open.set(true);
    /// }
    /// # }
    ///
    /// # let (reactor, log) = (TestReactor::new(), Log::default());
    /// reactor.listen_tcp("127.0.0.1:80", Logging { log: log.clone() })?;
    /// assert!(log.is_open.get());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn start_factory(&mut self) {}

    /// Its port is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use reactor::{Address, Factory, Protocol, Raw, testing::TestReactor};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # use std::{cell::Cell, rc::Rc};
    /// # #[derive(Default, Clone)] struct Log { is_closed: Rc<Cell<bool>> }
    /// # struct Logging { log: Log }
    /// # impl Factory for Logging {
    /// #     type Protocol = Quiet;
    /// #     fn build_protocol(&mut self, _: &Address) -> Option<Quiet> { Some(Quiet) }
    /// fn stop_factory(&mut self) {
    ///     self.log.is_closed.set(true);
    /// }
    /// # }
    ///
    /// # let (reactor, log) = (TestReactor::new(), Log::default());
    /// let port = reactor.listen_tcp("127.0.0.1:80", Logging { log: log.clone() })?;
    /// port.stop_listening().ignore();
    /// assert!(log.is_closed.get());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn stop_factory(&mut self) {}

    /// Nobody can be accepted for a while: mostly because the process has too many
    /// descriptors open. Those who wait are turned away, and the port tries again
    /// after `pause`, or as soon as the reactor closes a descriptor.
    ///
    /// # Examples
    ///
    /// Raises the alarm:
    ///
    /// ```
    /// # use reactor::{Address, Factory, Protocol, Raw};
    /// # use std::{io, time::Duration};
    /// # struct Quiet; impl Protocol for Quiet { type Framing = Raw; }
    /// # struct Server { turned_away: u32 }
    /// # impl Factory for Server {
    /// #     type Protocol = Quiet;
    /// #     fn build_protocol(&mut self, _: &Address) -> Option<Quiet> { Some(Quiet) }
    /// fn accept_failed(&mut self, error: &io::Error, pause: Duration) {
    ///     self.turned_away += 1;
    ///     eprintln!("closed for {pause:?}: {error}");
    /// }
    /// # }
    /// # let mut server = Server { turned_away: 0 };
    /// # server.accept_failed(&io::Error::other("no descriptors"), Duration::from_millis(50));
    /// # assert_eq!(server.turned_away, 1);
    /// ```
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
