//! Hands messages and their bodies to a `FetchHandler`, at its pace.

use deferred::{Deferred, Failure};
use imap_types::core::NString;
use imap_types::fetch::MessageDataItem;
use reactor::Context;

use super::collected::Collected;
use super::fetch::FetchHandler;
use super::message::{ImapMessage, body};
use super::request::Request;
use super::session::Session;

/// A call of a `FetchHandler`.
pub(super) enum Step {
    Body { message: ImapMessage, length: u32 },
    Data(Vec<u8>),
    Message(ImapMessage),
}

impl Session {
    /// The command whose messages go to a `FetchHandler`. There is one at most: two FETCHes are not
    /// sent at the same time.
    fn handed(&mut self) -> Option<&mut Request> {
        let is_handed = |it: &&mut Request| matches!(it.collected, Collected::Handed { .. });
        self.running.iter_mut().find(is_handed)
    }

    /// The handler, and whether it gets bodies piece by piece.
    fn handler(&mut self) -> Option<(&mut dyn FetchHandler, bool)> {
        match &mut self.handed()?.collected {
            Collected::Handed {
                handler, streams, ..
            } => Some((&mut **handler, *streams)),
            _ => None,
        }
    }

    /// A body that is streamed begins.
    pub(super) fn body(&mut self, cx: &mut Context<'_, Self>, message: &ImapMessage, length: u32) {
        self.has_streamed = true;
        if let Some((handler, true)) = self.handler() {
            let taken = handler.body(message, length);
            self.wait_for_handler(cx, taken);
        }
    }

    /// A piece of a body that is streamed.
    pub(super) fn body_data(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) {
        if let Some((handler, true)) = self.handler() {
            let taken = handler.data(data);
            self.wait_for_handler(cx, taken);
        }
    }

    /// Everything about a message has come.
    pub(super) fn hand_message(&mut self, cx: &mut Context<'_, Self>, message: ImapMessage) {
        let Some((_, streams)) = self.handler() else {
            return;
        };
        if streams {
            self.hand_bodies(message);
        } else {
            self.steps.push_back(Step::Message(message));
        }
        self.take_steps(cx);
    }

    /// Adds the steps for a message and for its bodies that were not streamed: quoted strings, and
    /// literals beyond the limits of the framing. The handler gets these like streamed ones.
    fn hand_bodies(&mut self, message: ImapMessage) {
        let ImapMessage { number, items } = message;
        let mut rest = ImapMessage {
            number,
            items: Vec::with_capacity(items.len()),
        };
        for mut item in items {
            let Some(data) = body(&item).map(<[u8]>::to_vec) else {
                rest.items.push(item);
                continue;
            };
            clear_body(&mut item);
            let mut message = rest.clone();
            message.items.push(item);
            let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
            self.steps.push_back(Step::Body { message, length });
            if length > 0 {
                self.steps.push_back(Step::Data(data));
            }
        }
        self.steps.push_back(Step::Message(rest));
    }

    /// Calls the handler with one step after the other, until it returns a pending Deferred.
    fn take_steps(&mut self, cx: &mut Context<'_, Self>) {
        while self.busy.is_none()
            && let Some(step) = self.steps.pop_front()
        {
            let Some((handler, _)) = self.handler() else {
                return self.steps.clear();
            };
            let taken = match step {
                Step::Body { message, length } => handler.body(&message, length),
                Step::Data(data) => handler.data(&data),
                Step::Message(message) => handler.message(message),
            };
            self.wait_for_handler(cx, taken);
        }
    }

    /// Reads nothing before `taken` has fired.
    fn wait_for_handler(&mut self, cx: &mut Context<'_, Self>, taken: Deferred<()>) {
        let mut taken = match taken.into_result() {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => return self.handler_failed(failure),
            Err(taken) => taken,
        };
        self.busy = Some(taken.handle());
        cx.pause_reading();
        // While this side does not read, the server's silence is not the server's fault.
        self.watch(cx);
        cx.when_or_cancel(taken, |this, cx, taken| {
            this.busy = None;
            cx.resume_reading();
            if let Err(failure) = taken {
                this.handler_failed(failure);
            }
            this.take_steps(cx);
            this.watch(cx);
        });
    }

    /// Fails the command at once. Its remaining responses still come, and are dropped.
    fn handler_failed(&mut self, failure: Failure) {
        self.steps.clear();
        if let Some(request) = self.handed() {
            request.fail(failure);
        }
    }
}

/// Replaces the body in `item` by NIL: the handler gets the item to know which body begins, and the
/// bytes as `data`.
fn clear_body(item: &mut MessageDataItem<'_>) {
    if let MessageDataItem::BodyExt { data, .. }
    | MessageDataItem::Rfc822(data)
    | MessageDataItem::Rfc822Header(data)
    | MessageDataItem::Rfc822Text(data) = item
    {
        *data = NString(None);
    }
}
