//! Several reactors, each in its thread, that stop together.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deferred::Failure;
use reactor::{Cores, ReactorHandle, TcpListenOptions};

use crate::support::{Log, RawRecorder};

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound")
}

#[test]
fn they_share_a_port_and_each_gets_some() {
    let address = free_address();
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let counting = Arc::clone(&counts);
    let cores = Cores::start(2, move |reactor, number| {
        let counting = Arc::clone(&counting);
        reactor.listen_tcp(TcpListenOptions::new(address).reuse_port(true), move || {
            counting[number].fetch_add(1, Ordering::Relaxed);
            RawRecorder::new(&Log::default())
        })?;
        Ok(())
    })
    .expect("they start");
    assert_eq!(cores.remotes().len(), 2);
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut sockets = Vec::new();
    while counts
        .iter()
        .any(|count| count.load(Ordering::Relaxed) == 0)
    {
        assert!(Instant::now() < deadline, "one of them gets nothing");
        sockets.push(TcpStream::connect(address).expect("they listen"));
        std::thread::yield_now();
    }
    cores.stop();
    cores.join().expect("they end in order");
}

#[test]
fn one_that_stops_stops_all() {
    let cores = Cores::start(3, |reactor, number| {
        if number == 1 {
            let handle = reactor.clone();
            reactor.call_later(Duration::from_millis(1), move || {
                handle.stop();
            });
        }
        Ok(())
    });
    let signal = cores.expect("they start").run_until_signal();
    assert!(signal.expect("they end in order").is_none());
}

#[test]
fn one_that_stops_before_the_others_are_up_stops_those_too() {
    for _ in 0..300 {
        let cores = Cores::start(2, |reactor, number| {
            if number == 1 {
                let handle = reactor.clone();
                reactor.call_when_running(move || handle.stop());
            }
            Ok(())
        });
        cores.expect("they start").join().expect("they end");
    }
}

#[test]
fn waiting_for_a_signal_ends_when_all_have_ended_already() {
    for _ in 0..100 {
        let cores = Cores::start(2, |_, _| Ok(())).expect("they start");
        let one = cores.remotes().remove(0);
        let stop = |reactor: &ReactorHandle| reactor.stop();
        one.call_from_thread(stop).expect("it is there");
        let signal = cores.run_until_signal().expect("they end");
        assert!(signal.is_none());
    }
}

/// Panics when it is dropped: by the thread that is the last to have it.
struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("as it should");
    }
}

#[test]
fn whoever_waits_for_a_signal_hears_of_a_thread_that_panicked() {
    let held = PanicsInDrop;
    let cores = Cores::start(2, move |_, _| {
        let _held = &held;
        Ok(())
    });
    let cores = cores.expect("they start");
    let stop = |reactor: &ReactorHandle| reactor.stop();
    let one = cores.remotes().remove(0);
    one.call_from_thread(stop).expect("it is there");
    let ended = cores.run_until_signal();
    let failure = ended.expect_err("a thread panicked");
    assert_eq!(failure.message(), "the thread of a reactor panicked");
}

#[test]
fn one_that_cannot_be_set_up_stops_the_others() {
    let dropped = Arc::new(());
    let held = Arc::clone(&dropped);
    let failed = Cores::start(3, move |_, number| {
        let _held = &held;
        match number {
            2 => Err(Failure::msg("not this one")),
            _ => Ok(()),
        }
    });
    assert_eq!(failed.expect_err("one fails").message(), "not this one");
    assert_eq!(Arc::strong_count(&dropped), 1);
}
