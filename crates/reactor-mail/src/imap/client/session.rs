//! `Session`: the protocol of an IMAP client's connection.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use deferred::{DeferredHandle, Failure, Result, Trigger};
use imap_codec::encode::Fragment;
use imap_types::response::Code;
use reactor::{ConnectionClosed, Context, Protocol};
use reactor_tls::TlsClient;

use super::collected::Collected;
use super::error::ImapError;
use super::event::ImapEvent;
use super::fetch::Handing;
use super::frame::ImapResponseFrame;
use super::framing::ImapResponseFraming;
use super::framing_error::ImapResponseError;
use super::handle::ImapClient;
use super::idle::Idle;
use super::request::{Request, Then, do_not_wait};

/// The settings of a client.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) starttls: Option<(TlsClient, String)>,
    pub(super) allows_cleartext: bool,
    pub(super) timeout: Duration,
    pub(super) max_response: usize,
    pub(super) idle_renewal: Duration,
}

/// Makes the tags of commands, for the session and all handles of a client.
#[derive(Debug, Default)]
pub(super) struct Tags(Cell<u64>);

impl Tags {
    pub(super) fn next(&self) -> String {
        self.0.set(self.0.get() + 1);
        format!("a{}", self.0.get())
    }
}

/// The protocol of an IMAP client's connection.
pub(super) struct Session {
    pub(super) settings: Settings,
    pub(super) tags: Rc<Tags>,
    /// The trigger of the Deferred of `connect`, fired when the session is ready for commands.
    pub(super) opened: Option<Trigger<ImapClient>>,
    pub(super) is_greeted: bool,
    /// Names of the capabilities, in capitals. Empty until the server has named them.
    pub(super) capabilities: Vec<String>,
    /// Commands that are not sent yet.
    pub(super) queue: VecDeque<Request>,
    /// Commands that wait for their answer, in the order in which they were sent. Only the last one
    /// may have fragments that are not sent yet.
    pub(super) running: Vec<Request>,
    pub(super) idle: Idle,
    /// The idle timeout of the connection is set.
    // Set and cleared by `watch`; first set by `open`.
    pub(super) is_watched: bool,
    pub(super) on_event: Option<Box<dyn FnMut(ImapEvent)>>,
    /// No handle is left, so the session logs out when no command waits.
    // Set by the drop of the last handle, cleared when LOGOUT is sent.
    pub(super) is_abandoned: bool,
    /// The pending Deferred that a `FetchHandler` has returned; until it fires, reading is paused.
    pub(super) busy: Option<DeferredHandle>,
    /// A body of the current FETCH response was streamed.
    // Set by `body`, cleared at the end of the response (`message`).
    pub(super) has_streamed: bool,
    /// The message whose rest the `FetchHandler` gets as soon as it is no longer busy.
    pub(super) handing: Option<Handing>,
    /// Why the connection is being ended, if this side or a BYE ends it. No command is sent any more.
    pub(super) end: Option<ImapError>,
}

impl Session {
    pub(super) fn new(settings: Settings, opened: Trigger<ImapClient>) -> Self {
        Self {
            settings,
            tags: Rc::default(),
            opened: Some(opened),
            is_greeted: false,
            capabilities: Vec::new(),
            queue: VecDeque::new(),
            running: Vec::new(),
            idle: Idle::default(),
            is_watched: false,
            on_event: None,
            is_abandoned: false,
            busy: None,
            has_streamed: false,
            handing: None,
            end: None,
        }
    }

