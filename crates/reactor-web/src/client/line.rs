//! `Line`: the connections to one destination, and the requests that wait for one.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{Deferred, Trigger};

use super::connection::Conn;
use super::origin::Destination;
use super::pool::Pool;

/// The connections to one destination.
///
/// A request takes a kept connection if there is one. Else it waits if a connection is about to
/// become free, and else makes a new one. While `in_flight` requests are under way, further ones
/// wait, first come, first served.
pub(super) struct Line {
    // Weak, since the pool owns its lines. A request that waits holds the client, and so the pool.
    pool: Weak<Pool>,
    destination: Destination,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// Connections without a request, the newest last.
    // `keep` appends with the current time, so the first is the one that has been idle the longest.
    idle: Vec<Conn>,
    /// The connection of HTTP/2, for all requests at once.
    #[cfg(feature = "http2")]
    shared: Option<Conn>,
    /// Number of requests under way, from their grant on.
    active: usize,
    /// Number of them whose connection is being made.
    dialing: usize,
    /// Number of connections whose answer has ended, but which hyper has not made ready for the
    /// next request yet.
    returning: usize,
    // A cancelled request leaves its fired trigger here, which `pump` drops.
    waiting: VecDeque<Trigger<Grant>>,
    /// Whether the server is known to speak HTTP/1.1. Until then, one connection at most is
    /// made at a time to a server that may take all requests over it.
    // Set by the first connection that speaks HTTP/1.1, and not cleared. A later connection that
    // speaks HTTP/2 is shared nevertheless.
    #[cfg(feature = "http2")]
    is_http1: bool,
}

/// The right of a request to proceed: with a connection, or to make one.
pub(super) enum Grant {
    Kept(Slot, Conn),
    New(Slot),
}

/// A place among the requests under way to a destination. Its drop frees the place.
pub(super) struct Slot {
    line: Rc<Line>,
    /// Set until the connection is made.
    // Cleared by `dialed`. A slot that is dropped with it set is an attempt that failed or was
    // cancelled.
    is_dialing: Cell<bool>,
}

/// Result of [`State::decide`], which has counted the request as active already, unless it waits.
enum Decision {
    Take(Conn),
    Dial,
    Wait,
}

impl State {
    // The caller drops the connections in `closed` after its borrow of the state: such a drop wakes
    // the driver of the connection.
    fn decide(&mut self, limit: usize, closed: &mut Vec<Conn>, may_share: bool) -> Decision {
        if self.active >= limit {
            return Decision::Wait;
        }
        #[cfg(feature = "http2")]
        if let Some(shared) = self.shared.take() {
            if shared.is_closed() {
                closed.push(shared);
            } else {
                let conn = shared.share();
                self.shared = Some(shared);
                if let Some(conn) = conn {
                    self.active += 1;
                    return Decision::Take(conn);
                }
            }
        }
        // The newest first: the server is the least likely to have closed it, and the older ones
        // reach their idle timeout.
        while let Some(conn) = self.idle.pop() {
            if conn.is_closed() || !conn.is_ready() {
                closed.push(conn);
            } else {
                self.active += 1;
                return Decision::Take(conn);
            }
        }
        // No wait is lost: `give_back` and `dialed` call `pump` at their end, and so does a slot
        // that is dropped.
        if self.returning > 0 || (may_share && self.dialing > 0) {
            return Decision::Wait;
        }
        self.active += 1;
        self.dialing += 1;
        Decision::Dial
    }

    fn is_unused(&self) -> bool {
        #[cfg(feature = "http2")]
        if self.shared.is_some() {
            return false;
        }
        self.idle.is_empty() && self.active == 0 && self.returning == 0 && self.waiting.is_empty()
    }
}

impl Line {
    pub(super) fn new(pool: &Rc<Pool>, destination: &Destination) -> Self {
        Self {
            pool: Rc::downgrade(pool),
            destination: destination.clone(),
            state: RefCell::default(),
        }
    }

    pub(super) fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Grants a request that need not wait.
    pub(super) fn try_acquire(self: &Rc<Self>) -> Option<Grant> {
        let is_first = self.state.borrow().waiting.is_empty();
        is_first.then(|| self.grant()).flatten()
    }

    /// Waits until a request may be sent.
    pub(super) fn wait(self: &Rc<Self>) -> Deferred<Grant> {
        let (trigger, granted) = Deferred::pair();
        self.state.borrow_mut().waiting.push_back(trigger);
        // If all requests before it were cancelled, this one need not wait.
        self.pump();
        granted
    }

