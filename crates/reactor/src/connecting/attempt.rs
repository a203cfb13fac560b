//! Attempt to connect to one address, with a timeout.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use deferred::{Deferred, DelayedCall, Result, Trigger, defer_later, fail, succeed};

use crate::address::{Address, UnixAddress};
use crate::connection::{Connection, ConnectionSource, Keys, NewConnection, OnClose, Protocol};
use crate::core::Core;
use crate::error::{ReactorGone, ReactorStopped};
use crate::filter::Filter;
use crate::handle::ReactorHandle;
use crate::io::RawStream;
use crate::poll::{Interest, Key, Ready};
use crate::registry::EventSource;
use crate::sys::socket;

/// Pause before another try, if the backlog of a UNIX listener is full.
const CROWDED: Duration = Duration::from_millis(10);

/// Destination of an attempt.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The destination, and the local address to bind to.
    Inet(SocketAddr, Option<SocketAddr>),
    Unix(UnixAddress),
}

impl Target {
    fn address(&self) -> Address {
        match self {
            Self::Inet(address, _) => Address::Inet(*address),
            Self::Unix(address) => Address::Unix(address.clone()),
        }
    }

    /// Begins to connect. The socket is registered under the key that the next inserted source will
    /// get, which the caller has to insert.
    fn begin(&self, core: &Core) -> io::Result<(RawStream, Key)> {
        if core.is_gone() {
            return Err(io::Error::other(ReactorGone));
        }
        if let Some(network) = core.network() {
            if let Self::Unix(address) = self {
                address.to_system()?;
            }
            let key = core.next_key();
            let socket = network.connect(&self.address(), key);
            socket.set_interest(Interest::WRITABLE);
            return Ok((RawStream::Memory(socket), key));
        }
        Ok(match self {
            Self::Inet(address, host) => {
                let socket = socket::connecting(*address, *host)?;
                let registration = core.register(socket.into(), Interest::WRITABLE)?;
                let key = registration.key();
                (RawStream::Socket(registration), key)
            }
            Self::Unix(address) => {
                let socket = socket::connecting_unix(address)?;
                let registration = core.register(socket.into(), Interest::WRITABLE)?;
                let key = registration.key();
                (RawStream::Unix(registration), key)
            }
        })
    }
}

