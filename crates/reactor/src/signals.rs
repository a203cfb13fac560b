//! `run_until_signal`: runs a loop until SIGINT or SIGTERM stops it.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::rc::Rc;

use signal_hook::consts::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2,
};
use signal_hook::low_level;

use crate::core::Core;
use crate::error::RunError;
use crate::handle::ReactorHandle;
use crate::poll::{Interest, Key, Ready, Registration};
use crate::reactor::Reactor;
use crate::registry::EventSource;
use crate::sys::StopSignals;

/// A signal: the result of [`Reactor::run_until_signal`], or an argument of
/// [`Process::signal`](crate::Process::signal), which sends it to a child process.
///
/// # Examples
///
/// ```
/// use reactor::Signal;
///
/// assert_eq!(Signal::KILL.number(), 9);
/// assert_eq!(Signal::from_number(15).to_string(), "SIGTERM");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal(i32);

impl Signal {
    /// The terminal was closed. Many servers read their configuration again at this signal.
    pub const HUP: Self = Self(SIGHUP);
    /// Ctrl-C was pressed.
    pub const INT: Self = Self(SIGINT);
    /// Ctrl-\\ was pressed.
    pub const QUIT: Self = Self(SIGQUIT);
    /// Kills a process, which cannot catch or ignore the signal.
    pub const KILL: Self = Self(SIGKILL);
    /// Asks a process to end.
    pub const TERM: Self = Self(SIGTERM);
    /// A timer of `alarm(2)` has expired.
    pub const ALRM: Self = Self(SIGALRM);
    /// For any purpose of a program.
    pub const USR1: Self = Self(SIGUSR1);
    /// For any purpose of a program.
    pub const USR2: Self = Self(SIGUSR2);
    /// Suspends a process, which cannot catch or ignore the signal.
    pub const STOP: Self = Self(SIGSTOP);
    /// Resumes a suspended process.
    pub const CONT: Self = Self(SIGCONT);

    /// The signal with this number, even if this system does not have it.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::Signal;
    ///
    /// assert_eq!(Signal::from_number(9), Signal::KILL);
    /// assert_eq!(Signal::from_number(1234).to_string(), "signal 1234");
    /// ```
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// The number of the signal: 2 for SIGINT, 15 for SIGTERM.
    pub fn number(self) -> i32 {
        self.0
    }

    /// The conventional exit code of a program that this signal has ended: 128 plus the number of
    /// the signal.
    ///
    /// # Examples
    ///
    /// A program whose exit code tells which signal has ended it:
    ///
    /// ```
    /// use reactor::Signal;
    /// use std::process::ExitCode;
    ///
    /// fn exit_code(ended_by: Option<Signal>) -> ExitCode {
    ///     ended_by.map_or(ExitCode::SUCCESS, Signal::exit_code)
    /// }
    ///
    /// assert_eq!(exit_code(Some(Signal::TERM)), ExitCode::from(143));
    /// ```
    pub fn exit_code(self) -> ExitCode {
        // As shells report it. Signal numbers are less than 128, so neither the cast nor the sum
        // wraps.
        ExitCode::from(128_u8.wrapping_add(self.0 as u8))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match low_level::signal_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Reactor {
    /// Runs until [`stop`](ReactorHandle::stop) is called, or the process
    /// gets SIGINT (Ctrl-C) or SIGTERM.
    ///
    /// The first of these signals [stops](ReactorHandle::stop) the reactor. A second one ends the
    /// process at once, with the exit code 128 plus its number, even if the loop is blocked. Before
    /// and after this method runs, the signals have their default action, which ends the process.
    ///
    /// Returns the signal, or `None` if `stop` was called without one.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run), and if the signal handlers cannot be installed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use reactor::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// // … listen …
    /// if let Some(signal) = reactor.run_until_signal()? {
    ///     println!("stopped by {signal}");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "ctrl_c")]
    #[doc(alias = "SIGTERM")]
    pub fn run_until_signal(&self) -> Result<Option<Signal>, RunError> {
        if self.owned_core().is_turning() {
            return Err(RunError::AlreadyRunning);
        }
        let watch = Watch::start(self)?;
        self.run()?;
        Ok(watch.signal())
    }
}

/// Guard: while it lives, SIGINT and SIGTERM stop a loop. The fields are dropped in their order, so
/// the handlers are removed before the socket pair to which they write is closed.
pub(crate) struct Watch {
    signals: StopSignals,
    _source: Registered,
}

impl Watch {
    pub(crate) fn start(reactor: &ReactorHandle) -> Result<Self, RunError> {
        Ok(Self::attach(StopSignals::enter()?, reactor)?)
    }

    /// Makes the signals stop `reactor`: future ones, and one that has arrived since
    /// `StopSignals::enter`.
    fn attach(mut signals: StopSignals, reactor: &ReactorHandle) -> io::Result<Self> {
        let core = reactor.core().map_err(io::Error::other)?;
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let registration = core.register(OwnedFd::from(reader), Interest::READABLE)?;
        let key = registration.key();
        core.insert(Rc::new(SignalSource {
            registration: RefCell::new(Some(registration)),
            reactor: reactor.clone(),
        }));
        // Made before the handlers, so that its drop removes the source if a handler cannot be
        // installed.
        let source = Registered { core, key };
        signals.install(writer)?;
        Ok(Self {
            signals,
            _source: source,
        })
    }

    pub(crate) fn signal(&self) -> Option<Signal> {
        self.signals.received().map(Signal)
    }
}

/// Guard of the source in the registry; the drop removes the source.
struct Registered {
    core: Rc<Core>,
    key: Key,
}

impl Drop for Registered {
    fn drop(&mut self) {
        drop(self.core.registry.remove(self.key));
    }
}

/// Event source of the socket to whose other end the handlers write. It stops the loop.
struct SignalSource {
    registration: RefCell<Option<Registration>>,
    reactor: ReactorHandle,
}

impl EventSource for SignalSource {
    fn ready(self: Rc<Self>, _ready: Ready) {
        if let Some(registration) = &*self.registration.borrow() {
            // Read until it is empty, so that it is not ready in each turn of the shutdown. Errs
            // only if there are no bytes; later bytes make it ready again.
            let _ = rustix::io::read(registration, &mut [0_u8; 64]);
        }
        self.reactor.stop();
    }

    fn shut_down(self: Rc<Self>) {
        drop(self.registration.take());
    }

    fn is_internal(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_signal_that_comes_before_the_handlers_are_installed_stops_the_loop() {
        let reactor = Reactor::new().expect("descriptors");
        let signals = StopSignals::enter().expect("the signals can be recorded");
        low_level::raise(SIGTERM).expect("a signal to this process");
        let watch = Watch::attach(signals, &reactor).expect("the handlers can be installed");
        let handle = reactor.handle();
        reactor.call_later(Duration::from_secs(30), move || handle.crash());
        reactor.run().expect("it runs");
        assert_eq!(watch.signal(), Some(Signal::TERM));
        assert_eq!(
            reactor.counters().delayed_calls,
            0,
            "it was stopped at once"
        );
    }
}