    fn grant(self: &Rc<Self>) -> Option<Grant> {
        let limit = self.pool.upgrade()?.limits().in_flight;
        let mut closed = Vec::new();
        let mut state = self.state.borrow_mut();
        let may_share = self.may_share(&state);
        let decision = state.decide(limit, &mut closed, may_share);
        // The borrow ends before connections are dropped, which may run other code.
        drop(state);
        drop(closed);
        match decision {
            Decision::Take(conn) => Some(Grant::Kept(Slot::new(self, false), conn)),
            Decision::Dial => Some(Grant::New(Slot::new(self, true))),
            Decision::Wait => None,
        }
    }

    /// Whether the next connection may turn out to be HTTP/2, which all requests can share. Then
    /// one connection is made at a time.
    #[cfg(feature = "http2")]
    fn may_share(&self, state: &State) -> bool {
        self.destination.may_be_http2 && !state.is_http1
    }

    #[cfg(not(feature = "http2"))]
    fn may_share(&self, _: &State) -> bool {
        false
    }

    /// Grants connections to the waiting requests, in order, until one has to go on waiting.
    fn pump(self: &Rc<Self>) {
        loop {
            let mut state = self.state.borrow_mut();
            while state.waiting.front().is_some_and(Trigger::is_fired) {
                // The request was cancelled.
                state.waiting.pop_front();
            }
            if state.waiting.is_empty() {
                return;
            }
            drop(state);
            // Decided before the trigger is taken out: a request that gets nothing keeps its place.
            let Some(grant) = self.grant() else {
                return;
            };
            let Some(trigger) = self.state.borrow_mut().waiting.pop_front() else {
                return;
            };
            // Nothing is borrowed: the callback resumes the async body that makes the request. It
            // sends at once, and may come back to this line.
            if let Err(refused) = trigger.callback(grant)
                && let Grant::Kept(slot, conn) = refused.into_inner()
            {
                // The request was cancelled since `is_fired` was checked.
                self.keep(conn);
                drop(slot);
            }
        }
    }

    /// A request has ended, whether or not it had a connection. Its slot goes to the next one.
    pub(super) fn leave(self: &Rc<Self>, was_dialing: bool) {
        let mut state = self.state.borrow_mut();
        state.active -= 1;
        state.dialing -= usize::from(was_dialing);
        drop(state);
        self.pump();
        #[cfg(feature = "http2")]
        self.note_idle();
        // After `pump`, which may have put this line to use again.
        self.tidy();
    }

