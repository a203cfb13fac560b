//! Waking a loop that waits, from any thread.
//!
//! Another thread writes to an event descriptor of the loop. The loop's own thread need not:
//! it does not wait while it runs anything else. It sets a flag, at which the loop looks
//! before it waits; and a turn begins with looking for work of every kind.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use polling::Poller;
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
use {
    super::WAKER_KEY,
    super::own::OwnDescriptor,
    polling::PollMode,
    rustix::event::{EventfdFlags, eventfd},
};

use super::kind::PollerKind;

/// Wakes a loop from any thread.
#[derive(Clone)]
pub(crate) struct Waker {
    how: How,
    /// The [thread](thread_id) of the loop, which made this.
    home: Option<usize>,
}

#[derive(Clone)]
enum How {
    /// The loop never waits.
    Not,
    /// An event descriptor of our own: a source like any other.
    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    Event(Arc<OwnDescriptor>),
    /// The poller's own notifier, which only its own wait clears.
    Notify(Arc<Poller>),
}

/// What the loops of a thread know of one another.
struct Loops {
    /// How many have a turn, each in a callback of the one before.
    turning: Cell<usize>,
    /// The thread has woken one of its loops since one of them [looked](take_woken).
    is_woken: Cell<bool>,
}

thread_local! {
    static LOOPS: Loops = const {
        Loops {
            turning: Cell::new(0),
            is_woken: Cell::new(false),
        }
    };
}

/// Tells the thread from the others that are alive. A thread that is ending has none.
fn thread_id() -> Option<usize> {
    LOOPS
        .try_with(|loops| std::ptr::from_ref(loops).addr())
        .ok()
}

/// A loop has its turns on this thread, for as long as this lives.
pub(crate) struct Entered(());

impl Entered {
    pub(crate) fn new() -> Self {
        let _ = LOOPS.try_with(|loops| loops.turning.set(loops.turning.get() + 1));
        Self(())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // A thread that is ending has no loop that waits.
        let _ = LOOPS.try_with(|loops| {
            let around = loops.turning.get() - 1;
            loops.turning.set(around);
            if around > 0 {
                // What this loop has taken may have been meant for one around it.
                // The mark belongs to all loops of the thread. Setting it without need costs one
                // look; losing it would let the outer loop sleep.
                loops.is_woken.set(true);
            }
        });
    }
}

/// Whether this thread has woken one of its loops since one of them [looked](take_woken).
#[inline]
pub(crate) fn is_woken() -> bool {
    LOOPS.try_with(|loops| loops.is_woken.get()) == Ok(true)
}

/// Like [`is_woken`], and clears the mark.
#[inline]
pub(crate) fn take_woken() -> bool {
    LOOPS.try_with(|loops| loops.is_woken.replace(false)) == Ok(true)
}

/// Makes the loop of this thread look for work of every kind before it waits.
pub(crate) fn mark_woken() {
    // A thread that is ending has no loop that waits.
    let _ = LOOPS.try_with(|loops| loops.is_woken.set(true));
}

/// Whether a loop is in a turn on this thread.
pub(crate) fn is_any_turning() -> bool {
    LOOPS.try_with(|loops| loops.turning.get() > 0) == Ok(true)
}

impl Waker {
    /// Of a loop that never waits.
    pub(super) const NONE: Self = Self {
        how: How::Not,
        home: None,
    };

    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    pub(super) fn new(poller: &Arc<Poller>, kind: PollerKind) -> io::Result<Self> {
        if kind == PollerKind::Portable {
            return Ok(Self::here(How::Notify(Arc::clone(poller))));
        }
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let descriptor = eventfd(0, flags)?;
        let own = OwnDescriptor::new(poller, descriptor, WAKER_KEY, PollMode::Level)?;
        Ok(Self::here(How::Event(Arc::new(own))))
    }

    #[cfg(not(all(target_os = "linux", not(polling_test_poll_backend))))]
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the other way of waiting can fail here"
    )]
    pub(super) fn new(poller: &Arc<Poller>, _kind: PollerKind) -> io::Result<Self> {
        Ok(Self::here(How::Notify(Arc::clone(poller))))
    }

    /// Of a loop of this thread.
    fn here(how: How) -> Self {
        let home = thread_id();
        Self { how, home }
    }

    /// Has the loop look for work before it waits, or ends its wait.
    pub(crate) fn wake(&self) {
        // The loop's own thread is not in the wait while it runs this: the mark is seen before the
        // next one, and no system call is needed.
        if self.home.is_some() && self.home == thread_id() {
            mark_woken();
        } else {
            self.end_wait();
        }
    }

    fn end_wait(&self) {
        match &self.how {
            How::Not => {}
            // Errs only if the counter is full: then the loop is awake.
            #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
            How::Event(own) => {
                let _ = rustix::io::write(&own.descriptor, &1_u64.to_ne_bytes());
            }
            How::Notify(poller) => {
                let _ = poller.notify();
            }
        }
    }

    /// Its event was seen.
    ///
    /// Reading it errs only if it was read already.
    pub(super) fn clear(&self) {
        #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
        if let How::Event(own) = &self.how {
            let _ = rustix::io::read(&own.descriptor, &mut [0_u8; 8]);
        }
    }
}
