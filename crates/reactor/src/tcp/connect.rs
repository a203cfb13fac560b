//! `connect_tcp`: from an address to a connection.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::{
    Cancelled, Deferred, DelayedCall, Failure, Result, Trigger, defer_later, fail, succeed,
};
use socket2::SockRef;

use super::host_port::{HostPort, Parsed};
use super::socket;
use crate::address::Address;
use crate::connection::{Connection, Protocol, Stream};
use crate::core::Core;
use crate::error::{ConnectError, ConnectErrorKind, ReactorGone};
use crate::handle::ReactorHandle;
use crate::poll::{Interest, Key, Ready, Registration};
use crate::registry::Source;

/// How long one address is tried.
const TIMEOUT: Duration = Duration::from_secs(30);

impl ReactorHandle {
    /// Connects to `target` and gives the connection to `protocol`.
    ///
    /// A name is looked up without holding up the loop; its addresses are tried
    /// in order, each for 30 seconds at the most. The Deferred fires after
    /// `connection_made`. Cancelling it stops the attempt.
    ///
    /// # Errors
    ///
    /// Everything that goes wrong comes through the Deferred: a [`ConnectError`],
    /// or what `connection_made` failed with. It comes from the loop, never before
    /// this returns (unless the reactor is gone), so that whoever hears of it can
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
    /// // A port that nobody listens on:
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
    pub fn connect_tcp<P: Protocol>(
        &self,
        target: impl Into<HostPort>,
        protocol: P,
    ) -> Deferred<Connection<P>> {
        let target = target.into();
        let core = match self.core() {
            Ok(core) => core,
            Err(ReactorGone) => return fail(error(&target, ConnectErrorKind::ReactorGone)),
        };
        let is_returning = Rc::new(Cell::new(true));
        let (at_once, reactor) = (Rc::clone(&is_returning), self.clone());
        let connecting = addresses(&core, &target)
            .add_callback(move |addresses| try_each(core, target, addresses, Vec::new()))
            .add_callback(move |connected| connected.into_connection(protocol))
            .add_errback(move |failure| {
                if at_once.get() {
                    defer_later(&reactor, Duration::ZERO, || Err(failure))
                } else {
                    fail(failure)
                }
            });
        is_returning.set(false);
        connecting
    }
}

fn addresses(core: &Rc<Core>, target: &HostPort) -> Deferred<VecDeque<SocketAddr>> {
    match &target.parsed {
        Parsed::Address(address) => succeed(VecDeque::from([*address])),
        Parsed::Name(host, port) => look_up(core, target, host, *port),
        Parsed::Nonsense => fail(error(target, ConnectErrorKind::BadAddress)),
    }
}

fn error(target: &HostPort, kind: ConnectErrorKind) -> ConnectError {
    ConnectError::new(target.given(), kind)
}

fn look_up(
    core: &Rc<Core>,
    target: &HostPort,
    host: &str,
    port: u16,
) -> Deferred<VecDeque<SocketAddr>> {
    let target = target.clone();
    ReactorHandle::new(core).resolve(host, port).add_callbacks(
        |addresses| Ok(addresses.into()),
        move |failure| {
            if failure.is::<Cancelled>() {
                Err(failure)
            } else if failure.is::<ReactorGone>() {
                Err(error(&target, ConnectErrorKind::ReactorGone).into())
            } else {
                Err(ConnectError::unknown_host(target.given(), failure).into())
            }
        },
    )
}

/// Tries one address after the other; `failed` were tried before.
fn try_each(
    core: Rc<Core>,
    target: HostPort,
    mut addresses: VecDeque<SocketAddr>,
    mut failed: Vec<(SocketAddr, io::Error)>,
) -> Deferred<Connected> {
    let Some(address) = addresses.pop_front() else {
        return fail(ConnectError::after(target.given(), failed));
    };
    try_one(&core, address).add_callback(move |outcome| match outcome {
        Ok(connected) => succeed(connected),
        Err(error) => {
            failed.push((address, error));
            try_each(core, target, addresses, failed)
        }
    })
}

