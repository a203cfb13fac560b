//! `run_until_signal`: a loop that SIGINT or SIGTERM stops.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use signal_hook::consts::{
    SIGALRM, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGSTOP, SIGTERM, SIGUSR1, SIGUSR2,
};
use signal_hook::{SigId, flag, low_level};

use crate::core::Core;
use crate::error::RunError;
use crate::handle::ReactorHandle;
use crate::poll::{Interest, Ready, Registration};
use crate::reactor::Reactor;
use crate::registry::EventSource;

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

const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// Whether the default action of the signals is in force. signal-hook, once
/// asked for a signal, keeps it from having its own effect for good; so the
/// effect is emulated while no loop runs until a signal.
static IS_DEFAULT: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The signal that came last, recorded before anything else is done about it: so one that
/// comes while a loop installs its handlers is not lost.
static ARRIVED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// How many loops of the process run until a signal.
static WATCHES: Mutex<Watches> = Mutex::new(Watches {
    count: 0,
    is_default_registered: false,
});

struct Watches {
    count: usize,
    is_default_registered: bool,
}

/// Signal handlers, for as long as it lives.
pub(crate) struct Watch {
    received: Arc<AtomicUsize>,
    ids: Vec<SigId>,
    source: Option<(Rc<Core>, usize)>,
}

impl Watch {
    pub(crate) fn start(reactor: &ReactorHandle) -> Result<Self, RunError> {
        let mut watch = Self::enter()?;
        watch.attach(reactor)?;
        Ok(watch)
    }

    /// From here on a signal is recorded, and dropping the value undoes what was done.
    fn enter() -> io::Result<Self> {
        ARRIVED.store(0, Ordering::SeqCst);
        enter()?;
        Ok(Self {
            received: Arc::default(),
            ids: Vec::new(),
            source: None,
        })
    }

    /// Has the signals stop `reactor`: those to come, and one that has come already.
    fn attach(&mut self, reactor: &ReactorHandle) -> io::Result<()> {
        let core = reactor.core().map_err(io::Error::other)?;
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let registration = core.register(OwnedFd::from(reader), Interest::READABLE)?;
        let key = registration.key();
        core.insert(Rc::new(SignalSource {
            registration: RefCell::new(Some(registration)),
            reactor: reactor.clone(),
        }));
        self.source = Some((core, key));
        self.install(writer)
    }

    fn install(&mut self, mut writer: UnixStream) -> io::Result<()> {
        let got_one = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS {
            // In this order, the first one only sets the flag.
            let code = 128 + signal;
            let second = flag::register_conditional_shutdown(signal, code, Arc::clone(&got_one))?;
            self.ids.push(second);
            self.ids.push(flag::register(signal, Arc::clone(&got_one))?);
            let received = Arc::clone(&self.received);
            self.ids
                .push(flag::register_usize(signal, received, signal as usize)?);
            self.ids
                .push(low_level::pipe::register(signal, writer.try_clone()?)?);
        }
        // A signal that came after the handler was there, and before all of this was.
        let early = ARRIVED.load(Ordering::SeqCst);
        if early != 0 && self.signal().is_none() {
            self.received.store(early, Ordering::SeqCst);
            got_one.store(true, Ordering::SeqCst);
            writer.write_all(&[0])?;
        }
        Ok(())
    }

    pub(crate) fn signal(&self) -> Option<Signal> {
        match self.received.load(Ordering::SeqCst) {
            0 => None,
            number => Some(Signal(number as i32)),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        leave();
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
        if let Some((core, key)) = self.source.take() {
            drop(core.registry.remove(key));
        }
    }
}

fn enter() -> io::Result<()> {
    let mut watches = WATCHES.lock();
    // First: from the first registration on, a signal is either recorded or has its default
    // action, and never lost.
    IS_DEFAULT.store(false, Ordering::SeqCst);
    if !watches.is_default_registered {
        for signal in SIGNALS {
            flag::register_usize(signal, Arc::clone(&ARRIVED), signal as usize)?;
            flag::register_conditional_default(signal, Arc::clone(&IS_DEFAULT))?;
        }
        watches.is_default_registered = true;
    }
    watches.count += 1;
    Ok(())
}

fn leave() {
    let mut watches = WATCHES.lock();
    watches.count -= 1;
    if watches.count == 0 {
        IS_DEFAULT.store(true, Ordering::SeqCst);
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
            let _ = rustix::io::read(registration, &mut [0_u8; 64]);
        }
        // Errs if the loop is stopping already.
        let _ = self.reactor.stop();
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
        let mut watch = Watch::enter().expect("the signals can be recorded");
        low_level::raise(SIGTERM).expect("a signal to this process");
        watch
            .attach(&reactor)
            .expect("the handlers can be installed");
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
