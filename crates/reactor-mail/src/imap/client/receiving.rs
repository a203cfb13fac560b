//! The responses of the server: a `Session` gives each to the command that has asked for it, or to
//! the user's callback for events.

use deferred::Failure;
use imap_types::core::Text;
use imap_types::response::{Bye, Code, Data, Response, Status, StatusBody, StatusKind, Tagged};
use reactor::Context;

use super::collected::{Collected, Kind, names_of};
use super::error::ImapError;
use super::event::ImapEvent;
use super::message::ImapMessage;
use super::request::{Request, Then};
use super::session::Session;

/// Most bytes of responses that one command collects: 64 MiB. Beyond it, the command fails and its
/// responses are dropped, so that a server cannot fill the memory of the client.
const MAX_COLLECTED: usize = 64 * 1024 * 1024;

impl Session {
    pub(super) fn responded(&mut self, cx: &mut Context<'_, Self>, response: Response<'static>) {
        match response {
            Response::Data(data) => self.data(cx, data),
            Response::Status(Status::Tagged(Tagged { tag, body })) => {
                self.answered(cx, tag.as_ref(), body);
            }
            Response::Status(Status::Untagged(body)) => self.notice(body),
            Response::Status(Status::Bye(Bye { code, text })) => {
                let text = text.inner().to_owned();
                // A BYE is a part of the response to LOGOUT; any other BYE ends the connection.
                let is_expected = self.running.iter().any(|it| it.then == Then::Logout);
                if !is_expected {
                    let (code, text) = (code.clone(), text.clone());
                    self.end.get_or_insert(ImapError::Bye { code, text });
                }
                self.event(ImapEvent::Bye { code, text });
                if !is_expected {
                    cx.lose_connection();
                }
            }
            // Not reached: the framing gives `ImapResponseFrame::Continuation` instead.
            Response::CommandContinuationRequest(_) => self.continuation(cx),
        }
    }

    pub(super) fn event(&mut self, event: ImapEvent) {
        if let Some(on_event) = &mut self.on_event {
            on_event(event);
        }
    }

    fn data(&mut self, cx: &mut Context<'_, Self>, data: Data<'static>) {
        if let Data::Capability(capabilities) = &data {
            self.capabilities = names_of(capabilities.as_ref());
        }
        let mut left = Some(data);
        let length = cx.framing().last_length();
        for request in self.running.iter_mut().filter(|it| it.is_awaited()) {
            let Some(data) = left.take() else {
                break;
            };
            left = request.collected.take(data);
            if left.is_none() {
                request.count(length);
            }
        }
        match left {
            // `self.capabilities` has these already.
            None | Some(Data::Capability(_)) => {}
            Some(Data::Exists(count)) => self.event(ImapEvent::Exists(count)),
            Some(Data::Recent(count)) => self.event(ImapEvent::Recent(count)),
            Some(Data::Expunge(number)) => self.event(ImapEvent::Expunged(number)),
            Some(Data::Flags(flags)) => self.event(ImapEvent::Flags(flags)),
            Some(data) => self.event(ImapEvent::Data(Box::new(data))),
        }
    }

    /// Keeps the capabilities that `code` announces; returns whether it does.
    pub(super) fn take_capabilities(&mut self, code: Option<&Code<'_>>) -> bool {
        let Some(Code::Capability(capabilities)) = code else {
            return false;
        };
        self.capabilities = names_of(capabilities.as_ref());
        true
    }

    /// A FETCH response.
    pub(super) fn message(&mut self, cx: &mut Context<'_, Self>, message: ImapMessage) {
        let length = cx.framing().last_length();
        // If bodies were streamed, `message` has only the other items, so `asked_for` could take it
        // for a report of changed flags.
        // The flag is reset for each message, whether or not a command gets the message.
        let has_streamed = std::mem::take(&mut self.has_streamed);
        let collects = |it: &&mut Request| it.rules.collects(Kind::Messages);
        let Some(request) = self.running.iter_mut().find(collects) else {
            return self.event(ImapEvent::Message(message));
        };
        // The Deferred was cancelled, so the messages for the command are dropped.
        if !request.is_awaited() {
            return;
        }
        match &mut request.collected {
            collected if !has_streamed && !collected.asked_for(&message) => {
                self.event(ImapEvent::Message(message));
            }
            Collected::Messages { messages, .. } => {
                messages.push(message);
                request.count(length);
            }
            _ => self.hand_message(cx, message),
        }
    }

    /// An untagged `OK`, `NO` or `BAD`, with a code or without.
    fn notice(&mut self, body: StatusBody<'static>) {
        let StatusBody { kind, code, text } = body;
        self.take_capabilities(code.as_ref());
        // Only the first command is tested: SELECT and MOVE, which get codes before their answer, are
        // sent alone.
        let collected = self.running.first_mut().map(|it| &mut it.collected);
        let is_collected = match (collected, &code) {
            (Some(Collected::Mailbox(mailbox)), Some(code)) => mailbox.take_code(code),
            (Some(Collected::Code(taken)), Some(Code::CopyUid { .. })) => {
                taken.clone_from(&code);
                true
            }
            _ => false,
        };
        if is_collected {
            return;
        }
        let text = text.inner().to_owned();
        self.event(ImapEvent::Notice { kind, code, text });
    }

