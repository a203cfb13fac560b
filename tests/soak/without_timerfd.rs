//! A reactor that was made with the last descriptors of its process, none of which was left
//! for its timer.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use deferred::sleep;
use reactor::Reactor;
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::support::is_own_process;

const NAME: &str = "without_timerfd::delayed_calls_are_made_all_the_same";

/// What a reactor needs, but for its timer.
const NEEDED: usize = 4;

fn timers() -> usize {
    let entries = fs::read_dir("/proc/self/fd").expect("it is there");
    let is_timer = |path: &Path| {
        let target = fs::read_link(path).unwrap_or_default();
        target.as_os_str() == "anon_inode:[timerfd]"
    };
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|entry| is_timer(&entry.path())))
        .count()
}

/// A reactor that is made when so many descriptors are left.
fn reactor_of(left: usize) -> std::io::Result<Reactor> {
    let null = File::open("/dev/null").expect("it is there");
    let mut all: Vec<File> = Vec::new();
    while let Ok(file) = null.try_clone() {
        all.push(file);
    }
    all.truncate(all.len() - left);
    Reactor::new()
}

#[test]
fn delayed_calls_are_made_all_the_same() {
    if !is_own_process(NAME) {
        return;
    }
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = Some(64);
    setrlimit(Resource::Nofile, limit).expect("it may be lowered");
    assert!(reactor_of(NEEDED - 1).is_err());
    assert_eq!(timers(), 0);

    let with = reactor_of(NEEDED + 1).expect("there are enough");
    assert_eq!(timers(), 2, "one of it is the poller's");
    let without = reactor_of(NEEDED).expect("there are enough");
    assert_eq!(timers(), 3);
    for reactor in [&with, &without] {
        let hour = reactor.call_later(Duration::from_secs(3600), || ());
        for micros in [0, 1, 1100, 5000] {
            let delay = Duration::from_micros(micros);
            let due = reactor.now() + delay;
            let sleeping = sleep(reactor, delay);
            reactor.block_on(sleeping).expect("it is called");
            assert!(reactor.now() >= due);
        }
        assert!(hour.cancel(), "it waits");
        let before = reactor.now();
        reactor
            .turn(Some(Duration::from_millis(5)))
            .expect("it turns");
        assert!(reactor.now() - before >= Duration::from_millis(5));
    }
}
