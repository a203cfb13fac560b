//! `connect_tcp`: from a host and a port to a connection.

use std::net::SocketAddr;

use deferred::{Cancelled, Deferred, fail, succeed};

use super::host_port::{HostPort, Parsed};
use super::options::TcpConnectOptions;
use crate::connecting::{ClientFactory, Connected, Connector, from_the_loop};
use crate::connection::{Connection, Protocol};
use crate::error::{ConnectError, ConnectErrorKind, ReactorGone};
use crate::handle::ReactorHandle;
use crate::happy_eyeballs::race;

impl ReactorHandle {
    /// Connects to `target` and gives the connection to `protocol`.
    ///
    /// A name is looked up without blocking the loop. Its addresses are tried according to RFC 8305
    /// ("happy eyeballs"): IPv6 and IPv4 in turn, the next one after 250 ms without an answer, or
    /// at once after a refusal. The first success ends the other attempts. Each attempt takes at
    /// most 30 seconds (see [`TcpConnectOptions`]). The Deferred fires after `connection_made`. If
    /// it is cancelled, the attempt is stopped. A connection has `TCP_NODELAY` set: see
    /// [`Connection::nodelay`]. If the socket is connected to itself, the attempt counts as
    /// refused; that can happen if a program connects again and again to a local port on which
    /// nothing listens.
    ///
    /// # Errors
    ///
    /// The Deferred fails with a [`ConnectError`], or with the failure of `connection_made`. It
    /// fails from the loop, never before this method returns (unless the reactor is gone), so that
    /// an errback can stop the loop.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::{ConnectError, ConnectErrorKind, Context, Protocol, Raw, Reactor};
    ///
    /// struct Hello;
    ///
    /// impl Protocol for Hello {
    ///     type Framing = Raw;
    ///
    ///     fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
    ///         cx.write("hello\n");
    ///         cx.lose_connection();
    ///         Ok(())
    ///     }
    ///     fn received(&mut self, _: &mut Context<'_, Self>, _: &[u8]) -> deferred::Result<()> {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let reactor = Reactor::new()?;
    /// // A port on which nothing listens:
    /// let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    /// let handle = reactor.handle();
    /// reactor
    ///     .connect_tcp(free, Hello)
    ///     .add_callback(|_connection| println!("connected"))
    ///     .add_errback(|failure| {
    ///         let error = failure.trap::<ConnectError>()?;
    ///         assert_eq!(error.kind(), ConnectErrorKind::Refused);
    ///         Ok(())
    ///     })
    ///     .add_callback(move |()| handle.stop());
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    #[doc(alias = "connectTCP")]
    #[doc(alias = "TcpStream")]
    pub fn connect_tcp<P: Protocol>(
        &self,
        target: impl Into<TcpConnectOptions>,
        protocol: P,
    ) -> Deferred<Connection<P>> {
        let options = target.into();
        from_the_loop(self, || {
            dial(self, options).add_callback(move |connected| connected.into_connection(protocol))
        })
    }

    /// A client that can connect to `target` again and again: see [`Connector`]. It connects when
    /// [`connect`](Connector::connect) is called.
    #[doc(alias = "ReconnectingClientFactory")]
    pub fn connector_tcp<F: ClientFactory>(
        &self,
        target: impl Into<TcpConnectOptions>,
        factory: F,
    ) -> Connector<F::Protocol> {
        let options = target.into();
        let destination = options.target.given().into_owned();
        let reactor = self.clone();
        let dial_again =
            Box::new(move || from_the_loop(&reactor, || dial(&reactor, options.clone())));
        Connector::new(self, destination, dial_again, factory)
    }
}

/// Connects to the first address of the target that answers.
pub(crate) fn dial(reactor: &ReactorHandle, options: TcpConnectOptions) -> Deferred<Connected> {
    let TcpConnectOptions {
        target,
        timeout,
        bind_address,
        family,
    } = options;
    let error = |kind| ConnectError::new(&target.given(), kind);
    if reactor.core().is_err() {
        return fail(error(ConnectErrorKind::ReactorGone));
    }
    let addresses = match target.parsed() {
        Parsed::Address(address) => succeed(vec![*address]),
        Parsed::Name(host, port) => look_up(reactor, &target, host, *port),
        Parsed::Invalid => return fail(error(ConnectErrorKind::BadAddress)),
    };
    let reactor = reactor.clone();
    addresses.add_callback(move |mut addresses| {
        // If no address is left, `race` fails without attempts, and `after` makes the error that
        // the name has no address.
        addresses.retain(|address| family.has(address));
        let Ok(core) = reactor.core() else {
            return fail(ConnectError::new(
                &target.given(),
                ConnectErrorKind::ReactorGone,
            ));
        };
        race(&core, &addresses, bind_address, timeout).add_callback(move |outcome| {
            outcome.map_err(|lost| ConnectError::after(&target.given(), lost).into())
        })
    })
}

fn look_up(
    reactor: &ReactorHandle,
    target: &HostPort,
    host: &str,
    port: u16,
) -> Deferred<Vec<SocketAddr>> {
    let given = target.given().into_owned();
    reactor.resolve(host, port).add_errback(move |failure| {
        // A cancel by the caller is passed on; it is not an error of the name.
        if failure.is::<Cancelled>() {
            Err(failure)
        } else if failure.is::<ReactorGone>() {
            Err(ConnectError::new(&given, ConnectErrorKind::ReactorGone).into())
        } else {
            Err(ConnectError::unknown_host(&given, failure).into())
        }
    })
}
