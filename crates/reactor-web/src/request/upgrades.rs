//! `Upgrades`: hands the connection to a handler after its answer 101 (Switching Protocols), for
//! another protocol than HTTP.
//!
//! ```text
//!  Request::upgrade ──▶ asked ──answer is 101──▶ granted ──head is sent──▶ the Deferred fires
//!                         └────any other answer, client gone──▶ the Deferred fails
//! ```

use std::cell::{Cell, RefCell};
use std::fmt;

use deferred::{Deferred, Trigger};
use http::{Method, StatusCode};

use crate::error::ClientGone;
use crate::io::Io;

/// The upgrade of a connection: at most one, since it ends HTTP there.
#[derive(Default)]
pub(crate) struct Upgrades {
    /// The number of the exchange whose handler has asked for the connection, and the trigger that
    /// gives it.
    // Taken by an answer that is not an upgrade, by `ended`, `give` or `lost`. If a handler asks
    // twice, the first Deferred is abandoned.
    asked: RefCell<Option<(u64, Trigger<Io>)>>,
    /// Set by an answer that gives the connection to the handler; not cleared.
    is_granted: Cell<bool>,
    /// Asks the protocol that has taken over the connection to end it in order.
    // Taken when the site finishes, so it is called at most once.
    finish: RefCell<Option<Box<dyn Fn()>>>,
}

impl Upgrades {
    /// Asks for the connection, for the handler of the exchange `number`.
    pub(super) fn ask(&self, number: u64) -> Deferred<Io> {
        let (trigger, upgraded) = Deferred::pair();
        self.asked.replace(Some((number, trigger)));
        upgraded
    }

    /// Notes the answer to the request `number`, whose status decides whether the handler gets the
    /// connection.
    pub(crate) fn answered(&self, number: u64, method: &Method, status: StatusCode) {
        let mut asked = self.asked.borrow_mut();
        let Some((_, trigger)) = asked.take_if(|(asker, _)| *asker == number) else {
            return;
        };
        if status == StatusCode::SWITCHING_PROTOCOLS
            || (method == Method::CONNECT && status.is_success())
        {
            self.is_granted.set(true);
            *asked = Some((number, trigger));
        } else {
            // Ends the borrow before the callbacks run, which may ask again.
            drop(asked);
            // Errs if it was cancelled: then nothing waits.
            let _ = trigger.errback(UpgradeRefused { status });
        }
    }

    /// Notes the end of the exchange `number`: its handler no longer gets the connection, unless
    /// that is granted.
    pub(super) fn ended(&self, number: u64) {
        if self.is_granted.get() {
            return;
        }
        // The handler may have asked after the head of the answer was sent.
        let asked = self
            .asked
            .borrow_mut()
            .take_if(|(asker, _)| *asker == number);
        if let Some((_, trigger)) = asked {
            // Errs if it was cancelled: then nothing waits.
            let _ = trigger.errback(ClientGone);
        }
    }

    /// Whether the handler gets the connection once the answer is sent. From then on, the limits of
    /// HTTP do not apply.
    pub(crate) fn is_granted(&self) -> bool {
        self.is_granted.get()
    }

    /// Gives the connection to the handler that has asked for it.
    pub(crate) fn give(&self, io: Io) {
        let asked = self.asked.take();
        if let Some((_, trigger)) = asked {
            // Errs if it was cancelled: then the drop of `io` closes the connection.
            let _ = trigger.callback(io);
        }
    }

    /// Sets the function by which the site ends the connection when it finishes.
    #[cfg(feature = "ws")]
    pub(super) fn on_finish(&self, finish: impl Fn() + 'static) {
        self.finish.replace(Some(Box::new(finish)));
    }

    /// Asks the protocol that has taken over the connection to end it, if it has set `on_finish`.
    pub(crate) fn finish(&self) {
        if let Some(finish) = self.finish.take() {
            finish();
        }
    }

    /// Tells the handler that the connection is over.
    pub(crate) fn lost(&self) {
        let asked = self.asked.take();
        if let Some((_, trigger)) = asked {
            // As in `give`.
            let _ = trigger.errback(ClientGone);
        }
    }
}

/// A handler has asked for the connection, but its answer was not an upgrade.
/// [`Request::upgrade`](crate::Request::upgrade) fails with this error.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, UpgradeRefused, testing::TestClient};
///
/// let app = App::new().get("/", |req| {
///     let upgrade = req.upgrade().add_errback(|failure| {
///         failure.trap::<UpgradeRefused>()?;
///         Err(failure)
///     });
///     upgrade.ignore();
///     "no"
/// });
/// let headers = [("connection", "upgrade"), ("upgrade", "echo")];
/// assert_eq!(TestClient::new(app)?.get_with("/", &headers).text(), "no");
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpgradeRefused {
    /// The status of the answer.
    pub status: StatusCode,
}

impl fmt::Display for UpgradeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.status.as_u16();
        write!(f, "the connection is not upgraded: the answer was {status}")
    }
}

impl std::error::Error for UpgradeRefused {}
