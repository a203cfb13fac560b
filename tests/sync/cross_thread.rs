//! One Deferred, several threads.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use deferred::driver::run_woken;
use deferred::errors::WaitCycle;
use deferred::sync::{Deferred, Trigger};
use deferred::{Cancelled, Failure, TimedOut, VirtualClock, inline_callbacks};

use crate::support::{Count, failure, together, value};

#[test]
fn callbacks_run_on_the_thread_that_fires() {
    let (trigger, deferred) = Deferred::pair();
    let ran_on = deferred.add_callback(|()| Ok(thread::current().id()));
    let firing = thread::spawn(move || {
        trigger.callback(()).unwrap();
        thread::current().id()
    });
    let firing = firing.join().unwrap();
    let here = thread::current().id();
    let ran_on = ran_on.add_callback(move |there| Ok((there, thread::current().id())));
    assert_eq!(value(ran_on), (firing, here));
}

/// A chain that another thread is running: it is in the first callback, and goes on to
/// call `then` when it is let go.
fn being_run<T: Send + 'static>(
    then: impl FnOnce() -> T + Send + 'static,
) -> (Deferred<T>, Running) {
    let (entered, has_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let (trigger, deferred) = Deferred::pair();
    let deferred = deferred.add_callback(move |()| {
        entered.send(()).unwrap();
        let _ = may_leave.recv();
        Ok(then())
    });
    let firing = thread::spawn(move || trigger.callback(()).is_ok());
    has_entered.recv().unwrap();
    (deferred, Running { leave, firing })
}

struct Running {
    leave: mpsc::Sender<()>,
    firing: JoinHandle<bool>,
}

impl Running {
    /// Lets it go on, to its end.
    fn go_on(self) {
        self.leave.send(()).unwrap();
        assert!(self.firing.join().unwrap());
    }
}

#[test]
fn what_is_added_while_another_thread_runs_the_chain_runs_there() {
    let (deferred, running) = being_run(|| thread::current().id());
    let deferred = deferred.add_callback(|first| Ok((first, thread::current().id())));
    running.go_on();
    let (first, second) = value(deferred);
    assert_eq!(first, second);
    assert_ne!(second, thread::current().id());
}

#[test]
fn thousands_that_are_added_while_another_thread_runs_the_chain_run_in_order() {
    let (mut deferred, running) = being_run(|| 0);
    for number in 0..3000 {
        let captured = [number; 5];
        deferred = deferred.add_callback(move |seen| {
            assert_eq!(captured, [seen; 5]);
            Ok(seen + 1)
        });
    }
    running.go_on();
    assert_eq!(value(deferred), 3000);
}

#[test]
fn one_of_many_fires_wins() {
    for _ in 0..200 {
        let wins = Count::new();
        let (trigger, deferred) = Deferred::<usize>::pair();
        let won = wins.clone();
        together(4, move |n| {
            if trigger.clone().callback(n).is_ok() {
                won.add();
            }
        });
        assert_eq!(wins.get(), 1);
        value(deferred);
    }
}

#[test]
fn a_cancel_and_a_fire_at_once() {
    for _ in 0..200 {
        let (trigger, mut deferred) = Deferred::<usize>::pair();
        let handle = deferred.handle();
        together(2, move |n| match n {
            0 => trigger.callback(1).expect("first, or swallowed"),
            _ => handle.cancel(),
        });
        match deferred.into_result().expect("it is over") {
            Ok(value) => assert_eq!(value, 1),
            Err(failure) => assert!(failure.is::<Cancelled>()),
        }
    }
}

#[test]
fn the_last_trigger_to_go_abandons_it_once() {
    for _ in 0..200 {
        let (trigger, deferred) = Deferred::<()>::pair();
        let errbacks = Count::new();
        let count = errbacks.clone();
        let deferred = deferred.add_errback(move |_abandoned| count.add());
        let clones: Vec<_> = (0..4).map(|_| Mutex::new(Some(trigger.clone()))).collect();
        drop(trigger);
        together(4, move |n| drop(clones[n].lock().unwrap().take()));
        assert_eq!(errbacks.get(), 1);
        value(deferred);
    }
}

struct Wakes(Mutex<mpsc::Sender<()>>);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        let _ = self.0.lock().unwrap().send(());
    }
}

#[test]
fn a_waker_is_called_from_the_thread_that_fires() {
    for _ in 0..200 {
        let (woken, wakes) = mpsc::channel();
        let waker = Waker::from(Arc::new(Wakes(Mutex::new(woken))));
        let (trigger, mut deferred) = Deferred::pair();
        let firing = thread::spawn(move || trigger.callback(7).is_ok());
        let mut cx = Context::from_waker(&waker);
        let result = loop {
            match Pin::new(&mut deferred).poll(&mut cx) {
                Poll::Ready(result) => break result,
                Poll::Pending => wakes.recv().expect("it is woken"),
            }
        };
        assert_eq!(result.unwrap(), 7);
        assert!(firing.join().unwrap());
    }
}

