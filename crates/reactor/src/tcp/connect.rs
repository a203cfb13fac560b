//! `connect_tcp`: from a host and a port to a connection.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use deferred::{Cancelled, Deferred, fail, succeed};

use super::host_port::{HostPort, Parsed};
use super::options::TcpConnectOptions;
use crate::connecting::{ClientFactory, Connected, Connector, Target, attempt, from_the_loop};
use crate::connection::{Connection, Protocol};
use crate::error::{ConnectError, ConnectErrorKind, ReactorGone};
use crate::handle::ReactorHandle;

impl ReactorHandle {
    /// Connects to `target` and gives the connection to `protocol`.
    ///
    /// A name is looked up without holding up the loop; its addresses are tried
    /// in order, each for 30 seconds at the most (see [`TcpConnectOptions`]). The Deferred fires after
    /// `connection_made`. Cancelling it stops the attempt. A connection has `TCP_NODELAY` set:
    /// see [`Connection::nodelay`]. One that leads back to itself, which happens where a port
    /// of this host is tried again and again on which nothing listens, counts as refused.
    ///
    /// # Errors
    ///
    /// Everything that goes wrong comes through the Deferred: a [`ConnectError`],
    /// or what `connection_made` failed with. It comes from the loop, never before
    /// this returns (unless the reactor is gone), so that an errback can
    /// stop the loop.
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
    ///     .add_callback(move |()| handle.stop().unwrap());
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
        let attempts = Attempts::new(self, target.into());
        from_the_loop(self, || {
            attempts
                .dial()
                .add_callback(move |connected| connected.into_connection(protocol, None))
        })
    }

    /// A client that connects to `target`, and may do so again: see [`Connector`].
    /// It does not begin by itself.
    #[doc(alias = "ReconnectingClientFactory")]
    pub fn connector_tcp<F: ClientFactory>(
        &self,
        target: impl Into<TcpConnectOptions>,
        factory: F,
    ) -> Connector<F::Protocol> {
        let options = target.into();
        let destination = options.target.given().to_owned();
        let reactor = self.clone();
        let dial = Box::new(move || {
            let attempts = Attempts::new(&reactor, options.clone());
            from_the_loop(&reactor, || attempts.dial())
        });
        Connector::new(self, destination, dial, factory)
    }
}

/// One way from a target to a socket.
struct Attempts {
    reactor: ReactorHandle,
    target: HostPort,
    timeout: Duration,
    bind_address: Option<SocketAddr>,
}

impl Attempts {
    fn new(reactor: &ReactorHandle, options: TcpConnectOptions) -> Self {
        Self {
            reactor: reactor.clone(),
            target: options.target,
            timeout: options.timeout,
            bind_address: options.bind_address,
        }
    }

    fn error(&self, kind: ConnectErrorKind) -> ConnectError {
        ConnectError::new(self.target.given(), kind)
    }

    fn dial(self) -> Deferred<Connected> {
        if self.reactor.core().is_err() {
            return fail(self.error(ConnectErrorKind::ReactorGone));
        }
        let addresses = match &self.target.parsed {
            Parsed::Address(address) => succeed(VecDeque::from([*address])),
            Parsed::Name(host, port) => self.look_up(host, *port),
            Parsed::Invalid => return fail(self.error(ConnectErrorKind::BadAddress)),
        };
        addresses.add_callback(move |addresses| self.try_each(addresses, Vec::new()))
    }

    fn look_up(&self, host: &str, port: u16) -> Deferred<VecDeque<SocketAddr>> {
        let given = self.target.given().to_owned();
        self.reactor.resolve(host, port).add_callbacks(
            |addresses| Ok(addresses.into()),
            move |failure| {
                if failure.is::<Cancelled>() {
                    Err(failure)
                } else if failure.is::<ReactorGone>() {
                    Err(ConnectError::new(&given, ConnectErrorKind::ReactorGone).into())
                } else {
                    Err(ConnectError::unknown_host(&given, failure).into())
                }
            },
        )
    }

    /// Tries one address after the other; `failed` were tried before.
    fn try_each(
        self,
        mut addresses: VecDeque<SocketAddr>,
        mut failed: Vec<(SocketAddr, io::Error)>,
    ) -> Deferred<Connected> {
        let Some(address) = addresses.pop_front() else {
            return fail(ConnectError::after(self.target.given(), failed));
        };
        let Ok(core) = self.reactor.core() else {
            return fail(self.error(ConnectErrorKind::ReactorGone));
        };
        let target = Target::Inet(address, self.bind_address);
        attempt(&core, &target, self.timeout).add_callback(move |outcome| match outcome {
            Ok(connected) => succeed(connected),
            Err(error) => {
                failed.push((address, error));
                self.try_each(addresses, failed)
            }
        })
    }
}