/// Tries one address. Only cancelling makes the Deferred itself fail.
fn try_one(core: &Rc<Core>, address: SocketAddr) -> Deferred<io::Result<Connected>> {
    let registered = socket::connecting(address)
        .and_then(|socket| core.register(socket.into(), Interest::WRITABLE));
    let registration = match registered {
        Ok(registration) => registration,
        Err(error) => return succeed(Err(error)),
    };
    let attempt = Rc::new(Attempt {
        core: Rc::clone(core),
        key: registration.key(),
        address,
        registration: RefCell::new(Some(registration)),
        outcome: RefCell::new(None),
    });
    let to_cancel = Rc::downgrade(&attempt);
    let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
        if let Some(attempt) = to_cancel.upgrade() {
            drop(attempt.give_up());
        }
    });
    let late = Rc::downgrade(&attempt);
    let timeout = core.timers.call_later(TIMEOUT, move || {
        if let Some(attempt) = late.upgrade() {
            attempt.fail(io::ErrorKind::TimedOut.into());
        }
    });
    attempt.outcome.replace(Some(Outcome { trigger, timeout }));
    core.insert(attempt);
    deferred
}

/// A socket that is connecting, or connected and has no protocol yet.
struct Attempt {
    core: Rc<Core>,
    key: Key,
    address: SocketAddr,
    /// `None` once it was given up or has a protocol.
    registration: RefCell<Option<Registration>>,
    /// `None` once it was told.
    outcome: RefCell<Option<Outcome>>,
}

struct Outcome {
    trigger: Trigger<io::Result<Connected>>,
    timeout: DelayedCall,
}

impl Attempt {
    /// Gives the one who is to be told how it came out.
    fn take_trigger(&self) -> Option<Trigger<io::Result<Connected>>> {
        let Outcome { trigger, timeout } = self.outcome.take()?;
        // It may be what called this.
        let _ = timeout.cancel();
        Some(trigger)
    }

    fn give_up(&self) -> Option<Trigger<io::Result<Connected>>> {
        drop(self.core.registry.remove(self.key));
        drop(self.registration.take());
        self.take_trigger()
    }

    fn fail(&self, error: io::Error) {
        if let Some(trigger) = self.give_up() {
            // It was not cancelled, or nobody would be waiting.
            let _ = trigger.callback(Err(error));
        }
    }

    /// Whether the socket is connected, now that the system says it is ready.
    fn check(&self) -> io::Result<()> {
        match &*self.registration.borrow() {
            Some(registration) => match SockRef::from(registration).take_error()? {
                Some(error) => Err(error),
                None => Ok(()),
            },
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Source for Attempt {
    fn ready(self: Rc<Self>, _ready: Ready) {
        if self.outcome.borrow().is_none() {
            // Connected, and whoever is to make the protocol is paused.
            if let Some(registration) = &*self.registration.borrow() {
                let _ = registration.mask();
            }
            return;
        }
        match self.check() {
            Err(error) => self.fail(error),
            Ok(()) => {
                if let Some(trigger) = self.take_trigger() {
                    let _ = trigger.callback(Ok(Connected(self)));
                }
            }
        }
    }

    fn shut_down(self: Rc<Self>) {
        self.fail(io::Error::other(ReactorGone));
    }
}

/// A connected socket. Dropped without having got a protocol, it is closed.
struct Connected(Rc<Attempt>);

impl Drop for Connected {
    fn drop(&mut self) {
        if self.0.registration.borrow().is_some() {
            drop(self.0.give_up());
        }
    }
}

impl Connected {
    /// The protocol takes the attempt's place in the registry.
    fn into_connection<P: Protocol>(self, protocol: P) -> Result<Connection<P>> {
        let attempt = &self.0;
        let Some(registration) = attempt.registration.take() else {
            return Err(Failure::new(ReactorGone));
        };
        let peer = Address::Inet(attempt.address);
        let add = |source| attempt.core.registry.replace(attempt.key, source);
        let (stream, begun) = Stream::start(&attempt.core, registration, peer, protocol, add);
        begun?;
        Ok(Connection::new(Rc::downgrade(&stream)))
    }
}
