//! `Watch`: the timeouts of one request, with one timer.
//!
//! The timer is set for the earliest time at which a step may expire. Progress only notes the time;
//! when the timer fires, it is set again for the rest. So a piece of content costs no change of a
//! timer.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use deferred::{Deferred, DelayedCall, Result, Trigger};
use reactor::ReactorHandle;

use super::error::{ClientError, Step};

/// The timeouts of the steps of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) head: Duration,
    pub(super) read: Duration,
    pub(super) whole: Option<Duration>,
}

/// The timeouts of one request. A future that waits for a step polls this, too.
pub(super) struct Watch {
    // Shared with the upload, which notes its progress in it, and with the lease.
    clock: Rc<Stopwatch>,
    /// Fails when a step takes too long. Taken by the drop only.
    expired: Option<Deferred<()>>,
}

/// Clock of a request: its steps report here when they begin and end.
pub(super) struct Stopwatch {
    reactor: ReactorHandle,
    timeouts: Timeouts,
    /// Time at which the whole request expires, if it has a timeout.
    whole_end: Option<Duration>,
    /// The step for which the client waits, and since when. `None` while the client does not wait
    /// for the server: in the queue of a destination, while the program's body gives nothing to
    /// send, and while the program does not read the content.
    step: Cell<Option<(Step, Duration)>>,
    /// The timer, and when it is due.
    // At most one. If the step was begun anew after the timer was set, the timer fires before the
    // step expires, and `look` sets it again.
    timer: RefCell<Option<(DelayedCall, Duration)>>,
    /// Set when the head of the answer has come. From then on, the timeout is that of the content,
    /// even if the request is still being sent.
    has_head: Cell<bool>,
    /// Whether all of the request was sent.
    is_sent: Cell<bool>,
    /// Set when the answer has ended: from then on, there are no timeouts.
    is_over: Cell<bool>,
    // Fired with a failure by `look`, and at the end of the watch.
    trigger: Trigger<()>,
    // Set when `trigger` is fired, and not cleared. The lease reads it: the connection may be dead.
    is_expired: Cell<bool>,
}

impl Watch {
    pub(super) fn new(reactor: &ReactorHandle, timeouts: Timeouts) -> Self {
        let (trigger, expired) = Deferred::pair();
        // The clock is read only where it is needed, since a read takes as long as dozens of
        // instructions. A timeout of `Duration::MAX` stands for no timeout.
        let started = timeouts.whole.map(|time| (reactor.now(), time));
        let clock = Rc::new(Stopwatch {
            reactor: reactor.clone(),
            timeouts,
            whole_end: started.map(|(now, time)| now.saturating_add(time)),
            step: Cell::new(None),
            timer: RefCell::new(None),
            has_head: Cell::new(false),
            is_sent: Cell::new(false),
            is_over: Cell::new(false),
            trigger,
            is_expired: Cell::new(false),
        });
        // The other timeouts set the timer when their step begins.
        if let Some((now, _)) = started {
            clock.look(now);
        }
        Self {
            clock,
            expired: Some(expired),
        }
    }

    pub(super) fn clock(&self) -> &Rc<Stopwatch> {
        &self.clock
    }

