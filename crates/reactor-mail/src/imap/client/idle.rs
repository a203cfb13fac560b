//! `Idle`: the state of a session's IDLE.

use deferred::{Result, Trigger};
use reactor::deferred::DelayedCall;

/// State of IDLE. Changed by `go_on_idling`, and by the server's answers.
#[derive(Default)]
pub(super) struct Idle {
    /// The trigger of the Deferred of `ImapClient::idle`. While this is `Some`, the session idles
    /// whenever it has no command to send.
    // Set by `begin_idling`, taken by `end`.
    pub(super) wanted: Option<Trigger<()>>,
    /// Idling is to end.
    // Set by `stop_idling`, cleared by `end` and `begin_idling`.
    pub(super) is_stopping: bool,
    pub(super) state: State,
    /// Timer that ends an IDLE, so that the next one begins. Set while the state is `Active`.
    pub(super) renewal: Option<DelayedCall>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Off,
    /// `IDLE` was sent; ends when the server sends `+`, or refuses.
    Asked,
    /// The server sends changes of the mailbox; ends when `DONE` is sent.
    Active,
    /// `DONE` was sent; ends when the server answers.
    Ending,
}

impl Idle {
    pub(super) fn is_active(&self) -> bool {
        self.state == State::Active
    }

    /// Ends idling, and fires the Deferred of `ImapClient::idle`.
    pub(super) fn end(&mut self, result: Result<()>) {
        self.state = State::Off;
        self.is_stopping = false;
        if let Some(renewal) = self.renewal.take() {
            renewal.cancel();
        }
        if let Some(wanted) = self.wanted.take() {
            // Errs if the Deferred was cancelled, which is why idling ends.
            let _ = wanted.fire(result);
        }
    }
}
