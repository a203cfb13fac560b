//! `Exchange`: one request and its answer, on a connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

use deferred::driver::BodyWaker;
use deferred::{Deferred, Failure, Trigger, fail, succeed};
use http::{Method, StatusCode};
use reactor::{Address, ReactorHandle};

use super::parking::Parking;
use super::upgrades::Upgrades;
use crate::body::{Body, OpenBodies};
use crate::error::ClientGone;
use crate::io::{Io, Monitor};

/// State that a connection and its handlers share.
pub(crate) type SharedConnection = Rc<ConnectionInfo>;

/// Turns failures into answers.
pub(crate) trait FailurePages {
    /// The answer to a request that has failed; `request` says which one it was.
    fn answer(&self, failure: Failure, request: &dyn Fn() -> String) -> http::Response<Body>;
}

/// State that the requests of one connection share.
///
/// There is one for each connection, not for each request: a request has an [`Exchange`] of a few
/// words, and costs memory here only if a handler asks for
/// [`notify_finish`](Exchange::notify_finish).
pub(crate) struct ConnectionInfo {
    reactor: ReactorHandle,
    peer: Address,
    host: Address,
    is_secure: bool,
    // Set when the preface has come, and not cleared.
    is_http2: Cell<bool>,
    body_limit: u64,
    failure_pages: Rc<dyn FailurePages>,
    /// The number of the next exchange.
    // So it is also the number of exchanges that were begun.
    next: Cell<u64>,
    /// Exchanges that were begun and are not over.
    // More than one in HTTP/2 only.
    in_flight: Cell<usize>,
    /// When the last exchange was over, or the connection was made. Later if input came then that a
    /// handler awaits: see [`note_input_of_body`](Self::note_input_of_body).
    idle_since: Cell<Duration>,
    /// Number of bytes that had been received at `idle_since`, or with a body after it.
    // A pipelined head that had come before counts as read, until `set_early_head`.
    received_by_then: Cell<u64>,
    monitor: Monitor,
    bodies: Rc<OpenBodies>,
    // The waiters of all exchanges, with the numbers of these. Taken out before they fire, as are
    // those of `stop_waiters`.
    finish_waiters: RefCell<Vec<(u64, Trigger<()>)>>,
    /// Set by [`stop`](Self::stop), and not cleared.
    is_stopping: Cell<bool>,
    stop_waiters: RefCell<Vec<(u64, Trigger<()>)>>,
    /// Set by [`end`](Self::end), and not cleared.
    is_ended: Cell<bool>,
    /// Resumes the driver: the async body that polls hyper's connection.
    driver: BodyWaker,
    parking: Parking,
    upgrades: Upgrades,
}

impl ConnectionInfo {
    pub(crate) fn new(
        io: &Io,
        is_secure: bool,
        body_limit: u64,
        failure_pages: Rc<dyn FailurePages>,
    ) -> SharedConnection {
        Rc::new(Self {
            reactor: io.reactor().clone(),
            peer: io.peer().clone(),
            host: io.host().clone(),
            is_secure,
            is_http2: Cell::new(false),
            body_limit,
            failure_pages,
            next: Cell::new(0),
            in_flight: Cell::new(0),
            idle_since: Cell::new(io.reactor().now()),
            received_by_then: Cell::new(0),
            monitor: io.monitor(),
            bodies: Rc::default(),
            finish_waiters: RefCell::default(),
            is_stopping: Cell::new(false),
            stop_waiters: RefCell::default(),
            is_ended: Cell::new(false),
            driver: BodyWaker::new(),
            parking: Parking::default(),
            upgrades: Upgrades::default(),
        })
    }

