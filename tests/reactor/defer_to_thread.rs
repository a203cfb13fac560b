//! Work in other threads, and what comes of it.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use deferred::{Abandoned, Cancelled, Failure, Panicked, gather_results};
use parking_lot::Mutex;
use reactor::ReactorGone;
use reactor::testing::TestReactor;
#[cfg(target_os = "linux")]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{
    Count, PATIENCE, assert_sleeps, never, reactor, result_of, turn_until, wait_until,
};

/// Jobs that report when they begin, and run until the test lets them end.
struct Gate {
    begun: Receiver<()>,
    begin: Sender<()>,
    /// Held: the jobs go on. Dropped: they end.
    open: Arc<Mutex<()>>,
}

impl Gate {
    fn new() -> Self {
        let (begin, begun) = channel();
        let open = Arc::default();
        Self { begun, begin, open }
    }

    fn job(&self) -> impl FnOnce() + Send + 'static {
        let (begin, open) = (self.begin.clone(), Arc::clone(&self.open));
        move || {
            begin.send(()).expect("the test waits for it");
            drop(open.lock());
        }
    }

    fn wait_until_one_runs(&self) {
        self.begun.recv_timeout(PATIENCE).expect("a job runs");
    }
}

#[test]
fn the_result_comes_from_a_thread_to_the_loop() {
    let reactor = reactor();
    let loop_thread = thread::current().id();
    let worker = reactor
        .defer_to_thread(|| Ok(thread::current().id()))
        .add_callback(move |worker| {
            assert_eq!(thread::current().id(), loop_thread);
            Ok(worker)
        });
    let worker = result_of(&reactor, worker).expect("it gives its id");
    assert_ne!(worker, loop_thread);
    assert_eq!(reactor.thread_pool().expect("it is there").threads(), 1);
}

#[test]
fn a_failure_and_a_panic_are_failures() {
    let reactor = reactor();
    reactor.suggest_thread_pool_size(1);
    let failing = reactor.defer_to_thread(|| Ok("no number".parse::<u32>()?));
    let failure = result_of(&reactor, failing).expect_err("it is no number");
    assert!(failure.is::<std::num::ParseIntError>());

    let panicking = reactor.defer_to_thread(|| {
        if true {
            panic!("what a job may do");
        }
    });
    let failure = result_of(&reactor, panicking).expect_err("it panics");
    let panicked = failure.check::<Panicked>().expect("it panics");
    assert_eq!(panicked.message(), "what a job may do");

    reactor
        .call_in_thread(|| panic!("what a job may do"))
        .expect("it is taken");
    let after = reactor.defer_to_thread(|| Ok(()));
    result_of(&reactor, after).expect("the thread goes on");
}

#[test]
fn threads_are_started_as_they_are_needed_and_no_more_than_allowed() {
    let reactor = reactor();
    let pool = reactor.thread_pool().expect("it is there");
    assert_eq!((pool.threads(), pool.max_threads()), (0, 10));
    pool.set_max_threads(3);
    let gate = Gate::new();
    let held = gate.open.lock();
    for running in 1..=3 {
        reactor.call_in_thread(gate.job()).expect("it is taken");
        gate.wait_until_one_runs();
        assert_eq!((pool.threads(), pool.queued()), (running, 0));
    }
    for queued in 1..=2 {
        reactor.call_in_thread(gate.job()).expect("it is taken");
        assert_eq!((pool.threads(), pool.queued()), (3, queued));
    }
    pool.set_max_threads(4);
    gate.wait_until_one_runs();
    assert_eq!((pool.threads(), pool.queued()), (4, 1));
    drop(held);
    gate.wait_until_one_runs();

    pool.set_max_threads(0);
    assert_eq!(pool.max_threads(), 1, "a pool keeps one thread");
    turn_until(&reactor, || pool.threads() == 1);
    let last = reactor.defer_to_thread(|| Ok(()));
    result_of(&reactor, last).expect("one is left");
}

