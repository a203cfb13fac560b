//! Waiting for descriptors to be ready: the one place that names `polling`, and
//! the one module of the crate with unsafe code.
//!
//! Descriptors are registered with a `polling::Poller`, once, level-triggered.
//! How they are waited for is a choice: on Linux by a wait of our own on the
//! poller's epoll descriptor ([`epoll`]), anywhere by the poller's wait
//! ([`portable`]), which costs several more system calls a turn. A test reactor
//! asks no system at all: what it waits for is in memory.

#![expect(
    unsafe_code,
    reason = "polling::Poller::add asks for a promise about the descriptor's lifetime"
)]

#[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
mod epoll;
mod portable;
mod registration;
mod waker;

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::registration::Registration;
pub(crate) use self::waker::Waker;
use crate::memory::Network;
pub(crate) use crate::readiness::{Interest, Key, MAX_KEY, Ready, WAKER_KEY};

/// How a reactor waits for its descriptors. (Twisted: the choice of a reactor.)
///
/// # Examples
///
/// ```
/// use reactor::{PollerKind, Reactor};
///
/// let reactor = Reactor::with_poller(PollerKind::Portable)?;
/// # drop(reactor);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PollerKind {
    /// The fastest there is on this system: on Linux one `epoll_wait` a turn,
    /// elsewhere the same as `Portable`.
    #[default]
    Native,
    /// The `polling` crate's own wait, which every system has.
    Portable,
}

/// What a loop waits with.
pub(crate) enum Poll {
    System(System),
    /// A network in memory, which a test's reactor has instead of a system.
    Memory(Rc<Network>),
}

/// The descriptors of the system.
pub(crate) struct System {
    poller: Arc<polling::Poller>,
    waker: Waker,
    #[cfg_attr(
        not(all(target_os = "linux", not(polling_test_poll_backend))),
        expect(dead_code, reason = "there is one way only")
    )]
    kind: PollerKind,
    always_ready: AlwaysReady,
}

/// Those that the system does not wait for, since they never have to wait: regular
/// files. By key, with what they want to hear of.
type AlwaysReady = Rc<RefCell<Vec<(Key, Interest)>>>;

/// Room for the events of one wait.
#[derive(Default)]
pub(crate) struct Events {
    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    epoll: epoll::Events,
    portable: portable::Events,
    /// What anybody but epoll has told.
    others: Vec<(Key, Ready)>,
}

impl Events {
    /// What epoll has told.
    #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
    #[inline]
    pub(crate) fn of_epoll(&self) -> impl ExactSizeIterator<Item = (Key, Ready)> {
        self.epoll.iter()
    }

    /// There is none.
    #[cfg(not(all(target_os = "linux", not(polling_test_poll_backend))))]
    pub(crate) fn of_epoll(&self) -> impl ExactSizeIterator<Item = (Key, Ready)> {
        std::iter::empty()
    }

    /// What anybody else has.
    #[inline]
    pub(crate) fn of_others(&self) -> impl ExactSizeIterator<Item = (Key, Ready)> {
        self.others.iter().copied()
    }
}

impl Poll {
    /// The descriptors of the system, waited for as `kind` says.
    pub(crate) fn new(kind: PollerKind) -> io::Result<Self> {
        let poller = Arc::new(polling::Poller::new()?);
        if !poller.supports_level() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "this system's poller knows no level-triggered mode",
            ));
        }
        let waker = Waker::new(&poller, kind)?;
        Ok(Self::System(System {
            poller,
            waker,
            kind,
            always_ready: AlwaysReady::default(),
        }))
    }

    /// What wakes the loop from any thread.
    pub(crate) fn waker(&self) -> Waker {
        match self {
            Self::System(system) => system.waker.clone(),
            // It never sleeps.
            Self::Memory(_) => Waker::NONE,
        }
    }

    /// The event of [`WAKER_KEY`] was seen.
    pub(crate) fn clear_waker(&self) {
        if let Self::System(system) = self {
            system.waker.clear();
        }
    }

    /// Waits until something is ready, the loop is woken, or `timeout` is over.
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
        debug_assert!(key <= MAX_KEY);
        match self {
            Self::System(system) => {
                let poller = Arc::clone(&system.poller);
                Registration::new(poller, &system.always_ready, descriptor, key, interest)
            }
            Self::Memory(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "a test reactor has its network in memory, and watches no descriptors",
            )),
        }
    }

    /// The network of a test's reactor.
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
        if !self.always_ready.borrow().is_empty() {
            timeout = self.add_always_ready(&mut events.others, timeout);
        }
        #[cfg(all(target_os = "linux", not(polling_test_poll_backend)))]
        if self.kind == PollerKind::Native {
            return epoll::wait(&self.poller, &mut events.epoll, timeout);
        }
        portable::wait(
            &self.poller,
            &mut events.portable,
            &mut events.others,
            timeout,
        )
    }

    /// Adds those that need not be waited for; gives how long to wait then.
    #[cold]
    fn add_always_ready(
        &self,
        ready: &mut Vec<(Key, Ready)>,
        timeout: Option<Duration>,
    ) -> Option<Duration> {
        let always_ready = self.always_ready.borrow();
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