    /// Polls the Deferred that fails when a step takes too long, or the caller is cancelled. Do not
    /// poll it again after that.
    pub(super) fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.expired {
            Some(expired) => Pin::new(expired).poll(cx),
            None => Poll::Pending,
        }
    }

    /// Waits for `work`, and drops it when a step takes too long.
    ///
    /// `work` is borrowed, since an async function that owned it would be twice its size.
    pub(super) async fn over<T>(
        &mut self,
        mut work: Pin<&mut impl Future<Output = Result<T>>>,
    ) -> Result<T> {
        std::future::poll_fn(|cx| {
            // The work first: an answer that comes in the same turn as the timeout counts.
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            match self.poll_expired(cx) {
                Poll::Ready(Err(failure)) => Poll::Ready(Err(failure)),
                // `Ok` does not occur: the watch fires only with a failure.
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((timer, _)) = self.clock.timer.take() {
            timer.cancel();
        }
        if let Some(expired) = self.expired.take() {
            // In this order, nothing listens any more. To fire it costs less than the failure that
            // an unfired one would get. Errs if it has failed.
            expired.ignore();
            let _ = self.clock.trigger.callback(());
        }
    }
}

impl Stopwatch {
    /// Begins a step, or notes progress in it: its timeout begins anew.
    pub(super) fn wait_for(self: &Rc<Self>, step: Step) {
        let now = self.reactor.now();
        self.step.set(Some((step, now)));
        let due = self.timer.borrow().as_ref().map(|(_, due)| *due);
        let end = self.next().map(|(_, _, end)| end);
        // A timer that is due earlier stays, and is set again when it fires: a new timer for each
        // piece of the content would cost more than one needless `look`.
        if end.is_some_and(|end| due.is_none_or(|due| end < due)) {
            self.look(now);
        }
    }

    /// Begins a step, unless it has begun already.
    pub(super) fn begin(self: &Rc<Self>, step: Step) {
        if self.step.get().is_none_or(|(current, _)| current != step) {
            self.wait_for(step);
        }
    }

    /// Ends the step: the client does not wait for the server now.
    pub(super) fn pause(&self) {
        // The timer stays set: when it is due, it finds no step.
        self.step.set(None);
    }

    /// Another request begins: the first, one after a redirect, or the same again.
    pub(super) fn begin_request(&self) {
        self.has_head.set(false);
        self.is_sent.set(false);
        self.pause();
    }

    /// All of the request was sent.
    pub(super) fn note_sent(&self) {
        self.is_sent.set(true);
    }

    pub(super) fn is_sent(&self) -> bool {
        self.is_sent.get()
    }

    /// The answer has ended.
    pub(super) fn stop(&self) {
        self.is_over.set(true);
        // Also ends the timeout of the whole request: the rest of the content is in memory.
        if let Some((timer, _)) = self.timer.take() {
            timer.cancel();
        }
    }

    /// The head of the answer has come.
    pub(super) fn note_head(&self) {
        self.has_head.set(true);
        self.pause();
    }

    /// hyper has taken a piece of the body that is sent (`true`), or waits for the program to
    /// provide one (`false`).
    pub(super) fn note_upload(self: &Rc<Self>, is_taken: bool) {
        match (self.has_head.get(), is_taken) {
            // The answer has begun, so only the timeout of its content counts.
            (true, _) => {}
            (false, true) => self.wait_for(Step::Head),
            (false, false) => self.pause(),
        }
    }

    /// Whether a step has taken too long.
    pub(super) fn is_expired(&self) -> bool {
        self.is_expired.get()
    }

    /// The step that expires first, with its timeout and the time at which it expires.
    fn next(&self) -> Option<(Step, Duration, Duration)> {
        if self.is_over.get() {
            return None;
        }
        let whole = self.timeouts.whole.zip(self.whole_end);
        let whole = whole.map(|(time, end)| (Step::Whole, time, end));
        let step = self.step.get().map(|(step, since)| {
            let time = match step {
                Step::Connect => self.timeouts.connect,
                Step::Head => self.timeouts.head,
                // `Whole` is never a step that was begun.
                Step::Read | Step::Whole => self.timeouts.read,
            };
            (step, time, since.saturating_add(time))
        });
        [step, whole]
            .into_iter()
            .flatten()
            .min_by_key(|(_, _, end)| *end)
    }

    /// Fails the request if a step has taken too long; else sets the timer. `now` is the time.
    fn look(self: &Rc<Self>, now: Duration) {
        let Some((step, after, end)) = self.next() else {
            return;
        };
        let left = end.saturating_sub(now);
        if left.is_zero() {
            self.is_expired.set(true);
            // Errs if the request was cancelled: then nothing waits.
            let _ = self.trigger.errback(ClientError::TimedOut { step, after });
            return;
        }
        // Weak, so that the timer does not keep the stopwatch of a request that is over.
        let weak = Rc::downgrade(self);
        let timer = self.reactor.call_later(left, move || Self::due(&weak));
        let replaced = self.timer.replace(Some((timer, end)));
        if let Some((earlier, _)) = replaced {
            // Only if `wait_for` has found an earlier end: `due` has taken out the one that has
            // fired.
            earlier.cancel();
        }
    }

    fn due(weak: &Weak<Self>) {
        if let Some(clock) = weak.upgrade() {
            // The timer has fired. Taken out before `look`, which sets the next one.
            drop(clock.timer.take());
            clock.look(clock.reactor.now());
        }
    }
}