#[test]
fn debug_says_that_another_thread_runs_it() {
    let (deferred, running) = being_run(|| ());
    let text = format!("{deferred:?}");
    running.go_on();
    assert!(text.starts_with("Deferred { state: Running, "), "{text}");
    assert!(text.ends_with("stages: (being run) }"), "{text}");
    value(deferred);
}

#[test]
fn a_body_of_one_thread_takes_it_over() {
    let (trigger, shared) = Deferred::pair();
    let local = inline_callbacks(shared).add_callback(|n: i32| Ok((n, thread::current().id())));
    thread::spawn(move || trigger.callback(7))
        .join()
        .unwrap()
        .unwrap();
    let local = local.into_result().expect_err("`run_woken` was not called");
    run_woken();
    let result = local.into_result().expect("it was woken");
    assert_eq!(result.unwrap(), (7, thread::current().id()));
}

#[test]
fn a_body_that_is_cancelled_lets_go_of_it_and_does_not_cancel_it() {
    let (trigger, shared) = Deferred::<i32>::pair();
    let local = inline_callbacks(shared);
    local.cancel();
    assert!(!trigger.is_fired());
    let result = local.into_result().expect("at once");
    assert!(result.unwrap_err().is::<Cancelled>());
}

#[test]
fn one_of_this_thread_gets_its_result_and_passes_a_cancel_on() {
    let (trigger, shared) = Deferred::pair();
    let local = shared.into_local();
    thread::spawn(move || trigger.callback(7))
        .join()
        .unwrap()
        .unwrap();
    run_woken();
    assert_eq!(local.into_result().expect("it was woken").unwrap(), 7);

    let (trigger, shared) = Deferred::<i32>::with_canceller(|trigger: Trigger<i32>| {
        let _ = trigger.errback(Failure::msg("given up"));
    });
    let local = shared.into_local();
    local.cancel();
    assert!(trigger.is_fired());
    assert!(
        local
            .into_result()
            .expect("at once")
            .unwrap_err()
            .is::<Cancelled>()
    );

    let there = deferred::sync::succeed(3).into_local();
    assert_eq!(there.into_result().expect("at once").unwrap(), 3);
}

#[test]
fn a_timeout_of_this_thread_cancels_it() {
    let clock = VirtualClock::new();
    let (trigger, shared) = Deferred::<i32>::pair();
    let local = shared
        .into_local()
        .add_timeout(Duration::from_secs(1), &clock);
    clock.advance(Duration::from_secs(1));
    assert!(trigger.is_fired());
    assert!(
        trigger.callback(1).is_ok(),
        "one that comes too late is swallowed"
    );
    let result = local.into_result().expect("in time");
    assert!(result.unwrap_err().is::<TimedOut>());
}

/// Two chains that each wait for the other, closed by two threads at once.
#[test]
fn a_circle_that_two_threads_close() {
    type End = Mutex<Option<Deferred<()>>>;

    fn link(own: &Arc<End>, other: &Arc<End>, seen: &Count, cycles: &Count) -> Trigger<()> {
        let (other, seen, cycles) = (Arc::clone(other), seen.clone(), cycles.clone());
        let (trigger, deferred) = Deferred::<()>::pair();
        let end = deferred
            .add_callback(move |()| other.lock().unwrap().take().expect("once"))
            .add_both(move |result| {
                seen.add();
                if result.is_err_and(|failure| failure.is::<WaitCycle>()) {
                    cycles.add();
                }
            });
        *own.lock().unwrap() = Some(end);
        trigger
    }

    const ROUNDS: usize = 2_000;
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let (seen, cycles) = (Count::new(), Count::new());
            let (a, b) = (Arc::default(), Arc::default());
            let triggers = [link(&a, &b, &seen, &cycles), link(&b, &a, &seen, &cycles)];
            (triggers, seen, cycles)
        })
        .collect();
    let counts: Vec<_> = rounds
        .iter()
        .map(|(_, seen, cycles)| (seen.clone(), cycles.clone()))
        .collect();
    let each = Barrier::new(2);
    together(2, move |n| {
        for (triggers, _, _) in &rounds {
            each.wait();
            triggers[n].callback(()).unwrap();
        }
    });
    for (seen, cycles) in counts {
        assert_eq!(seen.get(), 2, "both go on, once");
        assert!((1..=2).contains(&cycles.get()), "and it was noticed");
    }
}

#[test]
fn a_chain_of_waiting_ones_is_resumed_by_whoever_fires() {
    let (trigger, mut deferred) = Deferred::pair();
    for _ in 0..10_000 {
        let (start, outer) = Deferred::<()>::pair();
        let inner = std::mem::replace(&mut deferred, Deferred::from(Ok(0)));
        deferred = outer.add_callback(move |()| inner);
        start.callback(()).unwrap();
    }
    let handle = deferred.handle();
    thread::spawn(move || handle.cancel()).join().unwrap();
    assert!(failure(deferred).is::<Cancelled>());
    assert!(trigger.is_fired());
}