    pub(crate) fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }

    pub(crate) fn peer(&self) -> &Address {
        &self.peer
    }

    pub(crate) fn host(&self) -> &Address {
        &self.host
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    pub(crate) fn body_limit(&self) -> u64 {
        self.body_limit
    }

    pub(crate) fn failure_pages(&self) -> &Rc<dyn FailurePages> {
        &self.failure_pages
    }

    /// Since when no request is in flight; `None` if one is.
    pub(crate) fn idle_since(&self) -> Option<Duration> {
        (self.in_flight.get() == 0).then(|| self.idle_since.get())
    }

    /// Notes that this is HTTP/2, where input need not be part of a head.
    #[cfg(feature = "http2")]
    pub(crate) fn set_http2(&self) {
        self.is_http2.set(true);
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2.get()
    }

    /// Whether a part of the head of the next request has come, in HTTP/1.
    pub(crate) fn has_partial_head(&self) -> bool {
        !self.is_http2.get() && self.monitor.received() > self.received_by_then.get()
    }

    /// Number of requests that were begun.
    pub(crate) fn requests(&self) -> u64 {
        self.next.get()
    }

    pub(crate) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// The bodies of requests that hyper still receives.
    pub(crate) fn bodies(&self) -> &Rc<OpenBodies> {
        &self.bodies
    }

    /// Counts what has come as read, if it may belong to a body that goes on beyond its answer: else
    /// it would be taken for the head of the next request. Call it before hyper reads the input.
    pub(crate) fn note_input_of_body(&self) {
        if self.in_flight.get() == 0 && self.bodies.any() {
            self.received_by_then.set(self.monitor.received());
            // A handler waits for it, so `body_timeout` limits the time.
            if self.bodies.is_awaited() {
                self.idle_since.set(self.reactor.now());
            }
        }
    }

    /// Notes that the last `count` bytes that have come are the beginning of a head, although they
    /// came with the request before.
    pub(crate) fn set_early_head(&self, count: usize) {
        let before = self.monitor.received().saturating_sub(count as u64);
        self.received_by_then.set(before);
    }

    pub(crate) fn parking(&self) -> &Parking {
        &self.parking
    }

    pub(crate) fn upgrades(&self) -> &Upgrades {
        &self.upgrades
    }

    /// Remembers the driver, which polls with `cx`, for [`wake_driver`](Self::wake_driver).
    pub(crate) fn set_driver(&self, cx: &Context<'_>) {
        // An existing registration is that of the same driver: a connection has one driver for its
        // whole life.
        if !self.driver.is_registered() {
            self.driver.register(cx);
        }
    }

    /// Ends the connection, after what was written is sent: the driver returns.
    pub(crate) fn end(&self) {
        // The flag first: the driver may be polled inside of `wake`, and looks at the flag.
        self.is_ended.set(true);
        self.wake_driver();
    }

    /// Fires what `notify_stop` has returned to the requests that are running: the site finishes.
    pub(crate) fn stop(&self) {
        // Set first, so that a callback that calls `notify_stop` finds it set.
        self.is_stopping.set(true);
        for (_, waiter) in self.stop_waiters.take() {
            // Errs if it was cancelled: then nothing waits.
            let _ = waiter.callback(());
        }
    }

    /// Whether the driver is to return.
    pub(crate) fn is_over(&self) -> bool {
        self.is_ended.get() || self.monitor.is_lost()
    }

    /// Resumes the driver.
    pub(crate) fn wake_driver(&self) {
        self.driver.wake();
    }
}

/// A request and its answer.
// Shared by the `Request` and the `Finish`, of which either may outlive the other.
#[derive(Clone)]
pub(crate) struct Exchange(Rc<Shared>);

struct Shared {
    connection: SharedConnection,
    number: u64,
    state: Cell<State>,
}

/// ```text
///  Running ──▶ Answered
///     └──────▶ Gone
/// ```
#[derive(Clone, Copy)]
enum State {
    /// The answer is not yet written, and the [`Finish`] still exists.
    Running,
    /// The answer was written completely.
    Answered,
    /// The exchange ended before that, because the client has gone.
    Gone,
}

impl Exchange {
    /// Begins an exchange. It is over when the [`Finish`] is dropped.
    pub(crate) fn begin(connection: &SharedConnection) -> (Self, Finish) {
        // `number` does not overflow: a connection has fewer than 2^64 requests.
        let number = connection.next.get();
        connection.next.set(number + 1);
        connection.in_flight.set(connection.in_flight.get() + 1);
        let exchange = Self(Rc::new(Shared {
            connection: Rc::clone(connection),
            number,
            state: Cell::new(State::Running),
        }));
        let finish = Finish {
            exchange: exchange.clone(),
            is_complete: false,
        };
        (exchange, finish)
    }