/// Connects to `target`, within `timeout`. The Deferred itself fails only if it is cancelled; an
/// error of the attempt is in its value.
pub(crate) fn attempt(
    core: &Rc<Core>,
    target: &Target,
    timeout: Duration,
) -> Deferred<io::Result<Connected>> {
    let (stream, key) = match target.begin(core) {
        Ok(begun) => begun,
        // The backlog of a UNIX listener is full, and the system reports no event when it has room.
        // So the attempt is repeated, until the timeout.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && timeout > CROWDED => {
            let (target, weak) = (target.clone(), Rc::downgrade(core));
            return defer_later(&ReactorHandle::new(core), CROWDED, || ()).add_callback(
                move |()| match weak.upgrade() {
                    Some(core) => attempt(&core, &target, timeout - CROWDED),
                    None => succeed(Err(io::Error::other(ReactorGone))),
                },
            );
        }
        // The backlog of a UNIX listener was full all the time.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return succeed(Err(io::ErrorKind::TimedOut.into()));
        }
        Err(error) => return succeed(Err(error)),
    };
    let attempt = Rc::new(Attempt {
        core: Rc::clone(core),
        key,
        address: target.address(),
        stream: RefCell::new(Some(stream)),
        outcome: RefCell::new(None),
    });
    // Weak in both closures: the registry owns the attempt, so that removal from the registry drops
    // it.
    let to_cancel = Rc::downgrade(&attempt);
    let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
        if let Some(attempt) = to_cancel.upgrade() {
            drop(attempt.give_up());
        }
    });
    let late = Rc::downgrade(&attempt);
    let timeout = core.timers.call_later(timeout, move || {
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
    address: Address,
    /// `None` once the attempt was given up, or the connection has its protocol.
    stream: RefCell<Option<RawStream>>,
    /// `None` once the trigger was fired, or taken by a cancel.
    outcome: RefCell<Option<Outcome>>,
}

struct Outcome {
    trigger: Trigger<io::Result<Connected>>,
    timeout: DelayedCall,
}

impl Attempt {
    /// The trigger for the outcome, once.
    fn take_trigger(&self) -> Option<Trigger<io::Result<Connected>>> {
        let Outcome { trigger, timeout } = self.outcome.take()?;
        timeout.cancel();
        Some(trigger)
    }

    fn give_up(&self) -> Option<Trigger<io::Result<Connected>>> {
        drop(self.core.registry.remove(self.key));
        // Closed before the trigger fires: a callback may bind the same address.
        drop(self.stream.take());
        self.take_trigger()
    }

    fn fail(&self, error: io::Error) {
        if let Some(trigger) = self.give_up() {
            // Errs only if the attempt was cancelled; then there is nothing to fire.
            let _ = trigger.callback(Err(error));
        }
    }

    /// Whether the socket is connected to itself (TCP simultaneous open).
    fn leads_back(&self, stream: &RawStream) -> io::Result<bool> {
        match &self.address {
            Address::Inet(target) => stream.is_connected_to_itself(target.port()),
            _ => Ok(false),
        }
    }

    /// Whether the socket is connected, now that the system says it is ready.
    fn check(&self) -> io::Result<()> {
        match &*self.stream.borrow() {
            Some(stream) => match stream.take_error()? {
                Some(error) => Err(error),
                None if self.leads_back(stream)? => {
                    // Reset, so that the port is free at once for a program that wants to listen on
                    // it.
                    stream.reset();
                    Err(io::ErrorKind::ConnectionRefused.into())
                }
                None => Ok(()),
            },
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl EventSource for Attempt {
    fn ready(self: Rc<Self>, _ready: Ready) {
        if self.outcome.borrow().is_none() {
            // The socket is connected, but the callback chain that makes its protocol is paused, so
            // its events are masked until then.
            if let Some(stream) = &*self.stream.borrow() {
                // Errs only if the poller no longer has the descriptor; then it reports no events,
                // either.
                let _ = stream.mask();
            }
            return;
        }
        match self.check() {
            Err(error) => self.fail(error),
            Ok(()) => {
                if let Some(trigger) = self.take_trigger() {
                    // Errs only if the attempt was cancelled; then the drop of `Connected` closes
                    // the socket.
                    let _ = trigger.callback(Ok(Connected(self)));
                }
            }
        }
    }

    fn shut_down(self: Rc<Self>) {
        self.fail(io::Error::other(ReactorStopped));
    }
}

/// A connected socket. If it is dropped without a protocol, it is closed.
pub(crate) struct Connected(Rc<Attempt>);

impl Drop for Connected {
    fn drop(&mut self) {
        if self.0.stream.borrow().is_some() {
            drop(self.0.give_up());
        }
    }
}

impl Connected {
    pub(crate) fn peer(&self) -> &Address {
        &self.0.address
    }

    /// Makes the connection for `protocol`; it takes the attempt's place in the registry. Errs also
    /// if `connection_made` fails, which ends the connection.
    pub(crate) fn into_connection<P: Protocol>(self, protocol: P) -> Result<Connection<P>> {
        let (connection, begun) = self.begin(protocol, None)?;
        begun?;
        Ok(connection)
    }

    /// As [`into_connection`](Self::into_connection), with the result of `connection_made` beside the
    /// connection. `on_close` is called for each connection that this returns.
    pub(crate) fn begin<P: Protocol>(
        self,
        protocol: P,
        on_close: Option<OnClose>,
    ) -> Result<(Connection<P>, Result<()>)> {
        let connection = self.take_connection(on_close, None)?;
        let attempt = &self.0;
        let (source, begun) = ConnectionSource::start(&attempt.core, connection, protocol);
        Ok((Connection::new(Rc::downgrade(&source)), begun))
    }

    /// As [`into_connection`](Self::into_connection), behind `filter`; the Deferred fires when the
    /// connection is made.
    pub(crate) fn open<P: Protocol>(
        self,
        protocol: P,
        on_close: Option<OnClose>,
        filter: Option<Box<dyn Filter>>,
    ) -> Deferred<Connection<P>> {
        let connection = match self.take_connection(on_close, filter) {
            Ok(connection) => connection,
            Err(gone) => return fail(gone),
        };
        let attempt = &self.0;
        ConnectionSource::open(&attempt.core, connection, protocol)
    }

    /// The parts of the connection. Errs if the reactor is gone, which has closed the stream.
    fn take_connection(
        &self,
        on_close: Option<OnClose>,
        filter: Option<Box<dyn Filter>>,
    ) -> Result<NewConnection, ReactorGone> {
        let attempt = &self.0;
        let stream = attempt.stream.take().ok_or(ReactorGone)?;
        let keys = Keys::from_slice(&[attempt.key]);
        Ok(NewConnection {
            on_close,
            filter,
            ..NewConnection::reserved(stream, keys, attempt.address.clone())
        })
    }
}

/// Calls `connect`. If its Deferred has failed already, the failure is delayed until the next turn
/// of the loop, so that its callbacks run inside the loop, and can stop it.
pub(crate) fn from_the_loop<T: 'static>(
    reactor: &ReactorHandle,
    connect: impl FnOnce() -> Deferred<T>,
) -> Deferred<T> {
    if reactor.core().is_err() {
        return connect();
    }
    // True while `connect` runs: a failure in that time is to be delayed.
    let is_returning = Rc::new(Cell::new(true));
    let (at_once, reactor) = (Rc::clone(&is_returning), reactor.clone());
    let connecting = connect().add_errback(move |failure| {
        if at_once.get() {
            defer_later(&reactor, Duration::ZERO, || Err(failure))
        } else {
            fail(failure)
        }
    });
    is_returning.set(false);
    connecting
}
