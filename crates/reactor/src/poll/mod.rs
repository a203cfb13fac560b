//! Poller: waits for descriptors to be ready. No other module uses the crate `polling`.
//!
//! A descriptor is registered with a `polling::Poller` once, level-triggered. There are two ways to
//! wait ([`PollerKind`]): [`epoll`], on Linux only, makes one `epoll_wait` on the poller's own
//! descriptor; [`portable`], on every system, calls `Poller::wait`, which makes four more system
//! calls in each turn on Linux. A test reactor makes no system call, because its network is in
//! memory.
//!
//! The attributes `cfg(all(target_os = "linux", not(polling_test_poll_backend)))` mark the code for
//! `epoll`. `polling_test_poll_backend` is a flag of the crate `polling`, which makes it use `poll`
//! on Linux, too, so that the portable way can be tested there.

#![expect(
    unsafe_code,
    reason = "polling::Poller::add asks for a promise about the descriptor's lifetime"
)]

#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
mod epoll;
mod kind;
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
mod own;
mod portable;
mod registration;
mod registrations;
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
mod timer;
mod waker;

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub use self::kind::PollerKind;
pub(crate) use self::registration::Registration;
use self::registrations::Registrations;
pub(crate) use self::waker::{Entered, Waker, is_any_turning, is_woken, mark_woken, take_woken};
use crate::memory::Network;
#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
pub(crate) use crate::readiness::TIMER_KEY;
pub(crate) use crate::readiness::{Interest, Key, MAX_KEY, Ready, WAKER_KEY};

/// Source of the readiness events of a loop.
pub(crate) enum Poll {
    System(System),
    /// The simulated network of a test reactor.
    Memory(Rc<Network>),
}

/// Poller of the operating system, with the descriptors of a loop.
pub(crate) struct System {
    shared: Rc<Registrations>,
    waker: Waker,
    #[cfg_attr(
        not(all(target_os = "linux", not(polling_test_poll_backend))),
        expect(dead_code, reason = "there is one way only")
    )]
    kind: PollerKind,
    /// Ends a wait when a delayed call is due. `None` if the kind is `Portable`, or if the process
    /// had no descriptor left for it; then each wait has a timeout instead.
    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    timer: Option<timer::Timer>,
}

/// Room for the events of one wait.
#[derive(Default)]
pub(crate) struct Events {
    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    epoll: epoll::Events,
    portable: portable::Events,
    /// Events of the portable wait, of regular files, and of the memory network.
    others: Vec<(Key, Ready)>,
}

impl Events {
    /// The events that `epoll_wait` returned.
    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    #[inline]
    pub(crate) fn of_epoll(&self) -> impl ExactSizeIterator<Item = (Key, Ready)> {
        self.epoll.iter()
    }

    /// None, because this system has no epoll.
    #[cfg(not(all(target_os = "linux", not(polling_test_poll_backend))))]
    pub(crate) fn of_epoll(&self) -> impl ExactSizeIterator<Item = (Key, Ready)> {
        std::iter::empty()
    }

    /// The events in `others`.
    #[inline]
    pub(crate) fn of_others(&self) -> impl ExactSizeIterator<Item = (Key, Ready)> {
        self.others.iter().copied()
    }
}

