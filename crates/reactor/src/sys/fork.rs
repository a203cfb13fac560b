//! Fork detection: whether this is the process that a value was made in.
//!
//! After `fork`, both processes have the same epoll set, the same sockets and the same files:
//! what one of them deregisters or removes is gone for the other, too. `pthread_atfork` has the
//! child count, so that asking costs one load, and no system call.

#![expect(unsafe_code, reason = "pthread_atfork is a function of C")]

use std::ffi::c_int;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many processes lie between this one and the first that asked.
static FORKS: AtomicUsize = AtomicUsize::new(0);

type Handler = Option<extern "C" fn()>;

unsafe extern "C" {
    fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> c_int;
}

extern "C" fn in_child() {
    // Relaxed, because the child has one thread when this runs; those that it starts later see it.
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The process that made a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HomeProcess(usize);

impl HomeProcess {
    /// This process.
    pub(crate) fn current() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the handler stays as long as the program, and does nothing but count: it
            // takes no lock, allocates nothing and cannot panic.
            let result = unsafe { pthread_atfork(None, None, Some(in_child)) };
            if result != 0 {
                tracing::error!(target: "reactor", error = result, "a fork will not be noticed");
            }
        });
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this is that process, and not one that was forked from it.
    #[inline]
    pub(crate) fn is_current(self) -> bool {
        FORKS.load(Ordering::Relaxed) == self.0
    }
}