    pub(super) fn has(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|name| name == capability)
    }

    /// Ends the connection because of `error`.
    pub(super) fn abort(&mut self, cx: &mut Context<'_, Self>, error: ImapError) {
        self.end.get_or_insert(error);
        cx.abort();
    }

    /// Adds a command to the queue, and sends it if it may be sent now.
    pub(super) fn enqueue(&mut self, cx: &mut Context<'_, Self>, request: Request) {
        self.queue.push_back(request);
        self.go_on(cx);
    }

    /// The Deferred of the command with this tag was cancelled.
    pub(super) fn cancel(&mut self, cx: &mut Context<'_, Self>, tag: &str) {
        self.queue.retain(|request| request.tag != tag);
        let running = self.running.iter_mut().find(|request| request.tag == tag);
        if let Some(request) = running {
            let is_handed = matches!(request.collected, Collected::Handed { .. });
            request.forget();
            if is_handed && let Some(busy) = self.busy.take() {
                // The callback in `wait_for_handler` then resumes reading. Otherwise it could stay
                // paused for ever: the dropped handler may have held the trigger.
                busy.cancel();
            }
        }
        self.go_on(cx);
    }

    /// Sends the commands that may be sent now, in the order of the queue. When the last handle is
    /// gone and nothing is left, logs out.
    pub(super) fn go_on(&mut self, cx: &mut Context<'_, Self>) {
        while self.end.is_none() && self.may_send_next() {
            let Some(mut request) = self.queue.pop_front() else {
                break;
            };
            if let Some(capability) = self.lacks(&request) {
                request.fail(ImapError::NotSupported { capability });
                continue;
            }
            if self.has("LITERAL+") {
                do_not_wait(&mut request.fragments, usize::MAX);
            } else if self.has("LITERAL-") {
                // The most bytes that LITERAL- allows (RFC 7888, section 5).
                do_not_wait(&mut request.fragments, 4096);
            }
            if let Collected::Handed { streams: true, .. } = request.collected {
                // Before the command is sent, so that the framing streams the bodies of its first
                // response, too.
                cx.framing().stream_bodies(true);
            }
            self.running.push(request);
            self.send_fragments(cx);
        }
        self.go_on_idling(cx);
        if self.is_abandoned && self.queue.is_empty() && self.running.is_empty() {
            // Cleared, so that LOGOUT is sent only once.
            self.is_abandoned = false;
            self.send_own(cx, "LOGOUT", Then::Logout);
        }
        self.watch(cx);
    }

    /// Whether the next command of the queue may be sent: each running command is sent completely, and
    /// the rules allow the next one beside it.
    fn may_send_next(&self) -> bool {
        let Some(next) = self.queue.front() else {
            return false;
        };
        self.running
            .iter()
            .all(|running| running.fragments.is_empty() && next.rules.may_follow(&running.rules))
    }

    /// The capability that `request` needs and the server does not offer.
    fn lacks(&self, request: &Request) -> Option<&'static str> {
        // The LOGIN command needs no capability, but `LOGINDISABLED` forbids it. AUTHENTICATE names
        // its mechanism in `needs`.
        if request.then == Then::Login && request.needs.is_none() && self.has("LOGINDISABLED") {
            return Some("LOGIN");
        }
        request.needs.filter(|capability| !self.has(capability))
    }

    /// Sends a command of the session itself.
    pub(super) fn send_own(&mut self, cx: &mut Context<'_, Self>, command: &str, then: Then) {
        let tag = self.tags.next();
        self.running.push(Request::own(tag, command, then));
        self.send_fragments(cx);
    }

    /// Sends the remaining fragments of the last command, up to the next literal for which the server
    /// must send a continuation request.
    pub(super) fn send_fragments(&mut self, cx: &mut Context<'_, Self>) {
        use imap_types::core::LiteralMode::Sync;
        let Some(request) = self.running.last_mut() else {
            return;
        };
        while let Some(fragment) = request.fragments.pop_front() {
            let (Fragment::Line { data } | Fragment::Literal { data, .. }) = &fragment;
            cx.write(data);
            if let Some(Fragment::Literal { mode: Sync, .. }) = request.fragments.front() {
                return;
            }
        }
    }

    /// A continuation request (`+`): the server waits for a literal or for the data of
    /// AUTHENTICATE, or has begun to IDLE.
    pub(super) fn continuation(&mut self, cx: &mut Context<'_, Self>) {
        match self.running.last() {
            Some(request) if !request.fragments.is_empty() => self.send_fragments(cx),
            Some(request) if request.then == Then::Idle => self.idle_began(cx),
            _ => {
                let what = "it asked for the rest of a command that was sent";
                return self.abort(cx, ImapError::Protocol { what });
            }
        }
        self.go_on(cx);
    }

    /// Sets or clears the idle timeout. It is set while a command waits for its answer, except during
    /// IDLE, in which a server may be silent, and while `busy` pauses reading.
    pub(super) fn watch(&mut self, cx: &mut Context<'_, Self>) {
        let expects = !self.running.is_empty() && !self.idle.is_active() && self.busy.is_none();
        // Changed only if needed, because setting the timeout restarts it: calls of this without input
        // from the server must not extend the timeout.
        if expects != self.is_watched {
            self.is_watched = expects;
            cx.set_idle_timeout(expects.then_some(self.settings.timeout));
        }
    }

    /// Why the connection has ended.
    fn reason(&mut self, closed: ConnectionClosed) -> Failure {
        // `end` counts first, because it is the reason for which the connection was closed.
        if let Some(error) = self.end.take() {
            return Failure::new(error);
        }
        match closed {
            ConnectionClosed::IdleTimeout { .. } => Failure::new(ImapError::TimedOut),
            ConnectionClosed::Done => Failure::new(ImapError::Closed),
            other => match other.into_result() {
                Ok(()) => Failure::new(ImapError::Closed),
                Err(failure) => failure,
            },
        }
    }
}

