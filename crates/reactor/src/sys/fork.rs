//! Fork detection: whether this is the process in which a value was made.
//!
//! After `fork`, both processes have the same epoll set, the same sockets and the same files: if
//! one of them unregisters or removes something, it is gone for the other, too. A handler of
//! `pthread_atfork` increments a counter in the child, so the test costs one load, and no system
//! call.

#![expect(unsafe_code, reason = "pthread_atfork is a function of C")]

use std::ffi::c_int;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of forks between the first process that has used this and the current one.
static FORKS: AtomicUsize = AtomicUsize::new(0);

type Handler = Option<extern "C" fn()>;

unsafe extern "C" {
    fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> c_int;
}

extern "C" fn in_child() {
    // Relaxed, because the child has only one thread when this runs; threads that it starts later
    // see the new value.
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The process in which a value was made.
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

    /// Whether the current process is that process, and not one that was forked from it.
    #[inline]
    pub(crate) fn is_current(self) -> bool {
        FORKS.load(Ordering::Relaxed) == self.0
    }
}
