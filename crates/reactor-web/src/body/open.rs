//! `OpenBodies`: the bodies of requests that hyper still receives on a connection.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Waker};

/// Shared by a connection and the bodies of its requests.
#[derive(Default)]
pub(crate) struct OpenBodies {
    /// Number of bodies that are neither read to their end nor dropped.
    count: Cell<usize>,
    /// Whether a read of one of them is pending.
    // Requests of HTTP/2 share it, so the last poll decides.
    is_awaited: Cell<bool>,
    /// Woken when no body is open any more.
    closed: Cell<Option<Waker>>,
}

impl OpenBodies {
    /// Whether there are any. A handler may keep the body of a request beyond its answer, and then
    /// hyper still receives it.
    pub(crate) fn any(&self) -> bool {
        self.count.get() > 0
    }

    /// Whether a handler waits for one of them.
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited.get()
    }

    /// Wakes the waker of `cx` when no body is open any more.
    // A waker, which resumes the driver in a later step of the loop: a body may be dropped by user
    // code that has something borrowed, and the driver runs handlers.
    pub(crate) fn wake_when_closed(&self, cx: &Context<'_>) {
        if self.any() {
            self.closed.set(Some(cx.waker().clone()));
        }
    }
}

/// A body that is open for as long as this exists.
pub(super) struct OpenBody(Rc<OpenBodies>);

impl OpenBody {
    pub(super) fn new(bodies: &Rc<OpenBodies>) -> Self {
        bodies.count.set(bodies.count.get() + 1);
        Self(Rc::clone(bodies))
    }

    pub(super) fn set_awaited(&self, is_awaited: bool) {
        self.0.is_awaited.set(is_awaited);
    }
}

impl Drop for OpenBody {
    fn drop(&mut self) {
        // A body that is dropped while a read is pending is not awaited any more.
        self.set_awaited(false);
        self.0.count.set(self.0.count.get() - 1);
        if !self.0.any()
            && let Some(waker) = self.0.closed.take()
        {
            waker.wake();
        }
    }
}
