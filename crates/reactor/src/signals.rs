//! `run_until_signal`: a loop that SIGINT or SIGTERM stops.

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

/// A signal: one that ended [`Reactor::run_until_signal`], or one that is sent to a
/// child, with [`Process::signal`](crate::Process::signal).
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
    /// The terminal is gone; for many, the request to read their settings again.
    pub const HUP: Self = Self(SIGHUP);
    /// Ctrl-C was pressed.
    pub const INT: Self = Self(SIGINT);
    /// Ctrl-\\ was pressed.
    pub const QUIT: Self = Self(SIGQUIT);
    /// Ends a process, which can do nothing about it.
    pub const KILL: Self = Self(SIGKILL);
    /// Asks a process to end.
    pub const TERM: Self = Self(SIGTERM);
    /// An alarm has gone off.
    pub const ALRM: Self = Self(SIGALRM);
    /// For a process to use as it likes.
    pub const USR1: Self = Self(SIGUSR1);
    /// For a process to use as it likes.
    pub const USR2: Self = Self(SIGUSR2);
    /// Halts a process, which can do nothing about it.
    pub const STOP: Self = Self(SIGSTOP);
    /// Lets a halted process go on.
    pub const CONT: Self = Self(SIGCONT);

    /// The one of this number, whether or not this system has it.
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

    /// Its number: 2 for SIGINT, 15 for SIGTERM.
    pub fn number(self) -> i32 {
        self.0
    }

    /// What a program that it has ended exits with, by custom: 128 and its number.
    ///
    /// # Examples
    ///
    /// A program whose exit code says what has ended it:
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
        // As a shell reports it. Signal numbers are less than 128, so neither the cast nor the sum
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
    /// The first of these signals stops the loop cleanly. The second ends the
    /// process at once, with exit code 128 + its number, even if the loop is
    /// stuck. Outside of this method the two do what they did before.
    ///
    /// Gives the signal, or `None` if it was `stop`.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run); or the signal handlers could not be installed.
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

/// Has SIGINT and SIGTERM stop a loop, for as long as it lives. The fields are dropped in their
/// order: the handlers are gone before the pipe that they write to.
pub(crate) struct Watch {
    signals: StopSignals,
    _source: Registered,
}

impl Watch {
    pub(crate) fn start(reactor: &ReactorHandle) -> Result<Self, RunError> {
        Ok(Self::attach(StopSignals::enter()?, reactor)?)
    }

    /// Has the signals stop `reactor`: those to come, and one that has come already.
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
        // Made before the handlers: if one cannot be installed, its drop removes the source.
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

/// The source in the registry; dropping it removes it.
struct Registered {
    core: Rc<Core>,
    key: Key,
}

impl Drop for Registered {
    fn drop(&mut self) {
        drop(self.core.registry.remove(self.key));
    }
}

/// Event source of the pipe that the handlers write to: stops the loop.
struct SignalSource {
    registration: RefCell<Option<Registration>>,
    reactor: ReactorHandle,
}

impl EventSource for SignalSource {
    fn ready(self: Rc<Self>, _ready: Ready) {
        if let Some(registration) = &*self.registration.borrow() {
            // Emptied, so that it is not ready in each turn of the shutdown. It errs only if
            // nothing is there, and what comes later makes it ready again.
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