    pub(crate) fn connection(&self) -> &ConnectionInfo {
        &self.0.connection
    }

    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// Fires when the answer was written completely; at once if it was already.
    pub(crate) fn notify_finish(&self) -> Deferred<()> {
        // Nothing would fire a waiter of an exchange that is over.
        match self.0.state.get() {
            State::Running => self.wait_in(&self.connection().finish_waiters),
            State::Answered => succeed(()),
            State::Gone => fail(ClientGone),
        }
    }

    /// Fires when the site finishes, at once if it does already.
    pub(crate) fn notify_stop(&self) -> Deferred<()> {
        if self.connection().is_stopping.get() {
            return succeed(());
        }
        match self.0.state.get() {
            State::Running => self.wait_in(&self.connection().stop_waiters),
            State::Answered | State::Gone => fail(ClientGone),
        }
    }

    /// Asks for the connection itself, after a 101 (Switching Protocols) or a CONNECT.
    pub(super) fn upgrade(&self) -> Deferred<Io> {
        match self.0.state.get() {
            State::Running => self.connection().upgrades.ask(self.number()),
            // `ask` replaces the asker before it: a call for an exchange that is over would take
            // the connection from a later exchange that has asked for it.
            State::Answered | State::Gone => fail(ClientGone),
        }
    }

    fn wait_in(&self, waiters: &RefCell<Vec<(u64, Trigger<()>)>>) -> Deferred<()> {
        let (trigger, waiting) = Deferred::pair();
        waiters.borrow_mut().push((self.number(), trigger));
        waiting
    }

    fn end(&self, is_complete: bool) {
        let connection = self.connection();
        // Before the callbacks, which may call `notify_finish` again: after this, it fires at once
        // instead of adding a waiter that nothing would fire.
        self.0.state.set(match is_complete {
            true => State::Answered,
            false => State::Gone,
        });
        let in_flight = connection.in_flight.get() - 1;
        connection.in_flight.set(in_flight);
        // Before the callbacks, which may look at the connection.
        if in_flight == 0 {
            connection.idle_since.set(connection.reactor.now());
            connection
                .received_by_then
                .set(connection.monitor.received());
        }
        connection.upgrades.ended(self.number());
        for waiter in self.take(&connection.finish_waiters) {
            // Errs if it was cancelled: then nothing waits.
            if is_complete {
                let _ = waiter.callback(());
            } else {
                let _ = waiter.errback(ClientGone);
            }
        }
        for waiter in self.take(&connection.stop_waiters) {
            // Errs as above. The request is over, so it cannot be stopped.
            let _ = waiter.errback(ClientGone);
        }
    }

    /// Takes the waiters of this exchange out of those of the connection.
    fn take(&self, waiters: &RefCell<Vec<(u64, Trigger<()>)>>) -> Vec<Trigger<()>> {
        let mut waiters = waiters.borrow_mut();
        // The usual case: nothing is allocated.
        if waiters.is_empty() {
            return Vec::new();
        }
        let due = waiters.extract_if(.., |(number, _)| *number == self.number());
        due.map(|(_, waiter)| waiter).collect()
    }
}

/// The end of an exchange: when it is dropped, the answer was written, or never will be.
pub(crate) struct Finish {
    exchange: Exchange,
    is_complete: bool,
}

impl Finish {
    /// Notes the status of the answer.
    pub(crate) fn answered(&self, method: &Method, status: StatusCode) {
        let exchange = &self.exchange;
        let upgrades = exchange.connection().upgrades();
        upgrades.answered(exchange.number(), method, status);
    }

    /// Notes that the answer was written completely.
    pub(crate) fn complete(&mut self) {
        self.is_complete = true;
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        // Runs once for an exchange, since a `Finish` is not `Clone`.
        self.exchange.end(self.is_complete);
    }
}
