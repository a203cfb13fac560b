//! Signals that ask the process to end, SIGINT and SIGTERM: records them, and passes them on to
//! loops.
//!
//! A signal handler may do very little: these handlers only store numbers and write one byte. The
//! loop that reads the byte acts on the signal.
//!
//! ```text
//!   no loop runs until a signal      IS_DEFAULT: the signal has its default action
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

/// Whether the signals have their default action. Once a signal is registered with signal-hook, its
/// default action is disabled for ever, so the action is emulated while no loop runs until a
/// signal.
static IS_DEFAULT: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The last signal that has arrived. Recorded by the first handler, so that a signal which arrives
/// while a loop installs its handlers is not lost.
static ARRIVED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// The loops of the process that run until a signal.
static USERS: Mutex<Users> = Mutex::new(Users {
    count: 0,
    is_default_registered: false,
});

struct Users {
    /// Number of these loops.
    count: usize,
    /// Whether the handlers of `ARRIVED` and `IS_DEFAULT` are registered. Set by the first `enter`;
    /// never cleared, because without these handlers a signal would have no effect at all.
    is_default_registered: bool,
}

/// Guard: the handlers of the signals are installed while it lives.
pub(crate) struct StopSignals {
    /// The first signal since `install`; 0 for none.
    received: Arc<AtomicUsize>,
    ids: Vec<SigId>,
}

impl StopSignals {
    /// From here on, signals are recorded and do not have their default action. The drop of the
    /// value undoes this.
    pub(crate) fn enter() -> io::Result<Self> {
        ARRIVED.store(0, Ordering::SeqCst);
        enter()?;
        Ok(Self {
            received: Arc::default(),
            ids: Vec::new(),
        })
    }

    /// Makes each signal write a byte to `writer`: future ones, and one that has arrived since
    /// [`enter`](Self::enter).
    pub(crate) fn install(&mut self, mut writer: UnixStream) -> io::Result<()> {
        let got_one = Arc::new(AtomicBool::new(false));
        for signal in SIGNALS {
            // Handlers run in the order of their registration. The conditional shutdown is
            // registered before the flag, so the first signal only sets the flag, and the second
            // one finds it set.
            let code = 128 + signal;
            let second = flag::register_conditional_shutdown(signal, code, Arc::clone(&got_one))?;
            self.ids.push(second);
            self.ids.push(flag::register(signal, Arc::clone(&got_one))?);
            // Signal numbers are positive and small, so the casts are exact in both directions.
            let received = Arc::clone(&self.received);
            self.ids
                .push(flag::register_usize(signal, received, signal as usize)?);
            // The pipe is registered last, so that the loop which it wakes finds the number.
            self.ids
                .push(low_level::pipe::register(signal, writer.try_clone()?)?);
        }
        // A signal may have arrived since `enter`, before all handlers were installed.
        let early = ARRIVED.load(Ordering::SeqCst);
        if early != 0 && self.received().is_none() {
            self.received.store(early, Ordering::SeqCst);
            got_one.store(true, Ordering::SeqCst);
            writer.write_all(&[0])?;
        }
        Ok(())
    }

    /// The number of the first signal that has arrived, if one has.
    pub(crate) fn received(&self) -> Option<i32> {
        match self.received.load(Ordering::SeqCst) {
            0 => None,
            number => Some(number as i32),
        }
    }
}

impl Drop for StopSignals {
    fn drop(&mut self) {
        // First enables the default action, then removes the handlers. A signal in between has both
        // effects; in the other order, it would have none.
        leave();
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
    }
}

fn enter() -> io::Result<()> {
    let mut users = USERS.lock();
    // Set first, so that from the first registration on a signal is either recorded or has its
    // default action, and is never lost.
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
