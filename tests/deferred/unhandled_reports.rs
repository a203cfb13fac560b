//! Where reports of unhandled failures go: hooks that fail themselves, captures of all
//! threads, the log and its fields.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use deferred::assertions::{
    capture_unhandled, capture_unhandled_anywhere, with_no_unhandled, with_no_unhandled_anywhere,
};
use deferred::unhandled;
use deferred::{Deferred, Failure, Panicked, fail, gather_results, race, succeed};
use tracing::subscriber::with_default;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Coded, code};
use crate::testing::{Bomb, message};

/// Lock of the tests that set the hook of the whole process or capture the failures of all threads,
/// and of those that read the log, which then gets none.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was logged, as text.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Logged {
    /// What is logged on this thread while `body` runs, by lines; without the backtraces
    /// that `RUST_BACKTRACE` adds.
    fn during(body: impl FnOnce()) -> Vec<String> {
        let logged = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(logged.clone())
            .with_ansi(false)
            .without_time()
            .with_max_level(tracing::Level::DEBUG)
            .finish();
        with_default(subscriber, body);
        let bytes = logged.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        let mut is_backtrace = false;
        let lines = text.lines().filter_map(|line| {
            is_backtrace &= !["ERROR", " WARN", " INFO", "DEBUG"]
                .iter()
                .any(|level| line.starts_with(level));
            if is_backtrace {
                return None;
            }
            let before = line.split_once(" backtrace=").map(|(before, _)| before);
            is_backtrace = before.is_some();
            Some(before.unwrap_or(line).to_owned())
        });
        lines.collect()
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Logged {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn a_hook_of_the_thread_that_leaves_a_failure_itself() {
    let _alone = alone();
    let calls = Rc::new(Cell::new(0));
    let counter = Rc::clone(&calls);
    let lines = Logged::during(|| {
        let hook = move |_: &unhandled::Unhandled| {
            counter.set(counter.get() + 1);
            drop(fail::<()>(Coded(2)));
        };
        unhandled::with_hook(hook, || {
            drop(fail::<()>(Coded(1)));
            let (trigger, deferred) = Deferred::<()>::pair();
            deferred.detach();
            trigger.errback(Coded(1)).unwrap();
        });
    });
    assert_eq!(calls.get(), 2);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains("error=error 2")));
}

#[test]
fn a_hook_of_the_process_that_leaves_a_failure_itself() {
    let _alone = alone();
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let here = thread::current().id();
    unhandled::set_hook(move |_| {
        if thread::current().id() == here {
            counter.fetch_add(1, Ordering::Relaxed);
            drop(fail::<()>(Coded(2)));
        }
    });
    let lines = Logged::during(|| drop(fail::<()>(Coded(1))));
    unhandled::reset_hook();
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("error=error 2"), "{lines:?}");
}

#[test]
fn a_hook_inside_of_a_hook_is_called() {
    let told = Rc::new(Cell::new(0));
    let sink = Rc::clone(&told);
    let hook = move |_: &unhandled::Unhandled| {
        let ((), captured) = capture_unhandled(|| drop(fail::<()>(Coded(2))));
        sink.set(code(captured[0].failure()));
    };
    unhandled::with_hook(hook, || drop(fail::<()>(Coded(1))));
    assert_eq!(told.get(), 2);
}

/// An error that leaves a failure unhandled when it is printed.
#[derive(Debug)]
struct Leaky;

impl fmt::Display for Leaky {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        drop(fail::<()>(Self));
        f.write_str("leaky")
    }
}

impl Error for Leaky {}

#[test]
fn an_error_that_leaves_a_failure_when_it_is_logged() {
    let _alone = alone();
    let lines = Logged::during(|| drop(fail::<()>(Leaky)));
    assert!(lines[0].contains("error=leaky"), "{lines:?}");
}