impl Protocol for Session {
    type Framing = ImapResponseFraming;

    fn framing(&self) -> ImapResponseFraming {
        let framing = ImapResponseFraming::with_max_response(self.settings.max_response);
        // STARTTLS makes a new framing, after which the server does not greet again.
        match self.is_greeted {
            true => framing.after_greeting(),
            false => framing,
        }
    }

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.open(cx);
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, frame: ImapResponseFrame<'_>) -> Result<()> {
        match frame {
            ImapResponseFrame::Greeting(greeting) => self.greeted(cx, *greeting),
            ImapResponseFrame::Response(response) => self.responded(cx, *response),
            ImapResponseFrame::Continuation => self.continuation(cx),
            ImapResponseFrame::Message(message) => self.message(cx, message),
            ImapResponseFrame::Body { message, length } => self.body(cx, &message, length),
            ImapResponseFrame::BodyData { data, .. } => self.body_data(cx, data),
            ImapResponseFrame::Unknown { beginning } => self.unknown(cx, &beginning),
        }
        Ok(())
    }

    fn framing_failed(
        &mut self,
        cx: &mut Context<'_, Self>,
        failure: Failure,
        _input: &[u8],
    ) -> Result<()> {
        let what = match failure.check::<ImapResponseError>() {
            Some(ImapResponseError::TooLong { .. }) => "a response is too long",
            Some(ImapResponseError::LiteralTooLarge) => "a literal is too large",
            Some(ImapResponseError::BareLineFeed) => "a line ends with a line feed alone",
            Some(ImapResponseError::NoGreeting) => "it does not greet as an IMAP server does",
            None => return Err(failure),
        };
        // Aborts with an `ImapError` instead of returning the failure, so that all commands fail with
        // an error that names the server's mistake.
        self.abort(cx, ImapError::Protocol { what });
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, reason: ConnectionClosed) {
        let failure = self.reason(reason);
        if let Some(opened) = self.opened.take() {
            // Errs if the Deferred was cancelled, which has ended the connection.
            let _ = opened.errback(failure.clone());
        }
        self.idle.end(Err(failure.clone()));
        for mut request in self.running.drain(..).chain(self.queue.drain(..)) {
            match request.then {
                // LOGOUT succeeds, because a server may close the connection before it answers.
                Then::Logout => request.finish(Ok(None::<Code<'static>>)),
                _ => request.fail(failure.clone()),
            }
        }
    }
}
