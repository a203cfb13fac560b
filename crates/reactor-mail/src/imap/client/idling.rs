//! IDLE (RFC 2177): the session idles whenever it has no command to send. It ends an IDLE for each
//! command, and after the renewal time, since a server may close a connection that idles for longer
//! than 30 minutes; then it begins the next one.

use deferred::Trigger;
use reactor::Context;

use super::error::ImapError;
use super::idle::State;
use super::request::Then;
use super::session::Session;

impl Session {
    /// Begins to idle as soon as there is nothing else to do.
    pub(super) fn begin_idling(&mut self, cx: &mut Context<'_, Self>, ended: Trigger<()>) {
        // An idling that was cancelled has ended for its caller, even if the server has not confirmed
        // the end yet. The new one begins after that, or continues the IDLE.
        let is_wanted = |wanted: &Trigger<()>| !wanted.is_fired();
        if self.idle.wanted.as_ref().is_some_and(is_wanted) {
            let what = "a second IDLE";
            // Errs if the Deferred was cancelled; then the caller needs no error.
            let _ = ended.errback(ImapError::InvalidArgument { what });
            return;
        }
        self.idle.wanted = Some(ended);
        self.idle.is_stopping = false;
        self.go_on(cx);
    }

    /// The Deferred of `ImapClient::idle` was cancelled. Ends idling only if `wanted` belongs to that
    /// Deferred, and not if it was refused as a second one or replaced by a later one.
    pub(super) fn idle_cancelled(&mut self, cx: &mut Context<'_, Self>) {
        if self.idle.wanted.as_ref().is_some_and(Trigger::is_fired) {
            self.stop_idling(cx);
        }
    }

    pub(super) fn stop_idling(&mut self, cx: &mut Context<'_, Self>) {
        self.idle.is_stopping = self.idle.wanted.is_some();
        self.go_on(cx);
    }

    /// Takes the next step: begins an IDLE if it is wanted and no command runs; ends the IDLE if a
    /// command waits or idling is to end.
    pub(super) fn go_on_idling(&mut self, cx: &mut Context<'_, Self>) {
        let has_commands = !self.queue.is_empty();
        match self.idle.state {
            State::Off if self.idle.is_stopping => self.idle.end(Ok(())),
            State::Off if self.idle.wanted.is_none() || has_commands => {}
            State::Off if !self.running.is_empty() || self.end.is_some() => {}
            State::Off if !self.has("IDLE") => {
                let capability = "IDLE";
                let error = ImapError::NotSupported { capability };
                self.idle.end(Err(error.into()));
            }
            State::Off => {
                self.idle.state = State::Asked;
                self.send_own(cx, "IDLE", Then::Idle);
            }
            State::Active if self.idle.is_stopping || has_commands => self.done(cx),
            // In `Asked`, this waits for the server's `+`, because `DONE` is not allowed before it.
            State::Asked | State::Active | State::Ending => {}
        }
    }

    /// The server has answered `IDLE` with `+`.
    pub(super) fn idle_began(&mut self, cx: &mut Context<'_, Self>) {
        if self.idle.state != State::Asked {
            let what = "it asked to go on with IDLE again";
            return self.abort(cx, ImapError::Protocol { what });
        }
        self.idle.state = State::Active;
        let renewal = cx.call_later(self.settings.idle_renewal, |this, cx| {
            this.done(cx);
            this.watch(cx);
        });
        self.idle.renewal = Some(renewal);
    }

    /// Ends the IDLE; if idling is still wanted, `go_on_idling` begins the next one.
    fn done(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(renewal) = self.idle.renewal.take() {
            renewal.cancel();
        }
        self.idle.state = State::Ending;
        cx.write("DONE\r\n");
    }

    /// The server has answered `IDLE` with `OK`.
    pub(super) fn idle_ended(&mut self) {
        if self.idle.state == State::Ending {
            self.idle.state = State::Off;
        } else {
            self.idle.end(Err(ImapError::IdleEnded.into()));
        }
    }
}