#[test]
fn a_thread_that_waits_takes_the_next_job() {
    let reactor = reactor();
    let pool = reactor.thread_pool().expect("it is there");
    pool.set_max_threads(1);
    let mut threads = HashSet::new();
    for _ in 0..50 {
        let job = reactor.defer_to_thread(|| Ok(thread::current().id()));
        threads.insert(result_of(&reactor, job).expect("it gives its id"));
    }
    assert_eq!(threads.len(), 1);
}

#[test]
fn a_thread_without_work_ends() {
    let reactor = reactor();
    let pool = reactor.thread_pool().expect("it is there");
    let job = reactor.defer_to_thread(|| Ok(()));
    result_of(&reactor, job).expect("it works");
    assert_eq!(pool.idle_time(), Duration::from_secs(10));
    assert_eq!(pool.threads(), 1);
    pool.set_idle_time(Duration::from_millis(1));
    turn_until(&reactor, || pool.threads() == 0);
    let job = reactor.defer_to_thread(|| Ok(()));
    result_of(&reactor, job).expect("it is started anew");
}

#[test]
fn jobs_that_wait_are_taken_in_order() {
    let reactor = reactor();
    reactor.suggest_thread_pool_size(1);
    let (order, taken) = channel();
    for number in 0..100 {
        let order = order.clone();
        reactor
            .call_in_thread(move || order.send(number).expect("the test waits for it"))
            .expect("it is taken");
    }
    drop(order);
    assert!(taken.iter().eq(0..100));
}

#[test]
fn cancelling_drops_a_job_that_waits() {
    let reactor = reactor();
    let pool = reactor.thread_pool().expect("it is there");
    pool.set_max_threads(1);
    let gate = Gate::new();
    let held = gate.open.lock();
    reactor.call_in_thread(gate.job()).expect("it is taken");
    gate.wait_until_one_runs();

    let token = Arc::new(());
    let captured = Arc::clone(&token);
    let waiting = reactor.defer_to_thread(move || {
        drop(captured);
        never();
    });
    assert_eq!(pool.queued(), 1);
    waiting.cancel();
    assert_eq!((pool.queued(), Arc::strong_count(&token)), (0, 1));
    let failure = waiting
        .into_result()
        .expect("at once")
        .expect_err("cancelled");
    assert!(failure.is::<Cancelled>());

    drop(held);
    let next = reactor.defer_to_thread(|| Ok("next"));
    assert_eq!(result_of(&reactor, next).expect("it runs"), "next");
}

#[test]
fn cancelling_drops_the_result_of_a_job_that_runs() {
    struct Noisy(Sender<thread::ThreadId>);
    impl Drop for Noisy {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
        }
    }

    let reactor = reactor();
    let gate = Gate::new();
    let held = gate.open.lock();
    let wait = gate.job();
    let (dropped, drops) = channel();
    let running = reactor.defer_to_thread(move || {
        wait();
        Ok(Noisy(dropped))
    });
    gate.wait_until_one_runs();
    running.cancel();
    let failure = running.into_result().expect("at once");
    assert!(failure.err().expect("cancelled").is::<Cancelled>());
    drop(held);
    turn_until(&reactor, || drops.try_recv().is_ok());
}

#[test]
fn dropping_the_reactor_waits_for_nobody() {
    let reactor = reactor();
    reactor.suggest_thread_pool_size(1);
    let gate = Gate::new();
    let held = gate.open.lock();
    let wait = gate.job();
    let (told, heard) = channel();
    let remote = reactor.remote();
    let running = reactor.defer_to_thread(move || {
        wait();
        // The loop is gone: the call says so, and does not wait.
        let gone = remote.blocking_call_from_thread(|_| ()).is_err();
        told.send(gone).expect("the test waits for it");
        Ok(())
    });
    gate.wait_until_one_runs();
    let token = Arc::new(());
    let captured = Arc::clone(&token);
    let queued = reactor.defer_to_thread(move || drop(captured));
    let pool = reactor.thread_pool().expect("it is there");
    pool.set_idle_time(Duration::from_secs(3600));
    drop(reactor);
    assert_eq!(Arc::strong_count(&token), 1, "what was queued is dropped");
    for deferred in [running, queued] {
        let result = deferred.into_result().expect("it was told");
        let failure = result.expect_err("the reactor is gone");
        assert!(failure.is::<ReactorGone>() && !failure.is::<Abandoned>());
    }
    assert_eq!((pool.threads(), pool.queued()), (1, 0));
    drop(held);
    assert_eq!(heard.recv_timeout(PATIENCE), Ok(true));
    wait_until(|| pool.threads() == 0);
}

