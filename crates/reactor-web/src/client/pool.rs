//! `Pool`: connections by destination, each with a limit on the requests under way and a queue of
//! those that wait.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use deferred::{DelayedCall, Result};
use reactor::ReactorHandle;

use super::line::{Grant, Line};
use super::origin::Destination;

/// Bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolLimits {
    /// Most requests under way to one destination.
    pub(super) in_flight: usize,
    /// Most idle connections that are kept for one destination.
    pub(super) idle: usize,
    /// How long an idle connection is kept.
    pub(super) idle_timeout: Duration,
}

/// The connections of a client.
pub(super) struct Pool {
    reactor: ReactorHandle,
    limits: PoolLimits,
    // Not borrowed while a connection is dropped or a request is granted: both may call the pool
    // again.
    lines: RefCell<HashMap<Destination, Rc<Line>>>,
    /// Ends connections that were idle for too long. Set while there are idle ones.
    // `sweep_later` sets it, `sweep` clears and sets it again as long as something is idle, `close`
    // cancels it.
    sweep: RefCell<Option<DelayedCall>>,
    /// Set by `close`, never cleared: from then on, no connection is kept.
    is_closed: Cell<bool>,
}

impl Pool {
    pub(super) fn new(reactor: &ReactorHandle, limits: PoolLimits) -> Rc<Self> {
        Rc::new(Self {
            reactor: reactor.clone(),
            limits,
            lines: RefCell::default(),
            sweep: RefCell::default(),
            is_closed: Cell::new(false),
        })
    }

    pub(super) fn limits(&self) -> &PoolLimits {
        &self.limits
    }

    pub(super) fn reactor(&self) -> &ReactorHandle {
        &self.reactor
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Waits until a request may be sent to `destination`.
    pub(super) async fn acquire(self: &Rc<Self>, destination: &Destination) -> Result<Grant> {
        // The usual case, without a Deferred.
        let line = self.line(destination);
        if let Some(grant) = line.try_acquire() {
            return Ok(grant);
        }
        line.wait().cancel_on_drop().await
    }

    fn line(self: &Rc<Self>, destination: &Destination) -> Rc<Line> {
        let mut lines = self.lines.borrow_mut();
        if let Some(line) = lines.get(destination) {
            return Rc::clone(line);
        }
        let line = Rc::new(Line::new(self, destination));
        lines.insert(destination.clone(), Rc::clone(&line));
        line
    }

    /// Removes a line that is unused. Another line may have its place already.
    pub(super) fn remove(&self, line: &Line) {
        let mut lines = self.lines.borrow_mut();
        // After `line` was removed, a request may have made another one for the same destination. A
        // request that still holds the old line calls this again at its end.
        let is_it = |known: &Rc<Line>| std::ptr::eq(&raw const **known, line);
        let removed = match lines.get(line.destination()) {
            Some(known) if is_it(known) => lines.remove(line.destination()),
            _ => None,
        };
        // After the borrow has ended: the drop of a line drops connections.
        drop(lines);
        drop(removed);
    }

    /// Number of idle connections.
    pub(super) fn idle(&self) -> usize {
        self.lines.borrow().values().map(|line| line.idle()).sum()
    }

    /// Closes the idle connections, and keeps none from now on.
    pub(super) fn close(&self) {
        // Set before the sweep, so that a request that ends during it keeps no connection.
        self.is_closed.set(true);
        if let Some(sweep) = self.sweep.take() {
            sweep.cancel();
        }
        for line in self.all() {
            line.sweep(None);
        }
    }

    // A copy, since a line that is swept empty removes itself from `lines`.
    fn all(&self) -> Vec<Rc<Line>> {
        self.lines.borrow().values().map(Rc::clone).collect()
    }

    /// Sets the timer that ends idle connections, if it is not set.
    pub(super) fn sweep_later(self: &Rc<Self>) {
        if self.sweep.borrow().is_some() {
            return;
        }
        self.sweep_after(self.reactor.now());
    }

    /// Sets the timer for a connection that has been idle since the time `since`.
    fn sweep_after(self: &Rc<Self>, since: Duration) {
        // Saturated, because the timeout may be `Duration::MAX`.
        let at = since.saturating_add(self.limits.idle_timeout);
        // Weak, so that the timer does not keep the connections of a client that was dropped.
        let weak: Weak<Self> = Rc::downgrade(self);
        let left = at.saturating_sub(self.reactor.now());
        let call = self.reactor.call_later(left, move || {
            if let Some(pool) = weak.upgrade() {
                pool.sweep();
            }
        });
        *self.sweep.borrow_mut() = Some(call);
    }

    fn sweep(self: &Rc<Self>) {
        // The timer has fired. Cleared first, so that a connection that becomes idle during the
        // sweep can set the next one.
        drop(self.sweep.take());
        // A line has the time of each of its connections, so one timer is enough for all. It is due
        // for the oldest of them.
        let before = self.reactor.now().saturating_sub(self.limits.idle_timeout);
        let mut oldest: Option<Duration> = None;
        for line in self.all() {
            if let Some(since) = line.sweep(Some(before)) {
                oldest = Some(oldest.map_or(since, |oldest| oldest.min(since)));
            }
        }
        if let Some(oldest) = oldest {
            self.sweep_after(oldest);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(sweep) = self.sweep.take() {
            sweep.cancel();
        }
    }
}
