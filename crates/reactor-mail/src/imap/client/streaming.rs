//! Passes messages and their bodies to a `FetchHandler`, and pauses reading while it is busy.

use deferred::{Deferred, Failure};
use imap_types::fetch::MessageDataItem;
use reactor::Context;

use super::collected::Collected;
use super::fetch::{FetchHandler, Handing};
use super::message::ImapMessage;
use super::request::Request;
use super::session::Session;

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

    /// Passes a message that has arrived completely to the handler.
    pub(super) fn hand_message(&mut self, cx: &mut Context<'_, Self>, message: ImapMessage) {
        let Some((_, streams)) = self.handler() else {
            return;
        };
        let ImapMessage { number, items } = message;
        // For a handler that gets bodies piece by piece, the items are split: bodies that have come as
        // quoted strings, which are not streamed, are passed in the same way as streamed ones.
        let (whole, split) = if streams {
            (Vec::new(), items)
        } else {
            (items, Vec::new())
        };
        self.handing = Some(Handing {
            message: ImapMessage {
                number,
                items: whole,
            },
            items: split.into_iter(),
            data: None,
        });
        self.hand_on(cx);
    }

    /// Calls the handler until it is busy, or has the whole message. The items are not copied for each
    /// call, because the server decides how many there are, and the cost would be quadratic.
    fn hand_on(&mut self, cx: &mut Context<'_, Self>) {
        while self.busy.is_none()
            && let Some(mut handing) = self.handing.take()
        {
            let Some((handler, _)) = self.handler() else {
                return;
            };
            let taken = if let Some(data) = handing.data.take() {
                handler.data(&data)
            } else if let Some(mut item) = handing.items.next() {
                let Some(data) = take_body(&mut item) else {
                    handing.message.items.push(item);
                    self.handing = Some(handing);
                    continue;
                };
                let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
                handing.message.items.push(item);
                let taken = handler.body(&handing.message, length);
                handing.message.items.pop();
                // `FetchHandler::data` promises at least one byte.
                handing.data = Some(data).filter(|data| !data.is_empty());
                taken
            } else {
                let taken = handler.message(handing.message);
                return self.wait_for_handler(cx, taken);
            };
            // Before `wait_for_handler`, which drops the rest of the message if the handler has failed.
            self.handing = Some(handing);
            self.wait_for_handler(cx, taken);
        }
    }

    /// Pauses reading until `taken` has fired. If it fails, the command fails.
    fn wait_for_handler(&mut self, cx: &mut Context<'_, Self>, taken: Deferred<()>) {
        let mut taken = match taken.into_result() {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => return self.handler_failed(failure),
            Err(taken) => taken,
        };
        self.busy = Some(taken.handle());
        cx.pause_reading();
        // The timeout is off while reading is paused, because nothing can be received.
        self.watch(cx);
        cx.when_or_cancel(taken, |this, cx, taken| {
            this.busy = None;
            // Before `hand_on`, which may pause reading again: this call must not undo that.
            cx.resume_reading();
            if let Err(failure) = taken {
                this.handler_failed(failure);
            }
            this.hand_on(cx);
            this.watch(cx);
        });
    }

    /// Fails the command at once. Its remaining responses still come, and are dropped.
    fn handler_failed(&mut self, failure: Failure) {
        self.handing = None;
        if let Some(request) = self.handed() {
            request.fail(failure);
        }
    }
}

/// Takes the body out of `item`, if it has one.
fn take_body(item: &mut MessageDataItem<'_>) -> Option<Vec<u8>> {
    let (MessageDataItem::BodyExt { data, .. }
    | MessageDataItem::Rfc822(data)
    | MessageDataItem::Rfc822Header(data)
    | MessageDataItem::Rfc822Text(data)) = item
    else {
        return None;
    };
    data.0.take().map(|body| body.as_ref().to_vec())
}
