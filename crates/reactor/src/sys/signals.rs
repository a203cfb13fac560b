//! Signals that ask the process to end: SIGINT and SIGTERM, recorded and passed on.
//!
//! A signal handler may do next to nothing: these store numbers and write one byte. What is
//! done about the signal is done by the loop that reads the byte.
//!
//! ```text
//!   no loop runs until a signal      IS_DEFAULT: the signal has its own effect
//!   enter                            the signal is recorded in ARRIVED
//!   install                          the first is recorded and written to the pipe,
//!                                    the second ends the process
//!   drop of the last                 IS_DEFAULT again
//! ```

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// Whether the default action of the signals is in force. signal-hook, once
/// asked for a signal, keeps it from having its own effect for good; so the
/// effect is emulated while no loop runs until a signal.
static IS_DEFAULT: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The signal that came last, recorded before anything else is done about it: so one that
/// comes while a loop installs its handlers is not lost.
static ARRIVED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// How many loops of the process run until a signal.
static USERS: Mutex<Users> = Mutex::new(Users {
    count: 0,
    is_default_registered: false,
});

struct Users {
    count: usize,
    /// The handlers of `ARRIVED` and `IS_DEFAULT` are there. Set by the first `enter`, never
    /// cleared: they stay, since without them a signal would have no effect at all.
    is_default_registered: bool,
}

/// Handlers of the signals, for as long as it lives.
pub(crate) struct StopSignals {
    /// The first signal since `install`; 0 for none.
    received: Arc<AtomicUsize>,
    ids: Vec<SigId>,
}

impl StopSignals {
    /// From here on a signal is recorded, and dropping the value undoes what was done.
    pub(crate) fn enter() -> io::Result<Self> {
        ARRIVED.store(0, Ordering::SeqCst);
        enter()?;
        Ok(Self {
            received: Arc::default(),
            ids: Vec::new(),
        })
    }

    /// Has each signal write a byte to `writer`: those to come, and one that has come since
    /// [`enter`](Self::enter).
    pub(crate) fn install(&mut self, mut writer: UnixStream) -> io::Result<()> {
        let got_one = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS {
            // Handlers run in the order of their registration. In this order, the first signal
            // only sets the flag, and the second finds it set.
            let code = 128 + signal;
            let second = flag::register_conditional_shutdown(signal, code, Arc::clone(&got_one))?;
            self.ids.push(second);
            self.ids.push(flag::register(signal, Arc::clone(&got_one))?);
            // Signal numbers are positive and small, so the casts are exact in both directions.
            let received = Arc::clone(&self.received);
            self.ids
                .push(flag::register_usize(signal, received, signal as usize)?);
            // The pipe last: the loop that it wakes finds the number.
            self.ids
                .push(low_level::pipe::register(signal, writer.try_clone()?)?);
        }
        // A signal that came after the handler was there, and before all of this was.
        let early = ARRIVED.load(Ordering::SeqCst);
        if early != 0 && self.received().is_none() {
            self.received.store(early, Ordering::SeqCst);
            got_one.store(true, Ordering::SeqCst);
            writer.write_all(&[0])?;
        }
        Ok(())
    }

    /// The number of the signal that has come, if one has.
    pub(crate) fn received(&self) -> Option<i32> {
        match self.received.load(Ordering::SeqCst) {
            0 => None,
            number => Some(number as i32),
        }
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        // First the default action, then the handlers: in between, a signal has both effects,
        // and in the other order it would have none.
        leave();
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
    }
}

fn enter() -> io::Result<()> {
    let mut users = USERS.lock();
    // First: from the first registration on, a signal is either recorded or has its default
    // action, and never lost.
    IS_DEFAULT.store(false, Ordering::SeqCst);
    if !users.is_default_registered {
        for signal in SIGNALS {
            flag::register_usize(signal, Arc::clone(&ARRIVED), signal as usize)?;
            flag::register_conditional_default(signal, Arc::clone(&IS_DEFAULT))?;
        }
        users.is_default_registered = true;
    }
    users.count += 1;
    Ok(())
}

fn leave() {
    let mut users = USERS.lock();
    users.count -= 1;
    if users.count == 0 {
        IS_DEFAULT.store(true, Ordering::SeqCst);
    }
}
