//! Lingering close: the end of a connection that this side has closed first.
//!
//! A socket that is closed while its peer still sends is reset by the system, which
//! throws away what was not delivered yet: the end of our own answer. So the socket
//! only stops sending, what comes in is discarded, and it is closed when the peer
//! has finished too, or has had enough of time or bytes.

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
use crate::sys::stream::RECV_FLAGS;

/// How long the peer may take to finish.
const TIME: Duration = Duration::from_secs(2);

/// How many bytes the peer may send in that time.
pub(super) const BYTES: usize = 4 * 1024 * 1024;

pub(super) struct Linger {
    core: Rc<Core>,
    key: Key,
    /// `None` once it is closed.
    registration: RefCell<Option<Registration>>,
    timeout: RefCell<Option<DelayedCall>>,
    left: Cell<usize>,
}

impl Linger {
    /// Ends sending on `registration`, and closes it in good time. It takes the
    /// place of the source under its key.
    pub(super) fn start(core: &Rc<Core>, registration: Registration) {
        let key = registration.key();
        let has_ended = SockRef::from(&registration).shutdown(Shutdown::Write);
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
        let late = Rc::downgrade(&linger);
        let timeout = core.timers.call_later(TIME, move || {
            if let Some(linger) = late.upgrade() {
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
            // `cancel` errs if this runs from that very timer; harmless.
            let _ = timeout.cancel();
        }
    }

    /// Discards what has come; says whether more may come.
    fn discard(&self, buffer: &mut [u8]) -> bool {
        let registration = self.registration.borrow();
        let Some(registration) = &*registration else {
            return false;
        };
        match rustix::net::recv(registration, buffer, RECV_FLAGS) {
            Ok((received, _)) => {
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
        self.close();
    }
}