#[test]
fn without_a_reactor_a_job_is_dropped_and_said_so() {
    let handle = reactor().handle();
    let failure = handle
        .defer_to_thread(never)
        .into_result()
        .expect("at once")
        .expect_err("the reactor is gone");
    assert!(failure.is::<ReactorGone>());
    assert!(handle.call_in_thread(never).is_err());
    assert!(handle.thread_pool().is_err());
    handle.suggest_thread_pool_size(1);
}

#[test]
fn a_job_can_be_added_from_a_callback_of_another() {
    fn count_down(reactor: &reactor::ReactorHandle, n: u32) -> deferred::Deferred<u32> {
        let handle = reactor.clone();
        reactor
            .defer_to_thread(move || Ok(n))
            .add_callback(move |n| match n {
                0 => deferred::succeed(0),
                _ => count_down(&handle, n - 1),
            })
    }
    let reactor = reactor();
    let counted = count_down(&reactor, 50);
    assert_eq!(result_of(&reactor, counted).expect("it counts"), 0);
}

#[test]
fn many_jobs_of_few_threads_all_come_back() {
    let reactor = reactor();
    reactor.suggest_thread_pool_size(4);
    let jobs = (0..2000_u32).map(|n| reactor.defer_to_thread(move || Ok(n)));
    let all = gather_results(jobs);
    let all = result_of(&reactor, all).expect("all come");
    assert!(all.into_iter().eq(0..2000));
    assert!(reactor.thread_pool().expect("it is there").threads() <= 4);
    assert_sleeps(&reactor);
}

#[test]
fn a_result_that_panics_when_it_is_dropped_ends_nothing() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("what a value may do");
        }
    }
    let reactor = reactor();
    let pool = reactor.thread_pool().expect("it is there");
    pool.set_max_threads(1);
    let gate = Gate::new();
    let held = gate.open.lock();
    let wait = gate.job();
    let running = reactor.defer_to_thread(move || {
        wait();
        Ok(Bad)
    });
    gate.wait_until_one_runs();
    let bad = Bad;
    let waiting = reactor.defer_to_thread(move || drop(bad));
    waiting.cancel();
    waiting.ignore();
    running.cancel();
    running.ignore();
    drop(held);
    let next = reactor.defer_to_thread(|| Ok(1));
    assert_eq!(result_of(&reactor, next).expect("the thread goes on"), 1);
}

#[test]
fn reactors_that_come_and_go_leave_no_threads() {
    for _ in 0..20 {
        let reactor = reactor();
        let counted = Count::default();
        let seen = counted.clone();
        reactor
            .defer_to_thread(|| Err::<(), _>(Failure::new(io::Error::other("no"))))
            .add_errback(move |failure| {
                failure.trap::<io::Error>()?;
                seen.add();
                Ok(())
            })
            .detach();
        turn_until(&reactor, || counted.get() == 1);
        let pool = reactor.thread_pool().expect("it is there");
        pool.set_idle_time(Duration::from_secs(3600));
        drop(reactor);
        wait_until(|| pool.threads() == 0);
    }
}

#[test]
fn a_limit_that_is_set_in_a_test_reactor_starts_no_thread() {
    let reactor = TestReactor::new();
    let loop_thread = thread::current().id();
    let worker = reactor.defer_to_thread(|| Ok(thread::current().id()));
    let pool = reactor.thread_pool().expect("it is there");
    pool.set_max_threads(20);
    assert_eq!((pool.threads(), pool.queued()), (0, 1));
    let worker = reactor.result_of(worker).expect("it gives its id");
    assert_eq!(worker, loop_thread);
}

