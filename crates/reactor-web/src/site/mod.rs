//! `Site`: serves an app on the connections of one or more ports.

mod connection;
mod host;
mod parking;
mod service;
mod watchdog;

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;

use deferred::{Deferred, Result, Trigger, succeed};
use reactor::{Address, Factory, Phase, ReactorHandle, SystemEvent, SystemEventTrigger};
use slab::Slab;

use crate::app::{App, Limits};
use crate::handler::AnyHandler;
use crate::io::IoProtocol;
use crate::request::{FailurePages, SharedConnection};

/// An app that is ready to be served: a [`Factory`] for anything that listens.
///
/// Behind an endpoint of `reactor-tls`, it serves HTTPS. With the feature `http2`, it serves
/// HTTP/1.1 and HTTP/2 on one port: the client's first bytes decide.
///
/// When the reactor is stopped, the requests that run are answered first: see
/// [`finish`](Self::finish), which the site calls by itself.
///
/// An idle connection of HTTP/1.1 is parked: it gives its buffers of 17 KiB back until its next byte
/// comes. That is 5 s after its last request, or later, up to a quarter of
/// [`Limits::write_timeout`] and of [`Limits::body_timeout`]: 15 s by default. `Debug` prints how
/// many are parked.
///
/// # Examples
///
/// ```
/// use reactor::{Listen, testing};
/// use reactor_web::App;
///
/// let reactor = testing::TestReactor::new();
/// let site = App::new().get("/", |_| "hello").into_site()?;
/// let port = "unix:/run/hello.socket".listen(&reactor, site).into_result().unwrap()?;
/// assert_eq!(port.address().to_string(), "/run/hello.socket");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone)]
pub struct Site(Rc<Shared>);

/// The app with its settings, and the open connections of a site: shared by its ports and by the
/// connections.
struct Shared {
    handler: AnyHandler,
    limits: Limits,
    errors: Rc<dyn FailurePages>,
    // A connection is added when it is made, and removed when all of its output is sent. Not
    // borrowed while a connection is stopped or dropped.
    connections: RefCell<Slab<SharedConnection>>,
    /// Set by `finish`, and not cleared: no new connections, and answers close theirs.
    is_finishing: Cell<bool>,
    /// Set by `finish` after `Limits::idle_grace`, and not cleared: idle connections close.
    closes_idle: Cell<bool>,
    /// The Deferreds of `finish`, fired when the last connection is removed.
    finish_waiters: RefCell<Vec<Trigger<()>>>,
    /// Set by the first connection: the trigger by which the shutdown of its reactor waits for this
    /// site. Removed when this is dropped.
    trigger: OnceCell<(ReactorHandle, SystemEventTrigger)>,
}

impl App {
    /// The app, ready to be served: see [`Site`].
    ///
    /// # Errors
    ///
    /// [`RouteError`](crate::RouteError): two routes conflict, or a pattern is invalid; or the
    /// failure of the [`Handler::prepare`](crate::Handler::prepare) of a handler.
    #[track_caller]
    pub fn into_site(self) -> Result<Site> {
        let built = self.build()?;
        Ok(Site(Rc::new(Shared {
            handler: built.handler,
            limits: built.limits,
            errors: Rc::new(built.errors),
            connections: RefCell::default(),
            is_finishing: Cell::new(false),
            closes_idle: Cell::new(false),
            finish_waiters: RefCell::default(),
            trigger: OnceCell::new(),
        })))
    }
}

impl Site {
    /// Graceful shutdown: accepts no more connections, answers the running requests, with
    /// `Connection: close`, and closes idle connections, at once or after [`Limits::idle_grace`]. A
    /// request whose head has begun is one that runs: [`Limits::head_timeout`] limits the rest of it.
    /// The Deferred fires when all connections are over, which is when their output is sent.
    ///
    /// Requests that run for longer than [`Limits::shutdown_timeout`] are cut off.
    ///
    /// # Examples
    ///
    /// ```
    /// use deferred::sleep;
    /// use reactor_web::{App, testing::TestClient};
    /// use std::time::Duration;
    ///
    /// let app = App::new().get("/slow", async |req: reactor_web::Request| {
    ///     sleep(req.reactor(), Duration::from_secs(5)).await?;
    ///     Ok("done")
    /// });
    /// let client = TestClient::new(app)?;
    /// let slow = client.start_get("/slow");
    /// let finished = client.site().finish();
    /// client.advance(Duration::from_secs(5));
    /// assert_eq!(slow.answer().text(), "done");
    /// finished.into_result().unwrap()?;
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[doc(alias = "graceful_shutdown")]
    pub fn finish(&self) -> Deferred<()> {
        let shared = &self.0;
        // Set first, so that no connection comes while the open ones are stopped.
        shared.is_finishing.set(true);
        let Some(reactor) = shared.reactor() else {
            return succeed(());
        };
        // Before the connections are stopped: the last one may end in that call, which fires the
        // waiters.
        let (trigger, finished) = Deferred::pair();
        shared.finish_waiters.borrow_mut().push(trigger);
        let grace = shared.limits.idle_grace;
        if grace.is_zero() {
            shared.close_idle();
        }
        let close_idle = (!grace.is_zero()).then(|| {
            let shared = Rc::clone(shared);
            reactor.call_later(grace, move || shared.close_idle())
        });
        for connection in shared.open() {
            connection.stop();
            connection.upgrades().finish();
        }
        // Both timers hold the site, until they are cancelled below.
        let cut_off = reactor.call_later(shared.limits.shutdown_timeout, {
            let site = self.clone();
            move || site.abort()
        });
        finished.add_both(move |result| {
            for timer in close_idle.into_iter().chain([cut_off]) {
                timer.cancel();
            }
            result
        })
    }

