//! What a session does with the responses of the server.

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

/// Most bytes of responses that one command collects.
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
            // The framing has a frame of its own for it.
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
            None | Some(Data::Capability(_)) => {}
            Some(Data::Exists(count)) => self.event(ImapEvent::Exists(count)),
            Some(Data::Recent(count)) => self.event(ImapEvent::Recent(count)),
            Some(Data::Expunge(number)) => self.event(ImapEvent::Expunged(number)),
            Some(Data::Flags(flags)) => self.event(ImapEvent::Flags(flags)),
            Some(data) => self.event(ImapEvent::Data(Box::new(data))),
        }
    }

    /// Takes the capabilities that `code` announces, if it does.
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
        // Without its bodies, it may look like a change of flags.
        let has_streamed = std::mem::take(&mut self.has_streamed);
        let collects = |it: &&mut Request| it.rules.collects(Kind::Messages);
        let Some(request) = self.running.iter_mut().find(collects) else {
            return self.event(ImapEvent::Message(message));
        };
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

    /// A remark of the server.
    fn notice(&mut self, body: StatusBody<'static>) {
        let StatusBody { kind, code, text } = body;
        self.take_capabilities(code.as_ref());
        // SELECT and MOVE, which get codes before the answer, are sent alone.
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

    /// A response that could not be decoded. If it may be one that a command has asked for, that
    /// fails, because its result would lack it.
    pub(super) fn unknown(&mut self, cx: &mut Context<'_, Self>, beginning: &[u8]) {
        let response = String::from_utf8_lossy(beginning).into_owned();
        tracing::debug!(response, "a response that is unknown or not valid");
        if !beginning.starts_with(b"* ") {
            let what = "the answer to a command is not valid";
            return self.abort(cx, ImapError::Protocol { what });
        }
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
            // Without it, the session must not go on.
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
        if !request.fragments.is_empty() {
            let what = "it answered a command before its end";
            request.fail(ImapError::Protocol { what });
            return self.abort(cx, ImapError::Protocol { what });
        }
        match request.then {
            Then::Nothing => request.finish(Ok(code)),
            Then::StartTls => self.start_tls(cx),
            Then::Open => self.opened(cx),
            Then::Login if matches!(code, Some(Code::Capability(_))) => request.finish(Ok(None)),
            Then::Login => {
                // What it could do before the login says little.
                self.capabilities.clear();
                let tag = self.tags.next();
                let next = Request::own(tag, "CAPABILITY", Then::Nothing);
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
