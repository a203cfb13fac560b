//! Counts of what the models do. They are atomics of `std` and not of `loom`, which would have
//! more interleavings to try: a thread that reads them has joined the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts how often something was done, and how often what it gave out was dropped.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    done: Arc<AtomicUsize>,
    made: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

/// Something that is to be dropped once.
#[derive(Debug)]
pub struct Token {
    dropped: Arc<AtomicUsize>,
}

impl Drop for Token {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counts {
    /// Something to put into a chain.
    pub fn token(&self) -> Token {
        self.made.fetch_add(1, Ordering::Relaxed);
        Token {
            dropped: Arc::clone(&self.dropped),
        }
    }

    /// A callback that notes that it was called, and has captured something.
    pub fn callback<T>(&self) -> impl FnOnce(T) -> deferred::Result<T> + Send + use<T> {
        let (done, token) = (Arc::clone(&self.done), self.token());
        move |value| {
            done.fetch_add(1, Ordering::Relaxed);
            drop(token);
            Ok(value)
        }
    }

    /// Notes that something was done.
    pub fn note(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// How often something was done.
    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// Everything that was made must be gone by now.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let (made, dropped) = (&self.made, &self.dropped);
        assert_eq!(
            dropped.load(Ordering::Relaxed),
            made.load(Ordering::Relaxed),
            "what was made went once"
        );
    }
}