#[test]
fn the_log_has_fields_and_one_record() {
    let _alone = alone();
    let (made, raised) = (line!() + 3, line!() + 5);
    let lines = Logged::during(|| {
        // The chain, and its failure.
        let (trigger, deferred) = Deferred::<()>::pair();
        let added = deferred.add_callback(|()| Ok(())).add_callback(|()| Ok(()));
        trigger.errback(Coded(7)).unwrap();
        drop(added);
        trigger.callback(()).unwrap_err();
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    let file = file!();
    for part in [
        "ERROR",
        "deferred: unhandled failure in a deferred",
        "error=error 7",
        &format!("raised_at={file}:{raised}:"),
        &format!("made_at={file}:{made}:"),
        &format!("stage_trace={file}:{}:", raised - 1),
    ] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }

    let lines = Logged::during(|| {
        let mut deferred = fail::<()>(Coded(8));
        for _ in 0..20 {
            deferred = deferred.add_callback(|()| Ok(()));
        }
        drop(deferred);
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains(", (12 more), "), "{lines:?}");
    assert!(!lines[0].contains("made_at"), "it never had to wait");

    let lines = Logged::during(|| {
        let (trigger, deferred) = Deferred::<()>::pair();
        drop(deferred);
        drop(trigger);
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("DEBUG") && lines[0].contains("error=the deferred was abandoned"));
}

#[test]
fn what_was_logged_on_purpose_has_one_record() {
    let _alone = alone();
    let (report_of, pass) = (Coded(1), Coded(2));
    let lines = Logged::during(|| {
        fail::<()>(report_of).log_error().detach();
        let (trigger, deferred) = Deferred::<()>::pair();
        deferred
            .log_error()
            .add_callback(|()| Ok(()))
            .add_errback(|failure| {
                let clone = failure.clone();
                drop(failure);
                Err::<(), _>(clone)
            })
            .log_error()
            .ignore();
        trigger.errback(pass).unwrap();
    });
    // The second has two, since it was asked for twice.
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains("ERROR") && lines[0].contains("error=error 1"));
    assert!(lines[0].contains("logged_by=") && lines[0].contains("raised_at="));
}

#[test]
fn what_was_logged_on_purpose_is_handled() {
    let logged = |n| fail::<()>(Coded(n)).log_error();
    with_no_unhandled(|| {
        logged(1).detach();
        drop(logged(2));
        logged(3).add_errback(Err::<(), _>).detach();
        let (trigger, deferred) = Deferred::<()>::pair();
        deferred.log_error().detach();
        trigger.errback(Coded(4)).unwrap();
        // What is made of it as a whole, too.
        gather_results([logged(5)]).detach();
        gather_results([succeed(()), logged(6), logged(7)]).detach();
        race([logged(8), logged(9)]).detach();
        succeed(()).add_callback(move |()| logged(10)).detach();
    });
    // Not what comes after it.
    let ((), unhandled) = capture_unhandled(|| {
        logged(1)
            .add_errback(|_| Err::<(), _>(Failure::new(Coded(2))))
            .detach();
        race([logged(3), fail(Coded(4))]).detach();
        fail::<()>(Coded(5))
            .add_errback(|failure| {
                let _other = Failure::new(Coded(6));
                Err::<(), _>(failure)
            })
            .detach();
    });
    assert_eq!(unhandled.len(), 3);
    assert_eq!(code(unhandled[0].failure()), 2);
    assert_eq!(code(unhandled[2].failure()), 5);
}

#[test]
fn failures_of_other_threads() {
    let _alone = alone();
    let from_threads = || {
        drop(fail::<()>(Coded(40)));
        let threads = [41, 42].map(|n| thread::spawn(move || drop(fail::<()>(Coded(n)))));
        for thread in threads {
            thread.join().unwrap();
        }
        // One that has a hook of its own keeps it.
        let ((), own) = thread::spawn(|| capture_unhandled(|| drop(fail::<()>(Coded(43)))))
            .join()
            .unwrap();
        assert_eq!(own.len(), 1);
    };
    let ((), of_this_thread) = capture_unhandled(from_threads);
    assert_eq!(of_this_thread.len(), 1);

    // There are other tests at the same time.
    let (((), captured), outer) =
        capture_unhandled_anywhere(|| capture_unhandled_anywhere(from_threads));
    let codes = |captured: &[unhandled::Unhandled]| {
        let codes = captured.iter().filter_map(|unhandled| {
            let Coded(code) = unhandled.failure().downcast_ref()?;
            (40..50).contains(code).then_some(*code)
        });
        let mut codes: Vec<_> = codes.collect();
        codes.sort_unstable();
        codes
    };
    assert_eq!(codes(&captured), [40, 41, 42]);
    assert_eq!(
        codes(&outer),
        [41, 42],
        "what another one on this thread has not seen"
    );

    let body = || {
        with_no_unhandled_anywhere(|| {
            let worker = thread::spawn(|| drop(fail::<()>(Coded(44))));
            worker.join().unwrap();
        });
    };
    let payload = std::panic::catch_unwind(body).expect_err("one was left");
    let message = Panicked::from_payload(payload).message().to_owned();
    assert!(message.contains("error 44"), "{message}");

    // And it is over with that.
    let lines = Logged::during(|| drop(fail::<()>(Coded(45))));
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn a_body_that_panics_drops_what_was_captured_of_all_threads() {
    let _alone = alone();
    let drops = Arc::new(AtomicUsize::new(0));
    let lose_two = || {
        for _ in 0..2 {
            drop(fail::<()>(Bomb(Arc::clone(&drops))));
        }
    };
    let panics = || {
        lose_two();
        panic!("in the body");
    };
    let said = message(|| drop(capture_unhandled_anywhere(panics)));
    assert_eq!(said, "in the body");
    let said = message(|| with_no_unhandled_anywhere(lose_two));
    assert!(said.contains("2. "), "{said}");
    assert_eq!(drops.load(Ordering::Relaxed), 4);
}
