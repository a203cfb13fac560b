//! Inbox: calls that other threads have posted to the loop.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use smallbox::space::S4;
use smallbox::{SmallBox, smallbox};

use crate::error::ReactorGone;
use crate::panics::drop_contained;
use crate::poll::Waker;

/// One posted call, which is called once, with an `A`.
///
/// A small closure is stored in place, because a box would be allocated in one thread and freed in
/// another, which costs more than all other work of a post.
pub(crate) struct Job<A: 'static> {
    f: SmallBox<dyn Call<A>, S4>,
    /// Whether the closure was not called yet.
    // Cleared by `call`. If a job is dropped while this is set, a panic of the drop is contained.
    is_due: bool,
}

trait Call<A>: Send {
    fn call(&mut self, argument: &A);
    /// Drops the closure, if it was not called, and contains a panic of that drop.
    fn drop_contained(&mut self);
}

impl<A, F: FnOnce(&A) + Send> Call<A> for Option<F> {
    fn call(&mut self, argument: &A) {
        if let Some(f) = self.take() {
            f(argument);
        }
    }

    fn drop_contained(&mut self) {
        drop_contained("the drop of a job", self.take());
    }
}

impl<A> Job<A> {
    pub(crate) fn new(f: impl FnOnce(&A) + Send + 'static) -> Self {
        Self {
            f: smallbox!(Some(f)),
            is_due: true,
        }
    }

    pub(crate) fn call(mut self, argument: &A) {
        self.is_due = false;
        self.f.call(argument);
    }
}

impl<A> Drop for Job<A> {
    /// Contains a panic, because a job may be dropped among others, or by the thread that posts it.
    fn drop(&mut self) {
        if self.is_due {
            self.f.drop_contained();
        }
    }
}

/// The calls that other threads have posted.
pub(crate) struct Inbox<A: 'static> {
    /// `None` once the reactor was dropped.
    open: Mutex<Option<Open<A>>>,
    /// Whether there may be calls, so that a turn without any takes no lock. Written under
    /// the lock.
    // Set by `post`, cleared by `take`.
    has_jobs: AtomicBool,
}

struct Open<A: 'static> {
    jobs: Vec<Job<A>>,
    waker: Waker,
}

impl<A> Inbox<A> {
    pub(crate) fn new(waker: Waker) -> Self {
        let jobs = Vec::new();
        Self {
            open: Mutex::new(Some(Open { jobs, waker })),
            has_jobs: AtomicBool::new(false),
        }
    }

    /// Adds a job. Wakes the loop if it is the first one in the queue.
    pub(crate) fn post(&self, f: impl FnOnce(&A) + Send + 'static) -> Result<(), ReactorGone> {
        let job = Job::new(f);
        let mut guard = self.open.lock();
        let Some(open) = guard.as_mut() else {
            // The job is user code, which must not be dropped under the lock.
            drop(guard);
            drop(job);
            return Err(ReactorGone);
        };
        // If there are jobs in the queue, the post of the first one has woken the loop, or is about
        // to. So one wake serves all jobs that are posted before the loop takes them.
        let to_wake = open.jobs.is_empty().then(|| open.waker.clone());
        open.jobs.push(job);
        // Stored under the lock, as in `take`. Without the lock, the two stores could come in the
        // wrong order, and a job would wait until the next one is posted.
        self.has_jobs.store(true, Ordering::Release);
        drop(guard);
        if let Some(waker) = to_wake {
            waker.wake();
        }
        Ok(())
    }

    /// Whether there are jobs. A post that is not seen here ends the loop's next wait.
    #[inline]
    pub(crate) fn has_jobs(&self) -> bool {
        self.has_jobs.load(Ordering::Acquire)
    }

    /// Takes all jobs, by a swap with `room`, which must be empty.
    pub(crate) fn take(&self, room: &mut Vec<Job<A>>) {
        let mut guard = self.open.lock();
        self.has_jobs.store(false, Ordering::Release);
        if let Some(open) = guard.as_mut() {
            // The two vectors change places, so a turn allocates nothing.
            std::mem::swap(&mut open.jobs, room);
        }
    }

    /// Refuses further jobs, and drops those in the queue.
    pub(crate) fn close(&self) {
        let open = self.open.lock().take();
        // Dropped after the lock is released, because the drops of jobs are user code, which may
        // post.
        drop(open);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::memory::Network;
    use crate::poll::Poll;

    fn inbox() -> Inbox<Vec<u32>> {
        Inbox::new(Poll::Memory(Network::new()).waker())
    }

    /// Counts its drop.
    struct Counted(Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn calls_are_taken_all_at_once_in_the_order_of_posting() {
        let (inbox, order) = (inbox(), Arc::new(Mutex::new(Vec::new())));
        assert!(!inbox.has_jobs());
        for number in 0..3 {
            let order = Arc::clone(&order);
            inbox
                .post(move |base| order.lock().push(base[0] + number))
                .expect("it is open");
        }
        assert!(inbox.has_jobs());
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        assert!(!inbox.has_jobs());
        for job in taken.drain(..) {
            job.call(&vec![10]);
        }
        assert_eq!(*order.lock(), [10, 11, 12]);
    }

    #[test]
    fn what_is_posted_after_the_close_is_refused_and_dropped() {
        let (inbox, drops) = (inbox(), Arc::new(AtomicUsize::new(0)));
        let kept = Counted(Arc::clone(&drops));
        inbox.post(move |_| drop(kept)).expect("it is open");
        inbox.close();
        assert_eq!(
            drops.load(Ordering::SeqCst),
            1,
            "those that wait are dropped"
        );
        let late = Counted(Arc::clone(&drops));
        assert_eq!(inbox.post(move |_| drop(late)), Err(ReactorGone));
        assert_eq!(drops.load(Ordering::SeqCst), 2);
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        assert!(taken.is_empty());
    }

    #[test]
    fn a_panic_in_the_drop_of_a_call_is_contained() {
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("in a drop");
            }
        }
        let inbox = inbox();
        for _ in 0..2 {
            let panics = Panics;
            inbox.post(move |_| drop(panics)).expect("it is open");
        }
        inbox.close();
    }
}