    /// A response that could not be decoded. If a command collects responses of this name, that command
    /// fails, because its result would lack this response.
    pub(super) fn unknown(&mut self, cx: &mut Context<'_, Self>, beginning: &[u8]) {
        let response = String::from_utf8_lossy(beginning).into_owned();
        tracing::debug!(response, "a response that is unknown or not valid");
        if !beginning.starts_with(b"* ") {
            let what = "the answer to a command is not valid";
            return self.abort(cx, ImapError::Protocol { what });
        }
        // The name follows the `*`, or the number of a message: `* LIST ..`, `* 3 FETCH ..`.
        let mut words = response.split([' ', '\r']).skip(1);
        let word = words.find(|word| !word.bytes().all(|byte| byte.is_ascii_digit()));
        let kind = match word.unwrap_or_default().to_ascii_uppercase().as_str() {
            "CAPABILITY" => Kind::Capabilities,
            "LIST" | "LSUB" => Kind::List,
            "STATUS" => Kind::Status,
            "SEARCH" => Kind::Search,
            "FETCH" => Kind::Messages,
            _ => return,
        };
        let collects = |it: &&mut Request| it.rules.collects(kind);
        if let Some(request) = self.running.iter_mut().find(collects) {
            request.fail(ImapError::Malformed { response });
        }
    }

    /// The answer to a command.
    fn answered(&mut self, cx: &mut Context<'_, Self>, tag: &str, body: StatusBody<'static>) {
        let Some(index) = self.running.iter().position(|it| it.tag == tag) else {
            let what = "it answered a command that was not sent";
            return self.abort(cx, ImapError::Protocol { what });
        };
        let mut request = self.running.remove(index);
        if request.rules.collects(Kind::Messages) {
            cx.framing().stream_bodies(false);
        }
        let StatusBody { kind, code, text } = body;
        self.take_capabilities(code.as_ref());
        match refusal(kind, &code, &text) {
            Some(error) => self.refused(cx, &mut request, error),
            None => self.succeeded(cx, request, code),
        }
        self.go_on(cx);
    }

    fn refused(&mut self, cx: &mut Context<'_, Self>, request: &mut Request, error: ImapError) {
        match request.then {
            // Without TLS, the session must not go on, because the login would be sent in the clear.
            Then::StartTls => self.abort(cx, ImapError::NotEncrypted),
            Then::Open => self.abort(cx, error),
            Then::Idle => self.idle.end(Err(Failure::new(error))),
            Then::Nothing | Then::Login | Then::Logout => request.fail(error),
        }
    }

    fn succeeded(
        &mut self,
        cx: &mut Context<'_, Self>,
        mut request: Request,
        code: Option<Code<'static>>,
    ) {
        // The command is not sent completely, so the `OK` cannot be its answer.
        if !request.fragments.is_empty() {
            let what = "it answered a command before its end";
            request.fail(ImapError::Protocol { what });
            return self.abort(cx, ImapError::Protocol { what });
        }
        match request.then {
            Then::Nothing => request.finish(Ok(code)),
            Then::StartTls => self.start_tls(cx),
            Then::Open => self.opened(cx),
            // `answered` has taken the capabilities out of the code.
            Then::Login if matches!(code, Some(Code::Capability(_))) => request.finish(Ok(None)),
            Then::Login => {
                // Servers offer other capabilities after the login. The login's Deferred fires when
                // they are known.
                self.capabilities.clear();
                let tag = self.tags.next();
                let next = Request::own(tag, "CAPABILITY", Then::Nothing);
                // Before all commands that wait, because they may need its result. It takes over the
                // login's Deferred, which fires when it is answered.
                self.queue.push_front(next.finishing_for(&mut request));
            }
            Then::Idle => self.idle_ended(),
            Then::Logout => {
                request.finish(Ok(None));
                self.end.get_or_insert(ImapError::Closed);
                cx.lose_connection();
            }
        }
    }
}

impl Request {
    /// Counts a response that was collected.
    fn count(&mut self, length: usize) {
        self.collected_bytes += length;
        if self.collected_bytes > MAX_COLLECTED {
            let limit = MAX_COLLECTED;
            self.fail(ImapError::TooLong { limit });
        }
    }
}

/// The error of an answer that is not `OK`.
fn refusal(kind: StatusKind, code: &Option<Code<'static>>, text: &Text<'_>) -> Option<ImapError> {
    let (code, text) = (code.clone(), text.inner().to_owned());
    match kind {
        StatusKind::Ok => None,
        StatusKind::No => Some(ImapError::No { code, text }),
        StatusKind::Bad => Some(ImapError::Bad { code, text }),
    }
}