    /// If no request is under way, notes that the shared connection (HTTP/2) is idle from now on.
    #[cfg(feature = "http2")]
    fn note_idle(&self) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        let mut state = self.state.borrow_mut();
        let is_idle = state.active == 0;
        if let Some(shared) = state.shared.as_mut().filter(|_| is_idle) {
            // The shares in leases have an `idle_since` of their own, which nothing reads: only
            // that of the pool's counts.
            shared.idle_since = pool.reactor().now();
            drop(state);
            pool.sweep_later();
        }
    }

    /// A connection was made. If it is HTTP/2, all requests share it; else `is_http1` is set, so that
    /// further connections are made without waiting for one another.
    pub(super) fn dialed(self: &Rc<Self>, conn: &Conn) {
        let mut state = self.state.borrow_mut();
        state.dialing -= 1;
        #[cfg(feature = "http2")]
        let replaced = match conn.share() {
            // There may be an earlier one, if several connections were dialed before this server
            // was found to speak HTTP/2. Its requests go on.
            Some(shared) => state.shared.replace(shared),
            None => {
                state.is_http1 = true;
                None
            }
        };
        drop(state);
        #[cfg(feature = "http2")]
        drop(replaced);
        // Only a connection of HTTP/2 can be shared.
        #[cfg(not(feature = "http2"))]
        let _: &Conn = conn;
        self.pump();
    }

    /// Takes back a connection whose answer has ended.
    pub(super) fn give_back(self: &Rc<Self>, mut conn: Conn) {
        // The line has a sender for a shared connection already, so dropping this one does not end
        // the connection.
        if conn.is_shared() || conn.is_closed() {
            return;
        }
        // If hyper is not ready for the next request yet, `returning` below waits until it is.
        if conn.is_ready() {
            return self.keep(conn);
        }
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        // hyper takes the next request only after its driver has run once more. Until then, a
        // request that comes waits for this connection instead of making another one.
        self.state.borrow_mut().returning += 1;
        let line = Rc::clone(self);
        let returning = async move {
            let ready = poll_fn(|cx| conn.poll_ready(cx)).await;
            line.state.borrow_mut().returning -= 1;
            if ready.is_ok() {
                line.keep(conn);
            }
            line.pump();
            line.tidy();
            Ok(())
        };
        // `returning` always returns `Ok`, so no failure is lost.
        pool.reactor().spawn(returning).ignore();
    }

    /// Keeps a connection for the next request.
    fn keep(self: &Rc<Self>, mut conn: Conn) {
        let Some(pool) = self.pool.upgrade() else {
            return;
        };
        // `close` has swept once, and would not find what is kept after that.
        if pool.is_closed() || conn.is_shared() {
            return;
        }
        // From here on, the server may close it while a request is on its way: see
        // `exchange::send`.
        conn.is_used = true;
        conn.idle_since = pool.reactor().now();
        let mut state = self.state.borrow_mut();
        state.idle.push(conn);
        // The oldest is closed, since the server would close that one first. While requests wait,
        // none is closed: they take connections next.
        let surplus = if state.idle.len() > pool.limits().idle && state.waiting.is_empty() {
            // The list is at most one above the bound, so one is enough.
            Some(state.idle.remove(0))
        } else {
            None
        };
        drop(state);
        drop(surplus);
        pool.sweep_later();
    }

    /// Excludes a shared connection from further requests, because one of its answers did not come
    /// in time. The requests under way on it go on.
    #[cfg(feature = "http2")]
    pub(super) fn retire(&self, conn: &Conn) {
        let mut state = self.state.borrow_mut();
        let is_it = state.shared.as_ref().is_some_and(|it| it.is_same(conn));
        // Another connection may have taken its place since the request began.
        let retired = if is_it { state.shared.take() } else { None };
        drop(state);
        drop(retired);
    }

    /// Number of connections without a request.
    pub(super) fn idle(&self) -> usize {
        let state = self.state.borrow();
        let idle = state.idle.iter().filter(|conn| !conn.is_closed()).count();
        #[cfg(feature = "http2")]
        if state.active == 0 && state.shared.as_ref().is_some_and(|it| !it.is_closed()) {
            return idle + 1;
        }
        idle
    }

    /// Closes the connections that are idle since `before` or earlier; all if it is `None`. Returns
    /// the time since which the oldest of the others is idle.
    pub(super) fn sweep(self: &Rc<Self>, before: Option<Duration>) -> Option<Duration> {
        let is_old = |conn: &Conn| before.is_none_or(|before| conn.idle_since <= before);
        let mut state = self.state.borrow_mut();
        // Also those that the server has closed, which `decide` would find only when a request
        // comes.
        let (closing, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut state.idle)
            .into_iter()
            .partition(|conn| is_old(conn) || conn.is_closed());
        state.idle = kept;
        let oldest = state.idle.first().map(|conn| conn.idle_since);
        drop(state);
        drop(closing);
        #[cfg(feature = "http2")]
        let oldest = [oldest, self.sweep_shared(before)]
            .into_iter()
            .flatten()
            .min();
        self.tidy();
        oldest
    }

    /// As [`sweep`](Self::sweep), for the connection that all requests share.
    #[cfg(feature = "http2")]
    fn sweep_shared(&self, before: Option<Duration>) -> Option<Duration> {
        let mut state = self.state.borrow_mut();
        let shared = state.shared.as_ref()?;
        let is_old = before.is_none_or(|before| shared.idle_since <= before);
        // Requests under way keep it, however long it has been there: `note_idle` dates it anew
        // when the last of them ends.
        if state.active == 0 && (is_old || shared.is_closed()) {
            let closing = state.shared.take();
            drop(state);
            drop(closing);
            return None;
        }
        Some(shared.idle_since)
    }

    /// Removes this line from the pool if it is unused.
    fn tidy(&self) {
        if self.state.borrow().is_unused()
            && let Some(pool) = self.pool.upgrade()
        {
            pool.remove(self);
        }
    }
}

impl Slot {
    pub(super) fn new(line: &Rc<Line>, is_dialing: bool) -> Self {
        Self {
            line: Rc::clone(line),
            is_dialing: Cell::new(is_dialing),
        }
    }

    /// Says that the connection was made. If it is HTTP/2, waiting requests get it, too.
    pub(super) fn dialed(&self, conn: &Conn) {
        self.is_dialing.set(false);
        self.line.dialed(conn);
    }

    pub(super) fn line(&self) -> &Rc<Line> {
        &self.line
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.line.leave(self.is_dialing.get());
    }
}