impl Poll {
    /// A poller of the operating system, which waits in the way that `kind` names.
    pub(crate) fn new(kind: PollerKind) -> io::Result<Self> {
        let poller = Arc::new(polling::Poller::new()?);
        // Required, because sources read a bounded number of times per event, and rely on a further
        // event for the rest.
        if !poller.supports_level() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system's poller knows no level-triggered mode",
            ));
        }
        let waker = Waker::new(&poller, kind)?;
        Ok(Self::System(System {
            #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
            timer: (kind == PollerKind::Native)
                // Errs if the process has no descriptor left; then waits have timeouts instead.
                .then(|| timer::Timer::new(&poller).ok())
                .flatten(),
            shared: Registrations::new(poller),
            waker,
            kind,
        }))
    }

    /// Handle that wakes the loop from any thread.
    pub(crate) fn waker(&self) -> Waker {
        match self {
            Self::System(system) => system.waker.clone(),
            // A wait on the simulated network never sleeps.
            Self::Memory(_) => Waker::NONE,
        }
    }

    /// Handles an event whose key is not that of a source: an event of the waker or the timer.
    #[cold]
    pub(crate) fn own_event(&self, key: Key) {
        match (self, key) {
            // `clear` reads the descriptor before the mark is set, so no wake is lost: one that
            // comes after the read makes the descriptor ready again.
            (Self::System(system), WAKER_KEY) => {
                system.waker.clear();
                mark_woken();
            }
            #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
            (Self::System(system), TIMER_KEY) => {
                if let Some(timer) = &system.timer {
                    timer.has_fired();
                }
            }
            // The key of a source that an earlier event of the same wait has removed.
            _ => {}
        }
    }

    /// Whether a wake may end a wait without an event of the waker. Then the loop has to look for
    /// work after each wait.
    #[inline]
    pub(crate) fn hides_wakes(&self) -> bool {
        match self {
            #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
            // `Poller::wait` clears its notifier, and returns no event of it.
            Self::System(system) => system.kind != PollerKind::Native,
            _ => true,
        }
    }

    /// Whether the timer ends a wait at `time` on the loop's clock, or before. Else the wait needs
    /// a timeout.
    #[inline]
    pub(crate) fn ends_by(&self, time: Duration) -> bool {
        match self {
            #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
            Self::System(system) => match &system.timer {
                Some(timer) => timer.fires_by(time),
                None => false,
            },
            _ => {
                // Used on Linux only.
                let _ = time;
                false
            }
        }
    }

    /// Sets the timer to end a wait at `time` on the loop's clock, which is `delay` from now.
    /// Returns whether it did; if not, the wait needs a timeout.
    pub(crate) fn end_at(&self, time: Duration, delay: Duration) -> bool {
        match self {
            #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
            Self::System(system) => match &system.timer {
                Some(timer) => timer.set(time, delay).is_ok(),
                None => false,
            },
            _ => {
                // Used on Linux only.
                let _ = (time, delay);
                false
            }
        }
    }

    /// Waits until a descriptor is ready, the loop is woken, or `timeout` has passed.
    #[inline]
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::System(system) => system.wait(events, timeout),
            Self::Memory(network) => {
                events.others.clear();
                network.collect_ready(&mut events.others);
                Ok(())
            }
        }
    }

    /// Registers `descriptor`, which the registration then owns.
    pub(crate) fn register(
        &self,
        descriptor: OwnedFd,
        key: Key,
        interest: Interest,
    ) -> io::Result<Registration> {
        // The keys above are those of the waker and the timer.
        debug_assert!(key <= MAX_KEY);
        // The poller is shared with the parent process, which would get events of this descriptor.
        if self.is_of_other_process() {
            return Err(io::Error::other(
                "the reactor belongs to the process that this one was forked from",
            ));
        }
        match self {
            Self::System(system) => {
                Registration::new(Rc::clone(&system.shared), descriptor, key, interest)
            }
            Self::Memory(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a test reactor has its network in memory, and watches no descriptors",
            )),
        }
    }

    /// Whether this process was forked from the one that made the poller.
    #[inline]
    pub(crate) fn is_of_other_process(&self) -> bool {
        match self {
            Self::System(system) => !system.shared.home.is_current(),
            Self::Memory(_) => false,
        }
    }

    /// Calls `f` once, after the next close of a registered descriptor. Used by a port that has
    /// found no free descriptor (`EMFILE`), and tries again then. Any code of the loop may close a
    /// descriptor, so `f` must only queue work.
    pub(crate) fn after_close(&self, f: impl FnOnce() + 'static) {
        // A test's network never runs out of descriptors, so nothing waits for one there.
        if let Self::System(system) = self {
            system.shared.after_close.borrow_mut().push(Box::new(f));
        }
    }

    /// The simulated network of a test reactor.
    pub(crate) fn network(&self) -> Option<&Rc<Network>> {
        match self {
            Self::System(_) => None,
            Self::Memory(network) => Some(network),
        }
    }
}

