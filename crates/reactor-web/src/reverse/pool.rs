//! `Pool`: the upstreams of a proxy. Chooses the next one, and ejects those that fail.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::target::Base;

/// How a [`ReverseProxy`](super::ReverseProxy) chooses among its upstreams.
///
/// # Examples
///
/// ```
/// use reactor::testing::TestReactor;
/// use reactor_web::reverse::{Balance, ReverseProxy};
///
/// let reactor = TestReactor::new();
/// let proxy = ReverseProxy::builder()
///     .upstream("http://10.0.0.1:8000")
///     .upstream("http://10.0.0.2:8000")
///     .balance(Balance::LeastConnections)
///     .build(&reactor)?;
/// assert_eq!(proxy.upstreams().len(), 2);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The upstream with the fewest requests and upgraded connections under way; if several have as
    /// few, these one after the other.
    LeastConnections,
}

/// When an upstream is ejected, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Ejection {
    pub(super) failures: u32,
    pub(super) time: Duration,
}

/// The upstreams of a proxy.
pub(super) struct Pool {
    pub(super) upstreams: Vec<Upstream>,
    pub(super) balance: Balance,
    pub(super) ejection: Ejection,
    /// Index at which the search for the next upstream begins.
    pub(super) next: Cell<usize>,
}

/// An upstream server and its state.
pub(super) struct Upstream {
    pub(super) base: Base,
    // Number of `Turn`s that exist.
    pub(super) in_flight: Cell<usize>,
    /// Failures since the last success.
    // Not cleared by an ejection: a probe that fails ejects again at once.
    failures: Cell<u32>,
    /// Set while the upstream is ejected: the time on the loop's clock from which on it gets a
    /// probe.
    // Set by the failure that reaches the bound, and by each one after it; cleared by an answer.
    ejected_until: Cell<Option<Duration>>,
    /// Whether the probe is under way.
    // Set by the `Turn` that is the probe, and cleared when that is answered, fails or is dropped.
    // While it is set, the upstream gets no other request.
    is_probed: Cell<bool>,
    /// Whether the last health check has failed.
    // Written by `checks::watch` only. While it is set, the upstream gets no requests, ejected or
    // not.
    pub(super) fails_checks: Cell<bool>,
}

impl Upstream {
    pub(super) fn new(base: Base) -> Self {
        Self {
            base,
            in_flight: Cell::new(0),
            failures: Cell::new(0),
            ejected_until: Cell::new(None),
            is_probed: Cell::new(false),
            fails_checks: Cell::new(false),
        }
    }

    /// Whether a request may be sent to the upstream. If it was ejected and the time is over, this
    /// is true until the probe is sent.
    pub(super) fn is_available(&self, now: Duration) -> bool {
        let is_ejected = self
            .ejected_until
            .get()
            .is_some_and(|until| now < until || self.is_probed.get());
        !self.fails_checks.get() && !is_ejected
    }

    fn succeeded(&self) {
        self.failures.set(0);
        if self.ejected_until.take().is_some() {
            tracing::info!(target: "reactor_web", upstream = self.base.name, "the upstream is back");
        }
    }

    fn failed(&self, now: Duration, ejection: Ejection) {
        let failures = self.failures.get().saturating_add(1);
        self.failures.set(failures);
        if failures >= ejection.failures {
            if self.ejected_until.get().is_none() {
                tracing::warn!(
                    target: "reactor_web", upstream = self.base.name, failures, time = ?ejection.time,
                    "the upstream is ejected"
                );
            }
            // Saturated, because the time may be `Duration::MAX`: then the upstream stays ejected.
            let until = now.saturating_add(ejection.time);
            self.ejected_until.set(Some(until));
        }
    }
}

impl Pool {
    /// Chooses an upstream for a request, except those in `tried`.
    pub(super) fn pick(self: &Rc<Self>, now: Duration, tried: &[usize]) -> Option<Turn> {
        let count = self.upstreams.len();
        let next = self.next.get();
        let mut candidates = (0..count)
            .map(|step| (next + step) % count)
            .filter(|index| !tried.contains(index) && self.upstreams[*index].is_available(now));
        let index = match self.balance {
            Balance::RoundRobin => candidates.next(),
            // The first of several with the same number.
            Balance::LeastConnections => {
                candidates.min_by_key(|index| self.upstreams[*index].in_flight.get())
            }
        }?;
        // Begins after the chosen one, even if others were skipped, so that the neighbour of an
        // ejected upstream does not get two requests in a row.
        self.next.set((index + 1) % count);
        let upstream = &self.upstreams[index];
        upstream.in_flight.set(upstream.in_flight.get() + 1);
        let is_probe = upstream.ejected_until.get().is_some();
        if is_probe {
            upstream.is_probed.set(true);
        }
        Some(Turn {
            pool: Rc::clone(self),
            index,
            is_probe,
        })
    }
}

/// A request or an upgraded connection to an upstream, under way until this is dropped.
pub(super) struct Turn {
    pool: Rc<Pool>,
    pub(super) index: usize,
    is_probe: bool,
}

impl Turn {
    pub(super) fn upstream(&self) -> &Upstream {
        &self.pool.upstreams[self.index]
    }

    /// Notes that the head of an answer has come.
    pub(super) fn succeeded(&mut self) {
        self.upstream().succeeded();
        self.end_probe();
    }

    /// Notes that no answer has come, or only an incomplete one.
    pub(super) fn failed(&mut self, now: Duration) {
        // A single upstream is not ejected, since there would be no answer at all.
        if self.pool.upstreams.len() > 1 {
            self.upstream().failed(now, self.pool.ejection);
        }
        self.end_probe();
    }

    fn end_probe(&mut self) {
        if std::mem::take(&mut self.is_probe) {
            self.upstream().is_probed.set(false);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // If the client of a probe goes, the probe has no result, and the next request is the
        // probe.
        self.end_probe();
        let in_flight = &self.upstream().in_flight;
        in_flight.set(in_flight.get() - 1);
    }
}
