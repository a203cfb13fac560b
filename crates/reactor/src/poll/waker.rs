//! `Waker`: ends the wait of a loop, from any thread.
//!
//! Another thread writes to an event descriptor of the loop, which ends the wait. The loop's own
//! thread is not in the wait while it runs other code, so it makes no system call, but sets a flag,
//! which the loop tests before each wait. If the flag is set, that wait does not sleep, and the
//! next turn looks for work of every kind.

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
    /// The [thread](thread_id) of the loop.
    home: Option<usize>,
}

#[derive(Clone)]
enum How {
    /// For a loop that never waits.
    Not,
    /// An event descriptor of the loop, registered like other descriptors.
    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    Event(Arc<OwnDescriptor>),
    /// The notifier of the `polling` crate, which only `Poller::wait` clears.
    Notify(Arc<Poller>),
}

/// State that the loops of one thread share.
struct Loops {
    /// Number of loops that are in a turn. More than one if a callback runs another loop.
    turning: Cell<usize>,
    /// Whether this thread has woken one of its loops since the last [`take_woken`].
    // Set by `mark_woken`, and when a nested loop ends; cleared by `take_woken`.
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

/// Identifies this thread among those that are alive; `None` if the thread is ending.
fn thread_id() -> Option<usize> {
    LOOPS
        .try_with(|loops| std::ptr::from_ref(loops).addr())
        .ok()
}

/// Guard: a loop is in its turns on this thread until the guard is dropped.
pub(crate) struct Entered(());

impl Entered {
    pub(crate) fn new() -> Self {
        // Errs if the thread is ending; then no loop on it waits.
        let _ = LOOPS.try_with(|loops| loops.turning.set(loops.turning.get() + 1));
        Self(())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // Errs if the thread is ending; then no loop on it waits.
        let _ = LOOPS.try_with(|loops| {
            let around = loops.turning.get() - 1;
            loops.turning.set(around);
            if around > 0 {
                // All loops of the thread share the mark, so this loop may have taken a mark that
                // was set for an outer loop. Setting it without need costs the outer loop one turn;
                // losing it would let that loop sleep although it has work.
                loops.is_woken.set(true);
            }
        });
    }
}

/// Whether this thread has woken one of its loops since the last [`take_woken`].
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
    // Errs if the thread is ending; then no loop on it waits.
    let _ = LOOPS.try_with(|loops| loops.is_woken.set(true));
}

/// Whether a loop is in a turn on this thread.
pub(crate) fn is_any_turning() -> bool {
    LOOPS.try_with(|loops| loops.turning.get() > 0) == Ok(true)
}

impl Waker {
    /// Waker of a loop that never waits.
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

    /// Waker of a loop of this thread.
    fn here(how: How) -> Self {
        let home = thread_id();
        Self { how, home }
    }

    /// Makes the loop look for work: before its next wait, or by ending the wait it is in.
    pub(crate) fn wake(&self) {
        // The loop's own thread is not in the wait while it runs this. It tests the mark before the
        // next wait, so no system call is needed.
        if self.home.is_some() && self.home == thread_id() {
            mark_woken();
        } else {
            self.end_wait();
        }
    }

    fn end_wait(&self) {
        match &self.how {
            How::Not => {}
            // Errs only if the counter is full; then a wake is pending already.
            #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
            How::Event(own) => {
                let _ = rustix::io::write(&own.descriptor, &1_u64.to_ne_bytes());
            }
            How::Notify(poller) => {
                // If this errs, the loop wakes at its next timeout, because there is no other way
                // to wake it.
                let _ = poller.notify();
            }
        }
    }

    /// Clears the event descriptor, when the loop gets its event.
    pub(super) fn clear(&self) {
        #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
        if let How::Event(own) = &self.how {
            // Errs only if the descriptor was read already; harmless.
            let _ = rustix::io::read(&own.descriptor, &mut [0_u8; 8]);
        }
    }
}