    /// Number of open connections.
    pub fn connections(&self) -> usize {
        self.0.connections.borrow().len()
    }

    /// Ends all connections at once.
    fn abort(&self) {
        for connection in self.0.open() {
            connection.monitor().abort();
        }
    }

    /// Adds a system event trigger, so that the shutdown of `reactor` waits until the site has
    /// finished.
    fn register(&self, reactor: &ReactorHandle) {
        // Called by the first connection and not by the port, since a site does not know its ports.
        self.0.trigger.get_or_init(|| {
            // Weak, since the reactor keeps the trigger until it stops, and would keep the site
            // with it.
            let weak = Rc::downgrade(&self.0);
            let finish = move || match weak.upgrade() {
                Some(shared) => Self(shared).finish(),
                None => succeed(()),
            };
            let (phase, event) = (Phase::Before, SystemEvent::Shutdown);
            let trigger = reactor.add_system_event_trigger(phase, event, finish);
            (reactor.clone(), trigger)
        });
    }
}

impl Shared {
    fn add(&self, connection: SharedConnection) -> usize {
        self.connections.borrow_mut().insert(connection)
    }

    /// A copy of the list of open connections: the caller may end one, which removes it from the
    /// list.
    fn open(&self) -> Vec<SharedConnection> {
        let connections = self.connections.borrow();
        connections.iter().map(|(_, one)| Rc::clone(one)).collect()
    }

    /// Number of open connections that have given the memory of hyper back.
    fn parked(&self) -> usize {
        let connections = self.connections.borrow();
        // Before its first byte, a connection has no such memory.
        let is_parked = |one: &SharedConnection| one.requests() > 0 && one.parking().is_parked();
        connections.iter().filter(|(_, one)| is_parked(one)).count()
    }

    /// The reactor of the open connections, if there are any.
    fn reactor(&self) -> Option<ReactorHandle> {
        let connections = self.connections.borrow();
        let (_, first) = connections.iter().next()?;
        Some(first.reactor().clone())
    }

    /// Closes idle connections, and the others after their current answer: sets `closes_idle`, and
    /// wakes the driver of each connection, which reads it.
    fn close_idle(&self) {
        self.closes_idle.set(true);
        for connection in self.open() {
            connection.wake_driver();
        }
    }

    /// Whether the site has finished. A connection that opens after that is dropped.
    fn is_finished(&self) -> bool {
        self.is_finishing.get() && self.connections.borrow().is_empty()
    }

    fn remove(&self, key: usize) {
        // `try_remove`, since the panic of `remove` would end the callback of a lost connection.
        let removed = self.connections.borrow_mut().try_remove(key);
        // Dropped after the borrow: the drop of the last reference abandons triggers, which runs
        // callbacks.
        drop(removed);
        if self.is_finished() {
            for waiter in self.finish_waiters.take() {
                // Errs if it was cancelled: then nothing waits.
                let _ = waiter.callback(());
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some((reactor, trigger)) = self.trigger.take() {
            // Errs if the reactor has stopped or is gone: then it has no such trigger any more.
            let _ = reactor.remove_system_event_trigger(trigger);
        }
    }
}

impl Factory for Site {
    type Protocol = IoProtocol;

    fn build_protocol(&mut self, _: &Address) -> Option<IoProtocol> {
        if self.0.is_finishing.get() {
            // The connection is closed at once.
            return None;
        }
        let site = self.clone();
        Some(IoProtocol::new(move |io| {
            if site.0.is_finished() {
                // The handshake of this connection has ended after `finish` fired. The drop of `io`
                // closes the connection.
                return;
            }
            site.register(io.reactor());
            connection::serve(&site.0, io);
        }))
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("connections", &self.connections())
            .field("parked", &self.0.parked())
            .field("is_finishing", &self.0.is_finishing.get())
            .finish_non_exhaustive()
    }
}