/// Set in a process of its own, whose limit of memory leaves no room for the stack of a thread.
#[cfg(target_os = "linux")]
const NO_ROOM: &str = "REACTOR_TEST_NO_ROOM";

/// Runs the test of this name as a process of its own; returns whether this is that process.
#[cfg(target_os = "linux")]
fn is_without_room(name: &str) -> bool {
    if std::env::var_os(NO_ROOM).is_some() {
        return true;
    }
    let output = std::process::Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", &format!("defer_to_thread::{name}")])
        .args(["--test-threads=1", "--nocapture"])
        .env(NO_ROOM, "1")
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{output:?}");
    false
}

/// Calls `f` while the system starts no thread.
#[cfg(target_os = "linux")]
fn without_new_threads(f: impl FnOnce()) {
    let limit = getrlimit(Resource::As);
    let text = std::fs::read_to_string("/proc/self/statm").expect("proc");
    let pages = text.split(' ').next().map(str::parse::<usize>);
    let size = pages.expect("a field").expect("a number") * rustix::param::page_size();
    // Half of what the stack of a thread takes.
    let current = Some(size as u64 + 1024 * 1024);
    setrlimit(Resource::As, Rlimit { current, ..limit }).expect("it may be lowered");
    f();
    setrlimit(Resource::As, limit).expect("the maximum was not lowered");
}

#[cfg(target_os = "linux")]
#[test]
fn if_no_thread_starts_each_job_fails_and_none_waits() {
    if !is_without_room("if_no_thread_starts_each_job_fails_and_none_waits") {
        return;
    }
    let reactor = reactor();
    let pool = reactor.thread_pool().expect("it is there");
    let is_over = Arc::new(AtomicBool::new(false));
    // Changes of the limit start threads, too: so two at a time may fail to start.
    let (other, ends) = (pool.clone(), Arc::clone(&is_over));
    let (begun, watches) = channel();
    let watching = thread::spawn(move || {
        let mut most = 0;
        begun.send(()).expect("it is waited for");
        while !ends.load(Ordering::Relaxed) {
            other.set_max_threads(5);
            most = most.max(other.threads());
        }
        most
    });
    // The first allocation of a thread takes a large piece of memory and gives most of it back,
    // which would leave room for stacks if it came after the measurement of the size.
    watches.recv().expect("it has allocated");
    without_new_threads(|| {
        for _ in 0..20_000 {
            let failed = reactor.defer_to_thread(|| Ok(())).into_result();
            let failure = failed.expect("it fails at once").expect_err("no thread");
            assert!(failure.check::<io::Error>().is_some(), "{failure:?}");
            assert_eq!(pool.queued(), 0);
        }
        reactor.call_in_thread(|| ()).expect_err("no thread");
    });
    is_over.store(true, Ordering::Relaxed);
    assert_eq!(
        watching.join().expect("it ends"),
        0,
        "of threads that did not start"
    );
    assert_eq!(pool.threads(), 0);
    let done = reactor.defer_to_thread(|| Ok(7));
    assert_eq!(result_of(&reactor, done).expect("a thread"), 7);
}

#[cfg(target_os = "linux")]
#[test]
fn if_no_other_thread_starts_the_jobs_wait_for_the_one_there_is() {
    if !is_without_room("if_no_other_thread_starts_the_jobs_wait_for_the_one_there_is") {
        return;
    }
    let (reactor, gate) = (reactor(), Gate::new());
    let held = gate.open.lock();
    let first = reactor.defer_to_thread({
        let job = gate.job();
        move || {
            job();
            Ok(0)
        }
    });
    gate.wait_until_one_runs();
    let mut all = vec![first];
    without_new_threads(|| {
        all.extend((1..5).map(|number| reactor.defer_to_thread(move || Ok(number))));
    });
    let pool = reactor.thread_pool().expect("it is there");
    assert_eq!((pool.threads(), pool.queued()), (1, 4));
    drop(held);
    let all = result_of(&reactor, gather_results(all)).expect("all are done");
    assert_eq!(all, [0, 1, 2, 3, 4]);
    assert_eq!(pool.threads(), 1);
}