impl System {
    #[inline]
    fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.others.clear();
        let mut timeout = timeout;
        // Regular files, which `epoll` refuses, are always ready. A loop that watches none has only
        // the cost of this test.
        if !self.shared.always_ready.borrow().is_empty() {
            timeout = self.add_always_ready(&mut events.others, timeout);
        }
        #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
        if self.kind == PollerKind::Native {
            return epoll::wait(&self.shared.poller, &mut events.epoll, timeout);
        }
        portable::wait(
            &self.shared.poller,
            &mut events.portable,
            &mut events.others,
            timeout,
        )
    }

    /// Adds the events of descriptors that are always ready. Returns the timeout for the wait: zero
    /// if there is such an event, so that the wait only collects the events of the other
    /// descriptors.
    #[cold]
    fn add_always_ready(
        &self,
        ready: &mut Vec<(Key, Ready)>,
        timeout: Option<Duration>,
    ) -> Option<Duration> {
        let always_ready = self.shared.always_ready.borrow();
        for &(key, interest) in always_ready.iter() {
            let Interest { readable, writable } = interest;
            if readable || writable {
                ready.push((key, Ready::new(readable, writable, false)));
            }
        }
        if ready.is_empty() {
            timeout
        } else {
            Some(Duration::ZERO)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write, pipe};

    use super::*;

    const KEY: Key = 7;
    const NOW: Option<Duration> = Some(Duration::ZERO);

    fn polls() -> [Poll; 2] {
        [PollerKind::Native, PollerKind::Portable].map(|kind| Poll::new(kind).expect("descriptors"))
    }

    /// The events that a wait returns for the key of these tests.
    fn ready(poll: &Poll, timeout: Option<Duration>) -> Option<Ready> {
        let mut events = Events::default();
        poll.wait(&mut events, timeout).expect("it waits");
        let found = events.of_epoll().chain(events.of_others());
        found
            .filter(|(key, _)| *key == KEY)
            .map(|(_, ready)| ready)
            .next()
    }

    #[test]
    fn a_registration_gives_events_of_its_interest_as_long_as_it_is_not_masked() {
        for poll in polls() {
            let (mut reader, mut writer) = pipe().expect("a pipe");
            let copy = reader.try_clone().expect("a copy").into();
            let registration = poll
                .register(copy, KEY, Interest::READABLE)
                .expect("it is new");
            assert_eq!(ready(&poll, NOW), None);
            writer.write_all(b"x").expect("there is room");
            // Level-triggered: each wait reports it again.
            assert_eq!(ready(&poll, NOW), Some(Ready::READABLE));
            assert_eq!(ready(&poll, NOW), Some(Ready::READABLE));
            registration.mask().expect("it is registered");
            assert!(registration.is_masked());
            assert_eq!(ready(&poll, NOW), None);
            registration
                .set_interest(Interest::READABLE)
                .expect("it comes back");
            assert_eq!(ready(&poll, NOW), Some(Ready::READABLE));
            reader.read_exact(&mut [0]).expect("it was written");
            assert_eq!(ready(&poll, NOW), None);
        }
    }

    #[test]
    fn a_dropped_registration_has_left_the_poller_though_its_description_lives_on() {
        for poll in polls() {
            let (reader, mut writer) = pipe().expect("a pipe");
            let copy: OwnedFd = reader.try_clone().expect("a copy").into();
            let registration = poll
                .register(copy, KEY, Interest::READABLE)
                .expect("it is new");
            writer.write_all(b"x").expect("there is room");
            drop(registration);
            assert_eq!(ready(&poll, NOW), None);

            let registration = poll.register(reader.into(), KEY, Interest::READABLE);
            let given_back = registration.expect("it is new").into_descriptor();
            assert_eq!(ready(&poll, NOW), None);
            drop(given_back);
        }
    }

    #[test]
    fn a_regular_file_is_always_ready_for_what_is_asked() {
        for poll in polls() {
            let file = File::open("Cargo.toml").expect("the manifest").into();
            let registration = poll
                .register(file, KEY, Interest::READABLE)
                .expect("it is new");
            assert!(
                ready(&poll, None).is_some_and(Ready::is_readable),
                "it does not wait"
            );
            registration
                .set_interest(Interest::WRITABLE)
                .expect("no call to the system");
            let now = ready(&poll, None).expect("it does not wait");
            assert!(now.is_writable() && !now.is_readable());
            registration.mask().expect("no call to the system");
            assert_eq!(ready(&poll, NOW), None);
        }
    }

    #[test]
    fn a_close_is_told_once() {
        let [poll, _] = polls();
        let count = Rc::new(std::cell::Cell::new(0));
        let counting = Rc::clone(&count);
        poll.after_close(move || counting.set(counting.get() + 1));
        for _ in 0..2 {
            let (reader, _writer) = pipe().expect("a pipe");
            drop(poll.register(reader.into(), KEY, Interest::READABLE));
        }
        assert_eq!(count.get(), 1);
    }

    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    #[test]
    fn the_timer_ends_a_wait_and_is_to_be_set_again() {
        let poll = Poll::new(PollerKind::Native).expect("descriptors");
        let (soon, late) = (Duration::from_millis(1), Duration::from_secs(3600));
        assert!(!poll.ends_by(late), "it is not set");
        assert!(poll.end_at(late, late) && poll.ends_by(late));
        assert!(!poll.ends_by(soon), "it fires too late for that");
        assert!(poll.end_at(soon, soon) && poll.ends_by(soon) && poll.ends_by(late));
        let mut events = Events::default();
        poll.wait(&mut events, None).expect("it waits");
        let keys: Vec<_> = events.of_epoll().map(|(key, _)| key).collect();
        assert_eq!(keys, [TIMER_KEY]);
        poll.own_event(TIMER_KEY);
        assert!(!poll.ends_by(late), "it has fired");
    }

    #[test]
    fn a_wake_from_another_thread_ends_a_wait_and_marks_the_loop() {
        for poll in polls() {
            let waker = poll.waker();
            take_woken();
            let thread = std::thread::spawn(move || waker.wake());
            let mut events = Events::default();
            poll.wait(&mut events, None).expect("it waits");
            for (key, _) in events.of_epoll().chain(events.of_others()) {
                poll.own_event(key);
            }
            assert!(take_woken() || poll.hides_wakes());
            thread.join().expect("no panic");
            assert_eq!(ready(&poll, NOW), None);
        }
    }
}
