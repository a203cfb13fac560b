//! What the tests count with, and how they wait.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use deferred::Failure;
use deferred::sync::Deferred;
use parking_lot::{Condvar, Mutex};

/// Time after which a wait for an event fails the test.
const DEADLINE: Duration = Duration::from_secs(120);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Coded(pub(crate) i32);

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.0)
    }
}

impl Error for Coded {}

/// Takes the result of a Deferred that must have it.
pub(crate) fn result<T: Send>(deferred: Deferred<T>) -> deferred::Result<T> {
    deferred
        .into_result()
        .unwrap_or_else(|deferred| panic!("no result yet: {deferred:?}"))
}

pub(crate) fn value<T: Send>(deferred: Deferred<T>) -> T {
    result(deferred).unwrap_or_else(|failure| panic!("a failure: {failure:?}"))
}

pub(crate) fn failure<T: Send>(deferred: Deferred<T>) -> Failure {
    match result(deferred) {
        Ok(_) => panic!("a value"),
        Err(failure) => failure,
    }
}

/// Counts, on any thread.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Something that counts when it is dropped.
    pub(crate) fn on_drop(&self) -> OnDrop {
        OnDrop(self.clone())
    }
}

pub(crate) struct OnDrop(Count);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// Runs `body` on `threads` threads that begin together, each with its number. If
/// they do not all come to an end, the test fails.
pub(crate) fn together(threads: usize, body: impl Fn(usize) + Send + Sync + 'static) {
    let body = Arc::new(body);
    let line = Arc::new((Mutex::new(Line::default()), Condvar::new()));
    let handles: Vec<_> = (0..threads)
        .map(|n| {
            let (body, line) = (Arc::clone(&body), Arc::clone(&line));
            thread::spawn(move || {
                let (state, changed) = &*line;
                state.lock().at_start += 1;
                changed.notify_all();
                changed.wait_while(&mut state.lock(), |line| line.at_start < threads);
                let _ended = Ended(&line);
                body(n);
            })
        })
        .collect();
    drop(body);
    let (state, changed) = &*line;
    let is_running = |line: &mut Line| line.at_end < threads;
    let waited = changed.wait_while_for(&mut state.lock(), is_running, DEADLINE);
    assert!(!waited.timed_out(), "a thread is stuck");
    for handle in handles {
        handle.join().expect("its assertions hold");
    }
}

/// Where the threads are. With parking_lot's lock, since the thread sanitizer knows
/// nothing of the standard library's, if that was built without it.
#[derive(Default)]
struct Line {
    at_start: usize,
    at_end: usize,
}

/// One thread more is at its end, however it came there.
struct Ended<'a>(&'a (Mutex<Line>, Condvar));

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.0.lock().at_end += 1;
        self.0.1.notify_all();
    }
}

/// Numbers that look random and are the same in each run.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ (seed as u64 + 1).wrapping_mul(0xd134_2543_de82_ef95))
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}
