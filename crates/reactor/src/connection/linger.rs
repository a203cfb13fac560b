//! Lingering close: the end of a connection that this side has closed first.
//!
//! If a socket is closed while its peer still sends, the system resets the connection, and the peer
//! can lose the last bytes of our answer. So this side first shuts down only its sending half, and
//! discards the input. The socket is closed when the peer has closed its side, too, or after
//! [`TIME`], or after [`BYTES`] of input, whichever comes first.

use std::cell::{Cell, RefCell};
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use deferred::DelayedCall;
use rustix::io::Errno;
use socket2::SockRef;

use crate::core::Core;
use crate::poll::{Interest, Key, Ready, Registration};
use crate::registry::EventSource;
use crate::sys::stream::receive;

/// Time that the peer has to close its side.
const TIME: Duration = Duration::from_secs(2);

/// Most reads of [`discard_arrived`]. A receive buffer of the system seldom holds more than so many
/// reads can take.
const LAST_READS: usize = 64;

/// Number of bytes that the peer may send in [`TIME`].
pub(super) const BYTES: usize = 4 * 1024 * 1024;

pub(super) struct Linger {
    core: Rc<Core>,
    key: Key,
    /// The socket; `None` once it is closed.
    registration: RefCell<Option<Registration>>,
    timeout: RefCell<Option<DelayedCall>>,
    /// Number of bytes that the peer may still send.
    left: Cell<usize>,
}

impl Linger {
    /// Shuts down the sending half of the socket of `registration`, and closes the socket
    /// later. In the registry, the `Linger` replaces the connection under the same key.
    pub(super) fn start(core: &Rc<Core>, registration: Registration) {
        let key = registration.key();
        // The sending half is shut down first, because the peer may wait for that before it closes
        // its side.
        let has_ended = SockRef::from(&registration).shutdown(Shutdown::Write);
        // If either call errs, waiting for the peer is impossible: the drop of `registration`
        // closes the socket now.
        if has_ended.is_err() || registration.set_interest(Interest::READABLE).is_err() {
            drop(core.registry.remove(key));
            return;
        }
        let linger = Rc::new(Self {
            core: Rc::clone(core),
            key,
            registration: RefCell::new(Some(registration)),
            timeout: RefCell::new(None),
            left: Cell::new(BYTES),
        });
        // Weak, because the linger owns its timeout.
        let weak = Rc::downgrade(&linger);
        let timeout = core.timers.call_later(TIME, move || {
            if let Some(linger) = weak.upgrade() {
                linger.close();
            }
        });
        linger.timeout.replace(Some(timeout));
        core.registry.replace(key, linger);
    }

    fn close(&self) {
        drop(self.registration.take());
        drop(self.core.registry.remove(self.key));
        if let Some(timeout) = self.timeout.take() {
            timeout.cancel();
        }
    }

    /// Reads once and discards the bytes; returns whether the peer may send more.
    fn discard(&self, buffer: &mut [u8]) -> bool {
        let registration = self.registration.borrow();
        let Some(registration) = &*registration else {
            return false;
        };
        match receive(registration, buffer) {
            Ok(received) => {
                let left = self.left.get().saturating_sub(received);
                self.left.set(left);
                received > 0 && left > 0
            }
            Err(error) => matches!(error, Errno::AGAIN | Errno::INTR),
        }
    }
}

impl EventSource for Linger {
    fn ready(self: Rc<Self>, _ready: Ready) {
        let mut buffer = self.core.buffers.take_read();
        let more_may_come = self.discard(&mut *buffer);
        self.core.buffers.return_read(buffer);
        if !more_may_come {
            self.close();
        }
    }

    fn shut_down(self: Rc<Self>) {
        if let Some(registration) = &*self.registration.borrow() {
            discard_arrived(&self.core, registration);
        }
        self.close();
    }
}

/// Discards the input that has arrived, before a socket is closed without waiting for its peer. If
/// unread input were left, the system would reset the connection, and drop output that the peer has
/// not received yet.
pub(super) fn discard_arrived(core: &Core, registration: &Registration) {
    let mut buffer = core.buffers.take_read();
    for _ in 0..LAST_READS {
        match receive(registration, &mut *buffer) {
            Ok(received) if received > 0 => {}
            Err(Errno::INTR) => {}
            // The end of the input, no more input now, or a broken connection.
            Ok(_) | Err(_) => break,
        }
    }
    core.buffers.return_read(buffer);
}
